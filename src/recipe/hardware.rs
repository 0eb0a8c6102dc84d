//! The kinds of machines that a recipe may be for, a row each: by which drivers their initrd finds disks and networks, and
//! what else differs from one kind to the other. What makes use of a row stands in `image/initrd/` and `checks/hardware`.
//!
//! Names are those of Linux 6.12's modules; what a kernel has built in, or does not have, is passed over unless it is
//! essential.

use crate::shape::Choice;

/// A kind of machines.
#[derive(Debug, PartialEq, Eq)]
pub struct Hardware {
    /// The word in recipes.
    pub word: &'static str,
    /// One line for the schema.
    pub about: &'static str,
    /// Drivers by which an initrd reaches a disk.
    pub storage: &'static [&'static str],
    /// Drivers by which it reaches a network, for what has to come from there. The root has all others: an initrd is small.
    pub network: &'static [&'static str],
    /// Of both, those that every kernel for such machines has. A kernel without them is for other machines.
    pub essential: &'static [&'static str],
    /// The kernel's consoles. All of them show its messages; the last one is `/dev/console`, for all that talks to people
    /// before there is a log: the serial line, because it can be recorded, and read from afar.
    pub consoles: &'static [&'static str],
    /// Whether drivers and processors are the image's to supply with firmware; a hypervisor does that for its guests.
    pub firmware: bool,
}

pub const VIRTUAL: Hardware = Hardware {
    word: "virtual",
    about: "guests of QEMU, VMware, Hyper-V, Xen and of clouds",
    storage: &[
        "virtio_pci",
        "virtio_mmio",
        "virtio_blk",
        "virtio_scsi",
        "virtio_console",
        "nvme",
        "ahci",
        "ata_piix",
        "sd_mod",
        "hv_vmbus",
        "hv_storvsc",
        "vmw_pvscsi",
        // LSI Logic's adapters, as VMware, VirtualBox and QEMU have them.
        "mptspi",
        "mptsas",
        "sym53c8xx",
        "xen-blkfront",
        "usb_storage",
        "uas",
        "mmc_block",
    ],
    network: &["virtio_net", "e1000", "e1000e", "igb", "8139cp", "vmxnet3", "hv_netvsc", "xen-netfront", "ena", "gve"],
    // Kernels for one hypervisor have no driver for another.
    essential: &[],
    consoles: &["tty0", "ttyS0"],
    firmware: false,
};

pub const SERVER: Hardware = Hardware {
    word: "server",
    about: "servers with SATA, NVMe, SAS or RAID controllers, and their network cards",
    storage: &[
        "nvme",
        // Intel's processors hide NVMe disks behind it.
        "vmd",
        "ahci",
        "ata_piix",
        "sd_mod",
        // Broadcom: MegaRAID, Fusion-MPT (SAS 3, 6, 12 and 24 Gbit/s).
        "megaraid_sas",
        "mptsas",
        "mpt3sas",
        "mpi3mr",
        // Microchip, Adaptec, HPE Smart Array.
        "smartpqi",
        "hpsa",
        "aacraid",
        "pm80xx",
        "arcmsr",
        "mvsas",
        "isci",
        "xhci_pci",
        "ehci_pci",
        "usb_storage",
        "uas",
        // The same image started as a guest.
        "virtio_pci",
        "virtio_blk",
        "virtio_scsi",
        "virtio_console",
    ],
    network: &[
        "igb",
        "igc",
        "ixgbe",
        "i40e",
        "ice",
        "e1000e",
        "bnx2x",
        "bnxt_en",
        "tg3",
        // Its devices are mlx4_core's.
        "mlx4_en",
        "mlx5_core",
        "be2net",
        "r8169",
        "ena",
        "virtio_net",
    ],
    essential: &[
        "ahci",
        "nvme",
        "sd_mod",
        "megaraid_sas",
        "mpt3sas",
        "smartpqi",
        "igb",
        "ixgbe",
        "i40e",
        "tg3",
        "bnxt_en",
    ],
    // Servers' serial lines, and what their management controllers make of them, are set to this speed.
    consoles: &["tty0", "ttyS0,115200"],
    firmware: true,
};

/// All of them; a recipe that names none gets the first. Of several the last one's consoles count.
pub const HARDWARE: [&Hardware; 2] = [&VIRTUAL, &SERVER];

/// The words of the table, for the shape of recipes.
pub(super) const CHOICES: [Choice; HARDWARE.len()] = {
    let mut choices = [Choice { word: "", about: "" }; HARDWARE.len()];
    let mut at = 0;
    while at < choices.len() {
        choices[at] = Choice { word: HARDWARE[at].word, about: HARDWARE[at].about };
        at += 1;
    }
    choices
};

impl Hardware {
    /// The kind that a recipe names.
    pub fn parse(word: &str) -> Option<&'static Hardware> {
        HARDWARE.into_iter().find(|hardware| hardware.word == word)
    }

    /// Storage drivers, then network drivers.
    pub fn drivers(&self) -> impl Iterator<Item = &'static str> {
        self.storage.iter().chain(self.network).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rows_name_each_driver_once_and_the_essential_ones_are_among_them() {
        for hardware in HARDWARE {
            assert_eq!(Hardware::parse(hardware.word), Some(hardware));
            let drivers: BTreeSet<&str> = hardware.drivers().collect();
            assert_eq!(drivers.len(), hardware.drivers().count(), "{}", hardware.word);
            assert!(hardware.essential.iter().all(|name| drivers.contains(name)), "{}", hardware.word);
        }
    }
}
