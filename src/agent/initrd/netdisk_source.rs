//! Where a netdisk's bytes come from.

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::agent::report::console;
use crate::hex;
use crate::netdisk_index::{Extent, HEAD_BYTES, Index, index_length};

/// A netdisk that can be read: a file on a medium, or one that is fetched. Reads come in ascending order, but for the
/// head and the index, which come first, and for what is read again because it was wrong.
pub trait Source {
    /// For people: `/dev/sr0, worker.netdisk`.
    fn name(&self) -> String;

    /// Fills the buffer from this byte of the file on.
    fn read_exact_at(&mut self, buffer: &mut [u8], position: u64) -> Result<()>;

    /// The metadata that came along, by the names of its documents; nobody vouches for it.
    fn metadata(&mut self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        Ok(Vec::new())
    }
}

/// How often a part is read that is wrong.
pub const ATTEMPTS: usize = 4;

/// Reads the bytes of an extent. `wrong` says what is not as it should be, if anything.
///
/// # Errors
/// It is wrong each time.
pub fn read_extent(
    source: &mut dyn Source,
    extent: &Extent,
    bytes: &mut [u8],
    wrong: impl Fn(&dyn Source, &[u8]) -> Option<String>,
) -> Result<()> {
    for attempt in 1.. {
        source.read_exact_at(bytes, extent.position)?;
        let Some(problem) = wrong(source, bytes) else { break };
        ensure!(attempt < ATTEMPTS, "{problem}, {ATTEMPTS} times");
        console::complain(&format!("{problem}; reading it again"));
    }
    Ok(())
}

/// Reads head and index, which must be those with this digest, if one is named.
///
/// # Errors
/// They are not, or cannot be read.
pub fn read_index(source: &mut dyn Source, sha256: Option<&[u8; 32]>) -> Result<Index> {
    let name = source.name();
    let mut read = || -> Result<Index> {
        let mut head = [0; HEAD_BYTES];
        source.read_exact_at(&mut head, 0)?;
        let mut bytes = head.to_vec();
        bytes.resize(HEAD_BYTES + index_length(&head).map_err(anyhow::Error::msg)?, 0);
        source.read_exact_at(&mut bytes[HEAD_BYTES..], HEAD_BYTES as u64)?;
        let digest = Sha256::digest(&bytes);
        if let Some(sha256) = sha256 {
            ensure!(
                digest.as_slice() == sha256,
                "it is another netdisk: the digest of its index is {}, and the command line names {}",
                hex::encode(&digest),
                hex::encode(sha256)
            );
        }
        Index::decode(&bytes).map_err(anyhow::Error::msg)
    };
    read().with_context(|| format!("reading the index of {name}"))
}
