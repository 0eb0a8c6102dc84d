//! GRUB 2 for PCs with a BIOS (platform `i386-pc`), put together from the files of its packages.
//!
//! [`core_image`] takes `boot.img`, `diskboot.img`, `lzma_decompress.img`, `kernel.img`, `moddep.lst` and modules, and
//! gives the code for sector 0 and the image for a BIOS boot partition; nothing of GRUB runs. [`config`] writes the
//! `grub.cfg` that is read then. Sources: GRUB's `util/mkimage.c`, `util/setup.c`, `include/grub/offsets.h`; versions
//! 2.06 to 2.14 have the same layout. Oracle: `grub-mkimage -O i386-pc`, whose images [`read()`] reads too.
//!
//! ```text
//! sector 0          the core image, from `core_lba` on
//! boot.img, 440 B   diskboot.img │ lzma_decompress.img │ LZMA: kernel.img │ "gmim" │ module │ … │ config │ prefix
//! ```
//!
//! Each part loads the next: the BIOS sector 0, that the first sector of the core image, that the rest of it. Limits
//! are those of the first 640 KiB of memory.

mod config;
mod layout;
mod modules;
mod read;
mod write;

pub use config::{Entry, argument, config};
pub use read::{Object, Unpacked, dump, read};
pub use write::{Core, Request, core_image};

#[cfg(test)]
mod tests;
