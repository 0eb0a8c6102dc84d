//! `grep`: lines that match.

use std::collections::VecDeque;

use super::matcher;
use super::streams::{self, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{self, Options};
use crate::assemble::scripts::regex::{Extent, Flavour, Reading, Regex};
use crate::shell::{Bytes, Kind, Stop, World};

const OPTIONS: &[options::Known] = &[
    "q|quiet|silent",
    "E|extended-regexp",
    "F|fixed-strings",
    "G|basic-regexp",
    "P|perl-regexp",
    "e|regexp=",
    "f|file=",
    "v|invert-match",
    "x|line-regexp",
    "w|word-regexp",
    "i|y|ignore-case",
    "no-ignore-case",
    "c|count",
    "l|files-with-matches",
    "L|files-without-match",
    "n|line-number",
    "b|byte-offset",
    "o|only-matching",
    "s|no-messages",
    "h|no-filename",
    "H|with-filename",
    "label=",
    "r|recursive",
    "R|dereference-recursive",
    "include=",
    "exclude=",
    "exclude-dir=",
    "m|max-count=",
    "A|after-context=",
    "B|before-context=",
    "C|context=",
    "no-group-separator",
    "group-separator=",
    "z|null-data",
    "Z|null",
    "a|text",
    "I",
    "U|binary",
    "line-buffered",
    "color?",
    "colour?",
];

pub(super) fn grep(call: &mut Call) -> Result<u8, Stop> {
    run(call, Flavour::Basic)
}

pub(super) fn egrep(call: &mut Call) -> Result<u8, Stop> {
    run(call, Flavour::Extended)
}

pub(super) fn fgrep(call: &mut Call) -> Result<u8, Stop> {
    run(call, Flavour::Fixed)
}

/// What is told of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    Lines,
    Count,
    /// Its name, if lines match.
    Matching,
    /// Its name, if none does.
    Without,
    Nothing,
}

struct Grep {
    regex: Regex,
    inverted: bool,
    listing: Listing,
    only_matches: bool,
    line_numbers: bool,
    offsets: bool,
    names: bool,
    most: u64,
    before: usize,
    after: usize,
    separator: Option<Bytes>,
    end: u8,
    name_end: Option<u8>,
    binary_is_text: bool,
    binary_is_skipped: bool,
    silent: bool,
    label: Bytes,
}

fn run(call: &mut Call, flavour: Flavour) -> Result<u8, Stop> {
    let words: Vec<Bytes> = call.words.iter().map(|word| context_word(word)).collect();
    let mut options = streams::with_words(call, &words, |call| options::parse(call, OPTIONS, true))?;
    let Some(patterns) = patterns(call, &mut options)? else { return Ok(2) };
    let regex = match Regex::any_of(&patterns.iter().map(Vec::as_slice).collect::<Vec<_>>(), reading(&options, flavour))
    {
        Ok(regex) => matcher::supported(call, regex)?,
        Err(message) => return call.fail(2, message),
    };
    let recursive = options.has("r") || options.has("R");
    let Some(grep) = settings(call, &options, regex, recursive)? else { return Ok(2) };
    let mut state = State { matched: false, failed: false, printed: false };
    let mut operands = std::mem::take(&mut options.operands);
    if operands.is_empty() {
        operands.push(if recursive { b".".to_vec() } else { b"-".to_vec() });
    }
    for operand in &operands {
        match recursive && operand != b"-" {
            true => grep.below(call, operand, &options, true, &mut state)?,
            false => grep.operand(call, operand, &mut state)?,
        }
        if state.matched && grep.listing == Listing::Nothing {
            return Ok(0);
        }
    }
    Ok(match (state.failed, state.matched) {
        (true, _) => 2,
        (false, true) => 0,
        (false, false) => 1,
    })
}

/// `-5` is `-C 5`.
fn context_word(word: &[u8]) -> Bytes {
    match word.strip_prefix(b"-") {
        Some(number) if streams::number(number).is_some() => [b"-C", number].concat(),
        _ => word.to_vec(),
    }
}

/// The patterns of all options, or the first operand's; nothing if a file of them cannot be read.
fn patterns(call: &mut Call, options: &mut Options) -> Result<Option<Vec<Bytes>>, Stop> {
    let mut patterns = Vec::new();
    let mut add = |text: &[u8]| patterns.extend(text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
    let mut given = false;
    for (name, value) in &options.given {
        match *name {
            "e" => add(value),
            "f" => match streams::read(call, value)? {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => add(bytes.strip_suffix(b"\n").unwrap_or(&bytes)),
                Err(errno) => {
                    call.error(format!("{}: {errno}", shown(value)))?;
                    return Ok(None);
                }
            },
            _ => continue,
        }
        given = true;
    }
    if !given {
        if options.operands.is_empty() {
            call.error("no pattern")?;
            return Ok(None);
        }
        add(&options.operands.remove(0));
    }
    Ok(Some(patterns))
}

fn reading(options: &Options, own: Flavour) -> Reading {
    let flavour = options.given.iter().rev().find_map(|(name, _)| match *name {
        "E" => Some(Flavour::Extended),
        "F" => Some(Flavour::Fixed),
        "G" => Some(Flavour::Basic),
        "P" => Some(Flavour::Perl),
        _ => None,
    });
    let folds = options.given.iter().rev().find(|(name, _)| matches!(*name, "i" | "no-ignore-case"));
    let extent = match (options.has("x"), options.has("w")) {
        (true, _) => Extent::WholeText,
        (false, true) => Extent::Word,
        (false, false) => Extent::Anything,
    };
    let ignore_case = folds.is_some_and(|(name, _)| *name == "i");
    Reading { flavour: flavour.unwrap_or(own), ignore_case, lines: false, extent }
}

fn settings(call: &mut Call, options: &Options, regex: Regex, recursive: bool) -> Result<Option<Grep>, Stop> {
    let context = |name: &str| options.value(name).or(options.value("C").filter(|_| name != "m"));
    let mut counts = [None; 3];
    for (count, name) in counts.iter_mut().zip(["A", "B", "m"]) {
        let Some(text) = context(name) else { continue };
        match streams::number(text) {
            Some(number) => *count = Some(number),
            None => {
                call.error(format!("{}: invalid context length argument", shown(text)))?;
                return Ok(None);
            }
        }
    }
    let [after, before, most] = counts;
    let lines = |count: Option<u64>| count.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let listings = options.given.iter().rev().find_map(|(name, _)| match *name {
        "l" => Some(Listing::Matching),
        "L" => Some(Listing::Without),
        _ => None,
    });
    let listing = match (options.has("q"), listings, options.has("c")) {
        (true, ..) => Listing::Nothing,
        (false, Some(listing), _) => listing,
        (false, None, true) => Listing::Count,
        (false, None, false) => Listing::Lines,
    };
    let several = options.operands.len() > 1 || (recursive && !is_one_file(call, &options.operands));
    let names = options.given.iter().rev().find(|(name, _)| matches!(*name, "h" | "H"));
    let separator = options.value("group-separator").cloned().unwrap_or_else(|| b"--".to_vec());
    Ok(Some(Grep {
        regex,
        inverted: options.has("v"),
        listing,
        only_matches: options.has("o"),
        line_numbers: options.has("n"),
        offsets: options.has("b"),
        names: names.map_or(several, |(name, _)| *name == "H"),
        most: most.unwrap_or(u64::MAX),
        before: lines(before),
        after: lines(after),
        separator: Some(separator).filter(|_| !options.has("no-group-separator")),
        end: if options.has("z") { 0 } else { b'\n' },
        name_end: options.has("Z").then_some(0),
        binary_is_text: options.has("a"),
        binary_is_skipped: options.has("I"),
        silent: options.has("s"),
        label: options.value("label").cloned().unwrap_or_else(|| b"(standard input)".to_vec()),
    }))
}

/// Whether the only operand is no directory: then `-r` shows no names.
fn is_one_file(call: &Call, operands: &[Bytes]) -> bool {
    matches!(operands, [one] if !call.machine.files.is_directory(&call.path(one)))
}

struct State {
    matched: bool,
    failed: bool,
    /// Lines were printed: the next group has a separator before it.
    printed: bool,
}

impl Grep {
    fn operand(&self, call: &mut Call, word: &[u8], state: &mut State) -> Result<(), Stop> {
        match streams::read(call, word)? {
            Ok(bytes) => {
                let name = if word == b"-" { self.label.clone() } else { word.to_vec() };
                self.file(call, &name, &bytes, state)
            }
            Err(errno) => {
                state.failed = true;
                if self.silent {
                    return Ok(());
                }
                call.error(format!("{}: {errno}", shown(word)))
            }
        }
    }

    /// A file, or all files below a directory. Links are followed only on the command line, or by `-R`.
    fn below(
        &self,
        call: &mut Call,
        word: &[u8],
        options: &Options,
        first: bool,
        state: &mut State,
    ) -> Result<(), Stop> {
        call.machine.spend(1)?;
        let path = call.path(word);
        let follow = first || options.has("R");
        let Some(facts) = call.machine.files.facts(&path, follow) else { return self.operand(call, word, state) };
        match facts.kind {
            Kind::Directory => {
                if !first && matches_any(options, "exclude-dir", word) {
                    return Ok(());
                }
                // Links to directories above are loops, which grep notices; here their number ends them.
                if word.len() > 4096 {
                    return Err(Stop::limit(format!("directories in each other below `{}`", shown(&word[..100]))));
                }
                for name in call.machine.files.list(&path).unwrap_or_default() {
                    let slash: &[u8] = if word.ends_with(b"/") { b"" } else { b"/" };
                    let below = match word {
                        b"." if options.operands.is_empty() => name,
                        word => [word, slash, &name].concat(),
                    };
                    self.below(call, &below, options, false, state)?;
                }
                Ok(())
            }
            Kind::File if !matches_any(options, "exclude", word) => {
                let included = !options.has("include") || matches_any(options, "include", word);
                if included || first { self.operand(call, word, state) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn file(&self, call: &mut Call, name: &[u8], bytes: &[u8], state: &mut State) -> Result<(), Stop> {
        let binary = self.end != 0 && !self.binary_is_text && bytes.contains(&0);
        if binary && self.binary_is_skipped {
            return Ok(());
        }
        let selected = if binary || self.listing != Listing::Lines {
            self.count(call, bytes)?
        } else {
            self.lines(call, name, bytes, state)?
        };
        state.matched |= selected > 0;
        match self.listing {
            Listing::Matching if selected > 0 => self.name(call, name),
            Listing::Without if selected == 0 => self.name(call, name),
            Listing::Count => {
                let prefix = if self.names { [name, &[self.name_end.unwrap_or(b':')]].concat() } else { Vec::new() };
                call.out([&prefix, format!("{selected}\n").as_bytes()].concat())
            }
            Listing::Lines if binary && selected > 0 => call.error(format!("{}: binary file matches", shown(name))),
            _ => Ok(()),
        }
    }

    fn name(&self, call: &mut Call, name: &[u8]) -> Result<(), Stop> {
        call.out([name, &[self.name_end.unwrap_or(b'\n')]].concat())
    }

    /// How many lines are selected; not on behind the first where that is enough.
    fn count(&self, call: &mut Call, bytes: &[u8]) -> Result<u64, Stop> {
        let enough = if self.listing == Listing::Count { self.most } else { self.most.min(1) };
        let mut count = 0;
        for line in streams::lines(bytes, self.end) {
            if count >= enough {
                break;
            }
            count += u64::from(self.selects(call, line)?);
        }
        Ok(count)
    }

    fn selects(&self, call: &mut Call, line: &[u8]) -> Result<bool, Stop> {
        call.machine.spend(line.len() as u64 / 64)?;
        Ok(self.regex.is_match(line)? != self.inverted)
    }

    fn lines(&self, call: &mut Call, name: &[u8], bytes: &[u8], state: &mut State) -> Result<u64, Stop> {
        let mut out = Bytes::new();
        let mut selected = 0;
        let mut waiting: VecDeque<(usize, usize, &[u8])> = VecDeque::new();
        // Lines still to be printed behind a match, and the last one that was printed.
        let mut following = 0;
        let mut last = None;
        let mut offset = 0;
        for (number, line) in streams::lines(bytes, self.end).enumerate() {
            let start = offset;
            offset += line.len() + 1;
            if selected < self.most && self.selects(call, line)? {
                selected += 1;
                let first = waiting.front().map_or(number, |(number, ..)| *number);
                let apart = last.map_or(state.printed, |last| first > last + 1);
                if apart
                    && (self.before > 0 || self.after > 0)
                    && !self.only_matches
                    && let Some(separator) = &self.separator
                {
                    out.extend([separator.as_slice(), b"\n"].concat());
                }
                for (number, start, line) in waiting.drain(..) {
                    self.line(&mut out, name, number, start, line, b'-');
                }
                self.matches(&mut out, name, number, start, line)?;
                last = Some(number);
                following = self.after;
            } else if following > 0 && selected > 0 {
                following -= 1;
                last = Some(number);
                self.line(&mut out, name, number, start, line, b'-');
            } else if selected >= self.most {
                break;
            } else if self.before > 0 {
                waiting.push_back((number, start, line));
                if waiting.len() > self.before {
                    waiting.pop_front();
                }
            }
        }
        state.printed |= last.is_some();
        call.out(&out)?;
        Ok(selected)
    }

    /// A selected line, or what of it matched.
    fn matches(&self, out: &mut Bytes, name: &[u8], number: usize, start: usize, line: &[u8]) -> Result<(), Stop> {
        if !self.only_matches {
            self.line(out, name, number, start, line, b':');
            return Ok(());
        }
        if self.inverted {
            return Ok(());
        }
        let mut at = 0;
        while let Some((from, to)) = self.regex.span_at(line, at)? {
            if let Some(found) = line.get(from..to).filter(|found| !found.is_empty()) {
                self.prefix(out, name, number, start + from, b':');
                out.extend_from_slice(found);
                out.push(self.end);
            }
            at = if to > from { to } else { to + 1 };
        }
        Ok(())
    }

    fn line(&self, out: &mut Bytes, name: &[u8], number: usize, start: usize, line: &[u8], mark: u8) {
        if self.only_matches {
            return;
        }
        self.prefix(out, name, number, start, mark);
        out.extend_from_slice(line);
        out.push(self.end);
    }

    fn prefix(&self, out: &mut Bytes, name: &[u8], number: usize, start: usize, mark: u8) {
        if self.names {
            out.extend_from_slice(name);
            out.push(self.name_end.unwrap_or(mark));
        }
        if self.line_numbers {
            out.extend_from_slice((number + 1).to_string().as_bytes());
            out.push(mark);
        }
        if self.offsets {
            out.extend_from_slice(start.to_string().as_bytes());
            out.push(mark);
        }
    }
}

/// Whether a name matches one of an option's globs.
fn matches_any(options: &Options, option: &str, word: &[u8]) -> bool {
    let name = word.rsplit(|byte| *byte == b'/').next().unwrap_or(word);
    let mut globs = options.given.iter().filter(|(given, _)| *given == option);
    globs.any(|(_, glob)| matcher::glob(glob, name))
}
