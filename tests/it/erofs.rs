//! `fsck.erofs --extract` of erofs-utils 1.8 or later unpacks our images to the tree they were made of.
//!
//! Debian 12 has 1.5, which knows no zstd. `FSCK_EROFS` names another one: the package of Debian 13 unpacked, for
//! example, with a script that starts it by its own `ld-linux-x86-64.so.2 --library-path`.

use std::env;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use nodesmith::formats::erofs::{Codec, ExtentSize, Options, label, write};
use nodesmith::formats::form_cache::NoCache;
use nodesmith::tree::dump::dump;
use nodesmith::tree::{Content, Inode, Kind, Origin, Tree, TreePath};

use crate::import::import;
use crate::support::skip;

/// The oracle, if it is there and we may unpack owners and devices; otherwise why not.
pub(crate) fn fsck() -> Result<String, String> {
    let command = env::var("FSCK_EROFS").unwrap_or_else(|_| "fsck.erofs".to_owned());
    let output = Command::new(&command).arg("-V").output().map_err(|error| format!("{command}: {error}"))?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let version = text.split_whitespace().find_map(|word| {
        let (major, minor) = word.split_once('.')?;
        let minor = minor.split(|letter: char| !letter.is_ascii_digit()).next()?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    match version {
        Some(version) if version < (1, 8) => Err(format!("{command} is older than 1.8")),
        None => Err(format!("{command} does not tell its version: {text}")),
        _ if !rustix::process::geteuid().is_root() => Err("not root".to_owned()),
        _ => Ok(command),
    }
}

/// The sources of this project, some inodes of each other kind, and data that does not compress.
fn sample(directory: &Path) -> Tree {
    let origin = Origin::from("test 1");
    let path = |text: &str| TreePath::parse(text).unwrap();
    let (mut tree, _) = import(directory).unwrap();
    let noise = fs::read(env::current_exe().unwrap()).unwrap();
    // Compressing it once more would not make it smaller.
    let noise: Vec<u8> = noise.chunks(64).take(3000).flat_map(|chunk| nodesmith::tree::Digest::of(chunk).0).collect();
    let mut add = |name: &str, kind, mode| {
        let mut inode = Inode::new(kind, mode, 1_600_000_000, &origin);
        inode.xattrs.insert(b"user.name".to_vec(), name.into());
        // Linux has no user attributes on what is neither file nor directory.
        if !matches!(inode.kind, Kind::File(_) | Kind::Directory) {
            inode.xattrs.clear();
        }
        // SELinux's labels may be on everything.
        inode.xattrs.insert(b"security.selinux".to_vec(), format!("u:object_r:{mode:o}_t:s0\0").into_bytes());
        (inode.uid, inode.gid) = (70_000, 12);
        tree.insert(path(name), inode).unwrap();
    };
    add("/odd", Kind::Directory, 0o1777);
    add("/odd/empty", Kind::File(Content::inline("")), 0o644);
    add("/odd/noise", Kind::File(Content::inline(noise.clone())), 0o4755);
    add("/odd/mixed", Kind::File(Content::inline([vec![b'x'; 70_000], noise, vec![b'y'; 70_001]].concat())), 0o600);
    add("/odd/link", Kind::Symlink(b"../src/lib.rs".to_vec()), 0o777);
    add("/odd/long", Kind::Symlink([b"x/".repeat(2040), b"y".to_vec()].concat()), 0o777);
    add("/odd/null", Kind::CharDevice { major: 1, minor: 3 }, 0o666);
    add("/odd/disk", Kind::BlockDevice { major: 252, minor: 1_000_000 }, 0o660);
    add("/odd/pipe", Kind::Fifo, 0o600);
    (0..1500).for_each(|number| add(&format!("/odd/{number}"), Kind::File(Content::inline(number.to_string())), 0o644));
    tree.link(&path("/odd/mixed"), path("/odd/again"), &origin).unwrap();
    tree
}

#[test]
fn fsck_unpacks_an_image_to_the_tree_it_was_made_of() {
    let fsck = match fsck() {
        Ok(fsck) => fsck,
        Err(why) => return skip(&why.to_string()),
    };
    let directory = tempfile::tempdir().unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (tree, contents) = (sample(&sources), import(&sources).unwrap().1);
    for (number, codec) in [Codec::Zstd { level: 3 }, Codec::Lz4hc { level: 9 }, Codec::None].into_iter().enumerate() {
        let options = Options {
            uuid: [7; 16],
            label: label("oracle").unwrap(),
            epoch: 1_600_000_000,
            codec,
            extent: ExtentSize::DEFAULT,
            threads: NonZeroUsize::new(2).unwrap(),
        };
        let image = directory.path().join(format!("{number}.erofs"));
        write(&tree, &contents, &options, &NoCache, &mut File::create(&image).unwrap()).unwrap();
        let unpacked = directory.path().join(number.to_string());
        let extract = format!("--extract={}", unpacked.display());
        let output = Command::new(&fsck).args([extract.as_str(), "--xattrs"]).arg(&image).output().unwrap();
        assert!(output.status.success(), "{codec:?}: {}", String::from_utf8_lossy(&output.stderr));
        let (back, _) = import(&unpacked).unwrap();
        assert!(dump(&back) == dump(&tree), "{codec:?}: fsck.erofs unpacked another tree");
    }
}
