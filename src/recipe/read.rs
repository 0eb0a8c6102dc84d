//! What all sections of a recipe are read with.

use std::collections::BTreeMap;

use super::checked::PackageRequest;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::words::{self, Rule};
use crate::yaml::{Key, Located, Value};

/// The scalar that a map has under a key; others were reported by the shape.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<(&'a str, &'a Location)> {
    let value = value.get(key)?;
    Some((value.text()?, &value.location))
}

/// The scalar items of a list; others were reported by the shape.
pub(super) fn texts(value: Option<&Value>) -> impl Iterator<Item = (&str, &Location)> {
    value.map(Value::items).unwrap_or_default().iter().filter_map(|item| Some((item.text()?, &item.location)))
}

/// What a map has, in its order.
pub(super) fn entries(value: Option<&Value>) -> impl Iterator<Item = (&Key, &Value)> {
    value.map(Value::entries).unwrap_or_default().iter().map(|(key, value)| (key, value))
}

/// The scalars of a list, each by the rule and once.
pub(super) fn checked_list(value: Option<&Value>, rule: &Rule, found: &mut Diagnostics) -> Vec<Located<String>> {
    let mut seen: BTreeMap<&str, &Location> = BTreeMap::new();
    let mut list = Vec::new();
    for (text, location) in texts(value) {
        if let Some(first) = seen.insert(text, location) {
            found.push(
                Diagnostic::new("duplicate-item", format!("`{text}` is listed twice"))
                    .at(location, "second time here")
                    .related(first, "first time here")
                    .help("remove one of the two"),
            );
            continue;
        }
        list.push(Located { value: words::check(rule, (text, location), found), location: location.clone() });
    }
    list
}

/// Asks for a package, unless that was done before.
pub(super) fn add_request(packages: &mut Vec<PackageRequest>, request: PackageRequest, found: &mut Diagnostics) {
    match packages.iter_mut().find(|other| other.name == request.name) {
        None => packages.push(request),
        Some(other) => same_package(other, request, found),
    }
}

/// A base and the recipe above it may both ask for a package; two versions of it are a contradiction.
pub(super) fn same_package(other: &mut PackageRequest, request: PackageRequest, found: &mut Diagnostics) {
    if other.version.is_some() && request.version.is_some() && other.version != request.version {
        found.push(
            Diagnostic::new("two-versions", format!("`{}` is asked for in two versions", request.name))
                .at(&request.location, "this one")
                .related(&other.location, "and this one")
                .help("an image holds one version of a package"),
        );
    } else if request.version.is_some() {
        *other = request;
    }
}
