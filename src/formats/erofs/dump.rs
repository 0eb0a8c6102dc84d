//! An image as text that a person can judge: superblock, then every inode in the tree's order with its directory
//! entries, xattrs and extents, all with their offsets.
//!
//! ```text
//! /usr/bin/su nid 7 at 0x30e0: -4755 0:0 1700000000 links 2 size 84360, extended, compressed-full
//!   0+84360 zstd at 0x1000+32768
//!   security.capability=0x01…
//! ```

use std::fmt::{self, Write};

use super::layout::{self, Layout};
use super::read::{self, Image, Inode, ReadAt, ReadError};
use crate::tree::content::hex;
use crate::tree::{TreePath, path};

/// The whole image.
pub fn dump<R: ReadAt>(image: &Image<R>) -> Result<String, ReadError> {
    let mut text = String::new();
    superblock(&mut text, image).expect("a String takes everything");
    read::walk(image, &mut |path, inode, first| {
        // The first error is one of reading, the second one of writing to a String, which has none.
        inode_text(image, path, inode, first)?
            .lines()
            .try_for_each(|line| writeln!(text, "{line}"))
            .expect("a String takes everything");
        Ok(())
    })?;
    Ok(text)
}

fn superblock<R>(text: &mut String, image: &Image<R>) -> fmt::Result {
    let superblock = &image.superblock;
    let label = superblock.volume_name.split(|byte| *byte == 0).next().unwrap_or_default();
    let sealed = if superblock.feature_compat & layout::COMPAT_SB_CHKSUM != 0 { "good" } else { "not used" };
    writeln!(text, "superblock at {:#x}: checksum {:#010x} {sealed}", layout::SUPERBLOCK_OFFSET, superblock.checksum)?;
    writeln!(
        text,
        "  compat {:#x}, incompat {:#x}, algorithms {:#x}",
        superblock.feature_compat, superblock.feature_incompat, superblock.available_compr_algs
    )?;
    writeln!(
        text,
        "  blocks {} of {}, inodes {}, root nid {}, metadata at block {}, shared xattrs at block {}",
        superblock.blocks,
        layout::BLOCK,
        superblock.inos,
        superblock.root_nid,
        superblock.meta_blkaddr,
        superblock.xattr_blkaddr
    )?;
    write!(text, "  epoch {}, label `{}`, uuid ", superblock.epoch, path::escape(label))?;
    text.push_str(&hex(&superblock.uuid));
    writeln!(text)
}

fn inode_text<R: ReadAt>(
    image: &Image<R>,
    path: &TreePath,
    inode: &Inode,
    first: Option<&TreePath>,
) -> Result<String, ReadError> {
    if let Some(first) = first {
        return Ok(format!("{path} nid {}: see {first}", inode.nid));
    }
    let header = &inode.header;
    let kind = header.mode & layout::S_IFMT;
    let mut lines = vec![inode_line(path, inode)];
    if kind == layout::S_IFDIR {
        for entry in image.directory(inode)? {
            lines.push(format!("  {} -> nid {}, type {}", path::escape(&entry.name), entry.nid, entry.file_type));
        }
    }
    if matches!(kind, layout::S_IFDIR | layout::S_IFREG | layout::S_IFLNK) {
        for extent in image.extents(inode)? {
            let packing = format!("{:?}", extent.packing).to_lowercase();
            lines.push(format!(
                "  {}+{} {packing} at {:#x}+{}",
                extent.offset, extent.length, extent.address, extent.stored
            ));
        }
    }
    for (name, value) in image.xattrs(inode)? {
        let value = hex(&value);
        lines.push(format!("  {}=0x{value}", path::escape(&name)));
    }
    Ok(lines.join("\n"))
}

fn inode_line(path: &TreePath, inode: &Inode) -> String {
    let header = &inode.header;
    let letter = match header.mode & layout::S_IFMT {
        layout::S_IFDIR => 'd',
        layout::S_IFREG => '-',
        layout::S_IFLNK => 'l',
        layout::S_IFCHR => 'c',
        layout::S_IFBLK => 'b',
        layout::S_IFIFO => 'p',
        _ => '?',
    };
    let layout = match header.layout {
        Layout::FlatPlain => "flat",
        Layout::FlatInline => "flat-inline",
        Layout::CompressedFull => "compressed-full",
        Layout::CompressedCompact => "compressed-compact",
        Layout::ChunkBased => "chunks",
    };
    let form = if header.extended { "extended" } else { "compact" };
    let device = match layout::decode_device(header.union) {
        (major, minor) if matches!(letter, 'b' | 'c') => format!(", device {major},{minor}"),
        _ => String::new(),
    };
    format!(
        "{path} nid {} at {:#x}: {letter}{:04o} {}:{} {} links {} size {}, {form}, {layout}{device}",
        inode.nid,
        inode.offset,
        header.mode & 0o7777,
        header.uid,
        header.gid,
        header.mtime,
        header.nlink,
        header.size
    )
}
