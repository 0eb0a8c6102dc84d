//! What `nodesmith build` signs for a recipe with `secure-boot:`, judged by `sbverify` and `openssl`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use nodesmith::base64;
use nodesmith::contract::ESP_TYPE;
use nodesmith::formats::authenticode;
use nodesmith::formats::device::Window;
use nodesmith::formats::fat;
use nodesmith::formats::gpt::{self, SECTOR};

use crate::build::{REFERENCE, nodesmith, sums, text};
use crate::secure_boot::Keys;
use crate::support::{oracle, run};

/// The quickstart, signed.
struct Signed {
    keys: Keys,
    by_key: PathBuf,
    by_command: PathBuf,
    /// What starts from elsewhere than the disk.
    elsewhere: PathBuf,
    /// What both builds said.
    said: String,
}

/// Built with the key and with a command that has it; `None` where there is nobody to make a key.
static SIGNED: LazyLock<Option<Signed>> = LazyLock::new(|| {
    let openssl = oracle("openssl")?;
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("build/signed");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(place.join("keys")).unwrap();
    let keys = Keys::new(&openssl, &place.join("keys"), "signer");
    let command = format!(
        "sign-digest: [{}, pkeyutl, -sign, -inkey, {}, -pkeyopt, \"digest:sha256\"]",
        openssl.display(),
        keys.key.display()
    );
    let mut said = String::new();
    let mut build = |name: &str, outputs: &str, signer: &str| {
        let quickstart = fs::canonicalize("tests/recipes/quickstart.yaml").unwrap();
        let recipe = place.join(format!("{name}.yaml"));
        let lines = format!(
            "nodesmith: 1\nname: quickstart\nextends: [{}]\noutputs: {outputs}\n\
             secure-boot: {{certificate: keys/signer.pem, {signer}, enroll: if-safe}}\n",
            quickstart.display()
        );
        fs::write(&recipe, lines).unwrap();
        let out = place.join(name);
        let mut command = nodesmith(recipe.to_str().unwrap(), &out, &REFERENCE.store, &REFERENCE.lock);
        // The lock is that of the image without signatures.
        let output = command.args(["--locked", "--offline", "--as-of", &REFERENCE.day]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        said += &text(&output);
        out
    };
    let key = "key: keys/signer.key";
    let (by_key, by_command) = (build("by-key", "[raw]", key), build("by-command", "[raw]", &command));
    let elsewhere = build("elsewhere", "[pxe, iso]", key);
    Some(Signed { keys, by_key, by_command, elsewhere, said })
});

fn esp(raw: &Path) -> (u64, Vec<(String, Vec<u8>)>) {
    let mut file = File::open(raw).unwrap();
    let table = gpt::read(&mut file).unwrap();
    let esp = table.partitions.iter().find(|it| it.type_guid.to_string() == ESP_TYPE).unwrap();
    let start = esp.first_lba * SECTOR;
    let window = Window::new(&file, start, (esp.last_lba + 1) * SECTOR - start);
    (start, fat::files(window, |_| true, 1 << 30).unwrap())
}

fn manifest(out: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(out.join("quickstart.manifest.json")).unwrap()).unwrap()
}

#[test]
fn sbverify_believes_every_program_on_the_esp_and_nothing_else_is_signed() {
    let (Some(signed), Some(sbverify)) = (SIGNED.as_ref(), oracle("sbverify")) else { return };
    let (_, files) = esp(&signed.by_key.join("quickstart.raw"));
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let expected = [
        "EFI/BOOT/BOOTX64.EFI",
        "EFI/Linux/quickstart+3.efi",
        "EFI/systemd/systemd-bootx64.efi",
        "loader/keys/auto/KEK.auth",
        "loader/keys/auto/PK.auth",
        "loader/keys/auto/db.auth",
        "loader/loader.conf",
    ];
    let mut sorted = paths.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program.efi");
    let (_, mut elsewhere) = esp(&signed.elsewhere.join("quickstart.iso"));
    assert_eq!(elsewhere.len(), 1);
    elsewhere.push(("netboot.efi".to_owned(), fs::read(signed.elsewhere.join("quickstart.netboot.efi")).unwrap()));
    for (path, bytes) in files.iter().chain(&elsewhere).filter(|(path, _)| path.to_lowercase().ends_with(".efi")) {
        fs::write(&program, bytes).unwrap();
        let verdict = run(Command::new(&sbverify).arg("--cert").arg(&signed.keys.certificate).arg(&program));
        assert!(verdict.contains("Signature verification OK"), "{path}: {verdict}");
        let is_kernel = path.starts_with("EFI/Linux/");
        assert!(!is_kernel || *bytes == fs::read(signed.by_key.join("quickstart.efi")).unwrap());
    }
    let content =
        |path: &str| String::from_utf8_lossy(&files.iter().find(|(it, _)| it == path).unwrap().1).into_owned();
    assert!(content("loader/loader.conf").ends_with("\nsecure-boot-enroll if-safe\n"));

    let (_, unsigned) = esp(&REFERENCE.out.join("quickstart.raw"));
    assert!(!unsigned.iter().any(|(path, _)| path.starts_with("loader/keys")));
    for (path, bytes) in unsigned.iter().filter(|(path, _)| path.to_lowercase().ends_with(".efi")) {
        assert!(authenticode::signatures(bytes).unwrap().is_empty(), "{path}");
    }
}

#[test]
fn the_bytes_are_the_same_whoever_signs_and_hold_no_key() {
    let Some(signed) = SIGNED.as_ref() else { return };
    assert_eq!(sums(&signed.by_key), sums(&signed.by_command));
    let key = fs::read_to_string(&signed.keys.key).unwrap();
    // A line from the middle: 48 bytes of the key, as text and as they are.
    let line = key.lines().nth(key.lines().count() / 2).unwrap();
    let bytes = base64::decode(line).unwrap();
    let mut looked_into = vec![signed.said.clone().into_bytes(), fs::read(&REFERENCE.lock).unwrap()];
    for out in [&signed.by_key, &signed.by_command] {
        looked_into.push(fs::read(out.join("quickstart.manifest.json")).unwrap());
        looked_into.extend(esp(&out.join("quickstart.raw")).1.into_iter().map(|(_, bytes)| bytes));
    }
    for (number, hay) in looked_into.iter().enumerate() {
        for needle in [line.as_bytes(), bytes.as_slice()] {
            assert!(!hay.windows(needle.len()).any(|window| window == needle), "number {number} has the key");
        }
    }
}

#[test]
fn the_manifest_names_the_signer_and_signing_changes_no_byte_of_the_root() {
    let (Some(signed), Some(openssl)) = (SIGNED.as_ref(), oracle("openssl")) else { return };
    let (with, without) = (manifest(&signed.by_key), manifest(&REFERENCE.out));
    let mut command = Command::new(openssl);
    command.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(&signed.keys.certificate);
    let fingerprint = run(&mut command).trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    let expected = serde_json::json!({"signer": "CN=signer", "certificate-sha256": fingerprint});
    assert_eq!((&with["secure-boot"], &without["secure-boot"]), (&expected, &serde_json::Value::Null));
    assert_eq!(with["root-hash"], without["root-hash"]);
    // What is measured is not the signature.
    assert_eq!(with["pcr-11"], without["pcr-11"]);
}

#[test]
fn inspect_names_the_signer_and_fails_for_a_program_that_was_changed() {
    let Some(signed) = SIGNED.as_ref() else { return };
    let image = signed.by_command.join("changed.raw");
    run(Command::new("cp").arg("--sparse=always").arg(signed.by_command.join("quickstart.raw")).arg(&image));
    let inspect = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nodesmith"));
        let output = command.arg("inspect").arg(&image).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = inspect(&[]);
    let certificate = manifest(&signed.by_key)["secure-boot"]["certificate-sha256"].as_str().unwrap().to_owned();
    let by = format!("signed by CN=signer, certificate sha256:{certificate}");
    for line in [
        format!("EFI/BOOT/BOOTX64.EFI: {by}: valid"),
        format!("EFI/Linux/quickstart+3.efi: {by}: valid"),
        format!("loader/keys/auto/PK.auth: 2026-01-01 00:00:00, {by}: valid"),
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    assert_eq!(code, Some(0));

    let file = File::options().read(true).write(true).open(&image).unwrap();
    let (start, _) = esp(&image);
    let mut bytes = vec![0; 128 << 20];
    file.read_exact_at(&mut bytes, start).unwrap();
    let at = bytes.windows(12).position(|window| window == b"PRETTY_NAME=").unwrap();
    file.write_all_at(b"p", start + u64::try_from(at).unwrap()).unwrap();
    let (code, text) = inspect(&[]);
    let line = format!("EFI/Linux/quickstart+3.efi: {by}: NOT VALID: it is for an image with other bytes");
    assert!(text.lines().any(|it| it == line) && text.contains(": verified\n"), "{text}");
    assert_eq!(code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&inspect(&["--json"]).1).unwrap();
    let programs = json["programs"].as_array().unwrap();
    let problems: Vec<bool> = programs.iter().map(|it| !it["signatures"][0]["problem"].is_null()).collect();
    assert_eq!(problems.iter().filter(|problem| **problem).count(), 1, "{programs:?}");
    assert_eq!(json["keys"].as_array().unwrap().len(), 3);
    fs::remove_file(&image).unwrap();
}
