//! Images from their parts: the sealed root, the initrd, the command line, the UKI, the disk, and the record of all.
//!
//! Each file or folder turns values into one artefact, from [`parts::Parts`]; the bytes themselves are made in
//! `formats/`. `pipeline.rs` has their order.

pub mod bios;
pub mod boot_files;
pub mod command_line;
pub mod disk;
pub mod initrd;
pub mod manifest;
pub mod outputs;
pub mod parts;
pub mod record;
pub mod seal;
pub mod start;
pub mod uki;
pub mod writers;
