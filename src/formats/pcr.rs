//! Measured boot: what systemd-stub leaves in PCR 11 of a TPM when it starts a unified kernel image, in the bank of
//! SHA-256, and what the phases of the boot make of it.
//!
//! A register is only ever extended: its new value is the digest of the old one and of the digest of what is measured.
//! So the value can be told before the boot, and a secret bound to it opens for this image alone. Which sections are
//! measured depends on the stub, which names its version in `.sdmagic`. Oracles: `systemd-measure calculate`, and a TPM
//! (`boot::secure_boot`).

use std::fmt;

use super::pe::{self, PeError};
use crate::tree::Digest;

/// What systemd measures into PCR 11 while a node starts, in this order, if its units `systemd-pcrphase*` are there:
/// the first two in the initrd.
pub const PHASES: [&str; 4] = ["enter-initrd", "leave-initrd", "sysinit", "ready"];

/// Sections in the order of their measurement, and the version of the stub that measured it first. `.pcrsig`, which
/// signs the result, is not measured.
const SECTIONS: &[(&str, u32)] = &[
    (".linux", 252),
    (".osrel", 252),
    (".cmdline", 252),
    (".initrd", 252),
    (".ucode", 256),
    (".splash", 252),
    (".dtb", 252),
    (".uname", 254),
    (".sbat", 254),
    (".pcrpkey", 252),
];
/// Versions of the stub that measure these. Before 252 the sections went to another register, and 261 measures a
/// separator and parts of SMBIOS besides.
const STUBS: std::ops::RangeInclusive<u32> = 252..=260;
/// With one of these the stub chooses at boot what it measures.
const CHOSEN_AT_BOOT: &[&str] = &[".profile", ".dtbauto", ".hwids", ".efifw"];

/// Why the register's value cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PcrError {
    Pe(PeError),
    /// There is no `.sdmagic` with a version that is known; what it says.
    UnknownStub(String),
    /// The stub decides at boot, by this section.
    ChosenAtBoot(&'static str),
}

impl fmt::Display for PcrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PcrError::Pe(error) => error.fmt(f),
            PcrError::UnknownStub(magic) => {
                let (first, last) = (STUBS.start(), STUBS.end());
                write!(
                    f,
                    "what the EFI stub measures is known of systemd-stub {first} to {last}, and this is `{magic}`"
                )
            }
            PcrError::ChosenAtBoot(section) => {
                write!(f, "the EFI stub decides by `{section}` at boot what it measures")
            }
        }
    }
}

impl std::error::Error for PcrError {}

impl From<PeError> for PcrError {
    fn from(error: PeError) -> PcrError {
        PcrError::Pe(error)
    }
}

/// The value of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pcr(pub Digest);

impl Pcr {
    /// A register after a reset.
    pub const ZERO: Pcr = Pcr(Digest([0; 32]));

    /// The value after something was measured.
    pub fn extended(self, measured: &[u8]) -> Pcr {
        Pcr(Digest::of([self.0.0, Digest::of(measured).0].concat()))
    }

    /// The value after these phases.
    pub fn after<'a>(self, phases: impl IntoIterator<Item = &'a str>) -> Pcr {
        phases.into_iter().fold(self, |register, phase| register.extended(phase.as_bytes()))
    }
}

/// PCR 11 when systemd-stub has given control to the kernel of this unified kernel image.
///
/// # Errors
/// The image is no PE image, its stub is not known, or leaves a choice for the boot.
pub fn kernel_image(uki: &[u8]) -> Result<Pcr, PcrError> {
    let version = stub_version(uki)?;
    let sections = pe::sections(uki)?;
    let has = |name: &str| sections.iter().any(|section| section.name == name);
    if let Some(section) = CHOSEN_AT_BOOT.iter().find(|name| has(name)) {
        return Err(PcrError::ChosenAtBoot(section));
    }
    let mut register = Pcr::ZERO;
    for (name, _) in SECTIONS.iter().filter(|(_, since)| *since <= version) {
        // A section without content is as good as none to the stub.
        if let Some(content) = pe::content(uki, name)?.filter(|content| !content.is_empty()) {
            register = register.extended(format!("{name}\0").as_bytes()).extended(content);
        }
    }
    Ok(register)
}

/// From `#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####`.
fn stub_version(uki: &[u8]) -> Result<u32, PcrError> {
    let magic = pe::content(uki, ".sdmagic")?.unwrap_or_default();
    let text = String::from_utf8_lossy(magic);
    let text = text.trim_matches(['#', ' ', '\0']);
    let version = text.strip_prefix("LoaderInfo: systemd-stub ").and_then(|version| {
        let end = version.find(|character: char| !character.is_ascii_digit()).unwrap_or(version.len());
        version[..end].parse().ok().filter(|version| STUBS.contains(version))
    });
    version.ok_or_else(|| PcrError::UnknownStub(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::pe::NewSection;
    use crate::formats::pe::tests::stub;

    /// A kernel image by a stub of this version, with these sections.
    fn uki(version: &str, sections: &[(&str, &[u8])]) -> Vec<u8> {
        // The stub of the tests has an empty `.sdmagic`, which cannot be filled.
        let stub = stub(0x400);
        let at = stub.windows(8).position(|window| window == b".sdmagic").unwrap();
        let mut stub = stub;
        stub[at..at + 8].copy_from_slice(b".rodata\0");
        let magic = format!("#### LoaderInfo: systemd-stub {version} ####\0");
        let all = [&[(".sdmagic", magic.as_bytes())], sections].concat();
        let all: Vec<_> = all.into_iter().map(|(name, content)| NewSection { name, content }).collect();
        pe::append(&stub, &all).unwrap()
    }

    /// The value after these were measured, each a name and its content.
    fn measured(sections: &[(&str, &[u8])]) -> Pcr {
        sections.iter().fold(Pcr::ZERO, |register, (name, content)| {
            register.extended(&[name.as_bytes(), b"\0"].concat()).extended(content)
        })
    }

    #[test]
    fn sections_are_measured_in_the_order_of_the_stub_and_not_of_the_file() {
        let [linux, osrel, uname]: [(&str, &[u8]); 3] =
            [(".linux", b"kernel"), (".osrel", b"ID=worker"), (".uname", b"6.12")];
        let others: [(&str, &[u8]); 2] = [(".cmdline", b""), (".pcrsig", b"{}")];
        let sections = [&[uname, osrel][..], &others, &[linux]].concat();
        let register = |version| kernel_image(&uki(version, &sections)).unwrap();
        assert_eq!(register("257.13-1~deb13u1"), measured(&[linux, osrel, uname]));
        assert_eq!(register("252.39"), measured(&[linux, osrel]));
        assert_eq!(register("253"), measured(&[linux, osrel]));
    }

    #[test]
    fn phases_extend_the_register() {
        let register = Pcr::ZERO.after(PHASES);
        assert_eq!(register, PHASES.iter().fold(Pcr::ZERO, |register, phase| register.extended(phase.as_bytes())));
        assert_ne!(register, Pcr::ZERO.after(PHASES.into_iter().rev()));
    }

    #[test]
    fn a_value_that_cannot_be_known_is_not_told() {
        let error =
            |version, sections: &[(&str, &[u8])]| kernel_image(&uki(version, sections)).unwrap_err().to_string();
        assert_eq!(
            error("261", &[]),
            "what the EFI stub measures is known of systemd-stub 252 to 260, and this is `LoaderInfo: systemd-stub 261`"
        );
        assert!(error("next", &[]).contains("systemd-stub next"));
        assert_eq!(
            error("257", &[(".profile", b"ID=a")]),
            "the EFI stub decides by `.profile` at boot what it measures"
        );
        assert!(matches!(kernel_image(&stub(0x400)), Err(PcrError::UnknownStub(_))));
        assert!(matches!(kernel_image(b"MZ"), Err(PcrError::Pe(_))));
    }
}
