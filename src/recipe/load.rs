//! Reads a recipe and what it extends into one value.
//!
//! Maps merge, lists append (the base's items first), scalars override. Every part keeps the file it was written in,
//! so a mistake in a base is shown there. Paths (overlays, images, files of keys) are relative to the recipe that names them
//! and are rewritten here, where that is known.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bounded;
use crate::diag::{Diagnostic, Diagnostics, Location, Source};
use crate::yaml::{self, Kind, Value};

/// Deepest chain of `extends`.
const DEPTH_MAX: usize = 16;

/// The merged value of the recipe at `path`. A file that cannot be read is a failure for the recipe itself and a
/// mistake at the line that names it for a base.
pub fn load(path: &Path) -> Result<Value, anyhow::Error> {
    let text = bounded::read_text(path)
        .map_err(|error| anyhow::Error::new(error).context(format!("reading {}", path.display())))?;
    let mut chain = Vec::new();
    Ok(read(path, text, &mut chain)?)
}

fn read(path: &Path, text: String, chain: &mut Vec<PathBuf>) -> Result<Value, Diagnostics> {
    let source = Source::new(path.display().to_string(), text);
    let mut value = yaml::parse(&source)?;
    if !matches!(value.kind, Kind::Map(_)) {
        return Err(Diagnostic::new("not-a-recipe", "a recipe is a map")
            .at(&start(&source), format!("this is {}", value.kind.noun()))
            .help("start with `nodesmith: 1` and `name: …`")
            .into());
    }
    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
    relocate(&mut value, &directory);
    chain.push(path.to_owned());
    let mut found = Diagnostics::default();
    let mut merged: Option<Value> = None;
    let bases = value.get("extends").map(Value::items).unwrap_or_default();
    for (text, location) in bases.iter().filter_map(|base| Some((base.text()?, &base.location))) {
        match base(&directory.join(text), location, chain) {
            Ok(base) => {
                merged = Some(match merged.take() {
                    None => base,
                    Some(below) => merge(below, base),
                })
            }
            Err(mistakes) => found.0.extend(mistakes.0),
        }
    }
    chain.pop();
    let merged = match merged {
        None => value,
        Some(below) => merge(below, value),
    };
    found.or(merged)
}

fn base(path: &Path, location: &Location, chain: &mut Vec<PathBuf>) -> Result<Value, Diagnostics> {
    if chain.iter().any(|seen| seen == path) || chain.len() >= DEPTH_MAX {
        let names: Vec<String> = chain.iter().map(|path| path.display().to_string()).collect();
        return Err(Diagnostic::new("extends-cycle", "the recipe extends itself")
            .at(location, "leads back here")
            .help(format!("the chain is: {}", names.join(" → ")))
            .into());
    }
    let text = bounded::read_text(path).map_err(|error| {
        Diagnostic::new("extends-missing", format!("the base recipe `{}` cannot be read", path.display()))
            .at(location, error.to_string())
            .help("paths in `extends` are relative to the recipe that has them")
    })?;
    read(path, text, chain)
}

/// Makes the paths that a recipe names relative to the working directory instead of to the recipe.
fn relocate(recipe: &mut Value, directory: &Path) {
    let relocate_text = |value: &mut Value| {
        if let Kind::Text(text) = &mut value.kind {
            *text = directory.join(&text).display().to_string();
        }
    };
    let has_slash = |value: &&mut Value| value.text().is_some_and(|text| text.contains('/'));
    let Kind::Map(entries) = &mut recipe.kind else { return };
    for (key, value) in entries {
        match (key.text.as_str(), &mut value.kind) {
            ("overlays" | "images", Kind::List(items)) => items.iter_mut().for_each(relocate_text),
            ("iso", Kind::Map(entries)) => {
                entries
                    .iter_mut()
                    .filter(|(key, _)| key.text == "metadata")
                    .for_each(|(_, value)| relocate_text(value));
            }
            ("secure-boot", Kind::Map(entries)) => {
                for (key, value) in entries {
                    match (key.text.as_str(), &mut value.kind) {
                        ("certificate" | "key", _) => relocate_text(value),
                        // A program without a slash is looked for on `PATH`.
                        (_, Kind::List(words)) => {
                            words.first_mut().into_iter().filter(has_slash).for_each(relocate_text)
                        }
                        _ => {}
                    }
                }
            }
            ("repositories", Kind::Map(repositories)) => {
                for (_, repository) in repositories {
                    for path in [["apt", "keyring"], ["rpm", "key"], ["rpm", "directory"]] {
                        let local = |value: &&mut Value| !value.text().is_some_and(|text| text.contains("://"));
                        let values = descend(repository, &path).into_iter().flat_map(each);
                        values.filter(local).for_each(relocate_text);
                    }
                    for key in ["url", "mirrorlist", "metalink"] {
                        descend(repository, &["rpm", key]).into_iter().for_each(|url| relocate_url(url, directory));
                    }
                }
            }
            _ => {}
        }
    }
}

/// `file://out/rpms` lies beside the recipe; `file:///out/rpms` is whole already.
fn relocate_url(value: &mut Value, directory: &Path) {
    let Kind::Text(text) = &mut value.kind else { return };
    let relative = text.strip_prefix("file://").filter(|path| !path.is_empty() && !path.starts_with('/'));
    if let Some(Ok(path)) = relative.map(|relative| std::path::absolute(directory.join(relative))) {
        *text = format!("file://{}", path.display());
    }
}

/// The items of a list; of anything else itself.
fn each(value: &mut Value) -> Vec<&mut Value> {
    if !matches!(value.kind, Kind::List(_)) {
        return vec![value];
    }
    let Kind::List(items) = &mut value.kind else { return Vec::new() };
    items.iter_mut().collect()
}

fn descend<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    let Some((first, rest)) = path.split_first() else { return Some(value) };
    let Kind::Map(entries) = &mut value.kind else { return None };
    let (_, below) = entries.iter_mut().find(|(key, _)| key.text == *first)?;
    descend(below, rest)
}

/// `above` over `below`. A key with nothing behind it says nothing.
fn merge(below: Value, above: Value) -> Value {
    if above.kind == Kind::Null {
        return below;
    }
    let location = above.location.clone();
    let kind = match (below.kind, above.kind) {
        (Kind::Map(mut entries), Kind::Map(over)) => {
            for (key, value) in over {
                match entries.iter().position(|(other, _)| other.text == key.text) {
                    None => entries.push((key, value)),
                    Some(index) => {
                        let (old_key, old) = entries.remove(index);
                        let both_scalars = old.text().is_some() && value.text().is_some();
                        let key = if both_scalars { key } else { old_key };
                        entries.insert(index, (key, merge(old, value)));
                    }
                }
            }
            Kind::Map(entries)
        }
        (Kind::List(mut items), Kind::List(over)) => {
            items.extend(over);
            Kind::List(items)
        }
        (_, kind) => kind,
    };
    Value { kind, location }
}

fn start(source: &Arc<Source>) -> Location {
    let length = source.text.chars().next().map_or(0, char::len_utf8);
    Location::new(source, 0..length)
}
