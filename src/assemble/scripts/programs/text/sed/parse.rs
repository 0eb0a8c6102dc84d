//! The text of a script of sed → [`Script`].

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::matcher;
use super::super::streams::{self, Sink};
use super::replacement;
use super::script::{Action, Address, Command, End, Pattern, Script, Substitution};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::regex::{Extent, Flavour, Reading, Regex};
use crate::shell::{Bytes, Stop};

/// Blocks within blocks.
const DEPTH: usize = 200;

/// Why the script is none, as sed says it, or why the run ends.
#[derive(Debug)]
pub(super) enum Fault {
    Script(String),
    /// The same, of the kind that ends it with status 4.
    Panic(String),
    Stop(Stop),
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Fault {
        Fault::Stop(stop)
    }
}

pub(super) type Parsed<T> = Result<T, Fault>;

pub(super) fn fault<T>(message: impl Into<String>) -> Parsed<T> {
    Err(Fault::Script(message.into()))
}

fn panic<T>(message: impl Into<String>) -> Parsed<T> {
    Err(Fault::Panic(message.into()))
}

struct Parser<'p, 'c, 'a> {
    call: &'p mut Call<'c, 'a>,
    text: &'p [u8],
    at: usize,
    extended: bool,
    /// Lines end with NUL: `^` and `$` are never about lines.
    null_data: bool,
    commands: Vec<Command>,
    /// Blocks that are open: the indices of their commands.
    open: Vec<usize>,
    labels: BTreeMap<Bytes, usize>,
    /// Commands that jump to a label.
    jumps: Vec<(usize, Bytes)>,
    /// Files that are written to, by name.
    sinks: BTreeMap<Bytes, Sink>,
    line_files: Vec<Bytes>,
}

/// The script, and the files of which lines are read one by one.
pub(super) fn parse(call: &mut Call, text: &[u8], extended: bool, null_data: bool) -> Parsed<(Script, Vec<Bytes>)> {
    let mut parser = Parser {
        call,
        text,
        at: 0,
        extended,
        null_data,
        commands: Vec::new(),
        open: Vec::new(),
        labels: BTreeMap::new(),
        jumps: Vec::new(),
        sinks: BTreeMap::new(),
        line_files: Vec::new(),
    };
    let quiet = text == b"#n" || text.starts_with(b"#n\n");
    while parser.command()? {}
    if !parser.open.is_empty() {
        return fault("unmatched `{'");
    }
    parser.link()?;
    Ok((Script { commands: parser.commands, quiet }, parser.line_files))
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 11
}

impl Parser<'_, '_, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, is: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is) {
            self.at += 1;
        }
    }

    fn skip_blanks(&mut self) {
        self.skip(|byte| is_space(byte) && byte != b'\n');
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn number(&mut self) -> Option<u64> {
        let start = self.at;
        self.skip(|byte| byte.is_ascii_digit());
        let digits = self.text.get(start..self.at).unwrap_or_default();
        (!digits.is_empty()).then(|| streams::number(digits).unwrap_or(u64::MAX))
    }

    /// The targets of jumps: those without a label go behind the last command.
    fn link(&mut self) -> Parsed<()> {
        let end = self.commands.len();
        for (index, label) in std::mem::take(&mut self.jumps) {
            let target = match (self.labels.get(&label), label.is_empty()) {
                (Some(target), false) => *target,
                (_, true) => end,
                (None, false) => return panic(format!("can't find label for jump to `{}'", streams::shown(&label))),
            };
            if let Some(Command {
                action: Action::Jump(to) | Action::JumpIfReplaced(to) | Action::JumpUnlessReplaced(to),
                ..
            }) = self.commands.get_mut(index)
            {
                *to = target;
            }
        }
        Ok(())
    }

    /// One command with its addresses; whether there was one.
    fn command(&mut self) -> Parsed<bool> {
        self.skip(|byte| is_space(byte) || byte == b';');
        if self.peek().is_none() {
            return Ok(false);
        }
        let first = self.address()?;
        let mut last = None;
        if first.is_some() {
            self.skip_blanks();
            if self.take(b',') {
                self.skip_blanks();
                last = Some(self.range_end()?);
                self.skip_blanks();
            }
        }
        if matches!(first, Some(Address::Start)) && !matches!(last, Some(End::Match(_))) {
            return fault("invalid usage of line address 0");
        }
        let negated = self.take(b'!');
        if negated {
            self.skip_blanks();
            if self.peek() == Some(b'!') {
                return fault("multiple `!'s");
            }
        }
        let Some(name) = self.next() else { return fault("missing command") };
        self.named(name, Command { first, last, negated, action: Action::Nothing })?;
        Ok(true)
    }

    fn named(&mut self, name: u8, mut command: Command) -> Parsed<()> {
        let index = self.commands.len();
        let addressed = command.first.is_some();
        match name {
            b'#' if addressed => return fault("comments don't accept any addresses"),
            b'#' => {
                self.skip(|byte| byte != b'\n');
                return Ok(());
            }
            b':' if addressed => return fault(": doesn't want any addresses"),
            b':' => {
                let label = self.label();
                if label.is_empty() {
                    return fault("\":\" lacks a label");
                }
                // Another command may stand right behind it.
                self.labels.insert(label, index);
                return Ok(());
            }
            b'{' => {
                if self.open.len() >= DEPTH {
                    return Err(Fault::Stop(Stop::limit(format!("{DEPTH} blocks of sed within each other"))));
                }
                self.open.push(index);
                command.action = Action::Block(0);
                self.commands.push(command);
                return Ok(());
            }
            b'}' => {
                let Some(open) = self.open.pop() else { return fault("unexpected `}'") };
                if addressed {
                    return fault("} doesn't want any addresses");
                }
                if let Some(Command { action, .. }) = self.commands.get_mut(open) {
                    *action = Action::Block(index);
                }
                return self.end();
            }
            _ => command.action = self.action(name, index)?,
        }
        self.commands.push(command);
        Ok(())
    }

    fn action(&mut self, name: u8, index: usize) -> Parsed<Action> {
        let action = match name {
            b'=' => Action::LineNumber,
            b'd' => Action::Delete,
            b'D' => Action::DeleteLine,
            b'F' => Action::FileName,
            b'g' => Action::GetHold,
            b'G' => Action::AddHold,
            b'h' => Action::Hold,
            b'H' => Action::HoldMore,
            b'n' => Action::Next,
            b'N' => Action::NextMore,
            b'p' => Action::Print,
            b'P' => Action::PrintLine,
            b'x' => Action::Exchange,
            b'z' => Action::Clear,
            b'l' => Action::List(self.count().map(|length| usize::try_from(length).unwrap_or(usize::MAX))),
            b'q' => Action::Quit(self.status()),
            b'Q' => Action::QuitSilently(self.status()),
            b'a' => return Ok(Action::Append(self.block_of_text()?)),
            b'i' => return Ok(Action::Insert(self.block_of_text()?)),
            b'c' => return Ok(Action::Change(self.block_of_text()?)),
            b'b' | b't' | b'T' => {
                let label = self.label();
                self.jumps.push((index, label));
                match name {
                    b'b' => Action::Jump(0),
                    b't' => Action::JumpIfReplaced(0),
                    _ => Action::JumpUnlessReplaced(0),
                }
            }
            b'r' => return Ok(Action::ReadFile(self.file_name()?)),
            b'R' => {
                let name = self.file_name()?;
                let known = self.line_files.iter().position(|known| *known == name);
                return Ok(Action::ReadLine(known.unwrap_or_else(|| {
                    self.line_files.push(name);
                    self.line_files.len() - 1
                })));
            }
            b'w' => return Ok(Action::Write(self.sink()?)),
            b'W' => return Ok(Action::WriteLine(self.sink()?)),
            b's' => Action::Substitute(Box::new(self.substitution()?)),
            b'y' => self.translation()?,
            b'v' => {
                self.label();
                Action::Nothing
            }
            b'e' => return Err(Fault::Stop(Stop::unsupported(self.call.name, "the command `e`, which runs programs"))),
            name => return fault(format!("unknown command: `{}'", char::from(name))),
        };
        self.end()?;
        Ok(action)
    }

    fn count(&mut self) -> Option<u64> {
        self.skip_blanks();
        self.number()
    }

    fn status(&mut self) -> u8 {
        u8::try_from(self.count().unwrap_or(0) & 0xff).unwrap_or_default()
    }

    /// What must stand behind a command.
    fn end(&mut self) -> Parsed<()> {
        self.skip_blanks();
        match self.peek() {
            None | Some(b'}' | b'#') => Ok(()),
            Some(b'\n' | b';') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => fault("extra characters after command"),
        }
    }

    fn label(&mut self) -> Bytes {
        self.skip_blanks();
        let start = self.at;
        self.skip(|byte| !is_space(byte) && byte != b';' && byte != b'}');
        self.text.get(start..self.at).unwrap_or_default().to_vec()
    }

    fn file_name(&mut self) -> Parsed<Bytes> {
        self.skip_blanks();
        let start = self.at;
        self.skip(|byte| byte != b'\n');
        let name = self.text.get(start..self.at).unwrap_or_default().to_vec();
        if name.is_empty() { fault("missing filename in r/R/w/W commands") } else { Ok(name) }
    }

    /// A file to write to: it is emptied now, even if nothing is ever written to it.
    fn sink(&mut self) -> Parsed<Sink> {
        let name = self.file_name()?;
        if let Some(sink) = self.sinks.get(&name) {
            return Ok(sink.clone());
        }
        match streams::create(self.call, &name, false)? {
            Ok(sink) => {
                self.sinks.insert(name, sink.clone());
                Ok(sink)
            }
            Err(errno) => fault(format!("couldn't open file {}: {errno}", streams::shown(&name))),
        }
    }

    fn address(&mut self) -> Parsed<Option<Address>> {
        if let Some(first) = self.number() {
            self.skip_blanks();
            if self.take(b'~') {
                self.skip_blanks();
                let step = self.number().unwrap_or(0);
                return Ok(Some(if step == 0 { Address::Line(first) } else { Address::Every(first, step) }));
            }
            return Ok(Some(if first == 0 { Address::Start } else { Address::Line(first) }));
        }
        Ok(match self.peek() {
            Some(b'$') => {
                self.at += 1;
                Some(Address::Last)
            }
            Some(b'/' | b'\\') => Some(Address::Match(self.address_pattern()?)),
            _ => None,
        })
    }

    fn range_end(&mut self) -> Parsed<End> {
        let kind = self.peek();
        if matches!(kind, Some(b'+' | b'~')) {
            self.at += 1;
            let Some(number) = self.number() else { return fault("expected newer version of sed") };
            return Ok(if kind == Some(b'+') { End::After(number) } else { End::Multiple(number) });
        }
        Ok(match self.address()? {
            Some(Address::Start) => End::Line(0),
            Some(Address::Line(line) | Address::Every(line, _)) => End::Line(line),
            Some(Address::Last) => End::Last,
            Some(Address::Match(pattern)) => End::Match(pattern),
            None => return fault("unexpected `,'"),
        })
    }

    fn address_pattern(&mut self) -> Parsed<Pattern> {
        let mut delimiter = self.next();
        if delimiter == Some(b'\\') {
            delimiter = self.next();
        }
        let text = delimiter.and_then(|delimiter| self.until(delimiter, true));
        let Some(text) = text else { return fault("unterminated address regex") };
        let (mut ignore_case, mut lines) = (false, false);
        loop {
            match self.peek() {
                Some(b'I') => ignore_case = true,
                Some(b'M') => lines = true,
                _ => break,
            }
            self.at += 1;
        }
        self.pattern(&text, ignore_case, lines)
    }

    fn pattern(&self, text: &[u8], ignore_case: bool, lines: bool) -> Parsed<Pattern> {
        if text.is_empty() {
            return match ignore_case || lines {
                true => fault("no previous regular expression"),
                false => Ok(None),
            };
        }
        let flavour = if self.extended { Flavour::SedExtended } else { Flavour::SedBasic };
        let reading = Reading { flavour, ignore_case, lines: lines && !self.null_data, extent: Extent::Anything };
        match Regex::any_of(&[text], reading) {
            Ok(regex) => Ok(Some(Rc::new(matcher::supported(self.call, regex)?))),
            // What its other matcher says of this ends GNU's with another status.
            Err(message) if message.starts_with("character class") => panic(message),
            Err(message) => fault(message),
        }
    }

    /// The text up to a delimiter, which loses the backslash before it. In a pattern `\n` is a newline, and a delimiter
    /// between brackets is none.
    fn until(&mut self, delimiter: u8, pattern: bool) -> Option<Bytes> {
        if matches!(delimiter, b'\n' | b'\\') {
            return None;
        }
        let mut text = Bytes::new();
        loop {
            match self.next()? {
                byte if byte == delimiter => return Some(text),
                b'\n' => return None,
                b'[' if pattern => text.extend(self.bracket()),
                b'\\' => match self.next()? {
                    byte if byte == delimiter && (pattern || byte != b'&') => text.push(byte),
                    b'n' if pattern => text.push(b'\n'),
                    b'\n' => text.push(b'\n'),
                    byte => text.extend([b'\\', byte]),
                },
                byte => text.push(byte),
            }
        }
    }

    /// A bracket expression, of which the opening bracket was read: all of it, or only that if it has no end.
    fn bracket(&mut self) -> Bytes {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut length = if rest.starts_with(b"^") { 1 } else { 0 };
        length += usize::from(rest.get(length) == Some(&b']'));
        while let Some(byte) = rest.get(length).filter(|byte| **byte != b'\n') {
            length += 1;
            match (byte, rest.get(length)) {
                (b']', _) => {
                    self.at += length;
                    return [b"[", rest.get(..length).unwrap_or_default()].concat();
                }
                (b'[', Some(kind @ (b':' | b'.' | b'='))) => {
                    let inner = rest.get(length + 1..).unwrap_or_default();
                    if let Some(end) = inner.windows(2).position(|two| two == [*kind, b']']) {
                        length += end + 3;
                    }
                }
                _ => {}
            }
        }
        b"[".to_vec()
    }

    fn substitution(&mut self) -> Parsed<Substitution> {
        let unterminated = || Fault::Script("unterminated `s' command".to_owned());
        let delimiter = self.next().ok_or_else(unterminated)?;
        let pattern = self.until(delimiter, true).ok_or_else(unterminated)?;
        let replacement = self.until(delimiter, false).ok_or_else(unterminated)?;
        let mut made = Substitution {
            pattern: None,
            replacement: replacement::parse(&replacement),
            global: false,
            number: 0,
            print: false,
            write: None,
        };
        let (ignore_case, lines) = self.flags(&mut made)?;
        made.pattern = self.pattern(&pattern, ignore_case, lines)?;
        let groups = made.pattern.as_ref().map_or(9, |regex| regex.groups());
        match replacement::last_group(&made.replacement) {
            group if group > groups => fault(format!("invalid reference \\{group} on `s' command's RHS")),
            _ => Ok(made),
        }
    }

    /// The flags behind a substitution; whether case does not matter, and whether it is about lines.
    fn flags(&mut self, made: &mut Substitution) -> Parsed<(bool, bool)> {
        let (mut ignore_case, mut lines) = (false, false);
        loop {
            match self.peek() {
                Some(b'i' | b'I') => ignore_case = true,
                Some(b'm' | b'M') => lines = true,
                Some(b'g') if made.global => return fault("multiple `g' options to `s' command"),
                Some(b'g') => made.global = true,
                Some(b'p') if made.print => return fault("multiple `p' options to `s' command"),
                Some(b'p') => made.print = true,
                Some(b'e') => {
                    return Err(Fault::Stop(Stop::unsupported(self.call.name, "the flag `e`, which runs programs")));
                }
                Some(b'w') => {
                    self.at += 1;
                    made.write = Some(self.sink()?);
                    break;
                }
                Some(b'0'..=b'9') if made.number > 0 => return fault("multiple number options to `s' command"),
                Some(b'0'..=b'9') => {
                    made.number = self.number().unwrap_or(0);
                    if made.number == 0 {
                        return fault("number option to `s' command may not be zero");
                    }
                    continue;
                }
                Some(b'\r' | b' ' | b'\t') => {}
                Some(b'\n' | b';' | b'#' | b'}') | None => break,
                Some(_) => return fault("unknown option to `s'"),
            }
            self.at += 1;
        }
        made.number = made.number.max(1);
        Ok((ignore_case, lines))
    }

    fn translation(&mut self) -> Parsed<Action> {
        let texts = self.next().and_then(|delimiter| self.until(delimiter, false).zip(self.until(delimiter, false)));
        let Some((from, to)) = texts else { return fault("unterminated `y' command") };
        let (from, to) = (replacement::plain(&from), replacement::plain(&to));
        if from.len() != to.len() {
            return fault("strings for `y' command are different lengths");
        }
        let mut table: Box<[u8; 256]> = Box::new(std::array::from_fn(|byte| u8::try_from(byte).unwrap_or_default()));
        for (from, to) in from.iter().zip(to) {
            table[usize::from(*from)] = to;
        }
        Ok(Action::Translate(table))
    }

    /// The text of `a`, `i` and `c`: behind a backslash and a newline, or on the same line.
    fn block_of_text(&mut self) -> Parsed<Bytes> {
        self.skip_blanks();
        match self.peek() {
            None => return fault("expected \\ after `a', `c' or `i'"),
            Some(b'\\') => {
                self.at += 1;
                let after = self.at;
                self.skip_blanks();
                // Blanks between the backslash and text on the same line are text.
                if !self.take(b'\n') {
                    self.at = after;
                }
            }
            Some(_) => {}
        }
        let mut text = Bytes::new();
        loop {
            match self.next() {
                None if text.is_empty() => return Ok(text),
                None | Some(b'\n') => {
                    text.push(b'\n');
                    return Ok(text);
                }
                Some(b'\\') => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    match replacement::escape(rest) {
                        Some((byte, used)) => {
                            text.push(byte);
                            self.at += used;
                        }
                        None => text.extend(self.next()),
                    }
                }
                Some(byte) => text.push(byte),
            }
        }
    }
}
