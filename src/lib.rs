//! Nodesmith: YAML recipes in, immutable bootable Kubernetes node images out.
//!
//! ```text
//! recipe ─ check ─► Recipe ─ index ─► Index ─ resolve ─► Lock ─ fetch ─► [Package]
//! [Package] + overlays ─ assemble ─► Tree ─ seal ─► Sealed{EROFS, hash tree, root hash}
//! kernel + initrd(nodeinit) + cmdline(root hash) ─► Uki ─ plan ─► DiskPlan ─ write ─► raw · qcow2 · …
//! ```
//!
//! `pipeline` is the table of contents. The feature `builder` (default) is the image builder; without it the package
//! is `nodeinit`, the node's agent, which may use only the modules that are compiled for both.

pub mod agent;
pub mod base64;
pub mod contract;
pub mod diag;
pub mod hex;
pub mod image_info;
pub mod install_choice;
pub mod netdisk_index;
#[cfg(test)]
mod oracle;
pub mod pem;
pub mod registry_mirrors;
pub mod root_hash;
pub mod runtime;
pub mod shape;
pub mod slot;
pub mod spelling;
pub mod ssh_key;
pub mod var_filesystem;
pub mod verity_superblock;
pub mod words;
pub mod yaml;

#[cfg(feature = "builder")]
pub mod arch;
#[cfg(feature = "builder")]
pub mod assemble;
#[cfg(feature = "builder")]
pub mod bounded;
#[cfg(feature = "builder")]
pub mod checks;
#[cfg(feature = "builder")]
pub mod cli;
#[cfg(feature = "builder")]
mod date;
#[cfg(feature = "builder")]
mod decompressed;
#[cfg(feature = "builder")]
pub mod file_capabilities;
#[cfg(feature = "builder")]
pub mod formats;
#[cfg(feature = "builder")]
pub mod glob;
#[cfg(feature = "builder")]
pub mod image;
#[cfg(feature = "builder")]
pub mod inspect;
#[cfg(feature = "builder")]
mod interrupt;
#[cfg(feature = "builder")]
pub mod lock;
#[cfg(feature = "builder")]
pub mod package;
#[cfg(feature = "builder")]
pub mod pipeline;
#[cfg(feature = "builder")]
pub mod preload;
#[cfg(feature = "builder")]
pub mod progress;
#[cfg(feature = "builder")]
pub mod recipe;
#[cfg(feature = "builder")]
pub mod repo;
#[cfg(feature = "builder")]
pub mod report;
#[cfg(feature = "builder")]
pub mod resolve;
#[cfg(feature = "builder")]
pub mod secure_boot;
#[cfg(feature = "builder")]
pub mod seed_volume;
#[cfg(feature = "builder")]
pub mod shell;
#[cfg(feature = "builder")]
pub mod store;
#[cfg(feature = "builder")]
pub mod store_key;
#[cfg(feature = "builder")]
pub mod supply;
#[cfg(feature = "builder")]
pub mod tree;
#[cfg(feature = "builder")]
pub mod trust;
#[cfg(feature = "builder")]
pub mod vm;
