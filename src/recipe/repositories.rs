//! `repositories:` of a recipe → [`Repository`]s.

use std::path::{Path, PathBuf};

use super::read::{checked_list, entries, text, texts};
use super::{AptRepository, DEFAULT_PRIORITY, KeySource, Mirror, Repository, RepositoryKind, RpmRepository, RpmSource};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::trust::{Keyring, Weakness};
use crate::words;
use crate::yaml::{Kind, Located, Value};

/// By name; every mistake is in `found`.
pub(super) fn repositories(value: &Value, found: &mut Diagnostics) -> Vec<Repository> {
    let section = value.get("repositories");
    if let Some(empty) = section.filter(|it| matches!(&it.kind, Kind::Map(entries) if entries.is_empty())) {
        found.push(
            Diagnostic::new("no-repository", "the recipe names no repository")
                .at(&empty.location, "empty")
                .help("for example `debian: {apt: {mirror: host, suite: trixie, keyring: …}}`"),
        );
    }
    let mut repositories: Vec<Repository> = entries(section)
        .filter_map(|(key, value)| {
            let kind = match (value.get("apt"), value.get("rpm")) {
                (Some(apt), _) => RepositoryKind::Apt(apt_repository(apt, found)),
                (None, Some(rpm)) => RepositoryKind::Rpm(rpm_repository(rpm, found)),
                (None, None) => return None,
            };
            let name = words::check(&words::NAME, (&key.text, &key.location), found);
            Some(Repository { name, kind, location: key.location.clone() })
        })
        .collect();
    repositories.sort_by(|a, b| a.name.cmp(&b.name));
    families_mix(&repositories, found);
    repositories
}

/// Names of packages and sonames of libraries mean other things in another distribution.
fn families_mix(repositories: &[Repository], found: &mut Diagnostics) {
    let apt = repositories.iter().find(|repository| matches!(repository.kind, RepositoryKind::Apt(_)));
    let Some(apt) = apt else { return };
    for repository in repositories {
        let RepositoryKind::Rpm(RpmRepository { neutral: false, .. }) = repository.kind else { continue };
        found.push(
            Diagnostic::new("mixed-families", format!("RPMs of `{}` do not fit a Debian base", repository.name))
                .at(&repository.location, "RPM packages")
                .related(&apt.location, "Debian packages")
                .help("if they need nothing of a distribution (static binaries, units), say `neutral: true`"),
        );
    }
}

fn apt_repository(apt: &Value, found: &mut Diagnostics) -> AptRepository {
    let mirror = match text(apt, "mirror") {
        None | Some(("host", _)) => Mirror::Host,
        Some(url) => Mirror::Url(words::check(&words::URL, url, found)),
    };
    let components: Vec<String> =
        checked_list(apt.get("components"), &words::NAME, found).into_iter().map(|it| it.value).collect();
    let keyring = text(apt, "keyring").map(|(path, location)| {
        if !Path::new(path).is_file() {
            found.push(
                Diagnostic::new("keyring-missing", format!("there is no keyring file `{path}`"))
                    .at(location, "not a file")
                    .help("Debian's keys are in the package debian-archive-keyring"),
            );
        }
        PathBuf::from(path)
    });
    AptRepository {
        mirror,
        suite: text(apt, "suite").map(|it| words::check(&words::SUITE, it, found)).unwrap_or_default(),
        components: if components.is_empty() { vec!["main".to_owned()] } else { components },
        keyring: keyring.unwrap_or_default(),
    }
}

fn rpm_repository(rpm: &Value, found: &mut Diagnostics) -> RpmRepository {
    let flag = |key: &str| rpm.get(key).is_some_and(|flag| flag.flag() == Some(true));
    let source = rpm_source(rpm, found);
    let needless = ["signed-metadata", "modules"].into_iter().filter_map(|key| rpm.get(key));
    if let (RpmSource::Directory(_), Some(needless)) =
        (&source, needless.into_iter().find(|it| it.flag() != Some(false)))
    {
        found.push(
            Diagnostic::new(
                "no-metadata",
                "a directory of packages has no metadata that could be signed or have modules",
            )
            .at(&needless.location, "nothing to look at")
            .help("take it out: every package's own signature is checked"),
        );
    }
    let signed_packages = text(rpm, "signatures").is_none_or(|(word, _)| word != "none");
    let signed_metadata = flag("signed-metadata");
    let (keys, fingerprints) = keys(rpm, found);
    let repository = RpmRepository {
        source,
        keys,
        fingerprints,
        signed_packages,
        signed_metadata,
        weak: texts(rpm.get("weak")).filter_map(|(name, _)| Weakness::parse(name)).collect(),
        modules: checked_list(rpm.get("modules"), &words::MODULE_STREAM, found),
        priority: priority(rpm, found),
        only: checked_list(rpm.get("only"), &words::PACKAGE_PATTERN, found),
        exclude: checked_list(rpm.get("exclude"), &words::PACKAGE_PATTERN, found),
        neutral: flag("neutral"),
    };
    signatures(rpm, &repository, found);
    streams(&repository.modules, found);
    repository
}

fn priority(rpm: &Value, found: &mut Diagnostics) -> u32 {
    let Some((text, location)) = text(rpm, "priority") else { return DEFAULT_PRIORITY };
    match text.parse().ok().filter(|priority| (1..=DEFAULT_PRIORITY).contains(priority)) {
        Some(priority) => priority,
        None => {
            found.push(
                Diagnostic::new("bad-priority", format!("`{text}` is no priority of a repository"))
                    .at(location, "not a number from 1 to 99")
                    .help("1 is best; a repository without a priority has 99"),
            );
            DEFAULT_PRIORITY
        }
    }
}

fn rpm_source(rpm: &Value, found: &mut Diagnostics) -> RpmSource {
    let places = ["url", "mirrorlist", "metalink", "directory"];
    let given: Vec<&str> = places.into_iter().filter(|key| rpm.get(key).is_some()).collect();
    let [key] = given[..] else {
        found.push(
            Diagnostic::new("rpm-source", "an RPM repository is at a URL or in a directory")
                .at(&rpm.location, format!("takes exactly one of {}", places.join(", ")))
                .help(
                    "`url` is where repodata lies, `mirrorlist` and `metalink` tell such URLs, \
                     `directory` holds .rpm files without any",
                ),
        );
        return RpmSource::Url(String::new());
    };
    let Some(word) = text(rpm, key) else { return RpmSource::Url(String::new()) };
    match key {
        "directory" => {
            let (directory, location) = word;
            if !Path::new(directory).is_dir() {
                found.push(
                    Diagnostic::new("directory-missing", format!("there is no directory `{directory}`"))
                        .at(location, "not a directory")
                        .help("the directory of .rpm files is relative to the recipe that has it"),
                );
            }
            RpmSource::Directory(PathBuf::from(directory))
        }
        "mirrorlist" => RpmSource::Mirrorlist(words::check(&words::URL, word, found)),
        "metalink" => RpmSource::Metalink(words::check(&words::URL, word, found)),
        _ => RpmSource::Url(words::check(&words::URL, word, found)),
    }
}

/// Somebody has to vouch for every package: a pinned key, or the way on which the packages come.
fn signatures(rpm: &Value, repository: &RpmRepository, found: &mut Diagnostics) {
    let uses_key = repository.signed_packages || repository.signed_metadata;
    if uses_key {
        let none = |value: Option<&Value>| {
            value.is_none_or(|value| matches!(&value.kind, Kind::List(items) if items.is_empty()))
        };
        let missing: Vec<&str> = ["key", "fingerprint"].into_iter().filter(|key| none(rpm.get(key))).collect();
        if !missing.is_empty() {
            found.push(
                Diagnostic::new("no-key", format!("an RPM repository without `{}`", missing.join("` and `")))
                    .at(&rpm.location, "nobody's signatures would count")
                    .help("get the key from the makers of the packages, and its fingerprint by another way")
                    .help("packages that nobody signs are taken only with `signatures: none`"),
            );
        }
        return;
    }
    if let Some(needless) = ["key", "fingerprint", "weak"].into_iter().find_map(|key| rpm.get(key)) {
        found.push(
            Diagnostic::new("unused-key", "with `signatures: none` no signature is looked at")
                .at(&needless.location, "says how to look at signatures")
                .help("take out one of the two, or add `signed-metadata: true` if the key signs repomd.xml"),
        );
    }
    let (RpmSource::Url(url) | RpmSource::Mirrorlist(url) | RpmSource::Metalink(url)) = &repository.source else {
        return;
    };
    if url.starts_with("http:") {
        let location = rpm.get("signatures").map_or(&rpm.location, |value| &value.location);
        found.push(
            Diagnostic::new("nobody-vouches", "nobody vouches for unsigned packages that come by plain http")
                .at(location, "not signed")
                .help("use an https:// URL, a directory, or `signed-metadata` with a key"),
        );
    }
}

/// At most one stream of a module can be active.
fn streams(modules: &[Located<String>], found: &mut Diagnostics) {
    let module = |word: &Located<String>| word.value.split(':').next().unwrap_or_default().to_owned();
    for (index, word) in modules.iter().enumerate() {
        if let Some(first) = modules[..index].iter().find(|first| module(first) == module(word)) {
            found.push(
                Diagnostic::new("two-streams", format!("two streams of the module `{}`", module(word)))
                    .at(&word.location, "the second one")
                    .related(&first.location, "the first one")
                    .help("a module has one active stream: take out one of the two"),
            );
        }
    }
}

/// Where the keys are, and the fingerprints of those that count, in order and each one once. That every fingerprint is of
/// one of the keys, and every key file has one that counts, is better said here than after a download.
fn keys(rpm: &Value, found: &mut Diagnostics) -> (Vec<KeySource>, Vec<String>) {
    let mut fingerprints = Vec::new();
    for (text, location) in one_or_more(rpm.get("fingerprint")) {
        let fingerprint = words::check(&words::FINGERPRINT, (text, location), found).replace(' ', "");
        fingerprints.push((fingerprint.to_ascii_uppercase(), location));
    }
    let mut sources = Vec::new();
    // What is in each of the files, as long as that is known.
    let mut there: Option<Vec<String>> = Some(Vec::new());
    for (text, location) in one_or_more(rpm.get("key")) {
        if text.contains("://") {
            sources.push(KeySource::Url(words::check(&words::URL, (text, location), found)));
            there = None;
            continue;
        }
        let path = PathBuf::from(text);
        let file = key_file(&path, location, found);
        sources.push(KeySource::File(path));
        // A fingerprint that is none was reported.
        let well_formed = fingerprints.iter().all(|(fingerprint, _)| [40, 64].contains(&fingerprint.len()));
        match file.filter(|_| well_formed && !fingerprints.is_empty()) {
            None => there = None,
            Some(file) if fingerprints.iter().any(|(fingerprint, _)| file.contains(fingerprint)) => {
                there.iter_mut().for_each(|there| there.extend(file.iter().cloned()));
            }
            Some(file) => {
                let missing: Vec<&str> = fingerprints.iter().map(|(fingerprint, _)| fingerprint.as_str()).collect();
                found.push(
                    Diagnostic::new("key-not-pinned", format!("the key file has no key {}", missing.join(" or ")))
                        .at(location, "other keys only")
                        .help(format!("it has: {}", file.join(", "))),
                );
                there = None;
            }
        }
    }
    if let Some(there) = there.filter(|_| !sources.is_empty()) {
        for (fingerprint, location) in fingerprints.iter().filter(|(fingerprint, _)| !there.contains(fingerprint)) {
            found.push(
                Diagnostic::new("key-not-pinned", format!("the key files have no key {fingerprint}"))
                    .at(location, "in none of the files")
                    .help(format!("they have: {}", there.join(", "))),
            );
        }
    }
    let mut fingerprints: Vec<String> = fingerprints.into_iter().map(|(fingerprint, _)| fingerprint).collect();
    fingerprints.sort();
    fingerprints.dedup();
    (sources, fingerprints)
}

/// A scalar, or the scalars of a list.
fn one_or_more(value: Option<&Value>) -> Vec<(&str, &Location)> {
    match value.and_then(|value| Some((value.text()?, &value.location))) {
        Some(one) => vec![one],
        None => texts(value).collect(),
    }
}

/// Fingerprints of the keys in a file; nothing where it cannot be read, which was reported.
fn key_file(path: &Path, location: &Location, found: &mut Diagnostics) -> Option<Vec<String>> {
    if !path.is_file() {
        found.push(
            Diagnostic::new("key-missing", format!("there is no key file `{}`", path.display()))
                .at(location, "not a file")
                .help("get the key from the makers of the packages, and its fingerprint by another way"),
        );
        return None;
    }
    match Keyring::load(path) {
        Ok(keyring) => Some(keyring.fingerprints()),
        Err(error) => {
            found.push(
                Diagnostic::new("bad-key", format!("`{}` is no file of OpenPGP keys", path.display()))
                    .at(location, "cannot be read")
                    .help(format!("{error:#}")),
            );
            None
        }
    }
}
