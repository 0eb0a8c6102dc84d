//! The shape of a YAML document as data: which keys there are, what each may hold, and a sentence about it.
//!
//! One table drives three things: the check for unknown keys and wrong kinds ([`conform`]), the JSON Schema that
//! editors use ([`json_schema`]), and so the documentation. Code after `conform` may take the kinds for granted.

use serde_json::{Map, Value as Json, json};

use crate::diag::{Diagnostic, Diagnostics};
use crate::spelling::suggest;
use crate::yaml::{Kind, Value};

#[derive(Debug)]
pub enum Shape {
    /// Any scalar, taken as it is written.
    Text,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    List(&'static Shape),
    /// A map with these keys only.
    Record(&'static [Field]),
    /// A map with any keys.
    Table(&'static Shape),
    /// A map with exactly one of these keys.
    OneOf(&'static [Field]),
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub required: bool,
    pub shape: Shape,
    /// One sentence for the schema and for `--help`-like texts.
    pub about: &'static str,
}

/// A key that must be there.
pub const fn need(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, required: true, shape, about }
}

/// A key that may be there.
pub const fn may(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, required: false, shape, about }
}

/// A list of scalars.
pub const TEXTS: Shape = Shape::List(&Shape::Text);

/// Checks keys and kinds all the way down; every mistake goes to `found`.
pub fn conform(value: &Value, shape: &Shape, what: &str, found: &mut Diagnostics) {
    match shape {
        Shape::Text => {
            if value.text().is_none() {
                wrong_kind(value, what, "a text", found);
            }
        }
        Shape::Flag => {
            if !matches!(value.kind, Kind::Flag(_)) {
                wrong_kind(value, what, "true or false", found);
            }
        }
        Shape::Word(words) => match value.text() {
            Some(text) if words.contains(&text) => {}
            Some(text) => found.push(
                Diagnostic::new("unknown-word", format!("`{text}` is not a value of `{what}`"))
                    .at(&value.location, "not known")
                    .help(suggest(text, words)),
            ),
            None => wrong_kind(value, what, "a word", found),
        },
        Shape::List(item) => match &value.kind {
            Kind::List(items) => items.iter().for_each(|value| conform(value, item, what, found)),
            _ => wrong_kind(value, what, "a list", found),
        },
        Shape::Table(item) => match &value.kind {
            Kind::Map(entries) => entries.iter().for_each(|(key, value)| conform(value, item, &key.text, found)),
            _ => wrong_kind(value, what, "a map", found),
        },
        Shape::Record(fields) => {
            record(value, fields, what, found);
            let Kind::Map(_) = value.kind else { return };
            for field in fields.iter().filter(|field| field.required && value.get(field.name).is_none()) {
                found.push(
                    Diagnostic::new("missing-key", format!("`{what}` has no `{}`", field.name))
                        .at(&value.location, format!("`{}` is needed here", field.name))
                        .help(format!("`{}`: {}", field.name, field.about)),
                );
            }
        }
        Shape::OneOf(fields) => {
            record(value, fields, what, found);
            if let Kind::Map(entries) = &value.kind
                && entries.len() != 1
            {
                let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
                found.push(
                    Diagnostic::new("not-exactly-one", format!("`{what}` takes exactly one of its kinds"))
                        .at(&value.location, format!("{} given", entries.len()))
                        .help(format!("the kinds are: {}", names.join(", "))),
                );
            }
        }
    }
}

fn record(value: &Value, fields: &[Field], what: &str, found: &mut Diagnostics) {
    let Kind::Map(entries) = &value.kind else { return wrong_kind(value, what, "a map", found) };
    for (key, value) in entries {
        if let Some(field) = fields.iter().find(|field| field.name == key.text) {
            conform(value, &field.shape, field.name, found);
            continue;
        }
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        found.push(
            Diagnostic::new("unknown-key", format!("`{what}` has no key `{}`", key.text))
                .at(&key.location, "not known here")
                .help(suggest(&key.text, &names)),
        );
    }
}

fn wrong_kind(value: &Value, what: &str, wanted: &str, found: &mut Diagnostics) {
    found.push(
        Diagnostic::new("wrong-kind", format!("`{what}` takes {wanted}"))
            .at(&value.location, format!("this is {}", value.kind.noun()))
            .help(format!("write {}", example(wanted))),
    );
}

fn example(wanted: &str) -> &'static str {
    match wanted {
        "a list" => "`[one, two]`, or lines that begin with `- `",
        "a map" => "`{key: value}`, or lines of the form `key: value`",
        "true or false" => "`true` or `false`, without quotes",
        _ => "a single value",
    }
}

/// The JSON Schema (2020-12) of a shape.
pub fn json_schema(shape: &Shape) -> Json {
    let mut schema = schema(shape);
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        object.insert("title".into(), "Nodesmith recipe".into());
    }
    schema
}

fn schema(shape: &Shape) -> Json {
    match shape {
        Shape::Text => json!({"type": ["string", "number", "boolean"]}),
        Shape::Flag => json!({"type": "boolean"}),
        // YAML reads an unquoted 1 as a number; both spellings are taken.
        Shape::Word(words) => {
            let numbers = words.iter().filter_map(|word| word.parse::<u64>().ok()).map(Json::from);
            json!({"enum": words.iter().map(|word| Json::from(*word)).chain(numbers).collect::<Vec<_>>()})
        }
        Shape::List(item) => json!({"type": "array", "items": schema(item)}),
        Shape::Table(item) => json!({"type": "object", "additionalProperties": schema(item)}),
        Shape::Record(fields) => {
            let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
            json!({"type": "object", "additionalProperties": false, "properties": properties(fields), "required": required})
        }
        Shape::OneOf(fields) => json!({
            "type": "object", "additionalProperties": false, "properties": properties(fields),
            "minProperties": 1, "maxProperties": 1,
        }),
    }
}

fn properties(fields: &[Field]) -> Json {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = schema(&field.shape);
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".into(), field.about.into());
        }
        properties.insert(field.name.to_owned(), schema);
    }
    Json::Object(properties)
}
