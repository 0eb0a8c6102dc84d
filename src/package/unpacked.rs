//! An unpacked package: what it says about itself, and what it brings into the tree.

use std::collections::BTreeMap;

use super::id::{Family, PackageId};
use crate::tree::{Digest, TreePath};

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
