//! What file descriptors lead to. Shared between a shell and those it starts, as the kernel shares open files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Bytes;
use super::file::FileId;

/// An open file: shared by every descriptor that was made from it, with its position.
pub type Handle = Rc<RefCell<Stream>>;

#[derive(Debug)]
pub enum Stream {
    /// `/dev/null`: always at its end, and takes everything.
    Null,
    /// Bytes to be read, from `at` on: a file as it was when it was opened, a here-document, the end of a pipe.
    Input { bytes: Rc<[u8]>, at: usize },
    /// Collects what is written: the start of a pipe, `$(…)`, the log of a script.
    Output(Bytes),
    /// A file of the world to write to: at this offset, or at its end.
    File { file: FileId, at: Option<u64> },
    /// Open for reading and writing (`<>`): both of the above.
    Both { file: FileId, bytes: Rc<[u8]>, at: usize },
}

pub fn handle(stream: Stream) -> Handle {
    Rc::new(RefCell::new(stream))
}

impl Stream {
    pub fn input(bytes: impl Into<Rc<[u8]>>) -> Handle {
        handle(Stream::Input { bytes: bytes.into(), at: 0 })
    }

    pub fn output() -> Handle {
        handle(Stream::Output(Vec::new()))
    }

    /// Everything that is left to read; nothing of what only takes output.
    pub fn rest(&mut self) -> Bytes {
        match self {
            Stream::Input { bytes, at } | Stream::Both { bytes, at, .. } => {
                let rest = bytes[*at..].to_vec();
                *at = bytes.len();
                rest
            }
            _ => Vec::new(),
        }
    }

    /// The next line with its newline; the last one may have none; nothing at the end.
    pub fn line(&mut self) -> Option<Bytes> {
        match self {
            Stream::Input { bytes, at } | Stream::Both { bytes, at, .. } => {
                let rest = &bytes[*at..];
                if rest.is_empty() {
                    return None;
                }
                let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |newline| newline + 1);
                *at += end;
                Some(rest[..end].to_vec())
            }
            _ => None,
        }
    }

    /// What was collected so far, taken out.
    pub fn take(&mut self) -> Bytes {
        match self {
            Stream::Output(bytes) => std::mem::take(bytes),
            _ => Vec::new(),
        }
    }
}

/// Open file descriptors by number.
pub type Descriptors = BTreeMap<u32, Handle>;
