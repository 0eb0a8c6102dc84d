//! PEM texts (RFC 7468): checks that they are certificates, whole ones, and nothing else.

use crate::base64;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The lines of the certificates in the text; what stands between them is left out.
///
/// # Errors
/// What is wrong. The text itself is not shown: it could be a key.
pub fn certificates(text: &str) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    let mut digits: Option<String> = None;
    for line in text.lines().map(str::trim) {
        digits = match (digits.take(), line) {
            (None, BEGIN) => Some(String::new()),
            (None, line) if line.starts_with("-----BEGIN") && line.contains("PRIVATE KEY") => {
                return Err("it has a private key, which does not belong here".to_owned());
            }
            (None, line) if line.starts_with("-----") => return Err(format!("it has `{line}`")),
            (None, _) => continue,
            (Some(digits), END) => {
                check(&digits)?;
                None
            }
            (Some(_), line) if line.starts_with("-----") => return Err("a certificate has no end".to_owned()),
            (Some(digits), line) => Some(digits + line),
        };
        lines.push(line.to_owned());
    }
    match digits {
        Some(_) => Err("a certificate has no end".to_owned()),
        None if lines.is_empty() => Err(format!("it has no `{BEGIN}`")),
        None => Ok(lines),
    }
}

/// DER: one sequence that is as long as it says.
fn check(digits: &str) -> Result<(), String> {
    let bytes = base64::decode(digits).map_err(|why| format!("a certificate is not base64: {why}"))?;
    let body = match bytes.as_slice() {
        [0x30, length @ ..=0x7f, rest @ ..] => Some((usize::from(*length), rest)),
        [0x30, 0x81, length, rest @ ..] => Some((usize::from(*length), rest)),
        [0x30, 0x82, high, low, rest @ ..] => Some((usize::from(u16::from_be_bytes([*high, *low])), rest)),
        _ => None,
    };
    match body {
        Some((length, rest)) if length == rest.len() => Ok(()),
        Some(_) => Err("a certificate was cut".to_owned()),
        None => Err("what it holds is not a certificate".to_owned()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Not a real certificate, but of its form: a sequence of three bytes.
    pub(crate) const SMALL: &str = "-----BEGIN CERTIFICATE-----\nMAMC\nAQE=\n-----END CERTIFICATE-----\n";

    #[test]
    fn certificates_are_taken_and_text_between_them_left_out() {
        let lines = certificates(&format!("subject=/CN=a\n{SMALL}\n{SMALL}")).unwrap();
        assert_eq!(lines.join("\n") + "\n", format!("{SMALL}{SMALL}"));
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let cases = [
            ("", "it has no `-----BEGIN"),
            ("MAMCAQE=", "it has no `-----BEGIN"),
            ("-----BEGIN CERTIFICATE-----\nMAMCAQE=\n", "a certificate has no end"),
            ("-----BEGIN CERTIFICATE-----\nMAMC\n-----END CERTIFICATE-----", "a certificate was cut"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "what it holds"),
            ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----", "not base64"),
            ("-----BEGIN EC PRIVATE KEY-----\nx\n", "private key"),
            ("-----BEGIN PUBLIC KEY-----\nx\n", "it has `-----BEGIN PUBLIC KEY-----`"),
        ];
        for (text, why) in cases {
            let error = certificates(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
