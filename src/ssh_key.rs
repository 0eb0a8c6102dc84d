//! A line of `authorized_keys`, checked: a wrong paste must show in the boot's messages, not as a refused login.

use crate::base64;

/// Key types that OpenSSH 9 accepts (`ssh -Q key-sig`, without certificates).
const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// The line without surrounding blanks, if it holds a public key (options before the type are allowed).
///
/// # Errors
/// Why it does not.
pub fn check(text: &str) -> Result<String, String> {
    let line = text.trim();
    if line.is_empty() {
        return Err("it is empty".to_owned());
    }
    if line.contains(['\n', '\r', '\0']) {
        return Err("it is more than one line".to_owned());
    }
    if line.contains("PRIVATE KEY") {
        return Err("it is a private key: take the `.pub` file, and make a new key".to_owned());
    }
    let mut words = line.split_ascii_whitespace();
    let Some(kind) = words.find(|word| TYPES.contains(word)) else {
        return Err(format!("it names no key type ({})", TYPES.join(", ")));
    };
    let blob = base64::decode(words.next().unwrap_or_default()).map_err(|why| format!("after `{kind}`, {why}"))?;
    // The blob starts with the length and name of its type (RFC 4253, section 6.6).
    let length = u32::try_from(kind.len()).unwrap_or(u32::MAX).to_be_bytes();
    if blob.len() < 4 + kind.len() + 4 || blob[..4] != length || blob[4..4 + kind.len()] != *kind.as_bytes() {
        return Err(format!("what follows `{kind}` is not such a key, or it was cut"));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f someone@example";

    #[test]
    fn a_key_with_and_without_options_is_taken() {
        assert_eq!(check(&format!("  {KEY}\n")).unwrap(), KEY);
        assert!(check(&format!("restrict,from=\"10.0.0.0/8\" {KEY}")).is_ok());
    }

    #[test]
    fn what_is_not_a_key_says_why() {
        for (text, expected) in [
            ("", "empty"),
            ("ssh-ed25519", "not such a key"),
            ("ssh-dss AAAA", "names no key type"),
            ("ssh-ed25519 AAAAC3Nz*", "it has `*`"),
            ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f", "not such a key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
            ("ssh-ed25519 x\nssh-ed25519 y", "more than one line"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
