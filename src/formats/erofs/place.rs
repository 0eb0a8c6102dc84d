//! Where things go: blocks one after the other, and inodes in the slots of the metadata area.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use super::layout::{BLOCK, BLOCK_U64, SLOT};

/// The image as a sequence of blocks.
pub(super) struct Blocks<'a, W: Write> {
    out: BufWriter<&'a mut W>,
    next: u32,
}

impl<'a, W: Write> Blocks<'a, W> {
    /// The address of the next block.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Writes bytes into as many blocks as they need, zeros behind them; the address of the first.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<u32> {
        let start = self.next;
        let count = u32::try_from(bytes.len().div_ceil(BLOCK)).ok();
        let next = count.and_then(|count| start.checked_add(count));
        self.next = next.ok_or_else(|| io::Error::other("an EROFS image has less than 16 TiB"))?;
        self.out.write_all(bytes)?;
        self.out.write_all(&[0; BLOCK][..bytes.len().next_multiple_of(BLOCK) - bytes.len()])?;
        Ok(start)
    }
}

impl<'a, W: Write + Seek> Blocks<'a, W> {
    /// Begins an image; block 0 stays empty until the end.
    pub(super) fn new(out: &'a mut W) -> io::Result<Blocks<'a, W>> {
        out.seek(SeekFrom::Start(0))?;
        let mut blocks = Blocks { out: BufWriter::with_capacity(1 << 20, out), next: 0 };
        blocks.append(&[0; BLOCK])?;
        Ok(blocks)
    }

    pub(super) fn finish(mut self, first: &[u8; BLOCK]) -> io::Result<()> {
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(first)?;
        self.out.flush()
    }
}

/// Where inodes stand in the metadata area.
///
/// An inode of up to a block does not cross a block's end, so that what is inline never does; a larger one begins a
/// block. Only the last few blocks are filled up: neighbours in the tree stay neighbours on the disk.
pub(super) struct Places {
    /// Blocks with room: number, and bytes used.
    open: VecDeque<(u64, u64)>,
    /// The first block that no inode is in.
    next: u64,
}

/// How many blocks with room are remembered.
const OPEN_BLOCKS: usize = 32;

impl Places {
    pub(super) fn new() -> Places {
        // Slot 0 stays empty: readdir reports the nid as inode number, and C libraries skip entries with number 0.
        Places { open: VecDeque::from([(0, SLOT as u64)]), next: 1 }
    }

    /// The nid for an inode with these many bytes.
    pub(super) fn place(&mut self, length: u64) -> u64 {
        let length = length.next_multiple_of(SLOT as u64);
        let fitting = self.open.iter_mut().filter(|(_, used)| used.saturating_add(length) <= BLOCK_U64);
        if let Some((block, used)) = fitting.max_by_key(|(block, used)| (*used, *block)) {
            let offset = *block * BLOCK_U64 + *used;
            *used += length;
            return offset / SLOT as u64;
        }
        let offset = self.next * BLOCK_U64;
        self.next += length.div_ceil(BLOCK_U64);
        if self.open.len() == OPEN_BLOCKS {
            self.open.pop_front();
        }
        self.open.push_back((self.next - 1, (length - 1) % BLOCK_U64 + 1));
        offset / SLOT as u64
    }
}
