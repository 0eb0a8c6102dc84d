//! The recipe's repositories: where packages come from, and who may sign them.

use std::path::{Path, PathBuf};

use super::check::{checked_list, table, text};
use super::{AptRepository, KeySource, Mirror, Repository, RepositoryKind, RpmRepository, RpmSource};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::repo::trust::Keyring;
use crate::words;
use crate::yaml::{Kind, Value};

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
    let mut repositories: Vec<Repository> = table(section)
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
    let source = match (text(rpm, "url"), text(rpm, "directory")) {
        (Some(url), None) => RpmSource::Url(words::check(&words::URL, url, found)),
        (None, Some((directory, location))) => {
            if !Path::new(directory).is_dir() {
                found.push(
                    Diagnostic::new("directory-missing", format!("there is no directory `{directory}`"))
                        .at(location, "not a directory")
                        .help("the directory of .rpm files is relative to the recipe that has it"),
                );
            }
            RpmSource::Directory(PathBuf::from(directory))
        }
        _ => {
            found.push(
                Diagnostic::new("rpm-source", "an RPM repository is at a URL or in a directory")
                    .at(&rpm.location, "takes one of the two")
                    .help("`url` is where repodata lies, `directory` holds .rpm files without any"),
            );
            RpmSource::Url(String::new())
        }
    };
    if let (RpmSource::Directory(_), Some(signed)) =
        (&source, rpm.get("signed-metadata").filter(|_| flag("signed-metadata")))
    {
        found.push(
            Diagnostic::new("no-metadata", "a directory of packages has no metadata that could be signed")
                .at(&signed.location, "nothing to check")
                .help("take `signed-metadata` out: every package's own signature is checked"),
        );
    }
    let fingerprint = text(rpm, "fingerprint").map(|it| words::check(&words::FINGERPRINT, it, found));
    let fingerprint = fingerprint.unwrap_or_default().replace(' ', "").to_ascii_uppercase();
    RpmRepository {
        source,
        key: text(rpm, "key").map_or_else(|| KeySource::File(PathBuf::new()), |it| key(it, &fingerprint, found)),
        fingerprint,
        signed_metadata: flag("signed-metadata"),
        neutral: flag("neutral"),
    }
}

/// A key file must be there and have the key: better said here than after a download.
fn key((text, location): (&str, &Location), fingerprint: &str, found: &mut Diagnostics) -> KeySource {
    if text.contains("://") {
        return KeySource::Url(words::check(&words::URL, (text, location), found));
    }
    let path = PathBuf::from(text);
    if !path.is_file() {
        found.push(
            Diagnostic::new("key-missing", format!("there is no key file `{}`", path.display()))
                .at(location, "not a file")
                .help("get the key from the makers of the packages, and its fingerprint by another way"),
        );
        return KeySource::File(path);
    }
    match Keyring::load(&path) {
        Err(error) => found.push(
            Diagnostic::new("bad-key", format!("`{}` is no file of OpenPGP keys", path.display()))
                .at(location, "cannot be read")
                .help(format!("{error:#}")),
        ),
        // A fingerprint that is none was reported.
        Ok(keyring)
            if [40, 64].contains(&fingerprint.len()) && !keyring.fingerprints().contains(&fingerprint.to_owned()) =>
        {
            found.push(
                Diagnostic::new("key-not-pinned", format!("the key file has no key {fingerprint}"))
                    .at(location, "other keys only")
                    .help(format!("it has: {}", keyring.fingerprints().join(", "))),
            );
        }
        Ok(_) => {}
    }
    KeySource::File(path)
}
