//! The types of a checked recipe: what a node image is to hold, with every default filled in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::hardware::Hardware;
use super::kubernetes::Kubernetes;
use super::output::Output;
use super::repository::Repository;
use crate::arch::Arch;
use crate::diag::Location;
use crate::image_info::MetadataTrust;
use crate::runtime::Runtime;
use crate::secure_boot::{Enroll, Identity};
use crate::var_filesystem::VarFilesystem;
use crate::yaml::Located;

#[derive(Debug, Clone)]
pub struct Recipe {
    /// Names the outputs: lower case letters, digits, `-`, `_`, `.`.
    pub name: String,
    pub version: String,
    pub arch: &'static Arch,
    /// Seconds since 1970: the time of everything that the builder itself writes.
    pub epoch: i64,
    pub repositories: Vec<Repository>,
    pub packages: Vec<PackageRequest>,
    /// Whether packages that RPMs recommend come too.
    pub weak_dependencies: bool,
    /// Packages that come in by dependency and are left out of the root, with the reason.
    pub drop: Vec<Dropped>,
    /// Maintainer scripts, or programs of them, that the recipe's author takes responsibility for.
    pub accept_scripts: Vec<AcceptedScript>,
    pub unknown_programs: UnknownPrograms,
    pub metadata: MetadataTrust,
    /// Question of debconf → answer.
    pub debconf: BTreeMap<String, String>,
    /// In the order of their table, with the places that ask for them; never empty.
    pub hardware: Vec<Located<&'static Hardware>>,
    pub kernel: Kernel,
    /// `net.ipv4.ip_forward` → `1`, in key order.
    pub sysctl: BTreeMap<String, String>,
    pub modules: Modules,
    pub runtime: Option<RuntimeSettings>,
    pub kubernetes: Option<Kubernetes>,
    /// Archives of container images that every node has from the start.
    pub images: Vec<ImageFile>,
    pub services: Services,
    pub users: Vec<User>,
    /// System account → the number of its user and group, for names whose derived numbers collide.
    pub system_ids: BTreeMap<String, u32>,
    pub overlays: Vec<Overlay>,
    /// A name below `/usr/share/zoneinfo`; nothing is UTC.
    pub timezone: Option<Located<String>>,
    pub locale: String,
    /// Nothing is [`Selinux::Disabled`].
    pub selinux: Option<Located<Selinux>>,
    /// Directories that stay writable besides `/etc` and `/var`.
    pub writable: Vec<String>,
    pub disk: Disk,
    pub compression: Compression,
    /// Whether the disk starts under a BIOS as well.
    pub bios: bool,
    /// Who signs what firmware starts; nothing is signed without it.
    pub secure_boot: Option<SecureBoot>,
    /// In the order of their table.
    pub outputs: Vec<&'static Output>,
    pub iso: Iso,
}

/// What an installer does and brings along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iso {
    /// The disk that it takes, as [`crate::contract::CMDLINE_INSTALL`] has it.
    pub install: String,
    /// A directory with metadata.
    pub metadata: Option<PathBuf>,
}

/// `containerd` or `containerd=1.7.24~ds1-6`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRequest {
    pub name: String,
    pub version: Option<String>,
    pub location: Location,
}

#[derive(Debug, Clone)]
pub struct Dropped {
    pub name: String,
    pub reason: String,
    pub location: Location,
}

/// What becomes of a program of a script that nobody knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownPrograms {
    #[default]
    Stop,
    /// It does nothing, and is told and written down.
    Note,
}

impl UnknownPrograms {
    pub const WORDS: [&'static str; 2] = ["stop", "note"];

    pub fn word(self) -> &'static str {
        match self {
            UnknownPrograms::Stop => "stop",
            UnknownPrograms::Note => "note",
        }
    }

    pub fn parse(word: &str) -> Option<UnknownPrograms> {
        [UnknownPrograms::Stop, UnknownPrograms::Note].into_iter().find(|it| it.word() == word)
    }
}

#[derive(Debug, Clone)]
pub struct AcceptedScript {
    pub package: String,
    pub script: String,
    /// The program of the script that may do nothing; without one the script is not run at all.
    pub program: Option<String>,
    pub reason: String,
    pub location: Location,
}

#[derive(Debug, Clone)]
pub struct Kernel {
    pub package: PackageRequest,
    /// `6.12`: the line of kernels that the image promises.
    pub line: String,
    /// Where the recipe says it.
    pub line_location: Location,
    /// Added to the kernel command line after the builder's own words: consoles, then what the recipe says.
    pub cmdline: Vec<String>,
    /// Modules in the initrd besides those of the hardware, by name.
    pub initrd_modules: Vec<Located<String>>,
}

#[derive(Debug, Clone, Default)]
pub struct Modules {
    /// Loaded at boot, in this order.
    pub load: Vec<Located<String>>,
    /// Module → options, as in modprobe.d.
    pub options: BTreeMap<String, String>,
    pub blacklist: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct RuntimeSettings {
    pub runtime: &'static Runtime,
    pub systemd_cgroup: bool,
    pub sandbox_image: String,
    /// Registry → mirror URLs, tried in order.
    pub mirrors: BTreeMap<String, Vec<String>>,
    pub location: Location,
}

#[derive(Debug, Clone)]
pub struct ImageFile {
    /// Relative to the working directory or absolute.
    pub path: PathBuf,
    /// File name in the image: the archive's own, ending in `.tar`.
    pub name: String,
    pub location: Location,
}

#[derive(Debug, Clone, Default)]
pub struct Services {
    pub enable: Vec<Located<String>>,
    pub disable: Vec<Located<String>>,
    pub mask: Vec<Located<String>>,
}

#[derive(Debug, Clone)]
pub struct User {
    pub name: String,
    pub uid: Option<u32>,
    pub groups: Vec<String>,
    pub shell: String,
    pub home: String,
    pub ssh_authorized_keys: Vec<String>,
    pub location: Location,
}

#[derive(Debug, Clone)]
pub struct Overlay {
    /// A directory whose files go over the root, relative to the working directory or absolute.
    pub directory: PathBuf,
    /// As the recipe writes it: what manifests and errors say.
    pub name: String,
    pub location: Location,
}

/// Who signs what firmware with Secure Boot starts.
#[derive(Debug, Clone)]
pub struct SecureBoot {
    pub identity: Arc<Identity>,
    /// Name of the certificate's file: where it lies on this machine must not change an image.
    pub certificate: String,
    pub enroll: Enroll,
}

/// Sizes in bytes, multiples of 1 MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Of the section, or of the recipe where it has none.
    pub location: Location,
    pub esp: u64,
    /// Size of root-A, and of the gap kept for root-B.
    pub slot: u64,
    pub var: &'static VarFilesystem,
    /// Smallest `/var` that a node may have.
    pub var_min: u64,
}

/// What becomes of the policy that the image's packages bring: nothing, or files are labelled by it and what it refuses
/// is logged, or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selinux {
    Disabled,
    Permissive,
    Enforcing,
}

impl Selinux {
    pub const WORDS: [&str; 3] = ["disabled", "permissive", "enforcing"];

    /// The mode that a recipe names.
    pub fn parse(word: &str) -> Option<Selinux> {
        [Selinux::Disabled, Selinux::Permissive, Selinux::Enforcing].into_iter().find(|mode| mode.word() == word)
    }

    /// As recipes and `/etc/selinux/config` have it.
    pub fn word(self) -> &'static str {
        let [disabled, permissive, enforcing] = Selinux::WORDS;
        match self {
            Selinux::Disabled => disabled,
            Selinux::Permissive => permissive,
            Selinux::Enforcing => enforcing,
        }
    }
}

impl Recipe {
    /// The container runtime that the agent counts on: the default where the recipe has none.
    pub fn node_runtime(&self) -> &'static Runtime {
        self.runtime.as_ref().map(|settings| settings.runtime).unwrap_or_default()
    }

    /// The mode of SELinux, named or not.
    pub fn selinux_mode(&self) -> Selinux {
        self.selinux.as_ref().map_or(Selinux::Disabled, |mode| mode.value)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Zstd { level: i32 },
    Lz4hc { level: i32 },
}
