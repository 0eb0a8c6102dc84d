//! The core image: kernel and modules as they lie in memory, compressed, behind the parts that load them.

use std::fmt;
use std::io::Read;

use anyhow::{Context, bail, ensure};
use liblzma::bufread::XzEncoder;
use liblzma::stream::Stream;
use object::elf::{EM_386, SHF_ALLOC, SHT_NOBITS};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, elf::FileHeader32};

use super::layout::{
    BLOCK_LIST, BOOT_CODE, COMPRESSED_SIZE, CORE_END, DECOMPRESSOR_MAX, DECOMPRESSOR_SEGMENT, DRIVE_CHECK, KERNEL_END,
    KERNEL_SECTOR, LINK_ADDRESS, MODULES_HEADER, MODULES_MAGIC, MODULES_OFFSET, OBJECT_ALIGNMENT, OBJECT_CONFIG,
    OBJECT_ELF, OBJECT_HEADER, OBJECT_PREFIX, REDUNDANCY, SECTOR, UNCOMPRESSED_SIZE, lzma,
};
use super::modules::closure;

/// What GRUB starts with.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Names of modules, such as `fat`; what these need is added.
    pub modules: &'a [&'a str],
    /// Where `grub.cfg` lies. `(,gpt1)/grub` is that directory in the first partition of the disk that was booted.
    pub prefix: &'a str,
    /// Commands for GRUB's smallest parser, which knows neither `if` nor functions; run before `grub.cfg` is read.
    pub config: Option<&'a str>,
    /// Sector of the disk where the core image will lie.
    pub core_lba: u64,
}

/// What must lie on the disk.
#[derive(Clone, PartialEq, Eq)]
pub struct Core {
    /// For the start of sector 0; the bytes behind it stay the partition table's.
    pub boot_code: [u8; BOOT_CODE],
    /// For the BIOS boot partition, from its first byte on; what follows up to a whole sector does not matter.
    pub core: Vec<u8>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a core image of {} bytes", self.core.len())
    }
}

/// Puts GRUB together from `files`, which gives the content of the file with a name in its directory `i386-pc`. Errors
/// name the file that is missing or not as GRUB 2.06 to 2.14 have it, or what does not fit into memory.
pub fn core_image(files: &dyn Fn(&str) -> anyhow::Result<Vec<u8>>, request: &Request<'_>) -> anyhow::Result<Core> {
    let read = |name: &str| files(name).with_context(|| format!("reading GRUB's {name}"));
    let moddep = String::from_utf8(read("moddep.lst")?).context("reading GRUB's moddep.lst")?;
    let mut objects = Vec::new();
    for module in closure(&moddep, request.modules).context("finding GRUB's modules by moddep.lst")? {
        objects.push((OBJECT_ELF, read(&format!("{module}.mod"))?));
    }
    let text = |text: &str| [text.as_bytes(), b"\0"].concat();
    objects.extend(request.config.map(|config| (OBJECT_CONFIG, text(config))));
    objects.push((OBJECT_PREFIX, text(request.prefix)));

    let kernel = kernel(&read("kernel.img")?).context("loading GRUB's kernel.img")?;
    let loaded = [kernel, modules(&objects)?].concat();
    let compressed = compress(&loaded).context("compressing GRUB's kernel and modules")?;
    let decompressor = decompressor(read("lzma_decompress.img")?, compressed.len(), loaded.len())?;
    let end = LINK_ADDRESS + decompressor.len() + compressed.len();
    ensure!(end <= CORE_END, "GRUB's core image ends at {end:#x} in memory, behind {CORE_END:#x}: use fewer modules");
    let sectors = (decompressor.len() + compressed.len()).div_ceil(SECTOR);
    let first = loader(read("diskboot.img")?, request.core_lba, sectors)?;
    Ok(Core {
        boot_code: boot_code(&read("boot.img")?, request.core_lba)?,
        core: [first, decompressor, compressed].concat(),
    })
}

/// Sector 0: loads the sector `core_lba`.
fn boot_code(boot: &[u8], core_lba: u64) -> anyhow::Result<[u8; BOOT_CODE]> {
    let code = boot.first_chunk::<BOOT_CODE>().filter(|_| boot.len() == SECTOR);
    let mut code = *code.with_context(|| format!("GRUB's boot.img has {} bytes instead of {SECTOR}", boot.len()))?;
    // A short jump: every other byte would be another program, which the two below would break.
    ensure!(code[DRIVE_CHECK] == 0xeb, "GRUB's boot.img has no jump at {DRIVE_CHECK:#x}");
    code[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&core_lba.to_le_bytes());
    // Two no-ops instead of the jump, as for all hard disks: BIOSes exist that start one with the number of a floppy.
    code[DRIVE_CHECK..DRIVE_CHECK + 2].fill(0x90);
    Ok(code)
}

/// The first sector of the core image: loads the `sectors` after it.
fn loader(mut first: Vec<u8>, core_lba: u64, sectors: usize) -> anyhow::Result<Vec<u8>> {
    let segment = DECOMPRESSOR_SEGMENT.to_le_bytes();
    ensure!(
        first.len() == SECTOR && first.ends_with(&segment),
        "GRUB's diskboot.img is not a sector whose block list ends with segment {DECOMPRESSOR_SEGMENT:#x}"
    );
    let start = core_lba.checked_add(1).context("the core image lies at the last of all sectors")?;
    first[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&start.to_le_bytes());
    first[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&u16::try_from(sectors)?.to_le_bytes());
    Ok(first)
}

/// The decompressor, told the sizes. Its second duty, mending damaged sectors, needs redundant ones behind the core
/// image: there are none, which is what 0 says.
fn decompressor(mut code: Vec<u8>, compressed: usize, loaded: usize) -> anyhow::Result<Vec<u8>> {
    ensure!(
        (REDUNDANCY + 4..=DECOMPRESSOR_MAX).contains(&code.len()),
        "GRUB's lzma_decompress.img has {} bytes instead of {} to {DECOMPRESSOR_MAX}",
        code.len(),
        REDUNDANCY + 4
    );
    for (field, value) in [(COMPRESSED_SIZE, compressed), (UNCOMPRESSED_SIZE, loaded), (REDUNDANCY, 0)] {
        code[field..field + 4].copy_from_slice(&u32::try_from(value)?.to_le_bytes());
    }
    Ok(code)
}

/// The kernel as it lies in memory from [`LINK_ADDRESS`] on, without the zeros at its end.
fn kernel(file: &[u8]) -> anyhow::Result<Vec<u8>> {
    let header = FileHeader32::<Endianness>::parse(file)?;
    let endian = header.endian()?;
    ensure!(header.e_machine(endian) == EM_386, "it is not for i386");
    let (mut image, mut end) = (Vec::new(), 0);
    for section in header.section_headers(endian, file)? {
        if !section.sh_flags(endian).contains(SHF_ALLOC) {
            continue;
        }
        let (address, size) = (section.sh_addr(endian), section.sh_size(endian));
        let start = usize::try_from(address)?.checked_sub(LINK_ADDRESS);
        let start = start.with_context(|| format!("a section lies at {address:#x}, below {LINK_ADDRESS:#x}"))?;
        end = end.max(start.saturating_add(usize::try_from(size)?));
        if LINK_ADDRESS.saturating_add(end) > KERNEL_END {
            bail!("it does not end below {KERNEL_END:#x} in memory");
        }
        if section.sh_type(endian) != SHT_NOBITS {
            let content = section.data(endian, file)?;
            image.resize(image.len().max(start + content.len()), 0);
            image[start..start + content.len()].copy_from_slice(content);
        }
    }
    ensure!(!image.is_empty(), "nothing in it is loaded");
    Ok(image)
}

/// Objects with their headers, as the kernel looks for them behind itself.
fn modules(objects: &[(u32, Vec<u8>)]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0; MODULES_HEADER];
    for (kind, content) in objects {
        let size = OBJECT_HEADER + content.len().next_multiple_of(OBJECT_ALIGNMENT);
        bytes.extend(kind.to_le_bytes());
        bytes.extend(u32::try_from(size)?.to_le_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(OBJECT_ALIGNMENT), 0);
    }
    let header = [MODULES_MAGIC, MODULES_OFFSET, u32::try_from(bytes.len())?];
    for (field, value) in bytes.chunks_exact_mut(4).zip(header) {
        field.copy_from_slice(&value.to_le_bytes());
    }
    Ok(bytes)
}

/// Raw LZMA. The mark at its end, which liblzma always writes, is never read: GRUB stops at the known size.
fn compress(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    XzEncoder::new_stream(bytes, Stream::new_raw_encoder(&lzma()?)?).read_to_end(&mut compressed)?;
    Ok(compressed)
}
