//! RPMs as other people make and read them: packages by rpmbuild, signed by rpmsign, a repository by createrepo_c, and
//! `rpm --root DIR -i` as the judge of what unpacking has to give.
//!
//! Everything is made in the test's own directory, keys included. Installing below another root needs root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use chrono::NaiveDate;
use nodesmith::package::{FileEntry, FileKind, Package};
use nodesmith::recipe::{Recipe, check, load};
use nodesmith::store::Store;
use nodesmith::supply::{self, Access};
use nodesmith::tree::Digest;
use rustix::fs::lgetxattr;

use crate::support::{oracle, run, skip};

/// Name, payload macro, what else the header says, what `%install` does, and `%files`.
const PACKAGES: [(&str, &str, &str, &str, &str); 7] = [
    (
        "kubelet",
        "w3.zstdio",
        "Requires: iptables >= 1.4\nRequires: /usr/bin/tool\nRequires: kubernetes-cni >= 1.2.0\n",
        "mkdir -p usr/bin etc/kubernetes/manifests usr/lib/systemd/system\n\
         head -c 300000 /dev/zero >usr/bin/kubelet\necho unit >usr/lib/systemd/system/kubelet.service\n\
         echo x >etc/kubernetes/config",
        "%attr(0755,root,root) /usr/bin/kubelet\n/usr/lib/systemd/system/kubelet.service\n\
         %dir %attr(0700,root,root) /etc/kubernetes\n%dir /etc/kubernetes/manifests\n\
         %config(noreplace) /etc/kubernetes/config\n%ghost /etc/kubernetes/ghost",
    ),
    ("kubernetes-cni", "w9.gzdio", "", "mkdir -p opt/cni/bin\necho bridge >opt/cni/bin/bridge", "/opt/cni/bin"),
    (
        "iptables",
        "w2.xzdio",
        "Epoch: 1\n",
        "mkdir -p usr/bin\necho a >usr/bin/a\nln usr/bin/a usr/bin/b\nln usr/bin/a usr/bin/c\nln -s ../bin/a usr/bin/d\n\
         : >usr/bin/empty\n: >usr/bin/empty2\nln -f usr/bin/empty usr/bin/empty3",
        "%attr(0755,root,root) /usr/bin/a\n%attr(0755,root,root) /usr/bin/b\n%attr(0711,root,daemon) /usr/bin/c\n\
         /usr/bin/d\n/usr/bin/empty*",
    ),
    (
        "tool",
        "w9.bzdio",
        "",
        "mkdir -p usr/bin var/spool/tool\necho tool >usr/bin/tool\necho raw >usr/bin/raw\necho su >usr/bin/su",
        "%attr(0755,root,root) /usr/bin/tool\n%caps(cap_net_admin,cap_net_raw=ep) %attr(0755,root,root) /usr/bin/raw\n\
         %attr(4711,root,daemon) /usr/bin/su\n%dir %attr(2775,daemon,daemon) /var/spool/tool",
    ),
    // What every recipe and every build want.
    ("linux", "w0.gzdio", "", "mkdir -p boot\necho kernel >boot/vmlinuz-6.12", "/boot/vmlinuz-6.12"),
    (
        "e2fsprogs",
        "w6.lzdio",
        "Provides: /bin/sh\n",
        "mkdir -p usr/sbin\necho mkfs >usr/sbin/mkfs.ext4",
        "/usr/sbin/mkfs.ext4",
    ),
    ("systemd-boot-efi", "w1.gzdio", "", "mkdir -p usr/lib\necho stub >usr/lib/stub", "/usr/lib/stub"),
];

struct Fixture {
    place: PathBuf,
    fingerprint: String,
}

/// The packages, unsigned in `plain`, signed in `repo` with metadata, or why they cannot be made here.
static FIXTURE: LazyLock<Option<Fixture>> = LazyLock::new(|| {
    for tool in ["rpmbuild", "rpmsign", "createrepo_c", "gpg", "rpm"] {
        oracle(tool)?;
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpm");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(home(&place)).unwrap();
    fs::set_permissions(home(&place), fs::Permissions::from_mode(0o700)).unwrap();
    // Signed before the day on which it is locked, whatever the clock says.
    fs::write(home(&place).join("gpg.conf"), "faked-system-time 20261001T000000!\n").unwrap();
    for name in ["ours", "theirs"] {
        let user = format!("{name} <{name}@example.org>");
        run(gpg(&place).args(["--passphrase", "", "--quick-generate-key", &user, "rsa2048", "sign", "never"]));
        let key = gpg(&place).args(["--armor", "--export", name]).output().unwrap().stdout;
        fs::write(place.join(format!("{name}.asc")), key).unwrap();
    }
    let listed = run(gpg(&place).args(["--with-colons", "--fingerprint", "ours"]));
    let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
    let fingerprint = line.split(':').nth(9).unwrap().to_owned();

    fs::create_dir_all(place.join("plain")).unwrap();
    for (name, payload, head, install, files) in PACKAGES {
        let spec = place.join(format!("{name}.spec"));
        let text = format!(
            "Name: {name}\nVersion: 1.20.2\nRelease: 150500.1.1\nSummary: test\nLicense: MIT\nAutoReqProv: no\n{head}\
             %description\nTest.\n%install\nmkdir -p %{{buildroot}}\ncd %{{buildroot}}\n{install}\n\
             %post\nif [ $1 -eq 1 ] ; then\n  systemctl --no-reload preset {name}.service || :\nfi\n\
             %files\n%defattr(-,root,root)\n{files}\n"
        );
        fs::write(&spec, text).unwrap();
        run(Command::new("rpmbuild")
            .args(["-bb", "--target", "x86_64"])
            .args(["--define", &format!("_topdir {}", place.join("build").display())])
            .args(["--define", &format!("_rpmdir {}", place.join("plain").display())])
            .args(["--define", &format!("_binary_payload {payload}")])
            .args(["--define", "__os_install_post %{nil}", "--define", "_build_id_links none"])
            .arg(&spec));
    }
    let repo = place.join("repo");
    copy(&place.join("plain"), &repo);
    sign(&place, "ours", &rpms(&repo));
    run(Command::new("createrepo_c").arg(&repo));
    let repomd = repo.join("repodata/repomd.xml");
    run(gpg(&place).args(["--armor", "--detach-sign", "--local-user", "ours"]).arg(&repomd));
    Some(Fixture { place, fingerprint })
});

/// One for each run: the agent of the run before may still live, and would be asked.
pub(crate) fn home(place: &Path) -> PathBuf {
    place.join(format!("gpg-{}", std::process::id()))
}

pub(crate) fn gpg(place: &Path) -> Command {
    let mut gpg = Command::new("gpg");
    gpg.arg("--batch").arg("--homedir").arg(home(place));
    gpg
}

pub(crate) fn sign(place: &Path, key: &str, rpms: &[PathBuf]) {
    let home = home(place);
    let mut rpmsign = Command::new("rpmsign");
    // Debian's rpm looks for a program that only Red Hat has.
    let gpg = oracle("gpg").unwrap();
    for (name, value) in [("_gpg_name", Path::new(key)), ("_gpg_path", &home), ("__gpg", &gpg)] {
        rpmsign.args(["--define", &format!("{name} {}", value.display())]);
    }
    run(rpmsign.arg("--addsign").args(rpms));
}

fn rpms(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("x86_64")).unwrap().map(|entry| entry.unwrap().path());
    let mut rpms: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == "rpm")).collect();
    rpms.sort();
    rpms
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("x86_64")).unwrap();
    for rpm in rpms(from) {
        fs::copy(&rpm, to.join("x86_64").join(rpm.file_name().unwrap())).unwrap();
    }
}

/// A recipe beside the fixture with this repository and these packages.
fn recipe(fixture: &Fixture, name: &str, repository: &str, packages: &str) -> Recipe {
    let path = fixture.place.join(format!("{name}.yaml"));
    let text = format!(
        "nodesmith: 1\nname: {name}\nrepositories:\n  k8s: {{rpm: {{{repository}, fingerprint: {}}}}}\n\
         packages: [e2fsprogs, {packages}]\nkernel: {{package: linux=1.20.2, line: \"6.12\"}}\n",
        fixture.fingerprint
    );
    fs::write(&path, text).unwrap();
    check::check(&load::load(&path).unwrap(), today()).unwrap()
}

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 1).unwrap()
}

/// Locks and fetches with an empty store; both, or the one error.
fn supplied(recipe: &Recipe) -> Result<(String, Vec<Package>), String> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let access = Access { store: &store, offline: true, as_of: today(), progress: &() };
    let supplied = supply::lock(recipe, &access).and_then(|lock| {
        let packages = supply::fetch(recipe, &lock, &access)?;
        Ok((lock.print()?, packages.root))
    });
    supplied.map_err(|error| format!("{error:#}"))
}

#[test]
fn a_repository_of_createrepo_is_locked_exactly_and_unpacks_as_rpm_installs_it() {
    let Some(fixture) = &*FIXTURE else { return };
    let by_url = recipe(fixture, "url", "url: \"file://repo\", key: ours.asc, signed-metadata: true", "kubelet=1.20.2");
    let (lock, packages) = supplied(&by_url).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let locked: Vec<&str> =
        lock["packages"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(locked, ["e2fsprogs", "iptables", "kubelet", "kubernetes-cni", "linux", "tool"]);
    for package in lock["packages"].as_array().unwrap() {
        let epoch = if package["name"] == "iptables" { "1:" } else { "" };
        assert_eq!(package["version"], format!("{epoch}1.20.2-150500.1.1"));
        let path = package["path"].as_str().unwrap();
        let file = fs::read(fixture.place.join("repo").join(path)).unwrap();
        assert_eq!(package["sha256"], Digest::of(&file).to_string());
        assert_eq!(package["size"], file.len());
        assert_eq!((&package["signer"], &package["family"]), (&fixture.fingerprint.as_str().into(), &"rpm".into()));
        assert_eq!(package["arch"], "x86_64");
    }
    assert_eq!(lock["repositories"][0]["signer"], fixture.fingerprint);

    // The same packages from the bare directory.
    let by_directory = recipe(fixture, "directory", "directory: repo, key: ours.asc", "kubelet=1.20.2-150500.1.1");
    assert_eq!(supplied(&by_directory).unwrap().1, packages);

    // A key that is fetched, where its fingerprint says whether it is the right one.
    let key = |name: &str| {
        let key = format!("directory: repo, key: \"file://{}\"", fixture.place.join(name).display());
        supplied(&recipe(fixture, "key-url", &key, "kubelet"))
    };
    assert_eq!(key("ours.asc").unwrap().1, packages);
    assert!(key("theirs.asc").unwrap_err().contains(&fixture.fingerprint));

    installs_the_same(fixture, &packages);
}

fn installs_the_same(fixture: &Fixture, packages: &[Package]) {
    let root = fixture.place.join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\ndaemon:x:1:\n").unwrap();
    if !rustix::process::geteuid().is_root() {
        return skip("installing below another root needs root");
    }
    run(Command::new("rpm")
        .args(["--install", "--noscripts", "--nodeps", "--nosignature", "--root"])
        .arg(&root)
        .args(rpms(&fixture.place.join("repo")).iter().filter(|rpm| !rpm.to_string_lossy().contains("systemd-boot"))));
    let mut count = 0;
    for package in packages {
        let mut inodes: BTreeMap<String, u64> = BTreeMap::new();
        for file in &package.files {
            let (ours, theirs) = (ours(file, package), theirs(&root, file, &mut inodes));
            assert_eq!(ours, theirs, "{} of {}", file.path, package.id);
            count += 1;
        }
    }
    // And nothing that we leave out.
    let brought =
        |path: &str| packages.iter().any(|package| package.files.iter().any(|file| file.path.to_string() == path));
    let listed = run(Command::new("rpm").args(["-qal", "--noghost", "--root"]).arg(&root));
    assert!(listed.lines().all(brought), "{listed}");
    assert_eq!(listed.lines().count(), count);
    assert!(!root.join("etc/kubernetes/ghost").exists());
}

/// Everything that counts about a file, as a line: kind, mode, owners, contents or target, capabilities.
fn ours(file: &FileEntry, package: &Package) -> String {
    let mut mode = file.mode;
    let (kind, what) = match &file.kind {
        FileKind::Directory => ("d", String::new()),
        FileKind::File { digest, .. } => ("f", digest.to_string()),
        FileKind::Symlink { target } => {
            mode = 0o777;
            ("l", String::from_utf8_lossy(target).into_owned())
        }
        FileKind::Hardlink { to } => {
            // Its own mode and owner do not count: those of the file do, and they are compared there.
            let first = package.files.iter().find(|other| other.path == *to).unwrap();
            return ours(first, package);
        }
        other => panic!("{other:?}"),
    };
    let capability: String = file.xattrs.values().flatten().map(|byte| format!("{byte:02x}")).collect();
    // rpm puts files into directories after it has set their time.
    let time = if kind == "d" { 0 } else { file.mtime };
    format!("{kind} {mode:o} {}:{} {time} {what} {capability}", file.user.name, file.group.name)
}

fn theirs(root: &Path, file: &FileEntry, inodes: &mut BTreeMap<String, u64>) -> String {
    let path = root.join(file.path.to_string().trim_start_matches('/'));
    let metadata = fs::symlink_metadata(&path).unwrap();
    inodes.insert(file.path.to_string(), metadata.ino());
    if let FileKind::Hardlink { to } = &file.kind {
        assert_eq!(metadata.ino(), inodes[&to.to_string()], "{} is no link to {to}", file.path);
    } else if matches!(file.kind, FileKind::File { .. }) {
        let same = inodes.values().filter(|inode| **inode == metadata.ino()).count();
        assert_eq!(same, 1, "{} is a link to something", file.path);
    }
    let (kind, what) = if metadata.is_dir() {
        ("d", String::new())
    } else if metadata.is_symlink() {
        ("l", fs::read_link(&path).unwrap().to_string_lossy().into_owned())
    } else {
        ("f", Digest::of(fs::read(&path).unwrap()).to_string())
    };
    let mut value = [0_u8; 64];
    let length = lgetxattr(&path, "security.capability", &mut value).unwrap_or(0);
    let capability: String = value[..length].iter().map(|byte| format!("{byte:02x}")).collect();
    let name = |id: u32| if id == 0 { "root" } else { "daemon" };
    let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
    let time = if kind == "d" { 0 } else { metadata.mtime() };
    format!("{kind} {mode:o} {}:{} {time} {what} {capability}", name(uid), name(gid))
}

#[test]
fn spoiled_packages_and_foreign_keys_and_wrong_pins_are_one_clear_error_each() {
    let Some(fixture) = &*FIXTURE else { return };
    let directory = fixture.place.join("spoiled");
    let victim = "kubelet-1.20.2-150500.1.1.x86_64.rpm";
    let after = |from: &str, change: &dyn Fn(&Path)| {
        let _ = fs::remove_dir_all(&directory);
        copy(&fixture.place.join(from), &directory);
        change(&directory.join("x86_64").join(victim));
        supplied(&recipe(fixture, "spoiled", "directory: spoiled, key: ours.asc", "kubelet")).unwrap_err()
    };
    let edit = |path: &Path, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    };
    let has = |error: &str, words: &[&str]| {
        for word in words.iter().chain(&["kubelet"]) {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
        assert!(!error.contains('\n'), "{error}");
    };

    has(
        &after("plain", &|rpm| {
            sign(&fixture.place, "ours", &rpms(&directory).into_iter().filter(|it| it != rpm).collect::<Vec<_>>())
        }),
        &["no-signature", "repository k8s"],
    );
    let foreign = after("repo", &|rpm| sign(&fixture.place, "theirs", &[rpm.to_owned()]));
    has(&foreign, &["unknown-signer", "ours.asc", "repository k8s"]);
    has(
        &after("repo", &|rpm| edit(rpm, &|bytes| bytes.truncate(bytes.len() - 10))),
        &["the file ends at byte", "10 bytes before"],
    );
    has(&after("repo", &|rpm| edit(rpm, &|bytes| bytes.truncate(700))), &["the file ends at byte 700", victim]);
    let last = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    has(&after("repo", &|rpm| edit(rpm, &last)), &["the payload's digest is", "at byte"]);

    let pinned = |pin: &str| supplied(&recipe(fixture, "pin", "directory: repo, key: ours.asc", pin)).unwrap_err();
    has(&pinned("kubelet=1.20.3"), &["[unknown-version]", "offered: 1.20.2-150500.1.1"]);
    has(&pinned("kubelett"), &["[unknown-package]", "nearest names: kubelet"]);

    // A mirror whose index is of other packages than its files.
    let mirror = fixture.place.join("mirror");
    let _ = fs::remove_dir_all(&mirror);
    copy(&fixture.place.join("repo"), &mirror);
    run(Command::new("createrepo_c").arg(&mirror));
    edit(&mirror.join("x86_64").join(victim), &last);
    let error = supplied(&recipe(fixture, "mirror", "url: \"file://mirror\", key: ours.asc", "kubelet")).unwrap_err();
    has(&error, &["repository k8s", victim]);
}

#[test]
fn metadata_that_is_to_be_signed_and_is_not_is_refused() {
    let Some(fixture) = &*FIXTURE else { return };
    let unsigned = fixture.place.join("unsigned");
    let _ = fs::remove_dir_all(&unsigned);
    copy(&fixture.place.join("repo"), &unsigned);
    run(Command::new("createrepo_c").arg(&unsigned));
    let recipe =
        recipe(fixture, "unsigned", "url: \"file://unsigned\", key: ours.asc, signed-metadata: true", "kubelet");
    assert!(supplied(&recipe).unwrap_err().contains("repomd.xml.asc of repository k8s"));
    run(gpg(&fixture.place)
        .args(["--armor", "--detach-sign", "--local-user", "theirs"])
        .arg(unsigned.join("repodata/repomd.xml")));
    assert!(supplied(&recipe).unwrap_err().contains("[unknown-signer]"));
}
