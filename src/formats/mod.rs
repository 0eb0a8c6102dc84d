//! Bytes on disk: file systems, disk images and boot files, written and read in-process.
//!
//! Nothing here knows recipes, locks or the command line; `tests/it/policy.rs` keeps it so.

pub mod authenticode;
pub mod cpio;
pub mod device;
pub mod efi_signature_list;
pub mod efi_variable;
pub mod erofs;
pub mod fat;
pub mod form_cache;
pub mod gpt;
pub mod grub;
pub mod iso9660;
pub mod pcr;
pub mod pe;
pub mod pkcs7;
pub mod qcow2;
pub mod sparse;
pub mod verity;
