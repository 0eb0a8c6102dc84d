//! Names of hosts and domains, as nodes and Kubernetes may have them.

/// RFC 1123 in lower case: the kubelet takes the host name for its node, and Kubernetes knows no upper case.
///
/// # Errors
/// Why it is no such name: lower case, without the name itself.
pub fn check(name: &str) -> Result<(), String> {
    if name.len() > 253 {
        return Err("it is longer than 253 characters".to_owned());
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err("each part has 1 to 63 characters".to_owned());
        }
        if let Some(wrong) = label.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(format!("it has `{wrong}`"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a part starts or ends with `-`".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_rfc_1123_in_lower_case() {
        for (name, good) in [
            ("a", true),
            ("node-7.example.org", true),
            ("", false),
            ("Node", false),
            ("a..b", false),
            ("-a", false),
            ("a-", false),
            ("a_b", false),
            ("örtlich", false),
        ] {
            assert_eq!(check(name).is_ok(), good, "{name}");
        }
        assert!(check(&"a".repeat(64)).is_err());
    }
}
