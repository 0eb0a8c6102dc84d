//! Images read back by a second, simple reader.

use std::io::Read;

use super::*;
use crate::formats::device::Window;
use crate::formats::qcow2::header::OFFSET_MASK;
use crate::formats::qcow2::{Reader, dump};
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
    assert_eq!(digest(Codec::Zlib { level: 6 }), "3a908e332da333a6c9ea99267320dcf40e3f2d8899adca2aa4bbebd4a6e231f3");
    assert_eq!(digest(Codec::Zstd { level: 3 }), "9ea10740363e95146620ca2effbb145a6018b5f32ea14daa1f78550d382e0276");
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
