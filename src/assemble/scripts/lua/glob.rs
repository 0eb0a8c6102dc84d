//! `rpm.glob`: the paths that a pattern stands for, sorted; `*`, `?`, `[…]`, `{a,b}`.

use super::process::Process;
use super::values::{Answer, Arguments, Trouble, Value, unsupported};
use crate::glob;
use crate::shell::{Bytes, Stop, World};

/// Patterns that braces may make of one, and paths that those may stand for.
const MOST: usize = 10_000;

/// A table of paths. Where there is none: the pattern, in a table if the flags say `c`, else by itself, as rpm has it.
pub(super) fn call(process: &mut Process, arguments: &Arguments) -> Answer {
    let pattern = arguments.text(0)?;
    let flags = arguments.text_or(1, "")?;
    if pattern.starts_with(b"~") || pattern.contains(&b'\\') {
        return unsupported("rpm.glob with `~` or a backslash");
    }
    let mut paths = Vec::new();
    for pattern in braces(&pattern)? {
        let mut found = expand(process, &pattern)?;
        found.sort();
        paths.extend(found);
    }
    if paths.is_empty() && !flags.contains(&b'c') {
        return Ok(vec![arguments.values.last().cloned().unwrap_or(Value::Nil)]);
    }
    if paths.is_empty() {
        paths.push(pattern);
    }
    Ok(vec![Value::list(paths.into_iter().map(Value::Text))])
}

fn limit<T>() -> Result<T, Trouble> {
    Err(Trouble::Stop(Stop::limit(format!("a pattern for more than {MOST} paths"))))
}

/// Every text that the braces of `pattern` make.
fn braces(pattern: &[u8]) -> Result<Vec<Bytes>, Trouble> {
    let mut todo = vec![pattern.to_vec()];
    let mut done = Vec::new();
    while let Some(text) = todo.pop() {
        let Some(Braces { before, choices, after }) = first_braces(&text) else {
            done.push(text);
            continue;
        };
        if todo.len() + done.len() + choices.len() > MOST / 10 {
            return limit();
        }
        todo.extend(choices.into_iter().rev().map(|choice| [before, choice, after].concat()));
    }
    Ok(done)
}

/// What stands before braces, the choices in them, what stands behind.
struct Braces<'t> {
    before: &'t [u8],
    choices: Vec<&'t [u8]>,
    after: &'t [u8],
}

fn first_braces(text: &[u8]) -> Option<Braces<'_>> {
    let start = text.iter().position(|byte| *byte == b'{')?;
    let (mut depth, mut choices, mut from) = (0_usize, Vec::new(), start + 1);
    for (at, byte) in text.iter().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b',' if depth == 1 => {
                choices.push(&text[from..at]);
                from = at + 1;
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    choices.push(&text[from..at]);
                    return Some(Braces { before: &text[..start], choices, after: &text[at + 1..] });
                }
            }
            _ => {}
        }
    }
    None
}

fn expand(process: &mut Process, pattern: &[u8]) -> Result<Vec<Bytes>, Trouble> {
    let absolute = pattern.starts_with(b"/");
    let mut found: Vec<Bytes> = vec![if absolute { b"/".to_vec() } else { Vec::new() }];
    let mut parts = pattern.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        let mut next = Vec::new();
        for path in found {
            let place = process.path(if path.is_empty() { b"." } else { &path });
            if !part.iter().any(|byte| b"*?[".contains(byte)) {
                let path = [path.as_slice(), part].concat();
                if process.machine.facts(&process.path(&path), parts.peek().is_some())?.is_some() {
                    next.push(path);
                }
                continue;
            }
            for name in process.machine.names(&place)?.unwrap_or_default() {
                process.spend(1 + name.len() as u64)?;
                if (part.starts_with(b".") || !name.starts_with(b".")) && glob::matches(part, &name) {
                    next.push([path.as_slice(), &name].concat());
                }
            }
            if next.len() > MOST {
                return limit();
            }
        }
        if parts.peek().is_some() {
            next.retain(|path| process.machine.files.is_directory(&process.path(path)));
            next.iter_mut().for_each(|path| path.push(b'/'));
        }
        found = next;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_make_a_pattern_of_each_choice() {
        let text = |text: &str| text.as_bytes().to_vec();
        assert_eq!(braces(b"/a{b,c{d,e}}f").unwrap(), ["/abf", "/acdf", "/acef"].map(text));
        assert_eq!(braces(b"a{b").unwrap(), [text("a{b")]);
        assert!(braces("{a,b}".repeat(20).as_bytes()).is_err());
    }
}
