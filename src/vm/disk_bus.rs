//! What a guest's disk may hang on, a row each: QEMU's devices of it.

use clap::ValueEnum;

/// A controller; its word is the one of `nodesmith boot --disk-bus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiskBus {
    Virtio,
    Nvme,
    /// AHCI
    Sata,
    /// virtio-scsi
    Scsi,
    /// VMware's paravirtual SCSI
    Pvscsi,
    /// LSI MegaRAID SAS 8708EM2; no UEFI firmware of QEMU's starts from it
    Megasas,
    /// LSI SAS1068
    Mptsas,
    /// LSI 53C895A; no UEFI firmware of QEMU's starts from it
    Lsi,
}

impl DiskBus {
    /// Values of `-device`, in the order in which they are given, for the drive with the id `disk`: the controller, unless the
    /// machine has one, and the disk, at this place of the firmware's order if QEMU is to tell it.
    pub(super) fn devices(self, place: Option<u8>) -> Vec<String> {
        let (controller, disk) = match self {
            DiskBus::Virtio => (None, "virtio-blk-pci"),
            DiskBus::Nvme => (None, "nvme,serial=nodesmith"),
            // Of the machine q35.
            DiskBus::Sata => (None, "ide-hd,bus=ide.0"),
            DiskBus::Scsi => (Some("virtio-scsi-pci"), SCSI),
            DiskBus::Pvscsi => (Some("pvscsi"), SCSI),
            DiskBus::Megasas => (Some("megasas"), SCSI),
            DiskBus::Mptsas => (Some("mptsas1068"), SCSI),
            DiskBus::Lsi => (Some("lsi53c895a"), SCSI),
        };
        let controller = controller.map(|device| format!("{device},id=controller"));
        let order = place.map_or_else(String::new, |place| format!(",bootindex={place}"));
        controller.into_iter().chain([format!("{disk},drive=disk{order}")]).collect()
    }
}

const SCSI: &str = "scsi-hd,bus=controller.0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_hangs_on_its_controller() {
        assert_eq!(DiskBus::Virtio.devices(None), ["virtio-blk-pci,drive=disk"]);
        let raid = ["megasas,id=controller", "scsi-hd,bus=controller.0,drive=disk,bootindex=2"];
        assert_eq!(DiskBus::Megasas.devices(Some(2)), raid);
    }
}
