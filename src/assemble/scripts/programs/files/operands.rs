//! Operands: the paths of the tree that words of a command line are.

use super::quoting::quoted;
use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Errno, Facts, Stop};

/// An operand as a path of the tree; the empty one leads nowhere.
pub(super) fn at(call: &Call, word: &[u8]) -> Bytes {
    if word.is_empty() { Bytes::new() } else { call.path(word) }
}

pub(super) fn status(call: &Call, word: &[u8], follow: bool) -> Result<Facts, Errno> {
    call.machine.files.status(&at(call, word), follow)
}

pub(super) fn is_directory(call: &Call, word: &[u8]) -> bool {
    call.machine.files.is_directory(&at(call, word))
}

/// Stops where a path exists only from the first boot on, or belongs to a dropped package: nothing is known of it.
pub(super) fn has_content(call: &Call, word: &[u8]) -> Result<(), Stop> {
    let path = at(call, word);
    let files = &call.machine.files;
    let resolved = files.resolve(&path, true).ok();
    if files.inode(&path, true).is_none()
        && resolved.is_some_and(|path| files.later.contains_key(&path) || files.ghosts.contains_key(&path))
    {
        return call.unsupported(format!("taking {}, which is not in the image while it is built", quoted(word)));
    }
    Ok(())
}
