//! cpio archives in the `newc` format (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! [`write`] takes entries in the order that the kernel will unpack them, so a directory comes before what it holds;
//! inode numbers count up and every time is the same. [`read`] gives the entries of an archive back. There are no
//! hard links and no owners but root. Oracle: `cpio -itv`.

use std::fmt;

const MAGIC: &[u8] = b"070701";
/// Magic and thirteen numbers of eight hexadecimal digits.
const HEADER: usize = 6 + 13 * 8;
/// Headers and contents start at multiples of it.
const ALIGNMENT: usize = 4;
const TRAILER: &[u8] = b"TRAILER!!!";
/// The file type bits of a mode.
const TYPE_MASK: u32 = 0o170_000;

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Without a slash in front.
    pub path: Vec<u8>,
    /// Permission bits, setuid, setgid, sticky.
    pub mode: u16,
    pub node: Node<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node<'a> {
    Directory,
    File(&'a [u8]),
    Symlink(&'a [u8]),
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
}

impl Node<'_> {
    fn type_bits(&self) -> u32 {
        match self {
            Node::Fifo => 0o010_000,
            Node::CharDevice { .. } => 0o020_000,
            Node::Directory => 0o040_000,
            Node::BlockDevice { .. } => 0o060_000,
            Node::File(_) => 0o100_000,
            Node::Symlink(_) => 0o120_000,
        }
    }
}

/// Why an archive cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CpioError {
    BadPath(String),
    /// A path comes twice, or before the directory that it lies in.
    BadOrder {
        path: String,
        problem: &'static str,
    },
    /// A file or a time that eight hexadecimal digits cannot hold.
    TooLarge {
        what: String,
    },
    Damaged {
        offset: usize,
        problem: String,
    },
}

impl fmt::Display for CpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CpioError::BadPath(path) => write!(f, "`{path}` is no path for an archive"),
            CpioError::BadOrder { path, problem } => write!(f, "`{path}` in the archive: {problem}"),
            CpioError::TooLarge { what } => write!(f, "{what} is too large for a cpio archive"),
            CpioError::Damaged { offset, problem } => write!(f, "cpio archive, offset {offset}: {problem}"),
        }
    }
}

impl std::error::Error for CpioError {}

/// An archive of `entries`, every time of which is `mtime` (seconds since 1970).
pub fn write(entries: &[Entry<'_>], mtime: i64) -> Result<Vec<u8>, CpioError> {
    write_aligned(entries, mtime, ALIGNMENT)
}

/// The same, with the content of every file at a multiple of `alignment` (itself one of four): the name before it gets as
/// many more NULs, which readers take for its end.
pub fn write_aligned(entries: &[Entry<'_>], mtime: i64, alignment: usize) -> Result<Vec<u8>, CpioError> {
    let mtime = u32::try_from(mtime).map_err(|_| CpioError::TooLarge { what: format!("the time {mtime}") })?;
    let mut seen: std::collections::BTreeMap<&[u8], &Node<'_>> = std::collections::BTreeMap::new();
    let mut archive = Vec::new();
    for (inode, entry) in (1..).zip(entries) {
        let shown = || String::from_utf8_lossy(&entry.path).into_owned();
        let bad_name = |name: &[u8]| matches!(name, b"" | b"." | b"..");
        if entry.path.contains(&0) || entry.path == TRAILER || entry.path.split(|byte| *byte == b'/').any(bad_name) {
            return Err(CpioError::BadPath(shown()));
        }
        let parent = entry.path.iter().rposition(|byte| *byte == b'/').map(|slash| &entry.path[..slash]);
        if parent.is_some_and(|parent| seen.get(parent) != Some(&&Node::Directory)) {
            return Err(CpioError::BadOrder { path: shown(), problem: "its directory does not come before it" });
        }
        if seen.insert(&entry.path, &entry.node).is_some() {
            return Err(CpioError::BadOrder { path: shown(), problem: "it comes twice" });
        }
        let (content, device): (&[u8], (u32, u32)) = match entry.node {
            Node::File(bytes) | Node::Symlink(bytes) => (bytes, (0, 0)),
            Node::CharDevice { major, minor } | Node::BlockDevice { major, minor } => (&[], (major, minor)),
            Node::Directory | Node::Fifo => (&[], (0, 0)),
        };
        let links = if entry.node == Node::Directory { 2 } else { 1 };
        let size = u32::try_from(content.len()).map_err(|_| CpioError::TooLarge { what: shown() })?;
        let mode = entry.node.type_bits() | u32::from(entry.mode & 0o7777);
        let start = archive.len() + HEADER + entry.path.len() + 1;
        let content_start = start.next_multiple_of(if content.is_empty() { ALIGNMENT } else { alignment });
        // Without a wish there are none that count as the name's.
        let more = content_start - start.next_multiple_of(ALIGNMENT);
        let name = [entry.path.as_slice(), &vec![0; more]].concat();
        put(&mut archive, [inode, mode, 0, 0, links, mtime, size, 0, 0, device.0, device.1], &name);
        archive.extend_from_slice(content);
        pad(&mut archive);
    }
    put(&mut archive, [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], TRAILER);
    Ok(archive)
}

/// A header (all numbers but the size of the name and the checksum, which is 0 here), and the name.
fn put(archive: &mut Vec<u8>, numbers: [u32; 11], name: &[u8]) {
    archive.extend_from_slice(MAGIC);
    let name_size = u32::try_from(name.len() + 1).expect("a path has less than 4 GiB");
    for number in numbers.into_iter().chain([name_size, 0]) {
        archive.extend_from_slice(format!("{number:08x}").as_bytes());
    }
    archive.extend_from_slice(name);
    archive.push(0);
    pad(archive);
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(ALIGNMENT), 0);
}

/// The entries of an archive, up to its trailer.
pub fn read(archive: &[u8]) -> Result<Vec<Entry<'_>>, CpioError> {
    let mut entries = Vec::new();
    let mut offset = 0;
    loop {
        let damaged = |problem: &str| CpioError::Damaged { offset, problem: problem.to_owned() };
        let take = |start: usize, length: usize| {
            let end = start.checked_add(length);
            end.and_then(|end| archive.get(start..end)).ok_or_else(|| damaged("the archive ends within this entry"))
        };
        let header = take(offset, HEADER)?;
        if !header.starts_with(MAGIC) {
            return Err(damaged("no `070701`"));
        }
        let number = |index: usize| {
            let digits = &header[6 + index * 8..14 + index * 8];
            let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit));
            text.and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or_else(|| damaged("no hexadecimal number"))
        };
        let (mode, size, name_size) = (number(1)?, number(6)?, number(11)?);
        let as_usize = |number: u32| usize::try_from(number).map_err(|_| damaged("a size is too large"));
        let name = take(offset + HEADER, as_usize(name_size)?)?;
        let content_start = (offset + HEADER + name.len()).next_multiple_of(ALIGNMENT);
        let mut name = name.strip_suffix(&[0]).ok_or_else(|| damaged("the name does not end in a NUL"))?;
        while let Some(shorter) = name.strip_suffix(&[0]) {
            name = shorter;
        }
        if name == TRAILER {
            return Ok(entries);
        }
        let content = take(content_start, as_usize(size)?)?;
        let (major, minor) = (number(9)?, number(10)?);
        let node = match mode & TYPE_MASK {
            0o010_000 => Node::Fifo,
            0o020_000 => Node::CharDevice { major, minor },
            0o040_000 => Node::Directory,
            0o060_000 => Node::BlockDevice { major, minor },
            0o100_000 => Node::File(content),
            0o120_000 => Node::Symlink(content),
            _ => return Err(damaged("an unknown file type")),
        };
        let mode = u16::try_from(mode & 0o7777).expect("twelve bits fit");
        entries.push(Entry { path: name.to_vec(), mode, node });
        offset = (content_start + content.len()).next_multiple_of(ALIGNMENT);
    }
}

/// The entries for people, one a line.
pub fn dump(archive: &[u8]) -> Result<String, CpioError> {
    let line = |Entry { path, mode, node }: &Entry<'_>| {
        let path = path.escape_ascii();
        match node {
            Node::Directory => format!("d {mode:04o} {path}/\n"),
            Node::File(content) => format!("- {mode:04o} {path} {} bytes\n", content.len()),
            Node::Symlink(target) => format!("l {mode:04o} {path} -> {}\n", target.escape_ascii()),
            Node::CharDevice { major, minor } => format!("c {mode:04o} {path} {major}:{minor}\n"),
            Node::BlockDevice { major, minor } => format!("b {mode:04o} {path} {major}:{minor}\n"),
            Node::Fifo => format!("p {mode:04o} {path}\n"),
        }
    };
    Ok(read(archive)?.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Digest;
    use proptest::prelude::*;

    fn entry<'a>(path: &str, mode: u16, node: Node<'a>) -> Entry<'a> {
        Entry { path: path.into(), mode, node }
    }

    #[test]
    fn an_archive_of_every_kind_has_these_bytes() {
        let archive = write(
            &[
                entry("dev", 0o755, Node::Directory),
                entry("dev/console", 0o600, Node::CharDevice { major: 5, minor: 1 }),
                entry("dev/vda", 0o660, Node::BlockDevice { major: 254, minor: 0 }),
                entry("init", 0o755, Node::File(b"#!/bin/sh\n")),
                entry("link", 0o777, Node::Symlink(b"init")),
                entry("pipe", 0o4600, Node::Fifo),
            ],
            1_700_000_000,
        )
        .unwrap();
        insta::assert_snapshot!(dump(&archive).unwrap(), @r"
        d 0755 dev/
        c 0600 dev/console 5:1
        b 0660 dev/vda 254:0
        - 0755 init 10 bytes
        l 0777 link -> init
        p 4600 pipe
        ");
        // A change of this digest changes every initrd: say so in the changelog.
        assert_eq!(
            Digest::of(&archive).to_string(),
            "884aed3cc7e0634c60e417f4bfc3d90b8421965e10775c1909883f40923e2445"
        );
    }

    #[test]
    fn contents_lie_where_they_are_wanted() {
        let file = |path, bytes| entry(path, 0o644, Node::File(bytes));
        let entries =
            [file("a", b"first".as_slice()), file("empty", b""), file("longer", b"second"), file("b", b"third")];
        let archive = write_aligned(&entries, 7, 16).unwrap();
        assert_eq!(read(&archive).unwrap(), entries);
        for content in ["first", "second", "third"] {
            let at = archive.windows(content.len()).position(|window| window == content.as_bytes()).unwrap();
            assert_eq!(at % 16, 0, "{content}");
        }
        assert_eq!(write_aligned(&entries, 7, 4).unwrap(), write(&entries, 7).unwrap());
    }

    #[test]
    fn what_the_kernel_would_not_unpack_is_refused() {
        let error = |entries: &[Entry<'_>]| write(entries, 0).unwrap_err().to_string();
        let file = |path| entry(path, 0o644, Node::File(b""));
        assert_eq!(error(&[file("a/b")]), "`a/b` in the archive: its directory does not come before it");
        assert_eq!(error(&[file("a"), file("a/b")]), "`a/b` in the archive: its directory does not come before it");
        assert_eq!(error(&[file("a"), file("a")]), "`a` in the archive: it comes twice");
        for path in ["", "/a", "a/", "a/../b", ".", "TRAILER!!!", "a\0"] {
            assert!(error(&[file(path)]).contains("no path"), "{path}");
        }
        assert_eq!(write(&[], -1).unwrap_err().to_string(), "the time -1 is too large for a cpio archive");
    }

    #[test]
    fn damage_is_found_where_it_is() {
        let archive = write(&[entry("a", 0o644, Node::File(b"hello")), entry("b", 0o644, Node::Fifo)], 0).unwrap();
        for cut in 0..archive.len() - 4 {
            assert!(read(&archive[..cut]).is_err(), "{cut}");
        }
        let mut bad = archive.clone();
        bad[120 + 6 + 8] = b'x';
        assert_eq!(read(&bad).unwrap_err().to_string(), "cpio archive, offset 120: no hexadecimal number");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(files in prop::collection::btree_map("[a-z]{1,9}", prop::collection::vec(any::<u8>(), 0..50), 0..20)) {
            let entries: Vec<Entry<'_>> = files.iter().map(|(name, bytes)| entry(name, 0o640, Node::File(bytes))).collect();
            let archive = write(&entries, 7).unwrap();
            prop_assert_eq!(read(&archive).unwrap(), entries);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(at in 0usize..300, bytes in prop::collection::vec(any::<u8>(), 1..9)) {
            let mut archive = write(&[entry("a", 0o644, Node::File(b"hello"))], 0).unwrap();
            let at = at.min(archive.len() - 9);
            archive[at..at + bytes.len()].copy_from_slice(&bytes);
            let _ = read(&archive);
        }
    }
}
