//! What packages say about each other: `libc6 (>= 2.38) | libc6-compat:any`, as fields of control files have it.
//!
//! Syntax and meaning: Debian Policy 7.1 and 7.5, deb-control(5); where they leave it open, apt is right.

use anyhow::{Context, Result, ensure};

use crate::package::{Dependency, Operator, Provided, Relation};

/// `a (>= 1) | b, c`: clauses of alternatives. `arch` is the image's.
pub(crate) fn dependencies(field: &str, arch: &str) -> Result<Vec<Dependency>> {
    let alternatives =
        |clause: &str| -> Result<Vec<Relation>> { clause.split('|').map(|one| relation(one, arch)).collect() };
    clauses(field).map(|clause| Ok(Dependency(alternatives(clause)?))).collect()
}

/// `a (<< 1), b`: no alternatives.
pub(crate) fn relations(field: &str, arch: &str) -> Result<Vec<Relation>> {
    clauses(field).map(|one| relation(one, arch)).collect()
}

/// `a, b (= 1)`.
pub(crate) fn provided(field: &str, arch: &str) -> Result<Vec<Provided>> {
    let provided = relations(field, arch)?.into_iter().map(|Relation { name, constraint }| match constraint {
        None => Ok(Provided { name, version: None }),
        Some((Operator::Equal, version)) => Ok(Provided { name, version: Some(version) }),
        Some(_) => Err(anyhow::anyhow!("`{name}` is provided in no definite version")),
    });
    provided.collect()
}

fn clauses(field: &str) -> impl Iterator<Item = &str> {
    field.split(',').map(str::trim).filter(|clause| !clause.is_empty())
}

fn relation(text: &str, arch: &str) -> Result<Relation> {
    let wrong = || format!("`{}` is no `name`, `name:arch` or `name (>= version)`", text.trim().escape_debug());
    let (name, constraint) = match text.split_once('(') {
        None => (text, None),
        Some((name, rest)) => {
            let inside = rest.trim_end().strip_suffix(')').with_context(wrong)?.trim();
            let end = inside.find(|c| !"<=>".contains(c)).with_context(wrong)?;
            let operator = operator(&inside[..end]).with_context(wrong)?;
            (name, Some((operator, inside[end..].trim().to_owned())))
        }
    };
    let (bare, qualifier) = name.trim().split_once(':').unwrap_or((name.trim(), "any"));
    let word = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    ensure!(!bare.is_empty() && bare.chars().all(word), wrong());
    // With the qualifier of another architecture it is a name that nothing on offer has.
    let ours = ["any", "native", "all", arch].contains(&qualifier);
    let name = if ours { bare } else { name.trim() };
    Ok(Relation { name: name.to_owned(), constraint })
}

/// What a sign of Debian's means.
pub(crate) fn operator(sign: &str) -> Option<Operator> {
    Some(match sign {
        "<<" => Operator::Less,
        // The single signs are what very old packages have; dpkg reads them so.
        "<=" | "<" => Operator::LessOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::GreaterOrEqual,
        ">>" => Operator::Greater,
        _ => return None,
    })
}

/// `libc6 (>= 2.38)`
pub(crate) fn print(relation: &Relation) -> String {
    let Some((operator, version)) = &relation.constraint else { return relation.name.clone() };
    let sign = match operator {
        Operator::Less => "<<",
        Operator::LessOrEqual => "<=",
        Operator::Equal => "=",
        Operator::GreaterOrEqual => ">=",
        Operator::Greater => ">>",
    };
    format!("{} ({sign} {version})", relation.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_are_written() {
        let text = "libc6 (>= 2.38) | musl:any,  perl:any (<<5) , a(=1), b:i386 | c:amd64, ";
        let relation = |name: &str, constraint: Option<(Operator, &str)>| Relation {
            name: name.to_owned(),
            constraint: constraint.map(|(operator, version)| (operator, version.to_owned())),
        };
        assert_eq!(
            dependencies(text, "amd64").unwrap(),
            [
                Dependency(vec![relation("libc6", Some((Operator::GreaterOrEqual, "2.38"))), relation("musl", None)]),
                Dependency(vec![relation("perl", Some((Operator::Less, "5")))]),
                Dependency(vec![relation("a", Some((Operator::Equal, "1")))]),
                Dependency(vec![relation("b:i386", None), relation("c", None)]),
            ]
        );
        for wrong in ["a (1)", "a (>=1", "a b", "(>= 1)", "a ~1", "a (>> )b", "a () ", "a (=>1)"] {
            assert!(relations(wrong, "amd64").is_err(), "{wrong}");
        }
        assert!(provided("a (>= 1)", "amd64").is_err());
    }
}
