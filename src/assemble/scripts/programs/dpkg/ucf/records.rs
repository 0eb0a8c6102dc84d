//! ucf's records: files of lines that end with the file that they are about, with copies of what they were.

use crate::assemble::scripts::files::Files;
use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Errno, Kind, Stop};
use crate::tree::{self, Inode};

/// Copies of a record that are kept: `hashfile.0` to `hashfile.7`.
const HISTORY: usize = 7;

/// `cp -f`, with `-p` if `keep`: of files, never into directories.
pub(super) fn copy(call: &mut Call, from: &[u8], to: &[u8], keep: bool) -> Result<Result<(), Errno>, Stop> {
    let files = &mut call.machine.files;
    if files.is_directory(to) {
        return call.unsupported(format!("the directory `{}` as a file", String::from_utf8_lossy(to)));
    }
    if files.is_later(to) {
        return Ok(Ok(()));
    }
    Ok(copied(files, from, to, keep))
}

fn copied(files: &mut Files, from: &[u8], to: &[u8], keep: bool) -> Result<(), Errno> {
    let source = files.inode(from, true).ok_or(Errno::NoEntry)?.clone();
    let tree::Kind::File(_) = source.kind else { return Err(Errno::Invalid) };
    let (epoch, origin) = (files.epoch, files.origin.clone());
    if files.inode(to, true).is_none() {
        let at = files.resolve(to, true)?;
        let inode = Inode { xattrs: Default::default(), origin, ..source };
        return files.put_inode(at.as_bytes(), inode);
    }
    files.update(to, true, |inode| {
        inode.kind = source.kind;
        inode.origin = origin;
        inode.mtime = epoch;
        if keep {
            (inode.mode, inode.uid, inode.gid, inode.mtime) = (source.mode, source.uid, source.gid, source.mtime);
        }
    })
}

/// Moves the copies of a record one on, and makes a new one of what it is.
pub(super) fn rotate(call: &mut Call, record: &[u8], keep: bool) -> Result<Result<(), Errno>, Stop> {
    let numbered = |number: usize| [record, format!(".{number}").as_bytes()].concat();
    for number in (0..HISTORY).rev() {
        if call.machine.files.exists(&numbered(number)) {
            let copied = copy(call, &numbered(number), &numbered(number + 1), keep)?;
            if copied.is_err() {
                return Ok(copied);
            }
        }
    }
    if call.machine.files.exists(record) { copy(call, record, &numbered(0), keep) } else { Ok(Ok(())) }
}

/// Writes a record anew, by a file beside it that takes its place.
pub(super) fn rewrite(call: &mut Call, record: &[u8], text: Bytes) -> Result<(), Errno> {
    let mode = 0o666 & !call.shell.umask;
    let beside = [record, b".tmp"].concat();
    call.machine.files.put(&beside, text, mode)?;
    call.machine.files.rename(&beside, record)
}

/// The lines of a record that are not of this file, which stands last in them.
pub(super) fn lines_without(text: &[u8], path: &[u8]) -> Bytes {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !is_of(line, path)).flat_map(with_newline).collect()
}

fn with_newline(line: &[u8]) -> Bytes {
    let mut line = line.to_vec();
    if line.last() != Some(&b'\n') {
        line.push(b'\n');
    }
    line
}

fn is_of(line: &[u8], path: &[u8]) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let before = line.strip_suffix(path).and_then(<[u8]>::last);
    before.is_some_and(|byte| byte.is_ascii_whitespace() || *byte == 0x0b)
}

/// The first words of the lines of a record that are of this file.
pub(super) fn first_words(text: &[u8], path: &[u8]) -> Vec<Bytes> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| is_of(line, path));
    lines.map(|line| first_word(line).to_vec()).collect()
}

pub(super) fn first_word(line: &[u8]) -> &[u8] {
    let mut words = line.split(|byte| [b' ', b'\t'].contains(byte)).filter(|word| !word.is_empty());
    words.next().unwrap_or_default()
}

pub(super) fn is_link(files: &Files, path: &[u8]) -> bool {
    files.facts(path, false).is_some_and(|facts| facts.kind == Kind::Symlink)
}

pub(super) fn failed(call: &mut Call, status: u8, what: &[u8], errno: Errno) -> Result<u8, Stop> {
    call.fail(status, format!("{}: {errno}", String::from_utf8_lossy(what)))
}
