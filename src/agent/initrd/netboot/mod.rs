//! A node that starts from the network: its network is brought up, its root and its metadata are fetched, and the network
//! is left to the image again.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::cmdline::RootHash;
use super::modules::Modules;
use super::netdisk_source::{self, Source};
use super::network::Network;
use super::network::dhcp::Want;
use super::root::Root;
use super::{diskless, network};
use crate::agent::http::client::Client;
use crate::agent::http::remote_file::RemoteFile;
use crate::agent::http::url::Url;
use crate::agent::report::console;
use crate::contract::{BOOT_FILE_ENDING, NETDISK_ENDING};

pub mod metadata;
pub mod request;

pub use request::Request;

use request::Netdisk;

/// How long nothing may come from a server. Then the machine starts again, and whatever sent it here is asked anew.
const PATIENCE: Duration = Duration::from_secs(300);

/// Fetches the root that the root hash names, and the metadata if its place is named.
///
/// # Errors
/// There is no network or no server; what it has is not what the kernel command line names.
pub fn root(request: &Request, root_hash: &RootHash, modules: &mut Modules) -> Result<Root> {
    let server = Server::reach(request, modules)?;
    server.fetch_metadata(request)?;
    let mut netdisk = server.netdisk();
    console::say(&format!("fetching {}", netdisk.name()));
    let index = netdisk_source::read_index(&mut netdisk, request.sha256.as_ref())?;
    let root = diskless::fetch(&mut netdisk, &index, root_hash)?;
    server.leave();
    Ok(root)
}

/// A network that is up, and whom it leads to.
#[derive(Debug)]
pub struct Server {
    network: Network,
    client: Client,
    /// Of the netdisk.
    url: Url,
}

impl Server {
    /// Brings the network up; the server itself is asked only when something is read.
    ///
    /// # Errors
    /// There is no network, or it does not say where the netdisk is.
    pub fn reach(request: &Request, modules: &mut Modules) -> Result<Server> {
        let want = if request.netdisk == Netdisk::BesideBootFile { Want::BootFile } else { Want::Address };
        let network = network::up(&request.network, want, modules)?;
        let client = Client { resolver: network.resolver(), patience: PATIENCE };
        let url = match &request.netdisk {
            Netdisk::At(url) => url.clone(),
            Netdisk::BesideBootFile => {
                let boot_file = network.lease.boot_file.as_ref().context("the lease has no boot file")?;
                beside(boot_file)?
            }
        };
        Ok(Server { network, client, url })
    }

    /// For the first boot, if its place is named.
    ///
    /// # Errors
    /// As [`metadata::fetch`]'s.
    pub fn fetch_metadata(&self, request: &Request) -> Result<()> {
        let Some(reference) = &request.metadata else { return Ok(()) };
        metadata::fetch(&self.client, &metadata::place(reference, &self.url, &self.network.interface.mac)?)
    }

    pub fn netdisk(&self) -> RemoteFile {
        RemoteFile::new(self.client.clone(), self.url.clone())
    }

    /// Leaves the network to the image.
    pub fn leave(self) {
        self.network.down();
    }
}

/// The netdisk that goes with an image that was booted by HTTP.
///
/// # Errors
/// It does not have the name that the builder gave it.
fn beside(boot_file: &Url) -> Result<Url> {
    let name = boot_file
        .file_name()
        .strip_suffix(BOOT_FILE_ENDING)
        .and_then(|it| it.strip_suffix('.'))
        .filter(|name| !name.is_empty());
    let name = name.with_context(|| {
        format!(
            "the boot file {boot_file} does not end in .{BOOT_FILE_ENDING}, so its netdisk cannot be found beside it"
        )
    })?;
    boot_file.join(&format!("{name}.{NETDISK_ENDING}")).map_err(anyhow::Error::msg)
}

impl Source for RemoteFile {
    fn name(&self) -> String {
        self.url().to_string()
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], position: u64) -> Result<()> {
        RemoteFile::read_exact_at(self, position, buffer)
    }

    fn metadata(&mut self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        metadata::fetched()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_netdisk_lies_beside_the_boot_file() {
        let boot_file = |text: &str| beside(&Url::parse(text).unwrap());
        let found = boot_file("http://h:81/images/worker.1.netboot.efi?x=1").unwrap();
        assert_eq!(found.to_string(), "http://h:81/images/worker.1.netdisk");
        for text in ["http://h/worker.efi", "http://h/.netboot.efi", "http://h/"] {
            let error = boot_file(text).unwrap_err().to_string();
            assert!(error.contains("does not end in .netboot.efi"), "{error}");
        }
    }
}
