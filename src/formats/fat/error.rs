//! Why a volume cannot be made or read.

use std::fmt;
use std::io;

use super::geometry::ROOT_ENTRIES;

#[derive(Debug)]
pub enum FatError {
    BadSize {
        bytes: u64,
        least: u64,
    },
    BadLabel(String),
    /// The same path twice (FAT does not tell upper from lower case), or a path that FAT cannot hold.
    BadPath {
        path: String,
        problem: &'static str,
    },
    Full {
        bytes: u64,
        needed_bytes: u64,
    },
    /// The root directory of a FAT12 or FAT16 volume cannot grow.
    RootFull {
        entries: u64,
    },
    /// What stands at this byte of a volume that is read cannot be.
    Damaged {
        offset: u64,
        problem: &'static str,
    },
    Io {
        doing: &'static str,
        error: io::Error,
    },
}

impl fmt::Display for FatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FatError::BadSize { bytes, least } => {
                write!(f, "{bytes} bytes is no size for this FAT volume: it needs whole sectors and {least} at least")
            }
            FatError::BadLabel(label) => {
                write!(f, "`{label}` is no FAT label: it needs 1 to 11 letters, digits, blanks, `-` or `_`")
            }
            FatError::BadPath { path, problem } => write!(f, "`{path}` cannot be on a FAT volume: {problem}"),
            FatError::Full { bytes, needed_bytes } => {
                write!(f, "the files need {needed_bytes} bytes on the FAT volume, which has only {bytes} for them")
            }
            FatError::RootFull { entries } => {
                write!(f, "the root directory needs {entries} entries, but a small FAT volume has {ROOT_ENTRIES}")
            }
            FatError::Damaged { offset, problem } => write!(f, "damaged FAT volume at {offset:#x}: {problem}"),
            FatError::Io { doing, error } => write!(f, "{doing}: {error}"),
        }
    }
}

impl std::error::Error for FatError {}
