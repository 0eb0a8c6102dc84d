//! Images from their parts: the initrd, the UKI, the disk.
//!
//! Each file turns values into one artefact: [`initrd::build`], [`uki::assemble`], [`disk::plan`] and
//! [`disk::DiskPlan::write`]. `node` puts them together for an image; the bytes themselves are made in `formats/`.

pub mod disk;
pub mod initrd;
pub mod inspect;
pub mod manifest;
pub mod node;
pub mod outputs;
pub mod seal;
pub mod uki;
