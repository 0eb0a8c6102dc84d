//! The initrd: the agent as `/init`, the modules that find the root file system, and a compressed archive of both.
//!
//! Takes the agent's bytes and the modules, already decompressed, in the order they are loaded; gives the bytes that
//! a boot loader hands to the kernel. Paths are those of `contract`.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write as _};

use crate::contract;
use crate::formats::cpio::{self, CpioError, Entry, Node};
use crate::formats::form_cache::FormCache;
use crate::tree::Digest;

/// Directories that `/init` mounts on, made empty.
const MOUNT_POINTS: [&str; 5] = ["dev", "proc", "run", "sys", "sysroot"];
/// Compressed archives end at a multiple of this, so that another one may follow: after a zstd frame the kernel looks
/// for the next archive at a multiple of four.
const ALIGNMENT: usize = 512;
/// Window of the zstd frame, 8 MiB: what every decompressor has to support (RFC 8878, 3.1.1.1.2).
const WINDOW_LOG: u32 = 23;
/// Of zstd: the boot loader reads the initrd at every boot, and compressing it anew is rare.
const LEVEL: i32 = 19;

/// What the kernel must be able to decompress; zstd is for kernels that have `CONFIG_RD_ZSTD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Zstd,
    Gzip,
}

/// A kernel module.
#[derive(Debug, Clone, Copy)]
pub struct Module<'a> {
    /// File name: `dm-verity.ko`.
    pub name: &'a str,
    pub elf: &'a [u8],
}

/// A finished initrd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initrd {
    pub bytes: Vec<u8>,
    /// Size of the archive before compression: memory that it takes when it is unpacked.
    pub unpacked_bytes: u64,
}

/// Why there is no initrd.
#[derive(Debug)]
pub enum InitrdError {
    /// Not a file name, or a name that comes twice.
    BadModule(String),
    Archive(CpioError),
    Compressing(io::Error),
}

impl fmt::Display for InitrdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitrdError::BadModule(name) => {
                write!(f, "`{name}` cannot be a module in the initrd: it is no file name of its own")
            }
            InitrdError::Archive(error) => write!(f, "making the initrd: {error}"),
            InitrdError::Compressing(error) => write!(f, "compressing the initrd: {error}"),
        }
    }
}

impl std::error::Error for InitrdError {}

/// The initrd of `agent` and `modules`, every file with the time `epoch`. One thread, so always the same bytes.
pub fn build(
    agent: &[u8],
    modules: &[Module<'_>],
    epoch: i64,
    compression: Compression,
    cache: &dyn FormCache,
) -> Result<Initrd, InitrdError> {
    let archive = archive(agent, modules, epoch)?;
    let unpacked_bytes = archive.len() as u64;
    let key = key(&archive, compression);
    if let Some(bytes) = key.and_then(|key| cache.get(&key)) {
        return Ok(Initrd { bytes, unpacked_bytes });
    }
    let bytes = compress(&archive, compression).map_err(InitrdError::Compressing)?;
    if let Some(key) = key {
        cache.put(&key, &bytes).map_err(InitrdError::Compressing)?;
    }
    Ok(Initrd { bytes, unpacked_bytes })
}

/// The key of an archive's compressed form: whatever changes the bytes is in it. Nothing for gzip, whose library does not
/// tell its version.
fn key(archive: &[u8], compression: Compression) -> Option<Digest> {
    let version = match compression {
        Compression::Zstd => zstd::zstd_safe::version_string(),
        Compression::Gzip => return None,
    };
    Some(Digest::of(format!("initrd 1, zstd {version} level {LEVEL}, {}", Digest::of(archive))))
}

/// The uncompressed archive.
fn archive(agent: &[u8], modules: &[Module<'_>], epoch: i64) -> Result<Vec<u8>, InitrdError> {
    let mut names = BTreeSet::new();
    let mut order = String::new();
    let order_name = contract::INITRD_MODULE_ORDER.rsplit('/').next();
    for Module { name, .. } in modules {
        // The order is a list of lines.
        let bad = name.is_empty() || name.contains(['/', '\n', '\0']) || Some(*name) == order_name;
        if bad || !names.insert(*name) {
            return Err(InitrdError::BadModule((*name).to_owned()));
        }
        order += name;
        order.push('\n');
    }
    let relative = |path: &str| path.trim_start_matches('/').to_owned();
    let entry = |path: String, mode, node| Entry { path: path.into_bytes(), mode, node };
    let directory = |path: &str| entry(relative(path), 0o755, Node::Directory);
    let mut entries: Vec<Entry<'_>> = MOUNT_POINTS.map(directory).into();
    // Without it the kernel starts /init with no standard streams.
    entries.push(entry("dev/console".to_owned(), 0o600, Node::CharDevice { major: 5, minor: 1 }));
    // Rust opens it at once where a standard stream is missing.
    entries.push(entry("dev/null".to_owned(), 0o666, Node::CharDevice { major: 1, minor: 3 }));
    entries.push(entry("init".to_owned(), 0o755, Node::File(agent)));
    entries.push(directory(contract::INITRD_MODULES));
    entries.push(entry(relative(contract::INITRD_MODULE_ORDER), 0o644, Node::File(order.as_bytes())));
    for Module { name, elf } in modules {
        let path = format!("{}/{name}", relative(contract::INITRD_MODULES));
        entries.push(entry(path, 0o644, Node::File(elf)));
    }
    cpio::write(&entries, epoch).map_err(InitrdError::Archive)
}

fn compress(archive: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
    let mut bytes = match compression {
        Compression::Zstd => {
            let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
            encoder.window_log(WINDOW_LOG)?;
            encoder.write_all(archive)?;
            encoder.finish()?
        }
        // No name and no time in the header.
        Compression::Gzip => {
            let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::new(9));
            encoder.write_all(archive)?;
            encoder.finish()?
        }
    };
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::form_cache::NoCache;
    use std::io::Read as _;

    const MODULES: [Module<'static>; 2] =
        [Module { name: "virtio_blk.ko", elf: b"ELF b" }, Module { name: "dm-verity.ko", elf: b"ELF a" }];

    fn unpack(initrd: &Initrd, compression: Compression) -> Vec<u8> {
        let mut archive = Vec::new();
        match compression {
            Compression::Zstd => {
                let decoder = zstd::stream::Decoder::new(initrd.bytes.as_slice()).unwrap();
                decoder.single_frame().read_to_end(&mut archive).unwrap();
            }
            Compression::Gzip => {
                flate2::read::GzDecoder::new(initrd.bytes.as_slice()).read_to_end(&mut archive).unwrap();
            }
        }
        archive
    }

    #[test]
    fn the_archive_has_init_the_modules_and_their_order() {
        let archive = archive(b"ELF agent", &MODULES, 1_700_000_000).unwrap();
        insta::assert_snapshot!(cpio::dump(&archive).unwrap(), @r"
        d 0755 dev/
        d 0755 proc/
        d 0755 run/
        d 0755 sys/
        d 0755 sysroot/
        c 0600 dev/console 5:1
        c 0666 dev/null 1:3
        - 0755 init 9 bytes
        d 0755 modules/
        - 0644 modules/order 27 bytes
        - 0644 modules/virtio_blk.ko 5 bytes
        - 0644 modules/dm-verity.ko 5 bytes
        ");
        let order = Node::File(b"virtio_blk.ko\ndm-verity.ko\n");
        assert!(cpio::read(&archive).unwrap().iter().any(|entry| entry.node == order));
    }

    #[test]
    fn both_compressions_are_padded_and_give_the_archive_back() {
        for compression in [Compression::Zstd, Compression::Gzip] {
            let initrd = build(b"ELF agent", &MODULES, 7, compression, &NoCache).unwrap();
            assert_eq!(initrd.bytes.len() % 512, 0);
            let archive = unpack(&initrd, compression);
            assert_eq!(archive.len() as u64, initrd.unpacked_bytes);
            assert_eq!(archive, self::archive(b"ELF agent", &MODULES, 7).unwrap());
        }
    }

    #[test]
    fn the_compressed_form_is_kept_and_found_again() {
        #[derive(Default)]
        struct Kept(std::sync::Mutex<Vec<(Digest, Vec<u8>)>>);
        impl FormCache for Kept {
            fn get(&self, key: &Digest) -> Option<Vec<u8>> {
                self.0.lock().unwrap().iter().find(|(known, _)| known == key).map(|(_, form)| form.clone())
            }
            fn put(&self, key: &Digest, form: &[u8]) -> io::Result<()> {
                self.0.lock().unwrap().push((*key, form.to_vec()));
                Ok(())
            }
        }
        let kept = Kept::default();
        let made = build(b"x", &MODULES, 7, Compression::Zstd, &kept).unwrap();
        assert_eq!(build(b"x", &MODULES, 7, Compression::Zstd, &NoCache).unwrap(), made);
        assert_eq!(build(b"x", &MODULES, 7, Compression::Zstd, &kept).unwrap(), made);
        assert_eq!(kept.0.lock().unwrap().len(), 1);
        build(b"y", &MODULES, 7, Compression::Zstd, &kept).unwrap();
        build(b"y", &MODULES, 7, Compression::Gzip, &kept).unwrap();
        assert_eq!(kept.0.lock().unwrap().len(), 2);
    }

    #[test]
    fn the_bytes_are_these() {
        // A change of these digests changes every initrd (a new libzstd or zlib-rs may do it): say so in the changelog.
        let digest =
            |compression| Digest::of(build(b"x", &MODULES, 7, compression, &NoCache).unwrap().bytes).to_string();
        assert_eq!(digest(Compression::Zstd), "343590eab0349e0215b703f3694fdb3c5c8fc4565de723733e69c24e2e865d9d");
        assert_eq!(digest(Compression::Gzip), "667a59abdcfa29e060a9e5d59dded9ef9510cf82c30a1a2430ee2fad1d9b10d4");
    }

    #[test]
    fn module_names_must_be_names_of_their_own() {
        for names in [["a.ko", "a.ko"], ["a.ko", "../b.ko"], ["a.ko", "order"], ["a.ko", ""]] {
            let modules = names.map(|name| Module { name, elf: b"" });
            let error = build(b"", &modules, 0, Compression::Gzip, &NoCache).unwrap_err().to_string();
            assert!(error.contains("no file name of its own"), "{error}");
        }
    }
}
