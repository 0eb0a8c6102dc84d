//! The node's metadata, fetched while the network is up and kept for the first boot.
//!
//! It comes by plain HTTP, on the word of the network that started the machine, and may have secrets: only root can read
//! what is kept, which is gone with the power.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::agent::first_boot::metadata::{MAX_TEXT_BYTES, META_DATA, Origin};
use crate::agent::first_boot::source::nocloud::FILES;
use crate::agent::http::client::Client;
use crate::agent::http::url::Url;
use crate::agent::report::console;
use crate::contract;

/// What stands for the node's hardware address in a reference, as two digits with dashes between.
const MAC: &str = "__mac__";

/// The directory that a reference means, as an address that ends in `/`.
///
/// # Errors
/// It means none that can be asked.
pub fn place(reference: &str, netdisk: &Url, mac: &[u8; 6]) -> Result<Url> {
    let mac = mac.map(|byte| format!("{byte:02x}")).join("-");
    let reading = || format!("reading the place of the metadata, `{reference}`");
    if reference.contains(['?', '#']) {
        return Err(anyhow::anyhow!("a directory has no `?` and no `#`")).with_context(reading);
    }
    let mut filled = reference.replace(MAC, &mac);
    if !filled.ends_with('/') {
        filled.push('/');
    }
    let url = netdisk.join(&filled).map_err(anyhow::Error::msg);
    url.with_context(reading)
}

/// Fetches the files of the directory into [`contract::FETCHED_METADATA`].
///
/// # Errors
/// There is no `meta-data`, or the server cannot be asked: a node that comes up without its identity would help nobody.
pub fn fetch(client: &Client, place: &Url) -> Result<()> {
    let directory = Path::new(contract::FETCHED_METADATA);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("making {}", directory.display()))?;
    fetch_into(client, place, directory)
}

/// What [`fetch`] has fetched, by the names of its files; nothing if it was not asked.
pub fn fetched() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let mut found = Vec::new();
    for name in FILES {
        let path = Path::new(contract::FETCHED_METADATA).join(name);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            bytes => found.push((name, bytes.with_context(|| format!("reading {}", path.display()))?)),
        }
    }
    Ok(found)
}

fn fetch_into(client: &Client, place: &Url, directory: &Path) -> Result<()> {
    let mut found = Vec::new();
    for name in FILES {
        let url = place.join(name).map_err(anyhow::Error::msg)?;
        match client.whole(&url, MAX_TEXT_BYTES)? {
            Some(bytes) => {
                write(&directory.join(name), &bytes)?;
                found.push(name);
            }
            None if name == META_DATA => anyhow::bail!("fetching {url}: the server has no such file"),
            None => {}
        }
    }
    let origin = Origin { name: place.to_string(), place: place.to_string() };
    let text = serde_json::to_vec(&origin).context("writing where the metadata is from")?;
    write(&directory.join(contract::FETCHED_ORIGIN), &text)?;
    console::say(&format!("fetched {} from {place}", found.join(", ")));
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let writing = || format!("writing {}", path.display());
    // A restart of the initrd finds nothing: this is memory.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).with_context(writing)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::agent::dns::Resolver;
    use crate::agent::first_boot::metadata::{NETWORK_CONFIG, USER_DATA};
    use crate::agent::http::testing::serve;

    const NODE_MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0xff];

    #[test]
    fn the_place_is_an_address_or_lies_beside_the_netdisk() {
        let netdisk = Url::parse("http://h:81/images/x.netdisk").unwrap();
        for (reference, found) in [
            ("http://g/m", "http://g/m/"),
            ("http://g/m/__mac__/", "http://g/m/52-54-00-12-34-ff/"),
            ("/metadata/__mac__", "http://h:81/metadata/52-54-00-12-34-ff/"),
            ("nodes/", "http://h:81/images/nodes/"),
        ] {
            assert_eq!(place(reference, &netdisk, &NODE_MAC).unwrap().to_string(), found);
        }
        for reference in ["file:///x", "http://g/?node=7", "/m/#a"] {
            let error = format!("{:#}", place(reference, &netdisk, &NODE_MAC).unwrap_err());
            assert!(error.contains(&format!("`{reference}`")), "{error}");
        }
    }

    #[test]
    fn only_meta_data_must_be_there() {
        let client = Client { resolver: Resolver::default(), patience: Duration::from_secs(2) };
        let directory = tempfile::tempdir().unwrap();
        let url = serve(|path| match path {
            "/m/meta-data" => "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\ninstance-id: a\n".into(),
            "/m/user-data" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".into(),
            _ => "HTTP/1.1 404 Not Found\r\n\r\n".into(),
        });
        fetch_into(&client, &url.join("/m/").unwrap(), directory.path()).unwrap();
        let text = |name: &str| fs::read_to_string(directory.path().join(name)).ok();
        assert_eq!(text(META_DATA).as_deref(), Some("instance-id: a\n"));
        assert_eq!((text(USER_DATA).as_deref(), text(NETWORK_CONFIG)), (Some("abc"), None));
        let origin: Origin = serde_json::from_str(&text(contract::FETCHED_ORIGIN).unwrap()).unwrap();
        assert_eq!(origin.place, url.join("/m/").unwrap().to_string());
        let error = fetch_into(&client, &url.join("/other/").unwrap(), directory.path()).unwrap_err().to_string();
        assert!(error.ends_with("/other/meta-data: the server has no such file"), "{error}");
    }
}
