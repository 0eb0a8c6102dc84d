//! The tree as text: one line a path, for people, snapshots and comparisons.
//!
//! ```text
//! /usr/bin/su -4755 0:0 1700000000 84360 sha256:… ino=17 security.capability=0x01…
//! ```
//! Fields: path, kind and mode, owner, mtime, what the kind has (size and digest, target, device numbers), then for
//! an inode with several names the number of its first line, then xattrs in order.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::content::hex;
use super::path::escape;
use super::{Inode, InodeId, Kind, Tree};

/// The whole tree. Equal dumps mean equal trees, origins aside.
pub fn dump(tree: &Tree) -> String {
    let mut names: BTreeMap<InodeId, usize> = BTreeMap::new();
    tree.iter().for_each(|(_, id, _)| *names.entry(id).or_default() += 1);
    let mut first_line: BTreeMap<InodeId, usize> = BTreeMap::new();
    let mut text = String::new();
    for (line, (path, id, inode)) in tree.iter().enumerate() {
        let first = *first_line.entry(id).or_insert(line + 1);
        text.push_str(&path.to_string());
        text.push_str(&describe(inode));
        if names[&id] > 1 {
            // Writing to a String cannot fail.
            let _ = write!(text, " ino={first}");
        }
        for (name, value) in &inode.xattrs {
            let _ = write!(text, " {}=0x{}", escape(name), hex(value));
        }
        text.push('\n');
    }
    text
}

fn describe(inode: &Inode) -> String {
    let Inode { kind, mode, uid, gid, mtime, .. } = inode;
    let rest = match kind {
        Kind::Directory | Kind::Fifo => String::new(),
        Kind::File(content) => format!(" {} sha256:{}", content.size(), content.digest()),
        Kind::Symlink(target) => format!(" -> {}", escape(target)),
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => format!(" {major},{minor}"),
    };
    format!(" {}{mode:04o} {uid}:{gid} {mtime}{rest}", kind.letter())
}
