//! The metadata's documents → [`NodeConfig`]: `meta-data`, `user-data` (the part of `#cloud-config` that fits an
//! immutable node) and `network-config`. Pure.
//!
//! Every mistake of all three files is reported with its place: `shapes` has the keys and kinds, the other modules say
//! what the values mean. Format: cloud-init's documentation (NoCloud, cloud-config examples).

use super::config::NodeConfig;
use super::metadata::{META_DATA, Metadata, NETWORK_CONFIG, USER_DATA};
use crate::diag::Diagnostics;
use crate::yaml;

pub mod file;
pub mod identity;
pub mod kubernetes;
pub mod meta_data;
pub mod network_config;
pub mod shapes;
#[cfg(test)]
mod tests;
pub mod user_data;

/// Reads all files.
pub fn parse(metadata: &Metadata) -> Result<NodeConfig, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut config = NodeConfig::default();
    let meta_name = meta_data::read(metadata, &mut config, &mut found);
    let user_name = metadata.files.get(USER_DATA).and_then(|source| user_data::read(source, &mut config, &mut found));
    config.name = user_name.or(meta_name);
    if let Some(source) = metadata.files.get(NETWORK_CONFIG) {
        config.network = network_config::read(source, &mut found);
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

/// The instance id alone, if it can be read: enough to know that the metadata was applied already, whatever has become
/// of its other files since.
pub fn instance_id(metadata: &Metadata) -> Option<String> {
    let value = yaml::parse(metadata.files.get(META_DATA)?).ok()?;
    value.get("instance-id")?.text().map(str::to_owned)
}
