//! Everything outside the language: what a shell asks its surroundings.

use super::file::{Errno, Facts, FileId, How};
use super::{Bytes, Handle, Shell, Stop};

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
