//! The slots of a disk: places for a root and its hash tree, so that an update can be written beside the running one.

/// One of the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The one that the builder fills.
    A,
    /// A gap on a new disk.
    B,
}

impl Slot {
    /// In the order in which they lie on a disk.
    pub const ALL: [Slot; 2] = [Slot::A, Slot::B];

    /// GPT name of the partition of the root, as it appears in `/dev/disk/by-partlabel`.
    pub const fn root_label(self) -> &'static str {
        match self {
            Slot::A => "root-a",
            Slot::B => "root-b",
        }
    }

    /// GPT name of the partition of its hash tree.
    pub const fn verity_label(self) -> &'static str {
        match self {
            Slot::A => "verity-a",
            Slot::B => "verity-b",
        }
    }
}
