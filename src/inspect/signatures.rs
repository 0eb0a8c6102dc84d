//! What firmware with Secure Boot looks at: who signed a program, and the keys that wait on an ESP to be enrolled.

use serde::Serialize;

use crate::bounded::quote;
use crate::formats::authenticode;
use crate::formats::efi_signature_list;
use crate::formats::efi_variable::{Authenticated, Variable};
use crate::formats::pkcs7::Signer;
use crate::tree::Digest;

/// The signatures of an EFI program.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Signatures {
    Read(Vec<Signature>),
    /// Firmware does not start it either.
    Unreadable {
        error: String,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signature {
    /// Subject of the certificate.
    pub signer: String,
    /// Of the certificate's DER.
    pub certificate_sha256: Option<Digest>,
    /// Why it does not prove that the signer signed this.
    pub problem: Option<String>,
}

/// A program on an ESP.
#[derive(Debug, Serialize)]
pub struct Program {
    pub path: String,
    pub signatures: Signatures,
}

/// The value of a variable of the firmware, on an ESP.
#[derive(Debug, Serialize)]
pub struct KeyFile {
    pub path: String,
    #[serde(flatten)]
    pub value: Keys,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Keys {
    Read {
        /// Its version, as a time.
        time: String,
        signatures: Vec<Signature>,
        /// What it holds, an entry each.
        entries: Vec<String>,
    },
    Unreadable {
        error: String,
    },
}

/// Whether this path on an ESP is that of a program.
pub(super) fn is_program(path: &str) -> bool {
    path.to_ascii_lowercase().ends_with(".efi")
}

/// Whether this path on an ESP is that of a variable's value, as systemd-boot enrols it.
pub(super) fn is_key(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.starts_with("loader/keys/") && path.ends_with(".auth")
}

impl Signatures {
    pub(super) fn of(program: &[u8]) -> Signatures {
        match authenticode::signatures(program) {
            Ok(signers) => Signatures::Read(signers.into_iter().map(Signature::from).collect()),
            Err(error) => Signatures::Unreadable { error: error.to_string() },
        }
    }

    /// Of several signatures firmware needs one; what has none was not changed since, as far as anybody knows.
    pub(super) fn are_sound(&self) -> bool {
        match self {
            Signatures::Read(signatures) => {
                signatures.is_empty() || signatures.iter().any(|signature| signature.problem.is_none())
            }
            Signatures::Unreadable { .. } => true,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Signatures::Read(signatures) if signatures.is_empty() => "not signed".to_owned(),
            Signatures::Read(signatures) => texts(signatures),
            Signatures::Unreadable { error } => format!("signatures not read: {error}"),
        }
    }
}

impl From<Signer> for Signature {
    /// The names are other people's.
    fn from(Signer { name, certificate, problem }: Signer) -> Signature {
        Signature { signer: quote(&name), certificate_sha256: certificate, problem: problem.as_deref().map(quote) }
    }
}

impl Program {
    pub(super) fn of(path: &str, bytes: &[u8]) -> Program {
        Program { path: path.to_owned(), signatures: Signatures::of(bytes) }
    }
}

impl KeyFile {
    pub(super) fn of(path: &str, bytes: &[u8]) -> KeyFile {
        let value = keys(path, bytes).unwrap_or_else(|error| Keys::Unreadable { error });
        KeyFile { path: path.to_owned(), value }
    }

    pub(super) fn text(&self) -> String {
        match &self.value {
            Keys::Read { time, signatures, entries } => {
                let entries: String = entries.iter().map(|entry| format!("\n  {entry}")).collect();
                format!("{time}, {}{entries}\n", texts(signatures))
            }
            Keys::Unreadable { error } => format!("{error}\n"),
        }
    }
}

/// Which variable it is for is in the file's name, and in what is signed.
fn keys(path: &str, bytes: &[u8]) -> Result<Keys, String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let variable =
        Variable::ALL.into_iter().find(|variable| name.eq_ignore_ascii_case(&format!("{}.auth", variable.name())));
    let variable = variable.ok_or("not the name of a variable of Secure Boot")?;
    let value = Authenticated::read(bytes).map_err(|error| error.to_string())?;
    let entries = efi_signature_list::dump(value.value).map_err(|error| error.to_string())?;
    Ok(Keys::Read {
        signatures: value.signers(variable).into_iter().map(Signature::from).collect(),
        entries: entries.lines().map(str::to_owned).collect(),
        time: value.time,
    })
}

fn texts(signatures: &[Signature]) -> String {
    let text = |Signature { signer, certificate_sha256, problem }: &Signature| {
        let certificate = certificate_sha256.map(|digest| format!(", certificate sha256:{digest}")).unwrap_or_default();
        let verdict = problem.as_ref().map_or("valid".to_owned(), |problem| format!("NOT VALID: {problem}"));
        format!("signed by {signer}{certificate}: {verdict}")
    };
    signatures.iter().map(text).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::efi_variable;
    use crate::formats::pe::tests::stub;
    use crate::formats::pkcs7::testkey::TestKey;

    fn signed(number: u64, program: &[u8]) -> Vec<u8> {
        let key = TestKey::new(number);
        let unsigned = authenticode::Unsigned::new(program, &key.certificates().unwrap()).unwrap();
        let signature = key.sign(&unsigned.digest());
        unsigned.finish(&signature).unwrap()
    }

    #[test]
    fn a_program_tells_its_signers_and_that_it_was_changed() {
        let program = stub(0x400);
        let by = |number| {
            format!(
                "signed by CN=Test key {number}, certificate sha256:{}",
                Digest::of(&TestKey::new(number).certificate)
            )
        };
        let told = |program: &[u8]| {
            let signatures = Signatures::of(program);
            (signatures.text(), signatures.are_sound())
        };
        assert_eq!(told(&program), ("not signed".to_owned(), true));
        let mut twice = signed(2, &signed(1, &program));
        assert_eq!(told(&twice), (format!("{}: valid; {}: valid", by(1), by(2)), true));
        twice[0x410] ^= 1;
        let problem = "NOT VALID: it is for an image with other bytes";
        assert_eq!(told(&twice), (format!("{}: {problem}; {}: {problem}", by(1), by(2)), false));
        assert_eq!(told(b"MZ").0.split(": ").next(), Some("signatures not read"));
        assert_eq!(serde_json::to_value(Signatures::of(&twice)).unwrap()[0]["signer"], "CN=Test key 1");
    }

    #[test]
    fn keys_tell_what_they_hold_and_for_which_variable_they_were_signed() {
        let key = TestKey::new(1);
        let list = efi_signature_list::write(uuid::Uuid::nil(), std::slice::from_ref(&key.certificate)).unwrap();
        let unsigned = efi_variable::Unsigned::new(Variable::Db, 0, &list, &key.certificates().unwrap()).unwrap();
        let signature = key.sign(&unsigned.digest());
        let file = unsigned.finish(&signature).unwrap();
        let told = |path: &str, bytes: &[u8]| KeyFile::of(path, bytes).text();
        let digest = Digest::of(&key.certificate);
        let text = told("loader/keys/auto/db.auth", &file);
        let expected = format!(
            "1970-01-01 00:00:00, signed by CN=Test key 1, certificate sha256:{digest}: valid\n  certificate sha256:{digest} "
        );
        assert!(text.starts_with(&expected), "{text}");
        assert!(told("loader/keys/auto/KEK.AUTH", &file).contains(": NOT VALID: "));
        assert_eq!(told("loader/keys/auto/x.auth", &file), "not the name of a variable of Secure Boot\n");
        assert_eq!(told("loader/keys/auto/PK.auth", b""), "signed EFI variable: offset 0: the time is cut\n");
    }
}
