//! Architectures of nodes as data: what everybody calls one, and where its files lie. A new one is a row here.

use object::elf::{self, Machine};

/// An architecture of nodes. All of them are 64-bit and little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arch {
    /// Of recipes and RPMs, and what `uname -m` says.
    pub name: &'static str,
    /// Debian's name.
    pub debian: &'static str,
    /// OCI's name of an image's platform: Go's `GOARCH`.
    pub oci: &'static str,
    /// Debian's multiarch name, of directories below `/usr/lib`.
    pub multiarch: &'static str,
    /// UEFI's short name (UEFI Specification, "Removable Media Boot Behavior"), in lower case: of systemd's EFI programs.
    pub efi: &'static str,
    /// Directory of GRUB's files for a BIOS, where machines have one.
    pub grub: Option<&'static str>,
    /// GPT partition type of a root file system (UAPI Discoverable Partitions Specification).
    pub root_type: &'static str,
    /// GPT partition type of its dm-verity hash tree (same specification).
    pub verity_type: &'static str,
    pub libraries: &'static [Libraries],
    pub emulator: Emulator,
}

/// A kind of shared libraries that programs of the architecture load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Libraries {
    pub machine: Machine,
    pub is_64: bool,
    /// In `ld.so.cache`: `FLAG_ELF_LIBC6` and what tells apart the loaders of one machine (glibc's `ldconfig.h`).
    pub cache_flags: u32,
}

/// The QEMU that runs a guest, and what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emulator {
    /// Names on `PATH`, the first one for messages too.
    pub programs: &'static [&'static str],
    /// Debian's packages of the emulator and of its firmware.
    pub debian: (&'static str, &'static str),
    pub machine: &'static str,
    /// UEFI firmware with its variable store, in the order distributions are tried.
    pub firmware: &'static [(&'static str, &'static str)],
    /// The same with Secure Boot, and no keys yet; it needs `secure_machine`.
    pub secure_firmware: &'static [(&'static str, &'static str)],
    /// Arguments of a machine where only the firmware may write its variables.
    pub secure_machine: &'static [&'static str],
}

pub const X86_64: Arch = Arch {
    name: "x86_64",
    debian: "amd64",
    oci: "amd64",
    multiarch: "x86_64-linux-gnu",
    efi: "x64",
    grub: Some("i386-pc"),
    root_type: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    verity_type: "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
    libraries: &[
        Libraries { machine: elf::EM_X86_64, is_64: true, cache_flags: 0x0303 },
        // x32
        Libraries { machine: elf::EM_X86_64, is_64: false, cache_flags: 0x0803 },
        Libraries { machine: elf::EM_386, is_64: false, cache_flags: 0x0003 },
    ],
    emulator: Emulator {
        programs: &["qemu-system-x86_64", "qemu-kvm"],
        debian: ("qemu-system-x86", "ovmf"),
        machine: "q35",
        firmware: &[
            // Debian and Ubuntu.
            ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
            // Fedora and EL, Arch, openSUSE.
            ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
            ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
            ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
        ],
        secure_firmware: &[
            // Debian and Ubuntu.
            ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            ("/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
            // Fedora and EL, Arch, openSUSE.
            ("/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
            ("/usr/share/edk2/x64/OVMF_CODE.secboot.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
            ("/usr/share/qemu/ovmf-x86_64-smm-code.bin", "/usr/share/qemu/ovmf-x86_64-smm-vars.bin"),
        ],
        secure_machine: &[
            "-machine",
            "smm=on",
            "-global",
            "driver=cfi.pflash01,property=secure,value=on",
            // The firmware's management mode does not survive a suspend here.
            "-global",
            "ICH9-LPC.disable_s3=1",
        ],
    },
};

/// All of them; the first one is a recipe's that names none.
pub const ARCHES: &[&Arch] = &[&X86_64];

impl Arch {
    /// Their names, as recipes write them.
    pub const NAMES: [&'static str; ARCHES.len()] = {
        let mut names = [""; ARCHES.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = ARCHES[at].name;
            at += 1;
        }
        names
    };

    /// The one that a recipe names.
    pub fn parse(name: &str) -> Option<&'static Arch> {
        ARCHES.iter().copied().find(|arch| arch.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::tests::World;
    use crate::image::disk::tests::plan_of;
    use crate::recipe::print;
    use crate::tree::TreePath;

    #[test]
    fn every_name_is_the_name_of_one() {
        let found = Arch::NAMES.map(|name| Arch::parse(name).unwrap().name);
        assert_eq!(found, Arch::NAMES);
        assert_eq!(Arch::parse("pdp11"), None);
    }

    /// What a second row is asked for, from the recipe to the disk.
    #[test]
    fn a_node_of_another_architecture_has_its_names_its_partition_types_and_its_boot_loader() {
        const TOY: Arch = Arch {
            name: "toy64",
            debian: "toy",
            oci: "toyoci",
            multiarch: "toy64-linux-gnu",
            efi: "toy",
            root_type: "00000000-0000-4000-8000-000000000001",
            verity_type: "00000000-0000-4000-8000-000000000002",
            ..X86_64
        };
        let mut world = World::new();
        world.recipe.arch = &TOY;
        let gconv = ["toy64-linux-gnu", "x86_64-linux-gnu"].map(|name| format!("/usr/lib/{name}/gconv/UTF-7.so"));
        world.package("libc6", &[(&gconv[0], "elf"), (&gconv[1], "elf")]);
        let tree = world.assemble().unwrap().tree;
        let is_there = gconv.map(|path| tree.get(&TreePath::parse(path).unwrap()).is_some());
        assert_eq!(is_there, [false, true], "what is pruned lies in the architecture's own directory");
        assert_eq!(print::package_inputs(&world.recipe)["arch"], "toy");
        let (table, files) = plan_of(&world, "/usr/lib/systemd/boot/efi/systemd-boottoy.efi");
        let types = [1, 2].map(|index: usize| table.partitions[index].type_guid.to_string());
        assert_eq!(types, [TOY.root_type, TOY.verity_type]);
        assert_eq!(files[..2], ["EFI/BOOT/BOOTTOY.EFI", "EFI/systemd/systemd-boottoy.efi"]);
    }
}
