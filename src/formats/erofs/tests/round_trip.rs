//! Any tree, written and read back, is the same tree; and any number of threads writes the same bytes.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::tree::dump::dump;

/// An inode to be put into a directory made before, or a second name for a file made before.
#[derive(Debug, Clone)]
struct Spec {
    parent: Index,
    name: Vec<u8>,
    kind: SpecKind,
    mode: u16,
    owner: (u32, u32),
    mtime: i64,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Debug, Clone)]
enum SpecKind {
    Directory,
    /// Text, noise, and how much of each: extents of both sorts in one file.
    File {
        text: usize,
        noise: usize,
        seed: u64,
        inline: bool,
    },
    Symlink(Vec<u8>),
    CharDevice {
        major: u32,
        minor: u32,
    },
    BlockDevice {
        major: u32,
        minor: u32,
    },
    Fifo,
    Link(Index),
}

/// Lengths that matter: none, a few bytes, some blocks and a little more or less, several extents.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        2 => Just(0),
        2 => 1..100usize,
        4 => (1..20usize, -70..70isize).prop_map(|(blocks, more)| (blocks * 4096).checked_add_signed(more).unwrap()),
        1 => 0..300_000usize,
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![4 => vec(any::<u8>(), 1..12), 1 => vec(any::<u8>(), 200..=255)];
    bytes.prop_map(|mut bytes| {
        bytes.iter_mut().filter(|byte| matches!(**byte, 0 | b'/')).for_each(|byte| *byte = b'_');
        if bytes == b"." || bytes == b".." { b"...".to_vec() } else { bytes }
    })
}

fn xattrs() -> impl Strategy<Value = BTreeMap<Vec<u8>, Vec<u8>>> {
    let prefix = prop::sample::select(vec!["user.", "trusted.", "security."]);
    let name = (prefix, vec(1..=255u8, 1..40)).prop_map(|(prefix, rest)| [prefix.as_bytes(), &rest].concat());
    let acl = prop::sample::select(vec!["system.posix_acl_access", "system.posix_acl_default"]);
    // The same few labels on many inodes, as SELinux has them.
    let labels = prop::sample::select(vec![b"bin_t".to_vec(), b"etc_t".to_vec()]);
    let label = (Just(b"security.selinux".to_vec()), labels);
    let value = prop_oneof![8 => vec(any::<u8>(), 0..80), 1 => (600..65_536usize).prop_map(|n| noise(n, n as u64))];
    let any_name = prop_oneof![4 => name, 1 => acl.prop_map(|name| name.as_bytes().to_vec())];
    let own = btree_map(any_name, value, 0..4);
    (own, proptest::option::of(label)).prop_map(|(mut xattrs, label)| {
        xattrs.extend(label);
        xattrs
    })
}

fn kind() -> impl Strategy<Value = SpecKind> {
    let file = (length(), prop_oneof![3 => Just(0), 1 => length()], any::<u64>(), any::<bool>());
    let device = || (0..1u32 << 12, 0..1u32 << 20);
    let target = prop_oneof![4 => vec(1..=255u8, 1..60), 1 => vec(1..=255u8, 3900..4096)];
    prop_oneof![
        4 => Just(SpecKind::Directory),
        8 => file.prop_map(|(text, noise, seed, inline)| SpecKind::File { text, noise, seed, inline }),
        2 => target.prop_map(SpecKind::Symlink),
        1 => device().prop_map(|(major, minor)| SpecKind::CharDevice { major, minor }),
        1 => device().prop_map(|(major, minor)| SpecKind::BlockDevice { major, minor }),
        1 => Just(SpecKind::Fifo),
        2 => any::<Index>().prop_map(SpecKind::Link),
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    let owner = prop_oneof![3 => Just((0, 0)), 1 => (any::<u32>(), any::<u32>())];
    let mtime = prop_oneof![1 => Just(1_700_000_000), 1 => any::<i64>()];
    let xattrs = prop_oneof![2 => Just(BTreeMap::new()), 1 => xattrs()];
    (any::<Index>(), name(), kind(), 0..=0o7777u16, owner, mtime, xattrs).prop_map(
        |(parent, name, kind, mode, owner, mtime, xattrs)| Spec { parent, name, kind, mode, owner, mtime, xattrs },
    )
}

/// The tree of these specs; names that are taken are left out.
fn tree_of(specs: &[Spec], store: &Store) -> Tree {
    let origin = Origin::from("test 1");
    let mut tree = Tree::new(1_700_000_000, &origin);
    let (mut directories, mut others) = (vec![TreePath::root()], Vec::new());
    for Spec { parent, name, kind, mode, owner, mtime, xattrs } in specs {
        let Ok(path) = parent.get(&directories).join(name) else { continue };
        let kind = match kind {
            SpecKind::Link(to) if !others.is_empty() => {
                // A taken name is left out here too.
                drop(tree.link(to.get(&others), path, &origin));
                continue;
            }
            SpecKind::Link(_) | SpecKind::Fifo => Kind::Fifo,
            SpecKind::Directory => Kind::Directory,
            SpecKind::File { text: text_length, noise: noise_length, seed, inline } => {
                let bytes = [text(*text_length), noise(*noise_length, *seed)].concat();
                Kind::File(if *inline { Content::inline(bytes) } else { store.put(&bytes) })
            }
            SpecKind::Symlink(target) => Kind::Symlink(target.clone()),
            SpecKind::CharDevice { major, minor } => Kind::CharDevice { major: *major, minor: *minor },
            SpecKind::BlockDevice { major, minor } => Kind::BlockDevice { major: *major, minor: *minor },
        };
        let is_directory = kind == Kind::Directory;
        let mut inode = Inode::new(kind, *mode, *mtime, &origin);
        (inode.uid, inode.gid, inode.xattrs) = (owner.0, owner.1, xattrs.clone());
        if tree.insert(path.clone(), inode).is_ok() {
            if is_directory { directories.push(path) } else { others.push(path) }
        }
    }
    tree
}

fn check(tree: &Tree, store: &Store, options: &Options) {
    let image = written(tree, store, options);
    let back = read_back(&image).unwrap_or_else(|error| panic!("{error}\n{}", dump(tree)));
    assert!(dump(&back) == dump(tree), "another tree came back:\n{}\ninstead of\n{}", dump(&back), dump(tree));
    let one_thread = Options { threads: NonZeroUsize::MIN, ..options.clone() };
    assert!(written(tree, store, &one_thread) == image, "one thread writes other bytes than two");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn any_tree_comes_back_as_it_was(
        specs in vec(spec(), 0..40),
        codec in prop::sample::select(vec![ZSTD, LZ4HC, Codec::None]),
        extent in prop::sample::select(vec![4u32 << 10, 16 << 10, 128 << 10]),
    ) {
        let store = Store::new();
        check(&tree_of(&specs, &store), &store, &options(codec, extent));
    }
}

fn tree_with(inodes: impl IntoIterator<Item = (TreePath, Kind)>) -> Tree {
    let origin = Origin::from("test 1");
    let mut tree = Tree::new(0, &origin);
    for (path, kind) in inodes {
        tree.insert(path, Inode::new(kind, 0o644, 0, &origin)).unwrap();
    }
    tree
}

#[test]
fn every_size_around_a_block_comes_back() {
    let store = Store::new();
    let sizes = [4000..4140usize, 8180..8200, 12_280..12_300].into_iter().flatten();
    let files = sizes.flat_map(|size| {
        let (text, noise) = (store.put(&text(size)), store.put(&noise(size, size as u64)));
        [(path(&format!("/t{size}")), Kind::File(text)), (path(&format!("/n{size}")), Kind::File(noise))]
    });
    let tree = tree_with(files);
    for codec in [ZSTD, LZ4HC, Codec::None] {
        check(&tree, &store, &options(codec, 128 << 10));
    }
}

#[test]
fn a_directory_of_many_blocks_comes_back() {
    let names = (0..3000).map(|number| format!("/{}{number}", "n".repeat(number % 200)));
    let tree = tree_with(names.map(|name| (path(&name), Kind::File(Content::inline("")))));
    check(&tree, &Store::new(), &options(Codec::None, 4096));
}

#[test]
fn a_file_of_many_batches_comes_back() {
    let store = Store::new();
    let big = [text(20 << 20), noise(3 << 20, 5), vec![0; 5 << 20], text(77)].concat();
    let tree = tree_with([(path("/a"), Kind::File(store.put(b"small"))), (path("/b"), Kind::File(store.put(&big)))]);
    check(&tree, &store, &options(ZSTD, 256 << 10));
}

#[test]
fn many_xattrs_and_long_ones_come_back() {
    let origin = Origin::from("test 1");
    let mut tree = Tree::new(0, &origin);
    for (name, kind) in [("/file", Kind::File(Content::inline("x"))), ("/link", Kind::Symlink(b"to".to_vec()))] {
        let mut inode = Inode::new(kind, 0o644, 0, &origin);
        let long = (0..300).map(|number| (format!("user.long{number}").into_bytes(), noise(600 + number, 3)));
        let short = (0..300).map(|number| (format!("trusted.{name}{number}").into_bytes(), vec![1; number]));
        inode.xattrs = long.chain(short).collect();
        tree.insert(path(name), inode).unwrap();
    }
    check(&tree, &Store::new(), &options(ZSTD, 4096));
}
