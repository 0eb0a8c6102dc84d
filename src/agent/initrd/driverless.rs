//! Controllers of disks and network cards for which this initrd has no driver: what a machine whose root does not come has to
//! tell, because nobody can look.
//!
//! Classes are those of the PCI Code and ID Assignment Specification.

use std::fs;
use std::path::Path;

use crate::agent::report::console;

/// Buses whose devices are looked at.
const BUSES: [&str; 4] = ["pci", "virtio", "vmbus", "xen"];
/// How the modaliases of devices begin that hypervisors give their guests, and what they are.
const OF_HYPERVISORS: [(&str, &str); 7] = [
    ("virtio:d00000001v", "virtio network card"),
    ("virtio:d00000002v", "virtio disk"),
    ("virtio:d00000008v", "virtio SCSI controller"),
    ("vmbus:d96361baa104294db60572e2ffb1dc7f", "Hyper-V disk controller"),
    ("vmbus:635161f83edfc546913ff2d2f965ed0e", "Hyper-V network card"),
    ("xen:vbd", "Xen disk"),
    ("xen:vif", "Xen network card"),
];
/// The base class of network controllers.
const NETWORK: u32 = 0x02;
const NETWORK_CARD: &str = "network card";
/// A console has few lines; what is more is counted.
const SHOWN_MAX: usize = 16;

/// Tells the console of each; of network cards only where the root was to come over one.
pub fn tell(by_network: bool) {
    let devices = |bus: &str| lines(&Path::new("/sys/bus").join(bus).join("devices"), by_network);
    let lines: Vec<String> = BUSES.into_iter().flat_map(devices).collect();
    lines.iter().take(SHOWN_MAX).for_each(|line| console::complain(line));
    if let Some(more) = lines.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        console::complain(&format!("and {more} more without a driver"));
    }
}

/// A line for each device below `directory` that is of these classes and has no driver, by address.
fn lines(directory: &Path, by_network: bool) -> Vec<String> {
    let mut addresses: Vec<_> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    addresses.sort();
    addresses
        .iter()
        .filter_map(|address| line(&directory.join(address), &address.to_string_lossy(), by_network))
        .collect()
}

/// Nothing for a device with a driver, of another class, or that has vanished.
fn line(device: &Path, address: &str, by_network: bool) -> Option<String> {
    if device.join("driver").exists() {
        return None;
    }
    let text = |name: &str| Some(fs::read_to_string(device.join(name)).ok()?.trim().to_owned());
    let number = |name: &str| u32::from_str_radix(text(name)?.strip_prefix("0x")?, 16).ok();
    let modalias = text("modalias").unwrap_or_default();
    let of_hypervisor = OF_HYPERVISORS.iter().find(|(beginning, _)| modalias.starts_with(beginning));
    let what = match of_hypervisor {
        Some((_, what)) if !by_network && what.ends_with(NETWORK_CARD) => return None,
        Some((_, what)) => (*what).to_owned(),
        None => {
            let class = number("class")? >> 8;
            if !by_network && class >> 8 == NETWORK {
                return None;
            }
            let (vendor, product) = (number("vendor")?, number("device")?);
            format!("{} {vendor:04x}:{product:04x}, class {class:04x}", kind(class)?)
        }
    };
    Some(format!("no driver in the initrd for {address}: {what}, {modalias}"))
}

/// What people call a class (its two upper bytes), if it is one by which a root may come.
fn kind(class: u32) -> Option<&'static str> {
    Some(match class {
        0x0100 => "SCSI controller",
        0x0101 => "IDE controller",
        0x0104 => "RAID controller",
        0x0106 => "SATA controller",
        0x0107 => "SAS controller",
        0x0108 => "NVMe controller",
        0x0200 => "Ethernet card",
        0x0207 => "InfiniBand card",
        _ if class >> 8 == 0x01 => "storage controller",
        _ if class >> 8 == NETWORK => NETWORK_CARD,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_without_a_driver_is_described_and_no_other_device() {
        let sys = tempfile::tempdir().unwrap();
        let device = |address: &str, class: &str, driver: bool| {
            let directory = sys.path().join(address);
            fs::create_dir(&directory).unwrap();
            for (name, text) in [("class", class), ("vendor", "0x1000"), ("device", "0x0060"), ("modalias", "pci:v1")] {
                fs::write(directory.join(name), format!("{text}\n")).unwrap();
            }
            if driver {
                fs::create_dir(directory.join("driver")).unwrap();
            }
        };
        device("0000:00:05.0", "0x020000", false);
        device("0000:00:04.0", "0x010400", false);
        device("0000:00:03.0", "0x010601", true);
        device("0000:00:02.0", "0x030000", false);
        device("0000:00:01.0", "no class", false);
        fs::create_dir(sys.path().join("0000:00:00.0")).unwrap();
        for (name, modalias) in [("virtio0", "virtio:d00000002v00001AF4"), ("virtio1", "virtio:d00000004v00001AF4")] {
            fs::create_dir(sys.path().join(name)).unwrap();
            fs::write(sys.path().join(name).join("modalias"), modalias).unwrap();
        }
        assert_eq!(
            lines(sys.path(), true),
            [
                "no driver in the initrd for 0000:00:04.0: RAID controller 1000:0060, class 0104, pci:v1",
                "no driver in the initrd for 0000:00:05.0: Ethernet card 1000:0060, class 0200, pci:v1",
                "no driver in the initrd for virtio0: virtio disk, virtio:d00000002v00001AF4",
            ]
        );
        assert_eq!(lines(sys.path(), false).len(), 2);
        assert!(lines(Path::new("/nowhere"), true).is_empty());
    }
}
