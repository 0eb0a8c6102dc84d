//! `user-data`: what its values mean. Each section has a function that takes the checked value and gives its part of
//! [`NodeConfig`]; a value of the wrong kind is passed over here, because `shapes` has told of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::identity::{node_name, public_key};
use super::shapes::{self, NO_PASSWORDS, NO_SCRIPTS};
use super::{file, kubernetes};
use crate::agent::dns_name;
use crate::agent::first_boot::config::{FileToWrite, NodeConfig, TimeServers, User};
use crate::base64;
use crate::diag::{Diagnostic, Diagnostics, Location, Source};
use crate::words;
use crate::yaml::{Located, Value};

/// Keys that tools write unasked, accepted with the only value that a node has anyway.
const ACCEPTED: [(&str, bool); 5] = [
    ("manage_etc_hosts", true),
    ("package_update", false),
    ("package_upgrade", false),
    ("preserve_hostname", false),
    ("ssh_pwauth", false),
];

/// Fills in all but the network. A name that it gives counts before that of `meta-data`.
pub fn read(source: &Arc<Source>, config: &mut NodeConfig, found: &mut Diagnostics) {
    if source.text.trim().is_empty() {
        return;
    }
    let first = source.text.lines().next().unwrap_or_default();
    if first.trim_end() != "#cloud-config" {
        let at = Location::new(source, 0..first.len());
        let mistake = Diagnostic::new("not-cloud-config", "the first line is not `#cloud-config`");
        found.push(mistake.at(&at, "another kind of user-data").help(NO_SCRIPTS));
        return;
    }
    let Some(value) = file::read(source, &shapes::USER_DATA, found) else { return };
    for (key, only) in ACCEPTED {
        only_value(&value, key, only, "leave it out", found);
    }
    config.root_keys.extend(keys(&value, found));
    let users = value.get("users").map(Value::items).unwrap_or_default();
    config.users = users.iter().filter_map(|value| user(value, &mut config.root_keys, found)).collect();
    duplicates(config.users.iter().map(|user| &user.name), "user", found);
    let files = value.get("write_files").map(Value::items).unwrap_or_default();
    config.files = files.iter().filter_map(|value| file_to_write(value, found)).collect();
    duplicates(config.files.iter().map(|file| &file.path), "file", found);
    config.timezone = words::read(&words::TIMEZONE, value.get("timezone"), found);
    config.time_servers = value.get("ntp").and_then(|value| time_servers(value, found));
    config.kubernetes = value.get("kubernetes").and_then(|value| kubernetes::read(value, found));
    config.certificates = value.get("ca_certs").map(|value| kubernetes::certificates(value, found)).unwrap_or_default();
    let name = |key| value.get(key).and_then(Value::located);
    config.name = node_name(name("hostname"), name("fqdn"), found).or(config.name.take());
}

/// A flag that can have one value only.
fn only_value(value: &Value, key: &str, only: bool, help: &str, found: &mut Diagnostics) {
    let Some(value) = value.get(key).filter(|value| value.flag() == Some(!only)) else { return };
    let title = format!("`{key}` can only be `{only}` on this node");
    found.push(Diagnostic::new("unsupported-value", title).at(&value.location, "not done").help(help));
}

fn keys(value: &Value, found: &mut Diagnostics) -> Vec<String> {
    let keys = value.get("ssh_authorized_keys").map(Value::items).unwrap_or_default();
    keys.iter().filter_map(|key| public_key(key, found)).collect()
}

/// One entry of `users`: `default` is root, and a user named root only has keys.
fn user(value: &Value, root_keys: &mut Vec<String>, found: &mut Diagnostics) -> Option<User> {
    let keys = keys(value, found);
    only_value(value, "lock_passwd", true, NO_PASSWORDS, found);
    let name = words::read(&words::ACCOUNT, value.get("name"), found)?;
    if name.value == "root" {
        root_keys.extend(keys);
        for key in ["uid", "groups", "shell", "homedir", "gecos"] {
            if let Some(value) = value.get(key) {
                let mistake = Diagnostic::new("root-user", format!("root's `{key}` is the image's"));
                found.push(mistake.at(&value.location, "cannot be changed"));
            }
        }
        return None;
    }
    Some(User {
        gecos: gecos(value, found).unwrap_or_default(),
        uid: value.get("uid").and_then(|uid| Some(Located::new(uid.number()?, &uid.location))),
        groups: groups(value, found),
        shell: words::read(&words::PATH, value.get("shell"), found),
        home: words::read(&words::PATH, value.get("homedir"), found),
        name,
        keys,
    })
}

fn gecos(user: &Value, found: &mut Diagnostics) -> Option<String> {
    let gecos = user.get("gecos")?.located()?;
    if gecos.value.contains([':', '\n']) {
        let title = "a user's full name has no `:` and no line break";
        found.push(Diagnostic::new("gecos", title).at(&gecos.location, "not a full name"));
    }
    Some(gecos.value)
}

/// A list, or one text with commas.
fn groups(user: &Value, found: &mut Diagnostics) -> Vec<Located<String>> {
    let Some(value) = user.get("groups") else { return Vec::new() };
    let groups: Vec<Located<String>> = match value.text() {
        Some(text) => text.split(',').map(|name| Located::new(name.trim().to_owned(), &value.location)).collect(),
        None => value.items().iter().filter_map(Value::located).collect(),
    };
    for group in &groups {
        words::check(&words::ACCOUNT, (&group.value, &group.location), found);
    }
    groups
}

fn file_to_write(value: &Value, found: &mut Diagnostics) -> Option<FileToWrite> {
    let path = words::read(&words::FILE, value.get("path"), found);
    let mode = value.get("permissions").map_or(Some(0o644), |value| permissions(value, found));
    let content = content(value, found);
    let owner = match value.get("owner").and_then(Value::located) {
        Some(Located { value: text, location }) => {
            let (user, group) = text.split_once(':').unwrap_or((&text, &text));
            Located { value: (user.to_owned(), group.to_owned()), location }
        }
        None => Located::new(("root".to_owned(), "root".to_owned()), &value.location),
    };
    Some(FileToWrite { path: path?, content: content?, mode: mode?, owner })
}

/// Octal digits, quoted or not: nobody means the decimal number 644.
fn permissions(value: &Value, found: &mut Diagnostics) -> Option<u32> {
    let text = value.text()?;
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| (3..=5).contains(&digits.len()) && *mode <= 0o7777);
    if mode.is_none() {
        let mistake = Diagnostic::new("permissions", format!("`{text}` is not a file mode"));
        found.push(mistake.at(&value.location, "not a mode").help("three or four octal digits, `'0644'`"));
    }
    mode
}

fn content(file: &Value, found: &mut Diagnostics) -> Option<Vec<u8>> {
    let Some(content) = file.get("content") else { return Some(Vec::new()) };
    let text = content.text()?;
    if !matches!(file.get("encoding").and_then(Value::text), Some("b64" | "base64")) {
        return Some(text.as_bytes().to_vec());
    }
    let mistake = |why| {
        let title = format!("the content is not base64: {why}");
        found.push(Diagnostic::new("base64", title).at(&content.location, "not base64"));
    };
    base64::decode(text).map_err(mistake).ok()
}

fn time_servers(value: &Value, found: &mut Diagnostics) -> Option<Located<TimeServers>> {
    only_value(value, "enabled", true, "a Kubernetes node keeps its time", found);
    let mut names = |key| -> Vec<String> {
        let names = value.get(key).map(Value::items).unwrap_or_default().iter().filter_map(Value::located);
        let checked = names.map(|name| {
            if name.value.parse::<IpAddr>().is_err() && dns_name::check(&name.value).is_err() {
                let title = format!("`{}` is not a host name or address", name.value);
                found.push(Diagnostic::new("time-server", title).at(&name.location, "neither"));
            }
            name.value
        });
        checked.collect()
    };
    let servers = TimeServers { servers: names("servers"), pools: names("pools") };
    (servers != TimeServers::default()).then(|| Located::new(servers, &value.location))
}

fn duplicates<'a>(names: impl Iterator<Item = &'a Located<String>>, what: &str, found: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, &Location> = BTreeMap::new();
    for name in names {
        let first = *seen.entry(&name.value).or_insert(&name.location);
        if !std::ptr::eq(first, &name.location) {
            let title = format!("the {what} `{}` is there twice (first at {first})", name.value);
            found.push(Diagnostic::new("duplicate", title).at(&name.location, "again").related(first, "first"));
        }
    }
}
