//! The forms that a recipe may ask for its disk in, a row each. What writes them stands in `image/writers/`.

use crate::contract;
use crate::shape::Choice;

/// A form of a node's disk.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// The word in recipes.
    pub word: &'static str,
    /// What the names of its files end in, behind the image's name and a dot.
    pub endings: &'static [&'static str],
    /// One line for the schema.
    pub about: &'static str,
    /// Whether a recipe that names no output gets it.
    pub default: bool,
}

pub const RAW: Output = Output {
    word: "raw",
    endings: &["raw"],
    about: "the disk byte for byte, as it is written to a machine's own",
    default: true,
};

pub const QCOW2: Output = Output {
    word: "qcow2",
    endings: &["qcow2"],
    about: "the same disk compressed, for QEMU and what runs on it",
    default: true,
};

pub const RAW_ZST: Output = Output {
    word: "raw.zst",
    endings: &["raw.zst"],
    about: "the raw disk as zstd, in frames that can be sought",
    default: false,
};

pub const VMDK: Output = Output {
    word: "vmdk",
    endings: &["vmdk"],
    about: "a disk as VMware's importers want it (streamOptimized)",
    default: false,
};

pub const OVA: Output = Output {
    word: "ova",
    endings: &["ova"],
    about: "a virtual machine for vSphere: description, digests and disk in one file",
    default: false,
};

pub const VHD: Output = Output {
    word: "vhd",
    endings: &["vhd"],
    about: "a dynamic disk for Hyper-V's first generation and others that know Virtual PC's format",
    default: false,
};

pub const AZURE: Output = Output {
    word: "azure",
    endings: &["azure.vhd"],
    about: "a fixed disk for Azure; the file is as large as the disk, and mostly holes",
    default: false,
};

pub const VHDX: Output =
    Output { word: "vhdx", endings: &["vhdx"], about: "a dynamic disk for Hyper-V", default: false };

pub const GCE: Output = Output {
    word: "gce",
    endings: &["gce.tar.gz"],
    about: "an archive with `disk.raw` for Google Compute Engine",
    default: false,
};

pub const PXE: Output = Output {
    word: "pxe",
    endings: &[contract::NETDISK_ENDING, "ipxe", contract::BOOT_FILE_ENDING],
    about: "what machines start and install themselves from over the network",
    default: false,
};

pub const ISO: Output =
    Output { word: "iso", endings: &["iso"], about: "an installer, for a CD or a USB stick", default: false };

/// All of them, in the order in which recipes are printed.
pub const OUTPUTS: [&Output; 11] = [&RAW, &QCOW2, &RAW_ZST, &VMDK, &OVA, &VHD, &AZURE, &VHDX, &GCE, &PXE, &ISO];

/// The words of the table, for the shape of recipes.
pub(super) const CHOICES: [Choice; OUTPUTS.len()] = choices(&OUTPUTS);

const fn choices<const N: usize>(table: &[&Output; N]) -> [Choice; N] {
    let mut choices = [Choice { word: "", about: "" }; N];
    let mut at = 0;
    while at < N {
        choices[at] = Choice { word: table[at].word, about: table[at].about };
        at += 1;
    }
    choices
}

/// What these words ask for, in the table's order; the default where none of them is an output's.
pub(super) fn asked(table: &[&'static Output], words: &[&str]) -> Vec<&'static Output> {
    let named: Vec<&'static Output> = table.iter().copied().filter(|output| words.contains(&output.word)).collect();
    if named.is_empty() { table.iter().copied().filter(|output| output.default).collect() } else { named }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::diag::{Diagnostics, Source};
    use crate::shape::{Shape, conform};
    use crate::yaml;

    const TOY: Output = Output { word: "toy", endings: &["toy", "toy.txt"], about: "to play with", default: false };
    const WITH_TOY: [&Output; 3] = [&RAW, &QCOW2, &TOY];
    const CHOICES: [Choice; 3] = choices(&WITH_TOY);
    const SHAPE: Shape = Shape::List(&Shape::Choice(&CHOICES));

    #[test]
    fn a_row_is_all_that_recipes_need_to_ask_for_an_output() {
        let mistakes = |text: &str| {
            let mut found = Diagnostics::default();
            conform(&yaml::parse(&Source::new("t", text)).unwrap(), &SHAPE, "outputs", &mut found);
            found.to_string()
        };
        assert_eq!(mistakes("[toy, raw]"), "");
        assert!(mistakes("[tony]").contains("did you mean `toy`?"), "{}", mistakes("[tony]"));
        let words = |words: &[&str]| asked(&WITH_TOY, words).iter().map(|output| output.word).collect::<Vec<_>>();
        assert_eq!(words(&["toy", "raw"]), ["raw", "toy"]);
        assert_eq!(words(&[]), ["raw", "qcow2"]);
        assert_eq!(words(&["tony"]), ["raw", "qcow2"]);
    }

    #[test]
    fn no_two_outputs_share_a_word_or_a_file() {
        let (mut words, mut endings) = (BTreeSet::new(), BTreeSet::new());
        for output in OUTPUTS {
            assert!(words.insert(output.word), "{}", output.word);
            output.endings.iter().for_each(|ending| assert!(endings.insert(ending), "{ending}"));
        }
    }
}
