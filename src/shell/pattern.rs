//! Patterns of `case`, `${x#…}` and pathnames. Matching takes at most length of pattern × length of text steps.

/// One byte of the text, or any number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    Byte(u8),
    Any,
    Star,
    Set(Box<Set>),
}

/// A bit for each byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Set {
    bits: [u64; 4],
}

impl Set {
    fn insert(&mut self, byte: u8) {
        if let Some(bits) = self.bits.get_mut(usize::from(byte / 64)) {
            *bits |= 1 << (byte % 64);
        }
    }

    fn contains(&self, byte: u8) -> bool {
        self.bits.get(usize::from(byte / 64)).is_some_and(|bits| bits & (1 << (byte % 64)) != 0)
    }

    fn invert(&mut self) {
        self.bits.iter_mut().for_each(|bits| *bits = !*bits);
    }
}

impl Element {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Element::Byte(wanted) => *wanted == byte,
            Element::Any | Element::Star => true,
            Element::Set(set) => set.contains(byte),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    elements: Vec<Element>,
}

/// A byte of a pattern's source, with whether it was quoted.
pub(super) type Marked = (u8, bool);

impl Pattern {
    pub(super) fn new(source: &[Marked]) -> Pattern {
        let mut elements = Vec::new();
        let mut rest = source;
        while let Some((&(byte, quoted), after)) = rest.split_first() {
            rest = after;
            let element = match byte {
                _ if quoted => Element::Byte(byte),
                b'*' if elements.last() == Some(&Element::Star) => continue,
                b'*' => Element::Star,
                b'?' => Element::Any,
                b'\\' => match rest.split_first() {
                    Some((&(byte, _), after)) => {
                        rest = after;
                        Element::Byte(byte)
                    }
                    None => Element::Byte(b'\\'),
                },
                b'[' => match bracket(rest) {
                    Some((set, after)) => {
                        rest = after;
                        Element::Set(Box::new(set))
                    }
                    None => Element::Byte(b'['),
                },
                byte => Element::Byte(byte),
            };
            elements.push(element);
        }
        Pattern { elements }
    }

    /// The bytes that it matches, if they are the only ones.
    pub(super) fn literal(&self) -> Option<Vec<u8>> {
        self.elements.iter().map(|element| if let Element::Byte(byte) = element { Some(*byte) } else { None }).collect()
    }

    /// Steps that one match of this many bytes may take.
    pub(super) fn cost(&self, length: usize) -> u64 {
        let count = self.elements.len();
        // Without a star, what is longer than the pattern is soon known not to match.
        let length = if self.elements.contains(&Element::Star) { length } else { length.min(count) };
        1 + (count as u64).saturating_mul(length as u64) / 64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    pub(super) fn starts_with_dot(&self) -> bool {
        self.elements.first() == Some(&Element::Byte(b'.'))
    }

    /// Whether it matches the whole text. A star only ever has to give back to the one before it.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let (mut element, mut at) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        loop {
            match (self.elements.get(element), text.get(at)) {
                (Some(Element::Star), _) => {
                    star = Some((element + 1, at));
                    element += 1;
                }
                (Some(wanted), Some(byte)) if wanted.takes(*byte) => {
                    element += 1;
                    at += 1;
                }
                (None, None) => return true,
                _ => match &mut star {
                    Some((after, from)) if *from < text.len() => {
                        *from += 1;
                        element = *after;
                        at = *from;
                    }
                    _ => return false,
                },
            }
        }
    }

    /// Length of the shortest or longest start of the text that it matches.
    pub(super) fn prefix(&self, text: &[u8], longest: bool) -> Option<usize> {
        first_run(&self.elements, text.iter(), longest)
    }

    /// Length of the shortest or longest end of the text that it matches.
    pub(super) fn suffix(&self, text: &[u8], longest: bool) -> Option<usize> {
        let reversed: Vec<Element> = self.elements.iter().rev().cloned().collect();
        first_run(&reversed, text.iter().rev(), longest)
    }
}

/// Follows all ways to match at once: `active` holds the elements that may come next.
fn first_run<'a>(elements: &[Element], text: impl Iterator<Item = &'a u8>, longest: bool) -> Option<usize> {
    let mut active = vec![false; elements.len() + 1];
    let mut next = active.clone();
    activate(elements, &mut active, 0);
    let mut found = None;
    let done = |active: &[bool]| active.last() == Some(&true);
    if done(&active) {
        found = Some(0);
    }
    for (count, byte) in text.enumerate() {
        if found.is_some() && !longest {
            break;
        }
        next.fill(false);
        let mut alive = false;
        for (number, element) in elements.iter().enumerate() {
            if active.get(number) == Some(&true) && element.takes(*byte) {
                alive = true;
                activate(elements, &mut next, if *element == Element::Star { number } else { number + 1 });
            }
        }
        std::mem::swap(&mut active, &mut next);
        if done(&active) {
            found = Some(count + 1);
        }
        if !alive {
            break;
        }
    }
    found
}

/// A star may match nothing: what follows it is active with it.
fn activate(elements: &[Element], active: &mut [bool], from: usize) {
    for number in from..active.len() {
        if let Some(state) = active.get_mut(number) {
            *state = true;
        }
        if elements.get(number) != Some(&Element::Star) {
            return;
        }
    }
}

/// `[…]` behind its `[`, with what follows it; nothing if no `]` closes it.
fn bracket(source: &[Marked]) -> Option<(Set, &[Marked])> {
    let mut set = Set::default();
    let mut rest = source;
    let negated = matches!(rest.first(), Some((b'!' | b'^', false)));
    if negated {
        rest = rest.get(1..)?;
    }
    let mut first = true;
    loop {
        let (&(byte, quoted), after) = rest.split_first()?;
        if byte == b']' && !quoted && !first {
            if negated {
                set.invert();
            }
            return Some((set, after));
        }
        first = false;
        if byte == b'[' && !quoted && matches!(after.first(), Some((b':' | b'.' | b'=', false))) {
            let (kind, inner) = after.split_first()?;
            if let Some(end) = inner.windows(2).position(|pair| matches!(pair, [a, (b']', false)] if a == kind)) {
                let name: Vec<u8> = inner.get(..end)?.iter().map(|(byte, _)| *byte).collect();
                if kind.0 == b':' {
                    (0..=255).filter(|byte| in_class(&name, *byte)).for_each(|byte| set.insert(byte));
                    rest = inner.get(end + 2..)?;
                    continue;
                }
                if let [single] = name.as_slice() {
                    set.insert(*single);
                    rest = inner.get(end + 2..)?;
                    continue;
                }
            }
        }
        let (low, after) = member(rest)?;
        rest = after;
        match rest {
            [(b'-', false), (end, end_quoted), ..] if *end != b']' || *end_quoted => {
                let (high, after) = member(rest.get(1..)?)?;
                (low..=high).for_each(|byte| set.insert(byte));
                rest = after;
            }
            _ => set.insert(low),
        }
    }
}

/// One byte of a bracket; a backslash that came out of an expansion quotes the next.
fn member(source: &[Marked]) -> Option<(u8, &[Marked])> {
    let (&(byte, quoted), after) = source.split_first()?;
    if byte == b'\\' && !quoted {
        let (&(byte, _), after) = after.split_first()?;
        return Some((byte, after));
    }
    Some((byte, after))
}

fn in_class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"space" => byte.is_ascii_whitespace() || byte == 11,
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"punct" => byte.is_ascii_punctuation(),
        b"cntrl" => byte.is_ascii_control(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        b"graph" => byte.is_ascii_graphic(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        _ => false,
    }
}

/// Whether all of `text` fits a pattern as `case` has it: slashes and dots are like other bytes, a backslash quotes.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut marked = Vec::with_capacity(pattern.len());
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => marked.extend(bytes.next().map(|byte| (*byte, true))),
            byte => marked.push((*byte, false)),
        }
    }
    Pattern::new(&marked).matches(text)
}
