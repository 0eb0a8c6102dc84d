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
    /// `true` or `false`, see [`Value::flag`].
    Flag,
    /// A whole number from the first to the second, both included.
    Number(u32, u32),
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, each with a sentence about it.
    Choice(&'static [Choice]),
    List(&'static Shape),
    /// A map with these keys only. Nothing at all is a map without keys.
    Record(&'static [Field]),
    /// A map with any keys.
    Table(&'static Shape),
    /// A map with exactly one of these keys.
    OneOf(&'static [Field]),
    /// The first shape whose kind of value (scalar, list, map) it is.
    Either(&'static Shape, &'static Shape),
    /// A key that others know and we do not do; `about` says what to do instead.
    Refused,
}

/// A word that may be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    pub word: &'static str,
    pub about: &'static str,
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

/// A key that must not be there, although the writer may know it from elsewhere.
pub const fn refuse(name: &'static str, instead: &'static str) -> Field {
    Field { name, required: false, shape: Shape::Refused, about: instead }
}

/// A list of scalars.
pub const TEXTS: Shape = Shape::List(&Shape::Text);

/// Checks keys and kinds all the way down; every mistake goes to `found`. `what` is the document's or the key's name.
pub fn conform(value: &Value, shape: &Shape, what: &str, found: &mut Diagnostics) {
    if !fits(value, shape) {
        found.push(
            Diagnostic::new("wrong-kind", format!("`{what}` takes {}", noun(shape)))
                .at(&value.location, format!("this is {}", value.kind.noun()))
                .help(format!("write {}", example(shape))),
        );
        return;
    }
    match shape {
        Shape::Text | Shape::Flag | Shape::Refused => {}
        Shape::Number(least, most) => {
            if !value.number().is_some_and(|number| (*least..=*most).contains(&number)) {
                let text = value.text().unwrap_or_default();
                found.push(
                    Diagnostic::new("wrong-number", format!("`{text}` is not a value of `{what}`"))
                        .at(&value.location, "not such a number")
                        .help(format!("a whole number from {least} to {most}")),
                );
            }
        }
        Shape::Word(words) => one_of(value, words, what, found),
        Shape::Choice(choices) => one_of(value, &words(choices), what, found),
        Shape::List(item) => {
            let items = value.items().iter().enumerate();
            items.for_each(|(index, value)| conform(value, item, &format!("{what}[{index}]"), found));
        }
        Shape::Table(item) => value.entries().iter().for_each(|(key, value)| conform(value, item, &key.text, found)),
        Shape::Either(first, second) => {
            conform(value, if fits(value, first) { first } else { second }, what, found);
        }
        Shape::Record(fields) => {
            entries(value, fields, what, found);
            for field in fields.iter().filter(|field| field.required && value.get(field.name).is_none()) {
                found.push(
                    Diagnostic::new("missing-key", format!("`{what}` has no `{}`", field.name))
                        .at(&value.location, format!("`{}` is needed here", field.name))
                        .help(format!("`{}`: {}", field.name, field.about)),
                );
            }
        }
        Shape::OneOf(fields) => {
            entries(value, fields, what, found);
            let given = value.entries().iter().filter(|(_, value)| value.kind != Kind::Null).count();
            if given != 1 {
                found.push(
                    Diagnostic::new("not-exactly-one", format!("`{what}` takes exactly one of its kinds"))
                        .at(&value.location, format!("{given} given"))
                        .help(format!("the kinds are: {}", known(fields).join(", "))),
                );
            }
        }
    }
}

fn one_of(value: &Value, words: &[&str], what: &str, found: &mut Diagnostics) {
    let text = value.text().unwrap_or_default();
    if !words.contains(&text) {
        found.push(
            Diagnostic::new("unknown-word", format!("`{text}` is not a value of `{what}`"))
                .at(&value.location, "not known")
                .help(suggest(text, words)),
        );
    }
}

fn words(choices: &[Choice]) -> Vec<&'static str> {
    choices.iter().map(|choice| choice.word).collect()
}

/// Whether the value is of the shape's kind, without a look inside.
fn fits(value: &Value, shape: &Shape) -> bool {
    match shape {
        Shape::Text | Shape::Number(..) | Shape::Word(_) | Shape::Choice(_) => value.text().is_some(),
        Shape::Flag => value.flag().is_some(),
        Shape::List(_) => matches!(value.kind, Kind::List(_)),
        Shape::Table(_) | Shape::OneOf(_) => matches!(value.kind, Kind::Map(_)),
        Shape::Record(_) => matches!(value.kind, Kind::Map(_) | Kind::Null),
        Shape::Either(first, second) => fits(value, first) || fits(value, second),
        Shape::Refused => true,
    }
}

/// The entries of a record. A key with nothing behind it counts as absent.
fn entries(value: &Value, fields: &[Field], what: &str, found: &mut Diagnostics) {
    for (key, value) in value.entries() {
        match fields.iter().find(|field| field.name == key.text) {
            Some(Field { shape: Shape::Refused, about, .. }) => found.push(
                Diagnostic::new("unsupported-key", format!("`{}` is not done on this node", key.text))
                    .at(&key.location, "not done")
                    .help(*about),
            ),
            Some(_) if value.kind == Kind::Null => {}
            Some(field) => conform(value, &field.shape, field.name, found),
            None => found.push(
                Diagnostic::new("unknown-key", format!("`{what}` has no key `{}`", key.text))
                    .at(&key.location, "not known here")
                    .help(suggest(&key.text, &known(fields))),
            ),
        }
    }
}

/// The keys that may be given.
fn known(fields: &[Field]) -> Vec<&'static str> {
    fields.iter().filter(|field| !matches!(field.shape, Shape::Refused)).map(|field| field.name).collect()
}

fn noun(shape: &Shape) -> String {
    match shape {
        Shape::Text | Shape::Refused => "a text".to_owned(),
        Shape::Flag => "true or false".to_owned(),
        Shape::Number(..) => "a number".to_owned(),
        Shape::Word(_) | Shape::Choice(_) => "a word".to_owned(),
        Shape::List(_) => "a list".to_owned(),
        Shape::Record(_) | Shape::Table(_) | Shape::OneOf(_) => "a map".to_owned(),
        Shape::Either(first, second) => format!("{} or {}", noun(first), noun(second)),
    }
}

fn example(shape: &Shape) -> String {
    match shape {
        Shape::Text | Shape::Number(..) | Shape::Word(_) | Shape::Choice(_) | Shape::Refused => {
            "a single value".to_owned()
        }
        Shape::Flag => "`true` or `false`, without quotes".to_owned(),
        Shape::List(_) => "`[one, two]`, or lines that begin with `- `".to_owned(),
        Shape::Record(_) | Shape::Table(_) | Shape::OneOf(_) => {
            "`{key: value}`, or lines of the form `key: value`".to_owned()
        }
        Shape::Either(first, second) => format!("{}; or {}", example(first), example(second)),
    }
}

/// The JSON Schema (2020-12) of a shape.
pub fn json_schema(shape: &Shape, title: &str) -> Json {
    let mut schema = schema(shape);
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        object.insert("title".into(), title.into());
    }
    schema
}

fn schema(shape: &Shape) -> Json {
    match shape {
        Shape::Text => json!({"type": ["string", "number", "boolean"]}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Number(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        // YAML reads an unquoted 1 as a number; both spellings are taken.
        Shape::Word(words) => {
            let numbers = words.iter().filter_map(|word| word.parse::<u64>().ok()).map(Json::from);
            json!({"enum": words.iter().map(|word| Json::from(*word)).chain(numbers).collect::<Vec<_>>()})
        }
        Shape::Choice(choices) => {
            let choice = |choice: &Choice| json!({"const": choice.word, "description": choice.about});
            json!({"oneOf": choices.iter().map(choice).collect::<Vec<_>>()})
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
        Shape::Either(first, second) => json!({"anyOf": [schema(first), schema(second)]}),
        Shape::Refused => json!({"not": {}}),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;
    use crate::yaml;

    const USER: &[Field] = &[need("name", Shape::Text, "the name"), may("uid", Shape::Number(1, 99), "the number")];
    const SHAPE: Shape = Shape::Record(&[
        may("users", Shape::List(&Shape::Either(&Shape::Word(&["default"]), &Shape::Record(USER))), "who"),
        may("on", Shape::Flag, "whether"),
        may("keys", Shape::Either(&TEXTS, &Shape::Table(&Shape::Text)), "a list or a map"),
        may(
            "kind",
            Shape::OneOf(&[may("a", Shape::Record(USER), "the first"), may("b", TEXTS, "the second")]),
            "which",
        ),
        refuse("packages", "put them into the recipe"),
    ]);

    fn mistakes(text: &str) -> String {
        let mut found = Diagnostics::default();
        conform(&yaml::parse(&Source::new("t", text)).unwrap(), &SHAPE, "the text", &mut found);
        found.to_string()
    }

    #[test]
    fn what_fits_is_not_a_mistake_and_an_empty_key_is_no_key() {
        for text in [
            "",
            "users: [default, {name: x, uid: 7}]\non: yes\nkeys: [a]\nkind: {b: [x]}\n",
            "users:\non: 'FALSE'\nkeys: {a: b}\n",
        ] {
            assert_eq!(mistakes(text), "", "{text}");
        }
    }

    #[test]
    fn every_kind_of_mistake_says_what_is_allowed() {
        insta::assert_snapshot!(mistakes(
            "users: [other, [x], {uid: 100}, {name: }]\non: maybe\nkeys: 7\nkind: {a: }\npackages:\nuser: x\n"
        ), @r"
        t:1:9: `other` is not a value of `users[0]` [unknown-word]; only `default` is known
        t:1:16: `users[1]` takes a word or a map [wrong-kind]; write a single value; or `{key: value}`, or lines of the form `key: value`
        t:1:27: `100` is not a value of `uid` [wrong-number]; a whole number from 1 to 99
        t:1:21: `users[2]` has no `name` [missing-key]; `name`: the name
        t:1:33: `users[3]` has no `name` [missing-key]; `name`: the name
        t:2:5: `on` takes true or false [wrong-kind]; write `true` or `false`, without quotes
        t:3:7: `keys` takes a list or a map [wrong-kind]; write `[one, two]`, or lines that begin with `- `; or `{key: value}`, or lines of the form `key: value`
        t:4:7: `kind` takes exactly one of its kinds [not-exactly-one]; the kinds are: a, b
        t:5:1: `packages` is not done on this node [unsupported-key]; put them into the recipe
        t:6:1: `the text` has no key `user` [unknown-key]; did you mean `users`?
        ");
    }

    #[test]
    fn the_json_schema_says_the_same() {
        let either = Shape::Either(&Shape::Word(&["default", "2"]), &Shape::Record(USER));
        let user = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name"],
            "properties": {
                "name": {"type": ["string", "number", "boolean"], "description": "the name"},
                "uid": {"type": "integer", "minimum": 1, "maximum": 99, "description": "the number"},
            },
        });
        assert_eq!(schema(&either), json!({"anyOf": [{"enum": ["default", "2", 2]}, user]}));
        let choice =
            Shape::Choice(&[Choice { word: "a", about: "the first" }, Choice { word: "b", about: "the second" }]);
        let constant = |word: &str, about: &str| json!({"const": word, "description": about});
        assert_eq!(schema(&choice), json!({"oneOf": [constant("a", "the first"), constant("b", "the second")]}));
        let whole = json_schema(&SHAPE, "Test");
        assert_eq!(whole["title"], "Test");
        assert_eq!(whole["properties"]["packages"], json!({"not": {}, "description": "put them into the recipe"}));
    }
}
