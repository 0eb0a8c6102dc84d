//! Directories on disk: sorted entries, divided into blocks that each stand for themselves.

use std::ops::Range;

use super::layout::{BLOCK, BLOCK_U64, DIRENT_SIZE, Dirent};

/// A directory's entries in the order of their bytes, divided into blocks.
pub(super) struct Directory<'a> {
    /// Names, with `.` and `..`, and the numbers of the nodes they mean.
    pub(super) entries: Vec<(&'a [u8], usize)>,
    /// The entries in each block.
    pub(super) blocks: Vec<Range<usize>>,
    /// Bytes in the last block.
    pub(super) last_block: usize,
    /// Whether the last block stands behind the inode.
    pub(super) inline: bool,
}

impl<'a> Directory<'a> {
    /// From numbers of nodes: its own, its parent's, its children's with their names.
    pub(super) fn new(itself: usize, parent: usize, children: &[(&'a [u8], usize)]) -> Directory<'a> {
        let mut entries = children.to_vec();
        entries.push((b".", itself));
        entries.push((b"..", parent));
        entries.sort_unstable();
        let mut blocks = Vec::new();
        let (mut start, mut used) = (0, 0);
        for (number, (name, _)) in entries.iter().enumerate() {
            let length = DIRENT_SIZE + name.len();
            if used + length > BLOCK {
                blocks.push(start..number);
                (start, used) = (number, 0);
            }
            used += length;
        }
        blocks.push(start..entries.len());
        Directory { entries, blocks, last_block: used, inline: false }
    }

    pub(super) fn size(&self) -> u64 {
        (self.blocks.len() as u64 - 1) * BLOCK_U64 + self.last_block as u64
    }
}

/// One block of a directory: its entries, then their names. `targets` are nid and file type of every node.
pub(super) fn block(entries: &[(&[u8], usize)], targets: &[(u64, u8)]) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK);
    let mut name_at = entries.len() * DIRENT_SIZE;
    for (name, number) in entries {
        let (nid, file_type) = targets[*number];
        let nameoff = u16::try_from(name_at).expect("a block has 4096 bytes");
        block.extend_from_slice(&Dirent { nid, nameoff, file_type }.encode());
        name_at += name.len();
    }
    entries.iter().for_each(|(name, _)| block.extend_from_slice(name));
    block
}
