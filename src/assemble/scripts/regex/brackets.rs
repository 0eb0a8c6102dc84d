//! Bracket expressions, and the escapes that stand for one byte or a class of them.

use super::flavour::{Flavour, Reading};
use super::syntax::{Fault, Set, is_word};

const OPEN: Fault = Fault::Invalid("Unmatched [, [^, [:, [., or [=");

/// A set, and whether it is what was listed or all else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    set: Set,
    negated: bool,
}

impl Listed {
    /// Where letters of either case are the same, what is listed grows, not what is left over. All else is on the same
    /// line where lines are matched.
    pub(super) fn set(self, reading: Reading) -> Set {
        let mut set = if reading.ignore_case { self.set.folded() } else { self.set };
        if !self.negated {
            return set;
        }
        if reading.lines {
            set.insert(b'\n');
        }
        set.negated()
    }
}

/// What is between brackets, and what is left behind them. `text` begins behind the opening one.
pub(super) fn parse(text: &[u8], flavour: Flavour) -> Result<(Listed, &[u8]), Fault> {
    let inner = text.strip_prefix(b"^");
    let negated = inner.is_some();
    let start = inner.unwrap_or(text);
    let mut rest = start;
    let mut set = Set::default();
    loop {
        if rest.len() < start.len()
            && let Some(after) = rest.strip_prefix(b"]")
        {
            let listed = &text[..text.len() - rest.len()];
            if !matches!(flavour, Flavour::Awk | Flavour::Perl) && matches!(listed, [b':', .., b':']) {
                return Err(Fault::Invalid("character class syntax is [[:space:]], not [:space:]"));
            }
            return Ok((Listed { set, negated }, after));
        }
        match element(rest, flavour)? {
            (Element::Class(class), after) => {
                set.add(class);
                rest = after;
            }
            (Element::Byte(low), after) => {
                let (high, after) = range_end(low, after, flavour)?;
                set.add(Set::of(low..=high));
                rest = after;
            }
        }
    }
}

enum Element {
    Byte(u8),
    Class(Set),
}

fn element(text: &[u8], flavour: Flavour) -> Result<(Element, &[u8]), Fault> {
    if let [b'[', kind @ (b':' | b'.' | b'='), inner @ ..] = text {
        let end = inner.windows(2).position(|two| two == [*kind, b']']);
        // `[[:]`: without its end it is a bracket like any other, but for classes.
        let Some(end) = end else {
            return if *kind == b':' { Ok((Element::Byte(b'['), &text[1..])) } else { Err(OPEN) };
        };
        let (name, after) = (&inner[..end], &inner[end + 2..]);
        return match (kind, name) {
            (b':', name) => {
                Ok((Element::Class(named(name).ok_or(Fault::Invalid("Invalid character class name"))?), after))
            }
            (_, [byte]) => Ok((Element::Byte(*byte), after)),
            _ => Err(Fault::Invalid("Invalid collation character")),
        };
    }
    let (byte, after) = text.split_first().ok_or(OPEN)?;
    if *byte == b'\\'
        && let Some((letter, behind)) = after.split_first()
    {
        if flavour == Flavour::Perl
            && let Some(set) = class(*letter, flavour)
        {
            return Ok((Element::Class(set), behind));
        }
        if let Some((byte, used)) = escape(*letter, behind, flavour) {
            return Ok((Element::Byte(byte), behind.get(used..).unwrap_or_default()));
        }
        if matches!(flavour, Flavour::Perl | Flavour::Awk) {
            return Ok((Element::Byte(*letter), behind));
        }
    }
    Ok((Element::Byte(*byte), after))
}

/// The last byte of the range that begins with `low`.
fn range_end(low: u8, text: &[u8], flavour: Flavour) -> Result<(u8, &[u8]), Fault> {
    let Some(behind) = text.strip_prefix(b"-").filter(|behind| !behind.starts_with(b"]")) else {
        return Ok((low, text));
    };
    match element(behind, flavour)? {
        (Element::Byte(high), after) if high >= low => Ok((high, after)),
        // Perl takes the hyphen as one.
        (Element::Class(_), _) if flavour == Flavour::Perl => Ok((low, text)),
        _ => Err(Fault::Invalid("Invalid range end")),
    }
}

/// A class by its POSIX name, in the C locale.
pub(crate) fn is_in_class(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"space" => byte.is_ascii_whitespace() || byte == 11,
        b"blank" => byte == b' ' || byte == b'\t',
        b"punct" => byte.is_ascii_punctuation(),
        b"print" => (b' '..=b'~').contains(&byte),
        b"graph" => byte.is_ascii_graphic(),
        b"cntrl" => byte.is_ascii_control(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

fn named(name: &[u8]) -> Option<Set> {
    is_in_class(name, 0)?;
    Some(Set::that(|byte| is_in_class(name, byte) == Some(true)))
}

/// The classes that are a letter behind a backslash.
pub(super) fn class(letter: u8, flavour: Flavour) -> Option<Set> {
    let space = |byte: u8| byte.is_ascii_whitespace() || byte == 11;
    let set = match letter.to_ascii_lowercase() {
        b'w' => Set::that(is_word),
        b's' => Set::that(space),
        b'd' if flavour == Flavour::Perl => Set::that(|byte| byte.is_ascii_digit()),
        b'h' if flavour == Flavour::Perl => Set::of(*b" \t"),
        _ => return None,
    };
    Some(if letter.is_ascii_uppercase() { set.negated() } else { set })
}

/// The byte that a letter behind a backslash stands for, and how many bytes of what follows belong to it. grep and the
/// shell know none.
pub(super) fn escape(letter: u8, behind: &[u8], flavour: Flavour) -> Option<(u8, usize)> {
    if matches!(flavour, Flavour::Basic | Flavour::Extended | Flavour::Fixed) {
        return None;
    }
    let sed = matches!(flavour, Flavour::SedBasic | Flavour::SedExtended);
    let number = |digits: &[u8], base: u32, most: usize| {
        let digits = digits.iter().take(most).map_while(|byte| char::from(*byte).to_digit(base));
        let (value, count) = digits.fold((0, 0), |(value, count), digit| (value * base + digit, count + 1));
        (count > 0).then(|| (u8::try_from(value & 0xff).unwrap_or_default(), count))
    };
    match letter {
        b'n' => Some((b'\n', 0)),
        b't' => Some((b'\t', 0)),
        b'f' => Some((12, 0)),
        b'v' => Some((11, 0)),
        b'r' => Some((b'\r', 0)),
        b'a' => Some((7, 0)),
        b'e' if flavour == Flavour::Perl => Some((27, 0)),
        b'b' if flavour == Flavour::Awk => Some((8, 0)),
        b'x' => number(behind, 16, 2),
        b'd' if sed => number(behind, 10, 3),
        b'o' if sed => number(behind, 8, 3),
        b'c' if sed => behind.first().map(|control| (control.to_ascii_uppercase() ^ 0x40, 1)),
        b'0'..=b'7' if flavour == Flavour::Awk => {
            let all: Vec<u8> = std::iter::once(letter).chain(behind.iter().copied().take(2)).collect();
            number(&all, 8, 3).map(|(byte, used)| (byte, used - 1))
        }
        _ => None,
    }
}
