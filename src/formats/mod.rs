//! Bytes on disk: file systems, disk images and boot files, written and read in-process.
//!
//! Nothing here knows recipes, locks or the command line; `tests/it/policy.rs` keeps it so.

pub mod authenticode;
mod blocks;
pub mod container;
mod content_id;
pub mod cpio;
mod deflate;
pub mod device;
pub mod efi_signature_list;
pub mod efi_variable;
pub mod erofs;
pub mod fat;
pub mod form_cache;
pub mod gce;
pub mod gpt;
pub mod grub;
pub mod iso9660;
pub mod netdisk;
pub mod ova;
pub mod ovf;
pub mod pcr;
pub mod pe;
pub mod pkcs7;
pub mod qcow2;
pub mod raw_disk;
pub mod raw_zst;
pub mod sparse;
pub mod verity;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;
