//! Everything outside the language: what a shell asks its surroundings.

use super::{Bytes, Handle, Shell, Stop};

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

/// Paths are absolute (the shell has put its directory before them) but not normalised: `..` and links are the world's.
pub trait World {
    /// Opens a file; a new one gets the mode `0o666` less `umask`.
    fn open(&mut self, path: &[u8], how: How, umask: u16) -> Result<Result<Handle, Errno>, Stop>;
    /// Writes at the offset, or at the end.
    fn write(&mut self, file: FileId, at: Option<u64>, bytes: &[u8]) -> Result<(), Stop>;
    fn facts(&mut self, path: &[u8], follow: bool) -> Result<Option<Facts>, Stop>;
    /// The names in a directory, without `.` and `..`, sorted by their bytes; nothing if it is none.
    fn names(&mut self, path: &[u8]) -> Result<Option<Vec<Bytes>>, Stop>;
    /// Where a symlink points.
    fn target(&mut self, path: &[u8]) -> Result<Option<Bytes>, Stop>;
    /// The path without links, `.` and `..`, if it leads to a directory: for `cd -P` and `pwd -P`.
    fn directory(&mut self, path: &[u8]) -> Result<Result<Bytes, Errno>, Stop>;
    /// The text that `.` reads; it may be the world's own in place of the file's.
    fn source(&mut self, path: &[u8]) -> Result<Result<Bytes, Errno>, Stop>;
    /// Where `command -v` finds a program: searched in `path`, a value of `$PATH`, unless `name` has a slash.
    fn find(&mut self, name: &[u8], path: &[u8]) -> Result<Option<Bytes>, Stop>;
    /// Whether the world does this name itself before any function or built-in of the shell's looks at it.
    fn is_special(&mut self, name: &[u8]) -> bool;
    /// Runs a program; its words begin with its name. Descriptors, environment (exported variables), directory and umask
    /// are those of `shell`, whose variables a special program may set.
    fn run(&mut self, shell: &mut Shell, words: &[Bytes]) -> Result<u8, Stop>;
    /// Where an extended regular expression matches (`[[ … =~ … ]]`): the match and its groups.
    fn search(&mut self, expression: &[u8], text: &[u8]) -> Result<Option<Vec<Bytes>>, Stop> {
        let _ = (expression, text);
        Err(Stop::unsupported("", "`=~` in `[[`"))
    }
    /// Counts steps of work; a stop when there were too many.
    fn spend(&mut self, steps: u64) -> Result<(), Stop>;
}
