//! What debconf remembers while an image is built: templates, questions, and who owns them.

use std::collections::{BTreeMap, BTreeSet};

use super::template::{Fields, Stanza};
use crate::shell::{Bytes, Stop};

/// Longest text with its variables filled in, in bytes.
const TEXT: usize = 1 << 20;

#[derive(Debug, Clone, Default)]
pub(super) struct Template {
    /// The questions that are asked by it.
    pub questions: BTreeSet<Bytes>,
    pub fields: Fields,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Question {
    pub template: Bytes,
    /// The packages that ask it.
    pub owners: BTreeSet<Bytes>,
    /// Nothing until somebody answers: the template's default counts.
    pub value: Option<Bytes>,
    pub variables: BTreeMap<Bytes, Bytes>,
    pub flags: BTreeMap<Bytes, Bytes>,
}

#[derive(Debug, Default)]
pub(super) struct Database {
    pub templates: BTreeMap<Bytes, Template>,
    pub questions: BTreeMap<Bytes, Question>,
    /// Answers of the recipe by question, and whether the question was ever there.
    pub answers: BTreeMap<Bytes, (Bytes, bool)>,
}

impl Database {
    /// Loads a template; the question of its name exists from then on.
    pub(super) fn load(&mut self, owner: &[u8], stanza: Stanza) {
        self.declare(&stanza.name, owner);
        self.templates.entry(stanza.name).or_default().fields = stanza.fields;
    }

    /// Makes the question that has its template's name, or another owner of it.
    pub(super) fn declare(&mut self, name: &[u8], owner: &[u8]) {
        if !self.questions.contains_key(name) {
            self.add_question(name, name);
        }
        if let Some(question) = self.questions.get_mut(name) {
            question.owners.insert(owner.to_vec());
        }
        self.templates.entry(name.to_vec()).or_default().questions.insert(name.to_vec());
    }

    /// A new question with the recipe's answer, if it has one.
    fn add_question(&mut self, name: &[u8], template: &[u8]) {
        let mut question = Question { template: template.to_vec(), ..Question::default() };
        let answer = self.answers.get_mut(name);
        question.flags.insert(b"seen".to_vec(), flag(answer.is_some()));
        if let Some((value, asked)) = answer {
            *asked = true;
            question.value = Some(value.clone());
        }
        self.questions.insert(name.to_vec(), question);
    }

    /// The recipe's answer to a question, whether it is there already or not.
    pub(super) fn answer(&mut self, name: &[u8], value: &[u8]) {
        let question = self.questions.get_mut(name);
        self.answers.insert(name.to_vec(), (value.to_vec(), question.is_some()));
        if let Some(question) = question {
            question.value = Some(value.to_vec());
            question.flags.insert(b"seen".to_vec(), flag(true));
        }
    }

    /// `REGISTER`: the question `name` is asked by `template`, which is there.
    pub(super) fn register(&mut self, template: &[u8], name: &[u8], owner: &[u8]) {
        if !self.questions.contains_key(name) {
            self.add_question(name, template);
        }
        let Some(question) = self.questions.get_mut(name) else { return };
        question.owners.insert(owner.to_vec());
        let before = std::mem::replace(&mut question.template, template.to_vec());
        if before != template {
            self.release(&before, name);
        }
        self.templates.entry(template.to_vec()).or_default().questions.insert(name.to_vec());
    }

    /// Takes an owner away; a question that has none goes, and with it a template that has no question.
    pub(super) fn disown(&mut self, name: &[u8], owner: &[u8]) {
        let Some(question) = self.questions.get_mut(name) else { return };
        question.owners.remove(owner);
        if question.owners.is_empty() {
            let template = question.template.clone();
            self.questions.remove(name);
            self.release(&template, name);
        }
    }

    fn release(&mut self, template: &[u8], question: &[u8]) {
        let Some(found) = self.templates.get_mut(template) else { return };
        found.questions.remove(question);
        if found.questions.is_empty() {
            self.templates.remove(template);
        }
    }

    /// A field of a template as the locale C shows it: English if it is there, else the untranslated one; empty if none.
    /// One with an encoding behind the language is only for those who ask for it by name.
    pub(super) fn template_field(&self, template: &[u8], field: &[u8]) -> Bytes {
        let Some(template) = self.templates.get(template) else { return Bytes::new() };
        let exact = |name: &[u8]| template.fields.get(name).cloned();
        let english = exact(&[field, b"-en"].concat());
        let plain = field.split(|byte| *byte == b'-').next().unwrap_or_default();
        english.or_else(|| exact(field)).or_else(|| exact(plain)).unwrap_or_default()
    }

    pub(super) fn kind(&self, question: &Question) -> Bytes {
        self.template_field(&question.template, b"type")
    }

    /// The answer, or the default.
    pub(super) fn value(&self, question: &Question) -> Bytes {
        question.value.clone().unwrap_or_else(|| self.template_field(&question.template, b"default"))
    }

    /// What a question says of itself; its variables are filled in where debconf does so.
    pub(super) fn question_field(&self, name: &[u8], question: &Question, field: &[u8]) -> Result<Bytes, Stop> {
        Ok(match field {
            b"value" => self.value(question),
            b"name" => name.to_vec(),
            b"owners" => question.owners.iter().cloned().collect::<Vec<_>>().join(b", ".as_slice()),
            b"template" => question.template.clone(),
            b"description" | b"extended_description" | b"choices" => {
                expand(&self.template_field(&question.template, field), question)?
            }
            _ => {
                let text = self.template_field(&question.template, field);
                let shown = [b"description-".as_slice(), b"extended_description-", b"choices-"];
                if shown.iter().any(|shown| field.starts_with(shown)) { expand(&text, question)? } else { text }
            }
        })
    }

    /// What a question of the kind `select` may be answered with, untranslated.
    pub(super) fn choices(&self, question: &Question) -> Result<Vec<Bytes>, Stop> {
        let fields = self.templates.get(&question.template).map(|template| &template.fields);
        let field = |name: &[u8]| fields.and_then(|fields| fields.get(name)).cloned();
        let choices = field(b"choices-c").or_else(|| field(b"choices")).unwrap_or_default();
        Ok(split_choices(&expand(&choices, question)?))
    }
}

pub(super) fn flag(set: bool) -> Bytes {
    if set { b"true".to_vec() } else { b"false".to_vec() }
}

/// `a, b\, c` → `a` and `b, c`.
fn split_choices(text: &[u8]) -> Vec<Bytes> {
    let mut items = Vec::new();
    let mut item = Bytes::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [next @ (b',' | b' '), behind @ ..]) => {
                item.push(*next);
                rest = behind;
            }
            (b',', [next, ..]) if super::template::is_space(*next) => {
                items.push(std::mem::take(&mut item));
                let text = after.iter().position(|byte| !super::template::is_space(*byte)).unwrap_or(after.len());
                rest = &after[text..];
            }
            _ => item.push(*first),
        }
    }
    if !item.is_empty() {
        items.push(item);
    }
    items
}

/// Fills in `${NAME}`; a backslash before it keeps it, a variable that is not set is empty.
fn expand(text: &[u8], question: &Question) -> Result<Bytes, Stop> {
    let mut result = Bytes::new();
    let mut rest = text;
    while let Some((start, name, end)) = next_variable(rest) {
        let escaped = start > 0 && rest[start - 1] == b'\\';
        result.extend_from_slice(&rest[..if escaped { start - 1 } else { start }]);
        if escaped {
            result.extend_from_slice(&rest[start..end]);
        } else if let Some(value) = question.variables.get(name) {
            result.extend_from_slice(value);
        }
        rest = &rest[end..];
        if result.len() > TEXT {
            return Err(Stop::limit(format!("a text of debconf with more than {TEXT} bytes")));
        }
    }
    result.extend_from_slice(rest);
    Ok(result)
}

/// Where the first `${NAME}` begins, its name, and where it ends.
fn next_variable(text: &[u8]) -> Option<(usize, &[u8], usize)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].windows(2).position(|pair| pair == b"${")?;
        let name = &text[start + 2..];
        let length = name.iter().position(|byte| b"{}".contains(byte))?;
        if length > 0 && name[length] == b'}' {
            return Some((start, &name[..length], start + 2 + length + 1));
        }
        from = start + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_split_at_commas_that_are_not_escaped() {
        let split = |text: &str| -> Vec<String> {
            split_choices(text.as_bytes()).into_iter().map(|item| String::from_utf8(item).unwrap()).collect()
        };
        assert_eq!(split("a, b\\, c,  d,e"), ["a", "b, c", "d,e"]);
        assert_eq!(split(""), [""; 0]);
    }

    #[test]
    fn variables_are_filled_in() {
        let mut question = Question::default();
        question.variables.insert(b"A".to_vec(), b"x${A}".to_vec());
        let expand = |text: &str| String::from_utf8(expand(text.as_bytes(), &question).unwrap()).unwrap();
        assert_eq!(expand("${A}|${B}|\\${A}|${}|${{A}|$A"), "x${A}||${A}|${}|${{A}|$A");
    }
}
