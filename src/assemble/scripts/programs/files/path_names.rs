//! Paths as texts: their last names, and what stands before them.

use crate::shell::Bytes;

/// The last name of a path, without the slashes behind it; `/` of the root.
pub(super) fn last_name(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    match (&path[..end], path.is_empty()) {
        (b"", true) => b"",
        (b"", false) => b"/",
        (name, _) => name.rsplit(|byte| *byte == b'/').next().unwrap_or(name),
    }
}

/// What dirname says: the path without its last name.
pub(super) fn parent_name(path: &[u8]) -> &[u8] {
    let trim = |path: &[u8]| path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let name = &path[..trim(path)];
    match name.iter().rposition(|byte| *byte == b'/') {
        _ if name.is_empty() && !path.is_empty() => b"/",
        None => b".",
        Some(slash) => match trim(&name[..slash]) {
            0 => b"/",
            end => &name[..end],
        },
    }
}

/// `directory/name` with one slash between them.
pub(super) fn joined(directory: &[u8], name: &[u8]) -> Bytes {
    let slash = if directory.ends_with(b"/") || directory.is_empty() { b"".as_slice() } else { b"/" };
    [directory, slash, name].concat()
}

/// The path without the slashes at its end; the root stays itself.
pub(super) fn trimmed(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    if end == 0 { path } else { &path[..end] }
}
