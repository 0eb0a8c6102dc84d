//! The initrd as bytes: the agent as `/init`, the modules that find the root file system, their firmware, in a compressed
//! archive.
//!
//! Gives the bytes that a boot loader hands to the kernel. Paths are those of `contract`.

use std::collections::{BTreeMap, BTreeSet};
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
pub(super) const ALIGNMENT: usize = 512;
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

/// What an initrd has besides mount points.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The agent.
    pub agent: Vec<u8>,
    /// Each before those that need it.
    pub modules: Vec<Module>,
    /// Path below the initrd's root → what modules load into their devices.
    pub firmware: BTreeMap<String, Vec<u8>>,
    /// An archive that the kernel reads before it unpacks any, or nothing.
    pub microcode: Vec<u8>,
}

/// A kernel module.
#[derive(Debug, Clone)]
pub struct Module {
    /// `dm_verity`.
    pub name: String,
    pub elf: Vec<u8>,
    /// Names of what has to be loaded before it, in this order.
    pub needs: Vec<String>,
    pub load: Load,
}

/// When a module is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// On every machine.
    Always,
    /// On those that have a device whose modalias fits one of these patterns.
    ForDevices(Vec<String>),
    /// With those that need it.
    WhenNeeded,
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

/// The initrd of `files`, every file with the time `epoch`. One thread, so always the same bytes.
pub fn build(
    files: &Files,
    epoch: i64,
    compression: Compression,
    cache: &dyn FormCache,
) -> Result<Initrd, InitrdError> {
    let archive = archive(files, epoch)?;
    let unpacked_bytes = (files.microcode.len() + archive.len()) as u64;
    let key = key(&archive, compression);
    let compressed = match key.and_then(|key| cache.get(&key)) {
        Some(bytes) => bytes,
        None => {
            let bytes = compress(&archive, compression).map_err(InitrdError::Compressing)?;
            if let Some(key) = key {
                cache.put(&key, &bytes).map_err(InitrdError::Compressing)?;
            }
            bytes
        }
    };
    Ok(Initrd { bytes: [files.microcode.as_slice(), &compressed].concat(), unpacked_bytes })
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
fn archive(files: &Files, epoch: i64) -> Result<Vec<u8>, InitrdError> {
    let mut names = BTreeSet::new();
    for Module { name, .. } in &files.modules {
        // It is a word of the lists and a file name.
        if name.is_empty() || name.contains(|c: char| c == '/' || c == '\0' || c.is_whitespace()) || !names.insert(name)
        {
            return Err(InitrdError::BadModule(name.clone()));
        }
    }
    let (order, aliases) = (order(&files.modules), aliases(&files.modules));
    let relative = |path: &str| path.trim_start_matches('/').to_owned();
    let entry = |path: String, mode, node| Entry { path: path.into_bytes(), mode, node };
    let directory = |path: &str| entry(relative(path), 0o755, Node::Directory);
    let mut entries: Vec<Entry<'_>> = MOUNT_POINTS.map(directory).into();
    // Without it the kernel starts /init with no standard streams.
    entries.push(entry("dev/console".to_owned(), 0o600, Node::CharDevice { major: 5, minor: 1 }));
    // Rust opens it at once where a standard stream is missing.
    entries.push(entry("dev/null".to_owned(), 0o666, Node::CharDevice { major: 1, minor: 3 }));
    entries.push(entry("init".to_owned(), 0o755, Node::File(&files.agent)));
    entries.push(directory(contract::INITRD_MODULES));
    for (path, list) in [(contract::INITRD_MODULE_ORDER, &order), (contract::INITRD_MODULE_ALIASES, &aliases)] {
        entries.push(entry(relative(path), 0o644, Node::File(list.as_bytes())));
    }
    for Module { name, elf, .. } in &files.modules {
        let path = format!("{}/{}", relative(contract::INITRD_MODULES), file_name(name));
        entries.push(entry(path, 0o644, Node::File(elf)));
    }
    let mut directories = BTreeSet::new();
    for (path, bytes) in &files.firmware {
        for (end, _) in path.match_indices('/') {
            if directories.insert(&path[..end]) {
                entries.push(directory(&path[..end]));
            }
        }
        entries.push(entry(path.clone(), 0o644, Node::File(bytes)));
    }
    cpio::write(&entries, epoch).map_err(InitrdError::Archive)
}

fn file_name(module: &str) -> String {
    format!("{module}.ko")
}

/// [`contract::INITRD_MODULE_ORDER`]. `modules` has each before those that need it.
fn order(modules: &[Module]) -> String {
    let always = modules.iter().filter(|module| module.load == Load::Always);
    let names: BTreeSet<&String> = always.flat_map(|module| module.needs.iter().chain([&module.name])).collect();
    let listed = modules.iter().filter(|module| names.contains(&module.name));
    listed.map(|module| format!("{}\n", file_name(&module.name))).collect()
}

/// [`contract::INITRD_MODULE_ALIASES`].
fn aliases(modules: &[Module]) -> String {
    let mut text = String::new();
    for module in modules {
        let Load::ForDevices(patterns) = &module.load else { continue };
        let files: Vec<String> = module.needs.iter().chain([&module.name]).map(|name| file_name(name)).collect();
        patterns.iter().for_each(|pattern| text.push_str(&format!("{pattern} {}\n", files.join(" "))));
    }
    text
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

    /// A driver with what it needs, and a module for every machine.
    fn files(agent: &[u8]) -> Files {
        let module = |name: &str, elf: &[u8], needs: &[&str], load| Module {
            name: name.to_owned(),
            elf: elf.to_vec(),
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
            load,
        };
        let patterns = ["virtio:d00000002v*", "virtio:x"].map(str::to_owned).into();
        Files {
            agent: agent.to_vec(),
            modules: vec![
                module("virtio", b"ELF v", &[], Load::WhenNeeded),
                module("virtio_blk", b"ELF b", &["virtio"], Load::ForDevices(patterns)),
                module("dm_mod", b"ELF d", &[], Load::WhenNeeded),
                module("dm_verity", b"ELF a", &["dm_mod"], Load::Always),
            ],
            ..Files::default()
        }
    }

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
        let mut files = files(b"ELF agent");
        for path in ["lib/firmware/bnx2/a.fw", "lib/firmware/tigon/b.bin", "lib/firmware/tigon/c.bin"] {
            files.firmware.insert(path.to_owned(), b"firmware".to_vec());
        }
        let archive = archive(&files, 1_700_000_000).unwrap();
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
        - 0644 modules/order 23 bytes
        - 0644 modules/aliases 76 bytes
        - 0644 modules/virtio.ko 5 bytes
        - 0644 modules/virtio_blk.ko 5 bytes
        - 0644 modules/dm_mod.ko 5 bytes
        - 0644 modules/dm_verity.ko 5 bytes
        d 0755 lib/
        d 0755 lib/firmware/
        d 0755 lib/firmware/bnx2/
        - 0644 lib/firmware/bnx2/a.fw 8 bytes
        d 0755 lib/firmware/tigon/
        - 0644 lib/firmware/tigon/b.bin 8 bytes
        - 0644 lib/firmware/tigon/c.bin 8 bytes
        ");
        let order = "dm_mod.ko\ndm_verity.ko\n";
        let aliases = "virtio:d00000002v* virtio.ko virtio_blk.ko\nvirtio:x virtio.ko virtio_blk.ko\n";
        for list in [order, aliases] {
            assert!(
                cpio::read(&archive).unwrap().iter().any(|entry| entry.node == Node::File(list.as_bytes())),
                "{list}"
            );
        }
    }

    #[test]
    fn both_compressions_are_padded_and_give_the_archive_back() {
        for compression in [Compression::Zstd, Compression::Gzip] {
            let initrd = build(&files(b"ELF agent"), 7, compression, &NoCache).unwrap();
            assert_eq!(initrd.bytes.len() % 512, 0);
            let archive = unpack(&initrd, compression);
            assert_eq!(archive.len() as u64, initrd.unpacked_bytes);
            assert_eq!(archive, self::archive(&files(b"ELF agent"), 7).unwrap());
        }
    }

    #[test]
    fn microcode_lies_before_everything_as_it_is() {
        let plain = files(b"x");
        let with = Files { microcode: vec![7; ALIGNMENT], ..plain.clone() };
        let build = |files| build(files, 7, Compression::Zstd, &NoCache).unwrap();
        assert_eq!(build(&with).bytes, [vec![7; ALIGNMENT], build(&plain).bytes].concat());
        assert_eq!(build(&with).unpacked_bytes, build(&plain).unpacked_bytes + ALIGNMENT as u64);
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
        let made = build(&files(b"x"), 7, Compression::Zstd, &kept).unwrap();
        assert_eq!(build(&files(b"x"), 7, Compression::Zstd, &NoCache).unwrap(), made);
        assert_eq!(build(&files(b"x"), 7, Compression::Zstd, &kept).unwrap(), made);
        assert_eq!(kept.0.lock().unwrap().len(), 1);
        build(&files(b"y"), 7, Compression::Zstd, &kept).unwrap();
        build(&files(b"y"), 7, Compression::Gzip, &kept).unwrap();
        assert_eq!(kept.0.lock().unwrap().len(), 2);
    }

    #[test]
    fn the_bytes_are_these() {
        // A change of these digests changes every initrd (a new libzstd or zlib-rs may do it): say so in the changelog.
        let digest = |compression| Digest::of(build(&files(b"x"), 7, compression, &NoCache).unwrap().bytes).to_string();
        assert_eq!(digest(Compression::Zstd), "1d6431c9a37d0e887805d491b52c759a393586bcd2324916d87fe4d0f68b062b");
        assert_eq!(digest(Compression::Gzip), "5c4978e638aa4d3a7044fbded8c89d4a4238a4126d9466802e02ffb40374e88a");
    }

    #[test]
    fn module_names_must_be_names_of_their_own() {
        for names in [["a", "a"], ["a", "../b"], ["a", "b c"], ["a", ""]] {
            let modules =
                names.map(|name| Module { name: name.to_owned(), elf: vec![], needs: vec![], load: Load::WhenNeeded });
            let files = Files { modules: modules.into(), ..Files::default() };
            let error = build(&files, 0, Compression::Gzip, &NoCache).unwrap_err().to_string();
            assert!(error.contains("no file name of its own"), "{error}");
        }
    }
}
