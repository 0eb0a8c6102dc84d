//! Files as a shell sees them: what they are, how they are opened, and why that failed.

/// Why an operation on a file failed; shown as the C library's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errno {
    NoEntry,
    Exists,
    NotDirectory,
    IsDirectory,
    NotEmpty,
    Loop,
    NameTooLong,
    Invalid,
    NoDevice,
    NotPermitted,
    TextBusy,
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Errno::NoEntry => "No such file or directory",
            Errno::Exists => "File exists",
            Errno::NotDirectory => "Not a directory",
            Errno::IsDirectory => "Is a directory",
            Errno::NotEmpty => "Directory not empty",
            Errno::Loop => "Too many levels of symbolic links",
            Errno::NameTooLong => "File name too long",
            Errno::Invalid => "Invalid argument",
            Errno::NoDevice => "No such device or address",
            Errno::NotPermitted => "Operation not permitted",
            Errno::TextBusy => "Text file busy",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
}

/// What `stat` says, as far as scripts ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub kind: Kind,
    /// Permission bits: `0o7777` at most.
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: i64,
    /// The same for two names of one file.
    pub inode: u64,
    pub links: u64,
}

/// A file of the world that somebody writes to; it stays valid when the file is renamed or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u64);

/// How a redirection opens a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Read,
    /// `>`: made, or emptied.
    Write,
    /// `>` under `set -C`: it must not be there.
    WriteNew,
    /// `>>`
    Append,
    /// `<>`
    Both,
}
