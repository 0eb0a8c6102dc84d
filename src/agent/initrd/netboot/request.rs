//! What the kernel command line says about a start from the network. Pure.

use anyhow::{Context as _, Result, bail};

use crate::agent::http::url::Url;
use crate::agent::initrd::cmdline;
use crate::agent::initrd::network::{self, address_word, interface};
use crate::contract;
use crate::hex;

/// A start from the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub netdisk: Netdisk,
    /// Of head and index together; the root hash vouches for the root without it.
    pub sha256: Option<[u8; 32]>,
    pub network: network::Words,
    /// Where the metadata is: an address, or a reference from where the netdisk is.
    pub metadata: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Netdisk {
    At(Url),
    /// Where the lease says that the firmware's boot file is.
    BesideBootFile,
}

/// An address; `ADDRESS#NAME` is a file beside another one.
fn address(word: &str) -> Result<Url, String> {
    match word.split_once('#') {
        Some((beside, name)) => Url::parse(beside)?.join(name),
        None => Url::parse(word),
    }
}

impl Request {
    /// From the text of `/proc/cmdline`; nothing if the root is on a disk.
    ///
    /// # Errors
    /// A word that cannot be understood.
    pub fn of(text: &str) -> Result<Option<Request>> {
        let words = cmdline::words(text);
        let single = |key| cmdline::single(&words, key);
        let Some(word) = single(contract::CMDLINE_NETDISK)? else { return Ok(None) };
        let netdisk = match word {
            "boot" => Netdisk::BesideBootFile,
            word => Netdisk::At(address(word).map_err(anyhow::Error::msg).with_context(|| {
                format!("reading `{}={word}`: it is neither `boot` nor an address", contract::CMDLINE_NETDISK)
            })?),
        };
        let key = contract::CMDLINE_NETDISK_SHA256;
        let sha256 = single(key)?
            .map(|word| hex::decode(word).with_context(|| format!("`{key}={word}` is not 64 hexadecimal digits")));
        // Some boot loaders add it a second time; a word that is none is no reason not to boot.
        let booted = words.iter().rev().find(|(key, _)| key == contract::CMDLINE_BOOT_INTERFACE);
        let network = network::Words {
            address: single(contract::CMDLINE_IP)?.map(address_word::parse).transpose()?.unwrap_or_default(),
            boot_interface: booted.and_then(|(_, word)| interface::parse_boot_interface(word.as_deref()?)),
        };
        let metadata = single(contract::CMDLINE_DATA_SOURCE)?.map(data_source).transpose()?;
        Ok(Some(Request { netdisk, sha256: sha256.transpose()?, network, metadata }))
    }
}

/// `nocloud;s=http://HOST/PATH/`, as cloud-init has it.
fn data_source(word: &str) -> Result<String> {
    let mut parts = word.split(';');
    let key = contract::CMDLINE_DATA_SOURCE;
    if !matches!(parts.next(), Some("nocloud" | "nocloud-net")) {
        bail!("`{key}={word}`: only `nocloud` is known here");
    }
    let place = parts.find_map(|part| part.strip_prefix("s=").or_else(|| part.strip_prefix("seedfrom=")));
    let place = place.with_context(|| format!("`{key}={word}` does not say where the metadata is (`s=http://…/`)"))?;
    Ok(place.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::initrd::network::address_word::AddressWord;

    const HASH: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";

    #[test]
    fn a_root_on_a_disk_needs_no_network() {
        assert_eq!(Request::of("roothash=x ip=dhcp ds=nocloud;s=http://h/").unwrap(), None);
    }

    #[test]
    fn the_words_of_a_netboot_are_read() {
        let text = format!(
            "nodesmith.netdisk=http://h/x.netdisk nodesmith.netdisk.sha256={HASH} BOOTIF=01-52-54-00-12-34-56 \
             ip=10.0.0.9::10.0.0.1:255.255.255.0 ds=nocloud;s=http://h/m/;i=7"
        );
        let request = Request::of(&text).unwrap().unwrap();
        let netdisk = Netdisk::At(Url::parse("http://h/x.netdisk").unwrap());
        assert_eq!(request.netdisk, netdisk);
        for word in ["http://h/#x.netdisk", "http://h/boot.ipxe#x.netdisk", "http://h/a/b?c#/x.netdisk"] {
            let request = Request::of(&format!("nodesmith.netdisk={word}")).unwrap().unwrap();
            assert_eq!(request.netdisk, netdisk, "{word}");
        }
        assert_eq!(request.sha256.unwrap()[..2], [0, 0x11]);
        assert_eq!(request.network.boot_interface, Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
        assert!(matches!(request.network.address, AddressWord::Static(_)));
        assert_eq!(request.metadata.as_deref(), Some("http://h/m/"));
        let least = Request::of("nodesmith.netdisk=boot BOOTIF=x").unwrap().unwrap();
        let network = network::Words::default();
        assert_eq!(least, Request { netdisk: Netdisk::BesideBootFile, sha256: None, network, metadata: None });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("nodesmith.netdisk=cd", "neither `boot` nor an address"),
            ("nodesmith.netdisk=https://h/x", "does not begin with `http://`"),
            ("nodesmith.netdisk=boot nodesmith.netdisk.sha256=12", "not 64 hexadecimal digits"),
            ("nodesmith.netdisk=boot nodesmith.netdisk=http://h/x", "twice"),
            ("nodesmith.netdisk=boot ip=bootp", "reading `ip=bootp`"),
            ("nodesmith.netdisk=boot ds=ec2", "only `nocloud` is known"),
            ("nodesmith.netdisk=boot ds=nocloud;h=x", "does not say where"),
        ] {
            let error = format!("{:#}", Request::of(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
