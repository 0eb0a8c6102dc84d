//! Template files: stanzas of fields that say what a package may ask.
//!
//! Read as debconf itself reads them (debconf-devel(7)), in bytes: stanzas are separated by exactly one empty line, a
//! field's name is compared in lower case, and what follows its first line is kept apart as `extended_NAME`. Fields in
//! other languages stay what they are: a script may ask for one by its whole name.

use std::collections::BTreeMap;

use crate::shell::Bytes;

/// The fields of one template by their names in lower case, without its own name.
pub type Fields = BTreeMap<Bytes, Bytes>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    pub name: Bytes,
    pub kind: Bytes,
    pub fields: Fields,
}

/// What was read before the first mistake, and that mistake, as debconf leaves it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub stanzas: Vec<Stanza>,
    pub mistake: Option<String>,
}

pub fn parse(text: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    for (index, record) in records(text).enumerate() {
        match stanza(record) {
            Ok(stanza) => parsed.stanzas.push(stanza),
            Err(mistake) => {
                parsed.mistake = Some(format!("stanza {}: {mistake}", index + 1));
                break;
            }
        }
    }
    parsed
}

/// What stands between two newlines that follow each other.
fn records(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.windows(2).position(|pair| pair == b"\n\n").map_or(rest.len(), |at| at + 2);
        let (record, after) = rest.split_at(end);
        rest = after;
        Some(record)
    })
}

/// A field that is being read.
#[derive(Default)]
struct Field {
    name: Bytes,
    value: Bytes,
    extended: Bytes,
}

fn stanza(record: &[u8]) -> Result<Stanza, String> {
    let mut fields = Fields::new();
    let mut field = Field::default();
    for line in lines(record) {
        if let Some((name, value)) = beginning(line) {
            save(&mut fields, std::mem::take(&mut field))?;
            field = Field { name, value: value.to_vec(), extended: Bytes::new() };
        } else if !line.first().is_some_and(|byte| is_space(*byte)) {
            return Err(format!("this is no field: `{}`", String::from_utf8_lossy(line)));
        } else {
            extend(&mut field.extended, &line[1..]);
        }
    }
    save(&mut fields, field)?;
    let missing = |value: &Bytes| value.is_empty() || value == b"0";
    let name = fields.remove(b"template".as_slice()).filter(|name| !missing(name));
    let name = name.ok_or_else(|| "it has no field `Template`".to_owned())?;
    let kind = fields.get(b"type".as_slice()).filter(|kind| !missing(kind)).cloned();
    let kind = kind.ok_or_else(|| format!("the template `{}` has no type", String::from_utf8_lossy(&name)))?;
    Ok(Stanza { name, kind, fields })
}

fn lines(record: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start = record.iter().position(|byte| *byte != b'\n').unwrap_or(record.len());
    let end = record.iter().rposition(|byte| *byte != b'\n').map_or(start, |last| last + 1);
    let record = record.get(start..end).unwrap_or_default();
    record.split(|byte| *byte == b'\n').take(if record.is_empty() { 0 } else { usize::MAX })
}

/// `Name: value`, with the name in lower case.
fn beginning(line: &[u8]) -> Option<(Bytes, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let of_a_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_@.".contains(byte);
    if !name.iter().all(of_a_name) {
        return None;
    }
    let value = match value.first() {
        Some(byte) if is_space(*byte) => &value[1..],
        _ => value,
    };
    Some((name.to_ascii_lowercase(), trim_end(value)))
}

/// Adds a line, without the space at its beginning, to a long text: paragraphs are joined, indented lines are kept.
fn extend(extended: &mut Bytes, line: &[u8]) {
    if line == b"." {
        extended.extend_from_slice(b"\n\n");
        return;
    }
    let indented = line.first().is_some_and(|byte| is_space(*byte));
    if extended.last().is_some_and(|last| !b"\n ".contains(last)) {
        extended.push(if indented { b'\n' } else { b' ' });
    }
    extended.extend_from_slice(trim_end(line));
    if indented {
        extended.push(b'\n');
    }
}

fn save(fields: &mut Fields, field: Field) -> Result<(), String> {
    let Field { name, value, mut extended } = field;
    if name.is_empty() {
        return Ok(());
    }
    if fields.contains_key(&name) {
        return Err(format!("the field `{}` stands twice", String::from_utf8_lossy(&name)));
    }
    while extended.last() == Some(&b'\n') {
        extended.pop();
    }
    if !extended.is_empty() {
        fields.insert([b"extended_", name.as_slice()].concat(), extended);
    }
    fields.insert(name, value);
    Ok(())
}

/// White space as Perl's `\s` has it.
pub(super) fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<'a>(stanza: &'a Stanza, name: &str) -> Option<&'a str> {
        stanza.fields.get(name.as_bytes()).map(|value| std::str::from_utf8(value).unwrap())
    }

    #[test]
    fn stanzas_have_fields_and_long_texts() {
        let text = b"Template: a/b\nType: select\nChoices: x, y\nDefault:  x \nDescription: Short\n first\n second\n .\n new\n   kept\n\n\
            Template: c\nType: note\nDescription-de.UTF-8: k\xc3\xbcrz\n";
        let parsed = parse(text);
        assert_eq!(parsed.mistake, None);
        let [first, second] = parsed.stanzas.as_slice() else { panic!("{:?}", parsed.stanzas) };
        assert_eq!((first.name.as_slice(), first.kind.as_slice()), (b"a/b".as_slice(), b"select".as_slice()));
        assert_eq!(field(first, "default"), Some(" x"));
        assert_eq!(field(first, "extended_description"), Some("first second\n\nnew\n  kept"));
        assert_eq!(field(second, "description-de.utf-8"), Some("kürz"));
    }

    #[test]
    fn mistakes_keep_what_came_before() {
        for (text, mistake) in [
            ("Template: a\nType: note\n\nnonsense\n", "stanza 2: this is no field: `nonsense`"),
            ("Template: a\nType: note\nTemplate: b\n", "stanza 1: the field `template` stands twice"),
            ("Type: note\n", "stanza 1: it has no field `Template`"),
            ("Template: a\n", "stanza 1: the template `a` has no type"),
            ("Template: a\nType: note\n\n\n\nTemplate: b\nType: note\n", "stanza 2: it has no field `Template`"),
        ] {
            assert_eq!(parse(text.as_bytes()).mistake.as_deref(), Some(mistake), "{text}");
        }
    }
}
