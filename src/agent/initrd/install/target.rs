//! The disk that is written to.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Context as _, Result};
use rustix::fs::Advice;
use rustix::io::Errno;

use crate::agent::sys;

/// Bytes of zeros that are written at once where the disk cannot do it alone.
const ZEROS: usize = 1 << 20;

/// What an installation does to a disk. Writes may be lost or come in any order until [`Target::sync`] returns; a sector
/// is written as a whole or not at all.
pub trait Target {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<()>;

    /// Makes `bytes` bytes zero; both numbers are whole sectors.
    fn zero(&mut self, offset: u64, bytes: u64) -> Result<()>;

    /// Waits until all that was written is on the disk.
    fn sync(&mut self) -> Result<()>;

    /// Reads what the disk has, not what is remembered of what was written.
    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()>;
}

/// A disk of this machine.
#[derive(Debug)]
pub struct BlockTarget {
    pub file: File,
    /// `/dev/vda`, for messages.
    pub name: String,
}

impl Target for BlockTarget {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(bytes, offset).with_context(|| format!("writing to {} at {offset}", self.name))
    }

    fn zero(&mut self, offset: u64, bytes: u64) -> Result<()> {
        match sys::zero_range(&self.file, offset, bytes) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL) => {}
            Err(error) => return Err(error).with_context(|| format!("clearing {} at {offset}", self.name)),
        }
        let zeros = vec![0; ZEROS];
        let (mut at, end) = (offset, offset.saturating_add(bytes));
        while at < end {
            let part = usize::try_from(end - at).unwrap_or(ZEROS).min(ZEROS);
            self.write_all_at(&zeros[..part], at)?;
            at += part as u64;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_all().with_context(|| format!("syncing {}", self.name))
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()> {
        // Only what is synced can be forgotten, and what cannot is read from memory: no worse than not asking.
        let _ =
            rustix::fs::fadvise(&self.file, offset, std::num::NonZeroU64::new(buffer.len() as u64), Advice::DontNeed);
        self.file.read_exact_at(buffer, offset).with_context(|| format!("reading {} back at {offset}", self.name))
    }
}
