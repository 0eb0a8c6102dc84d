//! What has no end by itself: files that people name, whose path may lead to a device that never stops; and words of
//! others that messages quote.

use std::fs::File;
use std::io::{self, Read, Take};
use std::path::Path;

/// Bytes. Recipes, locks and keyrings have a few hundred thousand at most.
const MOST: u64 = 64 << 20;

/// Characters that a message quotes of a line.
const QUOTED: usize = 160;

/// A line that others wrote, as a message quotes it: control characters as escapes, and no more than 160 characters.
pub fn quote(line: &str) -> String {
    let mut letters = line.escape_debug();
    let mut quoted: String = letters.by_ref().take(QUOTED).collect();
    if letters.next().is_some() {
        quoted.pop();
        quoted.push('…');
    }
    quoted
}

/// The file's bytes.
///
/// # Errors
/// Those of reading, and [`io::ErrorKind::FileTooLarge`] for more than 64 MiB.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    whole(path, |file| file.read_to_end(&mut bytes))?;
    Ok(bytes)
}

/// The file's text; also fails for what is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    whole(path, |file| file.read_to_string(&mut text))?;
    Ok(text)
}

fn whole(path: &Path, read: impl FnOnce(&mut Take<&mut File>) -> io::Result<usize>) -> io::Result<()> {
    let mut file = File::open(path)?;
    read(&mut (&mut file).take(MOST))?;
    match file.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {MOST} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_escaped_and_end() {
        assert_eq!(quote("a\u{1b}b"), "a\\u{1b}b");
        assert_eq!(quote(&"x".repeat(160)), "x".repeat(160));
        let long = quote(&"ä".repeat(6000));
        assert_eq!((long.chars().count(), long.ends_with("ä…")), (160, true));
    }

    #[test]
    fn a_device_without_an_end_is_an_error() {
        assert_eq!(read("/dev/zero".as_ref()).unwrap_err().to_string(), "it has more than 67108864 bytes");
        assert_eq!(read_text("/dev/null".as_ref()).unwrap(), "");
    }
}
