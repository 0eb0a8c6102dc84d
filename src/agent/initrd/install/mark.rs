//! The mark of a disk that is being installed to.
//!
//! It stands in the first sector, where firmware looks for a boot record or the table's protective one, until
//! everything else is on the disk. The boot record then replaces it in one sector, which a disk writes as a whole or not
//! at all: so there is no moment at which half an installation could start.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes of the sector.
pub const SECTOR: usize = 512;
const MARK: &[u8] = b"NODESMITH IS BEING INSTALLED HERE\n";

/// The sector with the mark.
pub fn sector() -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    sector[..MARK.len()].copy_from_slice(MARK);
    sector
}

/// Whether this first sector has it.
pub fn is_in(sector: &[u8]) -> bool {
    sector.starts_with(MARK)
}

/// Whether an installation to this disk was begun and not finished.
///
/// # Errors
/// The disk cannot be read.
pub fn is_on(disk: &File) -> std::io::Result<bool> {
    let mut sector = [0; SECTOR];
    disk.read_exact_at(&mut sector, 0)?;
    Ok(is_in(&sector))
}
