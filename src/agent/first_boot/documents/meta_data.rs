//! `meta-data`: what its values mean.

use super::identity::{node_name, public_key};
use super::{file, shapes};
use crate::agent::first_boot::config::{NodeConfig, NodeName};
use crate::agent::first_boot::metadata::{META_DATA, Metadata};
use crate::diag::{Diagnostic, Diagnostics};
use crate::yaml::Value;

/// Fills in the instance id and keys, and returns the name: `user-data` has a say in that.
pub fn read(metadata: &Metadata, config: &mut NodeConfig, found: &mut Diagnostics) -> Option<NodeName> {
    let Some(source) = metadata.files.get(META_DATA) else {
        let title = format!("the metadata volume {} has no `{META_DATA}`", metadata.origin);
        found.push(Diagnostic::new("no-meta-data", title).help("it holds at least `instance-id: NAME`"));
        return None;
    };
    let value = file::read(source, &shapes::META_DATA, found)?;
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
