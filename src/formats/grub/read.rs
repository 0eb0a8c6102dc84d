//! Reading core images back, ours and those of `grub-mkimage`: what is in them, for tests and for people.

use std::io::Read;

use anyhow::{Context, ensure};
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;

use super::layout::{
    BLOCK_LIST, COMPRESSED_SIZE, MODULES_HEADER, MODULES_MAGIC, MODULES_OFFSET, OBJECT_CONFIG, OBJECT_ELF,
    OBJECT_HEADER, OBJECT_PREFIX, REDUNDANCY, SECTOR, UNCOMPRESSED_SIZE, lzma,
};

/// Most bytes that an image may unpack to: all of GRUB's modules together have 3 MB.
const UNPACKED_MAX: usize = 16 << 20;

/// The parts of a core image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The block list of the first sector: where the rest of the image lies on the disk, in sectors.
    pub first_lba: u64,
    pub sectors: u16,
    pub decompressor: Vec<u8>,
    /// Kernel and modules as they lie in memory.
    pub loaded: Vec<u8>,
    /// Bytes of the kernel alone.
    pub kernel_bytes: usize,
    pub objects: Vec<Object>,
}

/// Something that the kernel finds behind itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// As `OBJ_TYPE_…` in `include/grub/kernel.h` counts.
    pub kind: u32,
    /// Padded with zeros to a multiple of four bytes.
    pub content: Vec<u8>,
}

/// Takes `core` apart, which ends with its last byte, not with its last sector: only that tells how long the
/// decompressor is.
pub fn read(core: &[u8]) -> anyhow::Result<Unpacked> {
    let field = |at: usize| u32_at(core, SECTOR + at).and_then(|value| Ok(usize::try_from(value)?));
    let first_lba = u64::from(u32_at(core, BLOCK_LIST + 4)?) << 32 | u64::from(u32_at(core, BLOCK_LIST)?);
    let sectors = u16::try_from(u32_at(core, BLOCK_LIST + 8)? & 0xffff)?;
    let (compressed, size) = (field(COMPRESSED_SIZE)?, field(UNCOMPRESSED_SIZE)?);
    ensure!(size <= UNPACKED_MAX, "the core image unpacks to {size} bytes, more than {UNPACKED_MAX}");
    let start = core.len().checked_sub(compressed).filter(|start| *start > SECTOR + REDUNDANCY);
    let start = start.with_context(|| format!("{compressed} compressed bytes do not fit into {}", core.len()))?;
    let mut loaded = vec![0; size];
    let mut decoder = XzDecoder::new_stream(&core[start..], Stream::new_raw_decoder(&lzma()?)?);
    decoder.read_exact(&mut loaded).context("decompressing the core image")?;

    let is_header = |at: &usize| {
        let size = u32::try_from(loaded.len() - at).unwrap_or(u32::MAX);
        let header = [MODULES_MAGIC.to_le_bytes(), MODULES_OFFSET.to_le_bytes(), size.to_le_bytes()];
        loaded[*at..].starts_with(header.as_flattened())
    };
    let kernel_bytes = (0..loaded.len()).find(is_header).context("there are no modules behind the kernel")?;
    let mut objects = Vec::new();
    let mut at = kernel_bytes + MODULES_HEADER;
    while at < loaded.len() {
        let (kind, size) = (u32_at(&loaded, at)?, usize::try_from(u32_at(&loaded, at + 4)?)?);
        let content = at.checked_add(size).and_then(|end| loaded.get(at + OBJECT_HEADER..end));
        let content = content.with_context(|| format!("the object at {at:#x} has no end"))?.to_vec();
        objects.push(Object { kind, content });
        at += size;
    }
    Ok(Unpacked { first_lba, sectors, decompressor: core[SECTOR..start].to_vec(), loaded, kernel_bytes, objects })
}

/// A core image for people.
pub fn dump(core: &[u8]) -> anyhow::Result<String> {
    let Unpacked { first_lba, sectors, decompressor, loaded, kernel_bytes, objects } = read(core)?;
    let mut text = format!("{sectors} sectors from {first_lba} on, {} bytes when unpacked\n", loaded.len());
    text += &format!("decompressor {:>6} bytes\n", decompressor.len());
    text += &format!("kernel       {kernel_bytes:>6} bytes\n");
    for Object { kind, content } in &objects {
        let kind_name = match *kind {
            OBJECT_ELF => "module".to_owned(),
            OBJECT_CONFIG => "config".to_owned(),
            OBJECT_PREFIX => "prefix".to_owned(),
            other => format!("type {other}"),
        };
        text += &format!("{kind_name:12} {:>6} bytes", content.len());
        if [OBJECT_CONFIG, OBJECT_PREFIX].contains(kind) {
            let end = content.iter().position(|byte| *byte == 0).unwrap_or(content.len());
            text += &format!(" {:?}", String::from_utf8_lossy(&content[..end]));
        }
        text.push('\n');
    }
    Ok(text)
}

fn u32_at(bytes: &[u8], at: usize) -> anyhow::Result<u32> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    Ok(u32::from_le_bytes(*field.with_context(|| format!("the core image ends before {at:#x}"))?))
}
