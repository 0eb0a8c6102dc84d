//! Extended attributes on disk: behind each inode, and once for all in the shared area.

use std::collections::BTreeMap;
use std::io;

use super::layout::{self, XATTR_ENTRY_SIZE, XATTR_HEADER_SIZE, XATTR_PREFIXES, XattrEntry};
use crate::tree::{Inode, TreePath, path};

/// What the metadata needs of the tree's xattrs.
#[derive(Debug, Default)]
pub(super) struct Xattrs {
    /// What follows each inode, in the order the inodes were given; empty without xattrs.
    pub(super) bodies: Vec<Vec<u8>>,
    /// Entries that several inodes refer to by their offset, in units of 4 bytes.
    pub(super) shared: Vec<u8>,
}

/// Entries longer than this are shared even if only one inode has them: inline they would spread the inodes.
const INLINE_MAX: usize = 512;
/// `h_shared_count` is a byte.
const SHARED_MAX: usize = 255;

/// An error names the path whose xattrs the format cannot hold.
pub(super) fn encode<'a>(inodes: impl Iterator<Item = (&'a TreePath, &'a Inode)> + Clone) -> io::Result<Xattrs> {
    let mut uses: BTreeMap<(&[u8], &[u8]), usize> = BTreeMap::new();
    for (_, inode) in inodes.clone() {
        inode.xattrs.iter().for_each(|(name, value)| *uses.entry((name, value)).or_default() += 1);
    }
    let mut xattrs = Xattrs::default();
    let mut shared_at: BTreeMap<(&[u8], &[u8]), u32> = BTreeMap::new();
    for (path, inode) in inodes {
        let mut ids: Vec<u32> = Vec::new();
        let mut inline = Vec::new();
        for (name, value) in &inode.xattrs {
            let key = (name.as_slice(), value.as_slice());
            let entry = entry(name, value).ok_or_else(|| {
                refused(path, &format!("cannot hold the extended attribute `{}`", path::escape(name)))
            })?;
            if ids.len() < SHARED_MAX && (uses[&key] > 1 || entry.len() > INLINE_MAX) {
                let next = u32::try_from(xattrs.shared.len() / 4);
                let next = next.map_err(|_| refused(path, "has no room for so many extended attributes"))?;
                let id = *shared_at.entry(key).or_insert_with(|| {
                    xattrs.shared.extend_from_slice(&entry);
                    next
                });
                ids.push(id);
            } else {
                inline.extend_from_slice(&entry);
            }
        }
        let body = body(&ids, &inline);
        if layout::xattr_icount(body.len()).is_none() {
            return Err(refused(path, "has no room for so many extended attributes of one file"));
        }
        xattrs.bodies.push(body);
    }
    Ok(xattrs)
}

fn refused(path: &TreePath, problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("`{path}`: EROFS {problem}"))
}

/// `erofs_xattr_ibody_header`, the shared ids, the inline entries.
fn body(ids: &[u32], inline: &[u8]) -> Vec<u8> {
    if ids.is_empty() && inline.is_empty() {
        return Vec::new();
    }
    let mut body = vec![0; XATTR_HEADER_SIZE];
    body[4] = u8::try_from(ids.len()).expect("at most SHARED_MAX");
    ids.iter().for_each(|id| body.extend_from_slice(&id.to_le_bytes()));
    body.extend_from_slice(inline);
    body
}

/// One entry, padded to 4 bytes; `None` if the name or a length does not fit.
fn entry(name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let (name_index, prefix) = XATTR_PREFIXES.into_iter().find(|(_, prefix)| name.starts_with(prefix))?;
    let rest = &name[prefix.len()..];
    if !prefix.ends_with(b".") && !rest.is_empty() {
        return None;
    }
    let entry = XattrEntry {
        name_len: u8::try_from(rest.len()).ok()?,
        name_index,
        value_size: u16::try_from(value.len()).ok()?,
    };
    let mut bytes = [entry.encode().as_slice(), rest, value].concat();
    bytes.resize(bytes.len().next_multiple_of(XATTR_ENTRY_SIZE), 0);
    Some(bytes)
}
