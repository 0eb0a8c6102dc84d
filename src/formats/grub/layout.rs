//! Numbers that writing and reading share: fields and addresses of the `i386-pc` platform (`include/grub/offsets.h`,
//! `include/grub/i386/pc/boot.h`, `include/grub/kernel.h`), and how the core is compressed.

use liblzma::stream::{Filters, LzmaOptions};

pub(super) const SECTOR: usize = 512;
/// Bytes of sector 0 that are code; the disk's signature and the partition table of the MBR come after them.
pub(super) const BOOT_CODE: usize = 440;
/// Field of `boot.img`: the sector that it loads, 64 bits.
pub(super) const KERNEL_SECTOR: usize = 0x5c;
/// Field of `boot.img`: a jump over the code that mends the drive number which some BIOSes give wrongly.
pub(super) const DRIVE_CHECK: usize = 0x66;
/// Field of `diskboot.img`, its first block list: first sector (64 bits), sectors (16), segment to load to (16).
pub(super) const BLOCK_LIST: usize = SECTOR - 12;
/// Segment of the byte after `diskboot.img` in memory.
pub(super) const DECOMPRESSOR_SEGMENT: u16 = 0x820;
/// Fields of `lzma_decompress.img`, 32 bits each.
pub(super) const COMPRESSED_SIZE: usize = 0x08;
pub(super) const UNCOMPRESSED_SIZE: usize = 0x0c;
pub(super) const REDUNDANCY: usize = 0x10;
/// Where the kernel is linked to: the decompressor must end below it.
pub(super) const LINK_ADDRESS: usize = 0x9000;
pub(super) const DECOMPRESSOR_MAX: usize = LINK_ADDRESS - ((DECOMPRESSOR_SEGMENT as usize) << 4);
/// The end of memory for the compressed core, and for the kernel with its zeros.
pub(super) const CORE_END: usize = 0x78000;
pub(super) const KERNEL_END: usize = 0x68000;
/// Magic of the header in front of the modules, which also has their offset from it and the size of it all.
pub(super) const MODULES_MAGIC: u32 = 0x676d_696d;
pub(super) const MODULES_HEADER: usize = 12;
pub(super) const MODULES_OFFSET: u32 = 12;
/// In front of each object: its type and its size, this header included.
pub(super) const OBJECT_HEADER: usize = 8;
/// What objects are aligned to: a pointer of the platform.
pub(super) const OBJECT_ALIGNMENT: usize = 4;
/// Types of objects.
pub(super) const OBJECT_ELF: u32 = 0;
pub(super) const OBJECT_CONFIG: u32 = 2;
pub(super) const OBJECT_PREFIX: u32 = 3;

/// The one set of properties that GRUB's decoder is assembled for (`FIXED_PROPS` in `lzma_decode.S`). It copies from
/// its own output, so that every size of dictionary will do: this is `grub-mkimage`'s.
pub(super) fn lzma() -> Result<Filters, liblzma::stream::Error> {
    let mut options = LzmaOptions::new_preset(9)?;
    options.literal_context_bits(3).literal_position_bits(0).position_bits(2).dict_size(1 << 16).nice_len(273);
    let mut filters = Filters::new();
    filters.lzma1(&options);
    Ok(filters)
}
