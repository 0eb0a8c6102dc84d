//! Lua's patterns, with every step counted: the C library's own would try for ever on an evil one.
//!
//! Rules: Lua 5.4's manual, §6.4.1. Texts and patterns are bytes, classes those of the C locale.

/// Parts in brackets that a pattern may have.
const MOST_CAPTURES: usize = 32;
/// How deep one part may try another.
const DEPTH: usize = 200;

/// What a pair of brackets holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capture {
    /// Where it begins, and its length.
    Part(usize, usize),
    /// `()`: where it is, from 0.
    Position(usize),
    /// Brackets that nothing closes: an error where somebody asks for them.
    Open(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// An error in Lua's sense.
    Pattern(String),
    /// No steps are left.
    Steps,
}

fn fault<T>(text: &str) -> Result<T, Fault> {
    Err(Fault::Pattern(text.to_owned()))
}

/// Where a pattern was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub start: usize,
    pub end: usize,
    pub captures: Vec<Capture>,
}

pub(super) struct Matcher<'t> {
    text: &'t [u8],
    pattern: &'t [u8],
    anchored: bool,
    captures: Vec<Capture>,
    depth: usize,
    /// Steps that are left.
    pub steps: u64,
}

impl<'t> Matcher<'t> {
    /// `anchors`: whether `^` at the beginning ties the pattern to the place where it is tried.
    pub(super) fn new(text: &'t [u8], pattern: &'t [u8], anchors: bool, steps: u64) -> Matcher<'t> {
        let rest = pattern.strip_prefix(b"^").filter(|_| anchors);
        Matcher {
            text,
            pattern: rest.unwrap_or(pattern),
            anchored: rest.is_some(),
            captures: Vec::new(),
            depth: 0,
            steps,
        }
    }

    pub(super) fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// The first place from `from` on, or only there if the pattern is anchored. `not_end`: no match may end there.
    pub(super) fn find(&mut self, from: usize, not_end: Option<usize>) -> Result<Option<Found>, Fault> {
        let mut start = from;
        while start <= self.text.len() {
            if let Some(found) = self.find_at(start)?.filter(|found| Some(found.end) != not_end) {
                return Ok(Some(found));
            }
            if self.anchored {
                break;
            }
            start += 1;
        }
        Ok(None)
    }

    pub(super) fn find_at(&mut self, start: usize) -> Result<Option<Found>, Fault> {
        self.captures.clear();
        self.depth = 0;
        let Some(end) = self.try_at(start, 0)? else { return Ok(None) };
        Ok(Some(Found { start, end, captures: self.captures.clone() }))
    }

    fn step(&mut self) -> Result<(), Fault> {
        match self.steps.checked_sub(1) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(Fault::Steps),
        }
    }

    fn try_at(&mut self, at: usize, part: usize) -> Result<Option<usize>, Fault> {
        if self.depth >= DEPTH {
            return fault("pattern too complex");
        }
        self.depth += 1;
        let result = self.parts(at, part);
        self.depth -= 1;
        result
    }

    /// The end of what the pattern from `part` on stands for at `at`.
    fn parts(&mut self, mut at: usize, mut part: usize) -> Result<Option<usize>, Fault> {
        loop {
            self.step()?;
            let Some(letter) = self.pattern.get(part).copied() else { return Ok(Some(at)) };
            match (letter, self.pattern.get(part + 1).copied()) {
                (b'(', Some(b')')) => return self.open(at, part + 2, true),
                (b'(', _) => return self.open(at, part + 1, false),
                (b')', _) => return self.close(at, part + 1),
                (b'$', None) => return Ok((at == self.text.len()).then_some(at)),
                (b'%', Some(b'b')) => {
                    let Some(end) = self.balance(at, part + 2)? else { return Ok(None) };
                    (at, part) = (end, part + 4);
                }
                (b'%', Some(b'f')) => {
                    let set = part + 2;
                    if self.pattern.get(set) != Some(&b'[') {
                        return fault("missing '[' after '%f' in pattern");
                    }
                    let end = self.part_end(set)?;
                    let before = at.checked_sub(1).and_then(|before| self.text.get(before)).copied().unwrap_or(0);
                    let after = self.text.get(at).copied().unwrap_or(0);
                    if self.in_set(before, set, end - 1) || !self.in_set(after, set, end - 1) {
                        return Ok(None);
                    }
                    part = end;
                }
                (b'%', Some(digit @ b'0'..=b'9')) => {
                    let Some(end) = self.again(at, digit)? else { return Ok(None) };
                    (at, part) = (end, part + 2);
                }
                _ => {
                    let end = self.part_end(part)?;
                    match self.pattern.get(end) {
                        Some(b'?') => {
                            if self.single(at, part, end)
                                && let Some(found) = self.try_at(at + 1, end + 1)?
                            {
                                return Ok(Some(found));
                            }
                            part = end + 1;
                        }
                        Some(b'+') if self.single(at, part, end) => return self.most(at + 1, part, end),
                        Some(b'+') => return Ok(None),
                        Some(b'*') => return self.most(at, part, end),
                        Some(b'-') => return self.least(at, part, end),
                        _ if self.single(at, part, end) => (at, part) = (at + 1, end),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn open(&mut self, at: usize, part: usize, position: bool) -> Result<Option<usize>, Fault> {
        if self.captures.len() >= MOST_CAPTURES {
            return fault("too many captures");
        }
        let level = self.captures.len();
        self.captures.push(if position { Capture::Position(at) } else { Capture::Open(at) });
        let found = self.try_at(at, part)?;
        if found.is_none() {
            self.captures.truncate(level);
        }
        Ok(found)
    }

    fn close(&mut self, at: usize, part: usize) -> Result<Option<usize>, Fault> {
        let open = self.captures.iter().rposition(|capture| matches!(capture, Capture::Open(_)));
        let Some(level) = open else { return fault("invalid pattern capture") };
        let before = self.captures[level];
        if let Capture::Open(start) = before {
            self.captures[level] = Capture::Part(start, at - start);
        }
        let found = self.try_at(at, part)?;
        if found.is_none()
            && let Some(capture) = self.captures.get_mut(level)
        {
            *capture = before;
        }
        Ok(found)
    }

    fn balance(&mut self, at: usize, part: usize) -> Result<Option<usize>, Fault> {
        let (Some(opens), Some(closes)) = (self.pattern.get(part).copied(), self.pattern.get(part + 1).copied()) else {
            return fault("malformed pattern (missing arguments to '%b')");
        };
        if self.text.get(at) != Some(&opens) {
            return Ok(None);
        }
        let mut depth = 1;
        let mut end = at + 1;
        while let Some(letter) = self.text.get(end).copied() {
            self.step()?;
            end += 1;
            if letter == closes {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(end));
                }
            } else if letter == opens {
                depth += 1;
            }
        }
        Ok(None)
    }

    fn again(&mut self, at: usize, digit: u8) -> Result<Option<usize>, Fault> {
        let capture = usize::from(digit - b'0').checked_sub(1).and_then(|index| self.captures.get(index));
        let (start, length) = match capture.copied() {
            Some(Capture::Part(start, length)) => (start, length),
            // A place has no text that could come again.
            Some(Capture::Position(_)) => return Ok(None),
            _ => return fault(&format!("invalid capture index %{}", char::from(digit))),
        };
        self.steps = self.steps.saturating_sub(length as u64);
        let same = self.text.get(at..).is_some_and(|rest| rest.starts_with(&self.text[start..start + length]));
        Ok(same.then_some(at + length))
    }

    fn most(&mut self, at: usize, part: usize, end: usize) -> Result<Option<usize>, Fault> {
        let mut count = 0;
        while self.single(at + count, part, end) {
            self.step()?;
            count += 1;
        }
        loop {
            if let Some(found) = self.try_at(at + count, end + 1)? {
                return Ok(Some(found));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    fn least(&mut self, mut at: usize, part: usize, end: usize) -> Result<Option<usize>, Fault> {
        loop {
            if let Some(found) = self.try_at(at, end + 1)? {
                return Ok(Some(found));
            }
            if !self.single(at, part, end) {
                return Ok(None);
            }
            at += 1;
        }
    }

    /// Where the part ends that stands for one letter.
    fn part_end(&self, part: usize) -> Result<usize, Fault> {
        match self.pattern.get(part) {
            Some(b'%') if self.pattern.get(part + 1).is_none() => fault("malformed pattern (ends with '%')"),
            Some(b'%') => Ok(part + 2),
            Some(b'[') => {
                let mut at = part + 1 + usize::from(self.pattern.get(part + 1) == Some(&b'^'));
                // The first one may be a closing bracket.
                loop {
                    at += match self.pattern.get(at) {
                        None => return fault("malformed pattern (missing ']')"),
                        Some(b'%') => 2,
                        Some(_) => 1,
                    };
                    if self.pattern.get(at) == Some(&b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(part + 1),
        }
    }

    fn single(&mut self, at: usize, part: usize, end: usize) -> bool {
        // A set is as much work as it is long.
        self.steps = self.steps.saturating_sub((end - part) as u64 / 8);
        let Some(letter) = self.text.get(at).copied() else { return false };
        match self.pattern.get(part).copied() {
            Some(b'.') => true,
            Some(b'%') => self.pattern.get(part + 1).is_some_and(|class| is_of(letter, *class)),
            Some(b'[') => self.in_set(letter, part, end - 1),
            Some(other) => letter == other,
            None => false,
        }
    }

    /// Whether a letter is in the set from the bracket at `part` to the one at `end`.
    fn in_set(&self, letter: u8, part: usize, end: usize) -> bool {
        let mut set = self.pattern.get(part + 1..end).unwrap_or_default();
        let negated = set.first() == Some(&b'^');
        if negated {
            set = &set[1..];
        }
        let mut within = false;
        loop {
            set = match set {
                [] => break,
                [b'%', class, rest @ ..] => {
                    within |= is_of(letter, *class);
                    rest
                }
                [first, b'-', last, rest @ ..] => {
                    within |= (*first..=*last).contains(&letter);
                    rest
                }
                [other, rest @ ..] => {
                    within |= letter == *other;
                    rest
                }
            };
        }
        within != negated
    }
}

/// Whether a letter is of a class; a class that is none stands for itself.
fn is_of(letter: u8, class: u8) -> bool {
    let is = match class.to_ascii_lowercase() {
        b'a' => letter.is_ascii_alphabetic(),
        b'c' => letter.is_ascii_control(),
        b'd' => letter.is_ascii_digit(),
        b'g' => letter.is_ascii_graphic(),
        b'l' => letter.is_ascii_lowercase(),
        b'p' => letter.is_ascii_punctuation(),
        // The C library's, with the vertical tab.
        b's' => letter.is_ascii_whitespace() || letter == 0x0b,
        b'u' => letter.is_ascii_uppercase(),
        b'w' => letter.is_ascii_alphanumeric(),
        b'x' => letter.is_ascii_hexdigit(),
        _ => return letter == class,
    };
    is != class.is_ascii_uppercase()
}

/// Where `wanted` stands in `text` from `from` on, and the steps that are left.
pub(super) fn plain(text: &[u8], wanted: &[u8], from: usize, mut steps: u64) -> Result<(Option<usize>, u64), Fault> {
    let mut at = from;
    while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= wanted.len()) {
        let same = rest.iter().zip(wanted).take_while(|(one, other)| one == other).count();
        steps = steps.checked_sub(1 + same as u64 / 8).ok_or(Fault::Steps)?;
        if same == wanted.len() {
            return Ok((Some(at), steps));
        }
        at += 1;
    }
    Ok((None, steps))
}
