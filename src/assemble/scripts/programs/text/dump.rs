//! `od` and `hexdump`: bytes as numbers.

use super::ends::scaled;
use super::streams::{self, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

/// How the bytes of a line are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    kind: Kind,
    /// Bytes of one number.
    size: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hexadecimal,
    Octal,
    Decimal,
    Unsigned,
    /// Characters with escapes, by name.
    Characters,
    Names,
}

impl Format {
    /// Columns of one number.
    fn width(self) -> usize {
        let bits = self.size * 8;
        match self.kind {
            Kind::Hexadecimal => self.size * 2,
            Kind::Octal => bits.div_ceil(3),
            Kind::Unsigned => [0, 3, 5, 0, 10, 0, 0, 0, 20].get(self.size).copied().unwrap_or(20),
            Kind::Decimal => [0, 4, 6, 0, 11, 0, 0, 0, 20].get(self.size).copied().unwrap_or(20),
            Kind::Characters | Kind::Names => 3,
        }
    }

    fn shown(self, bytes: &[u8]) -> String {
        let mut whole = [0; 8];
        whole.iter_mut().zip(bytes).for_each(|(whole, byte)| *whole = *byte);
        let value = u64::from_le_bytes(whole);
        let width = self.width();
        match self.kind {
            Kind::Hexadecimal => format!("{value:0width$x}"),
            Kind::Octal => format!("{value:0width$o}"),
            Kind::Unsigned => value.to_string(),
            Kind::Decimal => {
                let unused = 64 - 8 * u32::try_from(self.size.min(8)).unwrap_or(8);
                ((value << unused).cast_signed() >> unused).to_string()
            }
            Kind::Characters => character(bytes.first().copied().unwrap_or(0)),
            Kind::Names => name(bytes.first().copied().unwrap_or(0)),
        }
    }
}

fn character(byte: u8) -> String {
    let escape = match byte {
        0 => "\\0",
        7 => "\\a",
        8 => "\\b",
        9 => "\\t",
        10 => "\\n",
        11 => "\\v",
        12 => "\\f",
        13 => "\\r",
        b' '..=b'~' => return char::from(byte).to_string(),
        byte => return format!("{byte:03o}"),
    };
    escape.to_owned()
}

fn name(byte: u8) -> String {
    const NAMES: &str = "nul soh stx etx eot enq ack bel bs ht nl vt ff cr so si dle dc1 dc2 dc3 dc4 nak syn etb can em sub esc fs gs rs us sp";
    let byte = byte & 127;
    match (NAMES.split(' ').nth(usize::from(byte)), byte) {
        (Some(name), _) => name.to_owned(),
        (None, 127) => "del".to_owned(),
        (None, byte) => char::from(byte).to_string(),
    }
}

/// `x1`, `u4`, `c`, one behind the other.
fn formats(text: &[u8]) -> Option<Vec<Format>> {
    let mut formats = Vec::new();
    let mut bytes = text.iter().copied().peekable();
    while let Some(letter) = bytes.next() {
        let kind = match letter {
            b'x' => Kind::Hexadecimal,
            b'o' => Kind::Octal,
            b'd' => Kind::Decimal,
            b'u' => Kind::Unsigned,
            b'c' => Kind::Characters,
            b'a' => Kind::Names,
            _ => return None,
        };
        let size = match bytes.next_if(|size| b"1248CSIL".contains(size)) {
            _ if matches!(kind, Kind::Characters | Kind::Names) => 1,
            None | Some(b'I' | b'4') => 4,
            Some(b'C' | b'1') => 1,
            Some(b'S' | b'2') => 2,
            Some(_) => 8,
        };
        formats.push(Format { kind, size });
    }
    Some(formats)
}

pub(super) fn od(call: &mut Call) -> Result<u8, Stop> {
    const OPTIONS: &[options::Known] = &[
        "A|address-radix=",
        "t|format=",
        "v|output-duplicates",
        "N|read-bytes=",
        "j|skip-bytes=",
        "w|width?",
        "b",
        "c",
        "i",
        "l",
        "s",
        "x",
        "o",
        "d",
        "a",
    ];
    let options = options::parse(call, OPTIONS, true)?;
    let mut all = Vec::new();
    for (name, value) in &options.given {
        let text: &[u8] = match *name {
            "t" => value,
            "b" => b"o1",
            "c" => b"c",
            "x" => b"x2",
            "o" => b"o2",
            "d" => b"u2",
            "a" => b"a",
            "i" => b"d4",
            "l" => b"d8",
            "s" => b"d2",
            _ => continue,
        };
        match formats(text) {
            Some(formats) => all.extend(formats),
            None => return call.unsupported(format!("the format `{}`", shown(text))),
        }
    }
    if all.is_empty() {
        all.push(Format { kind: Kind::Octal, size: 2 });
    }
    let radix = match options.value("A").map(Vec::as_slice) {
        None | Some(b"o") => Some(8),
        Some(b"x") => Some(16),
        Some(b"d") => Some(10),
        Some(b"n") => None,
        Some(_) => return call.fail(1, "invalid output address radix"),
    };
    let largest = all.iter().map(|format| format.size).max().unwrap_or(1);
    let number = |name: &str, own: usize| options.value(name).map_or(Some(own), |text| scaled(text));
    let width = match options.value("w") {
        None => Some(16),
        Some(width) if width.is_empty() => Some(32),
        Some(width) => scaled(width),
    };
    let (Some(skip), Some(most), Some(width)) = (number("j", 0), number("N", usize::MAX), width) else {
        return call.fail(1, "invalid number");
    };
    if width == 0 || width > 4096 || width % largest != 0 {
        return call.unsupported(format!("a width of {width} bytes"));
    }
    let (text, status) = streams::joined(call, &options.operands)?;
    let Some(text) = text.get(skip..) else { return call.fail(1, "cannot skip past end of combined input") };
    let text = text.get(..most).unwrap_or(text);
    let dump = Dump { formats: all, radix, width, all: options.has("v") };
    let out = dump.lines(text, skip);
    call.out(out)?;
    Ok(status)
}

struct Dump {
    formats: Vec<Format>,
    radix: Option<u32>,
    width: usize,
    /// Lines that are like the one before are shown too.
    all: bool,
}

impl Dump {
    fn address(&self, at: usize) -> String {
        match self.radix {
            Some(8) => format!("{at:07o}"),
            Some(16) => format!("{at:06x}"),
            Some(_) => format!("{at:07}"),
            None => String::new(),
        }
    }

    fn lines(&self, text: &[u8], start: usize) -> String {
        let mut out = String::new();
        let mut before: Option<&[u8]> = None;
        let mut starred = false;
        // All numbers of a line are as wide as the widest of all formats needs it.
        let largest = self.formats.iter().map(|format| format.size).max().unwrap_or(1);
        let cell = |format: &Format| (format.width() + 1) * (largest / format.size);
        let block = self.formats.iter().map(cell).max().unwrap_or(0);
        for (index, line) in text.chunks(self.width).enumerate() {
            if !self.all && before == Some(line) && line.len() == self.width {
                if !starred {
                    out.push_str("*\n");
                }
                starred = true;
                continue;
            }
            starred = false;
            before = Some(line);
            for (row, format) in self.formats.iter().enumerate() {
                let address = self.address(start + index * self.width);
                out.push_str(&if row == 0 { address } else { " ".repeat(address.len()) });
                let numbers = largest / format.size;
                for (at, bytes) in line.chunks(format.size).enumerate() {
                    // What is left over of a block stands before its first numbers.
                    let (used, number) = (at % numbers, format.shown(bytes));
                    let spare = block - numbers * format.width();
                    let pad = spare * (numbers - used) / numbers - spare * (numbers - used - 1) / numbers;
                    out.push_str(&format!("{number:>width$}", width = format.width() + pad));
                }
                out.push('\n');
            }
        }
        if self.radix.is_some() {
            out.push_str(&self.address(start + text.len()));
            out.push('\n');
        }
        out
    }
}

pub(super) fn hexdump(call: &mut Call) -> Result<u8, Stop> {
    let options = options::parse(call, &["C|canonical", "v|no-squeezing", "n|length=", "s|skip="], true)?;
    let number = |name: &str, own: usize| options.value(name).map_or(Some(own), |text| scaled(text));
    let (Some(skip), Some(most)) = (number("s", 0), number("n", usize::MAX)) else {
        return call.fail(1, "invalid number");
    };
    let (text, status) = streams::joined(call, &options.operands)?;
    let text = text.get(skip..).unwrap_or_default();
    let text = text.get(..most).unwrap_or(text);
    let canonical = options.has("C");
    let mut out = Bytes::new();
    let (mut before, mut starred): (Option<&[u8]>, bool) = (None, false);
    for (index, line) in text.chunks(16).enumerate() {
        if !options.has("v") && before == Some(line) {
            out.extend(if starred { &b""[..] } else { b"*\n" });
            starred = true;
            continue;
        }
        (before, starred) = (Some(line), false);
        let at = skip + index * 16;
        let row = if canonical { canonical_row(at, line) } else { words_row(at, line) };
        out.extend(row.bytes());
    }
    if !text.is_empty() {
        let end = skip + text.len();
        out.extend(if canonical { format!("{end:08x}\n") } else { format!("{end:07x}\n") }.bytes());
    }
    call.out(out)?;
    Ok(status)
}

fn canonical_row(at: usize, line: &[u8]) -> String {
    let mut numbers = String::new();
    for (index, byte) in line.iter().enumerate() {
        numbers.push_str(if index == 8 { "  " } else { " " });
        numbers.push_str(&format!("{byte:02x}"));
    }
    let letters = line.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' });
    format!("{at:08x} {numbers:<50} |{}|\n", letters.collect::<String>())
}

fn words_row(at: usize, line: &[u8]) -> String {
    let words = line.chunks(2).map(|pair| {
        let low = pair.first().copied().unwrap_or(0);
        format!(" {:04x}", u16::from_le_bytes([low, pair.get(1).copied().unwrap_or(0)]))
    });
    format!("{at:07x}{:<40}\n", words.collect::<String>())
}
