//! Rich dependencies: `(foo >= 2 or bar)`, `(langpack if app else other)`, `(lib with lib(special) < 3)`.
//!
//! In metadata they stand as the name of a relation. Syntax: rpm's docs/manual/boolean_dependencies.md; where that leaves
//! something open, `parseRichDep` of rpm is right.

use crate::package::{Operator, Relation};

/// Deepest nesting; people write three.
const DEPTH_MAX: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rich {
    Relation(Relation),
    /// `and`
    All(Vec<Rich>),
    /// `or`
    Any(Vec<Rich>),
    /// `what if condition else otherwise`
    If {
        what: Box<Rich>,
        condition: Box<Rich>,
        otherwise: Option<Box<Rich>>,
    },
    /// `what unless condition else otherwise`
    Unless {
        what: Box<Rich>,
        condition: Box<Rich>,
        otherwise: Option<Box<Rich>>,
    },
    /// One package that is all of these.
    With(Vec<Rich>),
    /// A package that is the first and not the second.
    Without(Box<[Rich; 2]>),
}

/// Whether the name of a relation is a rich dependency.
pub fn is_rich(name: &str) -> bool {
    name.starts_with('(')
}

impl Rich {
    /// Nothing if the text is no rich dependency.
    pub fn parse(text: &str) -> Option<Rich> {
        let mut rest = text.trim();
        let rich = group(&mut rest, 0)?;
        rest.is_empty().then_some(rich)
    }

    /// Every relation in it.
    pub fn relations(&self) -> Vec<&Relation> {
        match self {
            Rich::Relation(relation) => vec![relation],
            Rich::All(parts) | Rich::Any(parts) | Rich::With(parts) => parts.iter().flat_map(Rich::relations).collect(),
            Rich::If { what, condition, otherwise } | Rich::Unless { what, condition, otherwise } => {
                let parts = [what, condition].into_iter().chain(otherwise);
                parts.flat_map(|part| part.relations()).collect()
            }
            Rich::Without(both) => both.iter().flat_map(Rich::relations).collect(),
        }
    }
}

/// From `(` to the `)` that closes it.
fn group(rest: &mut &str, depth: usize) -> Option<Rich> {
    *rest = rest.strip_prefix('(')?.trim_start();
    if depth > DEPTH_MAX {
        return None;
    }
    let first = operand(rest, depth)?;
    let mut parts = vec![first];
    let mut word = "";
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            *rest = after;
            return combine(word, parts);
        }
        let next = until_space(rest);
        match (word, next) {
            ("", "and" | "or" | "with" | "without" | "if" | "unless") => word = next,
            ("and", "and") | ("or", "or") | ("with", "with") => {}
            ("if" | "unless", "else") if parts.len() == 2 => {}
            _ => return None,
        }
        parts.push(operand(rest, depth)?);
    }
}

fn combine(word: &str, parts: Vec<Rich>) -> Option<Rich> {
    match word {
        "and" => return Some(Rich::All(parts)),
        "or" => return Some(Rich::Any(parts)),
        "with" => return Some(Rich::With(parts)),
        _ => {}
    }
    let count = parts.len();
    let mut parts = parts.into_iter();
    let first = parts.next()?;
    match word {
        "" => Some(first),
        "without" if count == 2 => Some(Rich::Without(Box::new([first, parts.next()?]))),
        "if" | "unless" => {
            let (what, condition) = (Box::new(first), Box::new(parts.next()?));
            let otherwise = parts.next().map(Box::new);
            Some(match word {
                "if" => Rich::If { what, condition, otherwise },
                _ => Rich::Unless { what, condition, otherwise },
            })
        }
        _ => None,
    }
}

fn operand(rest: &mut &str, depth: usize) -> Option<Rich> {
    if rest.starts_with('(') {
        let inner = group(rest, depth + 1)?;
        *rest = rest.trim_start();
        return Some(inner);
    }
    let name = simple(rest);
    if name.is_empty() {
        return None;
    }
    let sign = rest.len() - rest.trim_start_matches(['<', '=', '>']).len();
    let operator = match &rest[..sign] {
        "" => return Some(Rich::Relation(Relation { name: name.to_owned(), constraint: None })),
        "<" => Operator::Less,
        "<=" | "=<" => Operator::LessOrEqual,
        "=" | "==" => Operator::Equal,
        ">=" | "=>" => Operator::GreaterOrEqual,
        ">" => Operator::Greater,
        _ => return None,
    };
    *rest = rest[sign..].trim_start();
    let version = simple(rest);
    // Everybody writes epochs of zero in some places and not in others.
    let version = version.strip_prefix("0:").unwrap_or(version);
    let constraint = Some((operator, version.to_owned()));
    (!version.is_empty()).then(|| Rich::Relation(Relation { name: name.to_owned(), constraint }))
}

/// Up to a space, or to a closing parenthesis that was not opened in it: `pkgconfig(x)` is a name.
fn simple<'a>(rest: &mut &'a str) -> &'a str {
    let mut open = 0_usize;
    let end = rest.find(|c: char| {
        match c {
            '(' => open += 1,
            ')' if open > 0 => open -= 1,
            ')' => return true,
            _ => {}
        }
        c.is_whitespace()
    });
    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = after.trim_start();
    word
}

fn until_space<'a>(rest: &mut &'a str) -> &'a str {
    let (word, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
    *rest = after.trim_start();
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it was written, with every group in parentheses.
    fn print(rich: &Rich) -> String {
        let list = |word: &str, parts: &[Rich]| {
            format!("({})", parts.iter().map(print).collect::<Vec<_>>().join(&format!(" {word} ")))
        };
        let three = |word: &str, what: &Rich, condition: &Rich, otherwise: &Option<Box<Rich>>| {
            let otherwise = otherwise.as_ref().map(|it| format!(" else {}", print(it))).unwrap_or_default();
            format!("({} {word} {}{otherwise})", print(what), print(condition))
        };
        match rich {
            Rich::Relation(relation) => crate::package::rpm::print(relation),
            Rich::All(parts) => list("and", parts),
            Rich::Any(parts) => list("or", parts),
            Rich::With(parts) => list("with", parts),
            Rich::Without(both) => list("without", both.as_slice()),
            Rich::If { what, condition, otherwise } => three("if", what, condition, otherwise),
            Rich::Unless { what, condition, otherwise } => three("unless", what, condition, otherwise),
        }
    }

    #[test]
    fn what_packages_say_is_read() {
        for text in [
            "(python3.12dist(tomli) if python3-devel < 3.11)",
            "(rpm-ostree or dnf or yum)",
            "(libfoo.so.1()(64bit) >= 2:1.0~rc1-1 with libfoo.so.1()(64bit) < 3)",
            "((a and b) if (c or d) else (e without f = 1-2))",
            "(a unless b else c)",
            "(a and b and pkgconfig(c) > 1)",
            "(/usr/bin/x or y)",
        ] {
            assert_eq!(print(&Rich::parse(text).unwrap()), text);
        }
        assert_eq!(print(&Rich::parse("( a  >=  0:1 )").unwrap()), "a >= 1");
        assert_eq!(Rich::parse("(a if (b or c) else d)").unwrap().relations().len(), 4);
    }

    #[test]
    fn what_is_no_rich_dependency_is_not() {
        let deep = format!("{}a{}", "(".repeat(200_000), ")".repeat(200_000));
        for text in [
            "",
            "a",
            "()",
            "(a",
            "(a))",
            "(a b)",
            "(a or b and c)",
            "(a else b)",
            "(a if b else c else d)",
            "(a or )",
            "(a without b without c)",
            "(a >= )",
            "(a >=> 1)",
            "(a if b) x",
            &deep,
        ] {
            assert_eq!(Rich::parse(text), None, "{}", &text[..text.len().min(40)]);
        }
    }
}
