//! The Ethernet interfaces of the machine, as the kernel shows them in `/sys/class/net`.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

const SYSFS: &str = "/sys/class/net";
/// ARPHRD_ETHER of linux/if_arp.h.
const ETHERNET: &str = "1";
/// Drivers of what a hypervisor gives its guests, by their names in sysfs: Xen's has that of its devices.
const VIRTUAL: [&str; 6] = ["virtio_net", "vmxnet3", "hv_netvsc", "vif", "ena", "gve"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub index: u32,
    pub mac: [u8; 6],
    /// Of a hypervisor's own kind.
    pub is_virtual: bool,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, mac_text(&self.mac))
    }
}

pub fn mac_text(mac: &[u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Those with a device behind them; bridges and the like are not.
pub fn ethernet() -> Result<Vec<Interface>> {
    ethernet_in(Path::new(SYSFS))
}

fn ethernet_in(sysfs: &Path) -> Result<Vec<Interface>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(sysfs).with_context(|| format!("listing {}", sysfs.display()))? {
        let directory = entry.with_context(|| format!("listing {}", sysfs.display()))?.path();
        // What vanishes in between is simply not there.
        found.extend(interface(&directory));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn interface(directory: &Path) -> Option<Interface> {
    let text = |name: &str| Some(fs::read_to_string(directory.join(name)).ok()?.trim().to_owned());
    if text("type")? != ETHERNET || !directory.join("device").exists() {
        return None;
    }
    let driver = fs::read_link(directory.join("device/driver")).ok();
    let driver = driver.as_ref().and_then(|driver| driver.file_name()?.to_str());
    Some(Interface {
        name: directory.file_name()?.to_str()?.to_owned(),
        index: text("ifindex")?.parse().ok()?,
        mac: parse_mac(&text("address")?, ':')?,
        is_virtual: driver.is_some_and(|driver| VIRTUAL.contains(&driver)),
    })
}

impl Interface {
    /// Whether something is at the other end; known only of interfaces that are up.
    pub fn has_carrier(&self) -> bool {
        let path = Path::new(SYSFS).join(&self.name).join("carrier");
        fs::read_to_string(path).is_ok_and(|text| text.trim() == "1")
    }
}

/// `52:54:00:12:34:56`, or with another sign between.
fn parse_mac(text: &str, between: char) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(between);
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|it| it.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// What boot loaders write for `BOOTIF=`: kind of hardware (1 is Ethernet) and address, with dashes.
pub fn parse_boot_interface(word: &str) -> Option<[u8; 6]> {
    parse_mac(word.strip_prefix("01-")?, '-')
}

/// The likeliest first: the one that the boot loader used, then those of a hypervisor, then by name.
pub fn sort(interfaces: &mut [Interface], booted: Option<[u8; 6]>) {
    interfaces.sort_by(|a, b| {
        let key = |it: &Interface| (booted != Some(it.mac), !it.is_virtual);
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_loaders_name_an_interface_by_its_address() {
        assert_eq!(parse_boot_interface("01-52-54-00-12-34-Ff"), Some([0x52, 0x54, 0, 0x12, 0x34, 0xff]));
        for word in ["", "52-54-00-12-34-56", "01-52-54-00-12-34", "01-52-54-00-12-34-56-78", "01-52:54:00:12:34:56"] {
            assert_eq!(parse_boot_interface(word), None, "{word}");
        }
    }

    #[test]
    fn only_ethernet_with_a_device_counts_and_the_likeliest_comes_first() {
        let sysfs = tempfile::tempdir().unwrap();
        let add = |name: &str, kind: &str, index: u32, device: Option<&str>| {
            let directory = sysfs.path().join(name);
            fs::create_dir(&directory).unwrap();
            let mac = format!("52:54:00:00:00:{index:02x}\n");
            for (file, text) in [("type", kind), ("ifindex", index.to_string().as_str()), ("address", mac.as_str())] {
                fs::write(directory.join(file), text).unwrap();
            }
            if let Some(driver) = device {
                fs::create_dir(directory.join("device")).unwrap();
                std::os::unix::fs::symlink(format!("/drivers/{driver}"), directory.join("device/driver")).unwrap();
            }
        };
        add("lo", "772\n", 1, None);
        add("br0", "1\n", 2, None);
        add("ib0", "32\n", 3, Some("ib_ipoib"));
        add("eth0", "1\n", 4, Some("e1000e"));
        add("eth1", "1\n", 5, Some("virtio_net"));
        add("eth2", "1\n", 6, Some("igb"));
        let mut found = ethernet_in(sysfs.path()).unwrap();
        let names = |found: &[Interface]| found.iter().map(|it| it.name.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(names(&found), "eth0 eth1 eth2");
        assert_eq!(found[0].to_string(), "eth0 (52:54:00:00:00:04)");
        sort(&mut found, None);
        assert_eq!(names(&found), "eth1 eth0 eth2");
        sort(&mut found, Some([0x52, 0x54, 0, 0, 0, 6]));
        assert_eq!(names(&found), "eth2 eth1 eth0");
    }
}
