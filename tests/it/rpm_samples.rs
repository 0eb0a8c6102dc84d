//! RPMs that other people made, from CentOS 2.1 to rpm 6: the test data of rpm, createrepo_c, two Go libraries and a crate.
//!
//! What unpacking gives is compared with what `rpm --root DIR -i` leaves; signatures of CentOS with its own keys.
//! `ci/rpm-samples` fetches them and `ci/test` says where they are; installing below another root needs root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use nodesmith::package::{FileEntry, FileKind, Package, rpm};
use nodesmith::store::Store;
use nodesmith::tree::Digest;
use nodesmith::trust::{Keyring, Weakness};

use crate::support::{oracle, run, skip};

/// What is refused, by a part of its path, and the slug that says why.
const REFUSED: [(&str, &str); 4] = [
    (".src.rpm", "source-package"),
    ("-corrupted.rpm", "payload-digest"),
    ("rpm-special-files", "device"),
    // Names in Latin-1, which no index could have.
    ("balicek-iso885", "bad-header"),
];

fn samples(pattern: &str) -> Option<Vec<PathBuf>> {
    let Some(directory) = std::env::var_os("RPM_SAMPLES") else {
        skip("RPM_SAMPLES does not say where the RPMs of others are (ci/rpm-samples)");
        return None;
    };
    let found = run(Command::new("find").arg(directory).args(["-type", "f", "-name", pattern]));
    let mut paths: Vec<PathBuf> = found.lines().map(PathBuf::from).collect();
    paths.sort();
    Some(paths)
}

fn unpack(path: &Path, keyring: Option<&Keyring>, store: &Store) -> Result<Package, String> {
    let mut file = fs::File::open(path).unwrap();
    rpm::unpack(&mut file, &path.display().to_string(), keyring, store).map_err(|error| format!("{error:#}"))
}

#[test]
fn packages_of_others_unpack_as_rpm_installs_them() {
    let (Some(_), Some(paths)) = (oracle("rpm"), samples("*.rpm")) else { return };
    if !rustix::process::geteuid().is_root() {
        return skip("installing below another root needs root");
    }
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("store")).unwrap();
    let (mut compared, mut refused) = (0, 0);
    for path in &paths {
        let expected = REFUSED.iter().find(|(part, _)| path.to_string_lossy().contains(part));
        match (unpack(path, None, &store), expected) {
            (Ok(package), None) => {
                installs_the_same(path, &package, &place.path().join("root"));
                compared += 1;
            }
            (Err(error), Some((_, slug))) => {
                assert!(error.ends_with(&format!("[{slug}]")), "{error}");
                refused += 1;
            }
            (Ok(_), Some((_, slug))) => panic!("{} is not refused as {slug}", path.display()),
            (Err(error), None) => panic!("{error}"),
        }
    }
    assert!(compared >= 55 && refused >= 6, "{compared} packages, {refused} refused: some are missing");
}

fn installs_the_same(path: &Path, package: &Package, root: &Path) {
    let _ = fs::remove_dir_all(root);
    fs::create_dir_all(root).unwrap();
    run(Command::new("rpm")
        .args(["-i", "--noscripts", "--notriggers", "--nodeps", "--nosignature", "--nodigest"])
        .args(["--ignorearch", "--ignoreos", "--force", "--root"])
        .args([root, path]));
    let query = |format: &str| {
        run(Command::new("rpm").args(["-qp", "--nosignature", "--nodigest", "--noghost", "--qf", format]).arg(path))
    };
    // Accounts are looked at by name: rpm finds none of them below an empty root.
    let owners = query("[%{FILENAMES}\\t%{FILEUSERNAME}\\t%{FILEGROUPNAME}\\n]");
    let owners: BTreeMap<&str, (&str, &str)> = owners
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(name, owners)| Some((name, owners.split_once('\t')?)))
        .collect();
    for file in &package.files {
        // The header has the bytes of a name, a tree's path shows some of them escaped.
        let name = String::from_utf8(file.path.as_bytes().to_vec()).unwrap();
        let name = format!("/{}", name.trim_start_matches('/'));
        let (ours, theirs) = (ours(file, package), theirs(root, &name));
        assert_eq!(ours, theirs, "{name} of {}", path.display());
        assert_eq!((file.user.name.as_str(), file.group.name.as_str()), owners[name.as_str()], "{name}");
    }
    let listed = run(Command::new("rpm").args(["-qlp", "--nosignature", "--nodigest", "--noghost"]).arg(path));
    let listed = listed.lines().filter(|line| line.starts_with('/')).count();
    assert_eq!(listed, package.files.len(), "files of {}", path.display());
}

/// Kind, mode, and contents or target. Of a hard link those of the file that it names, and how many names that has.
fn ours(file: &FileEntry, package: &Package) -> String {
    let links = |to: &FileEntry| {
        let names = |other: &&FileEntry| matches!(&other.kind, FileKind::Hardlink { to: it } if *it == to.path);
        1 + package.files.iter().filter(names).count()
    };
    let mode = file.mode;
    match &file.kind {
        FileKind::Directory => format!("directory {mode:o}"),
        FileKind::File { digest, .. } => format!("file {mode:o} {digest} {}", links(file)),
        FileKind::Symlink { target } => format!("link {}", String::from_utf8_lossy(target)),
        FileKind::Hardlink { to } => ours(package.files.iter().find(|other| other.path == *to).unwrap(), package),
        FileKind::Fifo => format!("fifo {mode:o}"),
        device => format!("{device:?}"),
    }
}

fn theirs(root: &Path, name: &str) -> String {
    let path = root.join(name.trim_start_matches('/'));
    let metadata = fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mode = metadata.mode() & 0o7777;
    if metadata.is_dir() {
        format!("directory {mode:o}")
    } else if metadata.is_symlink() {
        format!("link {}", fs::read_link(&path).unwrap().to_string_lossy())
    } else if metadata.file_type().is_fifo() {
        format!("fifo {mode:o}")
    } else {
        format!("file {mode:o} {} {}", Digest::of(fs::read(&path).unwrap()), metadata.nlink())
    }
}

/// The key of each CentOS, part of a name of its packages, what of its signatures is weak, and the refusal without it.
const CENTOS: [(&str, &str, &[Weakness], &str); 6] = [
    ("2", "as-2.1AS-", &[Weakness::Md5, Weakness::Sha1, Weakness::Dsa1024], "weak-hash"),
    ("3", "-3.1-", &[Weakness::Md5, Weakness::Sha1, Weakness::Dsa1024], "weak-hash"),
    ("4", "-4-0", &[Weakness::Md5, Weakness::Sha1, Weakness::Dsa1024], "weak-hash"),
    ("5", "-5-0", &[Weakness::Md5, Weakness::Sha1, Weakness::Dsa1024], "weak-hash"),
    ("6", "-6-0", &[], ""),
    ("7", "-7-2", &[], ""),
];

#[test]
fn packages_of_every_centos_are_signed_by_its_key() {
    let (Some(keys), Some(rpms)) = (samples("RPM-GPG-KEY-CentOS-*"), samples("centos-release-*.rpm")) else { return };
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    for (version, part, weak, refusal) in CENTOS {
        let key = keys.iter().find(|key| key.to_string_lossy().ends_with(&format!("-{version}"))).unwrap();
        let strict = Keyring::load(key).unwrap();
        let fingerprint = strict.fingerprints().concat();
        let mut count = 0;
        for rpm in &rpms {
            let error = unpack(rpm, Some(&strict), &store).err().unwrap_or_default();
            if !rpm.to_string_lossy().contains(part) {
                assert!(error.ends_with("[unknown-signer]"), "{} with the key of {version}: {error}", rpm.display());
                continue;
            }
            assert_eq!(error.is_empty(), weak.is_empty(), "{error}");
            assert!(error.contains(refusal) && (weak.is_empty() || error.contains(&fingerprint)), "{error}");
            let package = unpack(rpm, Some(&strict.clone().forgiving(weak)), &store).unwrap();
            assert_eq!(package.control[0], (rpm::SIGNER.to_owned(), fingerprint.clone()));
            // Each weakness has to be said, but MD5 only where files have nothing better.
            for needed in [Weakness::Sha1, Weakness::Dsa1024].iter().filter(|_| !weak.is_empty()) {
                let others: Vec<Weakness> = weak.iter().copied().filter(|it| it != needed).collect();
                unpack(rpm, Some(&strict.clone().forgiving(&others)), &store).unwrap_err();
            }
            count += 1;
        }
        assert!(count > 0, "no package of CentOS {version}");
    }
}
