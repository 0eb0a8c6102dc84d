//! Files' compressed forms, kept from one build to the next.
//!
//! A form is everything that compressing one file gives: its extents and their blocks, relative to the first, so that
//! it can be placed anywhere in any image. It ends with a SHA-256 over itself; a form that is damaged in any way is
//! compressed again, never trusted.
//!
//! ```text
//! "nsextent" size:u64 count:u32 { input:u32 blocks:u32 }×count  the extents' bytes  sha256
//! ```
//! `blocks` is 0 for a raw extent, whose bytes are its input.

use super::compress::{self, Extent, Packed};
use super::{Codec, ExtentSize};
use crate::tree::Digest;

/// The largest form that is kept. Forms pass through memory whole; what is larger is compressed each time.
pub(super) const FORM_MAX: usize = 64 << 20;

const MAGIC: &[u8; 8] = b"nsextent";
/// Changes with the form, and with everything in this program that decides how a file is divided or packed.
const VERSION: u32 = 1;
const DIGEST_SIZE: usize = 32;

/// The key of a content's form: whatever changes the bytes is in it.
pub(super) fn key(content: &Digest, codec: Codec, extent: ExtentSize) -> Digest {
    let codec = match codec {
        Codec::Zstd { level } => format!("zstd {} level {level}", zstd::zstd_safe::version_string()),
        Codec::Lz4hc { level } => format!("lz4hc {} level {level}", lz4::version()),
        Codec::None => "none".to_owned(),
    };
    Digest::of(format!("erofs extents {VERSION}, {codec}, {} bytes, {content}", extent.bytes()))
}

/// The compressed form of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    size: u64,
    extents: Vec<Extent>,
    /// What [`Packed::bytes`] were, one after the other.
    bytes: Vec<u8>,
}

impl Form {
    /// For a file of `size` bytes; its extents are pushed as they are compressed.
    pub(super) fn new(size: u64) -> Form {
        Form { size, extents: Vec::new(), bytes: Vec::new() }
    }

    pub(super) fn push(&mut self, packed: &Packed) {
        self.extents.push(packed.extent);
        self.bytes.extend_from_slice(&packed.bytes);
    }

    /// Bytes of the extents.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Whether compressing was worth it at all.
    pub(super) fn is_compressed(&self) -> bool {
        self.extents.iter().any(|extent| extent.compressed)
    }

    /// The extents with their bytes, in order.
    pub(super) fn extents(&self) -> impl Iterator<Item = (Extent, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.extents.iter().map(move |extent| {
            let (own, others) = rest.split_at(extent.stored());
            rest = others;
            (*extent, own)
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.extents.len()).expect("FORM_MAX bytes have few extents");
        let mut form = [MAGIC.as_slice(), &self.size.to_le_bytes(), &count.to_le_bytes()].concat();
        for extent in &self.extents {
            let blocks = if extent.compressed { extent.blocks } else { 0 };
            form.extend_from_slice(&extent.input.to_le_bytes());
            form.extend_from_slice(&blocks.to_le_bytes());
        }
        form.extend_from_slice(&self.bytes);
        let digest = Digest::of(&form);
        form.extend_from_slice(&digest.0);
        form
    }

    /// `None` if anything is not as [`Form::encode`] left it, or if it is of a file divided otherwise.
    pub(super) fn decode(mut form: Vec<u8>, size: u64, extent: ExtentSize) -> Option<Form> {
        let (body, digest) = form.split_at_checked(form.len().checked_sub(DIGEST_SIZE)?)?;
        let mut rest = body.strip_prefix(MAGIC)?;
        if Digest::of(body).0 != digest || u64::from_le_bytes(take(&mut rest)?) != size {
            return None;
        }
        let count = u32::from_le_bytes(take(&mut rest)?);
        let mut extents = Vec::new();
        for length in compress::split(size, extent) {
            let (input, blocks) = (u32::from_le_bytes(take(&mut rest)?), u32::from_le_bytes(take(&mut rest)?));
            let raw = Extent::raw(input);
            if input != length || blocks >= raw.blocks {
                return None;
            }
            extents.push(if blocks == 0 { raw } else { Extent { blocks, compressed: true, ..raw } });
        }
        let stored: usize = extents.iter().map(|extent| extent.stored()).sum();
        if usize::try_from(count) != Ok(extents.len()) || stored != rest.len() {
            return None;
        }
        // The bytes stay in the buffer they came in: forms are large.
        form.truncate(form.len() - DIGEST_SIZE);
        form.drain(..form.len() - stored);
        Some(Form { size, extents, bytes: form })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}
