//! A netdisk onto a disk, in an order in which a power cut leaves either what was there or the mark of an installation
//! that was begun, never anything that could start.
//!
//! ```text
//! mark │ zeros at both ends │ zeros in the holes, extents, each checked │ sync │ all read back │ /var … │ first sector
//! ```

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::mark::{self, SECTOR};
use super::target::Target;
use crate::agent::initrd::netdisk_source::{self, Source};
use crate::netdisk_index::{EXTENT_MAX, Extent, Index};

/// What is cleared at either end of a disk: tables of partitions and their backups, RAIDs and volumes lie there.
pub const END_BYTES: u64 = 1 << 20;
/// Bytes of a hole that are cleared between two words on how far it is.
const HOLE_BYTES: u64 = 64 << 20;
/// Bytes that are given to the disk between two syncs.
const SYNC_BYTES: u64 = 64 << 20;

/// The boot record, which is written when everything else is done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "without it the disk does not start"]
pub struct BootRecord([u8; SECTOR]);

/// How far it is: what is being done, bytes done, bytes in all.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// Marks the disk of `disk_bytes` bytes and clears its ends: what was on it is not found any more.
pub fn begin(target: &mut dyn Target, disk_bytes: u64) -> Result<()> {
    target.write_all_at(&mark::sector(), 0)?;
    target.sync()?;
    target.zero(SECTOR as u64, END_BYTES - SECTOR as u64)?;
    target.zero((disk_bytes / SECTOR as u64 * SECTOR as u64).saturating_sub(END_BYTES), END_BYTES)?;
    target.sync()
}

/// Writes everything but the boot record, and reads it back.
///
/// # Errors
/// The source gives other bytes than its index says, or the disk other ones than were written.
pub fn write(
    source: &mut dyn Source,
    index: &Index,
    target: &mut dyn Target,
    progress: Progress<'_>,
) -> Result<BootRecord> {
    let holes = holes(index);
    let cleared: u64 = holes.iter().map(|(_, bytes)| bytes).sum();
    let mut done = 0;
    for (offset, bytes) in holes {
        let (mut at, end) = (offset, offset + bytes);
        while at < end {
            let part = (end - at).min(HOLE_BYTES);
            target.zero(at, part)?;
            at += part;
            done += part;
            progress("clearing", done, cleared);
        }
    }
    let (mut record, mut done, all) = (None, 0, index.data_bytes());
    let mut unsafe_bytes = 0;
    let mut buffer = vec![0; usize::try_from(EXTENT_MAX)?];
    for extent in &index.extents {
        let part = &mut buffer[..usize::try_from(extent.bytes)?];
        netdisk_source::read_extent(source, extent, part, |source, part| {
            let is_wrong = !is_whole(extent, part);
            is_wrong.then(|| format!("{} is damaged: its extent at {} is not whole", source.name(), extent.offset))
        })?;
        match extent.offset {
            0 => {
                record = part.first_chunk().copied().map(BootRecord);
                target.write_all_at(&part[SECTOR..], SECTOR as u64)?;
            }
            offset => target.write_all_at(part, offset)?,
        }
        done += extent.bytes;
        unsafe_bytes += extent.bytes;
        // What only memory has is not written: progress would be told too early, and the end take long without a word.
        if unsafe_bytes >= SYNC_BYTES {
            target.sync()?;
            unsafe_bytes = 0;
        }
        progress("writing", done, all);
    }
    let record = record.with_context(|| format!("{} has no boot record", source.name()))?;
    target.sync()?;
    let mut done = 0;
    for extent in &index.extents {
        let part = &mut buffer[..usize::try_from(extent.bytes)?];
        target.read_exact_at(part, extent.offset)?;
        if extent.offset == 0 {
            ensure!(mark::is_in(part), "the disk does not give back what was written to its first sector");
            part[..SECTOR].copy_from_slice(&record.0);
        }
        ensure!(is_whole(extent, part), "the disk does not give back what was written at {}", extent.offset);
        done += extent.bytes;
        progress("checking", done, all);
    }
    Ok(record)
}

/// Makes a disk that has everything else one that starts.
pub fn finish(target: &mut dyn Target, BootRecord(sector): BootRecord) -> Result<()> {
    target.sync()?;
    target.write_all_at(&sector, 0)?;
    target.sync()
}

fn is_whole(extent: &Extent, bytes: &[u8]) -> bool {
    Sha256::digest(bytes).as_slice() == extent.sha256
}

/// What no extent covers of the image behind its first MiB, which is cleared already: start and length.
fn holes(index: &Index) -> Vec<(u64, u64)> {
    let mut covered: Vec<(u64, u64)> = index.extents.iter().map(|extent| (extent.offset, extent.bytes)).collect();
    covered.sort_unstable();
    let mut holes = Vec::new();
    let mut at = END_BYTES;
    for (offset, bytes) in covered.into_iter().chain([(index.disk_bytes, 0)]) {
        if offset > at {
            holes.push((at, offset - at));
        }
        at = at.max(offset + bytes);
    }
    holes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::netdisk_index::Partition;

    const MIB: usize = 1 << 20;
    const IMAGE: usize = 4 * MIB;
    const DISK: usize = 6 * MIB;

    /// A netdisk in memory, with what it holds.
    struct Memory {
        file: Vec<u8>,
        index: Index,
        raw: Vec<u8>,
    }

    impl Memory {
        fn new(places: &[usize]) -> Memory {
            let mut raw = vec![0; IMAGE];
            raw[..SECTOR].fill(0x55);
            raw[SECTOR..17_408].fill(0xee);
            raw[IMAGE - 100..].fill(0xee);
            for (number, place) in (1..).zip(places) {
                raw[MIB + place..MIB + place + 5000].fill(number);
            }
            let mut runs: Vec<(usize, usize)> = Vec::new();
            for at in (0..IMAGE).step_by(4096).filter(|at| raw[*at..at + 4096].iter().any(|byte| *byte != 0)) {
                match runs.last_mut() {
                    Some((start, length)) if *start + *length == at && at % MIB != 0 => *length += 4096,
                    _ => runs.push((at, 4096)),
                }
            }
            runs.sort_by_key(|(start, _)| (*start < MIB || *start >= IMAGE - MIB, *start));
            let extent = |(start, length): &(usize, usize)| Extent {
                offset: *start as u64,
                bytes: *length as u64,
                position: 0,
                sha256: Sha256::digest(&raw[*start..start + length]).into(),
            };
            let partition = Partition { name: "root-a".to_owned(), guid: [1; 16], start: 1 << 20, bytes: 2 << 20 };
            let index = Index::new(IMAGE as u64, vec![partition], runs.iter().map(extent).collect()).unwrap();
            let mut file = index.encode();
            file.resize(usize::try_from(index.data_start()).unwrap(), 0);
            runs.iter().for_each(|(start, length)| file.extend_from_slice(&raw[*start..start + length]));
            Memory { file, index, raw }
        }
    }

    impl Source for Memory {
        fn name(&self) -> String {
            "memory".to_owned()
        }

        fn read_exact_at(&mut self, buffer: &mut [u8], position: u64) -> Result<()> {
            let at = usize::try_from(position)?;
            buffer.copy_from_slice(self.file.get(at..at + buffer.len()).context("the end")?);
            Ok(())
        }
    }

    /// A disk whose power is cut after some writes of sectors: of what was not synced, any part may be lost.
    struct CutDisk {
        /// What is on it for certain.
        safe: Vec<u8>,
        /// Sectors that were written since, by their number.
        cached: BTreeMap<usize, [u8; SECTOR]>,
        left: usize,
        chance: u64,
    }

    impl CutDisk {
        fn new(old: u8, left: usize, chance: u64) -> CutDisk {
            CutDisk { safe: vec![old; DISK], cached: BTreeMap::new(), left, chance: chance | 1 }
        }

        fn put(&mut self, number: usize, sector: &[u8]) -> Result<()> {
            if self.left == 0 {
                // The cut: some of the rest arrives, some does not.
                for (number, sector) in std::mem::take(&mut self.cached) {
                    self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    if self.chance >> 63 == 1 {
                        self.safe[number * SECTOR..][..SECTOR].copy_from_slice(&sector);
                    }
                }
                anyhow::bail!("power cut");
            }
            self.left -= 1;
            self.cached.insert(number, sector.try_into()?);
            Ok(())
        }
    }

    impl Target for CutDisk {
        fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
            let first = usize::try_from(offset)? / SECTOR;
            (first..).zip(bytes.chunks(SECTOR)).try_for_each(|(number, sector)| self.put(number, sector))
        }

        fn zero(&mut self, offset: u64, bytes: u64) -> Result<()> {
            let zeros = vec![0; usize::try_from(bytes)?];
            self.write_all_at(&zeros, offset)
        }

        fn sync(&mut self) -> Result<()> {
            for (number, sector) in std::mem::take(&mut self.cached) {
                self.safe[number * SECTOR..][..SECTOR].copy_from_slice(&sector);
            }
            Ok(())
        }

        fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()> {
            let at = usize::try_from(offset)?;
            buffer.copy_from_slice(&self.safe[at..at + buffer.len()]);
            Ok(())
        }
    }

    fn install(source: &mut Memory, disk: &mut CutDisk) -> Result<()> {
        begin(disk, DISK as u64)?;
        let index = source.index.clone();
        let record = write(source, &index, disk, &mut |_, _, _| {})?;
        finish(disk, record)
    }

    #[test]
    fn a_whole_installation_is_the_raw_image() {
        let mut source = Memory::new(&[0, 300_000, 2 * MIB - 5000]);
        let mut disk = CutDisk::new(0xaa, usize::MAX, 1);
        let mut told = Vec::new();
        begin(&mut disk, DISK as u64).unwrap();
        let index = source.index.clone();
        let mut tell = |what: &str, done, all| told.push((what.to_owned(), done, all));
        let record = write(&mut source, &index, &mut disk, &mut tell).unwrap();
        assert!(mark::is_in(&disk.safe));
        finish(&mut disk, record).unwrap();
        assert!(disk.safe[..IMAGE] == source.raw);
        assert!(disk.safe[DISK - MIB..].iter().all(|byte| *byte == 0));
        for what in ["clearing", "writing", "checking"] {
            let last = told.iter().rev().find(|(told, ..)| told == what).unwrap();
            assert_eq!(last.1, last.2, "{what}");
        }
    }

    #[test]
    fn bytes_that_are_not_those_of_the_index_are_not_installed() {
        let mut source = Memory::new(&[0]);
        let last = source.file.len() - 1;
        source.file[last] ^= 1;
        let mut disk = CutDisk::new(0, usize::MAX, 1);
        let error = install(&mut source, &mut disk).unwrap_err().to_string();
        assert!(error.contains("memory is damaged: its extent at"), "{error}");
        assert!(mark::is_in(&disk.safe) || mark::is_in(&disk.cached[&0]));
    }

    #[test]
    fn a_disk_that_does_not_keep_what_it_is_given_is_seen() {
        struct Forgetful(CutDisk);
        impl Target for Forgetful {
            fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
                if offset == 1 << 20 { Ok(()) } else { self.0.write_all_at(bytes, offset) }
            }
            fn zero(&mut self, offset: u64, bytes: u64) -> Result<()> {
                self.0.zero(offset, bytes)
            }
            fn sync(&mut self) -> Result<()> {
                self.0.sync()
            }
            fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> Result<()> {
                self.0.read_exact_at(buffer, offset)
            }
        }
        let mut source = Memory::new(&[0]);
        let index = source.index.clone();
        let mut disk = Forgetful(CutDisk::new(0, usize::MAX, 1));
        begin(&mut disk, DISK as u64).unwrap();
        let error = write(&mut source, &index, &mut disk, &mut |_, _, _| {}).unwrap_err().to_string();
        assert!(error.contains("does not give back what was written at 1048576"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// After a cut anywhere the first sector is the old one or the mark; installed again, it is the raw image. Only with
        /// everything else on it does the disk have a boot record.
        #[test]
        fn a_cut_anywhere_leads_back_to_installing(cut in 0_usize..14_000, chance in any::<u64>(), old in 0_u8..2) {
            let old = old * 0xaa;
            let mut source = Memory::new(&[0, 300_000, 900_000]);
            let mut disk = CutDisk::new(old, cut, chance);
            match install(&mut source, &mut disk) {
                Ok(()) => prop_assert!(disk.safe[..IMAGE] == source.raw),
                Err(_) => {
                    let first = &disk.safe[..SECTOR];
                    let old_is_whole = disk.safe.iter().all(|byte| *byte == old);
                    let all_but_finished = disk.safe[..IMAGE] == source.raw;
                    prop_assert!(mark::is_in(first) || old_is_whole || all_but_finished, "cut after {}", cut);
                    disk.left = usize::MAX;
                    install(&mut source, &mut disk).unwrap();
                    prop_assert!(disk.safe[..IMAGE] == source.raw);
                }
            }
        }
    }
}
