//! Facts that contradict each other → a tree of sentences, from the requests down to what nobody has, or to what cannot
//! stand together.
//!
//! Its form is that of resolvo's explanations, which people get where packages are debs. Versions of a package about
//! which the same is to be said share a line, and nothing is said twice.

use std::collections::{BTreeMap, BTreeSet};

use super::fact::{Fact, Source};
use super::pool::Pool;
use super::rules::{Kind, Literal, offer_of};
use crate::package::rpm::print;

/// Levels and lines that are shown, and versions in a line.
const DEPTH_MAX: usize = 60;
const LINES_MAX: usize = 120;
const VERSIONS_MAX: usize = 8;

/// The requests' texts stand first in `requests`; no fact can be left out.
pub(super) fn tell(pool: &Pool<'_>, requests: &[(String, Vec<u32>)], facts: &[&Fact<'_>]) -> String {
    let mut story = Story::of(pool, facts);
    let mut asked: Vec<(bool, &str, Vec<u32>)> = Vec::new();
    for fact in facts {
        if let Source::Request(number) = fact.source {
            let (text, offers) = &requests[number];
            asked.push((story.hopeless(offers), text, offers.clone()));
        }
    }
    asked.sort_by_key(|(hopeless, ..)| *hopeless);
    let several = asked.len() > 1;
    let lines = asked.into_iter().map(|(hopeless, text, offers)| {
        let state = if hopeless { "cannot be installed because there are no viable options:" } else { EITHER };
        Line { text: format!("{text} {state}"), below: story.candidates(offers, 1) }
    });
    let lines: Vec<Line> = lines.collect();
    let mut shown = Vec::new();
    if several {
        shown.push("The following packages are incompatible".to_owned());
    }
    print_lines(&lines, "", several, &mut shown);
    if shown.len() > LINES_MAX {
        let more = shown.len() - LINES_MAX;
        shown.truncate(LINES_MAX);
        shown.push(format!("({more} more lines)"));
    }
    shown.join("\n")
}

const EITHER: &str = "can be installed with any of the following options:";
const NONE: &str = "which cannot be installed because there are no viable options:";

#[derive(Debug)]
struct Line {
    text: String,
    below: Vec<Line>,
}

fn print_lines(lines: &[Line], indent: &str, with_branches: bool, shown: &mut Vec<String>) {
    for (place, line) in lines.iter().enumerate() {
        let last = place + 1 == lines.len();
        let (branch, next) = match (with_branches, last) {
            (false, _) => ("", ""),
            (true, false) => ("├─ ", "│  "),
            (true, true) => ("└─ ", "   "),
        };
        shown.push(format!("{indent}{branch}{}", line.text));
        print_lines(&line.below, &format!("{indent}{next}"), true, shown);
    }
}

struct Story<'p, 'a> {
    pool: &'p Pool<'a>,
    by_asker: BTreeMap<u32, Vec<&'p Fact<'a>>>,
    /// Offer → those that cannot stand beside it, as they say themselves.
    against: BTreeMap<u32, Vec<(Kind, u32)>>,
    /// Name → the candidates that were wanted first; other ones are too late.
    first: BTreeMap<u32, Vec<u32>>,
    /// Offers that cannot be had, or that exclude others.
    troubled: BTreeSet<u32>,
    said: BTreeSet<u32>,
}

fn there_are(literals: &[Literal]) -> impl Iterator<Item = u32> {
    literals.iter().filter(|literal| **literal > 0).map(|literal| offer_of(*literal))
}

fn not(literals: &[Literal]) -> impl Iterator<Item = u32> {
    literals.iter().filter(|literal| **literal < 0).map(|literal| offer_of(*literal))
}

impl<'p, 'a> Story<'p, 'a> {
    fn of(pool: &'p Pool<'a>, facts: &[&'p Fact<'a>]) -> Story<'p, 'a> {
        let mut story = Story {
            pool,
            by_asker: BTreeMap::new(),
            against: BTreeMap::new(),
            first: BTreeMap::new(),
            troubled: BTreeSet::new(),
            said: BTreeSet::new(),
        };
        for fact in facts {
            for offer in there_are(&fact.clause).filter(|it| !pool.side_by_side(*it)) {
                let name = pool.name_number(offer);
                let same = |it: &u32| pool.name_number(*it) == name;
                story.first.entry(name).or_insert_with(|| there_are(&fact.clause).filter(same).collect());
            }
            let Source::Package { asker, kind, .. } = fact.source else { continue };
            story.by_asker.entry(asker).or_default().push(fact);
            if let [only] = fact.clause[..]
                && only < 0
            {
                story.against.entry(offer_of(only)).or_default().push((kind, asker));
            }
        }
        loop {
            let before = story.troubled.len();
            let more = story.by_asker.iter().filter(|(_, facts)| facts.iter().any(|fact| story.is_trouble(fact)));
            let more: Vec<u32> = more.map(|(asker, _)| *asker).collect();
            story.troubled.extend(more);
            if story.troubled.len() == before {
                return story;
            }
        }
    }

    /// Whether who has this relation cannot be had, or excludes what is there.
    fn is_trouble(&self, fact: &Fact<'_>) -> bool {
        there_are(&fact.clause).all(|offer| self.troubled.contains(&offer) || self.too_late(offer).is_some())
    }

    fn hopeless(&self, offers: &[u32]) -> bool {
        offers.iter().all(|offer| self.troubled.contains(offer) || self.too_late(*offer).is_some())
    }

    /// The other versions in whose place an offer would stand, about which nothing else is to be said.
    fn too_late(&self, offer: u32) -> Option<&Vec<u32>> {
        let explained = self.by_asker.contains_key(&offer) || self.against.contains_key(&offer);
        let first = self.first.get(&self.pool.name_number(offer)).filter(|_| !self.pool.side_by_side(offer));
        first.filter(|first| !explained && !first.contains(&offer))
    }

    fn name(&self, offer: u32) -> &'a str {
        &self.pool.offer(offer).id.name
    }

    /// Versions of one name in a line; several names one after the other.
    fn list(&self, offers: impl IntoIterator<Item = u32>) -> String {
        let mut by_name: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for offer in offers {
            by_name.entry(self.name(offer)).or_default().insert(offer);
        }
        let with_versions = |(name, offers): (&str, BTreeSet<u32>)| {
            let mut offers: Vec<u32> = offers.into_iter().collect();
            offers.sort_by(|a, b| self.pool.best_first(*a, *b));
            let mut versions: Vec<&str> =
                offers.iter().map(|offer| self.pool.offer(*offer).id.version.as_str()).collect();
            versions.dedup();
            let more = versions.len().saturating_sub(VERSIONS_MAX);
            versions.truncate(VERSIONS_MAX);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("{name} {}{more}", versions.join(" | "))
        };
        by_name.into_iter().map(with_versions).collect::<Vec<_>>().join(" and ")
    }

    /// Lines about offers, the best first.
    fn candidates(&mut self, mut offers: Vec<u32>, depth: usize) -> Vec<Line> {
        offers.sort_by(|a, b| self.pool.best_first(*a, *b));
        let mut groups: Vec<(String, Vec<u32>)> = Vec::new();
        for offer in offers {
            let about = self.about(offer);
            match groups.iter_mut().find(|(other, _)| *other == about) {
                Some((_, offers)) => offers.push(offer),
                None => groups.push((about, vec![offer])),
            }
        }
        groups.into_iter().flat_map(|(_, offers)| self.candidate(&offers, depth)).collect()
    }

    /// What is to be said about an offer except its version.
    fn about(&self, offer: u32) -> String {
        let mut about = format!("{} {}", self.name(offer), self.reasons(offer));
        for fact in self.by_asker.get(&offer).into_iter().flatten() {
            if let Source::Package { kind, origin, .. } = fact.source {
                about.push_str(&format!("; {kind:?} {} {:?}", print(origin), fact.clause));
            }
        }
        about
    }

    /// Why an offer cannot be there, if others say so.
    fn reasons(&self, offer: u32) -> String {
        let mut reasons = String::new();
        for (kind, words) in
            [(Kind::Conflicts, "conflicts with"), (Kind::Obsoletes, "obsoletes"), (Kind::Requires, "excludes")]
        {
            let askers = self.against.get(&offer).into_iter().flatten().filter(|it| it.0 == kind).map(|it| it.1);
            let askers = self.list(askers);
            if !askers.is_empty() {
                reasons.push_str(&format!(", which {askers} {words}"));
            }
        }
        match self.too_late(offer) {
            Some(first) => format!("{reasons}, which cannot stand beside {}", self.list(first.iter().copied())),
            None => reasons,
        }
    }

    /// Offers of one name about which the same is to be said.
    fn candidate(&mut self, offers: &[u32], depth: usize) -> Vec<Line> {
        let Some(first) = offers.first().copied() else { return Vec::new() };
        let shown = self.list(offers.iter().copied());
        let reasons = self.reasons(first);
        let facts = self.by_asker.get(&first).cloned().unwrap_or_default();
        if facts.is_empty() {
            return vec![Line { text: shown + &reasons, below: Vec::new() }];
        }
        if !self.said.insert(first) {
            return vec![Line { text: format!("{shown}, about which see above"), below: Vec::new() }];
        }
        if depth >= DEPTH_MAX {
            return vec![Line { text: format!("{shown}, and so on"), below: Vec::new() }];
        }
        let mut lines = Vec::new();
        for (kind, words) in
            [(Kind::Requires, "require"), (Kind::Conflicts, "conflict with"), (Kind::Obsoletes, "obsolete")]
        {
            let mut below: Vec<(bool, Line)> = Vec::new();
            let mut excluded: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            for fact in &facts {
                let Source::Package { kind: its, origin, .. } = fact.source else { continue };
                match fact.clause[..] {
                    _ if its != kind => {}
                    [only] if only < 0 && kind != Kind::Requires => {
                        excluded.entry(print(origin)).or_default().push(offer_of(only));
                    }
                    _ => below.push((self.is_trouble(fact), self.relation(print(origin), fact, depth + 1))),
                }
            }
            below.sort_by_key(|(trouble, _)| *trouble);
            let mut below: Vec<Line> = below.into_iter().map(|(_, line)| line).collect();
            for (text, offers) in excluded {
                below.push(Line { text: format!("{text}, that is {}", self.list(offers)), below: Vec::new() });
            }
            if !below.is_empty() {
                let reasons = if lines.is_empty() { reasons.as_str() } else { "" };
                let would = if reasons.is_empty() { " would" } else { ", and which would" };
                lines.push(Line { text: format!("{shown}{reasons}{would} {words}"), below });
            }
        }
        lines
    }

    /// A relation, and what could meet it.
    fn relation(&mut self, text: String, fact: &Fact<'_>, depth: usize) -> Line {
        let offers: Vec<u32> = there_are(&fact.clause).collect();
        let beside = self.list(not(&fact.clause));
        let is_against = matches!(fact.source, Source::Package { kind: Kind::Conflicts | Kind::Obsoletes, .. });
        if offers.is_empty() && is_against {
            return Line { text: format!("{text}, that is {beside}"), below: Vec::new() };
        }
        let text = if beside.is_empty() { text } else { format!("{text}, given {beside}") };
        if offers.is_empty() {
            return Line { text: format!("{text}, for which no candidates were found."), below: Vec::new() };
        }
        let state = if self.is_trouble(fact) { NONE.to_owned() } else { format!("which {EITHER}") };
        Line { text: format!("{text}, {state}"), below: self.candidates(offers, depth + 1) }
    }
}
