//! The metadata's documents → [`NodeConfig`]: `meta-data`, `user-data` (the part of `#cloud-config` that fits an
//! immutable node) and `network-config`. Pure: whoever brings the texts, here they are only read.
//!
//! Every mistake of all texts is reported with its place: `shapes` has the keys and kinds, the other modules say what
//! the values mean. Format: cloud-init's documentation (NoCloud, cloud-config examples).

use std::sync::Arc;

use super::config::NodeConfig;
use super::metadata::{META_DATA, Metadata, NETWORK_CONFIG, USER_DATA};
use crate::diag::{Diagnostic, Diagnostics, Source};

pub mod file;
pub mod identity;
pub mod kubernetes;
pub mod meta_data;
pub mod network_config;
pub mod shapes;
#[cfg(test)]
mod tests;
pub mod user_data;

/// A kind of text that metadata can have.
#[derive(Debug, Clone, Copy)]
struct Document {
    /// Of the text in [`Metadata`].
    name: &'static str,
    /// Fills in what the text says. What an earlier one has said too gives way, except that keys add up.
    read: fn(&Arc<Source>, &mut NodeConfig, &mut Diagnostics),
    /// The instance id alone, for a text that has it.
    instance_id: Option<InstanceId>,
}

type InstanceId = fn(&Arc<Source>) -> Option<String>;

/// In the order in which they are read, and in which people mend them.
const DOCUMENTS: &[Document] = &[
    Document { name: META_DATA, read: meta_data::read, instance_id: Some(meta_data::instance_id) },
    Document { name: USER_DATA, read: user_data::read, instance_id: None },
    Document { name: NETWORK_CONFIG, read: network_config::read, instance_id: None },
];

/// Reads all texts.
///
/// # Errors
/// Every mistake in them, by their order, or that none has an instance id.
pub fn parse(metadata: &Metadata) -> Result<NodeConfig, Diagnostics> {
    parse_by(DOCUMENTS, metadata)
}

fn parse_by(documents: &[Document], metadata: &Metadata) -> Result<NodeConfig, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut config = NodeConfig::default();
    let there = || documents.iter().filter_map(|document| Some((document, metadata.texts.get(document.name)?)));
    if there().all(|(document, _)| document.instance_id.is_none()) {
        let title = format!("{} has no `{META_DATA}`", metadata.origin.noun());
        found.push(Diagnostic::new("no-meta-data", title).help("it holds at least `instance-id: NAME`"));
    }
    for (document, text) in there() {
        (document.read)(text, &mut config, &mut found);
    }
    found.0.sort_by_key(|mistake| {
        mistake.location.as_ref().map(|(at, _)| {
            let document = documents.iter().position(|document| document.name == at.source.name);
            (document, at.span.start)
        })
    });
    found.or(config)
}

/// The instance id alone, if it can be read: enough to know that the metadata was applied already, whatever has become
/// of its other texts since.
pub fn instance_id(metadata: &Metadata) -> Option<String> {
    DOCUMENTS.iter().find_map(|document| (document.instance_id?)(metadata.texts.get(document.name)?))
}
