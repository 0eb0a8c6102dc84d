//! A path in the image: absolute, normal, bytes.

use std::cmp::Ordering;
use std::fmt;

/// Longest name of a directory entry: `NAME_MAX` of Linux and of EROFS.
pub const NAME_MAX: usize = 255;
/// Longest path and longest symlink target: `PATH_MAX` less the closing NUL.
pub const PATH_MAX: usize = 4095;

/// An absolute path without empty, `.` or `..` components; the root is the empty string. Bytes, not text: nothing
/// in Linux says that a file name is UTF-8.
///
/// Ordered so that a directory comes right before everything below it, and siblings by their bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TreePath(Box<[u8]>);

/// Why some bytes are not a path in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    ParentComponent,
    NulByte,
    NameTooLong,
    PathTooLong,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PathError::ParentComponent => "the path has a `..` component",
            PathError::NulByte => "the path has a NUL byte",
            PathError::NameTooLong => "a name in the path is longer than 255 bytes",
            PathError::PathTooLong => "the path is longer than 4095 bytes",
        })
    }
}

impl std::error::Error for PathError {}

impl TreePath {
    pub fn root() -> TreePath {
        TreePath(Box::default())
    }

    /// Parses `a/b`, `/a/b`, `./a/b/`: leading and repeated slashes and `.` components fall away.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<TreePath, PathError> {
        let mut path = Vec::with_capacity(bytes.as_ref().len() + 1);
        for name in bytes.as_ref().split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => continue,
                b".." => return Err(PathError::ParentComponent),
                _ if name.contains(&0) => return Err(PathError::NulByte),
                _ if name.len() > NAME_MAX => return Err(PathError::NameTooLong),
                _ => {}
            }
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.len() > PATH_MAX {
            return Err(PathError::PathTooLong);
        }
        Ok(TreePath(path.into()))
    }

    /// The path with its leading slash; the root is empty.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    pub fn parent(&self) -> Option<TreePath> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        Some(TreePath(self.0[..slash].into()))
    }

    /// Components from the root down.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').skip(1)
    }

    /// This path and a relative one below it.
    pub fn join(&self, below: impl AsRef<[u8]>) -> Result<TreePath, PathError> {
        TreePath::parse([&self.0, b"/".as_slice(), below.as_ref()].concat())
    }

    /// What sorts right behind everything below this path: a bound for ranges, not a path that anything has.
    pub(super) fn behind(&self) -> TreePath {
        TreePath([&self.0, [1].as_slice()].concat().into())
    }

    /// Whether this path is `ancestor` or lies below it.
    pub fn starts_with(&self, ancestor: &TreePath) -> bool {
        self.0.strip_prefix(&*ancestor.0).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &TreePath) -> Ordering {
        // The slash sorts before every other byte (a name has no NUL), so that `a/b` precedes `a-b`.
        let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        self.0.iter().map(key).cmp(other.0.iter().map(key))
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &TreePath) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Printable ASCII as it is, everything else and the backslash as `\xNN`: one path is one word of text.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("/");
        }
        f.write_str(&escape(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreePath({self})")
    }
}

/// Bytes as one word of printable ASCII.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'!'..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}
