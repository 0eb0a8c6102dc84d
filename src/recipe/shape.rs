//! The shape of a recipe as data: which keys there are, what each may hold, and a sentence about it.
//!
//! One table drives three things: the check for unknown keys and wrong kinds ([`conform`]), the JSON Schema that
//! editors use ([`json_schema`]), and so the documentation. Code after `conform` may take the kinds for granted.

use serde_json::{Map, Value as Json, json};

use crate::diag::{Diagnostic, Diagnostics};
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

const fn need(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, required: true, shape, about }
}

const fn may(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, required: false, shape, about }
}

const TEXTS: Shape = Shape::List(&Shape::Text);

/// The whole recipe.
pub const RECIPE: Shape = Shape::Record(&[
    need("nodesmith", Shape::Word(&["1"]), "version of the recipe format"),
    need("name", Shape::Text, "name of the image and of its output files"),
    may("version", Shape::Text, "version of the image, default 0"),
    may("extends", TEXTS, "recipes this one builds on, relative to it: maps merge, lists append, scalars override"),
    may("arch", Shape::Word(&["x86_64"]), "architecture of the node, default x86_64"),
    may("epoch", Shape::Text, "date (YYYY-MM-DD) of every file that the builder writes, default 2026-01-01"),
    need("repositories", Shape::Table(&REPOSITORY), "where packages come from, by name"),
    need("packages", TEXTS, "packages of the image: `name` or `name=version`"),
    may("drop", Shape::Table(&Shape::Text), "packages left out although something depends on them: name → reason"),
    may(
        "accept-scripts",
        Shape::Table(&Shape::Table(&Shape::Text)),
        "maintainer scripts you vouch for: package → script → reason",
    ),
    need("kernel", Shape::Record(KERNEL), "the kernel and its command line"),
    may("sysctl", Shape::Table(&Shape::Text), "kernel settings, by their names with dots"),
    may("modules", Shape::Record(MODULES), "kernel modules of the running node"),
    may("runtime", Shape::OneOf(RUNTIME), "the container runtime"),
    may("services", Shape::Record(SERVICES), "systemd units by name"),
    may("users", Shape::Table(&Shape::Record(USER)), "accounts by name; none has a password"),
    may("overlays", TEXTS, "directories whose files go over the image, relative to the recipe"),
    may("timezone", Shape::Text, "a name like Europe/Berlin, default UTC"),
    may("locale", Shape::Text, "default C.UTF-8"),
    may("writable", TEXTS, "directories kept on the /var partition besides /etc and /var"),
    may("filesystem", Shape::Record(FILESYSTEM), "how the root file system is written"),
    may("disk", Shape::Record(DISK), "sizes of the partitions"),
    may("outputs", Shape::List(&Shape::Word(&["raw", "qcow2"])), "disk image formats, default both"),
]);

const REPOSITORY: Shape = Shape::OneOf(&[may("apt", Shape::Record(APT), "a Debian archive")]);

const APT: &[Field] = &[
    need("mirror", Shape::Text, "the archive's URL, or `host` for the mirror that this machine's apt uses"),
    need("suite", Shape::Text, "suite or code name, such as trixie"),
    may("components", TEXTS, "default main"),
    need("keyring", Shape::Text, "file with the archive's OpenPGP keys"),
];

const KERNEL: &[Field] = &[
    need("package", Shape::Text, "package that brings the kernel"),
    need("line", Shape::Text, "the long-term line, such as \"6.12\""),
    may("cmdline", TEXTS, "words added to the kernel command line"),
    may("initrd-modules", TEXTS, "modules in the initrd besides those for common disks"),
];

const MODULES: &[Field] = &[
    may("load", TEXTS, "loaded at boot"),
    may("options", Shape::Table(&Shape::Text), "module → options"),
    may("blacklist", TEXTS, "never loaded by alias"),
];

const RUNTIME: &[Field] = &[may("containerd", Shape::Record(CONTAINERD), "containerd with its CRI plugin")];

const CONTAINERD: &[Field] = &[
    may("systemd-cgroup", Shape::Flag, "let systemd manage the containers' cgroups, default true"),
    may("sandbox-image", Shape::Text, "the pause image, default registry.k8s.io/pause:3.10"),
    may("mirrors", Shape::Table(&TEXTS), "registry → mirror URLs"),
];

const SERVICES: &[Field] = &[
    may("enable", TEXTS, "units started at boot"),
    may("disable", TEXTS, "units that packages enable and this image does not"),
    may("mask", TEXTS, "units that can never start"),
];

const USER: &[Field] = &[
    may("uid", Shape::Text, "a number from 1000 to 59999, default the next free one"),
    may("groups", TEXTS, "more groups"),
    may("shell", Shape::Text, "default /bin/bash"),
    may("home", Shape::Text, "default /home/NAME"),
    may("ssh-authorized-keys", TEXTS, "public keys, one a line"),
];

const FILESYSTEM: &[Field] = &[
    may("compression", Shape::Word(&["zstd", "lz4hc"]), "default zstd for kernels from 6.10 on, lz4hc below"),
    may("level", Shape::Text, "compression level, default 3 for zstd and 9 for lz4hc"),
];

const DISK: &[Field] = &[
    may("esp", Shape::Text, "EFI system partition, default 512MiB"),
    may("slot", Shape::Text, "each of the two root slots, default 2GiB"),
    may("var", Shape::Record(VAR), "the /var partition, made on first boot from the rest of the disk"),
];

const VAR: &[Field] = &[
    may("filesystem", Shape::Word(&["ext4", "xfs"]), "default ext4"),
    may("minimum", Shape::Text, "smallest size a node may have, default 2GiB"),
];

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

/// A help line: the word that was meant if one is near, else all of them.
pub fn suggest(written: &str, known: &[&str]) -> String {
    let near = known.iter().map(|word| (distance(written, word), *word)).min();
    match near {
        Some((0..=2, word)) => format!("did you mean `{word}`?"),
        _ => format!("known are: {}", known.join(", ")),
    }
}

/// Levenshtein's edit distance in code points.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
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
