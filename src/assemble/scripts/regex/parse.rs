//! Patterns → [`Node`]: POSIX's basic and extended flavours with GNU's additions, awk's, and what is common of Perl's.

use super::brackets;
use super::flavour::{Flavour, Reading};
use super::syntax::{Fault, Node, Place, Set};
use crate::shell::Bytes;

/// Groups within groups.
const DEPTH: usize = 100;
const GROUPS: usize = 100;
/// Repetitions of one thing, one behind the other.
const REPETITIONS: usize = 8;
/// Largest count in braces: GNU's.
const COUNT: u32 = 32_767;

pub(super) struct Parser<'p> {
    pub(super) rest: &'p [u8],
    reading: Reading,
    /// Groups of patterns before this one.
    before: usize,
    groups: usize,
    /// Groups that are complete: only these may be referred to.
    closed: Vec<usize>,
    depth: usize,
}

/// The pattern's meaning, and how many groups there are with those `before` it.
pub(super) fn parse(pattern: &[u8], reading: Reading, before: usize) -> Result<(Node, usize), Fault> {
    let mut parser = Parser { rest: pattern, reading, before, groups: before, closed: Vec::new(), depth: 0 };
    if reading.flavour == Flavour::Fixed {
        return Ok((Node::Sequence(pattern.iter().map(|byte| parser.byte(*byte)).collect()), before));
    }
    let node = parser.choice()?;
    match parser.rest.is_empty() {
        true => Ok((node, parser.groups)),
        false => Err(Fault::Invalid("Unmatched ) or \\)")),
    }
}

impl Parser<'_> {
    fn basic(&self) -> bool {
        matches!(self.reading.flavour, Flavour::Basic | Flavour::SedBasic)
    }

    fn perl(&self) -> bool {
        self.reading.flavour == Flavour::Perl
    }

    fn take(&mut self, text: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// An operator that has a backslash before it in the basic flavour only.
    fn operator(&self, letter: u8) -> bool {
        match self.basic() {
            true => self.rest.starts_with(&[b'\\', letter]),
            false => self.rest.first() == Some(&letter),
        }
    }

    fn take_operator(&mut self, letter: u8) -> bool {
        let found = self.operator(letter);
        if found {
            self.rest = self.rest.get(if self.basic() { 2 } else { 1 }..).unwrap_or_default();
        }
        found
    }

    fn byte(&self, byte: u8) -> Node {
        self.set(Set::of([byte]))
    }

    fn set(&self, set: Set) -> Node {
        Node::Byte(if self.reading.ignore_case { set.folded() } else { set })
    }

    fn choice(&mut self) -> Result<Node, Fault> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Fault::Unsupported(format!("a pattern with {DEPTH} groups within each other")));
        }
        let mut choices = vec![self.sequence()?];
        while self.take_operator(b'|') {
            choices.push(self.sequence()?);
        }
        self.depth -= 1;
        Ok(if choices.len() == 1 { choices.remove(0) } else { Node::Choice(choices) })
    }

    fn sequence(&mut self) -> Result<Node, Fault> {
        let mut nodes: Vec<Node> = Vec::new();
        // Where a star is a star to the basic flavour: not at the start, nor behind the anchor there.
        let mut begun = false;
        let mut repeated = 0;
        while !self.rest.is_empty() && !self.operator(b'|') && !self.ends_group() {
            if let Some((least, most)) = self.repetition(begun)? {
                repeated += 1;
                if repeated > REPETITIONS {
                    return Err(Fault::Unsupported(format!("more than {REPETITIONS} repetitions of one thing")));
                }
                let lazy = self.perl() && self.take(b"?");
                if self.perl() && self.rest.first() == Some(&b'+') {
                    return Err(Fault::Unsupported("a possessive repetition".to_owned()));
                }
                match nodes.pop() {
                    Some(node) => nodes.push(repeat(node, least, most, lazy)),
                    None if self.reading.flavour == Flavour::SedExtended || self.perl() => {
                        return Err(Fault::Invalid("Invalid preceding regular expression"));
                    }
                    // grep ignores it.
                    None => {}
                }
                continue;
            }
            repeated = 0;
            let node = self.atom(begun)?;
            begun = begun || !matches!(node, Node::At(Place::TextStart | Place::LineStart));
            nodes.push(node);
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::Sequence(nodes),
        })
    }

    fn ends_group(&self) -> bool {
        // One that closes nothing is itself to grep.
        self.operator(b')') && (self.depth > 1 || self.reading.flavour != Flavour::Extended)
    }

    /// `*`, `+`, `?` and counts in braces.
    fn repetition(&mut self, begun: bool) -> Result<Option<(u32, Option<u32>)>, Fault> {
        let starred = self.rest.first() == Some(&b'*') && (begun || !self.basic());
        if starred {
            self.rest = &self.rest[1..];
            return Ok(Some((0, None)));
        }
        if self.basic() && !begun {
            return match self.operator(b'{') {
                true => Err(Fault::Invalid("Invalid preceding regular expression")),
                false => Ok(None),
            };
        }
        if self.take_operator(b'+') {
            return Ok(Some((1, None)));
        }
        if self.take_operator(b'?') {
            return Ok(Some((0, Some(1))));
        }
        if self.operator(b'{') { self.interval(begun) } else { Ok(None) }
    }

    fn interval(&mut self, begun: bool) -> Result<Option<(u32, Option<u32>)>, Fault> {
        let before = self.rest;
        self.take_operator(b'{');
        let least = self.number();
        let comma = self.take(b",");
        let most = if comma { self.number() } else { least };
        let counts = least.is_some() || (comma && !self.perl());
        if counts && begun && self.take_operator(b'}') {
            let least = least.unwrap_or(0);
            return match most {
                _ if least.max(most.unwrap_or(0)) > COUNT => Err(Fault::Invalid("Regular expression too big")),
                Some(most) if most < least => Err(Fault::Invalid("Invalid content of \\{\\}")),
                most => Ok(Some((least, most))),
            };
        }
        // What is no count is the brace itself, but not to POSIX.
        let end: &[u8] = if self.basic() { b"\\}" } else { b"}" };
        let closes = before.windows(end.len()).any(|part| part == end);
        match (self.reading.flavour, closes) {
            (Flavour::Basic | Flavour::SedBasic, true) => Err(Fault::Invalid("Invalid content of \\{\\}")),
            (Flavour::Basic | Flavour::SedBasic, false) => Err(Fault::Invalid("Unmatched \\{")),
            (Flavour::SedExtended, _) if !begun => Err(Fault::Invalid("Invalid preceding regular expression")),
            (Flavour::SedExtended, false) => Err(Fault::Invalid("Unmatched { or \\{")),
            _ => {
                self.rest = before;
                Ok(None)
            }
        }
    }

    fn number(&mut self) -> Option<u32> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        (digits > 0).then(|| std::str::from_utf8(number).ok().and_then(|text| text.parse().ok()).unwrap_or(u32::MAX))
    }

    fn atom(&mut self, begun: bool) -> Result<Node, Fault> {
        if self.take_operator(b'(') {
            return self.group();
        }
        let anywhere = !self.basic();
        match self.next() {
            None => Ok(Node::Empty),
            Some(b'\\') => self.escape(),
            Some(b'[') => {
                let (listed, rest) = brackets::parse(self.rest, self.reading.flavour)?;
                self.rest = rest;
                Ok(Node::Byte(listed.set(self.reading)))
            }
            Some(b'.') if self.perl() || self.reading.lines => Ok(Node::Byte(Set::of([b'\n']).negated())),
            Some(b'.') => Ok(Node::Byte(Set::ANY)),
            Some(b'^') if anywhere || !begun => Ok(Node::At(self.start())),
            Some(b'$') if anywhere || self.rest.is_empty() || self.operator(b')') || self.operator(b'|') => {
                Ok(Node::At(self.end()))
            }
            Some(byte) => Ok(self.byte(byte)),
        }
    }

    fn start(&self) -> Place {
        if self.reading.lines { Place::LineStart } else { Place::TextStart }
    }

    fn end(&self) -> Place {
        match (self.reading.lines, self.perl()) {
            (true, _) => Place::LineEnd,
            (false, true) => Place::LastLineEnd,
            (false, false) => Place::TextEnd,
        }
    }

    /// What stands behind an opening parenthesis.
    fn group(&mut self) -> Result<Node, Fault> {
        if self.perl() && self.take(b"?") {
            return self.perl_group();
        }
        if self.perl() && self.rest.first() == Some(&b'*') {
            return Err(Fault::Unsupported("Perl's `(*…)`".to_owned()));
        }
        self.groups += 1;
        if self.groups > GROUPS {
            return Err(Fault::Unsupported(format!("a pattern with more than {GROUPS} groups")));
        }
        let number = self.groups;
        let node = self.inner()?;
        self.closed.push(number);
        Ok(Node::Group(number, Box::new(node)))
    }

    fn inner(&mut self) -> Result<Node, Fault> {
        let node = self.choice()?;
        match self.take_operator(b')') {
            true => Ok(node),
            false => Err(Fault::Invalid("Unmatched ( or \\(")),
        }
    }

    fn perl_group(&mut self) -> Result<Node, Fault> {
        for (start, behind, negative) in
            [("=", false, false), ("!", false, true), ("<=", true, false), ("<!", true, true)]
        {
            if self.take(start.as_bytes()) {
                return Ok(Node::Look { behind, negative, node: Box::new(self.inner()?) });
            }
        }
        if self.take(b":") {
            return self.inner();
        }
        if self.take(b"i)") {
            self.reading.ignore_case = true;
            return Ok(Node::Empty);
        }
        let shown = String::from_utf8_lossy(self.rest.get(..3).unwrap_or(self.rest)).into_owned();
        Err(Fault::Unsupported(format!("Perl's `(?{shown}…`")))
    }

    fn escape(&mut self) -> Result<Node, Fault> {
        let Some(letter) = self.next() else { return Err(Fault::Invalid("Trailing backslash")) };
        if let Some(set) = brackets::class(letter, self.reading.flavour) {
            return Ok(Node::Byte(set));
        }
        match (letter, self.reading.flavour) {
            (b'1'..=b'9', Flavour::Awk) => {}
            (b'1'..=b'9', _) => {
                let number = self.before + usize::from(letter - b'0');
                return match self.closed.contains(&number) {
                    true => Ok(Node::Back(number)),
                    false => Err(Fault::Invalid("Invalid back reference")),
                };
            }
            (b'K', Flavour::Perl) => return Ok(Node::Keep),
            (b'Q', Flavour::Perl) => return Ok(self.quoted()),
            _ => {}
        }
        if let Some(place) = self.place(letter) {
            return Ok(Node::At(place));
        }
        if let Some((byte, used)) = brackets::escape(letter, self.rest, self.reading.flavour) {
            self.rest = self.rest.get(used..).unwrap_or_default();
            return Ok(self.byte(byte));
        }
        if self.perl() && letter.is_ascii_alphanumeric() {
            return Err(Fault::Unsupported(format!("Perl's `\\{}`", char::from(letter))));
        }
        Ok(self.byte(letter))
    }

    /// `\Q…\E`
    fn quoted(&mut self) -> Node {
        let end = self.rest.windows(2).position(|two| two == b"\\E");
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.get(2..).unwrap_or_default();
        let text: Bytes = text.to_vec();
        Node::Sequence(text.into_iter().map(|byte| self.byte(byte)).collect())
    }

    fn place(&self, letter: u8) -> Option<Place> {
        Some(match (letter, self.reading.flavour) {
            (b'A', Flavour::Perl) => Place::TextStart,
            (b'z', Flavour::Perl) => Place::TextEnd,
            (b'Z', Flavour::Perl) => Place::LastLineEnd,
            (b'b', Flavour::Perl) => Place::WordEdge,
            (b'B', Flavour::Perl) => Place::NotWordEdge,
            (_, Flavour::Perl) => return None,
            (b'y', Flavour::Awk) => Place::WordEdge,
            (b'b', Flavour::Awk) => return None,
            (b'b', _) => Place::WordEdge,
            (b'B', _) => Place::NotWordEdge,
            (b'<', _) => Place::WordStart,
            (b'>', _) => Place::WordEnd,
            (b'`', _) => Place::TextStart,
            (b'\'', _) => Place::TextEnd,
            _ => return None,
        })
    }
}

fn repeat(node: Node, least: u32, most: Option<u32>, lazy: bool) -> Node {
    match node {
        // A place again is the same place, and an optional one says nothing.
        Node::At(place) if least > 0 => Node::At(place),
        Node::At(_) | Node::Empty => Node::Empty,
        // `a**`
        Node::Repeat { least: 0, most: None, lazy: false, node } if most != Some(0) && !lazy => {
            Node::Repeat { node, least: 0, most: None, lazy: false }
        }
        node => Node::Repeat { node: Box::new(node), least, most, lazy },
    }
}
