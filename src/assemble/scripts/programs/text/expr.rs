//! `expr`: one expression, a word for each of its parts.

use super::{matcher, streams};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::regex::{Extent, Flavour, Reading, Regex};
use crate::shell::{Bytes, Stop};

/// Parentheses within each other.
const DEPTH: usize = 80;

enum Fault {
    /// The message, and status 2.
    Message(String),
    Stop(Box<Stop>),
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Fault {
        Fault::Stop(Box::new(stop))
    }
}

type Value = Result<Bytes, Fault>;

pub(super) fn expr(call: &mut Call) -> Result<u8, Stop> {
    let words = call.words.strip_prefix(&[b"--".to_vec()]).unwrap_or(call.words);
    if words.is_empty() {
        return call.fail(2, "missing operand");
    }
    let mut parser = Parser { call, words, at: 0, depth: 0 };
    let value = parser.or(true).and_then(|value| match parser.at == words.len() {
        true => Ok(value),
        false => {
            Err(Fault::Message(format!("syntax error: unexpected argument '{}'", streams::shown(&words[parser.at]))))
        }
    });
    match value {
        Ok(value) => {
            call.out([&value, b"\n".as_slice()].concat())?;
            Ok(u8::from(is_null(&value)))
        }
        Err(Fault::Message(message)) => call.fail(2, message),
        Err(Fault::Stop(stop)) => Err(*stop),
    }
}

/// Nothing, or zero.
fn is_null(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    value.is_empty() || (!digits.is_empty() && digits.iter().all(|byte| *byte == b'0'))
}

fn integer(value: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(value).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

struct Parser<'p, 'c, 'a> {
    call: &'p Call<'c, 'a>,
    words: &'p [Bytes],
    at: usize,
    depth: usize,
}

impl Parser<'_, '_, '_> {
    fn peek(&self) -> &[u8] {
        self.words.get(self.at).map(Vec::as_slice).unwrap_or_default()
    }

    fn take(&mut self, word: &[u8]) -> bool {
        let found = self.at < self.words.len() && self.peek() == word;
        self.at += usize::from(found);
        found
    }

    /// The next of these words, if it is one of them.
    fn any(&mut self, operators: &[&'static str]) -> Option<&'static str> {
        operators.iter().copied().find(|operator| self.take(operator.as_bytes()))
    }

    fn next(&mut self) -> Value {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        let last = self.words.last().map(|word| streams::shown(word)).unwrap_or_default();
        word.ok_or_else(|| Fault::Message(format!("syntax error: missing argument after '{last}'")))
    }

    /// What is not `wanted` is read, but not calculated.
    fn or(&mut self, wanted: bool) -> Value {
        let mut left = self.and(wanted)?;
        while self.take(b"|") {
            let right = self.and(wanted && is_null(&left))?;
            if is_null(&left) {
                left = if is_null(&right) { b"0".to_vec() } else { right };
            }
        }
        Ok(left)
    }

    fn and(&mut self, wanted: bool) -> Value {
        let mut left = self.comparison(wanted)?;
        while self.take(b"&") {
            let right = self.comparison(wanted && !is_null(&left))?;
            if is_null(&left) || is_null(&right) {
                left = b"0".to_vec();
            }
        }
        Ok(left)
    }

    fn comparison(&mut self, wanted: bool) -> Value {
        let mut left = self.sum(wanted)?;
        while let Some(operator) = self.any(&["<", "<=", "=", "==", "!=", ">=", ">"]) {
            let right = self.sum(wanted)?;
            let order = match (integer(&left), integer(&right)) {
                (Some(left), Some(right)) => left.cmp(&right),
                _ => left.cmp(&right),
            };
            let holds = match operator {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                ">=" => order.is_ge(),
                "!=" => order.is_ne(),
                _ => order.is_eq(),
            };
            left = if holds { b"1".to_vec() } else { b"0".to_vec() };
        }
        Ok(left)
    }

    fn sum(&mut self, wanted: bool) -> Value {
        let mut left = self.product(wanted)?;
        while let Some(operator) = self.any(&["+", "-"]) {
            let right = self.product(wanted)?;
            left = self.calculate(operator, left, right, wanted)?;
        }
        Ok(left)
    }

    fn product(&mut self, wanted: bool) -> Value {
        let mut left = self.matching(wanted)?;
        while let Some(operator) = self.any(&["*", "/", "%"]) {
            let right = self.matching(wanted)?;
            left = self.calculate(operator, left, right, wanted)?;
        }
        Ok(left)
    }

    fn calculate(&self, operator: &str, left: Bytes, right: Bytes, wanted: bool) -> Value {
        if !wanted {
            return Ok(left);
        }
        let is_number = |value: &[u8]| {
            let digits = value.strip_prefix(b"-").unwrap_or(value);
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        };
        if !is_number(&left) || !is_number(&right) {
            return Err(Fault::Message("non-integer argument".to_owned()));
        }
        let result = integer(&left).zip(integer(&right)).and_then(|(left, right)| match operator {
            "+" => left.checked_add(right),
            "-" => left.checked_sub(right),
            "*" => left.checked_mul(right),
            _ if right == 0 => Some(0),
            "/" => left.checked_div(right),
            _ => left.checked_rem(right),
        });
        if matches!(operator, "/" | "%") && integer(&right) == Some(0) {
            return Err(Fault::Message("division by zero".to_owned()));
        }
        match result {
            Some(number) => Ok(number.to_string().into_bytes()),
            None => Err(Stop::unsupported("expr", "numbers as large as these").into()),
        }
    }

    fn matching(&mut self, wanted: bool) -> Value {
        let mut left = self.word(wanted)?;
        while self.take(b":") {
            let right = self.word(wanted)?;
            left = if wanted { self.matched(&left, &right)? } else { left };
        }
        Ok(left)
    }

    /// What the pattern's first group matched, or how long the match is; it begins with the text.
    fn matched(&self, text: &[u8], pattern: &[u8]) -> Value {
        let reading = Reading { extent: Extent::AtStart, ..Reading::new(Flavour::Basic, false) };
        let regex = Regex::any_of(&[pattern], reading).map_err(Fault::Message)?;
        let regex = matcher::supported(self.call, regex)?;
        let captures = regex.find_at(text, 0)?.unwrap_or_default();
        let span = |group: usize| captures.get(group).copied().flatten();
        if regex.groups() > 0 {
            return Ok(span(1).and_then(|(start, end)| text.get(start..end)).unwrap_or_default().to_vec());
        }
        let length = span(0).map_or(0, |(start, end)| end - start);
        Ok(length.to_string().into_bytes())
    }

    fn word(&mut self, wanted: bool) -> Value {
        if self.take(b"(") {
            self.depth += 1;
            if self.depth > DEPTH {
                return Err(Stop::limit(format!("{DEPTH} parentheses of expr within each other")).into());
            }
            let value = self.or(wanted)?;
            self.depth -= 1;
            return match self.take(b")") {
                true => Ok(value),
                false => Err(Fault::Message("syntax error: expecting ')'".to_owned())),
            };
        }
        if self.take(b")") {
            return Err(Fault::Message("syntax error: unexpected ')'".to_owned()));
        }
        match self.any(&["+", "match", "substr", "index", "length"]) {
            Some("+") => self.next(),
            Some("match") => {
                let (text, pattern) = (self.word(wanted)?, self.word(wanted)?);
                if wanted { self.matched(&text, &pattern) } else { Ok(text) }
            }
            Some("length") => Ok(self.word(wanted)?.len().to_string().into_bytes()),
            Some("index") => {
                let (text, letters) = (self.word(wanted)?, self.word(wanted)?);
                let at = text.iter().position(|byte| letters.contains(byte)).map_or(0, |at| at + 1);
                Ok(at.to_string().into_bytes())
            }
            Some(_) => {
                let (text, start, length) = (self.word(wanted)?, self.word(wanted)?, self.word(wanted)?);
                Ok(part(&text, integer(&start), integer(&length)))
            }
            None => self.next(),
        }
    }
}

fn part(text: &[u8], start: Option<i128>, length: Option<i128>) -> Bytes {
    let position =
        |number: Option<i128>| number.and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
    let (Some(start), Some(length)) = (position(start), position(length)) else { return Bytes::new() };
    let rest = text.get(start - 1..).unwrap_or_default();
    rest.get(..length).unwrap_or(rest).to_vec()
}
