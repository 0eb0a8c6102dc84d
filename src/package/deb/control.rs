//! Stanzas of `Name: value` lines, as control, Release, Packages and `.sources` files have them (deb822(5)).
//!
//! A package's own stanza is kept whole and as it is written. Lists are read line by line, keeping only the fields
//! asked for: a distribution's Packages file has 60 MB.

use std::collections::BTreeSet;
use std::io::{BufRead, Read};

use anyhow::{Context, Result, bail, ensure};

/// Longest line; the longest of Debian 13 (a Provides field) has 120 KB.
const LINE_MAX: u64 = 16 << 20;

/// The fields asked for, of one stanza.
#[derive(Debug)]
pub(crate) struct Stanza<'a> {
    names: &'a [&'a str],
    values: Vec<Option<String>>,
    /// Where it starts, counted from 1.
    pub(crate) line: usize,
}

impl Stanza<'_> {
    /// The value without the blanks around it; further lines follow after `\n`, without their first blank. `None` too
    /// if it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let place = self.names.iter().position(|known| *known == name)?;
        self.values[place].as_deref().filter(|value| !value.is_empty())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&str> {
        self.get(name).with_context(|| format!("the field `{name}` is missing"))
    }
}

/// Gives every stanza of `text` to `each`, with the fields in `names`. Errors say the line.
pub(crate) fn read(mut text: impl BufRead, names: &[&str], mut each: impl FnMut(&Stanza) -> Result<()>) -> Result<()> {
    let mut stanza = Stanza { names, values: vec![None; names.len()], line: 0 };
    let mut line = Vec::new();
    let mut field = None;
    for number in 1.. {
        line.clear();
        // With a limit, so that a file without line ends cannot fill the memory.
        let count = text.by_ref().take(LINE_MAX + 1).read_until(b'\n', &mut line);
        let count = count.with_context(|| format!("reading line {number}"))?;
        ensure!(count as u64 <= LINE_MAX, "line {number} is too long");
        while line.last().is_some_and(u8::is_ascii_whitespace) {
            line.pop();
        }
        let comment = line.first() == Some(&b'#');
        if count == 0 || line.is_empty() {
            if stanza.line > 0 {
                each(&stanza).with_context(|| format!("the stanza at line {}", stanza.line))?;
                stanza.line = 0;
                stanza.values.fill(None);
            }
            field = None;
        } else if !comment {
            if stanza.line == 0 {
                stanza.line = number;
            }
            let at = || format!("line {number}");
            let (place, value) = if line[0] == b' ' || line[0] == b'\t' {
                (field.with_context(|| format!("{}: nothing to continue", at()))?, &line[1..])
            } else {
                let colon = line.iter().position(|byte| *byte == b':');
                let colon = colon.with_context(|| format!("{}: no `Name: value`", at()))?;
                let named = |name: &&str| name.as_bytes().eq_ignore_ascii_case(&line[..colon]);
                (names.iter().position(named), line[colon + 1..].trim_ascii_start())
            };
            if let Some(place) = place {
                let value = std::str::from_utf8(value).with_context(|| format!("{}: not UTF-8", at()))?;
                match &mut stanza.values[place] {
                    Some(before) if field == Some(Some(place)) => {
                        before.push('\n');
                        before.push_str(value);
                    }
                    Some(_) => bail!("{}: `{}` is there twice", at(), names[place]),
                    empty => *empty = Some(value.to_owned()),
                }
            }
            field = Some(place);
        }
        if count == 0 {
            break;
        }
    }
    Ok(())
}

/// All fields of the one stanza that a package has, in its order. Lines that continue a value keep their blanks.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>> {
    let text = std::str::from_utf8(bytes).context("it is not UTF-8")?;
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut names = BTreeSet::new();
    for (index, line) in text.trim_end().lines().enumerate() {
        let at = || format!("line {}", index + 1);
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut().with_context(|| format!("{}: nothing to continue", at()))?;
            value.push('\n');
            value.push_str(line);
        } else {
            let (name, value) = line.split_once(':').with_context(|| format!("{}: no `Name: value`", at()))?;
            ensure!(names.insert(name), "{}: `{name}` is there twice", at());
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        read(text.as_bytes(), &["A", "B"], |stanza| {
            found.push(format!("{} {:?} {:?}", stanza.line, stanza.get("A"), stanza.get("B")));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn stanzas_have_the_fields_asked_for() {
        let text = "# remark\n\nA: 1\nC: x\n y\nb:2 \n 3\n# remark\n\t4\n\n\n A:\n";
        assert!(all(text).is_err(), "a continuation of nothing");
        assert_eq!(all(&text.replace("\n A:", "\nA:")).unwrap(), ["3 Some(\"1\") Some(\"2\\n3\\n4\")", "12 None None"]);
        assert_eq!(format!("{:#}", all("A: 1\nB: 2\nA: 3\n").unwrap_err()), "line 3: `A` is there twice");
        assert_eq!(format!("{:#}", all("\nhello\n").unwrap_err()), "line 2: no `Name: value`");
    }
}
