//! The bundles of certificate authorities on Red Hat's systems: what `update-ca-trust` makes.
//!
//! Sources lie in `/usr/share/pki/ca-trust-source` and `/etc/pki/ca-trust/source`: files of p11-kit, which say for what
//! an authority is trusted, and plain PEM or DER in `anchors` (trusted for everything) and `blocklist` (for nothing).
//! OpenSSL's trusted certificates say themselves for what. Three bundles come out, for servers, mail and code, with the
//! authorities that are trusted for that, and one in OpenSSL's form with all of them and what is said about each. The
//! Java and EDK2 forms are not made: they hold the same, and nothing on a node reads them; packages' links to them go.
//! Formats: p11-kit's `trust/persist.c`, RFC 5280, OpenSSL's `X509_CERT_AUX`. Oracle: `trust extract`.

use std::collections::{BTreeMap, BTreeSet};

use super::x509::{Certificate, element, elements, encoded, extension_value, identifiers, key_purposes};
use crate::assemble::root::Root;
use crate::base64;
use crate::tree::{Kind, TreePath};

const SOURCES: [&str; 2] = ["/etc/pki/ca-trust/source", "/usr/share/pki/ca-trust-source"];
const EXTRACTED: &str = "/etc/pki/ca-trust/extracted/pem";
const OPENSSL: &str = "/etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt";
/// Each bundle and its key purpose (RFC 5280, 4.2.1.12), DER.
const BUNDLES: [(&str, &[u8]); 3] = [
    ("tls-ca-bundle.pem", b"\x2b\x06\x01\x05\x05\x07\x03\x01"),
    ("email-ca-bundle.pem", b"\x2b\x06\x01\x05\x05\x07\x03\x04"),
    ("objsign-ca-bundle.pem", b"\x2b\x06\x01\x05\x05\x07\x03\x03"),
];
/// `anyExtendedKeyUsage`
const ANY_PURPOSE: &[u8] = b"\x55\x1d\x25\x00";
const KEY_USAGE: &[u8] = b"\x55\x1d\x25";
/// What stands in p11-kit's lists of purposes that are empty, 1.3.6.1.4.1.3319.6.10.16.
const NO_PURPOSE: &[u8] = b"\x2b\x06\x01\x04\x01\x99\x77\x06\x0a\x10";
/// The purposes that a certificate nobody trusts is refused for: all of RFC 5280 from server to time stamps.
const REFUSED: std::ops::RangeInclusive<u8> = 1..=8;
/// Links that programs know, where the package does not bring them itself.
const LINKS: [(&str, &str); 2] = [
    ("/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
    ("/etc/pki/tls/cert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
];
const LEGACY: (&str, &str) =
    ("/etc/pki/ca-trust/source/ca-bundle.legacy.crt", "/usr/share/pki/ca-trust-legacy/ca-bundle.legacy.default.crt");

/// One certificate of the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Authority {
    label: Option<String>,
    der: Vec<u8>,
    trusted: bool,
    distrusted: bool,
}

impl Authority {
    /// As its source calls it, else as it calls itself.
    fn label(&self) -> Option<String> {
        self.label.clone().or_else(|| Certificate::parse(&self.der)?.label())
    }
}

/// What is said elsewhere about the certificates of one public key: purposes that they serve, and that they must not
/// serve, as DER identifiers.
#[derive(Debug, Default)]
struct Stapled {
    purposes: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    rejected: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
}

pub(crate) fn extract(root: &mut Root) -> anyhow::Result<()> {
    if !root.exists(SOURCES[1]) {
        return Ok(());
    }
    let (link, target) = LEGACY;
    if root.exists(target) && root.path(link).is_ok_and(|path| root.tree.get(&path).is_none()) {
        root.symlink(link, target)?;
    }
    let (mut authorities, mut stapled) = (Vec::new(), Stapled::default());
    for source in SOURCES {
        for (directory, trusted, distrusted) in
            [("", false, false), ("/anchors", true, false), ("/blocklist", false, true), ("/blacklist", false, true)]
        {
            let Some((directory, _)) = root.lookup(&format!("{source}{directory}")) else { continue };
            let children: Vec<TreePath> = root.tree.children(&directory).map(|(path, _, _)| path.clone()).collect();
            for path in children {
                if root.lookup(&path.to_string()).is_none_or(|(_, inode)| !matches!(inode.kind, Kind::File(_))) {
                    continue;
                }
                let bytes = root.read(&path.to_string())?.unwrap_or_default();
                read(&bytes, (trusted, distrusted), &mut authorities, &mut stapled);
            }
        }
    }
    let distrusted: BTreeSet<Vec<u8>> =
        authorities.iter().filter(|authority| authority.distrusted).map(|authority| authority.der.clone()).collect();
    for (bundle, purpose) in BUNDLES {
        let mut seen = BTreeSet::new();
        let mut text = String::new();
        for authority in
            authorities.iter().filter(|authority| authority.trusted && !distrusted.contains(&authority.der))
        {
            if serves(authority, purpose, &stapled) && seen.insert(&authority.der) {
                append(&mut text, authority.label().as_deref(), "CERTIFICATE", &authority.der);
            }
        }
        root.file(&format!("{EXTRACTED}/{bundle}"), 0o444, text)?;
    }
    let (mut seen, mut text) = (BTreeSet::new(), String::new());
    for authority in authorities.iter().filter(|authority| seen.insert(&authority.der)) {
        // p11-kit would let one through that is trusted here and blocked there; no bundle of ours does.
        if let Some(der) = with_trust(authority, distrusted.contains(&authority.der), &stapled) {
            append(&mut text, authority.label().as_deref(), "TRUSTED CERTIFICATE", &der);
        }
    }
    root.file(OPENSSL, 0o444, text)?;
    for (link, target) in LINKS {
        if root.path(link).is_ok_and(|path| root.tree.get(&path).is_none()) {
            root.symlink(link, target)?;
        }
    }
    drop_dangling(root)
}

/// Takes away the packages' links to forms that are not made: who follows one would take an error for the absence of
/// every authority.
fn drop_dangling(root: &mut Root) -> anyhow::Result<()> {
    let top = TreePath::parse("/etc/pki")?;
    let links = root.tree.below(&top).filter_map(|(path, _, inode)| {
        let Kind::Symlink(target) = &inode.kind else { return None };
        let extracted = target.windows(18).any(|part| part == b"ca-trust/extracted");
        Some(path.to_string()).filter(|_| extracted)
    });
    let dangling: Vec<String> = links.filter(|link| !root.exists(link)).collect();
    dangling.iter().try_for_each(|link| root.remove(link))
}

/// Whether an authority may vouch for this purpose. One that says no purpose is for all.
fn serves(authority: &Authority, purpose: &[u8], stapled: &Stapled) -> bool {
    let Some(certificate) = Certificate::parse(&authority.der) else { return false };
    let purposes = stapled.purposes.get(certificate.public_key).cloned().or_else(|| {
        let value = certificate.extension(KEY_USAGE)?;
        Some(key_purposes(value))
    });
    let listed = |purposes: &Vec<Vec<u8>>| purposes.iter().any(|known| known == purpose || known == ANY_PURPOSE);
    certificate.is_authority() && purposes.as_ref().is_none_or(listed)
}

/// A file of the sources, whichever of the forms it has; what is none of them is skipped, as p11-kit does.
fn read(bytes: &[u8], place: (bool, bool), authorities: &mut Vec<Authority>, stapled: &mut Stapled) {
    let (trusted, distrusted) = place;
    let text = String::from_utf8_lossy(bytes);
    if bytes.first() == Some(&0x30) && Certificate::parse(bytes).is_some() {
        if read_trusted(bytes, place, authorities, stapled).is_some() {
            return;
        }
        authorities.push(Authority { label: None, der: bytes.to_vec(), trusted, distrusted });
        return;
    }
    let sections: Vec<&str> = text.split("[p11-kit-object-v1]").collect();
    if sections.len() == 1 {
        let plain = blocks(&text, "CERTIFICATE").into_iter();
        authorities.extend(plain.map(|der| Authority { label: None, der, trusted, distrusted }));
        for der in blocks(&text, "TRUSTED CERTIFICATE") {
            read_trusted(&der, place, authorities, stapled);
        }
        return;
    }
    for section in &sections[1..] {
        let field = |name: &str| {
            let lines = section.lines().take_while(|line| !line.starts_with("-----"));
            let mut values = lines.filter_map(|line| line.split_once(':')).filter(|(key, _)| key.trim() == name);
            values.next().map(|(_, value)| value.trim().trim_matches('"').to_owned())
        };
        let says = |name: &str, default: bool| field(name).map_or(default, |value| value == "true");
        for der in blocks(section, "CERTIFICATE") {
            authorities.push(Authority {
                label: field("label").map(|label| String::from_utf8_lossy(&unescaped(&label)).into_owned()),
                der,
                trusted: says("trusted", trusted),
                distrusted: says("x-distrusted", distrusted),
            });
        }
        let said = match field("object-id").as_deref() {
            Some("2.5.29.37") => &mut stapled.purposes,
            // p11-kit's own, for what OpenSSL's form calls rejected.
            Some("1.3.6.1.4.1.3319.6.10.1") => &mut stapled.rejected,
            _ => continue,
        };
        if let Some(value) = field("value")
            && let Some(key) = blocks(section, "PUBLIC KEY").into_iter().next()
        {
            said.insert(key, extension_value(&unescaped(&value)).map(key_purposes).unwrap_or_default());
        }
    }
}

/// A certificate with what OpenSSL says about it behind it: trusted for these purposes, not for those, called so. One
/// that is trusted for no purpose is trusted by nobody. Nothing if it is not of this form.
fn read_trusted(
    der: &[u8],
    (anchor, blocked): (bool, bool),
    authorities: &mut Vec<Authority>,
    stapled: &mut Stapled,
) -> Option<()> {
    let (_, _, whole, rest) = element(der)?;
    let certificate = Certificate::parse(whole)?;
    let (0x30, said, _, _) = element(rest)? else { return None };
    let (mut purposes, mut rejected, mut label) = (Vec::new(), Vec::new(), None);
    for (tag, contents, _) in elements(said) {
        match tag {
            0x30 => purposes = identifiers(contents),
            0xa0 => rejected = identifiers(contents),
            0x0c => label = Some(String::from_utf8_lossy(contents).into_owned()),
            _ => {}
        }
    }
    purposes.retain(|purpose| !rejected.contains(purpose));
    let nobody = purposes.is_empty();
    stapled.purposes.insert(certificate.public_key.to_vec(), purposes);
    if !rejected.is_empty() {
        stapled.rejected.insert(certificate.public_key.to_vec(), rejected);
    }
    let distrusted = blocked || nobody;
    authorities.push(Authority { label, der: whole.to_vec(), trusted: anchor || !distrusted, distrusted });
    Some(())
}

/// The certificate in OpenSSL's form: with the purposes that it is trusted for, those that it is not, and its name.
fn with_trust(authority: &Authority, distrusted: bool, stapled: &Stapled) -> Option<Vec<u8>> {
    let key = Certificate::parse(&authority.der)?.public_key;
    let list = |purposes: &[Vec<u8>]| -> Vec<u8> {
        let meant = purposes.iter().filter(|purpose| *purpose != NO_PURPOSE);
        meant.flat_map(|purpose| encoded(0x06, purpose)).collect()
    };
    let mut rejected = stapled.rejected.get(key).cloned();
    let mut said = Vec::new();
    if distrusted {
        let purpose = |last: u8| [b"\x2b\x06\x01\x05\x05\x07\x03".as_slice(), &[last]].concat();
        rejected.get_or_insert_default().extend(REFUSED.map(purpose));
    } else if !authority.trusted {
        said.extend(encoded(0x30, &[]));
    } else if let Some(purposes) = stapled.purposes.get(key) {
        said.extend(encoded(0x30, &list(purposes)));
    }
    said.extend(rejected.map(|purposes| encoded(0xa0, &list(&purposes))).unwrap_or_default());
    said.extend(authority.label().map(|label| encoded(0x0c, label.as_bytes())).unwrap_or_default());
    Some([authority.der.as_slice(), &encoded(0x30, &said)].concat())
}

/// The bytes of the PEM blocks of one kind.
fn blocks(text: &str, kind: &str) -> Vec<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {kind}-----"), format!("-----END {kind}-----"));
    let bodies = text.split(&begin).skip(1).filter_map(|rest| Some(rest.split_once(&end)?.0));
    bodies.filter_map(|body| base64::decode(body).ok()).collect()
}

/// Adds a block to a bundle, with its name above it.
fn append(bundle: &mut String, label: Option<&str>, kind: &str, der: &[u8]) {
    let label = label.map(|label| format!("# {label}\n")).unwrap_or_default();
    bundle.push_str(&format!("{}{label}{}", if bundle.is_empty() { "" } else { "\n" }, pem(kind, der)));
}

fn pem(kind: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = String::new();
    for group in der.chunks(3) {
        let word = group.iter().chain(&[0, 0]).take(3).fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        for place in 0..4 {
            let padding = place > group.len();
            digits.push(if padding { '=' } else { char::from(DIGITS[word >> (18 - 6 * place) & 63]) });
        }
    }
    let lines: Vec<&str> = (0..digits.len()).step_by(64).map(|at| &digits[at..digits.len().min(at + 64)]).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

/// `%2a` and text → bytes.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::assemble::tests::World;
    use crate::oracle::{oracle, skip};

    const EXTENSIONS: &str = "[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\n\
        [leaf]\nbasicConstraints=CA:FALSE\n[mail]\n\
        basicConstraints=critical,CA:TRUE\nextendedKeyUsage=emailProtection\n";
    const PURPOSES: [&str; 3] = ["server-auth", "email", "code-signing"];

    fn certificate(openssl: &Path, directory: &Path, name: &str, extensions: &str) -> (String, String) {
        let run = |arguments: &[&str]| {
            let output = Command::new(openssl).args(arguments).current_dir(directory).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let subject = format!("/O=Test/CN={name}");
        let pem = run(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-days",
            "3650",
            "-subj",
            &subject,
            "-config",
            "extensions",
            "-extensions",
            extensions,
        ]);
        fs::write(directory.join("one.pem"), &pem).unwrap();
        (pem, run(&["x509", "-in", "one.pem", "-noout", "-pubkey"]))
    }

    /// A certificate in OpenSSL's own form.
    fn trusted(openssl: &Path, directory: &Path, pem: &str, says: &[&str]) -> String {
        fs::write(directory.join("two.pem"), pem).unwrap();
        let mut command = Command::new(openssl);
        let output = command.args(["x509", "-in", "two.pem", "-trustout"]).args(says).current_dir(directory).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    /// The order of files in a directory is p11-kit's own.
    fn sorted(bundle: &str) -> Vec<&str> {
        let mut blocks: Vec<&str> = bundle.split("# ").map(str::trim_end).collect();
        blocks.sort_unstable();
        blocks
    }

    #[test]
    fn links_to_forms_that_are_not_made_go() {
        let mut world = World::new();
        let package = world.package("ca-certificates", &[(&format!("{}/README", SOURCES[1]), "")]);
        for (path, target) in [
            ("/etc/pki/java/cacerts", "/etc/pki/ca-trust/extracted/java/cacerts"),
            ("/etc/pki/tls/certs/ca-bundle.trust.crt", "../../ca-trust/extracted/openssl/ca-bundle.trust.crt"),
            ("/etc/pki/tls/mine", "somewhere/else"),
        ] {
            let entry = crate::package::FileEntry {
                path: TreePath::parse(path).unwrap(),
                kind: crate::package::FileKind::Symlink { target: target.into() },
                ..package.files[0].clone()
            };
            package.files.push(entry);
        }
        let tree = world.assemble().unwrap().tree;
        let there = |path: &str| tree.get(&TreePath::parse(path).unwrap()).is_some();
        assert!(!there("/etc/pki/java/cacerts") && there("/etc/pki/tls/certs/ca-bundle.trust.crt"));
        assert!(there("/etc/pki/tls/mine") && there(OPENSSL));
    }

    /// A store with every way of being trusted, and what p11-kit makes of it, where it can be asked.
    #[test]
    fn the_bundles_are_what_p11_kit_extracts() {
        let Some(openssl) = oracle("openssl") else { return };
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        fs::write(at.join("extensions"), EXTENSIONS).unwrap();
        let names = [("everything", "ca"), ("stapled", "ca"), ("bad", "ca"), ("blocked", "ca"), ("anchor", "ca")];
        let names = names.into_iter().chain([("leaf", "leaf"), ("mail", "mail"), ("neutral", "ca")]);
        let names = names.chain([("said", "ca"), ("refused", "ca")]);
        let made: BTreeMap<&str, (String, String)> =
            names.map(|(name, extensions)| (name, certificate(&openssl, at, name, extensions))).collect();
        let entry =
            |name: &str, says: &str| format!("[p11-kit-object-v1]\nlabel: \"{name}\"\n{says}{}\n", made[name].0);
        // The key usage "e-mail" as an extension that somebody else says about the key.
        let value = "0%16%06%03U%1d%25%01%01%ff%04%0c0%0a%06%08%2b%06%01%05%05%07%03%04";
        let staple = format!(
            "[p11-kit-object-v1]\nclass: x-certificate-extension\nobject-id: 2.5.29.37\nvalue: \"{value}\"\n{}\n",
            made["stapled"].1
        );
        let bundle = [
            entry("everything", "trusted: true\n"),
            entry("stapled", "trusted: true\n"),
            staple,
            entry("bad", "x-distrusted: true\n"),
            entry("blocked", "trusted: true\n"),
            entry("leaf", "trusted: true\n"),
            entry("mail", "trusted: true\n"),
            entry("neutral", ""),
        ]
        .concat();
        let said = ["-addtrust", "emailProtection", "-addreject", "serverAuth", "-setalias", "Said"];
        let said = trusted(&openssl, at, &made["said"].0, &said);
        let refused = trusted(&openssl, at, &made["refused"].0, &["-addreject", "emailProtection"]);
        let mut world = World::new();
        let (share, etc) = (SOURCES[1], SOURCES[0]);
        world.package(
            "ca-certificates",
            &[
                (&format!("{share}/ca-bundle.trust.p11-kit"), &bundle),
                (&format!("{share}/anchors/anchor.pem"), &made["anchor"].0),
                (&format!("{share}/anchors/said.pem"), &said),
                (&format!("{share}/anchors/refused.pem"), &refused),
                (&format!("{etc}/blocklist/blocked.pem"), &made["blocked"].0),
                ("/usr/share/pki/ca-trust-legacy/ca-bundle.legacy.default.crt", ""),
            ],
        );
        let tree = world.assemble().unwrap().tree;
        let ours = BUNDLES.map(|(name, _)| world.text(&tree, &format!("{EXTRACTED}/{name}")));
        let labels = |text: &str| text.lines().filter_map(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ");
        assert_eq!(labels(&ours[0]), "everything anchor");
        assert_eq!(labels(&ours[1]), "everything stapled mail anchor Said");
        assert_eq!(labels(&ours[2]), "everything anchor");

        let bundle_of_openssl = world.text(&tree, OPENSSL);
        assert_eq!(labels(&bundle_of_openssl), "blocked everything stapled bad leaf mail neutral anchor refused Said");

        let (Some(trust), Some(setpriv)) = (oracle("trust"), oracle("setpriv")) else { return };
        let source = at.join("source");
        for (path, text) in [
            ("ca-bundle.trust.p11-kit", &bundle),
            ("anchors/anchor.pem", &made["anchor"].0),
            ("anchors/said.pem", &said),
            ("anchors/refused.pem", &refused),
            ("blocklist/blocked.pem", &made["blocked"].0),
        ] {
            let path = source.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        // p11-kit lets people say where their authorities are, only not the administrator.
        let configuration = at.join(".config/pkcs11");
        fs::create_dir_all(configuration.join("modules")).unwrap();
        fs::create_dir(at.join("out")).unwrap();
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(at.join("out"), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(configuration.join("pkcs11.conf"), "user-config: merge\n").unwrap();
        let module = format!(
            "module: p11-kit-trust.so\ntrust-policy: yes\npriority: 1\nx-init-reserved: paths='{}'\n",
            source.display()
        );
        fs::write(configuration.join("modules/p11-kit-trust.module"), module).unwrap();
        if !rustix::process::geteuid().is_root() {
            return skip("becoming somebody else needs root");
        }
        let extracted = |arguments: &[&str]| {
            let out = at.join("out/bundle");
            let output = Command::new(&setpriv)
                .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
                .arg(&trust)
                .args(["extract", "--overwrite", "--comment"])
                .args(arguments)
                .arg(&out)
                .env("HOME", at)
                .env("XDG_CONFIG_HOME", at.join(".config"))
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            fs::read_to_string(out).unwrap()
        };
        for (purpose, ours) in PURPOSES.iter().zip(&ours) {
            let theirs = extracted(&["--format=pem-bundle", "--filter=ca-anchors", "--purpose", purpose]);
            assert_eq!(sorted(ours), sorted(&theirs), "{purpose}");
        }
        let theirs = extracted(&["--format=openssl-bundle", "--filter=certificates"]);
        let without_blocked = |bundle: &str| {
            sorted(bundle)
                .into_iter()
                .filter(|block| !block.starts_with("blocked"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(without_blocked(&bundle_of_openssl), without_blocked(&theirs));
    }

    #[test]
    fn damaged_certificates_are_no_authorities() {
        let der = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30];
        assert!(Certificate::parse(&der).is_none());
        assert!(element(&[0x30, 0x05, 1]).is_none() && element(&[]).is_none() && element(&[0x30, 0x80]).is_none());
        assert_eq!(unescaped("a%2a%zz%"), b"a*%zz%");
        let authority = Authority { label: None, der: der.to_vec(), trusted: true, distrusted: false };
        assert!(!serves(&authority, BUNDLES[0].1, &Stapled::default()));
        assert!(with_trust(&authority, false, &Stapled::default()).is_none());
        let mut found = (Vec::new(), Stapled::default());
        assert!(read_trusted(&der, (true, false), &mut found.0, &mut found.1).is_none());
        read(
            b"[p11-kit-object-v1]\n-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
            (true, false),
            &mut found.0,
            &mut found.1,
        );
        assert!(found.0.is_empty());
    }
}
