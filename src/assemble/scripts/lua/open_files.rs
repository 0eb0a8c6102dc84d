//! The files that a process of Lua has open, by number.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::shell::{Bytes, FileId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// The process's own input, output or log.
    Descriptor(u32),
    Null,
    /// Only what was read when it was opened.
    Content,
    Directory,
    File(FileId),
}

/// An open file.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) target: Target,
    pub(super) bytes: Rc<Vec<u8>>,
    pub(super) at: usize,
    pub(super) reads: bool,
    pub(super) writes: bool,
    pub(super) appends: bool,
}

impl Open {
    pub(super) fn new(target: Target, bytes: Bytes, reads: bool, writes: bool, appends: bool) -> Open {
        Open { target, bytes: Rc::new(bytes), at: 0, reads, writes, appends }
    }
}

/// The standard streams. Nothing is on the input: what triggers a scriptlet comes by `rpm.next_file`.
pub(super) fn standard() -> BTreeMap<i64, Open> {
    let stream = |number: u32| Open::new(Target::Descriptor(number), Vec::new(), number == 0, number != 0, true);
    [(0, stream(0)), (1, stream(1)), (2, stream(2))].into()
}
