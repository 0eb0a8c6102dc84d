//! Images from their parts: the initrd, the UKI, the disk.
//!
//! Each file turns values into one artefact: [`initrd::build`], [`uki::assemble`], [`disk::plan`] and
//! [`disk::DiskPlan::write`]. The bytes themselves are made in `formats/`.

pub mod disk;
pub mod initrd;
pub mod uki;
