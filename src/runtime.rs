//! Container runtimes as data: all that builder and agent know of one besides the formats that it reads. A new one is a
//! row here, and, if it reads other formats, an [`Engine`]: the compiler then shows who has to write them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

/// A container runtime that a node may have. Both sides know the whole row: the agent is of the same build as the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runtime {
    /// Of recipes and `image.json`.
    pub name: &'static str,
    /// One sentence for the recipe's schema.
    pub about: &'static str,
    pub engine: Engine,
    /// Names under which it is packaged, the one to ask for first.
    pub packages: &'static [&'static str],
    /// What has to be there: of each program the places that it may have.
    pub programs: &'static [&'static [&'static str]],
    /// The service that has to run before the kubelet.
    pub unit: &'static str,
    /// Services that make connections of their own: they are given proxies, and start again when these change.
    pub connecting: &'static [&'static str],
    /// Where it offers the container runtime interface.
    pub socket: &'static str,
    pub configuration: &'static str,
    /// The directory of what it knows of registries.
    pub registries: &'static str,
    /// The program that gives it archives of images.
    pub importer: &'static str,
}

/// Whose formats a runtime reads: of its configuration, its mirrors of registries, and its importer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Containerd,
}

pub const CONTAINERD: Runtime = Runtime {
    name: "containerd",
    about: "containerd with its CRI plugin",
    engine: Engine::Containerd,
    // Debian's name, Docker's.
    packages: &["containerd", "containerd.io"],
    // Debian has runc with the administrator's programs, Docker's RPM with everybody's.
    programs: &[&["/usr/bin/containerd"], &["/usr/bin/runc", "/usr/sbin/runc"]],
    unit: "containerd.service",
    connecting: &["containerd.service"],
    socket: "/run/containerd/containerd.sock",
    configuration: "/etc/containerd/config.toml",
    registries: "/etc/containerd/certs.d",
    importer: "/usr/bin/ctr",
};

/// All of them.
pub const RUNTIMES: &[&Runtime] = &[&CONTAINERD];

impl Runtime {
    pub fn parse(name: &str) -> Option<&'static Runtime> {
        RUNTIMES.iter().copied().find(|runtime| runtime.name == name)
    }

    /// The socket as gRPC names it.
    pub fn socket_url(&self) -> String {
        format!("unix://{}", self.socket)
    }

    pub fn is_default(&self) -> bool {
        *self == CONTAINERD
    }
}

/// Of nodes whose recipe or image names none.
impl Default for &'static Runtime {
    fn default() -> Self {
        &CONTAINERD
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Serialize for Runtime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for &'static Runtime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Runtime::parse(&name).ok_or_else(|| D::Error::custom(format!("`{name}` is no container runtime that is known")))
    }
}
