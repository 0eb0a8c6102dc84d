//! The head of an answer (RFC 9112): status line and the fields that count here. Pure.

/// Largest head that is read.
pub const MAX_BYTES: usize = 16 << 10;
const CUT: &str = "the server's answer is no HTTP";

/// What an answer says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// Bytes of the body, if it is told and not chunked.
    pub length: Option<u64>,
    pub chunked: bool,
    /// First byte of the body within the whole file, for a part of it.
    pub first: Option<u64>,
    pub location: Option<String>,
}

/// The head at the beginning of these bytes, and its length; nothing if it does not end in them.
///
/// # Errors
/// It is no head, or one whose body could be read in two ways.
pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, String> {
    let mut lines = Lines { bytes, at: 0 };
    let Some(first) = lines.next()? else { return Ok(None) };
    let mut head = Head { status: status(first)?, ..Head::default() };
    loop {
        let Some(line) = lines.next()? else { return Ok(None) };
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or(CUT)?;
        field(&mut head, name, value.trim_matches([' ', '\t']))?;
    }
    if head.chunked {
        // RFC 9112, 6.3: chunks stand above a length.
        head.length = None;
    }
    Ok(Some((head, lines.at)))
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// Without its end; nothing if that is still to come.
    fn next(&mut self) -> Result<Option<&'a str>, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
            return if self.bytes.len() < MAX_BYTES { Ok(None) } else { Err(too_long()) };
        };
        self.at += length + 1;
        if self.at > MAX_BYTES {
            return Err(too_long());
        }
        let line = rest[..length].strip_suffix(b"\r").unwrap_or(&rest[..length]);
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(CUT.to_owned());
        }
        std::str::from_utf8(line).map(Some).map_err(|_| CUT.to_owned())
    }
}

fn too_long() -> String {
    format!("the head of the server's answer has more than {} KiB", MAX_BYTES >> 10)
}

fn status(line: &str) -> Result<u16, String> {
    let mut words = line.split(' ');
    let version = words.next().and_then(|word| word.strip_prefix("HTTP/1."));
    let digits = words.next().filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()));
    match (version, digits.and_then(|code| code.parse().ok())) {
        (Some("0" | "1"), Some(status @ 100..)) => Ok(status),
        _ => Err(CUT.to_owned()),
    }
}

fn field(head: &mut Head, name: &str, value: &str) -> Result<(), String> {
    if name.eq_ignore_ascii_case("content-length") {
        let length = number(value).ok_or("the server's answer has a Content-Length that is no number")?;
        if head.length.is_some_and(|before| before != length) {
            return Err("the server's answer has two lengths".to_owned());
        }
        head.length = Some(length);
    } else if name.eq_ignore_ascii_case("transfer-encoding") {
        if !value.eq_ignore_ascii_case("chunked") || head.chunked {
            return Err(format!("the server's answer is encoded as `{}`", value.escape_debug()));
        }
        head.chunked = true;
    } else if name.eq_ignore_ascii_case("content-range") {
        let first = value.strip_prefix("bytes ").and_then(|range| number(range.split('-').next()?));
        head.first = Some(first.ok_or("the server's answer has a Content-Range that is none")?);
    } else if name.eq_ignore_ascii_case("location") {
        head.location = Some(value.to_owned());
    } else if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CUT.to_owned());
    }
    Ok(())
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The length that begins a chunk: hexadecimal digits, then perhaps extensions. Nothing for a line that is none.
pub fn chunk_length(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line))?;
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let is_number = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    is_number.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(text: &str) -> Result<Option<(Head, usize)>, String> {
        parse(text.as_bytes())
    }

    #[test]
    fn the_fields_that_count_are_read() {
        let text = "HTTP/1.1 206 Partial Content\r\nServer: x\r\ncontent-LENGTH: 10\r\n\
                    Content-Range: bytes 5-14/100\r\n\r\nbody";
        let expected = Head { status: 206, length: Some(10), first: Some(5), ..Head::default() };
        assert_eq!(head(text).unwrap().unwrap(), (expected, text.len() - 4));
        let moved = head("HTTP/1.0 302\nLocation: /there\n\n").unwrap().unwrap().0;
        assert_eq!((moved.status, moved.location.as_deref()), (302, Some("/there")));
        let both =
            head("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: Chunked\r\n\r\n").unwrap().unwrap().0;
        assert!(both.chunked && both.length.is_none());
        for length in 0..text.len() - 4 {
            assert_eq!(parse(&text.as_bytes()[..length]).unwrap(), None, "{length}");
        }
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for (text, why) in [
            ("SSH-2.0-x\r\n", "no HTTP"),
            ("HTTP/2 200\r\n\r\n", "no HTTP"),
            ("HTTP/1.1 99 x\r\n\r\n", "no HTTP"),
            ("HTTP/1.1 2000 x\r\n\r\n", "no HTTP"),
            ("HTTP/1.1 +20 x\r\n\r\n", "no HTTP"),
            ("HTTP/1.1 200 OK\r\nno field\r\n\r\n", "no HTTP"),
            ("HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n", "no HTTP"),
            ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "no HTTP"),
            ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", "no number"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "two lengths"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "encoded as `gzip`"),
            ("HTTP/1.1 206 OK\r\nContent-Range: items 1-2\r\n\r\n", "Content-Range"),
        ] {
            let error = head(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(MAX_BYTES));
        assert!(head(&endless).unwrap_err().contains("more than 16 KiB"));
    }

    #[test]
    fn chunks_begin_with_their_length() {
        for (line, length) in [("1a\r\n", 26), ("0\n", 0), ("F ;x=y\r\n", 15)] {
            assert_eq!(chunk_length(line.as_bytes()), Some(length));
        }
        for line in ["\r\n", "1a", "-1\r\n", "0x1\r\n", "11111111111111111\r\n", "g\r\n"] {
            assert_eq!(chunk_length(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_more_bytes_change_nothing(
            text in "(HTTP/1[.]1 [0-9]{3}\r\n)?([a-zA-Z-]{0,16}: ?[0-9a-z/-]{0,9}\r\n){0,5}(\r\n)?[\\x00-\\xff]{0,9}",
        ) {
            let whole = head(&text);
            let more = head(&format!("{text}more"));
            if let Ok(Some(found)) = whole {
                prop_assert_eq!(more, Ok(Some(found)));
            }
        }
    }
}
