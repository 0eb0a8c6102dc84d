//! A world of a few values, for tests and fuzzing: a tree in memory, and the programs `cat` and `true`.

use std::collections::BTreeMap;

use super::{Bytes, Dialect, Errno, Facts, FileId, Handle, How, Kind, Shell, Stop, StopKind, Stream, World, handle};

#[derive(Debug, Clone)]
enum Node {
    File(FileId),
    Directory,
    Symlink(Bytes),
}

/// Paths without `.`, `..` and links in them; the root is empty.
#[derive(Debug)]
pub struct Memory {
    nodes: BTreeMap<Bytes, Node>,
    /// Contents by number, also of files that are gone.
    files: Vec<Bytes>,
    /// Steps that are left.
    pub steps: u64,
}

impl Memory {
    pub fn new(steps: u64) -> Memory {
        let mut memory = Memory { nodes: BTreeMap::new(), files: Vec::new(), steps };
        for path in [b"".as_slice(), b"/bin", b"/etc", b"/tmp"] {
            memory.nodes.insert(path.to_vec(), Node::Directory);
        }
        memory.add(b"/bin/cat", b"");
        memory.add(b"/bin/true", b"");
        memory
    }

    pub fn add(&mut self, path: &[u8], content: &[u8]) {
        let id = FileId(self.files.len() as u64);
        self.files.push(content.to_vec());
        self.nodes.insert(path.to_vec(), Node::File(id));
    }

    pub fn add_directory(&mut self, path: &[u8]) {
        self.nodes.insert(path.to_vec(), Node::Directory);
    }

    pub fn add_link(&mut self, path: &[u8], target: &[u8]) {
        self.nodes.insert(path.to_vec(), Node::Symlink(target.to_vec()));
    }

    pub fn content(&self, path: &[u8]) -> Option<&[u8]> {
        match self.nodes.get(path)? {
            Node::File(id) => self.file(*id).map(Vec::as_slice),
            _ => None,
        }
    }

    fn file(&self, id: FileId) -> Option<&Bytes> {
        self.files.get(usize::try_from(id.0).ok()?)
    }

    /// The path without `.`, `..` and links; its last name need not be there.
    fn resolve(&self, path: &[u8], follow: bool) -> Result<Bytes, Errno> {
        let mut names: Vec<Bytes> = path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect();
        let mut done = Bytes::new();
        let mut links = 0;
        while let Some(name) = names.pop() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    let parent = done.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                    done.truncate(parent);
                    continue;
                }
                _ => {}
            }
            match self.nodes.get(&done) {
                Some(Node::Directory) => {}
                Some(_) => return Err(Errno::NotDirectory),
                None => return Err(Errno::NoEntry),
            }
            let next = [done.as_slice(), b"/", &name].concat();
            match self.nodes.get(&next) {
                Some(Node::Symlink(target)) if follow || !names.is_empty() => {
                    links += 1;
                    if links > 20 {
                        return Err(Errno::Loop);
                    }
                    if target.starts_with(b"/") {
                        done.clear();
                    }
                    names.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
                }
                _ => done = next,
            }
        }
        Ok(done)
    }
}

impl World for Memory {
    fn open(&mut self, path: &[u8], how: How, _: u16) -> Result<Result<Handle, Errno>, Stop> {
        let path = match self.resolve(path, true) {
            Ok(path) => path,
            Err(errno) => return Ok(Err(errno)),
        };
        let id = match self.nodes.get(&path) {
            Some(Node::File(id)) => *id,
            Some(_) => return Ok(Err(Errno::IsDirectory)),
            None if how == How::Read => return Ok(Err(Errno::NoEntry)),
            None => {
                self.add(&path, b"");
                return self.open(&path, if how == How::WriteNew { How::Write } else { how }, 0);
            }
        };
        let number = usize::try_from(id.0).unwrap_or(usize::MAX);
        Ok(match how {
            How::Read => Ok(Stream::input(self.file(id).cloned().unwrap_or_default())),
            How::WriteNew => Err(Errno::Exists),
            How::Write => {
                if let Some(file) = self.files.get_mut(number) {
                    file.clear();
                }
                Ok(handle(Stream::File { file: id, at: Some(0) }))
            }
            How::Append => Ok(handle(Stream::File { file: id, at: None })),
            How::Both => {
                let bytes = self.file(id).cloned().unwrap_or_default();
                Ok(handle(Stream::Both { file: id, bytes: bytes.into(), at: 0 }))
            }
        })
    }

    fn write(&mut self, file: FileId, at: Option<u64>, bytes: &[u8]) -> Result<(), Stop> {
        self.spend(1 + bytes.len() as u64 / 64)?;
        let Some(content) = usize::try_from(file.0).ok().and_then(|number| self.files.get_mut(number)) else {
            return Ok(());
        };
        let start = at.and_then(|at| usize::try_from(at).ok()).unwrap_or(content.len());
        if content.len() < start {
            content.resize(start, 0);
        }
        let tail = content.split_off(content.len().min(start + bytes.len()));
        content.truncate(start);
        content.extend_from_slice(bytes);
        content.extend(tail);
        Ok(())
    }

    fn facts(&mut self, path: &[u8], follow: bool) -> Result<Option<Facts>, Stop> {
        let Ok(path) = self.resolve(path, follow) else { return Ok(None) };
        let (kind, size, inode) = match self.nodes.get(&path) {
            None => return Ok(None),
            Some(Node::File(id)) => (Kind::File, self.file(*id).map_or(0, Vec::len), id.0),
            Some(Node::Directory) => (Kind::Directory, 40, u64::MAX),
            Some(Node::Symlink(target)) => (Kind::Symlink, target.len(), u64::MAX - 1),
        };
        let mode = if kind == Kind::File && !path.starts_with(b"/bin/") { 0o644 } else { 0o755 };
        Ok(Some(Facts { kind, mode, uid: 0, gid: 0, size: size as u64, mtime: 0, inode, links: 1 }))
    }

    fn names(&mut self, path: &[u8]) -> Result<Option<Vec<Bytes>>, Stop> {
        let Ok(path) = self.resolve(path, true) else { return Ok(None) };
        if !matches!(self.nodes.get(&path), Some(Node::Directory)) {
            return Ok(None);
        }
        let prefix = [path.as_slice(), b"/"].concat();
        let inside = self.nodes.keys().filter_map(|node| node.strip_prefix(prefix.as_slice()));
        Ok(Some(inside.filter(|name| !name.is_empty() && !name.contains(&b'/')).map(<[u8]>::to_vec).collect()))
    }

    fn target(&mut self, path: &[u8]) -> Result<Option<Bytes>, Stop> {
        let Ok(path) = self.resolve(path, false) else { return Ok(None) };
        Ok(match self.nodes.get(&path) {
            Some(Node::Symlink(target)) => Some(target.clone()),
            _ => None,
        })
    }

    fn directory(&mut self, path: &[u8]) -> Result<Result<Bytes, Errno>, Stop> {
        let path = match self.resolve(path, true) {
            Ok(path) => path,
            Err(errno) => return Ok(Err(errno)),
        };
        Ok(match self.nodes.get(&path) {
            Some(Node::Directory) if path.is_empty() => Ok(b"/".to_vec()),
            Some(Node::Directory) => Ok(path),
            Some(_) => Err(Errno::NotDirectory),
            None => Err(Errno::NoEntry),
        })
    }

    fn source(&mut self, path: &[u8]) -> Result<Result<Bytes, Errno>, Stop> {
        Ok(self.open(path, How::Read, 0)?.map(|handle| handle.borrow_mut().rest()))
    }

    fn find(&mut self, name: &[u8], _: &[u8]) -> Result<Option<Bytes>, Stop> {
        let path = if name.contains(&b'/') { name.to_vec() } else { [b"/bin/", name].concat() };
        Ok(self.nodes.contains_key(&path).then_some(path))
    }

    fn is_special(&mut self, _: &[u8]) -> bool {
        false
    }

    fn run(&mut self, shell: &mut Shell, words: &[Bytes]) -> Result<u8, Stop> {
        self.spend(1)?;
        let name = words.first().cloned().unwrap_or_default();
        match name.as_slice() {
            b"cat" | b"/bin/cat" => {
                if words.len() == 1 {
                    let input = shell.input();
                    shell.out(self, &input)?;
                    return Ok(0);
                }
                let mut status = 0;
                for path in words.iter().skip(1) {
                    let path = shell.absolute(path);
                    match self.source(&path)? {
                        Ok(text) => shell.out(self, &text)?,
                        Err(_) => status = 1,
                    }
                }
                Ok(status)
            }
            b"/bin/true" => Ok(0),
            name => Err(Stop::new(StopKind::UnknownProgram(super::quote(name, 40)))),
        }
    }

    fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(Stop::limit("steps"))
            }
        }
    }
}

/// What a script wrote and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub result: Result<u8, Stop>,
    pub out: Bytes,
    pub error: Bytes,
}

/// Runs a script with these arguments in `/tmp` of a world.
pub fn run_in(memory: &mut Memory, dialect: Dialect, script: &[u8], arguments: &[Bytes]) -> Ran {
    run_shell(memory, Shell::new(dialect, b"script", arguments), script)
}

/// Runs a script in a shell that somebody has made, in `/tmp` of a world.
pub fn run_shell(memory: &mut Memory, mut shell: Shell, script: &[u8]) -> Ran {
    let (out, error) = (Stream::output(), Stream::output());
    shell.descriptors.insert(1, out.clone());
    shell.descriptors.insert(2, error.clone());
    shell.directory = b"/tmp".to_vec();
    shell.export(b"PATH", b"/bin".to_vec());
    let result = shell.run(memory, script);
    let (out, error) = (out.borrow_mut().take(), error.borrow_mut().take());
    Ran { result, out, error }
}

pub fn run(dialect: Dialect, script: &[u8]) -> Ran {
    run_in(&mut Memory::new(1_000_000), dialect, script, &[])
}

/// Whatever the bytes are, reading and running them ends soon, and never in a panic.
pub fn fuzz(bytes: &[u8]) {
    for dialect in [Dialect::Dash, Dialect::Bash] {
        // A mistake of the text is no mistake of ours.
        let _ = super::parse_only(bytes, dialect);
        let mut memory = Memory::new(20_000);
        memory.add(b"/tmp/one", b"1\n");
        memory.add_directory(b"/tmp/two");
        let _ = run_in(&mut memory, dialect, bytes, &[b"a b".to_vec(), Bytes::new()]);
    }
}
