use std::fs::File;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::*;
use crate::formats::device::ReadAt;
use crate::netdisk_index::{Index, Partition};

const MIB: u64 = 1 << 20;

/// A disk with these bytes at these places.
fn raw(mebibytes: u64, parts: &[(u64, Vec<u8>)]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(mebibytes * MIB).unwrap();
    for (offset, bytes) in parts {
        file.write_all_at(bytes, *offset).unwrap();
    }
    file
}

fn partitions() -> Vec<Partition> {
    let partition = |name: &str, first, mebibytes, id| Partition {
        name: name.into(),
        guid: [id; 16],
        start: first * MIB,
        bytes: mebibytes * MIB,
    };
    vec![partition("esp", 1, 1, 1), partition("root-a", 2, 2, 2), partition("verity-a", 4, 1, 3)]
}

fn netdisk(raw: &File, bytes: u64, threads: usize) -> (Vec<u8>, Index) {
    let out = tempfile::tempfile().unwrap();
    let first = vec![4 * MIB..5 * MIB, 2 * MIB..4 * MIB];
    let index = write(Request { raw, bytes, partitions: partitions(), first, threads }, &out).unwrap();
    let mut file = vec![0; usize::try_from(out.metadata().unwrap().len()).unwrap()];
    out.read_exact_at(&mut file, 0).unwrap();
    (file, index)
}

fn whole(reader: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = vec![9; usize::try_from(reader.size().unwrap()).unwrap()];
    reader.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn the_table_comes_last_and_what_is_asked_for_first() {
    let raw = raw(
        6,
        &[
            (512, vec![1; 17_000]),
            (20_480, vec![2; 100]),
            (MIB, vec![3; 5000]),
            (2 * MIB + 8000, vec![4; 2 << 20]),
            (4 * MIB, vec![5; 4096]),
            (6 * MIB - 512, vec![6; 512]),
        ],
    );
    let (bytes, index) = netdisk(&raw, 6 * MIB, 2);
    let places: Vec<(u64, u64)> = index.extents.iter().map(|extent| (extent.offset, extent.bytes)).collect();
    let expected = [
        (4 * MIB, 8192),
        (2 * MIB + 4096, MIB - 4096),
        (3 * MIB, MIB),
        (MIB, 8192),
        (0, 24_576),
        (6 * MIB - 4096, 4096),
    ];
    assert_eq!(places, expected);
    assert_eq!(bytes.len() as u64, index.file_bytes());
    let dumped = dump(&bytes.as_slice()).unwrap();
    let lines: Vec<&str> = dumped.lines().skip(1).collect();
    assert!(
        dumped.starts_with("netdisk of 6291456 bytes with 2138112 bytes of data in 6 extents, digest "),
        "{dumped}"
    );
    assert_eq!(
        lines,
        [
            "esp        at 1048576 has 1048576 bytes, 8192 of data",
            "root-a     at 2097152 has 2097152 bytes, 2093056 of data",
            "verity-a   at 4194304 has 1048576 bytes, 8192 of data",
        ]
    );
}

#[test]
fn a_damaged_extent_is_seen() {
    let (mut bytes, index) = netdisk(&raw(6, &[(MIB, vec![3; 5000])]), 6 * MIB, 1);
    let position = usize::try_from(index.extents[0].position).unwrap();
    bytes[position + 4999] ^= 1;
    let reader = Reader::open(bytes.as_slice()).unwrap();
    let error = reader.read_exact_at(&mut [0; 10], MIB).unwrap_err().to_string();
    assert!(error.contains("the extent at 1048576 does not match its digest"), "{error}");
    reader.read_exact_at(&mut [0; 10], 3 * MIB).unwrap();
    assert!(reader.read_exact_at(&mut [0; 10], 6 * MIB - 9).is_err());
}

#[test]
fn a_disk_that_is_not_in_whole_blocks_is_refused() {
    let raw = raw(6, &[]);
    let request = Request { raw: &raw, bytes: 5 * MIB + 512, partitions: partitions(), first: vec![], threads: 1 };
    assert!(write(request, &tempfile::tempfile().unwrap()).unwrap_err().to_string().contains("is not possible"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_netdisk_holds_the_disk(parts in prop::collection::vec((0..6 * MIB - 70_000, 1..70_000_usize, any::<bool>()), 0..12)) {
        let filled = |(offset, length, zero): (u64, usize, bool)| (offset, vec![if zero { 0 } else { 7 }; length]);
        let raw = raw(6, &parts.into_iter().map(filled).collect::<Vec<_>>());
        let mut expected = vec![0; usize::try_from(6 * MIB).unwrap()];
        raw.read_exact_at(&mut expected, 0).unwrap();
        let (bytes, index) = netdisk(&raw, 6 * MIB, 1);
        let reader = Reader::open(bytes.as_slice()).unwrap();
        prop_assert!(whole(&reader) == expected);
        prop_assert_eq!(reader.index(), &index);
        prop_assert_eq!(netdisk(&raw, 6 * MIB, 3).0, bytes);
    }
}
