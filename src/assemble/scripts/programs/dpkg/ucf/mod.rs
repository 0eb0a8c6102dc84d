//! ucf: configuration files that scripts handle as dpkg handles those of packages.

mod registry;
#[cfg(test)]
mod tests;
mod update;

pub(super) use registry::{query, register};
pub(super) use update::program;

use crate::assemble::scripts::files::Files;
use crate::assemble::scripts::programs::{Call, options};
use crate::shell::{Bytes, Errno, Kind, Stop};
use crate::tree::{self, Inode};

/// Copies of a record that are kept: `hashfile.0` to `hashfile.7`.
const HISTORY: usize = 7;

/// Settings of `/etc/ucf.conf`, a file of shell assignments.
type Settings = Vec<(String, Bytes)>;

fn settings(call: &Call) -> Result<Settings, Stop> {
    let text = call.machine.files.read(b"/etc/ucf.conf")?.unwrap_or_default();
    let mut found = Settings::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let text = std::str::from_utf8(line).unwrap_or_default();
        let assignment = text.split_once('=').and_then(|(name, value)| {
            let quoted = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark);
            let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "/_-.".contains(letter);
            let is_name = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            (is_name && value.chars().all(plain)).then(|| (name.to_owned(), value.as_bytes().to_vec()))
        });
        match assignment {
            Some(assignment) => found.push(assignment),
            None => return call.unsupported(format!("the line `{text}` of /etc/ucf.conf")),
        }
    }
    Ok(found)
}

/// What the environment or else `/etc/ucf.conf` sets, if it is not empty.
fn setting(call: &Call, settings: &Settings, variable: &str, name: &str) -> Option<Bytes> {
    let environment = call.shell.environment().get(variable.as_bytes()).cloned();
    let of_file = || settings.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    environment.filter(|value| !value.is_empty()).or_else(of_file).filter(|value| !value.is_empty())
}

fn states(call: &Call, given: &options::Options, settings: &Settings) -> Bytes {
    let states = given.value("state-dir").filter(|states| !states.is_empty()).cloned();
    let states = states.or_else(|| setting(call, settings, "UCF_STATE_DIR", "conf_state_dir"));
    call.path(&states.unwrap_or_else(|| b"/var/lib/ucf".to_vec()))
}

/// Long options may have a single hyphen, as `getopt -a` takes them.
fn with_two_hyphens(words: &[Bytes], long: &[&str]) -> Vec<Bytes> {
    let double = |word: &Bytes| {
        let name = word.strip_prefix(b"-").filter(|name| name.len() > 1)?;
        let name = name.split(|byte| *byte == b'=').next()?;
        long.iter().any(|known| known.as_bytes() == name).then(|| [b"-".as_slice(), word].concat())
    };
    words.iter().map(|word| double(word).unwrap_or_else(|| word.clone())).collect()
}

/// `cp -f`, with `-p` if `keep`: of files, never into directories.
fn copy(call: &mut Call, from: &[u8], to: &[u8], keep: bool) -> Result<Result<(), Errno>, Stop> {
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
fn rotate(call: &mut Call, record: &[u8], keep: bool) -> Result<Result<(), Errno>, Stop> {
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
fn rewrite(call: &mut Call, record: &[u8], text: Bytes) -> Result<(), Errno> {
    let mode = 0o666 & !call.shell.umask;
    let beside = [record, b".tmp"].concat();
    call.machine.files.put(&beside, text, mode)?;
    call.machine.files.rename(&beside, record)
}

/// The lines of a record that are not of this file, which stands last in them.
fn lines_without(text: &[u8], path: &[u8]) -> Bytes {
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
fn first_words(text: &[u8], path: &[u8]) -> Vec<Bytes> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| is_of(line, path));
    lines.map(|line| first_word(line).to_vec()).collect()
}

fn first_word(line: &[u8]) -> &[u8] {
    let mut words = line.split(|byte| [b' ', b'\t'].contains(byte)).filter(|word| !word.is_empty());
    words.next().unwrap_or_default()
}

fn is_link(files: &Files, path: &[u8]) -> bool {
    files.facts(path, false).is_some_and(|facts| facts.kind == Kind::Symlink)
}

fn failed(call: &mut Call, status: u8, what: &[u8], errno: Errno) -> Result<u8, Stop> {
    call.fail(status, format!("{}: {errno}", String::from_utf8_lossy(what)))
}
