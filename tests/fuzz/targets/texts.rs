//! What people and repositories write.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use nodesmith::agent::cluster::configuration::join_configuration::join_configuration;
use nodesmith::agent::cluster::request::Request;
use nodesmith::agent::first_boot::documents;
use nodesmith::agent::first_boot::facts::{Facts, Interface, TimeDaemon};
use nodesmith::agent::first_boot::metadata::{META_DATA, Metadata, NETWORK_CONFIG, Origin, USER_DATA};
use nodesmith::agent::first_boot::paths::ZONEINFO;
use nodesmith::agent::first_boot::plan::{self, networkd};
use nodesmith::agent::first_boot::step::Step;
use nodesmith::agent::initrd::cmdline as kernel;
use nodesmith::assemble::selinux::file_contexts::{FileContexts, Whose};
use nodesmith::contract::JOIN_REQUEST;
use nodesmith::diag::{Diagnostics, Source};
use nodesmith::image_info::{ImageKubernetes, KubeadmApi};
use nodesmith::lock as locks;
use nodesmith::package::evr::compare_evr;
use nodesmith::package::version::compare_versions;
use nodesmith::recipe::{check, load, print};
use nodesmith::repo::Offer;
use nodesmith::repo::apt::{self, Archive};
use nodesmith::repo::rpmmd::mirrors::{self, Mirrors};
use nodesmith::repo::rpmmd::{self, Repository};
use nodesmith::report::{Color, render};
use nodesmith::runtime::CONTAINERD;
use nodesmith::trust::{Keyring, Signed};
use nodesmith::yaml;

/// Mistakes are shown, so showing them is part of what must not fail.
fn show(mistakes: &Diagnostics) {
    assert!(!mistakes.is_empty(), "an error without a mistake");
    let _ = (mistakes.to_string(), render(mistakes, Color::Never));
}

pub(crate) fn recipe(data: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recipe.yaml");
    std::fs::write(&path, data).unwrap();
    let value = match load::load(&path) {
        Ok(value) => value,
        Err(error) => return error.downcast_ref().into_iter().for_each(show),
    };
    match check::check(&value, NaiveDate::from_ymd_opt(2026, 11, 1).unwrap()) {
        Ok(recipe) => drop((print::print(&recipe).to_string(), print::package_inputs(&recipe))),
        Err(mistakes) => show(&mistakes),
    }
}

/// A policy's file contexts; behind a line of `%%`, substitutions.
pub(crate) fn file_contexts(data: &[u8]) {
    let end = data.windows(4).position(|part| part == b"\n%%\n");
    let (rules, substitutions) = end.map_or((data, [].as_slice()), |end| (&data[..end], &data[end..]));
    let mut contexts = FileContexts::default();
    if let Err(mistakes) = contexts.add("file_contexts", rules) {
        show(&mistakes);
    }
    contexts.add_substitutions(Whose::Local, substitutions);
    for (path, kind) in [("/", 'd'), ("/usr/lib/x.so.1", '-'), ("/dev/null", 'c'), ("/jail/etc/\u{e9}\n", 'l')] {
        let context = contexts.lookup(path.as_bytes(), kind);
        assert!(
            context.is_none_or(|it| it.is_ascii() && it.split(':').count() >= 3 && !it.contains(char::is_whitespace))
        );
    }
}

/// The three files of a seed, with lines of `%%` between them.
pub(crate) fn nocloud(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let names = [META_DATA, USER_DATA, NETWORK_CONFIG];
    let texts = names.into_iter().zip(text.split("\n%%\n")).map(|(name, text)| (name, Source::new(name, text)));
    let metadata = Metadata { origin: Origin::named("/dev/vdb (vfat)"), texts: texts.collect() };
    let config = match documents::parse(&metadata) {
        Ok(config) => config,
        Err(mistakes) => return show(&mistakes),
    };
    assert_eq!(config.instance_id, documents::instance_id(&metadata));
    for unit in config.network.iter().flat_map(networkd::units) {
        assert!(!unit.name.contains('/'), "{}", unit.name);
        unit.text.lines().for_each(|line| assert!(is_unit_line(line), "{line:?} in {}", unit.text));
    }
    match plan::plan(&config, &facts()) {
        Ok(plan) => {
            assert!(matches!(plan.steps.last(), Some(Step::MarkApplied(_))));
            plan.steps.iter().for_each(written_for_the_cluster);
        }
        Err(mistakes) => show(&mistakes),
    }
}

/// What kubeadm, systemd and containerd read has the form that they read, whatever the words in it are.
fn written_for_the_cluster(step: &Step) {
    match step {
        Step::WriteSecret { path, content } if path == JOIN_REQUEST => {
            let request = Request::read(content.expose().as_bytes()).unwrap();
            assert_eq!(request.text().expose(), content.expose());
            for kubeadm_api in [KubeadmApi::V1Beta2, KubeadmApi::V1Beta4] {
                let document = join_configuration(&request, &ImageKubernetes { kubeadm_api, ..kubernetes() });
                yaml::parse(&Source::new("kubeadm.yaml", document.expose())).unwrap();
            }
        }
        Step::WriteSecret { content, .. } => {
            content.expose().lines().for_each(|line| assert!(is_unit_line(line), "{line:?}"));
        }
        Step::WriteFile { path, content, .. } if path.starts_with(CONTAINERD.registries) => {
            let name = path.strip_prefix(CONTAINERD.registries).unwrap().strip_suffix("/hosts.toml").unwrap();
            assert!(!name[1..].contains('/'), "{path}");
            let text = std::str::from_utf8(content).unwrap();
            let whole = |line: &str| !line.contains(char::is_control) && matches!(line.matches('"').count(), 0 | 2 | 4);
            text.lines().for_each(|line| assert!(whole(line), "{line:?}"));
        }
        _ => {}
    }
}

/// Whatever the metadata says, networkd gets sections and settings.
fn is_unit_line(line: &str) -> bool {
    let setting = line.split_once('=').is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let section = line.starts_with('[') && line.ends_with(']');
    !line.contains(char::is_control) && (line.is_empty() || line.starts_with('#') || section || setting)
}

fn facts() -> Facts {
    Facts {
        machine_id: "0123456789abcdef0123456789abcdef".to_owned(),
        hostname: "localhost".to_owned(),
        interfaces: vec![Interface { name: "ens3".to_owned(), mac: "52:54:00:12:34:56".to_owned() }],
        passwd: "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n".to_owned(),
        group: "root:x:0:\nadm:x:4:\n".to_owned(),
        writable: vec!["/home".to_owned(), "/root".to_owned()],
        network_files: vec!["90-nodeinit-default.network".to_owned()],
        present: ["/bin/bash".to_owned(), format!("{ZONEINFO}/Europe/Berlin")].into(),
        time_daemon: Some(TimeDaemon::Timesyncd),
        has_sshd: true,
        kubernetes: Some(kubernetes()),
        certificates: "/etc/ssl/certs/ca-certificates.crt".to_owned(),
        ..Facts::default()
    }
}

fn kubernetes() -> ImageKubernetes {
    ImageKubernetes {
        version: "1.20.2".to_owned(),
        kubeadm_api: KubeadmApi::V1Beta2,
        cri_socket: CONTAINERD.socket.to_owned(),
        cgroup_driver: "systemd".to_owned(),
        sandbox_image: "registry.example/pause:3.2".to_owned(),
    }
}

pub(crate) fn cmdline(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let words = kernel::words(&text);
    // With a value it ends nothing, as in the kernel.
    assert!(words.iter().all(|(word, value)| word != "--" || value.is_some()));
    let _ = kernel::on_failure(&text);
    if let Ok(options) = kernel::parse(&text) {
        let again = kernel::parse(&format!("roothash={}", options.root_hash)).unwrap();
        assert_eq!(again.root_hash, options.root_hash);
    }
}

pub(crate) fn lock(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match locks::parse("image.lock", text) {
        Err(mistakes) => show(&mistakes),
        Ok(lock) => {
            let printed = lock.print().unwrap();
            let again = locks::parse("image.lock", &printed).unwrap();
            assert_eq!(again, lock);
            assert_eq!(again.print().unwrap(), printed);
            assert!(lock.packages.iter().all(|package| package.digest().is_ok()));
        }
    }
}

pub(crate) fn packages(data: &[u8]) {
    let archive = Archive {
        name: "debian",
        base_url: "http://mirror.example.org/debian",
        suite: "trixie",
        components: &[],
        arch: "amd64",
        keyring: Path::new("debian.gpg"),
    };
    let mut offers = Vec::new();
    let _ = apt::read_packages(data, &archive, &mut offers);
    in_order(&offers, compare_versions);
}

pub(crate) fn repomd(data: &[u8]) {
    let _ = rpmmd::repomd::parse(data);
}

pub(crate) fn metalink(data: &[u8]) {
    let _ = rpmmd::metalink::parse(data);
}

pub(crate) fn mirrorlist(data: &[u8]) {
    let _ = mirrors::parse_list(data, "x86_64");
}

pub(crate) fn modules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = rpmmd::modules::parse("appstream", text);
}

pub(crate) fn primary(data: &[u8]) {
    let mirrors = Mirrors::of("http://mirror.example.org/");
    let repository = Repository { name: "fedora", mirrors: &mirrors, arch: "x86_64", metadata_key: None };
    let Ok(offers) = rpmmd::primary::parse(data, &repository) else { return };
    assert!(offers.iter().all(|offer| matches!(offer.id.arch.as_str(), "x86_64" | "noarch")));
    in_order(&offers, compare_evr);
}

/// The order of versions is one: nothing is both before and after something else.
fn in_order(offers: &[Offer], compare: fn(&str, &str) -> Ordering) {
    let versions: BTreeMap<&str, ()> = offers.iter().map(|offer| (offer.id.version.as_str(), ())).collect();
    let versions: Vec<&str> = versions.into_keys().take(8).collect();
    for a in &versions {
        for b in &versions {
            let order = compare(a, b);
            assert_eq!(order, compare(b, a).reverse(), "{a} {b}");
            for c in versions.iter().filter(|c| compare(b, c) == order) {
                assert_eq!(compare(a, c), order, "{a} {b} {c}");
            }
        }
    }
}

pub(crate) fn release(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = apt::parse_release(&Signed { text: text.to_owned(), signer: String::new(), at: 0 });
}

/// A key made for this, the only text that it ever signed (on the second day of 2020), and that signature.
const KEY: &[u8] = include_bytes!("../corpus/keyring/ed25519");
const SIGNED: &[u8] = include_bytes!("../corpus/inrelease/signed");
const TEXT: &str = "Suite: test\nDate: Thu, 02 Jan 2020 00:00:00 UTC\nSHA256:\n";

pub(crate) fn inrelease(data: &[u8]) {
    let keyring = Keyring::parse("test.gpg", KEY).unwrap();
    if let Ok(signed) = keyring.verify_cleartext(data, None) {
        assert_eq!(signed.text, TEXT, "a forgery");
        assert_eq!(signed.signer, keyring.fingerprints()[0]);
        let _ = apt::parse_release(&signed);
    }
}

/// As `repomd.xml.asc` is.
pub(crate) fn signature(data: &[u8]) {
    let keyring = Keyring::parse("test.gpg", KEY).unwrap();
    match keyring.verify_detached(TEXT.as_bytes(), &[data]) {
        Ok((signer, _)) => assert_eq!(signer, keyring.fingerprints()[0]),
        Err(refusal) => drop(refusal.to_string()),
    }
    let other = keyring.verify_detached(b"another text", &[data]);
    assert!(other.is_err(), "a forgery");
}

pub(crate) fn keyring(data: &[u8]) {
    let Ok(keyring) = Keyring::parse("test.gpg", data) else { return };
    for fingerprint in keyring.fingerprints() {
        let only = keyring.clone().only(&[&fingerprint]).unwrap().fingerprints();
        assert!(only.iter().all(|found| *found == fingerprint));
    }
    let signer = &Keyring::parse("test.gpg", KEY).unwrap().fingerprints()[0];
    if let Ok(signed) = keyring.verify_cleartext(SIGNED, None) {
        assert_eq!((signed.text.as_str(), &signed.signer), (TEXT, signer));
    }
}
