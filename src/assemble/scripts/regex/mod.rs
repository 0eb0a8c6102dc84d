//! Regular expressions of POSIX, over bytes, in the C locale.
//!
//! A pattern is read into a [`syntax::Node`]. Where it can, the `regex` crate searches ([`translate`]). That finds the
//! leftmost match; POSIX wants the longest of those that start there, so a pattern for which that may be another one is
//! followed again from its start ([`search::longest`]), and its groups are those of the first greedy way to that end,
//! as with the GNU C library. Patterns with references to their own groups are searched by trial, with a
//! limit on the steps. Perl's patterns mean their first match, as in Perl.

mod brackets;
mod compile;
mod flavour;
mod parse;
mod search;
mod syntax;
mod translate;

use compile::Program;
use search::{Budget, Goal};
use syntax::{Fault, Node, Place, Set};

use crate::shell::Stop;

pub(crate) use brackets::is_in_class;
pub use flavour::{Extent, Flavour, Reading};

/// The byte that sed means by a letter behind a backslash, and how many bytes of what follows belong to it.
pub(crate) fn escape_of_sed(letter: u8, behind: &[u8]) -> Option<(u8, usize)> {
    brackets::escape(letter, behind, Flavour::SedBasic)
}

/// Where the whole match is, then each group.
pub type Captures = Vec<Option<(usize, usize)>>;

#[derive(Debug)]
pub struct Regex {
    groups: usize,
    search: Search,
    budget: Budget,
}

#[derive(Debug)]
enum Search {
    /// The crate finds what is wanted.
    Crate(regex::bytes::Regex),
    /// The crate finds where it starts.
    Start(regex::bytes::Regex, Program),
    Trial(Program, Goal),
    /// Why it is not done.
    Refused(String),
}

impl Regex {
    /// Reads a pattern; what is wrong with it is said as the C library says it. What is not wrong but not supported is
    /// told by [`Regex::refusal`] and ends every search.
    pub fn new(pattern: &[u8], flavour: Flavour, ignore_case: bool) -> Result<Regex, String> {
        Regex::any_of(&[pattern], Reading::new(flavour, ignore_case))
    }

    /// What any of the patterns matches.
    pub fn any_of(patterns: &[&[u8]], reading: Reading) -> Result<Regex, String> {
        match joined(patterns, reading).and_then(|(node, groups)| {
            let search = search_for(node, groups, reading)?;
            Ok(Regex { groups, search, budget: Budget::default() })
        }) {
            Ok(regex) => Ok(regex),
            Err(Fault::Invalid(message)) => Err(message.to_owned()),
            Err(Fault::Unsupported(what)) => {
                Ok(Regex { groups: 0, search: Search::Refused(what), budget: Budget::default() })
            }
        }
    }

    /// Groups in parentheses.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Why it cannot be searched for, if it cannot.
    pub fn refusal(&self) -> Option<&str> {
        match &self.search {
            Search::Refused(why) => Some(why),
            _ => None,
        }
    }

    /// The leftmost match that starts at `start` or behind it; `text` before it is looked at by `^`, `\<` and their kin.
    pub fn find_at(&self, text: &[u8], start: usize) -> Result<Option<Captures>, Stop> {
        if start > text.len() {
            return Ok(None);
        }
        match &self.search {
            Search::Crate(regex) => Ok(crate_captures(regex, text, start, self.groups)),
            Search::Start(regex, program) => match regex.find_at(text, start) {
                Some(found) => from_start(program, text, found.start(), &self.budget),
                None => Ok(None),
            },
            Search::Trial(program, goal) => {
                for start in start..=text.len() {
                    if let Some(slots) = search::trial(program, text, start, *goal, &self.budget)? {
                        return Ok(Some(pairs(&slots)));
                    }
                }
                Ok(None)
            }
            Search::Refused(what) => Err(Stop::unsupported("", what)),
        }
    }

    pub fn is_match(&self, text: &[u8]) -> Result<bool, Stop> {
        match &self.search {
            Search::Crate(regex) | Search::Start(regex, _) => Ok(regex.is_match(text)),
            _ => Ok(self.find_at(text, 0)?.is_some()),
        }
    }

    /// Where the leftmost match at or behind `start` is.
    pub fn span_at(&self, text: &[u8], start: usize) -> Result<Option<(usize, usize)>, Stop> {
        match &self.search {
            Search::Crate(regex) if start <= text.len() => {
                Ok(regex.find_at(text, start).map(|found| (found.start(), found.end())))
            }
            _ => Ok(self.find_at(text, start)?.and_then(|captures| captures.first().copied().flatten())),
        }
    }
}

fn joined(patterns: &[&[u8]], reading: Reading) -> Result<(Node, usize), Fault> {
    let mut nodes = Vec::new();
    let mut groups = 0;
    for pattern in patterns {
        let (node, after) = parse::parse(pattern, reading, groups)?;
        nodes.push(node);
        groups = after;
    }
    let node = match nodes.len() {
        0 => Node::Byte(Set::default()),
        1 => nodes.remove(0),
        _ => Node::Choice(nodes),
    };
    let (before, after) = match reading.extent {
        Extent::Anything => return Ok((node, groups)),
        Extent::AtStart => (Node::At(Place::TextStart), Node::Empty),
        Extent::Word => (Node::At(Place::NoWordBefore), Node::At(Place::NoWordAfter)),
        Extent::WholeText => (Node::At(Place::TextStart), Node::At(Place::TextEnd)),
    };
    Ok((Node::Sequence(vec![before, node, after]), groups))
}

/// Of what the crate compiles, in bytes: a search remembers each group for each state.
const SIZE: usize = 8 << 20;
const SIZE_WITH_GROUPS: usize = 1 << 20;

fn search_for(node: Node, groups: usize, reading: Reading) -> Result<Search, Fault> {
    let first_wins = reading.flavour == Flavour::Perl || node.greedy_is_longest();
    let Some(translated) = translate::translate(&node) else {
        let program = compile::compile(&node, groups, reading.ignore_case)?;
        return Ok(Search::Trial(program, if first_wins { Goal::First } else { Goal::Longest }));
    };
    let size = if groups == 0 { SIZE } else { SIZE_WITH_GROUPS };
    let built = regex::bytes::RegexBuilder::new(&translated).unicode(false).size_limit(size).build();
    let regex = built.map_err(|_| Fault::Unsupported("a pattern as large as this".to_owned()))?;
    if first_wins {
        return Ok(Search::Crate(regex));
    }
    let program = compile::compile(&node, groups, reading.ignore_case)?;
    Ok(Search::Start(regex, program))
}

fn crate_captures(regex: &regex::bytes::Regex, text: &[u8], start: usize, groups: usize) -> Option<Captures> {
    let span = |found: regex::bytes::Match| (found.start(), found.end());
    if groups == 0 {
        return regex.find_at(text, start).map(|found| vec![Some(span(found))]);
    }
    let captures = regex.captures_at(text, start)?;
    Some(captures.iter().map(|found| found.map(span)).collect())
}

fn from_start(program: &Program, text: &[u8], start: usize, budget: &Budget) -> Result<Option<Captures>, Stop> {
    let Some(end) = search::longest(program, text, start, budget)? else { return Ok(None) };
    if program.slots == 2 {
        return Ok(Some(vec![Some((start, end))]));
    }
    Ok(search::trial(program, text, start, Goal::Exactly(end), budget)?.map(|slots| pairs(&slots)))
}

fn pairs(slots: &[Option<usize>]) -> Captures {
    slots.chunks(2).map(|pair| pair.first().copied().flatten().zip(pair.last().copied().flatten())).collect()
}
