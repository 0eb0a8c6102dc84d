//! Compressed qcow2 images (version 3, QEMU's docs/interop/qcow2.rst), written in one pass from a raw image.
//!
//! Takes a raw file, gives a qcow2 file with the same content for any number of threads: clusters are compressed in
//! parallel, written in order. Zero clusters and holes take no room and holes no time. Memory does not grow with the
//! image, but for two bytes a cluster written. No snapshots, backing files or bitmaps. Oracle: `qemu-img check` and
//! `qemu-img compare`. [`Reader`] reads such images back, and those of `qemu-img convert`.
//!
//! ```text
//! header │ compressed clusters, packed │ L2 table │ … │ L2 table │ L1 table │ refcount table │ refcount blocks
//! ```

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use flate2::{Compress, Compression, FlushCompress, Status};
use rayon::prelude::*;

use super::sparse;

mod read;

pub use read::Reader;

/// Cluster size: 64 KiB, QEMU's default.
const CLUSTER_BITS: u32 = 16;
const CLUSTER: usize = 1 << CLUSTER_BITS;
const CLUSTER_BYTES: u64 = 1 << CLUSTER_BITS;
/// Clusters that one L2 table maps, with eight bytes each.
const L2_ENTRIES: usize = CLUSTER / 8;
/// Clusters that one refcount block counts, with two bytes each (`refcount_order` 4).
const REFCOUNTS: usize = CLUSTER / 2;
/// Clusters that are compressed before they are written: 16 MiB, enough to keep the threads busy.
const BATCH: usize = 256;
/// Largest L1 table that QEMU opens (`QCOW_MAX_L1_SIZE`, 32 MiB): 2 PiB of image.
const L1_ENTRIES_MAX: usize = 4 << 20;

const MAGIC: u32 = 0x5146_49fb;
const HEADER_LENGTH: u32 = 112;
/// Incompatible feature bit 3: the compression type in the header counts.
const COMPRESSION_TYPE_BIT: u64 = 1 << 3;
/// L1 and L2 entries: the cluster's refcount is exactly one.
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
/// Bits of a compressed cluster's L2 entry that hold its byte offset; above them is the number of further sectors.
const OFFSET_BITS: u32 = 62 - (CLUSTER_BITS - 8);
/// Bits of an L1 or L2 entry that hold a host cluster's offset.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;

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
        put32(MAGIC, &mut header);
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

/// The fields of a header that somebody asks for.
#[derive(Debug)]
struct Header {
    backing_file_offset: u64,
    size: u64,
    crypt_method: u32,
    l1_entries: usize,
    l1_table_offset: u64,
    refcount_table_clusters: u32,
    incompatible_features: u64,
    /// The compression type: 0 zlib, 1 zstd.
    compression: u8,
}

impl Header {
    fn read<R: Read + Seek>(device: &mut R) -> io::Result<Header> {
        let mut header = [0; HEADER_LENGTH as usize];
        device.seek(SeekFrom::Start(0))?;
        device.read_exact(&mut header)?;
        let u32_at = |at: usize| u32::from_be_bytes(std::array::from_fn(|index| header[at + index]));
        let u64_at = |at: usize| u64::from_be_bytes(std::array::from_fn(|index| header[at + index]));
        if (u32_at(0), u32_at(4)) != (MAGIC, 3) {
            return Err(invalid("offset 0: not a qcow2 image of version 3".into()));
        }
        let (l1_entries, incompatible_features) = (u32_at(36) as usize, u64_at(72));
        if u32_at(20) != CLUSTER_BITS || l1_entries > L1_ENTRIES_MAX {
            return Err(invalid(format!("offset 20: clusters of 2^{} bytes, {l1_entries} tables", u32_at(20))));
        }
        Ok(Header {
            backing_file_offset: u64_at(8),
            size: u64_at(24),
            crypt_method: u32_at(32),
            l1_entries,
            l1_table_offset: u64_at(40),
            refcount_table_clusters: u32_at(56),
            incompatible_features,
            // Without the bit the header may end before this byte, and it means zlib.
            compression: if incompatible_features & COMPRESSION_TYPE_BIT == 0 { 0 } else { header[104] },
        })
    }

    fn read_l1<R: Read + Seek>(&self, device: &mut R) -> io::Result<Vec<u64>> {
        if self.l1_entries as u64 * 8 > device.seek(SeekFrom::End(0))? {
            return Err(invalid(format!("offset 36: {} tables do not fit the file", self.l1_entries)));
        }
        let mut table = vec![0; self.l1_entries * 8];
        device.seek(SeekFrom::Start(self.l1_table_offset))?;
        device.read_exact(&mut table)?;
        Ok(entries(&table).collect())
    }
}

/// The header and what the tables say, a property a line.
pub fn dump<R: Read + Seek>(device: &mut R) -> io::Result<String> {
    let header = Header::read(device)?;
    let codec = if header.compression == 0 { "zlib" } else { "zstd" };
    let mut summary = Summary { file_bytes: device.seek(SeekFrom::End(0))?, ..Summary::default() };
    let mut tables = 0;
    for entry in header.read_l1(device)?.into_iter().filter(|entry| *entry != 0) {
        tables += 1;
        // Tables that share their clusters would take time without end.
        if tables > summary.file_bytes / CLUSTER_BYTES {
            return Err(invalid("more tables than clusters in the file".into()));
        }
        let mut l2 = vec![0; CLUSTER];
        device.seek(SeekFrom::Start(entry & OFFSET_MASK))?;
        device.read_exact(&mut l2)?;
        for entry in entries(&l2).filter(|entry| *entry != 0) {
            match entry & COMPRESSED {
                0 => summary.stored += 1,
                _ => summary.compressed += 1,
            }
        }
    }
    let Header { size, l1_entries, incompatible_features, refcount_table_clusters, .. } = header;
    summary.zero = size.div_ceil(CLUSTER_BYTES).saturating_sub(summary.stored + summary.compressed);
    let Summary { compressed, stored, zero, file_bytes } = summary;
    Ok(format!(
        "qcow2 version 3, {size} bytes in {file_bytes} bytes\n\
         compression {codec}, incompatible features {incompatible_features:#x}\n\
         clusters {compressed} compressed, {stored} stored, {zero} zero\n\
         tables {tables} of {l1_entries}, refcount table {refcount_table_clusters} clusters\n",
    ))
}

fn entries(table: &[u8]) -> impl Iterator<Item = u64> {
    table.as_chunks::<8>().0.iter().map(|entry| u64::from_be_bytes(*entry))
}

fn big_endian(entries: &[u64]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_be_bytes()).collect()
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::device::Window;
    use crate::tree::Digest;
    use proptest::prelude::*;

    fn file(parts: &[(u64, Vec<u8>)], size: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        for (offset, bytes) in parts {
            file.write_all_at(bytes, *offset).unwrap();
        }
        file
    }

    fn convert(raw: &File, size: u64, codec: Codec, threads: usize) -> (Vec<u8>, Summary) {
        let mut out = io::Cursor::new(Vec::new());
        let summary = write(raw, size, &mut out, codec, threads).unwrap();
        (out.into_inner(), summary)
    }

    /// Bytes that do not compress.
    fn noise(length: usize) -> Vec<u8> {
        (0..length.div_ceil(32) as u64).flat_map(|block| Digest::of(block.to_le_bytes()).0).take(length).collect()
    }

    /// A second, simple reading of the format.
    fn decode(image: &[u8]) -> Vec<u8> {
        let number = |at: usize| u64::from_be_bytes(image[at..at + 8].try_into().unwrap());
        let offset = |entry: u64| usize::try_from(entry & OFFSET_MASK).unwrap();
        let size = usize::try_from(number(24)).unwrap();
        let l1 = usize::try_from(number(40)).unwrap();
        let mut guest = Vec::new();
        for cluster in 0..size.div_ceil(CLUSTER) {
            let table = offset(number(l1 + cluster / L2_ENTRIES * 8));
            let entry = if table == 0 { 0 } else { number(table + cluster % L2_ENTRIES * 8) };
            let start = usize::try_from(entry & ((1 << OFFSET_BITS) - 1)).unwrap();
            let mut bytes = vec![0; CLUSTER];
            if entry & COMPRESSED == 0 {
                if entry != 0 {
                    bytes.copy_from_slice(&image[offset(entry)..][..CLUSTER]);
                }
            } else if image[104] == 1 {
                let mut decoder = zstd::stream::Decoder::new(&image[start..]).unwrap().single_frame();
                decoder.read_exact(&mut bytes).unwrap();
            } else {
                let mut decoder = flate2::Decompress::new_with_window_bits(false, 12);
                decoder.decompress(&image[start..], &mut bytes, flate2::FlushDecompress::Finish).unwrap();
            }
            guest.extend(bytes);
        }
        guest.truncate(size);
        guest
    }

    #[test]
    fn the_dump_counts_the_clusters() {
        let raw = file(&[(0, vec![1; 70_000]), (200_000, noise(CLUSTER * 3))], 1 << 20);
        let (image, summary) = convert(&raw, 1 << 20, Codec::default(), 2);
        assert_eq!(summary.file_bytes, image.len() as u64);
        insta::assert_snapshot!(dump(&mut io::Cursor::new(image)).unwrap(), @r"
        qcow2 version 3, 1048576 bytes in 589824 bytes
        compression zlib, incompatible features 0x0
        clusters 4 compressed, 2 stored, 10 zero
        tables 1 of 1, refcount table 1 clusters
        ");
    }

    #[test]
    fn a_dump_reads_no_table_twice_and_none_beyond_the_file() {
        let raw = file(&[(0, vec![1; 70_000])], 1 << 20);
        let (mut image, _) = convert(&raw, 1 << 20, Codec::default(), 1);
        let error = |image: &[u8]| dump(&mut io::Cursor::new(image)).unwrap_err().to_string();
        let l1 = usize::try_from(u64::from_be_bytes(image[40..48].try_into().unwrap())).unwrap();
        let entry = image[l1..l1 + 8].to_vec();
        image[l1..l1 + 480].copy_from_slice(&entry.repeat(60));
        image[36..40].copy_from_slice(&60u32.to_be_bytes());
        assert_eq!(error(&image), "more tables than clusters in the file");
        image[36..40].copy_from_slice(&(4u32 << 20).to_be_bytes());
        assert_eq!(error(&image), "offset 36: 4194304 tables do not fit the file");
    }

    #[test]
    fn threads_do_not_change_a_byte_and_the_bytes_are_these() {
        let raw = file(&[(0, vec![1; 9 << 20]), (20 << 20, noise(9 << 20))], 64 << 20);
        for codec in [Codec::Zlib { level: 6 }, Codec::Zstd { level: 3 }] {
            let one = convert(&raw, 64 << 20, codec, 1);
            assert!(one == convert(&raw, 64 << 20, codec, 3));
        }
        // A change of these digests changes every qcow2 image (a new zlib-rs or libzstd may do it): say so in the
        // changelog.
        let raw = file(&[(100_000, b"nodesmith".to_vec())], 1 << 18);
        let digest = |codec| Digest::of(convert(&raw, 1 << 18, codec, 1).0).to_string();
        assert_eq!(
            digest(Codec::Zlib { level: 6 }),
            "3a908e332da333a6c9ea99267320dcf40e3f2d8899adca2aa4bbebd4a6e231f3"
        );
        assert_eq!(
            digest(Codec::Zstd { level: 3 }),
            "9ea10740363e95146620ca2effbb145a6018b5f32ea14daa1f78550d382e0276"
        );
    }

    #[test]
    fn every_level_takes_what_does_not_compress() {
        let mut half = noise(CLUSTER * 2);
        half[..40_000].fill(1);
        half[100_000..].fill(2);
        let raw = file(&[(0, noise(CLUSTER * 3)), (CLUSTER_BYTES * 3, half)], 1 << 20);
        let mut expected = vec![0; 1 << 20];
        raw.read_exact_at(&mut expected, 0).unwrap();
        let levels = (1..=9).map(|level| Codec::Zlib { level }).chain((1..=22).map(|level| Codec::Zstd { level }));
        for codec in levels {
            assert!(decode(&convert(&raw, 1 << 20, codec, 2).0) == expected, "{codec:?}");
        }
    }

    #[test]
    fn refcount_blocks_count_themselves() {
        assert_eq!(refcount_clusters(1), (1, 1));
        assert_eq!(refcount_clusters(REFCOUNTS - 2), (1, 1));
        assert_eq!(refcount_clusters(REFCOUNTS - 1), (2, 1));
        assert_eq!(refcount_clusters(2 * REFCOUNTS - 3), (2, 1));
        assert_eq!(refcount_clusters(2 * REFCOUNTS - 2), (3, 1));
        // 16 TiB of clusters in use fill a table of 8192 blocks.
        let full = L2_ENTRIES * REFCOUNTS - L2_ENTRIES - 1;
        assert_eq!(refcount_clusters(full), (L2_ENTRIES, 1));
        assert_eq!(refcount_clusters(full + 1), (L2_ENTRIES + 1, 2));
    }

    #[test]
    fn sizes_that_no_image_has_are_refused() {
        let raw = file(&[], 1024);
        for size in [0, 511, 1 << 52] {
            assert!(write(&raw, size, io::Cursor::new(Vec::new()), Codec::default(), 1).is_err(), "{size}");
        }
        assert!(write(&raw, 2048, io::Cursor::new(Vec::new()), Codec::default(), 1).is_err());
        assert!(dump(&mut io::Cursor::new(vec![0; 200])).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn what_is_written_is_decoded(
            parts in prop::collection::vec((0u64..3000, 1usize..200_000, any::<u8>()), 0..6),
            extra in 0u64..300,
            zstd in any::<bool>(),
        ) {
            let parts: Vec<(u64, Vec<u8>)> = parts.into_iter().map(|(sector, length, byte)| {
                (sector * 512, if byte % 3 == 0 { noise(length) } else { vec![byte; length] })
            }).collect();
            let end = parts.iter().map(|(offset, bytes)| offset + bytes.len() as u64).max().unwrap_or(1);
            let size = end.next_multiple_of(512) + extra * 512;
            let raw = file(&parts, size);
            let codec = if zstd { Codec::Zstd { level: 3 } } else { Codec::Zlib { level: 6 } };
            let (image, _) = convert(&raw, size, codec, 2);
            let mut expected = vec![0; usize::try_from(size).unwrap()];
            raw.read_exact_at(&mut expected, 0).unwrap();
            prop_assert!(decode(&image) == expected);
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&image, 0).unwrap();
            let mut read = Vec::new();
            let reader = Reader::open(file).unwrap();
            Window::new(&reader, 0, size).read_to_end(&mut read).unwrap();
            prop_assert!(read == expected);
        }
    }
}
