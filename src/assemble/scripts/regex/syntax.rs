//! What a regular expression says, whatever flavour it was written in, or why it says nothing.

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// As the C library says it.
    Invalid(&'static str),
    /// Nothing wrong with it, but it is not done here.
    Unsupported(String),
}

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Set([u64; 4]);

impl Set {
    pub(super) const ANY: Set = Set([u64::MAX; 4]);

    pub(super) fn of(bytes: impl IntoIterator<Item = u8>) -> Set {
        let mut set = Set::default();
        bytes.into_iter().for_each(|byte| set.insert(byte));
        set
    }

    /// The bytes that `is` says yes to.
    pub(super) fn that(is: impl Fn(u8) -> bool) -> Set {
        Set::of((0..=255).filter(|byte| is(*byte)))
    }

    pub(super) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }

    pub(super) fn add(&mut self, other: Set) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }

    pub(super) fn negated(self) -> Set {
        Set(self.0.map(|bits| !bits))
    }

    /// With the other case of each letter in it.
    pub(super) fn folded(self) -> Set {
        Set::that(|byte| self.contains(byte.to_ascii_lowercase()) || self.contains(byte.to_ascii_uppercase()))
    }

    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        (0..=255).filter(|byte| self.contains(*byte))
    }
}

/// What is true of a place between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    /// Perl's `$`: the end, or the newline that ends the text.
    LastLineEnd,
    WordEdge,
    NotWordEdge,
    WordStart,
    WordEnd,
    /// No word reaches to here.
    NoWordBefore,
    /// No word begins or goes on here.
    NoWordAfter,
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl Place {
    pub(super) fn holds(self, text: &[u8], at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| text.get(before)).copied();
        let after = text.get(at).copied();
        let (word_before, word_after) = (before.is_some_and(is_word), after.is_some_and(is_word));
        match self {
            Place::TextStart => before.is_none(),
            Place::TextEnd => after.is_none(),
            Place::LineStart => before.is_none_or(|byte| byte == b'\n'),
            Place::LineEnd => after.is_none_or(|byte| byte == b'\n'),
            Place::LastLineEnd => after.is_none() || (after == Some(b'\n') && at + 1 == text.len()),
            Place::WordEdge => word_before != word_after,
            Place::NotWordEdge => word_before == word_after,
            Place::WordStart => !word_before && word_after,
            Place::WordEnd => word_before && !word_after,
            Place::NoWordBefore => !word_before,
            Place::NoWordAfter => !word_after,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Empty,
    /// One byte of the set.
    Byte(Set),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: u32,
        most: Option<u32>,
        lazy: bool,
    },
    /// Remembered under this number, from 1.
    Group(usize, Box<Node>),
    /// What the group of this number matched.
    Back(usize),
    At(Place),
    /// Perl's `(?=…)` and its kin: whether something matches here, or ends here.
    Look {
        behind: bool,
        negative: bool,
        node: Box<Node>,
    },
    /// Perl's `\K`: the match begins here.
    Keep,
}

impl Node {
    /// How many bytes it matches: at least, and at most unless there is no limit.
    pub(super) fn length(&self) -> (usize, Option<usize>) {
        match self {
            Node::Empty | Node::At(_) | Node::Look { .. } | Node::Keep => (0, Some(0)),
            Node::Byte(_) => (1, Some(1)),
            Node::Back(_) => (0, None),
            Node::Group(_, node) => node.length(),
            Node::Sequence(nodes) => nodes.iter().map(Node::length).fold((0, Some(0)), |(least, most), (low, high)| {
                (least.saturating_add(low), most.zip(high).map(|(most, high)| most.saturating_add(high)))
            }),
            Node::Choice(nodes) => {
                let lengths = nodes.iter().map(Node::length);
                let joined = lengths.reduce(|(least, most), (low, high)| {
                    (least.min(low), most.zip(high).map(|(most, high)| most.max(high)))
                });
                joined.unwrap_or((0, Some(0)))
            }
            Node::Repeat { node, least, most, .. } => {
                let (low, high) = node.length();
                let times =
                    |length: usize, count: u32| length.saturating_mul(usize::try_from(count).unwrap_or(usize::MAX));
                let most = match (high, most) {
                    (Some(0), _) => Some(0),
                    (high, most) => high.zip(*most).map(|(high, most)| times(high, most)),
                };
                (times(low, *least), most)
            }
        }
    }

    /// Whether `is` says yes to this node or to one below it.
    pub(super) fn any(&self, is: &dyn Fn(&Node) -> bool) -> bool {
        is(self)
            || match self {
                Node::Sequence(nodes) | Node::Choice(nodes) => nodes.iter().any(|node| node.any(is)),
                Node::Repeat { node, .. } | Node::Group(_, node) | Node::Look { node, .. } => node.any(is),
                Node::Empty | Node::Byte(_) | Node::Back(_) | Node::At(_) | Node::Keep => false,
            }
    }

    /// Whether the first match that a greedy search finds is the longest too: it is where nothing but single bytes may
    /// occur a varying number of times, since a byte that an early repetition takes can always be taken from it by none
    /// of the later ones that would lead further.
    pub(super) fn greedy_is_longest(&self) -> bool {
        !self.any(&|node| match node {
            Node::Choice(_) => true,
            Node::At(place) => !matches!(place, Place::TextStart | Place::TextEnd),
            Node::Repeat { node, least, most, lazy } => {
                *lazy || (Some(*least) != *most && !matches!(**node, Node::Byte(_)))
            }
            _ => false,
        })
    }
}
