//! Names in messages, as GNU's programs quote them in the C locale.

/// Always between quotes: `'a b'`, `"it's"`, `'a'$'\n''b'`.
pub(super) fn quoted(name: &[u8]) -> String {
    if name.contains(&b'\'') && name.iter().all(|byte| stays_between_double_quotes(*byte)) {
        return format!("\"{}\"", String::from_utf8_lossy(name));
    }
    let mut text = String::from("'");
    let mut escaped = false;
    for byte in name {
        let printable = matches!(byte, b' '..=b'~');
        match (printable, escaped) {
            (true, true) => text.push_str("''"),
            (false, false) => text.push_str("'$'"),
            _ => {}
        }
        escaped = !printable;
        match byte {
            b'\'' => text.push_str("'\\''"),
            byte if printable => text.push(char::from(*byte)),
            byte => text.push_str(&escape(*byte)),
        }
    }
    text.push('\'');
    text
}

/// Between quotes only if a shell needs them, or if a colon would hide where the name ends.
pub(super) fn plain(name: &[u8]) -> String {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+,-./]_{}#~@".contains(byte);
    let special = |first: Option<&u8>| matches!(first, Some(b'#' | b'~'));
    if !name.is_empty() && name.iter().all(inner) && !special(name.first()) && name != b"{" && name != b"}" {
        return String::from_utf8_lossy(name).into_owned();
    }
    quoted(name)
}

/// As C writes a string, between apostrophes.
pub(super) fn named(name: &[u8]) -> String {
    let mut text = String::from("'");
    for byte in name {
        match byte {
            b'\'' => text.push_str("\\'"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            byte => text.push_str(&escape(*byte)),
        }
    }
    text.push('\'');
    text
}

fn stays_between_double_quotes(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '%+,-./:]_".contains(&byte)
}

fn escape(byte: u8) -> String {
    match byte {
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\n' => "\\n".to_owned(),
        11 => "\\v".to_owned(),
        12 => "\\f".to_owned(),
        b'\r' => "\\r".to_owned(),
        byte => format!("\\{byte:03o}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_the_shell_would_read_them() {
        assert_eq!(quoted(b"a b"), "'a b'");
        assert_eq!(quoted(b"it's"), "\"it's\"");
        assert_eq!(quoted(b"it's $x"), "'it'\\''s $x'");
        assert_eq!(quoted(b"a\nb"), "'a'$'\\n''b'");
        assert_eq!(quoted(b"\xff"), "''$'\\377'");
        assert_eq!(plain(b"/a/b.c"), "/a/b.c");
        assert_eq!(plain(b"a:b"), "'a:b'");
        assert_eq!(plain(b""), "''");
        assert_eq!(named(b"x'y\n"), "'x\\'y\\n'");
    }
}
