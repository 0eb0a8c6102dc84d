//! Secure Boot judged by other people's tools: `sbverify`, `sbsign` and `osslsigncode` for signatures, efitools for the
//! firmware's variables, `systemd-measure` for the TPM's register, and `openssl` as a command that has the key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nodesmith::formats::authenticode;
use nodesmith::formats::efi_signature_list;
use nodesmith::formats::efi_variable::{Authenticated, Variable};
use nodesmith::formats::pcr::{self, PHASES, Pcr};
use nodesmith::formats::pe::{self, NewSection};
use nodesmith::secure_boot::{Enrolment, Identity, PemKey, SignCommand, Signer, ToSign, certificates};
use uuid::Uuid;

use crate::efi_program::tiny_efi_program;
use crate::support::{oracle, run, skip};

/// 2026-01-01 00:00:00, and as `sign-efi-sig-list` is told.
const EPOCH: i64 = 1_767_225_600;
const TIME: &str = "2026-01-01 00:00:00";

/// A key and a certificate for it that openssl made: `NAME.key`, `NAME.pem`.
pub(crate) struct Keys {
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
}

impl Keys {
    pub(crate) fn new(openssl: &Path, directory: &Path, name: &str) -> Keys {
        let (key, certificate) = (directory.join(format!("{name}.key")), directory.join(format!("{name}.pem")));
        let mut command = Command::new(openssl);
        command.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "3650",
            "-subj",
            &format!("/CN={name}"),
        ]);
        run(command.arg("-keyout").arg(&key).arg("-out").arg(&certificate));
        Keys { key, certificate }
    }

    fn identity(&self) -> Identity {
        let signer = PemKey::parse(&fs::read_to_string(&self.key).unwrap()).unwrap();
        let certificates = certificates(&fs::read_to_string(&self.certificate).unwrap()).unwrap();
        Identity { certificates, signer: Box::new(signer) }
    }
}

/// EFI programs whose ends are no multiple of 8 or are, behind the last section, and a kernel image.
fn images() -> Vec<Vec<u8>> {
    let program = tiny_efi_program();
    let sections =
        [NewSection { name: ".osrel", content: b"ID=worker\n" }, NewSection { name: ".linux", content: &[7; 5000] }];
    let uki = pe::append(&program, &sections).unwrap();
    vec![[program.as_slice(), b"abc"].concat(), program, uki]
}

/// Whether a command succeeds, and all that it says.
fn verdict(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn names(image: &[u8]) -> Vec<String> {
    let signatures = authenticode::signatures(image).unwrap();
    signatures.into_iter().map(|it| format!("{}{}", it.name, it.problem.unwrap_or_default())).collect()
}

#[test]
fn sbverify_and_osslsigncode_believe_our_signatures_and_no_changed_byte() {
    let (Some(openssl), Some(sbverify), Some(osslsigncode)) =
        (oracle("openssl"), oracle("sbverify"), oracle("osslsigncode"))
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (keys, stranger) =
        (Keys::new(&openssl, directory.path(), "db"), Keys::new(&openssl, directory.path(), "stranger"));
    let path = directory.path().join("image.efi");
    let judged = |image: &[u8], certificate: &Path| {
        fs::write(&path, image).unwrap();
        let sb = verdict(Command::new(&sbverify).arg("--cert").arg(certificate).arg(&path));
        let ossl =
            verdict(Command::new(&osslsigncode).args(["verify", "-CAfile"]).arg(certificate).arg("-in").arg(&path));
        (sb, ossl)
    };
    for image in images() {
        let signed = keys.identity().sign_image(&image).unwrap();
        let (sb, ossl) = judged(&signed, &keys.certificate);
        // It warns of what lies behind the last section, which is signed as well.
        assert!(sb.0 && sb.1.starts_with("Signature verification OK\n"), "{}", sb.1);
        assert!(ossl.0 && !ossl.1.contains("MISMATCH") && !ossl.1.contains("Warning"), "{}", ossl.1);
        let (sb, ossl) = judged(&signed, &stranger.certificate);
        assert!(!sb.0 && !ossl.0, "{}{}", sb.1, ossl.1);
        let mut changed = signed;
        changed[0x410] ^= 1;
        let (sb, ossl) = judged(&changed, &keys.certificate);
        assert!(!sb.0 && !ossl.0, "{}{}", sb.1, ossl.1);
    }
}

#[test]
fn signatures_of_other_tools_are_read_and_kept() {
    let (Some(openssl), Some(sbsign), Some(sbverify), Some(osslsigncode)) =
        (oracle("openssl"), oracle("sbsign"), oracle("sbverify"), oracle("osslsigncode"))
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let (theirs, ours) =
        (Keys::new(&openssl, directory.path(), "theirs"), Keys::new(&openssl, directory.path(), "ours"));
    for image in images() {
        fs::write(place("plain.efi"), &image).unwrap();
        let _ = fs::remove_file(place("osslsigncode.efi"));
        let mut command = Command::new(&sbsign);
        command.arg("--key").arg(&theirs.key).arg("--cert").arg(&theirs.certificate);
        run(command.arg("--output").arg(place("sbsign.efi")).arg(place("plain.efi")));
        let mut command = Command::new(&osslsigncode);
        command.args(["sign", "-h", "sha256", "-key"]).arg(&theirs.key).arg("-certs").arg(&theirs.certificate);
        run(command.arg("-in").arg(place("plain.efi")).arg("-out").arg(place("osslsigncode.efi")));
        for tool in ["sbsign.efi", "osslsigncode.efi"] {
            let signed = fs::read(place(tool)).unwrap();
            assert_eq!(names(&signed), ["CN=theirs"], "{tool}");
            let both = ours.identity().sign_image(&signed).unwrap();
            assert_eq!(names(&both), ["CN=theirs", "CN=ours"], "{tool}");
            fs::write(place("both.efi"), both).unwrap();
            for keys in [&theirs, &ours] {
                run(Command::new(&sbverify).arg("--cert").arg(&keys.certificate).arg(place("both.efi")));
            }
            let list = run(Command::new(&sbverify).arg("--list").arg(place("both.efi")));
            assert!(list.contains("/CN=theirs") && list.contains("/CN=ours"), "{list}");
        }
    }
}

#[test]
fn variables_are_the_bytes_that_efitools_write() {
    let (Some(openssl), Some(list), Some(sign)) =
        (oracle("openssl"), oracle("cert-to-efi-sig-list"), oracle("sign-efi-sig-list"))
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let [platform, exchange, db] = ["PK", "KEK", "db"].map(|name| Keys::new(&openssl, directory.path(), name));
    let identities = [&platform, &exchange, &db].map(Keys::identity);
    let trusted = [identities[2].certificates.clone(), identities[0].certificates.clone()];
    let enrolment = Enrolment { platform: &identities[0], exchange: &identities[1], trusted: &trusted, epoch: EPOCH };
    let files = enrolment.files("auto").unwrap();
    let owner = Uuid::new_v5(&Uuid::NAMESPACE_OID, &identities[0].certificates.signer_der().unwrap()).to_string();
    let wanted = [
        (Variable::PlatformKey, vec![&platform], &platform),
        (Variable::KeyExchangeKeys, vec![&exchange], &platform),
        (Variable::Db, vec![&db, &platform], &exchange),
    ];
    assert_eq!(files.len(), wanted.len());
    for (file, (variable, holds, signer)) in files.iter().zip(wanted) {
        let (lists, value) = (directory.path().join("lists"), directory.path().join("value"));
        let mut all = Vec::new();
        for keys in &holds {
            run(Command::new(&list).args(["-g", &owner]).arg(&keys.certificate).arg(&lists));
            all.extend(fs::read(&lists).unwrap());
        }
        fs::write(&lists, &all).unwrap();
        let mut command = Command::new(&sign);
        command.args(["-t", TIME, "-g", &owner, "-k"]).arg(&signer.key).arg("-c").arg(&signer.certificate);
        run(command.arg(variable.name()).arg(&lists).arg(&value));
        assert_eq!(file.path, format!("loader/keys/auto/{}.auth", variable.name()));
        assert!(file.bytes == fs::read(&value).unwrap(), "{}", file.path);

        let read = Authenticated::read(&file.bytes).unwrap();
        assert_eq!((read.time.as_str(), read.value), (TIME, all.as_slice()));
        assert_eq!(efi_signature_list::read(read.value).unwrap().len(), holds.len());
        let [by] = &read.signers(variable)[..] else { panic!("one signer") };
        assert_eq!((by.name.as_str(), &by.problem), (signer.identity().certificates.subject().as_str(), &None));
    }
}

#[test]
fn a_command_signs_as_the_key_does() {
    let Some(openssl) = oracle("openssl") else { return };
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys::new(&openssl, directory.path(), "db");
    let image = tiny_efi_program();
    let command = |to_sign, options: &[&str]| {
        let program = openssl.display().to_string();
        let key = keys.key.display().to_string();
        let mut arguments = ["pkeyutl", "-sign", "-inkey", &key].map(str::to_owned).to_vec();
        arguments.extend(options.iter().map(|option| (*option).to_owned()));
        SignCommand { program, arguments, to_sign }
    };
    let sign = |signer: Box<dyn Signer>| Identity { signer, ..keys.identity() }.sign_image(&image);
    let expected = keys.identity().sign_image(&image).unwrap();
    for command in [
        command(ToSign::Digest, &["-pkeyopt", "digest:sha256"]),
        command(ToSign::DigestInfo, &["-pkeyopt", "rsa_padding_mode:pkcs1"]),
    ] {
        assert!(sign(Box::new(command)).unwrap() == expected);
    }
    let error = |signer: SignCommand| format!("{:#}", sign(Box::new(signer)).unwrap_err());
    let wrong = error(command(ToSign::Digest, &["-pkeyopt", "rsa_padding_mode:pkcs1"]));
    assert_eq!(wrong, "signing: the signature was not made with the key of certificate `CN=db`");
    let program = |program: &str| SignCommand { program: program.into(), arguments: vec![], to_sign: ToSign::Digest };
    assert_eq!(error(program("/bin/false")), "signing with `/bin/false`: it ended with exit status: 1");
    assert!(error(program("/bin/true")).contains("was not made with the key"));
    assert!(error(program("/nonexistent")).contains("signing with `/nonexistent`: No such file"));
}

#[test]
fn systemd_measure_expects_the_same_register() {
    let inside = PathBuf::from("/usr/lib/systemd/systemd-measure");
    let measure = if inside.is_file() { Some(inside) } else { oracle("systemd-measure") };
    let Some(measure) = measure else { return };
    // `systemd 252 (252.39-1~deb12u2)`.
    let version = run(Command::new(&measure).arg("--version"));
    let version: u32 = version.split_whitespace().nth(1).unwrap().parse().unwrap();
    if version > 260 {
        return skip(&format!("systemd-measure {version} measures what is not known here"));
    }
    let magic = format!("#### LoaderInfo: systemd-stub {version} ####\0");
    let mut sections: Vec<(&str, &[u8])> = vec![
        (".sdmagic", magic.as_bytes()),
        (".pcrpkey", b"-----BEGIN PUBLIC KEY-----\n"),
        (".osrel", b"ID=worker\n"),
        (".cmdline", b"console=ttyS0 roothash=00"),
        (".initrd", &[1; 12345]),
        (".linux", &[7; 54321]),
        (".dtb", b"tree"),
        (".splash", b"picture"),
    ];
    if version >= 254 {
        sections.extend([(".uname", b"6.12.1".as_slice()), (".sbat", b"sbat,1")]);
    }
    if version >= 256 {
        sections.push((".ucode", b"microcode"));
    }
    let new: Vec<_> = sections.iter().map(|(name, content)| NewSection { name, content }).collect();
    let uki = pe::append(&tiny_efi_program(), &new).unwrap();

    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(&measure);
    command.args(["calculate", "--bank=sha256", "--json=short"]);
    for (name, content) in sections.iter().filter(|(name, _)| *name != ".sdmagic") {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        command.arg(format!("--{}={}", name.trim_start_matches('.'), path.display()));
    }
    let phases: Vec<String> = (0..=PHASES.len()).map(|count| PHASES[..count].join(":")).collect();
    command.args(phases.iter().map(|phases| format!("--phase={phases}")));
    let answer: serde_json::Value = serde_json::from_str(&run(&mut command)).unwrap();
    let found: Vec<(&str, &str)> = answer["sha256"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| (value["phase"].as_str().unwrap_or_default(), value["hash"].as_str().unwrap()))
        .collect();
    let register = pcr::kernel_image(&uki).unwrap();
    let after = |count: usize| -> Pcr { register.after(PHASES.into_iter().take(count)) };
    let expected: Vec<(&str, String)> =
        phases.iter().enumerate().map(|(count, phases)| (phases.as_str(), after(count).0.to_string())).collect();
    let expected: Vec<(&str, &str)> = expected.iter().map(|(phases, value)| (*phases, value.as_str())).collect();
    assert_eq!(found, expected);
}
