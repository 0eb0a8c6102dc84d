//! What the other test files share: contents in files, caches in memory, images in memory.

mod cache;
mod hostile;
mod known;
mod round_trip;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::num::NonZeroUsize;
use std::sync::Mutex;

use tempfile::TempDir;

use super::read::{self, Image, ReadError};
use super::*;
use crate::formats::form_cache::{FormCache, NoCache};
use crate::tree::{Content, Contents, Digest, Inode, Kind, Origin, Tree, TreePath};

/// Contents as files named by their digests.
struct Store(TempDir);

impl Store {
    fn new() -> Store {
        Store(tempfile::tempdir().unwrap())
    }

    fn put(&self, bytes: &[u8]) -> Content {
        let digest = Digest::of(bytes);
        fs::write(self.0.path().join(digest.to_string()), bytes).unwrap();
        Content::Stored { digest, size: bytes.len() as u64 }
    }
}

impl Contents for Store {
    fn open(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.0.path().join(digest.to_string()))
    }
}

/// A cache in memory; counts what is put.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<Digest, Vec<u8>>>);

impl FormCache for Memory {
    fn get(&self, key: &Digest) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(key).cloned()
    }

    fn put(&self, key: &Digest, form: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().insert(*key, form.to_vec());
        Ok(())
    }
}

const ZSTD: Codec = Codec::Zstd { level: 3 };
const LZ4HC: Codec = Codec::Lz4hc { level: 9 };

fn options(codec: Codec, extent: u32) -> Options {
    Options {
        uuid: [0x11; 16],
        label: label("root").unwrap(),
        epoch: 1_700_000_000,
        codec,
        extent: ExtentSize::new(extent).unwrap(),
        threads: NonZeroUsize::new(2).unwrap(),
    }
}

fn written(tree: &Tree, contents: &dyn Contents, options: &Options) -> Vec<u8> {
    let mut image = Cursor::new(Vec::new());
    let summary = write(tree, contents, options, &NoCache, &mut image).unwrap();
    let image = image.into_inner();
    assert_eq!(summary.bytes, image.len() as u64);
    assert!(image.len().is_multiple_of(4096));
    image
}

fn read_back(image: &[u8]) -> Result<Tree, ReadError> {
    let mut sink = |size: u64, reader: &mut dyn Read| {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        assert_eq!(bytes.len() as u64, size);
        Ok(Content::inline(bytes))
    };
    read::tree(&Image::open(image)?, &Origin::from("image"), &mut sink)
}

/// Bytes that no codec makes smaller: a xorshift generator's.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Bytes that compress well, but not to nothing.
fn text(length: usize) -> Vec<u8> {
    (0..).flat_map(|line: u64| format!("line {line}, {}\n", line * line).into_bytes()).take(length).collect()
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// A small tree with every kind of inode.
fn sample(store: &Store) -> Tree {
    let origin = Origin::from("test 1");
    let mut tree = Tree::new(1_700_000_000, &origin);
    let mut add = |name: &str, kind, mode, mtime| {
        tree.insert(path(name), Inode::new(kind, mode, mtime, &origin)).unwrap();
    };
    add("/dev", Kind::Directory, 0o755, 1_700_000_000);
    add("/dev/null", Kind::CharDevice { major: 1, minor: 3 }, 0o666, 1_700_000_000);
    add("/dev/vda", Kind::BlockDevice { major: 252, minor: 1_000_000 }, 0o660, 1_700_000_000);
    add("/dev/pipe", Kind::Fifo, 0o600, -1);
    add("/bin", Kind::Symlink(b"usr/bin".to_vec()), 0o777, 1_700_000_000);
    add("/usr", Kind::Directory, 0o755, 1_600_000_000);
    add("/usr/empty", Kind::File(Content::inline("")), 0o644, 1_700_000_000);
    add("/usr/su", Kind::File(Content::inline("#!/bin/sh\n")), 0o4755, 1_600_000_000);
    add("/usr/noise", Kind::File(store.put(&noise(9000, 1))), 0o644, 1_700_000_000);
    add("/usr/text", Kind::File(store.put(&text(20_000))), 0o644, 1_700_000_000);
    add("/usr/mixed", Kind::File(store.put(&[text(16_384), noise(16_384, 2)].concat())), 0o644, 1_700_000_000);
    tree.link(&path("/usr/text"), path("/usr/Text"), &origin).unwrap();
    let label = |inode: &mut Inode| {
        inode.xattrs.insert(b"security.selinux".to_vec(), b"system_u:object_r:bin_t:s0\0".to_vec());
    };
    tree.update(&path("/usr/su"), label).unwrap();
    tree.update(&path("/usr/text"), label).unwrap();
    tree.update(&path("/usr"), |inode| drop(inode.xattrs.insert(b"user.note".to_vec(), b"one".to_vec()))).unwrap();
    tree.update(&path("/usr"), |inode| (inode.uid, inode.gid) = (70_000, 5)).unwrap();
    tree
}
