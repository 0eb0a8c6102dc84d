//! What a request is for (RFC 9112, 3.2; RFC 3986): names of a path, and the words of a query.

use super::request::Refusal;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// From the root down; none for the root itself. Decoded; never empty, `.`, `..`, nor with `/` or NUL in them.
    pub names: Vec<String>,
    /// Names and values, decoded, in order.
    pub query: Vec<(String, String)>,
}

impl Target {
    /// The first value by that name, unless it is empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        let value = self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())?;
        Some(value).filter(|value| !value.is_empty())
    }
}

/// Reads `/a/b?c=d`, and `http://HOST/a/b?c=d` as a proxy would get it.
///
/// # Errors
/// 400 for what is no path or leaves it, 404 for names that no file has.
pub fn parse(target: &str) -> Result<Target, Refusal> {
    let absolute = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let target = match absolute {
        Some(_) => target[7..].find('/').map_or("/", |slash| &target[7 + slash..]),
        None => target,
    };
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.strip_prefix('/').ok_or(Refusal::new(400, "a path begins with /"))?;
    let mut names = Vec::new();
    for part in path.split('/').filter(|_| !path.is_empty()) {
        let name = decode(part)?;
        if name.contains(['/', '\0']) || name == "." || name == ".." {
            return Err(Refusal::new(400, "a name in the path is none"));
        }
        if name.is_empty() {
            return Err(Refusal::new(404, "there is nothing without a name"));
        }
        names.push(name);
    }
    let mut words = Vec::new();
    for word in query.split('&').filter(|word| !word.is_empty()) {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        words.push((decode(key)?, decode(value)?));
    }
    Ok(Target { names, query: words })
}

fn decode(text: &str) -> Result<String, Refusal> {
    let wrong = Refusal::new(400, "a percent sign without two hexadecimal digits, or no UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = digit().zip(digit()).ok_or(wrong)?;
        bytes.push(u8::try_from(16 * high + low).map_err(|_| wrong)?);
    }
    String::from_utf8(bytes).map_err(|_| wrong)
}

/// A text as one name of a path or one value of a query.
pub fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let letter = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_names() {
        let names = |target: &str| parse(target).map(|target| target.names.join("|")).map_err(|it| it.status);
        for (target, expected) in [
            ("/", ""),
            ("/a/b%20c", "a|b c"),
            ("/a?b/../c", "a"),
            ("http://h:1/a%2eb", "a.b"),
            ("HTTP://h", ""),
            ("/%C3%BC", "ü"),
            ("/a+b", "a+b"),
            ("/...", "..."),
        ] {
            assert_eq!(names(target).as_deref(), Ok(expected), "{target}");
        }
        for target in [
            "",
            "a",
            "*",
            "https://h/a",
            "/..",
            "/%2e%2e/etc",
            "/a/%2E./b",
            "/a%2fb",
            "/..%2f..",
            "/a%00",
            "/%",
            "/%1",
            "/%gg",
            "/%ff",
            "/.",
            "http://h/../a",
            "/%+1",
        ] {
            assert_eq!(names(target), Err(400), "{target}");
        }
        assert_eq!(names("//a"), Err(404));
        assert_eq!(names("/a/"), Err(404));
    }

    #[test]
    fn queries_are_words() {
        let target = parse("/x?mac=52%3a54&&empty=&flag&mac=2").unwrap();
        assert_eq!(target.value("mac"), Some("52:54"));
        assert_eq!((target.value("empty"), target.value("flag"), target.value("none")), (None, None, None));
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(name in "[^/\0]{1,20}", value in ".{0,20}") {
            let target = parse(&format!("/{}?k={}", encode(&name), encode(&value)));
            if name == "." || name == ".." {
                prop_assert!(target.is_err());
            } else {
                let expected = Target { names: vec![name], query: vec![("k".into(), value)] };
                prop_assert_eq!(target, Ok(expected));
            }
        }

        #[test]
        fn no_target_leaves_the_root(target in "/?([./%2eEfF0a]{0,4}/?){0,8}") {
            for name in parse(&target).unwrap_or_default().names {
                prop_assert!(!["", ".", ".."].contains(&name.as_str()) && !name.contains(['/', '\0']));
            }
        }
    }
}
