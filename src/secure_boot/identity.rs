//! A signer with its certificates.

use anyhow::Context;

use super::signer::Signer;
use crate::formats::authenticode;
use crate::formats::efi_variable::{self, Variable};
use crate::formats::pkcs7::Certificates;

/// Whose signatures these are.
#[derive(Debug)]
pub struct Identity {
    pub certificates: Certificates,
    pub signer: Box<dyn Signer>,
}

impl Identity {
    /// An EFI program with a signature behind those that it had.
    pub fn sign_image(&self, image: &[u8]) -> anyhow::Result<Vec<u8>> {
        let unsigned = authenticode::Unsigned::new(image, &self.certificates)?;
        let signature = self.signer.sign(&unsigned.digest())?;
        unsigned.finish(&signature).context("signing")
    }

    /// A new value for a variable of Secure Boot. `epoch` (seconds since 1970) is its version: the firmware takes no
    /// older value than it has.
    pub fn sign_variable(&self, variable: Variable, epoch: i64, value: &[u8]) -> anyhow::Result<Vec<u8>> {
        let unsigned = efi_variable::Unsigned::new(variable, epoch, value, &self.certificates)?;
        let signature = self.signer.sign(&unsigned.digest())?;
        unsigned.finish(&signature).context("signing")
    }
}
