//! A tree → a root file system under dm-verity.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::num::NonZeroUsize;

use anyhow::Context;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::formats::form_cache::FormCache;
use crate::formats::{erofs, verity};
use crate::recipe::{Compression, Recipe};
use crate::tree::{Contents, Digest, Tree};

/// A root file system that can no longer be changed without being noticed.
#[derive(Debug)]
pub struct Sealed {
    /// The EROFS image, in an unnamed temporary file.
    pub root: File,
    pub root_bytes: u64,
    /// Superblock and hash tree of dm-verity: the whole verity partition.
    pub verity: Vec<u8>,
    pub root_hash: Digest,
    pub summary: erofs::Summary,
}

/// Writes the tree as EROFS into `file` (empty, read and write) and hashes it.
pub fn seal(
    recipe: &Recipe,
    tree: &Tree,
    contents: &dyn Contents,
    cache: &dyn FormCache,
    threads: NonZeroUsize,
    mut file: File,
) -> anyhow::Result<Sealed> {
    let options = erofs::Options {
        uuid: identity(recipe, "root").into_bytes(),
        label: erofs::label("root").context("labelling the root file system")?,
        epoch: recipe.epoch,
        codec: match recipe.compression {
            Compression::Zstd { level } => erofs::Codec::Zstd { level },
            Compression::Lz4hc { level } => erofs::Codec::Lz4hc { level },
        },
        extent: erofs::ExtentSize::DEFAULT,
        threads,
    };
    let summary = erofs::write(tree, contents, &options, cache, &mut file).context("writing the root file system")?;
    file.seek(SeekFrom::Start(0)).context("reading the root file system back")?;
    let blocks = summary.bytes / 4096;
    // The salt keeps hashes of one image useless for finding blocks in another; it need not be secret or random.
    let salt: [u8; 32] = Sha256::digest(format!("nodesmith verity salt: {} {}", recipe.name, recipe.version)).into();
    let verity = verity::format(&mut file, blocks, salt, identity(recipe, "verity").into_bytes())
        .context("hashing the root file system")?;
    Ok(Sealed {
        root: file,
        root_bytes: summary.bytes,
        verity: verity.hash_device,
        root_hash: Digest(verity.root_hash),
        summary,
    })
}

/// Root of the UUIDs made here: drawn once, for ever the same.
const NAMESPACE: Uuid = Uuid::from_u128(0x2d0e_11ce_7f5b_4a0c_9d3a_5c0f_3a86_74b1);

fn identity(recipe: &Recipe, what: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{} {}: {what}", recipe.name, recipe.version).as_bytes())
}
