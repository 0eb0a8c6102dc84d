//! The text of a program of awk → tokens.

use super::dialect::Dialect;
use crate::shell::Bytes;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(Bytes),
    Regex(Bytes),
    Name(Bytes),
    /// A name with a parenthesis right behind it: a function that the program defines.
    Function(Bytes),
    BuiltIn(Bytes),
    Keyword(&'static str),
    Symbol(&'static str),
    Newline,
    End,
}

const KEYWORDS: [&str; 21] = [
    "BEGIN", "END", "break", "continue", "delete", "do", "else", "exit", "for", "func", "function", "getline", "if",
    "in", "next", "nextfile", "print", "printf", "return", "while", "switch",
];

/// The longest first.
const SYMBOLS: [&str; 41] = [
    "**=", "&&", "||", "==", "!=", "<=", ">=", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", ">>", "**", "!~", "{",
    "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", ">", "<", "|", "?", ":", "~", "$", "=",
];

/// The tokens, each with its line.
pub(super) fn tokens(text: &[u8], dialect: Dialect) -> Result<Vec<(Token, usize)>, String> {
    let mut lexer = Lexer { text, at: 0, dialect, tokens: Vec::new(), line: 1 };
    while let Some(token) = lexer.token()? {
        lexer.tokens.push((token, lexer.line));
        if matches!(lexer.tokens.last(), Some((Token::Newline, _))) {
            lexer.line += 1;
        }
    }
    lexer.tokens.push((Token::Newline, lexer.line));
    lexer.tokens.push((Token::End, lexer.line));
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    dialect: Dialect,
    tokens: Vec<(Token, usize)>,
    line: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn token(&mut self) -> Result<Option<Token>, String> {
        loop {
            match self.rest() {
                [b' ' | b'\t' | b'\r', ..] => self.at += 1,
                [b'\\', b'\n', ..] => {
                    self.at += 2;
                    self.line += 1;
                }
                [b'\\', b'\r', b'\n', ..] => self.at += 3,
                [b'#', ..] => self.at += self.rest().iter().take_while(|byte| **byte != b'\n').count(),
                _ => break,
            }
        }
        let Some(first) = self.rest().first().copied() else { return Ok(None) };
        match first {
            b'\n' => {
                self.at += 1;
                Ok(Some(Token::Newline))
            }
            b'"' => self.text_token().map(Some),
            b'/' if !self.value_before() => self.regex().map(Some),
            b'0'..=b'9' => Ok(Some(self.number())),
            b'.' if self.rest().get(1).is_some_and(u8::is_ascii_digit) => Ok(Some(self.number())),
            byte if byte.is_ascii_alphabetic() || byte == b'_' => Ok(Some(self.word())),
            _ => {
                let found = SYMBOLS.iter().find(|symbol| self.rest().starts_with(symbol.as_bytes()));
                let Some(symbol) = found else { return Err(format!("the byte `{}`", first.escape_ascii())) };
                self.at += symbol.len();
                Ok(Some(Token::Symbol(symbol)))
            }
        }
    }

    /// Whether a slash here divides.
    fn value_before(&self) -> bool {
        match self.tokens.last() {
            Some((Token::Number(_) | Token::Text(_) | Token::Regex(_) | Token::Name(_) | Token::BuiltIn(_), _)) => true,
            Some((Token::Symbol(symbol), _)) => matches!(*symbol, ")" | "]" | "$" | "++" | "--"),
            _ => false,
        }
    }

    fn number(&mut self) -> Token {
        if self.dialect == Dialect::Gawk
            && let Some((value, length)) = other_base(self.rest())
        {
            self.at += length;
            return Token::Number(value);
        }
        let (value, length) = super::number::prefix(self.rest());
        self.at += length.max(1);
        Token::Number(value)
    }

    fn word(&mut self) -> Token {
        let length = self.rest().iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let name = self.rest().get(..length).unwrap_or_default().to_vec();
        self.at += length;
        if let Some(keyword) = KEYWORDS.iter().find(|keyword| keyword.as_bytes() == name) {
            return Token::Keyword(keyword);
        }
        let called = self.rest().first() == Some(&b'(');
        match super::syntax::BuiltIn::find(&name) {
            // What only gawk has may be a function of the program's own elsewhere.
            Some(_) if self.dialect == Dialect::Gawk || !matches!(name.as_slice(), b"gensub" | b"strtonum") => {
                Token::BuiltIn(name)
            }
            _ if called => Token::Function(name),
            _ => Token::Name(name),
        }
    }

    fn text_token(&mut self) -> Result<Token, String> {
        self.at += 1;
        let mut raw = Bytes::new();
        loop {
            match self.rest() {
                [b'"', ..] => {
                    self.at += 1;
                    return Ok(Token::Text(unescaped(&raw, self.dialect)));
                }
                [b'\\', b'\n', ..] => {
                    self.at += 2;
                    self.line += 1;
                }
                [b'\\', byte, ..] => {
                    raw.extend([b'\\', *byte]);
                    self.at += 2;
                }
                [b'\n', ..] | [] => return Err("a text without its end".to_owned()),
                [byte, ..] => {
                    raw.push(*byte);
                    self.at += 1;
                }
            }
        }
    }

    fn regex(&mut self) -> Result<Token, String> {
        self.at += 1;
        let mut raw = Bytes::new();
        let mut brackets = false;
        let mut start = 0;
        loop {
            match self.rest() {
                [b'\n', ..] | [] => return Err("a regular expression without its end".to_owned()),
                [b'/', ..] if !brackets => {
                    self.at += 1;
                    return Ok(Token::Regex(raw));
                }
                [b'\\', b'/', ..] => {
                    raw.push(b'/');
                    self.at += 2;
                }
                [b'\\', byte, ..] => {
                    raw.extend([b'\\', *byte]);
                    self.at += 2;
                }
                [byte, ..] => {
                    match byte {
                        b'[' if !brackets => {
                            brackets = true;
                            start = raw.len() + 1;
                        }
                        b']' if brackets
                            && raw.get(start..).is_some_and(|inner| !inner.is_empty() && inner != b"^") =>
                        {
                            brackets = false;
                        }
                        _ => {}
                    }
                    raw.push(*byte);
                    self.at += 1;
                }
            }
        }
    }
}

/// gawk's hexadecimal and octal numbers.
fn other_base(text: &[u8]) -> Option<(f64, usize)> {
    let (base, start) = match text {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (16, 2),
        [b'0', digit, ..] if digit.is_ascii_digit() => (8, 1),
        _ => return None,
    };
    let is_digit = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'.';
    let digits: Vec<u8> = text.iter().skip(start).take_while(is_digit).copied().collect();
    let values: Option<Vec<u32>> = digits.iter().map(|digit| char::from(*digit).to_digit(base)).collect();
    let value = values?.into_iter().fold(0.0, |value, digit| value * f64::from(base) + f64::from(digit));
    Some((value, start + digits.len()))
}

/// A text between quotes, or behind `-v`, with its escapes as what they stand for.
pub(super) fn unescaped(text: &[u8], dialect: Dialect) -> Bytes {
    let mut out = Bytes::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let Some((letter, after)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        rest = after;
        match letter {
            b'"' | b'\\' => out.push(*letter),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'v' => out.push(11),
            b'0'..=b'7' => {
                let digits = std::iter::once(letter).chain(rest.iter().take(2));
                let digits: Vec<u32> = digits.map_while(|byte| char::from(*byte).to_digit(8)).collect();
                let value = digits.iter().fold(0, |value, digit| value * 8 + digit);
                out.push(u8::try_from(value & 255).unwrap_or_default());
                rest = rest.get(digits.len() - 1..).unwrap_or_default();
            }
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
                let digits: Vec<u32> = rest.iter().take(2).map_while(|byte| char::from(*byte).to_digit(16)).collect();
                let value = digits.iter().fold(0, |value, digit| value * 16 + digit);
                out.push(u8::try_from(value).unwrap_or_default());
                rest = rest.get(digits.len()..).unwrap_or_default();
            }
            // mawk leaves the backslash to regular expressions.
            letter if dialect == Dialect::Gawk => out.push(*letter),
            letter => out.extend([b'\\', *letter]),
        }
    }
    out
}
