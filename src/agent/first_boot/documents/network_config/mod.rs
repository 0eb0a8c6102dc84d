//! `network-config` → [`Network`], by the version that the text says it has.

use std::sync::Arc;

use super::shapes;
use crate::agent::first_boot::config::{Link, LinkKind, Network, NodeConfig};
use crate::diag::{Diagnostic, Diagnostics, Source};
use crate::shape::{Shape, conform};
use crate::yaml::{self, Kind, Value};

#[cfg(test)]
mod tests;
pub mod version_2;
pub mod words;

/// A version of the format: all are read into the same model.
#[derive(Debug, Clone, Copy)]
struct Version {
    /// The value of `version`.
    word: &'static str,
    shape: &'static Shape,
    read: fn(&Value, &mut Diagnostics) -> Network,
}

/// The last one reads what says no version, or an unknown one: its shape tells of that mistake.
const VERSIONS: &[Version] = &[Version { word: "2", shape: &shapes::NETWORK_CONFIG, read: version_2::read }];

/// Fills in the network, which an empty text leaves to the image.
pub fn read(source: &Arc<Source>, config: &mut NodeConfig, found: &mut Diagnostics) {
    config.network = network(VERSIONS, source, found);
}

fn network(versions: &[Version], source: &Arc<Source>, found: &mut Diagnostics) -> Option<Network> {
    let value = yaml::parse(source).map_err(|mistakes| found.0.extend(mistakes.0)).ok()?;
    // Netplan's own files have everything under `network`.
    let inner = match value.entries() {
        _ if value.kind == Kind::Null => return None,
        [(key, inner)] if key.text == "network" => inner,
        _ => &value,
    };
    let word = inner.get("version").and_then(Value::text);
    let version = versions.iter().find(|version| word == Some(version.word)).or(versions.last())?;
    conform(inner, version.shape, &source.name, found);
    let network = (version.read)(inner, found);
    same_match(&network, found);
    Some(network)
}

/// Two links for the same interface: networkd would take the first by file name and ignore the other.
fn same_match(network: &Network, found: &mut Diagnostics) {
    let matching = |link: &Link| match &link.kind {
        LinkKind::Ethernet { matching, .. } => matching.clone(),
    };
    for (index, link) in network.links.iter().enumerate() {
        if let Some(first) = network.links[..index].iter().find(|first| matching(first) == matching(link)) {
            let title = format!("`{}` and `{}` are for the same interface", first.id.value, link.id.value);
            let mistake = Diagnostic::new("same-interface", title).at(&link.id.location, "second");
            found.push(mistake.related(&first.id.location, "first"));
        }
    }
}
