//! Arithmetic: evaluated while it is read, so that a long expression needs no tree. Numbers wrap at 64 bits.

use super::halt::Outcome;
use super::lexer::{is_name_byte, is_name_start};
use super::{Bytes, Dialect, Shell, Stop, World, limits};

/// Operators with their precedence, longer ones before those that begin alike.
const BINARY: [(&[u8], u8); 19] = [
    (b"||", 1),
    (b"&&", 2),
    (b"==", 6),
    (b"!=", 6),
    (b"<<", 8),
    (b">>", 8),
    (b"<=", 7),
    (b">=", 7),
    (b"**", 11),
    (b"|", 3),
    (b"^", 4),
    (b"&", 5),
    (b"<", 7),
    (b">", 7),
    (b"+", 9),
    (b"-", 9),
    (b"*", 10),
    (b"/", 10),
    (b"%", 10),
];

const ASSIGNING: [&[u8]; 11] = [b"<<=", b">>=", b"+=", b"-=", b"*=", b"/=", b"%=", b"&=", b"^=", b"|=", b"="];

struct Reader<'a> {
    shell: &'a mut Shell,
    world: &'a mut dyn World,
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// Nothing is assigned or wrong in what is not evaluated.
    skip: bool,
}

impl Shell {
    /// The value of an expression whose expansions are done.
    pub(super) fn arithmetic(&mut self, world: &mut dyn World, text: &[u8]) -> Outcome<i64> {
        self.expression(world, text, 0)
    }

    /// The same, with nothing being 0.
    pub(super) fn arithmetic_or_zero(&mut self, world: &mut dyn World, text: &[u8]) -> Outcome<i64> {
        if text.iter().all(u8::is_ascii_whitespace) { Ok(0) } else { self.arithmetic(world, text) }
    }

    fn expression(&mut self, world: &mut dyn World, text: &[u8], depth: usize) -> Outcome<i64> {
        world.spend(1 + text.len() as u64 / 16)?;
        if self.dialect == Dialect::Bash && text.iter().all(u8::is_ascii_whitespace) {
            return Ok(0);
        }
        let mut reader = Reader { shell: self, world, text, at: 0, depth, skip: false };
        let value = reader.comma()?;
        reader.blanks();
        if reader.at < text.len() { reader.mistake("expecting EOF") } else { Ok(value) }
    }
}

impl Reader<'_> {
    fn mistake<T>(&mut self, what: &str) -> Outcome<T> {
        let text = String::from_utf8_lossy(self.text).into_owned();
        self.shell.fail(self.world, &format!("arithmetic expression: {what}: \"{text}\""))
    }

    fn bash(&self) -> bool {
        self.shell.dialect == Dialect::Bash
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        while self.rest().first().is_some_and(|byte| byte.is_ascii_whitespace() || *byte == 11) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: &[u8]) -> bool {
        self.blanks();
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn comma(&mut self) -> Outcome<i64> {
        let mut value = self.assignment()?;
        while self.bash() && self.take(b",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Outcome<i64>) -> Outcome<i64> {
        if self.depth >= limits::ARITHMETIC {
            return Err(Stop::limit("an arithmetic expression nested too deeply").into());
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn assignment(&mut self) -> Outcome<i64> {
        self.blanks();
        let start = self.at;
        if let Some((name, index)) = self.variable()? {
            self.blanks();
            let operator = ASSIGNING.iter().find(|operator| self.rest().starts_with(operator));
            if let Some(operator) = operator.filter(|_| !self.rest().starts_with(b"==")) {
                self.at += operator.len();
                let operator = operator.strip_suffix(b"=").unwrap_or_default();
                // Bash takes the old value before the right side may change it.
                let first = self.bash() && !self.skip && !operator.is_empty();
                let before = if first { Some(self.read(&name, index)?) } else { None };
                let right = self.nested(Self::assignment)?;
                if self.skip {
                    return Ok(0);
                }
                let value = match (operator, before) {
                    (b"", _) => right,
                    (operator, Some(left)) => self.apply(operator, left, right)?,
                    (operator, None) => {
                        let left = self.read(&name, index)?;
                        self.apply(operator, left, right)?
                    }
                };
                self.store(&name, index, value)?;
                return Ok(value);
            }
        }
        self.at = start;
        self.ternary()
    }

    fn ternary(&mut self) -> Outcome<i64> {
        let condition = self.binary(1)?;
        if !self.take(b"?") {
            return Ok(condition);
        }
        let skip = self.skip;
        self.skip = skip || condition == 0;
        let yes = self.nested(Self::comma)?;
        if !self.take(b":") {
            self.skip = skip;
            return self.mistake("expecting ':'");
        }
        self.skip = skip || condition != 0;
        let no = self.nested(Self::assignment)?;
        self.skip = skip;
        Ok(if condition != 0 { yes } else { no })
    }

    /// The next binary operator of at least this precedence.
    fn operator(&mut self, least: u8) -> Option<(&'static [u8], u8)> {
        self.blanks();
        let rest = self.rest();
        let bash = self.bash();
        let (operator, precedence) =
            *BINARY.iter().find(|(operator, _)| rest.starts_with(operator) && (bash || *operator != b"**"))?;
        let assigns = rest.get(operator.len()) == Some(&b'=');
        let comparison = matches!(operator, b"==" | b"!=" | b"<=" | b">=");
        (precedence >= least && (comparison || !assigns || operator == b"||" || operator == b"&&"))
            .then_some((operator, precedence))
    }

    fn binary(&mut self, least: u8) -> Outcome<i64> {
        let mut left = self.unary()?;
        while let Some((operator, precedence)) = self.operator(least) {
            self.at += operator.len();
            let skip = self.skip;
            match operator {
                b"&&" => self.skip = skip || left == 0,
                b"||" => self.skip = skip || left != 0,
                _ => {}
            }
            // `**` binds to the right.
            let right = self.binary(if operator == b"**" { precedence } else { precedence + 1 })?;
            self.skip = skip;
            left = match operator {
                b"&&" => i64::from(left != 0 && right != 0),
                b"||" => i64::from(left != 0 || right != 0),
                _ if skip => 0,
                _ => self.apply(operator, left, right)?,
            };
        }
        Ok(left)
    }

    fn apply(&mut self, operator: &[u8], left: i64, right: i64) -> Outcome<i64> {
        Ok(match operator {
            b"+" => left.wrapping_add(right),
            b"-" => left.wrapping_sub(right),
            b"*" => left.wrapping_mul(right),
            b"/" | b"%" if right == 0 => return self.mistake("division by zero"),
            b"/" => left.wrapping_div(right),
            b"%" => left.wrapping_rem(right),
            b"<<" => left.wrapping_shl(u32::try_from(right & 63).unwrap_or_default()),
            b">>" => left.wrapping_shr(u32::try_from(right & 63).unwrap_or_default()),
            b"&" => left & right,
            b"^" => left ^ right,
            b"|" => left | right,
            b"==" => i64::from(left == right),
            b"!=" => i64::from(left != right),
            b"<" => i64::from(left < right),
            b">" => i64::from(left > right),
            b"<=" => i64::from(left <= right),
            b">=" => i64::from(left >= right),
            b"**" => match u64::try_from(right) {
                Ok(exponent) => power(left, exponent),
                Err(_) => return self.mistake("exponent less than 0"),
            },
            _ => return self.mistake("an operator that is none"),
        })
    }

    fn unary(&mut self) -> Outcome<i64> {
        self.blanks();
        if self.bash() {
            for (sign, step) in [(b"++", 1), (b"--", -1)] {
                if !self.rest().starts_with(sign) {
                    continue;
                }
                let start = self.at;
                self.at += 2;
                self.blanks();
                if let Some((name, index)) = self.variable()? {
                    return self.step(&name, index, step).map(|(_, after)| after);
                }
                self.at = start;
            }
        }
        let Some(sign @ (b'-' | b'+' | b'!' | b'~')) = self.rest().first().copied() else { return self.primary() };
        self.at += 1;
        let value = self.nested(Self::unary)?;
        Ok(match sign {
            b'-' => value.wrapping_neg(),
            b'!' => i64::from(value == 0),
            b'~' => !value,
            _ => value,
        })
    }

    /// Adds to a variable: its value before and after.
    fn step(&mut self, name: &[u8], index: Option<i64>, step: i64) -> Outcome<(i64, i64)> {
        if self.skip {
            return Ok((0, 0));
        }
        let before = self.read(name, index)?;
        let after = before.wrapping_add(step);
        self.store(name, index, after)?;
        Ok((before, after))
    }

    fn primary(&mut self) -> Outcome<i64> {
        self.blanks();
        match self.rest().first() {
            Some(b'(') => {
                self.at += 1;
                let value = self.nested(Self::comma)?;
                if self.take(b")") { Ok(value) } else { self.mistake("expecting ')'") }
            }
            Some(byte) if byte.is_ascii_digit() => self.number(),
            _ => {
                let Some((name, index)) = self.variable()? else { return self.mistake("expecting primary") };
                if self.bash() {
                    self.blanks();
                    for (sign, step) in [(b"++", 1), (b"--", -1)] {
                        if self.rest().starts_with(sign) {
                            self.at += 2;
                            return self.step(&name, index, step).map(|(before, _)| before);
                        }
                    }
                }
                if self.skip { Ok(0) } else { self.read(&name, index) }
            }
        }
    }

    fn number(&mut self) -> Outcome<i64> {
        let length = self.rest().iter().take_while(|byte| is_name_byte(**byte) || matches!(byte, b'#' | b'@')).count();
        let text = self.rest().get(..length).unwrap_or_default().to_vec();
        match number(&text, self.shell.dialect) {
            Some(value) => {
                self.at += length;
                Ok(value)
            }
            None => self.mistake("no number"),
        }
    }

    /// A name, and in bash the index behind it.
    fn variable(&mut self) -> Outcome<Option<(Bytes, Option<i64>)>> {
        let rest = self.rest();
        if !rest.first().is_some_and(|byte| is_name_start(*byte)) {
            return Ok(None);
        }
        let length = rest.iter().take_while(|byte| is_name_byte(**byte)).count();
        let name = rest.get(..length).unwrap_or_default().to_vec();
        self.at += length;
        if !self.bash() || self.rest().first() != Some(&b'[') {
            return Ok(Some((name, None)));
        }
        let mut open = 0_usize;
        let inner = self.rest().iter().position(|byte| {
            match byte {
                b'[' => open += 1,
                b']' => open = open.saturating_sub(1),
                _ => {}
            }
            open == 0
        });
        let Some(end) = inner else { return self.mistake("expecting ']'") };
        let text = self.rest().get(1..end).unwrap_or_default().to_vec();
        self.at += end + 1;
        if self.skip {
            return Ok(Some((name, None)));
        }
        let depth = self.deeper()?;
        let index = self.shell.expression(self.world, &text, depth)?;
        Ok(Some((name, Some(index))))
    }

    fn deeper(&self) -> Outcome<usize> {
        if self.depth >= limits::ARITHMETIC {
            return Err(Stop::limit("variables of an arithmetic expression that lead to one another").into());
        }
        Ok(self.depth + 1)
    }

    fn read(&mut self, name: &[u8], index: Option<i64>) -> Outcome<i64> {
        let value = match index {
            Some(index) => self.shell.element(name, index),
            None => self.shell.variable(name)?,
        };
        let Some(value) = value else {
            if self.shell.options.nounset && self.bash() {
                let name = String::from_utf8_lossy(name).into_owned();
                return self.shell.fail(self.world, &format!("{name}: parameter not set"));
            }
            return Ok(0);
        };
        if value.is_empty() {
            return Ok(0);
        }
        if self.bash() {
            let depth = self.deeper()?;
            return self.shell.expression(self.world, &value, depth);
        }
        match signed(&value, self.shell.dialect) {
            Some(number) => Ok(number),
            None => {
                let text = String::from_utf8_lossy(&value).into_owned();
                self.shell.fail(self.world, &format!("Illegal number: {text}"))
            }
        }
    }

    fn store(&mut self, name: &[u8], index: Option<i64>, value: i64) -> Outcome<()> {
        let text = value.to_string().into_bytes();
        match index {
            Some(index) => self.shell.assign_element(self.world, name, index, text, false),
            None => self.shell.assign(self.world, name, text),
        }
    }
}

fn power(base: i64, exponent: u64) -> i64 {
    let (mut result, mut square, mut left) = (1_i64, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = result.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        left >>= 1;
    }
    result
}

/// A number with blanks and a sign, as `strtoimax` reads it.
pub(super) fn signed(text: &[u8], dialect: Dialect) -> Option<i64> {
    let text = text.trim_ascii();
    let (negative, digits) = match text.first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let value = number(digits, dialect)?;
    Some(if negative { value.wrapping_neg() } else { value })
}

/// Digits, octal behind `0`, hexadecimal behind `0x`, in bash of any base behind `base#`.
fn number(text: &[u8], dialect: Dialect) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let (base, digits) = if let Some(digits) = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")) {
        (16, digits)
    } else if let Some(at) = text.iter().position(|byte| *byte == b'#').filter(|_| dialect == Dialect::Bash) {
        let base = std::str::from_utf8(text.get(..at)?).ok()?.parse().ok()?;
        (base, text.get(at + 1..)?)
    } else if text.starts_with(b"0") && text.len() > 1 {
        (8, text.get(1..)?)
    } else {
        (10, text)
    };
    if !(2..=64).contains(&base) || digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'z' => byte - b'a' + 10,
            b'A'..=b'Z' if base <= 36 => byte - b'A' + 10,
            b'A'..=b'Z' => byte - b'A' + 36,
            b'@' => 62,
            b'_' => 63,
            _ => return None,
        };
        let digit = i64::from(digit);
        if digit >= base {
            return None;
        }
        value = match dialect {
            Dialect::Bash => value.wrapping_mul(base).wrapping_add(digit),
            // As `strtoimax` does.
            Dialect::Dash => value.saturating_mul(base).saturating_add(digit),
        };
    }
    Some(value)
}
