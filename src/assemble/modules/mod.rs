//! Kernel modules: what `depmod` says about them, and which ones have to be loaded for which.

pub(super) mod depmod;
mod index;
pub(crate) mod load;
pub mod modinfo;
