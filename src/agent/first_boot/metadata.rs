//! Metadata as texts, whoever brought them: `source/` finds them, `documents/` reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diag::{Diagnostic, Diagnostics, Source};

pub const META_DATA: &str = "meta-data";
pub const USER_DATA: &str = "user-data";
pub const NETWORK_CONFIG: &str = "network-config";

/// Larger than any metadata of a node; cloud-init's own sources stop at 16 KiB to 1 MiB.
pub const MAX_TEXT_BYTES: u64 = 4 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    pub origin: Origin,
    /// By the names of `documents/`; a missing one is missing here.
    pub texts: BTreeMap<&'static str, Arc<Source>>,
}

/// Where metadata is from. Its form in JSON is [`crate::contract::APPLIED_FROM`]'s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// For messages: `/dev/vdb (vfat)`, `http://10.0.0.1/metadata/7/`.
    #[serde(rename = "origin")]
    pub name: String,
    /// Where its device hangs in the machine, the address it was fetched from, or what else stays the same over boots;
    /// empty if there is no such place.
    pub place: String,
}

impl Origin {
    /// Without a place.
    pub fn named(name: impl Into<String>) -> Origin {
        Origin { name: name.into(), place: String::new() }
    }

    /// As sentences call it.
    pub fn noun(&self) -> String {
        format!("the metadata on {}", self.name)
    }
}

/// One of the texts, from its bytes. `origin` is for messages.
///
/// # Errors
/// It is too large or not UTF-8.
pub fn text(name: &str, bytes: Vec<u8>, origin: &str) -> Result<Arc<Source>, Diagnostics> {
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        let title = format!("{name} of {origin} is larger than {} MiB", MAX_TEXT_BYTES >> 20);
        return Err(Diagnostic::new("metadata-size", title).into());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let title = format!("{name} of {origin} is not UTF-8 (byte {at})");
        Diagnostics::from(Diagnostic::new("metadata-text", title).help("compressed user-data is not read"))
    })?;
    // Editors of one system put a mark before UTF-8 that is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // Tokens, passwords, keys: people put them into any of the texts.
    Ok(Source::secret(name, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_a_mistake() {
        let mistakes = text(USER_DATA, vec![0x1f, 0x8b, 8], "test").unwrap_err();
        assert_eq!((mistakes.0.len(), mistakes.0[0].slug), (1, "metadata-text"));
        assert!(text(USER_DATA, b"a".to_vec(), "test").unwrap().is_secret);
        let most = usize::try_from(MAX_TEXT_BYTES).unwrap();
        text(USER_DATA, vec![b'x'; most], "test").unwrap();
        assert_eq!(text(USER_DATA, vec![b'x'; most + 1], "test").unwrap_err().0[0].slug, "metadata-size");
    }

    #[test]
    fn an_origin_is_kept_in_its_contracts_form() {
        let origin = Origin { name: "/dev/vdb (vfat)".to_owned(), place: "pci0000:00/1".to_owned() };
        let kept = serde_json::to_string(&origin).unwrap();
        assert_eq!(kept, r#"{"origin":"/dev/vdb (vfat)","place":"pci0000:00/1"}"#);
        assert_eq!(serde_json::from_str::<Origin>(&kept).unwrap(), origin);
    }
}
