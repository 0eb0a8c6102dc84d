//! `meta-data`: what its values mean.

use std::sync::Arc;

use super::identity::{node_name, public_key};
use super::{file, shapes};
use crate::agent::first_boot::config::NodeConfig;
use crate::diag::{Diagnostic, Diagnostics, Source};
use crate::yaml::{self, Value};

/// Fills in the instance id, keys and the name.
pub fn read(source: &Arc<Source>, config: &mut NodeConfig, found: &mut Diagnostics) {
    let Some(value) = file::read(source, &shapes::META_DATA, found) else { return };
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
    config.name = node_name(name.and_then(Value::located), None, found);
}

/// The instance id alone, if it can be read.
pub fn instance_id(source: &Arc<Source>) -> Option<String> {
    yaml::parse(source).ok()?.get("instance-id")?.text().map(str::to_owned)
}
