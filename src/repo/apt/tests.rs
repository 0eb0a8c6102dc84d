use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use super::*;
use crate::package::Operator;
use crate::repo::fetch::Network;
use crate::repo::testserver::{Server, ok, status};
use crate::store::Store;
use crate::trust::testkey::TestKey;

const PACKAGES: &str = "\
Package: bash\nVersion: 5.2-1\nArchitecture: amd64\nEssential: yes\nPriority: required\nPre-Depends: libc6 (>= 2.36)\n\
Depends: base-files (>= 2), debianutils | other:any\nConflicts: bash-old (<< 4)\nBreaks: tool\n\
Filename: pool/main/b/bash_5.2-1_amd64.deb\nSize: 11\n\
SHA256: 0000000000000000000000000000000000000000000000000000000000000001\nDescription: shell\n of the shells\n\n\
Package: foreign\nVersion: 1\nArchitecture: armhf\n\n\
Package: mawk\nVersion: 1.3-1\nArchitecture: all\nProvides: awk, posix-awk (= 1)\nFilename: ./pool/mawk.deb\nSize: 22\n\
SHA256: 0000000000000000000000000000000000000000000000000000000000000002\n";

/// A repository that a test changes before it is signed.
struct TestRepository {
    release: Vec<(&'static str, String)>,
    files: BTreeMap<String, Vec<u8>>,
    key: TestKey,
    signed_at: i64,
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn seconds(text: &str) -> i64 {
    day(text).and_time(NaiveTime::MIN).and_utc().timestamp()
}

impl TestRepository {
    fn new(packages: &str) -> TestRepository {
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(packages.as_bytes()).unwrap();
        let files = BTreeMap::from([
            ("main/binary-amd64/Packages".to_owned(), packages.as_bytes().to_vec()),
            ("main/binary-amd64/Packages.xz".to_owned(), xz.finish().unwrap()),
        ]);
        let release = [
            ("Suite", "stable"),
            ("Codename", "trixie"),
            ("Date", "Sat, 15 Nov 2025 09:44:51 UTC"),
            ("Acquire-By-Hash", "yes"),
            ("Architectures", "all amd64 arm64"),
            ("Components", "main contrib"),
            ("No-Support-for-Architecture-all", "Packages"),
        ];
        let release = release.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        TestRepository { release, files, key: TestKey::new(1), signed_at: seconds("2025-11-15") }
    }

    fn set(mut self, name: &'static str, value: &str) -> TestRepository {
        self.release.retain(|(other, _)| *other != name);
        if !value.is_empty() {
            self.release.push((name, value.to_owned()));
        }
        self
    }

    /// What is served at which path, below `/debian/dists/trixie/`.
    fn sign(&self) -> BTreeMap<String, Vec<u8>> {
        let mut text = String::new();
        self.release.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\n")));
        text.push_str("SHA256:\n");
        let mut served = BTreeMap::new();
        for (path, bytes) in &self.files {
            let digest = Digest::of(bytes);
            text.push_str(&format!(" {digest} {:>8} {path}\n", bytes.len()));
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            served.insert(format!("{directory}/by-hash/SHA256/{digest}"), bytes.clone());
            served.insert(path.clone(), bytes.clone());
        }
        served.insert("InRelease".to_owned(), self.key.sign(&text, self.signed_at));
        served
    }

    fn read(&self) -> Result<Snapshot> {
        self.read_changed(|_| {})
    }

    fn read_changed(&self, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) -> Result<Snapshot> {
        let mut served = self.sign();
        change(&mut served);
        let main = ["main".to_owned()];
        serve(served, "/debian/dists/trixie/", |url, keyring, fetcher| {
            let archive = Archive {
                name: "debian",
                base_url: &format!("{url}/debian"),
                suite: "trixie",
                components: &main,
                arch: "amd64",
                keyring,
            };
            read(&archive, fetcher, day("2025-11-20"), &())
        })
    }
}

/// Serves files below a prefix, with a keyring of the test's key, to one reader.
fn serve<T>(
    files: BTreeMap<String, Vec<u8>>,
    prefix: &'static str,
    reader: impl FnOnce(&str, &Path, &Fetcher) -> T,
) -> T {
    let server = Server::start(move |request| {
        let file = request.path.strip_prefix(prefix).and_then(|path| files.get(path));
        file.map_or_else(|| status("404 Not Found", "", b""), |bytes| ok(bytes))
    });
    let dir = tempfile::tempdir().unwrap();
    let keyring = dir.path().join("test.gpg");
    std::fs::write(&keyring, TestKey::new(1).public()).unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let network = Network { tries: 1, pause: Duration::ZERO, ..Network::default() };
    reader(&server.url(""), &keyring, &Fetcher::new(&store, network))
}

fn refusal(result: Result<Snapshot>) -> String {
    let error = result.unwrap_err();
    let slug = error.downcast_ref::<Refusal>().map(Refusal::slug);
    let text = format!("{error:#}");
    assert!(slug.is_none_or(|slug| text.ends_with(&format!("[{slug}]"))), "{text}");
    slug.map_or(text, str::to_owned)
}

#[test]
fn offers_have_what_the_solver_needs() {
    let snapshot = TestRepository::new(PACKAGES).read().unwrap();
    assert_eq!((snapshot.date.as_str(), snapshot.signer), ("2025-11-15", TestKey::new(1).fingerprint()));
    let [bash, mawk] = &snapshot.offers[..] else { panic!("two packages are for amd64: {:?}", snapshot.offers) };
    assert_eq!(bash.id, PackageId { name: "bash".into(), version: "5.2-1".into(), arch: "amd64".into() });
    assert_eq!((bash.repository.as_str(), bash.size, bash.essential, bash.priority), ("debian", 11, true, 0));
    let depends: Vec<Vec<&str>> =
        bash.depends.iter().map(|clause| clause.0.iter().map(|one| one.name.as_str()).collect()).collect();
    assert_eq!(depends, [vec!["libc6"], vec!["base-files"], vec!["debianutils", "other"]]);
    assert_eq!(bash.conflicts[0].constraint, Some((Operator::Less, "4".to_owned())));
    assert_eq!(bash.conflicts[1].name, "tool");
    assert_eq!((mawk.path.as_str(), mawk.essential, mawk.priority), ("pool/mawk.deb", false, 3));
    assert_eq!(mawk.provides[1].version.as_deref(), Some("1"));
}

#[test]
fn packages_are_read_by_hash_or_by_name_in_any_form() {
    let repository = TestRepository::new(PACKAGES);
    let by_name_only = |files: &mut BTreeMap<String, Vec<u8>>| files.retain(|path, _| !path.contains("by-hash"));
    assert_eq!(repository.read_changed(by_name_only).unwrap().offers.len(), 2);
    let by_hash_only = |files: &mut BTreeMap<String, Vec<u8>>| files.retain(|path, _| !path.contains("/Packages"));
    assert_eq!(repository.read_changed(by_hash_only).unwrap().offers.len(), 2);
    let mut plain = TestRepository::new(PACKAGES).set("Acquire-By-Hash", "");
    plain.files.remove("main/binary-amd64/Packages.xz");
    assert_eq!(plain.read().unwrap().offers.len(), 2);
}

#[test]
fn packages_for_all_architectures_may_stand_apart() {
    let (amd64, all) = PACKAGES.split_at(PACKAGES.find("Package: mawk").unwrap());
    let mut repository = TestRepository::new(amd64).set("No-Support-for-Architecture-all", "");
    repository.files.insert("main/binary-all/Packages".to_owned(), all.as_bytes().to_vec());
    assert_eq!(repository.read().unwrap().offers.len(), 2);
    assert_eq!(repository.set("No-Support-for-Architecture-all", "Packages").read().unwrap().offers.len(), 1);
}

#[test]
fn a_flat_repository_lies_beside_its_packages() {
    let mut repository = TestRepository::new(PACKAGES).set("Suite", "").set("Codename", "");
    repository.files = BTreeMap::from([("Packages".to_owned(), PACKAGES.as_bytes().to_vec())]);
    for (suite, prefix) in [("/", "/flat/"), ("stable/x/", "/flat/stable/x/")] {
        let snapshot = serve(repository.sign(), prefix, |url, keyring, fetcher| {
            let base_url = &format!("{url}/flat/");
            let archive = Archive { name: "flat", base_url, suite, components: &[], arch: "amd64", keyring };
            read(&archive, fetcher, day("2025-11-20"), &())
        });
        assert_eq!(snapshot.unwrap().offers.len(), 2);
    }
}

#[test]
fn what_is_not_signed_by_the_keyring_is_refused() {
    let repository = TestRepository::new(PACKAGES);
    let changed = |from: &'static str, to: &'static str| {
        move |files: &mut BTreeMap<String, Vec<u8>>| {
            let text = String::from_utf8(files["InRelease"].clone()).unwrap().replace(from, to);
            files.insert("InRelease".to_owned(), text.into_bytes());
        }
    };
    assert_eq!(refusal(repository.read_changed(changed("Suite: stable", "Suite: unstable"))), "bad-signature");
    assert_eq!(refusal(repository.read_changed(changed("-----BEGIN PGP SIGNED MESSAGE-----\n", ""))), "no-signature");
    let stranger = TestRepository { key: TestKey::new(2), ..TestRepository::new(PACKAGES) };
    assert_eq!(refusal(stranger.read()), "unknown-signer");
    let early = TestRepository { signed_at: seconds("2019-01-01"), ..TestRepository::new(PACKAGES) };
    assert_eq!(refusal(early.read()), "key-from-future");
}

#[test]
fn releases_are_judged_by_the_day_asked_for() {
    let repository = || TestRepository::new(PACKAGES);
    assert!(repository().set("Valid-Until", "Thu, 20 Nov 2025 00:00:00 UTC").read().is_ok());
    assert_eq!(refusal(repository().set("Valid-Until", "Wed, 19 Nov 2025 23:59:59 UTC").read()), "release-expired");
    assert_eq!(refusal(repository().set("Date", "Tue, 25 Nov 2025 00:00:00 UTC").read()), "release-from-future");
    assert_eq!(
        refusal(repository().set("Date", "yesterday").read()),
        "reading InRelease: the stanza at line 1: `Date: yesterday` is no date in UTC"
    );
    assert_eq!(refusal(repository().set("Codename", "forky").read()), "wrong-suite");
    assert!(repository().set("Codename", "forky").set("Suite", "trixie").read().is_ok());
}

#[test]
fn what_a_repository_lacks_or_gets_wrong_is_named() {
    let mut other = TestRepository::new(PACKAGES);
    other.files = BTreeMap::from([("contrib/binary-arm64/Packages".to_owned(), Vec::new())]);
    let known = "it has no `main/binary-amd64/Packages`, only components main contrib for all amd64 arm64";
    assert_eq!(refusal(other.read()), known);
    let wrong = TestRepository::new(PACKAGES).read_changed(|files| {
        files.values_mut().filter(|bytes| bytes.starts_with(b"\xfd7zXZ")).for_each(|bytes| bytes.reverse());
    });
    let text = refusal(wrong);
    assert!(text.starts_with("fetching main/binary-amd64/Packages.xz of repository debian: http://"), "{text}");
    assert!(text.contains("the file has sha256 "), "{text}");
    let text = |from: &str, to: &str| refusal(TestRepository::new(&PACKAGES.replace(from, to)).read());
    let reading = "reading main/binary-amd64/Packages.xz: the stanza at line 1: package `bash`: ";
    assert_eq!(
        text("5.2-1\n", "5_2\n"),
        format!("{reading}version `5_2`: the version may only have letters, digits and `.+-~:`")
    );
    assert_eq!(text("Size: 11", "Size: x"), format!("{reading}field `Size`: invalid digit found in string"));
    assert_eq!(
        text("(>= 2)", "(2)"),
        format!("{reading}field `Depends`: `base-files (2)` is no `name`, `name:arch` or `name (>= version)`")
    );
    assert_eq!(text("Filename: pool", "File: pool"), format!("{reading}the field `Filename` is missing"));
}
