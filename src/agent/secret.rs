//! Values that must not be read by whoever sees a log, a status or a plan: bootstrap tokens, proxies with passwords.
//!
//! A [`Secret`] shows itself as `<secret>` however it is printed, and cannot be serialized by accident: a field that
//! has to be stored says so with `#[serde(with = "secret::exposed")]`.

use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without this secret. Of a bootstrap token (`id.secret`) the second half alone is hidden too; its id is
    /// public.
    pub fn hide_in(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        let half = self.0.split_once('.').map_or("", |(_, half)| half);
        for part in [self.0.as_str(), half] {
            if !part.is_empty() {
                hidden = hidden.replace(part, HIDDEN);
            }
        }
        hidden
    }
}

const HIDDEN: &str = "<secret>";

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// For `#[serde(with)]`: the field is written as it is.
pub mod exposed {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::agent::secret::Secret;

    pub fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_nowhere() {
        let token = Secret::new("abcdef.0123456789abcdef");
        assert_eq!(format!("{token} {token:?} {:?}", Some(&token)), "<secret> <secret> Some(<secret>)");
        let text = "token abcdef.0123456789abcdef; half 0123456789abcdef; id abcdef";
        assert_eq!(token.hide_in(text), "token <secret>; half <secret>; id abcdef");
        assert_eq!(Secret::new("").hide_in("a"), "a");
    }
}
