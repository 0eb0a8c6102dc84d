//! What the differential tests of the packaging programs share: a machine, real directories beside it, small chance.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::arch::X86_64;
use crate::assemble::accounts::book::Accounts;
use crate::assemble::scripts::files::Files;
use crate::assemble::scripts::machine::Machine;
use crate::assemble::scripts::programs::Table;
use crate::package::Family;
use crate::shell::{Bytes, Dialect, Shell, Stop, Stream, World};
use crate::tree::{Contents, Digest, Kind, Origin, Tree};

pub(crate) struct Nothing;

impl Contents for Nothing {
    fn open(&self, _: &Digest) -> io::Result<std::fs::File> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// A machine with files of these contents, and the directories that they need; a path with `/` at its end is one.
pub(crate) fn machine(family: Family, files: &[(&str, &str)]) -> Machine<'static> {
    let origin = Origin::from("test");
    let mut all = Files::new(Tree::new(0, &origin), &Nothing, 0, origin);
    for (path, text) in files {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        all.make_directories(directory.as_bytes(), 0o755).unwrap();
        if !path.ends_with('/') {
            all.put(path.as_bytes(), text.as_bytes().to_vec(), 0o644).unwrap();
        }
    }
    Machine::new(all, Accounts::default(), family, &X86_64, &Table)
}

/// What a program said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub status: u8,
    pub out: String,
    pub err: String,
}

pub(crate) fn shell(input: &[u8], environment: &[(&str, &str)]) -> Shell {
    let mut shell = Shell::new(Dialect::Dash, b"test", &[]);
    shell.descriptors.insert(0, Stream::input(input.to_vec()));
    shell.descriptors.insert(1, Stream::output());
    shell.descriptors.insert(2, Stream::output());
    environment.iter().for_each(|(name, value)| shell.export(name.as_bytes(), *value));
    shell
}

pub(crate) fn run_with(
    machine: &mut Machine,
    words: &[&str],
    input: &[u8],
    environment: &[(&str, &str)],
) -> Result<Said, Stop> {
    let mut shell = shell(input, environment);
    let words: Vec<Bytes> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    machine.steps = 5_000_000;
    let status = machine.run(&mut shell, &words)?;
    let said = |number: u32| {
        let taken = shell.descriptor(number).map(|handle| handle.borrow_mut().take()).unwrap_or_default();
        String::from_utf8_lossy(&taken).into_owned()
    };
    Ok(Said { status, out: said(1), err: said(2) })
}

pub(crate) fn run(machine: &mut Machine, words: &[&str]) -> Result<Said, Stop> {
    run_with(machine, words, b"", &[])
}

/// Runs a real program; its messages are in English.
pub(crate) fn real(command: &mut Command, input: &[u8]) -> Said {
    let mut child = command
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255);
    Said { status, out: text(&output.stdout), err: text(&output.stderr) }
}

/// Makes the tree's files in a real directory.
pub(crate) fn lay_out(files: &Files, directory: &Path) {
    for (path, id, inode) in files.tree.iter() {
        let at = directory
            .join(Path::new(std::ffi::OsStr::from_bytes(path.as_bytes().strip_prefix(b"/").unwrap_or_default())));
        let _ = id;
        match &inode.kind {
            Kind::Directory => std::fs::create_dir_all(&at).unwrap(),
            Kind::Symlink(target) => symlink(Path::new(std::ffi::OsStr::from_bytes(target)), &at).unwrap(),
            Kind::File(content) => std::fs::write(&at, content.read(&Nothing).unwrap()).unwrap(),
            other => panic!("{other:?}"),
        }
        if !matches!(inode.kind, Kind::Symlink(_)) {
            std::fs::set_permissions(&at, std::fs::Permissions::from_mode(u32::from(inode.mode))).unwrap();
        }
    }
}

/// Every path with its kind, mode, owner and content, but for those that `skip` names.
pub(crate) fn tree_of(files: &Files, skip: &[&str]) -> BTreeMap<String, String> {
    let all = files.tree.iter().filter(|(path, ..)| !path.is_root());
    let shown = all.map(|(path, _, inode)| {
        let what = match &inode.kind {
            Kind::Directory => format!("d {:o} {} {}", inode.mode, inode.uid, inode.gid),
            Kind::Symlink(target) => format!("l {}", String::from_utf8_lossy(target)),
            Kind::File(content) => {
                let text = content.read(&Nothing).unwrap();
                format!("f {:o} {} {} {}", inode.mode, inode.uid, inode.gid, String::from_utf8_lossy(&text))
            }
            other => format!("{other:?}"),
        };
        (String::from_utf8_lossy(path.as_bytes()).into_owned(), what)
    });
    shown.filter(|(path, _)| !skip.iter().any(|skip| path.starts_with(skip))).collect()
}

/// The same of a real directory.
pub(crate) fn directory_of(directory: &Path, skip: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("/{}", path.strip_prefix(directory).unwrap().display());
            if skip.iter().any(|skip| name.starts_with(skip)) {
                continue;
            }
            let facts = std::fs::symlink_metadata(&path).unwrap();
            let (mode, uid, gid) = (facts.permissions().mode() & 0o7777, facts.uid(), facts.gid());
            let what = if facts.is_dir() {
                todo.push(path.clone());
                format!("d {mode:o} {uid} {gid}")
            } else if facts.is_symlink() {
                format!("l {}", std::fs::read_link(&path).unwrap().display())
            } else {
                format!("f {mode:o} {uid} {gid} {}", String::from_utf8_lossy(&std::fs::read(&path).unwrap()))
            };
            found.insert(name, what);
        }
    }
    found
}

/// Numbers that look like chance and are the same each time.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % end as u64).unwrap()
    }

    pub(crate) fn one<'o, T: ?Sized>(&mut self, of: &[&'o T]) -> &'o T {
        of[self.below(of.len())]
    }

    pub(crate) fn often(&mut self, of_a_hundred: usize) -> bool {
        self.below(100) < of_a_hundred
    }
}

/// How many cases a differential test tries: more where time does not matter.
pub(crate) fn cases(few: u64, many: u64) -> u64 {
    if std::env::var_os("NODESMITH_LONG").is_some() { many } else { few }
}
