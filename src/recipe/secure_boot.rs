//! `secure-boot:` of a recipe → who signs what firmware starts, and how the firmware gets to know them.
//!
//! The key is read here and once: what signs later is what was judged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};

use super::SecureBoot;
use super::read::{text, texts};
use crate::bounded;
use crate::date::show_day;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::formats::pkcs7::Certificates;
use crate::secure_boot::{Enroll, Identity, PemKey, SignCommand, Signer, ToSign, certificates};
use crate::yaml::{Kind, Value};

pub(super) const EXPIRED: &str = "certificate-expired";
pub(super) const KEY_MISSING: &str = "signing-key-missing";

/// What may say who signs, and what a command is given.
const SIGNERS: [(&str, Option<ToSign>); 3] =
    [("key", None), ("sign-digest", Some(ToSign::Digest)), ("sign-digest-info", Some(ToSign::DigestInfo))];

/// `None` if the recipe does not ask for it, or with a mistake in `found`.
pub(super) fn read(value: &Value, today: NaiveDate, found: &mut Diagnostics) -> Option<SecureBoot> {
    let section = value.get("secure-boot")?;
    let certificate = text(section, "certificate");
    let certificates = certificate.and_then(|it| certificate_file(it, today, found));
    let signer = signer(section, certificates.as_ref(), found);
    let name = Path::new(certificate?.0).file_name().unwrap_or_default();
    let enroll = text(section, "enroll").and_then(|(word, _)| Enroll::parse(word));
    Some(SecureBoot {
        identity: Arc::new(Identity { certificates: certificates?, signer: signer? }),
        certificate: name.to_string_lossy().into_owned(),
        enroll: enroll.unwrap_or_default(),
    })
}

fn certificate_file(
    (path, location): (&str, &Location),
    today: NaiveDate,
    found: &mut Diagnostics,
) -> Option<Certificates> {
    let text = match bounded::read_text(Path::new(path)) {
        Ok(text) => text,
        Err(error) => {
            found.push(
                Diagnostic::new("certificate-missing", format!("the certificate `{path}` cannot be read"))
                    .at(location, error.to_string())
                    .help("the file is relative to the recipe that names it"),
            );
            return None;
        }
    };
    let certificates = match certificates(&text) {
        Ok(certificates) => certificates,
        Err(error) => {
            found.push(
                Diagnostic::new("bad-certificate", format!("`{path}` is no certificate that firmware takes"))
                    .at(location, "cannot be used")
                    .help(format!("{error:#}"))
                    .help("it takes PEM with RSA keys of 2048 bits or more"),
            );
            return None;
        }
    };
    let day = u64::try_from(today.and_time(NaiveTime::MIN).and_utc().timestamp()).unwrap_or_default();
    if certificates.not_after() < day {
        let end = i64::try_from(certificates.not_after()).unwrap_or(i64::MAX);
        found.push(
            Diagnostic::new(EXPIRED, format!("the certificate `{path}` has expired on {}", show_day(end)))
                .at(location, format!("of `{}`", certificates.subject()))
                .help("make a new one for the same key, or a new key if machines can learn to trust it"),
        );
    }
    Some(certificates)
}

fn signer(section: &Value, certificates: Option<&Certificates>, found: &mut Diagnostics) -> Option<Box<dyn Signer>> {
    let given: Vec<(&Value, Option<ToSign>)> =
        SIGNERS.iter().filter_map(|(key, to_sign)| Some((section.get(key)?, *to_sign))).collect();
    let names = SIGNERS.map(|(key, _)| format!("`{key}`")).join(", ");
    match given[..] {
        [(value, None)] => {
            let key = private_key((value.text()?, &value.location), certificates, found)?;
            Some(Box::new(key))
        }
        // What is no list was reported.
        [(value, Some(to_sign))] => {
            let Kind::List(_) = value.kind else { return None };
            let mut words = texts(Some(value)).map(|(word, _)| word.to_owned());
            let Some(program) = words.next().filter(|program| !program.is_empty()) else {
                found.push(
                    Diagnostic::new("empty-command", "the command that signs has no program")
                        .at(&value.location, "nothing to run")
                        .help("a list of the program and its arguments, such as [openssl, pkeyutl, -sign]"),
                );
                return None;
            };
            Some(Box::new(SignCommand { program, arguments: words.collect(), to_sign }))
        }
        [] => {
            found.push(
                Diagnostic::new("no-signer", "`secure-boot` does not say who signs")
                    .at(&section.location, "a certificate alone signs nothing")
                    .help(format!("give one of {names}")),
            );
            None
        }
        [(first, _), (second, _), ..] => {
            found.push(
                Diagnostic::new("two-signers", "`secure-boot` says twice who signs")
                    .at(&second.location, "this one")
                    .related(&first.location, "and this one")
                    .help(format!("give one of {names}")),
            );
            None
        }
    }
}

/// No mistake shows what is in the file.
fn private_key(
    (path, location): (&str, &Location),
    certificates: Option<&Certificates>,
    found: &mut Diagnostics,
) -> Option<PemKey> {
    let read =
        fs::metadata(path).and_then(|metadata| Ok((metadata.permissions().mode(), bounded::read_text(path.as_ref())?)));
    let (mode, text) = match read {
        Ok(read) => read,
        Err(error) => {
            found.push(
                Diagnostic::new(KEY_MISSING, format!("the private key `{path}` cannot be read"))
                    .at(location, error.to_string())
                    .help("the file is relative to the recipe that names it; a lock can be made without it"),
            );
            return None;
        }
    };
    if mode & 0o077 != 0 {
        found.push(
            Diagnostic::new("signing-key-open", format!("others than its owner may use the private key `{path}`"))
                .at(location, format!("mode {:04o}", mode & 0o7777))
                .help(format!("run: chmod 600 {path}")),
        );
    }
    let key = match PemKey::parse(&text) {
        Ok(key) => key,
        Err(error) => {
            found.push(
                Diagnostic::new("bad-signing-key", format!("`{path}` is no private key that signs here"))
                    .at(location, error.to_string())
                    .help("keys that cannot be read sign by a command: `sign-digest` or `sign-digest-info`"),
            );
            return None;
        }
    };
    if let Some(certificates) = certificates.filter(|certificates| !key.is_of(certificates)) {
        found.push(
            Diagnostic::new("key-of-another", format!("the private key `{path}` is not that of the certificate"))
                .at(location, format!("not the key of `{}`", certificates.subject()))
                .help("the signer's certificate comes first in its file"),
        );
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rsa::pkcs8::{EncodePrivateKey, LineEnding};

    use super::*;
    use crate::formats::pkcs7::testkey::TestKey;
    use crate::recipe::{check, load, print};

    /// A directory with two keys, their certificates and a recipe.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Place {
            let place = Place(tempfile::tempdir().unwrap());
            for number in [1, 2] {
                let key = TestKey::new(number);
                place.secret(&format!("{number}.key"), &key.key.to_pkcs8_pem(LineEnding::LF).unwrap());
                place.write(&format!("{number}.pem"), &key.pem());
            }
            place.write("keyring.gpg", "");
            place
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            path
        }

        fn secret(&self, name: &str, text: &str) {
            let path = self.write(name, text);
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }

        fn value(&self, section: &str) -> Value {
            let recipe = format!(
                "nodesmith: 1\nname: x\nkernel: {{package: linux, line: \"6.12\"}}\npackages: [e2fsprogs]\n\
                 repositories: {{d: {{apt: {{mirror: host, suite: s, keyring: keyring.gpg}}}}}}\nsecure-boot: {section}\n"
            );
            load::load(&self.write("r.yaml", &recipe)).unwrap()
        }

        /// Slug and column of each mistake in `secure-boot:`, the recipe's sixth line, on a day of this year.
        fn mistakes(&self, section: &str, year: i32) -> Vec<(&'static str, usize)> {
            let today = NaiveDate::from_ymd_opt(year, 11, 1).unwrap();
            let found = check::check_but_lock(&self.value(section), today).map_or_else(|it| it, |(_, it)| it);
            let at = |mistake: &Diagnostic| {
                let (location, _) = mistake.location.as_ref().unwrap();
                let (line, column) = location.source.line_column(location.span.start);
                (line == 6).then_some((mistake.slug, column))
            };
            let text = found.to_string();
            assert!(!text.contains("PRIVATE KEY---") && !text.contains("MII"), "{text}");
            found.0.iter().filter_map(at).collect()
        }
    }

    #[test]
    fn each_mistake_has_its_place() {
        let place = Place::new();
        place.write("open.key", &fs::read_to_string(place.0.path().join("1.key")).unwrap());
        place.secret(
            "locked.key",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n",
        );
        place.write("short.pem", &TestKey::with_bits(3, 1024).pem());
        fs::set_permissions(place.0.path().join("open.key"), fs::Permissions::from_mode(0o640)).unwrap();
        let cases: &[(&str, &[(&str, usize)])] = &[
            ("{certificate: 1.pem, key: 1.key, enroll: force}", &[]),
            ("{certificate: 1.pem, sign-digest: [kms, \"\", a, a]}", &[]),
            ("{certificate: 1.pem}", &[("no-signer", 14)]),
            ("{certificate: 1.pem, key: 1.key, sign-digest: [kms]}", &[("two-signers", 60)]),
            ("{certificate: 1.pem, sign-digest-info: []}", &[("empty-command", 53)]),
            ("{certificate: gone.pem, key: 1.key}", &[("certificate-missing", 28)]),
            ("{certificate: 1.key, key: 1.key}", &[("bad-certificate", 28)]),
            ("{certificate: short.pem, key: 1.key}", &[("bad-certificate", 28)]),
            ("{certificate: 1.pem, key: gone.key}", &[("signing-key-missing", 40)]),
            ("{certificate: 1.pem, key: open.key}", &[("signing-key-open", 40)]),
            ("{certificate: 1.pem, key: locked.key}", &[("bad-signing-key", 40)]),
            ("{certificate: 2.pem, key: 1.key}", &[("key-of-another", 40)]),
            (
                "{key: 2.pem, enroll: maybe}",
                &[("missing-key", 14), ("unknown-word", 35), ("signing-key-open", 20), ("bad-signing-key", 20)],
            ),
            ("{certificate: gone.pem, key: gone.key}", &[("certificate-missing", 28), ("signing-key-missing", 43)]),
        ];
        for (section, expected) in cases {
            let mut found = place.mistakes(section, 2026);
            found.sort_by_key(|(slug, _)| expected.iter().position(|(other, _)| other == slug));
            assert_eq!(found, *expected, "{section}");
        }
        assert_eq!(place.mistakes("{certificate: 1.pem, key: 1.key}", 2047), [("certificate-expired", 28)]);
    }

    #[test]
    fn who_signs_is_in_no_lock_and_no_manifest_and_a_lock_needs_no_key() {
        let place = Place::new();
        let today = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
        let read = |section: &str| check::check_to_lock(&place.value(section), today).unwrap();
        let (key, command) = ("{certificate: 1.pem, key: 1.key}", "{certificate: 1.pem, sign-digest: [./kms, x]}");
        let [by_key, by_command, without] = [key, command, ""].map(read);
        assert_eq!(print::print(&by_key), print::print(&by_command));
        assert_eq!(print::print(&by_key)["secure-boot"], serde_json::json!({"certificate": "1.pem", "enroll": "off"}));
        for other in [&by_command, &without, &read("{certificate: 1.pem, key: gone.key}")] {
            assert_eq!(print::package_inputs(&by_key), print::package_inputs(other));
        }
        let expired = NaiveDate::from_ymd_opt(2047, 11, 1).unwrap();
        assert!(
            check::check_to_lock(&place.value(key), expired).unwrap_err().to_string().contains("[certificate-expired]")
        );
        let directory = place.0.path().display();
        let signer = format!("{:?}", by_command.secure_boot.unwrap().identity.signer);
        assert!(signer.contains(&format!("program: \"{directory}/./kms\", arguments: [\"x\"]")), "{signer}");
    }
}
