//! A service of PAM, a file of `pam.d`: pam.conf(5).

/// The files that a service of `pam.d` includes, as it names them, with Debian's `@include`.
pub(crate) fn includes(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.replace("\\\n", " ").lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some(name) = line.strip_prefix("@include") {
            found.push(name.trim().to_owned());
            continue;
        }
        // Type, control, module; a control in brackets is no inclusion.
        let mut words = line.split_whitespace().skip(1);
        if matches!(words.next(), Some("include" | "substack")) {
            found.extend(words.next().map(str::to_owned));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_in_brackets_includes_nothing() {
        let includes =
            includes("@include common-auth\n# auth include x\nauth [default=1] include\nauth required x.so\n");
        assert_eq!(includes, ["common-auth"]);
    }
}
