//! Keys for a firmware that has none (setup mode): systemd-boot finds them on the EFI system partition and enrols them.
//!
//! `secure-boot-enroll` in `loader.conf` (loader.conf(5)) says whether it does: `if-safe`, the default from systemd 253
//! on, does it in virtual machines only, and `force` on every machine, with the keys named `auto`; else each name is an
//! entry of the boot menu. Option ROMs signed by others do not run on such a machine any more, so `force` may lock out
//! its owner.

use anyhow::Context;
use uuid::Uuid;

use super::identity::Identity;
use crate::formats::efi_signature_list;
use crate::formats::efi_variable::Variable;
use crate::formats::pkcs7::Certificates;

/// When the boot loader enrols keys, in its own words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Enroll {
    /// Never, and it is given none.
    #[default]
    Off,
    /// When somebody chooses them in its menu.
    Manual,
    /// By itself in a virtual machine, else by its menu.
    IfSafe,
    /// By itself on every machine.
    Force,
}

impl Enroll {
    pub const ALL: [Enroll; 4] = [Enroll::Off, Enroll::Manual, Enroll::IfSafe, Enroll::Force];

    pub const fn word(self) -> &'static str {
        match self {
            Enroll::Off => "off",
            Enroll::Manual => "manual",
            Enroll::IfSafe => "if-safe",
            Enroll::Force => "force",
        }
    }

    pub fn parse(word: &str) -> Option<Enroll> {
        Enroll::ALL.into_iter().find(|enroll| enroll.word() == word)
    }
}

/// A file on the EFI system partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// `loader/keys/auto/PK.auth`.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// Which keys the firmware gets. All may be one and the same.
#[derive(Debug)]
pub struct Enrolment<'a> {
    /// The platform key: signs itself and the key exchange keys.
    pub platform: &'a Identity,
    /// The key exchange key: signs `db`, now and in later updates.
    pub exchange: &'a Identity,
    /// What may be started: programs signed under one of these.
    pub trusted: &'a [Certificates],
    /// The version of the values, in seconds since 1970.
    pub epoch: i64,
}

impl Enrolment<'_> {
    /// The files of the keys with this name: `auto` is the one that systemd-boot takes by itself.
    pub fn files(&self, name: &str) -> anyhow::Result<Vec<KeyFile>> {
        // Nothing follows from the owner, but it tells these entries from those of others.
        let platform = self.platform.certificates.signer_der()?;
        let owner = Uuid::new_v5(&Uuid::NAMESPACE_OID, &platform);
        let exchange = self.exchange.certificates.signer_der()?;
        let trusted: Result<Vec<_>, _> = self.trusted.iter().map(Certificates::signer_der).collect();
        let values = [
            (Variable::PlatformKey, self.platform, vec![platform]),
            (Variable::KeyExchangeKeys, self.platform, vec![exchange]),
            (Variable::Db, self.exchange, trusted?),
        ];
        let file = |(variable, identity, certificates): (Variable, &Identity, Vec<Vec<u8>>)| {
            let value = efi_signature_list::write(owner, &certificates)?;
            let bytes = identity.sign_variable(variable, self.epoch, &value);
            let path = format!("loader/keys/{name}/{}.auth", variable.name());
            anyhow::Ok(KeyFile { path, bytes: bytes.with_context(|| format!("signing `{}`", variable.name()))? })
        };
        values.into_iter().map(file).collect()
    }
}
