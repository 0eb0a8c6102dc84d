//! Deflate for disk images: parts compressed one by one, quickly where compressing gains nothing.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};

/// Bytes at the start of a part that are tried first.
const SAMPLE: usize = 4096;

/// Compresses one part after the other, each independent of those before.
///
/// Nearly all bytes of our images are compressed file systems and boot files. A part whose start does not get smaller
/// is stored, which is as fast as copying and the same bytes for everybody.
#[derive(Debug)]
pub(super) struct Deflater {
    fast: Compress,
    thorough: Compress,
    stored: Compress,
}

impl Deflater {
    /// `zlib`: each part is a zlib stream (RFC 1950), else raw deflate (RFC 1951). Levels 1 to 9.
    pub(super) fn new(level: u32, zlib: bool) -> Deflater {
        Deflater {
            fast: Compress::new(Compression::fast(), zlib),
            thorough: Compress::new(Compression::new(level.clamp(1, 9)), zlib),
            stored: Compress::new(Compression::none(), zlib),
        }
    }

    /// A whole stream with `part` in it.
    pub(super) fn stream(&mut self, part: &[u8]) -> io::Result<Vec<u8>> {
        self.compress(part, FlushCompress::Finish)
    }

    /// Blocks of deflate with `part` in them that end at a byte, so that further ones can follow; none of them says
    /// that it is the last.
    pub(super) fn blocks(&mut self, part: &[u8]) -> io::Result<Vec<u8>> {
        self.compress(part, FlushCompress::Sync)
    }

    fn compress(&mut self, part: &[u8], flush: FlushCompress) -> io::Result<Vec<u8>> {
        let sample = &part[..part.len().min(SAMPLE)];
        let gains = run(&mut self.fast, sample, flush)?.len() < sample.len() - sample.len() / 32;
        run(if gains { &mut self.thorough } else { &mut self.stored }, part, flush)
    }
}

/// What ends a stream of [`Deflater::blocks`]: an empty block that is the last.
pub(super) const LAST_BLOCK: [u8; 2] = [3, 0];

fn run(compress: &mut Compress, part: &[u8], flush: FlushCompress) -> io::Result<Vec<u8>> {
    compress.reset();
    // Room for a stream that is larger than its input: zlib-rs 0.6 panics at level 1 when the output is full while
    // its own buffer is.
    let mut bytes = Vec::with_capacity(part.len() + part.len() / 8 + 1024);
    let status = compress.compress_vec(part, &mut bytes, flush).map_err(io::Error::other)?;
    let ended = match flush {
        FlushCompress::Finish => status == Status::StreamEnd,
        _ => compress.total_in() == part.len() as u64 && bytes.len() < bytes.capacity(),
    };
    if !ended {
        return Err(io::Error::other("deflate did not end within its bounds"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::{DeflateDecoder, ZlibDecoder};

    use super::*;
    use crate::tree::Digest;

    #[test]
    fn streams_and_joined_blocks_unpack_to_what_went_in() {
        let noise: Vec<u8> = (0..4096_u64).flat_map(|block| Digest::of(block.to_le_bytes()).0).collect();
        let parts: [&[u8]; 5] = [b"", b"short", &[7; 200_000], &noise, b"the end"];
        for level in [1, 6, 9] {
            let (mut zlib, mut raw) = (Deflater::new(level, true), Deflater::new(level, false));
            let mut joined = Vec::new();
            for part in parts {
                let packed = zlib.stream(part).unwrap();
                assert!(packed.len() <= part.len() + part.len() / 1000 + 64, "{} from {}", packed.len(), part.len());
                let mut back = Vec::new();
                ZlibDecoder::new(packed.as_slice()).read_to_end(&mut back).unwrap();
                assert!(back == part);
                joined.extend(raw.blocks(part).unwrap());
            }
            joined.extend(LAST_BLOCK);
            let mut back = Vec::new();
            DeflateDecoder::new(joined.as_slice()).read_to_end(&mut back).unwrap();
            assert!(back == parts.concat());
        }
    }
}
