//! NoCloud metadata → [`NodeConfig`]: `meta-data`, `user-data` (the part of `#cloud-config` that fits an immutable
//! node) and `network-config`. Pure.
//!
//! Every mistake of all three files is reported with its place: `shape` has the keys and kinds, here and in
//! `user_data` is what the values mean. Format: cloud-init's documentation (NoCloud, cloud-config examples).

use std::sync::Arc;

use super::config::{NodeConfig, NodeName};
use super::seed::{META_DATA, NETWORK_CONFIG, Seed, USER_DATA};
use super::{network, ssh_key};
use crate::diag::{Diagnostic, Diagnostics, Source};
use crate::shape::{Shape, conform};
use crate::yaml::{self, Located, Value};

mod kubernetes;
pub mod shape;
mod user_data;

/// Reads all files of the seed.
pub fn parse(seed: &Seed) -> Result<NodeConfig, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut config = NodeConfig::default();
    let meta_name = meta_data(seed, &mut config, &mut found);
    let user_name = seed.files.get(USER_DATA).and_then(|source| user_data::read(source, &mut config, &mut found));
    config.name = user_name.or(meta_name);
    if let Some(source) = seed.files.get(NETWORK_CONFIG) {
        config.network = network::read(source, &mut found);
    }
    // In the order of the files, which is the order in which people mend them.
    found.0.sort_by_key(|mistake| {
        mistake.location.as_ref().map(|(at, _)| {
            let file = [META_DATA, USER_DATA, NETWORK_CONFIG].iter().position(|name| *name == at.source.name);
            (file, at.span.start)
        })
    });
    found.or(config)
}

/// The instance id alone, if it can be read: enough to know that the seed was applied already, whatever has become of
/// its other files since.
pub fn instance_id(seed: &Seed) -> Option<String> {
    let value = yaml::parse(seed.files.get(META_DATA)?).ok()?;
    value.get("instance-id")?.text().map(str::to_owned)
}

/// One file, its keys and kinds checked; `None` if it is not YAML.
fn document(source: &Arc<Source>, shape: &Shape, found: &mut Diagnostics) -> Option<Value> {
    let value = yaml::parse(source).map_err(|mistakes| found.0.extend(mistakes.0)).ok()?;
    conform(&value, shape, &source.name, found);
    Some(value)
}

fn meta_data(seed: &Seed, config: &mut NodeConfig, found: &mut Diagnostics) -> Option<NodeName> {
    let Some(source) = seed.files.get(META_DATA) else {
        let title = format!("the metadata volume {} has no `{META_DATA}`", seed.origin);
        found.push(Diagnostic::new("no-meta-data", title).help("it holds at least `instance-id: NAME`"));
        return None;
    };
    let value = document(source, &shape::META_DATA, found)?;
    config.instance_id = value.get("instance-id").and_then(Value::located).map(|id| {
        if id.value.is_empty() || id.value.contains(char::is_whitespace) {
            let title = "`instance-id` is empty or has blanks";
            found.push(Diagnostic::new("instance-id", title).at(&id.location, "not a name"));
        }
        id.value
    });
    if let Some(keys) = value.get("public-keys") {
        // A list, or EC2's form: a map from the key's name to the key.
        let listed = keys.items().iter().chain(keys.entries().iter().map(|(_, key)| key));
        config.root_keys.extend(listed.filter_map(|key| public_key(key, found)));
    }
    let name = value.get("local-hostname").or_else(|| value.get("hostname"));
    node_name(name.and_then(Value::located), None, found)
}

/// A `hostname` with dots is a full name too. The host name is the first label of whichever is given first.
fn node_name(
    host: Option<Located<String>>,
    fqdn: Option<Located<String>>,
    found: &mut Diagnostics,
) -> Option<NodeName> {
    for name in host.iter().chain(&fqdn) {
        if let Err(why) = check_name(&name.value) {
            let title = format!("`{}` is not a host name: {why}", name.value);
            let help = "lower-case letters, digits and `-`, parts joined by dots";
            found.push(Diagnostic::new("host-name", title).at(&name.location, "not a host name").help(help));
            return None;
        }
    }
    let given = &host.as_ref().or(fqdn.as_ref())?.value;
    let label = given.split('.').next().unwrap_or(given).to_owned();
    let full = fqdn.or(host).map(|name| name.value).filter(|name| name.contains('.'));
    Some(NodeName { host: label, fqdn: full })
}

/// RFC 1123 in lower case: the kubelet takes the host name for its node, and Kubernetes knows no upper case.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.len() > 253 {
        return Err("it is longer than 253 characters".to_owned());
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err("each part has 1 to 63 characters".to_owned());
        }
        if let Some(wrong) = label.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(format!("it has `{wrong}`"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a part starts or ends with `-`".to_owned());
        }
    }
    Ok(())
}

fn public_key(value: &Value, found: &mut Diagnostics) -> Option<String> {
    let checked = ssh_key::check(value.text()?);
    let mistake = |why| {
        let title = format!("this is not an SSH public key: {why}");
        found.push(Diagnostic::new("ssh-key", title).at(&value.location, "not a key"));
    };
    checked.map_err(mistake).ok()
}

#[cfg(test)]
mod tests;
