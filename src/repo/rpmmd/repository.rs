//! A repository as the recipe has it.

use super::mirrors::Mirrors;
use crate::trust::Keyring;

/// A repository as the recipe names it.
#[derive(Debug, Clone, Copy)]
pub struct Repository<'a> {
    /// Name in the recipe.
    pub name: &'a str,
    pub mirrors: &'a Mirrors,
    /// The image's architecture, as RPM names it: `x86_64`.
    pub arch: &'a str,
    /// The key that has to have signed `repomd.xml`; nothing if signatures of packages are enough.
    pub metadata_key: Option<&'a Keyring>,
}
