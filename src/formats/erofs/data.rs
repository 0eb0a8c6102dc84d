//! The contents of regular files: read and verified in order, compressed in parallel, written in order.
//!
//! The work goes in batches of a few MiB. While the threads compress one batch, the next is read and hashed; then the
//! first is written. Memory is two batches and the tails, whatever the size of the image.

use std::io;
use std::slice;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::cache::{self, FORM_MAX, Form};
use super::compress::{self, Compressor, Extent, Packed};
use super::layout::{BLOCK, BLOCK_U64};
use super::place::Blocks;
use super::{Codec, Options};
use crate::formats::form_cache::FormCache;
use crate::tree::content::{Opened, damaged};
use crate::tree::{Content, Contents, Digest, TreePath};

/// A regular file to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    /// The inode's first path, for messages.
    pub(super) path: &'a TreePath,
    pub(super) content: &'a Content,
    /// How long a tail may be to have room behind the inode.
    pub(super) tail_room: usize,
}

/// Where a file's data went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Placed {
    /// Consecutive blocks from `start`, and what follows them, to be put behind the inode.
    Flat {
        start: u32,
        tail: Vec<u8>,
    },
    Compressed {
        start: u32,
        extents: Vec<Extent>,
    },
}

/// Bytes of input in a batch, roughly: enough for dozens of extents.
const BATCH: usize = 16 << 20;

/// A step of one file, before (`Vec<u8>`) or after (`Packed`) it is compressed. Every file has at least one.
enum Piece<T> {
    Extent {
        extent: T,
        last: bool,
    },
    /// The whole file.
    Cached(Form),
}

/// Writes the data of all `sources`; says what each became, and how many came from the cache.
pub(super) fn write<W: io::Write>(
    sources: &[Source<'_>],
    contents: &dyn Contents,
    options: &Options,
    cache: &dyn FormCache,
    blocks: &mut Blocks<'_, W>,
) -> io::Result<(Vec<Placed>, u64)> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads.get()).build().map_err(io::Error::other)?;
    let mut reader = Reader { sources: sources.iter(), open: None, contents, options, cache };
    let mut batch = reader.batch()?;
    let mut placed = Vec::with_capacity(sources.len());
    let mut cached_files = 0;
    let mut growing: Option<Growing<'_>> = None;
    while !batch.is_empty() {
        let (packed, next) = pool.install(|| rayon::join(|| compress(batch, options), || reader.batch()));
        for piece in packed? {
            let source = &sources[placed.len()];
            let mut file = growing.take().unwrap_or_else(|| Growing::new(source, options, blocks.next()));
            match piece {
                Piece::Extent { extent: packed, last } => {
                    file.collect(&packed);
                    file.push(packed.extent, &packed.bytes, last, blocks)?;
                    if !last {
                        growing = Some(file);
                        continue;
                    }
                    file.remember(cache)?;
                }
                Piece::Cached(form) => {
                    cached_files += 1;
                    let mut extents = form.extents().peekable();
                    while let Some((extent, bytes)) = extents.next() {
                        file.push(extent, bytes, extents.peek().is_none(), blocks)?;
                    }
                }
            }
            placed.push(file.placed());
        }
        batch = next?;
    }
    Ok((placed, cached_files))
}

/// Reads the sources one after the other.
struct Reader<'a> {
    sources: slice::Iter<'a, Source<'a>>,
    open: Option<Open<'a>>,
    contents: &'a dyn Contents,
    options: &'a Options,
    cache: &'a dyn FormCache,
}

/// The file that is being read.
struct Open<'a> {
    source: &'a Source<'a>,
    opened: Opened,
    hash: Sha256,
    offset: u64,
}

impl<'a> Reader<'a> {
    /// The next pieces; none when every source is read.
    fn batch(&mut self) -> io::Result<Vec<Piece<Vec<u8>>>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH
            && let Some(piece) = self.piece()?
        {
            bytes += BLOCK;
            bytes += match &piece {
                Piece::Extent { extent, .. } => extent.len(),
                Piece::Cached(form) => form.length(),
            };
            batch.push(piece);
        }
        Ok(batch)
    }

    fn piece(&mut self) -> io::Result<Option<Piece<Vec<u8>>>> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let Some(source) = self.sources.next() else { return Ok(None) };
                if let Some(form) = self.cached(source) {
                    return Ok(Some(Piece::Cached(form)));
                }
                let opened = open(source, self.contents).map_err(|error| reading(source, error))?;
                Open { source, opened, hash: Sha256::new(), offset: 0 }
            }
        };
        let source = open.source;
        let size = source.content.size();
        let length = u64::from(compress::extent_length(size, self.options.extent)).min(size - open.offset);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        open.opened.read_exact_at(&mut bytes, open.offset).map_err(|error| reading(source, error))?;
        open.offset += length;
        let last = open.offset == size;
        if let Content::Stored { digest, .. } = source.content {
            open.hash.update(&bytes);
            if last {
                let found = Digest(open.hash.finalize().into());
                if found != *digest {
                    return Err(reading(source, damaged(self.contents, digest, &found)));
                }
                return Ok(Some(Piece::Extent { extent: bytes, last }));
            }
        }
        if !last {
            self.open = Some(open);
        }
        Ok(Some(Piece::Extent { extent: bytes, last }))
    }

    fn cached(&self, source: &Source<'_>) -> Option<Form> {
        let key = cache_key(source.content, self.options)?;
        Form::decode(self.cache.get(&key)?, source.content.size(), self.options.extent)
    }
}

/// Opens a content and makes sure that it is as long as the tree says.
fn open(source: &Source<'_>, contents: &dyn Contents) -> io::Result<Opened> {
    let opened = source.content.open(contents)?;
    if let (Opened::File(file), Content::Stored { digest, size }) = (&opened, source.content) {
        let found = file.metadata()?.len();
        if found != *size {
            let problem = format!("the store has {found} bytes under sha256:{digest}, the tree says {size}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
    }
    Ok(opened)
}

fn reading(source: &Source<'_>, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("reading the content of `{}`: {error}", source.path))
}

/// The cache's key of a content; `None` for contents that are not worth it.
fn cache_key(content: &Content, options: &Options) -> Option<Digest> {
    match content {
        Content::Stored { digest, size } if options.codec != Codec::None && *size > BLOCK_U64 => {
            Some(cache::key(digest, options.codec, options.extent))
        }
        _ => None,
    }
}

fn compress(batch: Vec<Piece<Vec<u8>>>, options: &Options) -> io::Result<Vec<Piece<Packed>>> {
    let compressor = || Compressor::new(options.codec, options.extent);
    let pack = |compressor: &mut io::Result<Compressor>, piece| match piece {
        Piece::Cached(form) => Ok(Piece::Cached(form)),
        Piece::Extent { extent, last } => match compressor {
            Ok(compressor) => Ok(Piece::Extent { extent: compressor.pack(extent)?, last }),
            Err(error) => Err(io::Error::new(error.kind(), format!("starting the compressor: {error}"))),
        },
    };
    batch.into_par_iter().map_init(compressor, pack).collect()
}

/// The file that is being written.
struct Growing<'a> {
    source: &'a Source<'a>,
    start: u32,
    extents: Vec<Extent>,
    is_compressed: bool,
    tail: Vec<u8>,
    /// What will go to the cache, with its key.
    form: Option<(Digest, Form)>,
}

impl<'a> Growing<'a> {
    fn new(source: &'a Source<'a>, options: &Options, start: u32) -> Growing<'a> {
        let form = cache_key(source.content, options).map(|key| (key, Form::new(source.content.size())));
        Growing { source, start, extents: Vec::new(), is_compressed: false, tail: Vec::new(), form }
    }

    /// Writes the next extent. A file without compressed extents is flat, and then its tail may go behind the inode.
    fn push<W: io::Write>(
        &mut self,
        extent: Extent,
        bytes: &[u8],
        last: bool,
        out: &mut Blocks<'_, W>,
    ) -> io::Result<()> {
        self.is_compressed |= extent.compressed;
        self.extents.push(extent);
        let tail = bytes.len() % BLOCK;
        let inline = last && !self.is_compressed && tail <= self.source.tail_room;
        let (whole, tail) = bytes.split_at(if inline { bytes.len() - tail } else { bytes.len() });
        self.tail = tail.to_vec();
        out.append(whole)?;
        Ok(())
    }

    fn collect(&mut self, packed: &Packed) {
        if let Some((_, form)) = &mut self.form {
            form.push(packed);
            if form.length() > FORM_MAX {
                self.form = None;
            }
        }
    }

    /// Gives the cache what it does not have; a form without compressed extents would only repeat the store.
    fn remember(&mut self, cache: &dyn FormCache) -> io::Result<()> {
        match self.form.take() {
            Some((key, form)) if form.is_compressed() => cache.put(&key, &form.encode()).map_err(|error| {
                io::Error::new(error.kind(), format!("caching the compressed form of `{}`: {error}", self.source.path))
            }),
            _ => Ok(()),
        }
    }

    fn placed(self) -> Placed {
        if self.is_compressed {
            Placed::Compressed { start: self.start, extents: self.extents }
        } else {
            Placed::Flat { start: self.start, tail: self.tail }
        }
    }
}
