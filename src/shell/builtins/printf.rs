//! `printf`.

use super::super::escapes::{digits, hexadecimal, letter, low_byte};
use super::super::halt::{Halt, Outcome};
use super::super::{Bytes, Dialect, Shell, Stop, World, limits};
use super::arguments::{shown, unsupported};
use super::echo::escaped;

/// The flags, width and precision of one conversion.
#[derive(Default, Clone)]
struct Form {
    left: bool,
    plus: bool,
    space: bool,
    alternative: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

struct Output<'a> {
    shell: &'a mut Shell,
    world: &'a mut dyn World,
    out: Bytes,
    arguments: std::slice::Iter<'a, Bytes>,
    status: u8,
}

pub(super) fn printf(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut words = words.get(1..).unwrap_or_default();
    let mut variable = None;
    match words {
        [option, name, rest @ ..] if option == b"-v" && shell.dialect == Dialect::Bash => {
            variable = Some(name.clone());
            words = rest;
        }
        [option, rest @ ..] if option == b"--" => words = rest,
        [option, ..] if option.len() > 1 && option.starts_with(b"-") => return unsupported("printf", option),
        _ => {}
    }
    let Some((format, arguments)) = words.split_first() else {
        shell.complain(world, "printf: usage: printf format [arg ...]")?;
        return Err(Halt::Error(2));
    };
    let mut output = Output { shell, world, out: Bytes::new(), arguments: arguments.iter(), status: 0 };
    let mut result = Ok(());
    loop {
        let before = output.arguments.len();
        match output.once(format) {
            Ok(true) => {}
            Ok(false) => break,
            Err(halt) => {
                result = Err(halt);
                break;
            }
        }
        if output.arguments.len() == 0 || output.arguments.len() == before {
            break;
        }
    }
    let Output { shell, world, out, status, .. } = output;
    match variable {
        Some(name) => shell.assign(world, &name, out)?,
        None => shell.out(world, &out)?,
    }
    result?;
    Ok(status)
}

impl Output<'_> {
    /// The format once; whether it may go on (`\c` ends everything).
    fn once(&mut self, format: &[u8]) -> Outcome<bool> {
        self.world.spend(1 + format.len() as u64 / 16)?;
        let mut rest = format;
        while let Some((byte, after)) = rest.split_first() {
            if self.out.len() > limits::VALUE {
                return Err(Stop::limit("the output of printf").into());
            }
            rest = after;
            match byte {
                b'\\' => rest = self.escape(rest),
                b'%' if rest.first() == Some(&b'%') => {
                    self.out.push(b'%');
                    rest = rest.get(1..).unwrap_or_default();
                }
                b'%' => match self.conversion(rest)? {
                    Some(after) => rest = after,
                    None => return Ok(false),
                },
                byte => self.out.push(*byte),
            }
        }
        Ok(true)
    }

    /// An escape of the format itself, behind its backslash.
    fn escape<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        let Some((kind, after)) = text.split_first() else {
            self.out.push(b'\\');
            return text;
        };
        let bash = self.shell.dialect == Dialect::Bash;
        match kind {
            b'0'..=b'7' => {
                let (number, count) = digits(text, 8, 3);
                self.out.push(low_byte(number));
                return text.get(count..).unwrap_or_default();
            }
            b'e' => self.out.push(27),
            b'E' | b'"' | b'\'' | b'?' if bash => self.out.push(if *kind == b'E' { 27 } else { *kind }),
            b'x' | b'u' | b'U' if bash => {
                let count = hexadecimal(&mut self.out, *kind, after);
                return after.get(count..).unwrap_or_default();
            }
            kind => match letter(*kind) {
                Some(byte) => self.out.push(byte),
                None => self.out.extend([b'\\', *kind]),
            },
        }
        after
    }

    fn star(&mut self) -> Outcome<i64> {
        let word = self.arguments.next().cloned();
        self.integer(word.as_deref())
    }

    /// Behind a `%`; what follows, or nothing if the output ends here.
    fn conversion<'t>(&mut self, text: &'t [u8]) -> Outcome<Option<&'t [u8]>> {
        let mut form = Form::default();
        let mut rest = text;
        while let Some((flag, after)) = rest.split_first() {
            match flag {
                b'-' => form.left = true,
                b'+' => form.plus = true,
                b' ' => form.space = true,
                b'#' => form.alternative = true,
                b'0' => form.zero = true,
                _ => break,
            }
            rest = after;
        }
        if let Some(after) = rest.strip_prefix(b"*") {
            rest = after;
            let width = self.star()?;
            form.left |= width < 0;
            form.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        } else {
            let (width, count) = digits(rest, 10, 9);
            form.width = width as usize;
            rest = rest.get(count..).unwrap_or_default();
        }
        if let Some(after) = rest.strip_prefix(b".") {
            rest = after;
            if let Some(after) = rest.strip_prefix(b"*") {
                rest = after;
                form.precision = usize::try_from(self.star()?).ok();
            } else {
                let (precision, count) = digits(rest, 10, 9);
                form.precision = Some(precision as usize);
                rest = rest.get(count..).unwrap_or_default();
            }
        }
        if form.width.max(form.precision.unwrap_or_default()) > limits::VALUE / 8 {
            return Err(Stop::limit("the width of a conversion of printf").into());
        }
        if self.shell.dialect == Dialect::Bash {
            let modifiers = rest.iter().take_while(|byte| b"hlLqjzt".contains(byte)).count();
            let only = rest.get(modifiers).is_some_and(|byte| byte.is_ascii_alphabetic());
            if only {
                rest = rest.get(modifiers..).unwrap_or_default();
            }
        }
        let Some((kind, after)) = rest.split_first() else { return self.invalid(text) };
        let goes_on = match kind {
            b's' => {
                let word = self.arguments.next().cloned().unwrap_or_default();
                self.text(&form, &word);
                true
            }
            b'b' => {
                let word = self.arguments.next().cloned().unwrap_or_default();
                let (word, ended) = escaped(&word, self.shell.dialect, true);
                self.text(&form, &word);
                !ended
            }
            b'c' => {
                let word = self.arguments.next().cloned().unwrap_or_default();
                let byte = word.first().copied().unwrap_or_default();
                self.text(&Form { precision: None, ..form }, &[byte]);
                true
            }
            b'd' | b'i' | b'o' | b'u' | b'x' | b'X' => {
                let word = self.arguments.next().cloned();
                let value = self.integer(word.as_deref())?;
                self.number(&form, *kind, value);
                true
            }
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
                let word = self.arguments.next().cloned();
                let value = self.real(word.as_deref())?;
                self.float(&form, *kind, value);
                true
            }
            b'q' if self.shell.dialect == Dialect::Bash => {
                let word = self.arguments.next().cloned().unwrap_or_default();
                let word = quoted(&word);
                self.text(&form, &word);
                true
            }
            b'a' | b'A' | b'(' => return unsupported("printf", text.get(..1).unwrap_or(b"%")),
            _ => return self.invalid(text),
        };
        Ok(goes_on.then_some(after))
    }

    fn invalid<'t>(&mut self, text: &[u8]) -> Outcome<Option<&'t [u8]>> {
        let text = super::super::quote(text, 20);
        self.shell.complain(self.world, &format!("printf: %{text}: invalid directive"))?;
        Err(Halt::Error(if self.shell.dialect == Dialect::Dash { 2 } else { 1 }))
    }

    fn text(&mut self, form: &Form, text: &[u8]) {
        let text = text.get(..form.precision.unwrap_or(text.len()).min(text.len())).unwrap_or_default();
        self.padded(form, b"", text, false);
    }

    /// Sign or prefix and digits in the form's width.
    fn padded(&mut self, form: &Form, prefix: &[u8], text: &[u8], zero: bool) {
        let fill = form.width.saturating_sub(prefix.len() + text.len());
        if !form.left && !zero {
            self.out.extend(std::iter::repeat_n(b' ', fill));
        }
        self.out.extend_from_slice(prefix);
        if !form.left && zero {
            self.out.extend(std::iter::repeat_n(b'0', fill));
        }
        self.out.extend_from_slice(text);
        if form.left {
            self.out.extend(std::iter::repeat_n(b' ', fill));
        }
    }

    fn number(&mut self, form: &Form, kind: u8, value: i64) {
        let bits = value.cast_unsigned();
        let (mut prefix, digits) = match kind {
            b'd' | b'i' => (sign(form, value < 0), value.unsigned_abs().to_string()),
            b'o' => ("", format!("{bits:o}")),
            b'x' => (if form.alternative && bits != 0 { "0x" } else { "" }, format!("{bits:x}")),
            b'X' => (if form.alternative && bits != 0 { "0X" } else { "" }, format!("{bits:X}")),
            _ => ("", bits.to_string()),
        };
        let digits = match form.precision {
            Some(0) if value == 0 => String::new(),
            Some(precision) => format!("{digits:0>precision$}"),
            None => digits,
        };
        if kind == b'o' && form.alternative && !digits.starts_with('0') {
            prefix = "0";
        }
        let zero = form.zero && form.precision.is_none();
        self.padded(form, prefix.as_bytes(), digits.as_bytes(), zero);
    }

    fn float(&mut self, form: &Form, kind: u8, value: f64) {
        let upper = kind.is_ascii_uppercase();
        let prefix = sign(form, value.is_sign_negative());
        let magnitude = value.abs();
        let text = if !magnitude.is_finite() {
            if magnitude.is_nan() { "nan".to_owned() } else { "inf".to_owned() }
        } else {
            let precision = form.precision.unwrap_or(6);
            match kind.to_ascii_lowercase() {
                b'f' => format!("{magnitude:.precision$}"),
                b'e' => scientific(magnitude, precision),
                _ => general(magnitude, precision.max(1), form.alternative),
            }
        };
        let text = if upper { text.to_ascii_uppercase() } else { text };
        self.padded(form, prefix.as_bytes(), text.as_bytes(), form.zero && magnitude.is_finite());
    }

    fn complain(&mut self, message: &str) -> Outcome<()> {
        self.status = 1;
        Ok(self.shell.complain(self.world, &format!("printf: {message}"))?)
    }

    /// A number as C reads it; what is none counts as far as it is one.
    fn integer(&mut self, word: Option<&[u8]>) -> Outcome<i64> {
        let Some(word) = word else { return Ok(0) };
        if let [b'\'' | b'"', letter, ..] = word {
            return Ok(i64::from(*letter));
        }
        if matches!(word, [b'\'' | b'"']) {
            return Ok(0);
        }
        let text = word.trim_ascii_start();
        let (negative, body) = match text.first() {
            Some(b'-') => (true, text.get(1..).unwrap_or_default()),
            Some(b'+') => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        let hexadecimal = body.strip_prefix(b"0x").or_else(|| body.strip_prefix(b"0X"));
        let hexadecimal = hexadecimal.filter(|digits| digits.first().is_some_and(u8::is_ascii_hexdigit));
        let (base, digits) = match hexadecimal {
            Some(digits) => (16, digits),
            None if body.starts_with(b"0") => (8, body),
            None => (10, body),
        };
        let mut value = 0_i128;
        let mut count = 0;
        for byte in digits {
            let Some(digit) = char::from(*byte).to_digit(base) else { break };
            count += 1;
            value = (value * i128::from(base) + i128::from(digit)).min(i128::from(u64::MAX) + 1);
        }
        if count == 0 {
            if word.is_empty() && self.shell.dialect == Dialect::Bash {
                return Ok(0);
            }
            self.complain(&format!("{}: expected numeric value", shown(word)))?;
            return Ok(0);
        }
        if count < digits.len() {
            self.complain(&format!("{}: not completely converted", shown(word)))?;
        }
        let signed = if negative { -value } else { value };
        match i64::try_from(signed) {
            Ok(number) => Ok(number),
            Err(_) => {
                self.complain(&format!("{}: Numerical result out of range", shown(word)))?;
                Ok(if negative { i64::MIN } else { i64::MAX })
            }
        }
    }

    fn real(&mut self, word: Option<&[u8]>) -> Outcome<f64> {
        let Some(word) = word else { return Ok(0.0) };
        if let [b'\'' | b'"', letter, ..] = word {
            return Ok(f64::from(*letter));
        }
        let text = String::from_utf8_lossy(word.trim_ascii_start()).into_owned();
        let ends = (0..=text.len().min(400)).rev().filter(|end| text.is_char_boundary(*end));
        for end in ends {
            let part = text.get(..end).unwrap_or_default();
            let Ok(value) = part.parse::<f64>() else { continue };
            if end < text.len() {
                self.complain(&format!("{}: not completely converted", shown(word)))?;
            }
            return Ok(value);
        }
        if !word.is_empty() || self.shell.dialect == Dialect::Dash {
            self.complain(&format!("{}: expected numeric value", shown(word)))?;
        }
        Ok(0.0)
    }
}

fn sign(form: &Form, negative: bool) -> &'static str {
    match (negative, form.plus, form.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

/// `d.dde+dd`
fn scientific(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// `%g`: the shorter of the two, without zeros at the end.
fn general(value: f64, precision: usize, keeps: bool) -> String {
    let rounded = scientific(value, precision - 1);
    let exponent: i64 = rounded.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or_default();
    let count = i64::try_from(precision).unwrap_or(i64::MAX);
    let strip = |text: &str| match keeps || !text.contains('.') {
        true => text.to_owned(),
        false => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
    };
    if exponent < -4 || exponent >= count {
        let (digits, exponent) = rounded.split_once('e').unwrap_or((&rounded, "+00"));
        return format!("{}e{exponent}", strip(digits));
    }
    let decimals = usize::try_from(count - 1 - exponent).unwrap_or_default();
    strip(&format!("{value:.decimals$}"))
}

/// Bash's `%q`.
fn quoted(word: &[u8]) -> Bytes {
    if word.is_empty() {
        return b"''".to_vec();
    }
    if word.iter().any(|byte| byte.is_ascii_control() || *byte >= 0x80) {
        let mut out = b"$'".to_vec();
        for byte in word {
            match byte {
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\t' => out.extend_from_slice(b"\\t"),
                b'\r' => out.extend_from_slice(b"\\r"),
                27 => out.extend_from_slice(b"\\E"),
                b'\'' | b'\\' => out.extend([b'\\', *byte]),
                byte if byte.is_ascii_graphic() || *byte == b' ' => out.push(*byte),
                byte => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            }
        }
        out.push(b'\'');
        return out;
    }
    let mut out = Bytes::new();
    for (number, byte) in word.iter().enumerate() {
        let safe = byte.is_ascii_alphanumeric() || b"_-./:=@%+".contains(byte) || *byte == b'~' && number > 0;
        if !(safe || *byte == b'#' && number > 0) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}
