//! A script of sed over lines.

use std::rc::Rc;

use super::super::streams::{self, Sink};
use super::input::Lines;
use super::output::Output;
use super::replacement;
use super::script::{Action, Address, Command, End, Pattern, Script, Substitution};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::regex::Regex;
use crate::shell::{Bytes, Stop, World};

/// Largest pattern or hold space, in bytes.
const LARGEST: usize = 64 << 20;

/// Where a command's range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    Outside,
    /// Within, up to this line if that is known.
    Inside(Option<u64>),
    /// Behind: one that begins at a line's number does so once.
    Over,
}

/// How a cycle ends.
enum Flow {
    /// The next command.
    On,
    To(usize),
    /// The pattern space is printed unless `-n`, and the next line read.
    EndCycle,
    /// The next line is read.
    NextCycle,
    /// The script begins again with what is left of the pattern space.
    Again,
    /// The end, where the pattern space is printed unless `-n`.
    Quit(u8),
    QuitSilently(u8),
}

/// What is written behind the pattern space at the end of a cycle.
enum Later {
    Text(usize),
    Bytes(Bytes),
}

/// A pattern or hold space.
#[derive(Debug, Clone)]
struct Space {
    text: Bytes,
    /// Whether it is printed with a newline: not the last line, if it had none where it was read.
    ended: bool,
}

impl Default for Space {
    fn default() -> Space {
        Space { text: Bytes::new(), ended: true }
    }
}

impl Space {
    fn add(&mut self, newline: u8, other: &Space) {
        self.text.push(newline);
        self.text.extend_from_slice(&other.text);
        self.ended = other.ended;
    }

    fn first_line(&self, newline: u8) -> Option<&[u8]> {
        let end = self.text.iter().position(|byte| *byte == newline)?;
        self.text.get(..end)
    }
}

pub(super) struct Runner<'s> {
    script: &'s Script,
    quiet: bool,
    line_length: usize,
    space: Space,
    hold: Space,
    replaced: bool,
    later: Vec<Later>,
    ranges: Vec<Range>,
    last_pattern: Option<Rc<Regex>>,
    /// Lines of the files that `R` reads, and how far it is.
    line_files: Vec<(Vec<Bytes>, usize)>,
}

impl<'s> Runner<'s> {
    pub(super) fn new(script: &'s Script, quiet: bool, line_length: usize, line_files: Vec<Vec<Bytes>>) -> Runner<'s> {
        let mut runner = Runner {
            script,
            quiet: quiet || script.quiet,
            line_length,
            space: Space::default(),
            hold: Space::default(),
            replaced: false,
            later: Vec::new(),
            ranges: Vec::new(),
            last_pattern: None,
            line_files: line_files.into_iter().map(|lines| (lines, 0)).collect(),
        };
        runner.begin_file();
        runner
    }

    /// Before a file that is a text of its own.
    pub(super) fn begin_file(&mut self) {
        let open = |command: &Command| matches!(command.first, Some(Address::Start));
        let range = |command| if open(command) { Range::Inside(None) } else { Range::Outside };
        self.ranges = self.script.commands.iter().map(range).collect();
    }

    /// All lines, or up to a command that quits, whose status is given.
    pub(super) fn run(&mut self, call: &mut Call, lines: &mut Lines, output: &mut Output) -> Result<Option<u8>, Stop> {
        let mut fresh = true;
        loop {
            if fresh {
                let Some(line) = lines.next() else { return Ok(None) };
                self.space = Space { text: line, ended: lines.ended };
            }
            fresh = true;
            match self.cycle(call, lines, output)? {
                Flow::Again => {
                    self.end_cycle(output)?;
                    fresh = false;
                }
                Flow::Quit(status) => {
                    self.print_unless_quiet(output)?;
                    self.end_cycle(output)?;
                    return Ok(Some(status));
                }
                Flow::QuitSilently(status) => return Ok(Some(status)),
                Flow::NextCycle => self.end_cycle(output)?,
                Flow::EndCycle | Flow::On | Flow::To(_) => {
                    self.print_unless_quiet(output)?;
                    self.end_cycle(output)?;
                }
            }
        }
    }

    fn cycle(&mut self, call: &mut Call, lines: &mut Lines, output: &mut Output) -> Result<Flow, Stop> {
        let script = self.script;
        let mut at = 0;
        while let Some(command) = script.commands.get(at) {
            let read = if command.reads_space() { self.space.text.len() } else { 0 };
            call.machine.spend(1 + read as u64 / 64)?;
            if self.space.text.len().max(self.hold.text.len()) > LARGEST {
                return Err(Stop::limit(format!("lines of sed of more than {LARGEST} bytes")));
            }
            let selected = self.selects(command, at, lines)? != command.negated;
            let flow = match (&command.action, selected) {
                (Action::Block(end), false) => Flow::To(*end),
                (_, false) => Flow::On,
                (_, true) => self.act(call, command, at, lines, output)?,
            };
            match flow {
                Flow::On => at += 1,
                Flow::To(target) => at = target,
                flow => return Ok(flow),
            }
        }
        Ok(Flow::EndCycle)
    }

    fn matches(&mut self, pattern: &Pattern) -> Result<bool, Stop> {
        let regex = self.regex(pattern)?;
        regex.is_match(&self.space.text)
    }

    /// The pattern, or the one that was used last; it is that now.
    fn regex(&mut self, pattern: &Pattern) -> Result<Rc<Regex>, Stop> {
        match pattern.as_ref().or(self.last_pattern.as_ref()).cloned() {
            Some(regex) => {
                self.last_pattern = Some(regex.clone());
                Ok(regex)
            }
            None => Err(Stop::unsupported("sed", "an empty pattern before any other was used")),
        }
    }

    fn address(&mut self, address: &Address, lines: &Lines) -> Result<bool, Stop> {
        let line = lines.number;
        Ok(match address {
            Address::Start => line == 0,
            Address::Line(number) => line == *number,
            Address::Every(first, step) => line >= *first && (line - first).is_multiple_of(*step),
            Address::Last => lines.is_last(),
            Address::Match(pattern) => self.matches(pattern)?,
        })
    }

    fn selects(&mut self, command: &Command, index: usize, lines: &Lines) -> Result<bool, Stop> {
        let Some(first) = &command.first else { return Ok(true) };
        let Some(last) = &command.last else { return self.address(first, lines) };
        let line = lines.number;
        match self.ranges.get(index).copied().unwrap_or(Range::Outside) {
            Range::Outside => {
                // A line's number may have been passed by commands that read lines.
                let begins = match (first, last) {
                    (Address::Line(number), End::Line(end)) => line == *number || (line > *number && line <= *end),
                    (Address::Line(number), _) => line >= *number,
                    (first, _) => self.address(first, lines)?,
                };
                if !begins {
                    return Ok(false);
                }
                let end = match last {
                    End::Line(end) => Some(*end),
                    End::After(count) => Some(line.saturating_add(*count)),
                    End::Multiple(0) => Some(line),
                    End::Multiple(step) => line.checked_next_multiple_of(*step),
                    End::Last | End::Match(_) => None,
                };
                match end.is_none_or(|end| end > line) {
                    true => self.set_range(index, Range::Inside(end)),
                    false => self.leave_range(index, first),
                }
                Ok(true)
            }
            Range::Inside(Some(end)) => {
                if line >= end {
                    self.leave_range(index, first);
                }
                Ok(line <= end || !matches!(last, End::Line(_)))
            }
            Range::Inside(None) => {
                let ends = match last {
                    End::Match(pattern) => self.matches(pattern)?,
                    _ => lines.is_last(),
                };
                if ends {
                    self.leave_range(index, first);
                }
                Ok(true)
            }
            Range::Over => Ok(false),
        }
    }

    fn leave_range(&mut self, index: usize, first: &Address) {
        let again = !matches!(first, Address::Line(_) | Address::Start);
        self.set_range(index, if again { Range::Outside } else { Range::Over });
    }

    fn set_range(&mut self, index: usize, range: Range) {
        if let Some(known) = self.ranges.get_mut(index) {
            *known = range;
        }
    }

    fn act(
        &mut self,
        call: &mut Call,
        command: &Command,
        index: usize,
        lines: &mut Lines,
        output: &mut Output,
    ) -> Result<Flow, Stop> {
        let newline = lines.end;
        match &command.action {
            Action::Block(_) | Action::Nothing => {}
            Action::LineNumber => output.text(format!("{}\n", lines.number).as_bytes())?,
            Action::Append(_) => self.later.push(Later::Text(index)),
            Action::Insert(text) => output.text(text)?,
            Action::Change(text) => {
                let within = matches!(self.ranges.get(index), Some(Range::Inside(_)));
                if !within || command.negated {
                    output.text(text)?;
                }
                return Ok(Flow::NextCycle);
            }
            Action::Jump(target) => return Ok(Flow::To(*target)),
            Action::JumpIfReplaced(target) if std::mem::take(&mut self.replaced) => return Ok(Flow::To(*target)),
            Action::JumpUnlessReplaced(target) if !std::mem::take(&mut self.replaced) => return Ok(Flow::To(*target)),
            Action::JumpIfReplaced(_) | Action::JumpUnlessReplaced(_) => {}
            Action::Delete => return Ok(Flow::NextCycle),
            Action::DeleteLine => match self.space.first_line(newline).map(<[u8]>::len) {
                Some(end) => {
                    self.space.text.drain(..=end);
                    return Ok(Flow::Again);
                }
                None => return Ok(Flow::NextCycle),
            },
            Action::FileName => output.text(&[lines.file_name(), b"\n"].concat())?,
            Action::GetHold => self.space.clone_from(&self.hold),
            Action::AddHold => {
                self.space.add(newline, &self.hold);
            }
            Action::Hold => self.hold.clone_from(&self.space),
            Action::HoldMore => {
                self.hold.add(newline, &self.space);
            }
            Action::Exchange => std::mem::swap(&mut self.space, &mut self.hold),
            Action::List(length) => {
                let listed = list(&self.space.text, length.unwrap_or(self.line_length));
                output.text(&listed)?;
            }
            Action::Next => {
                if lines.is_last() {
                    return Ok(Flow::Quit(0));
                }
                self.print_unless_quiet(output)?;
                self.flush_later(output)?;
                let text = lines.next().unwrap_or_default();
                self.space = Space { text, ended: lines.ended };
            }
            Action::NextMore => {
                if lines.is_last() {
                    return Ok(Flow::Quit(0));
                }
                self.flush_later(output)?;
                let text = lines.next().unwrap_or_default();
                self.space.add(newline, &Space { text, ended: lines.ended });
            }
            Action::Print => self.print(output)?,
            Action::PrintLine => {
                let line = self.space.first_line(newline);
                output.line(line.unwrap_or(&self.space.text), line.is_some() || self.space.ended)?;
            }
            Action::Quit(status) => return Ok(Flow::Quit(*status)),
            Action::QuitSilently(status) => return Ok(Flow::QuitSilently(*status)),
            Action::ReadFile(name) => {
                // One that cannot be read is empty.
                let bytes = streams::read_file(call, name)?.unwrap_or_default();
                self.later.push(Later::Bytes(bytes));
            }
            Action::ReadLine(file) => {
                if let Some((lines, at)) = self.line_files.get_mut(*file)
                    && let Some(line) = lines.get(*at)
                {
                    *at += 1;
                    self.later.push(Later::Bytes(line.clone()));
                }
            }
            Action::Substitute(substitution) => self.substitute(call, substitution, output)?,
            Action::Write(sink) => self.write_to(call, sink, output)?,
            Action::WriteLine(sink) => {
                let line = self.space.first_line(newline);
                let ended = line.is_some() || self.space.ended;
                output.line_to(call, sink, line.unwrap_or(&self.space.text), ended)?;
            }
            Action::Translate(table) => {
                self.space.text.iter_mut().for_each(|byte| *byte = table[usize::from(*byte)]);
            }
            Action::Clear => self.space.text.clear(),
        }
        Ok(Flow::On)
    }

    fn print(&self, output: &mut Output) -> Result<(), Stop> {
        output.line(&self.space.text, self.space.ended)
    }

    fn print_unless_quiet(&self, output: &mut Output) -> Result<(), Stop> {
        if self.quiet { Ok(()) } else { self.print(output) }
    }

    fn write_to(&self, call: &mut Call, sink: &Sink, output: &mut Output) -> Result<(), Stop> {
        output.line_to(call, sink, &self.space.text, self.space.ended)
    }

    fn end_cycle(&mut self, output: &mut Output) -> Result<(), Stop> {
        self.replaced = false;
        self.flush_later(output)
    }

    fn flush_later(&mut self, output: &mut Output) -> Result<(), Stop> {
        for later in std::mem::take(&mut self.later) {
            match later {
                Later::Text(index) => {
                    if let Some(Command { action: Action::Append(text), .. }) = self.script.commands.get(index) {
                        output.text(text)?;
                    }
                }
                Later::Bytes(bytes) => output.text(&bytes)?,
            }
        }
        Ok(())
    }

    fn substitute(&mut self, call: &mut Call, substitution: &Substitution, output: &mut Output) -> Result<(), Stop> {
        let regex = self.regex(&substitution.pattern)?;
        let Some(text) = replaced(call, &regex, substitution, &self.space.text)? else { return Ok(()) };
        self.space.text = text;
        self.replaced = true;
        if substitution.print {
            self.print(output)?;
        }
        match &substitution.write {
            Some(sink) => self.write_to(call, sink, output),
            None => Ok(()),
        }
    }
}

/// The text with what is to be replaced replaced; nothing if nothing is.
fn replaced(call: &mut Call, regex: &Regex, substitution: &Substitution, text: &[u8]) -> Result<Option<Bytes>, Stop> {
    let mut out = Bytes::new();
    let mut changed = false;
    let mut count = 0;
    let mut at = 0;
    let mut last_end = None;
    while let Some(captures) = regex.find_at(text, at)? {
        call.machine.spend(1)?;
        let Some((start, end)) = captures.first().copied().flatten() else { break };
        out.extend_from_slice(text.get(at..start).unwrap_or_default());
        // Nothing right behind the match before is no match.
        let nothing_again = start == end && last_end == Some(start);
        count += u64::from(!nothing_again);
        if !nothing_again && count >= substitution.number {
            replacement::write(&substitution.replacement, text, &captures, &mut out);
            changed = true;
        } else {
            out.extend_from_slice(text.get(start..end).unwrap_or_default());
        }
        if out.len() > LARGEST {
            return Err(Stop::limit(format!("lines of sed of more than {LARGEST} bytes")));
        }
        last_end = Some(end);
        at = end;
        if changed && !substitution.global {
            break;
        }
        if start == end {
            let Some(byte) = text.get(at) else { break };
            out.push(*byte);
            at += 1;
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Ok(changed.then_some(out))
}

/// What `l` shows: nothing that is not printable, in lines of this length.
fn list(text: &[u8], length: usize) -> Bytes {
    let mut out = Bytes::new();
    let mut column = 0;
    for byte in text {
        let shown = match byte {
            b'\\' => b"\\\\".to_vec(),
            7 => b"\\a".to_vec(),
            8 => b"\\b".to_vec(),
            12 => b"\\f".to_vec(),
            b'\n' => b"\\n".to_vec(),
            b'\r' => b"\\r".to_vec(),
            b'\t' => b"\\t".to_vec(),
            11 => b"\\v".to_vec(),
            b' '..=b'~' => vec![*byte],
            byte => format!("\\{byte:03o}").into_bytes(),
        };
        if length > 0 && column + shown.len() > length - 1 {
            out.extend(b"\\\n");
            column = 0;
        }
        column += shown.len();
        out.extend(shown);
    }
    out.extend(b"$\n");
    out
}
