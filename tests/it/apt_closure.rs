//! The resolver against apt: the same roots must give the same packages in the same versions.
//!
//! apt gets directories of its own below the target directory, an empty status and the suites that the shipped recipes
//! name, on the mirror that this machine is configured with; it is asked with `apt-get -s install`, Recommends off, the
//! essential packages named as well. Our side reads the same mirror. Names that no suite has must be found missing by
//! both, and of a package that several suites have, both take the newest version.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nodesmith::diag::{Location, Source};
use nodesmith::recipe::PackageRequest;
use nodesmith::repo::{Index, apt};
use nodesmith::resolve::resolve;
use nodesmith::store::Store;

use crate::mirror::suites;
use crate::support::{oracle, skip};

const ARCH: &str = "amd64";

/// Quickstart, and the sets that people put on nodes.
const SETS: [&str; 12] = [
    "systemd systemd-sysv udev kmod dbus libpam-systemd containerd runc iproute2 iptables nftables conntrack socat \
     ethtool mount util-linux ca-certificates bash linux-image-cloud-amd64 systemd-resolved systemd-timesyncd login \
     passwd procps e2fsprogs",
    "openssh-server",
    "podman",
    "keepalived haproxy",
    "nfs-common",
    "cloud-init",
    "cri-o",
    "docker.io",
    "kubernetes-client",
    "chrony ipvsadm ipset",
    "network-manager",
    // Alternatives and stand-ins: mail servers, init systems, awk, editors, desktops' dbus.
    "mailutils logrotate cron initscripts polkitd gnupg python3 vim-nox build-essential openjdk-21-jre-headless",
];

/// What one side makes of a set: packages with versions, or the names it does not know.
#[derive(Debug, PartialEq, Eq)]
enum Closure {
    Packages(BTreeMap<String, String>),
    Unknown(BTreeSet<String>),
}

#[test]
fn the_resolver_chooses_what_apt_chooses() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apt-closure");
    let (apt, index) = match prepare(&dir) {
        Ok(prepared) => prepared,
        Err(why) => return skip(&why.to_string()),
    };
    let essential: BTreeSet<&str> =
        index.offers.iter().filter(|offer| offer.essential).map(|offer| offer.id.name.as_str()).collect();
    let mut table = String::new();
    let mut same = true;
    for set in SETS {
        let names: Vec<&str> = set.split_whitespace().collect();
        let ours = ours(&names, &index);
        let theirs = theirs(&apt, &names, &essential);
        same &= ours == theirs;
        table.push_str(&compared(&names, &ours, &theirs));
    }
    println!("{table}");
    assert!(same, "apt chooses differently:\n{table}");
}

/// apt's configuration file and our index, both of the mirror of this machine; or why there is nothing to compare.
fn prepare(dir: &Path) -> Result<(PathBuf, Index), String> {
    oracle("apt-get").ok_or("no apt-get")?;
    let suites = suites().map_err(|error| format!("{error:#}"))?;
    let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
    for part in ["lists/partial", "cache/archives/partial", "state"] {
        fs::create_dir_all(dir.join(part)).map_err(failed)?;
    }
    let source = |suite: &crate::mirror::Suite| {
        let (keyring, components) = (suite.apt.keyring.display(), suite.apt.components.join(" "));
        format!("deb [signed-by={keyring} arch={ARCH}] {} {} {components}\n", suite.mirror.url, suite.apt.suite)
    };
    let sources: String = suites.iter().map(source).collect();
    fs::write(dir.join("sources.list"), sources).map_err(failed)?;
    fs::write(dir.join("status"), "").map_err(failed)?;
    let at = |name: &str| dir.join(name).display().to_string();
    let configuration = format!(
        "Dir::Etc::sourcelist \"{}\"; Dir::Etc::sourceparts \"/dev/null\"; Dir::Etc::preferencesparts \"/dev/null\";\n\
         Dir::State \"{}\"; Dir::State::lists \"{}\"; Dir::State::status \"{}\"; Dir::Cache \"{}\";\n\
         APT::Architecture \"{ARCH}\"; APT::Architectures {{ \"{ARCH}\"; }}; APT::Install-Recommends \"false\";\n\
         APT::Sandbox::User \"root\"; Acquire::Languages \"none\"; Debug::NoLocking \"true\";\n\
         Acquire::Check-Valid-Until \"false\"; Acquire::Check-Date \"false\";\n",
        at("sources.list"),
        at("state"),
        at("lists"),
        at("status"),
        at("cache"),
    );
    let apt = dir.join("apt.conf");
    fs::write(&apt, configuration).map_err(failed)?;
    let update = apt_get(&apt, &["update".to_owned()]);
    if !update.status.success() {
        return Err(format!("apt-get update: {}", String::from_utf8_lossy(&update.stderr)));
    }
    let store = Store::open(&dir.join("store")).map_err(|error| format!("{error:#}"))?;
    let mut index = Index::default();
    for suite in suites {
        let archive = apt::Archive {
            name: &suite.name,
            base_url: &suite.mirror.url,
            suite: &suite.apt.suite,
            components: &suite.apt.components,
            arch: ARCH,
            keyring: &suite.apt.keyring,
        };
        // The mirror answered apt: from here on, a failure is ours.
        let fetcher = suite.fetcher(&store, false);
        let snapshot = apt::read(&archive, &fetcher, suite.day(&store).unwrap(), &());
        index.offers.extend(snapshot.expect("reading what apt has just read").offers);
    }
    Ok((apt, index))
}

fn ours(names: &[&str], index: &Index) -> Closure {
    let source = Source::new("roots", names.join("\n"));
    let mut start = 0;
    let request = |name: &&str| {
        let location = Location::new(&source, start..start + name.len());
        start += name.len() + 1;
        PackageRequest { name: (*name).to_owned(), version: None, location }
    };
    let requests: Vec<PackageRequest> = names.iter().map(request).collect();
    match resolve(&requests.iter().collect::<Vec<_>>(), index) {
        Ok(chosen) => {
            let id = |place: usize| index.offers[place].id.clone();
            Closure::Packages(chosen.into_iter().map(id).map(|id| (id.name, id.version)).collect())
        }
        Err(mistakes) => {
            assert!(mistakes.0.iter().all(|mistake| mistake.slug == "unknown-package"), "{mistakes}");
            let place = |mistake: &nodesmith::diag::Diagnostic| {
                let (location, _) = mistake.location.as_ref().expect("a request has a place");
                source.text[location.span.clone()].to_owned()
            };
            Closure::Unknown(mistakes.0.iter().map(place).collect())
        }
    }
}

fn theirs(apt: &Path, names: &[&str], essential: &BTreeSet<&str>) -> Closure {
    let arguments = ["-s", "-q", "install"].into_iter().chain(names.iter().copied()).chain(essential.iter().copied());
    let output = apt_get(apt, &arguments.map(str::to_owned).collect::<Vec<_>>());
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        // `Inst libc6 (2.41-12 Debian:13.0/stable [amd64]) […]`
        let installed = text.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
            let version = rest.split_once('(')?.1.split(' ').next()?;
            Some((name.to_owned(), version.to_owned()))
        });
        return Closure::Packages(installed.collect());
    }
    let unknown = errors.lines().filter_map(|line| {
        let missing = line.strip_prefix("E: Unable to locate package ");
        missing.or_else(|| line.strip_prefix("E: Package '")?.strip_suffix("' has no installation candidate"))
    });
    let unknown: BTreeSet<String> = unknown.map(str::to_owned).collect();
    assert!(!unknown.is_empty(), "apt-get install {names:?}: {errors}");
    Closure::Unknown(unknown)
}

fn apt_get(configuration: &Path, arguments: &[String]) -> Output {
    let mut command = Command::new("apt-get");
    command.env("APT_CONFIG", configuration).env("LC_ALL", "C").args(arguments);
    command.output().expect("apt-get was there a moment ago")
}

/// One line a set, and a line for each difference.
fn compared(names: &[&str], ours: &Closure, theirs: &Closure) -> String {
    let set = match names {
        [first, _, _, _, ..] => format!("{first} and {} more", names.len() - 1),
        _ => names.join(" "),
    };
    match (ours, theirs) {
        (Closure::Packages(ours), Closure::Packages(theirs)) => {
            let mut lines = format!("{set:<34} ours {:>4}  apt {:>4}\n", ours.len(), theirs.len());
            for (name, version) in ours.iter().filter(|(name, version)| theirs.get(*name) != Some(version)) {
                lines.push_str(&format!("  only ours: {name} {version}\n"));
            }
            for (name, version) in theirs.iter().filter(|(name, version)| ours.get(*name) != Some(version)) {
                lines.push_str(&format!("  only apt:  {name} {version}\n"));
            }
            lines
        }
        _ if ours == theirs => format!("{set:<34} both: {ours:?}\n"),
        _ => format!("{set:<34} ours {ours:?}\n  apt {theirs:?}\n"),
    }
}
