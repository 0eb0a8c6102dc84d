//! One vocabulary for both package families: what a package brings into the tree.

pub mod deb;
pub mod evr;
pub mod rpm;
mod saved;
mod tarball;
pub mod version;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::tree::{Digest, TreePath};

/// Name, full version (deb: `[epoch:]upstream[-revision]`; rpm: EVR) and architecture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageId {
    pub name: String,
    pub version: String,
    pub arch: String,
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The kind of packages that one is of; it decides how versions compare and what scripts mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    #[default]
    Deb,
    Rpm,
}

impl Family {
    /// Which of two versions of the family is newer.
    pub fn compare(self, a: &str, b: &str) -> Ordering {
        match self {
            Family::Deb => version::compare_versions(a, b),
            Family::Rpm => evr::compare_evr(a, b),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Deb => "deb",
            Family::Rpm => "rpm",
        })
    }
}

/// An unpacked package: its files' contents are in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub id: PackageId,
    pub family: Family,
    /// Every field of the control stanza (deb), in its order; values as written, continuation lines kept. Of an RPM
    /// what `rpm` makes of its header.
    pub control: Vec<(String, String)>,
    /// In the archive's order: a hard link comes after what it links to.
    pub files: Vec<FileEntry>,
    pub scripts: Vec<Script>,
    /// Other members of the package's control part by name: `conffiles`, `triggers`, `shlibs`, `md5sums`, …; of an
    /// RPM only `conffiles`, and its headers for rpm's database.
    pub members: BTreeMap<String, Vec<u8>>,
}

/// One path of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    pub path: TreePath,
    pub kind: FileKind,
    /// Permission bits with setuid, setgid, sticky.
    pub mode: u16,
    pub user: Owner,
    pub group: Owner,
    pub mtime: i64,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    Directory,
    File {
        digest: Digest,
        size: u64,
    },
    Symlink {
        target: Vec<u8>,
    },
    /// Another name of a path that came before in the same package.
    Hardlink {
        to: TreePath,
    },
    CharDevice {
        major: u32,
        minor: u32,
    },
    BlockDevice {
        major: u32,
        minor: u32,
    },
    Fifo,
}

/// An owner as the package says it. The name decides where it is given and is not empty; numbers are for packages
/// that have no names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub name: String,
    pub id: u32,
}

/// A maintainer script, never executed: `assemble::scripts` accounts for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// `preinst`, `postinst`, `prerm`, `postrm`, `config` (deb); `%pre`, … (rpm).
    pub name: String,
    pub text: Vec<u8>,
}
