//! The same command line over a small tree, and over the same files on disk by the real program.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::arch::X86_64;
use crate::assemble::accounts::book::Accounts;
use crate::assemble::scripts::files::Files;
use crate::assemble::scripts::machine::{Machine, Running};
use crate::package::Family;
use crate::shell::{Bytes, Shell, Stop, Stream, World};
use crate::tree::{Contents, Digest, Kind, Origin, Tree};

/// Everything is inline.
struct Nowhere;

impl Contents for Nowhere {
    fn open(&self, _: &Digest) -> std::io::Result<fs::File> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Names without a slash before them, and contents.
pub(super) type FileList<'f> = &'f [(&'f str, &'f [u8])];

/// A machine with these files in its root.
pub(super) fn machine_with(family: Family, list: FileList) -> Machine<'static> {
    let origin = Origin::from("test");
    let mut files = Files::new(Tree::new(0, &origin), &Nowhere, 7, origin);
    for (name, bytes) in list {
        let path = format!("/{name}");
        if let Some((directory, _)) = path.rsplit_once('/') {
            files.make_directories(directory.as_bytes(), 0o755).unwrap();
        }
        files.put(path.as_bytes(), bytes.to_vec(), 0o644).unwrap();
    }
    let mut machine =
        Machine::new(files, Accounts::default(), family, &X86_64, &crate::assemble::scripts::programs::Table);
    machine.begin(Running::default(), BTreeMap::new());
    machine
}

/// The status, the output and the errors.
pub(super) fn run_in(machine: &mut Machine, words: &[Bytes], input: &[u8]) -> Result<(u8, Bytes, Bytes), Stop> {
    let mut shell = Shell::new(machine.dialect(), b"sh", &[]);
    let (output, errors) = (Stream::output(), Stream::output());
    shell.descriptors.insert(0, Stream::input(input));
    shell.descriptors.insert(1, output.clone());
    shell.descriptors.insert(2, errors.clone());
    shell.export(b"HOME", b"/root".to_vec());
    let status = machine.run(&mut shell, words)?;
    let taken = (output.borrow_mut().take(), errors.borrow_mut().take());
    Ok((status, taken.0, taken.1))
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: i32,
    output: Bytes,
    files: BTreeMap<String, Bytes>,
}

fn ours(words: &[Bytes], input: &[u8], list: FileList) -> Result<(Outcome, Bytes), Stop> {
    let mut machine = machine_with(Family::Deb, list);
    let (status, output, errors) = run_in(&mut machine, words, input)?;
    let mut files = BTreeMap::new();
    for (path, _, inode) in machine.files.tree.iter() {
        if let Kind::File(content) = &inode.kind {
            let name = String::from_utf8_lossy(path.as_bytes()).trim_start_matches('/').to_owned();
            files.insert(name, content.read(&Nowhere).unwrap());
        }
    }
    Ok((Outcome { status: i32::from(status), output, files }, errors))
}

fn real(words: &[Bytes], input: &[u8], list: FileList) -> (Outcome, Bytes) {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in list {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let mut child = Command::new("timeout")
        .args(["--foreground", "20"])
        .args(words.iter().map(|word| OsStr::from_bytes(word)))
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LC_ALL", "C")
        .env("HOME", "/root")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut standard_input = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Some programs do not read it.
    let writer = std::thread::spawn(move || drop(standard_input.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let mut files = BTreeMap::new();
    collect(directory.path(), directory.path(), &mut files);
    (Outcome { status: output.status.code().unwrap_or(-1), output: output.stdout, files }, output.stderr)
}

fn collect(top: &Path, at: &Path, files: &mut BTreeMap<String, Bytes>) {
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(top, &path, files);
        } else {
            let name = path.strip_prefix(top).unwrap().to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// What differs, for people; nothing if nothing does. What ends the run here differs too.
pub(super) fn difference(words: &[Bytes], input: &[u8], list: FileList) -> Option<String> {
    let line = words.iter().map(|word| shown(word)).collect::<Vec<_>>().join(" ");
    let (mut mine, my_errors) = match ours(words, input, list) {
        Ok(outcome) => outcome,
        Err(stop) => return Some(format!("{line}\n  {}\n", stop.kind)),
    };
    let (theirs, errors) = real(words, input, list);
    // Directories are read in no order.
    if words.iter().any(|word| word.starts_with(b"-r")) && sorted(&mine.output) == sorted(&theirs.output) {
        mine.output.clone_from(&theirs.output);
    }
    if mine == theirs {
        return None;
    }
    let mut text = format!("{line}\n  input {}\n", shown(input));
    for (whose, outcome, errors) in [("here", &mine, my_errors), ("real", &theirs, errors)] {
        let _ = writeln!(text, "  {whose} {} {} {}", outcome.status, shown(&outcome.output), shown(&errors));
    }
    for name in mine.files.keys().chain(theirs.files.keys()) {
        let (here, there) = (mine.files.get(name), theirs.files.get(name));
        if here != there {
            let _ = writeln!(text, "  {name} here {here:?} real {there:?}");
        }
    }
    Some(text)
}

fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes.get(..400).unwrap_or(bytes)))
}

fn sorted(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// The words of a line as a shell would split it: quotes, backslashes, `$'…'` with `\n` and `\t`.
pub(super) fn words(line: &str) -> Vec<Bytes> {
    let mut words = Vec::new();
    let mut word: Option<Bytes> = None;
    let mut bytes = line.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' => words.extend(word.take()),
            b'\'' => word.get_or_insert_default().extend(bytes.by_ref().take_while(|inner| *inner != b'\'')),
            b'$' if bytes.peek() == Some(&b'\'') => {
                bytes.next();
                let word = word.get_or_insert_default();
                while let Some(inner) = bytes.next().filter(|inner| *inner != b'\'') {
                    match (inner, bytes.peek()) {
                        (b'\\', Some(letter @ (b'n' | b't'))) => {
                            word.push(if *letter == b'n' { b'\n' } else { b'\t' });
                            bytes.next();
                        }
                        (b'\\', Some(_)) => word.extend(bytes.next()),
                        _ => word.push(inner),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                while let Some(inner) = bytes.next().filter(|inner| *inner != b'"') {
                    let escaped = inner == b'\\' && matches!(bytes.peek(), Some(b'"' | b'\\' | b'$' | b'`'));
                    word.extend(if escaped { bytes.next() } else { Some(inner) });
                }
            }
            b'\\' => word.get_or_insert_default().extend(bytes.next()),
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}
