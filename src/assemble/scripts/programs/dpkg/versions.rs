//! `dpkg --compare-versions` and `--validate-version`.

use std::cmp::Ordering;

use crate::assemble::scripts::programs::call::Call;
use crate::package::version::compare_versions;
use crate::shell::Stop;

/// A version in a form that compares; nothing if it is empty.
pub(super) type Version = Option<String>;

/// What is wrong with a version: dpkg only warns of the second kind, and goes on.
pub(super) enum Problem {
    Error(&'static str),
    Warning(&'static str, String),
}

pub(super) fn parse(text: &str) -> Result<String, Problem> {
    let blank = |letter: char| letter == ' ' || letter == '\t';
    let text = text.trim_matches(blank);
    if text.is_empty() {
        return Err(Problem::Error("version string is empty"));
    }
    if text.contains(blank) {
        return Err(Problem::Error("version string has embedded spaces"));
    }
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (parse_epoch(epoch)?, rest),
        None => (0, text),
    };
    if rest.is_empty() {
        return Err(Problem::Error("nothing after colon in version number"));
    }
    let (upstream, revision) =
        rest.rsplit_once('-').map_or((rest, None), |(upstream, revision)| (upstream, Some(revision)));
    if revision == Some("") {
        return Err(Problem::Error("revision number is empty"));
    }
    if upstream.is_empty() {
        return Err(Problem::Error("version number is empty"));
    }
    let version = format!("{epoch}:{rest}");
    let allowed = |more: &'static str| move |letter: char| letter.is_ascii_alphanumeric() || more.contains(letter);
    if !upstream.starts_with(|letter: char| letter.is_ascii_digit()) {
        return Err(Problem::Warning("version number does not start with digit", version));
    }
    if !upstream.chars().all(allowed(".-+~:")) {
        return Err(Problem::Warning("invalid character in version number", version));
    }
    if !revision.unwrap_or_default().chars().all(allowed(".+~")) {
        return Err(Problem::Warning("invalid character in revision number", version));
    }
    Ok(version)
}

fn parse_epoch(text: &str) -> Result<u32, Problem> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 {
        return Err(Problem::Error("epoch in version is empty"));
    }
    if end < digits.len() {
        return Err(Problem::Error("epoch in version is not number"));
    }
    let number = digits.parse::<u32>().ok().filter(|number| i32::try_from(*number).is_ok());
    if text.starts_with('-') && number != Some(0) {
        return Err(Problem::Error("epoch in version is negative"));
    }
    number.ok_or(Problem::Error("epoch in version is too big"))
}

/// Whether the order of two versions is as an operator wants it.
type Relation = fn(Ordering) -> bool;

/// What an operator says of a lesser, an equal and a greater version, and whether it takes an empty one for the latest.
fn operator(name: &str) -> Option<(Relation, bool)> {
    let (name, empty_is_last) = match name.strip_suffix("-nl") {
        Some(name @ ("lt" | "le" | "ge" | "gt")) => (name, true),
        _ => (name, false),
    };
    let holds: Relation = match name {
        "lt" | "<<" => Ordering::is_lt,
        // The single signs are old names of `<=` and `>=`.
        "le" | "<=" | "<" => Ordering::is_le,
        "eq" | "=" => Ordering::is_eq,
        "ne" => Ordering::is_ne,
        "ge" | ">=" | ">" => Ordering::is_ge,
        "gt" | ">>" => Ordering::is_gt,
        _ => return None,
    };
    Some((holds, empty_is_last))
}

pub(super) fn compare(call: &mut Call, words: &[String]) -> Result<u8, Stop> {
    let [left, name, right] = words else {
        return call.fail(2, "error: --compare-versions takes three arguments: <version> <relation> <version>");
    };
    let Some((holds, empty_is_last)) = operator(name) else {
        return call.fail(2, "error: --compare-versions bad relation");
    };
    if ["<", ">"].contains(&name.as_str()) {
        call.error(format!("warning: --compare-versions used with obsolete relation operator '{name}'"))?;
    }
    let Some(left) = given(call, left)? else { return Ok(2) };
    let Some(right) = given(call, right)? else { return Ok(2) };
    let order = match (left, right) {
        (Some(left), Some(right)) => compare_versions(&left, &right),
        (left, right) if empty_is_last => right.is_some().cmp(&left.is_some()),
        (left, right) => left.is_some().cmp(&right.is_some()),
    };
    Ok(u8::from(!holds(order)))
}

/// The version that an argument is; nothing if dpkg gives up.
fn given(call: &mut Call, text: &str) -> Result<Option<Version>, Stop> {
    if text.is_empty() || text == "<unknown>" {
        return Ok(Some(None));
    }
    match parse(text) {
        Ok(version) => Ok(Some(Some(version))),
        Err(Problem::Warning(problem, version)) => {
            call.error(format!("warning: version '{text}' has bad syntax: {problem}"))?;
            Ok(Some(Some(version)))
        }
        Err(Problem::Error(problem)) => {
            call.error(format!("error: version '{text}' has bad syntax: {problem}"))?;
            Ok(None)
        }
    }
}

pub(super) fn validate(call: &mut Call, text: &str) -> Result<u8, Stop> {
    match parse(text) {
        Ok(_) => Ok(0),
        Err(Problem::Warning(problem, _)) => {
            call.fail(1, format!("warning: version '{text}' has bad syntax: {problem}"))
        }
        Err(Problem::Error(problem)) => call.fail(2, format!("error: version '{text}' has bad syntax: {problem}")),
    }
}
