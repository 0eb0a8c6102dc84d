//! Signed values of Secure Boot's variables (UEFI specification, 8.2.6, `EFI_VARIABLE_AUTHENTICATION_2`): the files
//! `PK.auth`, `KEK.auth` and `db.auth`, which systemd-boot enrols from `loader/keys/NAME`.
//!
//! A value is a signature list with a time and a signature before it, over the variable's name as well. The firmware
//! takes no value that is older than what it has, so the time is a version. Oracle: `sign-efi-sig-list`.

use std::fmt;

use chrono::{DateTime, Datelike, Timelike};
use uuid::Uuid;

use super::pkcs7::{self, Certificates, Pkcs7Error, Signed, Signer};
use crate::tree::Digest;

/// `EFI_GLOBAL_VARIABLE`, and `EFI_IMAGE_SECURITY_DATABASE_GUID`.
const GLOBAL: Uuid = Uuid::from_u128(0x8be4df61_93ca_11d2_aa0d_00e098032b8c);
const SECURITY_DATABASE: Uuid = Uuid::from_u128(0xd719b2cb_3d3a_4596_a3bc_dad00e67656f);
/// `EFI_CERT_TYPE_PKCS7_GUID`.
const PKCS7: Uuid = Uuid::from_u128(0x4aafd29d_68df_49ee_8aa9_347d375665a7);
/// `EFI_VARIABLE_NON_VOLATILE`, `_BOOTSERVICE_ACCESS`, `_RUNTIME_ACCESS`, `_TIME_BASED_AUTHENTICATED_WRITE_ACCESS`.
const ATTRIBUTES: u32 = 0x27;
/// `wRevision` and `wCertificateType` (`WIN_CERT_TYPE_EFI_GUID`).
const CERTIFICATE_KIND: [u8; 4] = [0x00, 0x02, 0xf1, 0x0e];
/// Bytes of a time, and of the `WIN_CERTIFICATE_UEFI_GUID` after it.
const TIME: usize = 16;
const CERTIFICATE_HEADER: usize = 24;
/// First and last second of the years that EFI can say: 1900 to 9999.
const FIRST: i64 = -2_208_988_800;
const LAST: i64 = 253_402_300_799;

/// A variable that decides what the firmware starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// The platform key: whoever has it may change `KEK`. With it, the firmware leaves its setup mode.
    PlatformKey,
    /// Keys of those who may change `Db` and `Dbx`.
    KeyExchangeKeys,
    /// What may be started.
    Db,
    /// What may not, although `Db` says so.
    Dbx,
}

impl Variable {
    pub const ALL: [Variable; 4] = [Variable::PlatformKey, Variable::KeyExchangeKeys, Variable::Db, Variable::Dbx];

    /// The variable's name, and that of its file.
    pub fn name(self) -> &'static str {
        match self {
            Variable::PlatformKey => "PK",
            Variable::KeyExchangeKeys => "KEK",
            Variable::Db => "db",
            Variable::Dbx => "dbx",
        }
    }

    fn vendor(self) -> Uuid {
        match self {
            Variable::PlatformKey | Variable::KeyExchangeKeys => GLOBAL,
            Variable::Db | Variable::Dbx => SECURITY_DATABASE,
        }
    }
}

/// Why a value cannot be signed or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableError {
    Layout { offset: usize, problem: &'static str },
    Signature(Pkcs7Error),
}

impl fmt::Display for VariableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VariableError::Layout { offset, problem } => write!(f, "signed EFI variable: offset {offset}: {problem}"),
            VariableError::Signature(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for VariableError {}

impl From<Pkcs7Error> for VariableError {
    fn from(error: Pkcs7Error) -> VariableError {
        VariableError::Signature(error)
    }
}

/// A variable's value that lacks only its signature.
#[derive(Debug, Clone)]
pub struct Unsigned<'a> {
    time: [u8; TIME],
    value: &'a [u8],
    signature: pkcs7::Unsigned,
}

impl<'a> Unsigned<'a> {
    /// `epoch` is the time that counts as the value's version, in seconds since 1970.
    pub fn new(
        variable: Variable,
        epoch: i64,
        value: &'a [u8],
        certificates: &Certificates,
    ) -> Result<Unsigned<'a>, VariableError> {
        let time = efi_time(epoch);
        let signature = pkcs7::Unsigned::detached(&signed(variable, &time, value), certificates)?;
        Ok(Unsigned { time, value, signature })
    }

    /// What the key is to sign, by RSASSA-PKCS1-v1_5 with SHA-256.
    pub fn digest(&self) -> Digest {
        self.signature.digest()
    }

    /// The `.auth` file.
    ///
    /// # Errors
    /// The signature is not by the key of the certificate.
    pub fn finish(self, signature: &[u8]) -> Result<Vec<u8>, VariableError> {
        // Without a ContentInfo around it: old firmware takes nothing else.
        let signature = self.signature.finish(signature)?;
        let too_large = VariableError::Layout { offset: TIME, problem: "the signature is too large" };
        let length = u32::try_from(CERTIFICATE_HEADER + signature.len()).map_err(|_| too_large)?;
        let (length, kind) = (length.to_le_bytes(), PKCS7.to_bytes_le());
        Ok([&self.time, &length[..], &CERTIFICATE_KIND, &kind, &signature, self.value].concat())
    }
}

/// A signed value as read.
#[derive(Debug, Clone)]
pub struct Authenticated<'a> {
    /// `2026-01-01 00:00:00`, as the firmware compares it.
    pub time: String,
    /// The signature list.
    pub value: &'a [u8],
    raw_time: [u8; TIME],
    signed: Signed,
}

impl<'a> Authenticated<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Authenticated<'a>, VariableError> {
        let bad = |offset, problem| VariableError::Layout { offset, problem };
        let (time, rest) = bytes.split_first_chunk::<TIME>().ok_or(bad(0, "the time is cut"))?;
        let (length, kind) = rest.split_first_chunk().ok_or(bad(TIME, "the signature's header is cut"))?;
        if !kind.starts_with(&[&CERTIFICATE_KIND[..], &PKCS7.to_bytes_le()].concat()) {
            return Err(bad(TIME, "the signature is not PKCS#7"));
        }
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let cut = bad(TIME, "the signature is cut");
        let (signature, value) = rest.split_at_checked(length).ok_or(cut.clone())?;
        let signed = Signed::read(signature.get(CERTIFICATE_HEADER..).ok_or(cut)?)?;
        let year = u16::from_le_bytes([time[0], time[1]]);
        let [_, _, month, day, hour, minute, second, ..] = time;
        let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
        Ok(Authenticated { time: text, value, raw_time: *time, signed })
    }

    /// Who signed it as the value of this variable.
    pub fn signers(&self, variable: Variable) -> Vec<Signer> {
        self.signed.signers_of(&signed(variable, &self.raw_time, self.value))
    }
}

/// The digest of what is signed: the variable with the value that it is to get, but not the signature.
fn signed(variable: Variable, time: &[u8; TIME], value: &[u8]) -> Digest {
    let name: Vec<u8> = variable.name().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (vendor, attributes) = (variable.vendor().to_bytes_le(), ATTRIBUTES.to_le_bytes());
    Digest::of([&name, &vendor[..], &attributes, time, value].concat())
}

/// `EFI_TIME`, without a time zone and fractions of a second: the firmware takes no signature with them.
fn efi_time(epoch: i64) -> [u8; TIME] {
    let date = DateTime::from_timestamp(epoch.clamp(FIRST, LAST), 0).unwrap_or_default();
    let [low, high] = u16::try_from(date.year()).unwrap_or_default().to_le_bytes();
    let part = |value: u32| u8::try_from(value).unwrap_or_default();
    let (month, day) = (part(date.month()), part(date.day()));
    let (hour, minute, second) = (part(date.hour()), part(date.minute()), part(date.second()));
    [low, high, month, day, hour, minute, second, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::pkcs7::testkey::TestKey;
    use proptest::prelude::*;

    fn sign(variable: Variable, epoch: i64, value: &[u8]) -> Vec<u8> {
        let key = TestKey::new(1);
        let unsigned = Unsigned::new(variable, epoch, value, &key.certificates().unwrap()).unwrap();
        let signature = key.sign(&unsigned.digest());
        unsigned.finish(&signature).unwrap()
    }

    #[test]
    fn a_value_is_signed_for_one_variable_and_time() {
        let bytes = sign(Variable::Db, 1_767_225_600, b"list");
        let mut read = Authenticated::read(&bytes).unwrap();
        assert_eq!((read.time.as_str(), read.value), ("2026-01-01 00:00:00", b"list".as_slice()));
        let good = |read: &Authenticated<'_>, variable| read.signers(variable)[0].problem.is_none();
        assert!(good(&read, Variable::Db));
        assert!(!good(&read, Variable::Dbx) && !good(&read, Variable::KeyExchangeKeys));
        read.raw_time[3] = 2;
        assert!(!good(&read, Variable::Db));
        read = Authenticated { value: b"lisp", ..Authenticated::read(&bytes).unwrap() };
        assert!(!good(&read, Variable::Db));
    }

    #[test]
    fn times_are_those_that_efi_can_say() {
        for (epoch, time) in [
            (0, "1970-01-01 00:00:00"),
            (1_767_225_599, "2025-12-31 23:59:59"),
            (i64::MIN, "1900-01-01 00:00:00"),
            (i64::MAX, "9999-12-31 23:59:59"),
        ] {
            let bytes = sign(Variable::PlatformKey, epoch, b"");
            assert_eq!(Authenticated::read(&bytes).unwrap().time, time);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_damaged_file_is_an_error_and_no_panic(at in 0usize..300, byte in any::<u8>(), cut in 0usize..1500) {
            let mut bytes = sign(Variable::Db, 0, b"list");
            bytes[at] = byte;
            bytes.truncate(cut);
            if let Ok(read) = Authenticated::read(&bytes) {
                let _ = read.signers(Variable::Db);
            }
        }
    }
}
