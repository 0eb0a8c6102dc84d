//! A raw image → compressed qcow2, in one pass and with any number of threads.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use flate2::{Compress, Compression, FlushCompress, Status};
use rayon::prelude::*;

use super::header::{
    CLUSTER, CLUSTER_BITS, CLUSTER_BYTES, COMPRESSED, COMPRESSION_TYPE_BIT, HEADER_LENGTH, L1_ENTRIES_MAX, L2_ENTRIES,
    MAGIC, OFFSET_BITS, invalid,
};
use crate::formats::sparse;

/// Clusters that one refcount block counts, with two bytes each (`refcount_order` 4).
const REFCOUNTS: usize = CLUSTER / 2;
/// Clusters that are compressed before they are written: 16 MiB, enough to keep the threads busy.
const BATCH: usize = 256;
/// L1 and L2 entries: the cluster's refcount is exactly one.
const COPIED: u64 = 1 << 63;

/// How clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Raw deflate; every reader of qcow2 has it. Levels 1 to 9.
    Zlib { level: u32 },
    /// QEMU 5.1 (2020) and later; marked by an incompatible feature bit. Levels 1 to 22.
    Zstd { level: i32 },
}

/// zlib, because our images gain nothing from more: nearly all of their bytes are compressed file systems and boot
/// files, which no codec makes smaller, and every importer can read it.
impl Default for Codec {
    fn default() -> Codec {
        Codec::Zlib { level: 6 }
    }
}

/// What became of the clusters, and the size of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    pub compressed: u64,
    /// Stored as they are, since compressing did not make them smaller.
    pub stored: u64,
    pub zero: u64,
    pub file_bytes: u64,
}

/// Writes the first `size` bytes of `raw` as a qcow2 image into `out`, which starts empty. `size` is a positive
/// multiple of 512.
pub fn write<W: Write + Seek>(raw: &File, size: u64, out: W, codec: Codec, threads: usize) -> io::Result<Summary> {
    if size == 0 || !size.is_multiple_of(512) {
        return Err(invalid(format!("a qcow2 image needs whole sectors of 512 bytes, not {size} bytes")));
    }
    let tables = usize::try_from(size.div_ceil(CLUSTER_BYTES * L2_ENTRIES as u64)).unwrap_or(usize::MAX);
    if tables > L1_ENTRIES_MAX {
        return Err(invalid(format!("{size} bytes are more than a qcow2 image with clusters of 64 KiB can have")));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build().map_err(io::Error::other)?;
    let mut image = Image::new(out, tables)?;
    let ranges = cluster_ranges(sparse::data_ranges(raw, size)?);
    let mut clusters = ranges.into_iter().flatten();
    loop {
        let batch: Vec<u64> = clusters.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return image.finish(size, codec);
        }
        let work = || {
            let compress = |worker: &mut io::Result<Worker>, number: &u64| match worker {
                Ok(worker) => worker.cluster(raw, size, *number),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            batch.par_iter().map_init(|| Worker::new(codec), compress).collect::<io::Result<Vec<Cluster>>>()
        };
        let done = pool.install(work)?;
        for (number, cluster) in batch.into_iter().zip(done) {
            image.put(number, &cluster)?;
        }
    }
}

/// The clusters that ranges of bytes touch, each once.
fn cluster_ranges(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut clusters: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        let (first, end) = (range.start / CLUSTER_BYTES, range.end.div_ceil(CLUSTER_BYTES));
        match clusters.last_mut() {
            Some(last) if last.end >= first => last.end = last.end.max(end),
            _ => clusters.push(first..end),
        }
    }
    clusters
}

#[derive(Debug)]
enum Cluster {
    Zero,
    Stored(Vec<u8>),
    Compressed(Vec<u8>),
}

/// What a thread needs to compress one cluster after the other.
struct Worker {
    compressor: Compressor,
    guest: Vec<u8>,
}

enum Compressor {
    Zlib(Compress),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Worker {
    fn new(codec: Codec) -> io::Result<Worker> {
        let compressor = match codec {
            // A raw stream with a window of 4 KiB: QEMU inflates with exactly that.
            Codec::Zlib { level } => {
                Compressor::Zlib(Compress::new_with_window_bits(Compression::new(level.clamp(1, 9)), false, 12))
            }
            Codec::Zstd { level } => Compressor::Zstd(zstd::bulk::Compressor::new(level)?),
        };
        Ok(Worker { compressor, guest: vec![0; CLUSTER] })
    }

    fn cluster(&mut self, raw: &File, size: u64, number: u64) -> io::Result<Cluster> {
        let start = number * CLUSTER_BYTES;
        let length = usize::try_from(size - start).map_or(CLUSTER, |left| left.min(CLUSTER));
        raw.read_exact_at(&mut self.guest[..length], start)?;
        // Behind the end of the image there are zeros.
        self.guest[length..].fill(0);
        if sparse::is_zero(&self.guest) {
            return Ok(Cluster::Zero);
        }
        let smaller = match &mut self.compressor {
            Compressor::Zstd(compressor) => compressor.compress(&self.guest)?,
            Compressor::Zlib(compressor) => {
                compressor.reset();
                // Room for a stream that is larger than its input: zlib-rs 0.6 panics at level 1 when the output is
                // full while its own buffer is.
                let mut bytes = Vec::with_capacity(CLUSTER + CLUSTER / 8);
                let status = compressor.compress_vec(&self.guest, &mut bytes, FlushCompress::Finish);
                if status.map_err(io::Error::other)? != Status::StreamEnd {
                    return Err(io::Error::other("deflate did not end within its bounds"));
                }
                bytes
            }
        };
        Ok(if smaller.len() < CLUSTER { Cluster::Compressed(smaller) } else { Cluster::Stored(self.guest.clone()) })
    }
}

/// The file as far as it is written. Guest clusters come in ascending order.
struct Image<W: Write + Seek> {
    out: BufWriter<W>,
    position: u64,
    l1: Vec<u64>,
    /// The L2 table that is being filled, and its number.
    l2: Vec<u64>,
    l2_number: usize,
    /// Of host clusters.
    refcounts: Vec<u16>,
    summary: Summary,
}

impl<W: Write + Seek> Image<W> {
    fn new(out: W, tables: usize) -> io::Result<Image<W>> {
        let mut out = BufWriter::with_capacity(1 << 20, out);
        out.write_all(&[0; CLUSTER])?;
        Ok(Image {
            out,
            position: CLUSTER_BYTES,
            l1: vec![0; tables],
            l2: vec![0; L2_ENTRIES],
            l2_number: 0,
            refcounts: vec![1],
            summary: Summary::default(),
        })
    }

    fn put(&mut self, number: u64, cluster: &Cluster) -> io::Result<()> {
        let number = usize::try_from(number).map_err(io::Error::other)?;
        let entry = match cluster {
            Cluster::Zero => return Ok(()),
            Cluster::Stored(bytes) => {
                self.use_table(number)?;
                self.align()?;
                self.summary.stored += 1;
                COPIED | self.append(bytes)?
            }
            Cluster::Compressed(bytes) => {
                self.use_table(number)?;
                let start = self.append(bytes)?;
                if start >> OFFSET_BITS != 0 {
                    return Err(invalid("the qcow2 file is too large for compressed clusters".into()));
                }
                self.summary.compressed += 1;
                let further_sectors = (self.position - 1) / 512 - start / 512;
                COMPRESSED | further_sectors << OFFSET_BITS | start
            }
        };
        self.l2[number % L2_ENTRIES] = entry;
        Ok(())
    }

    /// Makes `l2` the table of this guest cluster.
    fn use_table(&mut self, cluster: usize) -> io::Result<()> {
        let table = cluster / L2_ENTRIES;
        if table != self.l2_number {
            self.finish_table()?;
            self.l2_number = table;
        }
        Ok(())
    }

    fn finish_table(&mut self) -> io::Result<()> {
        if self.l2.iter().any(|entry| *entry != 0) {
            self.align()?;
            let table = std::mem::replace(&mut self.l2, vec![0; L2_ENTRIES]);
            self.l1[self.l2_number] = COPIED | self.append(&big_endian(&table))?;
        }
        Ok(())
    }

    fn finish(mut self, size: u64, codec: Codec) -> io::Result<Summary> {
        self.finish_table()?;
        self.align()?;
        let l1 = std::mem::take(&mut self.l1);
        let l1_offset = self.append(&big_endian(&l1))?;
        self.align()?;
        let refcount_offset = self.position;
        let table_clusters = self.write_refcounts()?;
        let (compression, incompatible) = match codec {
            Codec::Zlib { .. } => (0, 0),
            Codec::Zstd { .. } => (1, COMPRESSION_TYPE_BIT),
        };
        let mut header = Vec::new();
        let put32 = |value: u32, header: &mut Vec<u8>| header.extend(value.to_be_bytes());
        let put64 = |value: u64, header: &mut Vec<u8>| header.extend(value.to_be_bytes());
        header.extend(MAGIC);
        put32(3, &mut header);
        put64(0, &mut header); // backing_file_offset
        put32(0, &mut header); // backing_file_size
        put32(CLUSTER_BITS, &mut header);
        put64(size, &mut header);
        put32(0, &mut header); // crypt_method
        put32(u32::try_from(l1.len()).map_err(io::Error::other)?, &mut header);
        put64(l1_offset, &mut header);
        put64(refcount_offset, &mut header);
        put32(table_clusters, &mut header);
        put32(0, &mut header); // nb_snapshots
        put64(0, &mut header); // snapshots_offset
        put64(incompatible, &mut header);
        put64(0, &mut header); // compatible_features
        put64(0, &mut header); // autoclear_features
        put32(4, &mut header); // refcount_order
        put32(HEADER_LENGTH, &mut header);
        header.extend([compression, 0, 0, 0, 0, 0, 0, 0]);
        put64(0, &mut header); // end of the header extensions
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header)?;
        self.out.flush()?;
        let guest_clusters = size.div_ceil(CLUSTER_BYTES);
        let used = self.summary.compressed + self.summary.stored;
        Ok(Summary { zero: guest_clusters - used, file_bytes: self.position, ..self.summary })
    }

    /// The table of refcount blocks and the blocks, which count themselves too; how many clusters the table has.
    fn write_refcounts(&mut self) -> io::Result<u32> {
        let used = self.refcounts.len();
        let (blocks, tables) = refcount_clusters(used);
        let first_block = self.position + (tables * CLUSTER) as u64;
        let mut table: Vec<u64> = (0..blocks as u64).map(|block| first_block + block * CLUSTER_BYTES).collect();
        table.resize(tables * L2_ENTRIES, 0);
        self.append(&big_endian(&table))?;
        let mut counts = std::mem::take(&mut self.refcounts);
        counts.resize(used + tables + blocks, 1);
        counts.resize(blocks * REFCOUNTS, 0);
        let counts: Vec<u8> = counts.into_iter().flat_map(u16::to_be_bytes).collect();
        self.append(&counts)?;
        u32::try_from(tables).map_err(io::Error::other)
    }

    /// Writes `bytes` and counts them in every host cluster that they touch; where they start.
    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let start = self.position;
        self.out.write_all(bytes)?;
        self.position += bytes.len() as u64;
        let cluster = |position: u64| usize::try_from(position >> CLUSTER_BITS).map_err(io::Error::other);
        let (first, last) = (cluster(start)?, cluster(self.position - 1)?);
        if self.refcounts.len() <= last {
            self.refcounts.resize(last + 1, 0);
        }
        for count in &mut self.refcounts[first..=last] {
            let more = count.checked_add(1);
            *count = more.ok_or_else(|| invalid("more than 65535 compressed clusters share one".into()))?;
        }
        Ok(start)
    }

    /// Zeros up to the next cluster.
    fn align(&mut self) -> io::Result<()> {
        let end = self.position.next_multiple_of(CLUSTER_BYTES);
        let padding = usize::try_from(end - self.position).map_err(io::Error::other)?;
        self.out.write_all(&[0; CLUSTER][..padding])?;
        self.position = end;
        Ok(())
    }
}

/// Clusters of refcount blocks and of their table, which count themselves too, behind `used` clusters of other kinds.
fn refcount_clusters(used: usize) -> (usize, usize) {
    let (mut blocks, mut tables) = (1, 1);
    loop {
        let needed = (used + blocks + tables).div_ceil(REFCOUNTS);
        if needed <= blocks && blocks <= tables * L2_ENTRIES {
            return (blocks, tables);
        }
        // Both only grow, so this ends.
        (blocks, tables) = (needed, needed.div_ceil(L2_ENTRIES));
    }
}

fn big_endian(entries: &[u64]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests;
