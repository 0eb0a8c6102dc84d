//! The release of Kubernetes that an image is for, and what follows from it.

use std::fmt;

use super::table;
use crate::diag::Location;
use crate::image_info::KubeadmApi;
use crate::runtime::Runtime;

/// `1.MINOR.PATCH`: there has never been another major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    /// Reads `1.36.2`.
    pub fn parse(text: &str) -> Option<Version> {
        let (minor, patch) = text.strip_prefix("1.")?.split_once('.')?;
        let number = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
            digits.parse().ok().filter(|_| plain)
        };
        Some(Version { minor: number(minor)?, patch: number(patch)? })
    }

    /// The version in a package's version: `1.36.2-150500.2.1`, `1.36.2-1.1`, `0:1.36.2`.
    pub fn of_package(version: &str) -> Option<Version> {
        let version = version.split_once(':').map_or(version, |(_, version)| version);
        Version::parse(version.split(['-', '+', '~']).next().unwrap_or(version))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}.{}", self.minor, self.patch)
    }
}

#[derive(Debug, Clone)]
pub struct Kubernetes {
    /// The version of kubeadm; the kubelet's too unless it is pinned to another one.
    pub version: Version,
    /// The node may fetch the sandbox image from its registry; else it has to be among the recipe's images.
    pub pull_sandbox_image: bool,
    /// Where the recipe says the version.
    pub location: Location,
}

impl Kubernetes {
    /// Version of kubeadm's API.
    pub fn kubeadm_api(&self) -> KubeadmApi {
        *table::at(&table::table().kubeadm_api, self.version.minor)
    }

    /// The runtime's socket as this kubeadm wants it named.
    pub fn cri_socket(&self, runtime: &Runtime) -> String {
        let is_url = *table::at(&table::table().cri_socket_url, self.version.minor);
        if is_url { runtime.socket_url() } else { runtime.socket.to_owned() }
    }

    /// The sandbox image that this kubeadm knows.
    pub fn pause_image(&self) -> String {
        format!("{}/pause:{}", table::at::<String>(&table::table().registry, self.version.minor), self.pause_tag())
    }

    /// The tag of that image.
    pub fn pause_tag(&self) -> &'static str {
        table::at::<String>(&table::table().pause, self.version.minor)
    }
}
