//! Microcode of processors, as vendors publish it and as Linux takes it from the beginning of an initrd
//! (Documentation/arch/x86/microcode.rst).
//!
//! Takes the files of `intel-ucode/` or `amd-ucode/`, gives the one blob that the kernel looks through for its processor.
//! Sources: Intel SDM volume 3, "Microcode Update Facilities", for updates, their length and their sum; for AMD's
//! containers Linux's `arch/x86/kernel/cpu/microcode/amd.c`. Oracle: `iucode_tool`.

use std::collections::BTreeSet;
use std::fmt;

/// Intel's header: twelve words, of which the second half counts bytes.
const HEADER: usize = 48;
/// Bytes of data, and of all, where a header says 0.
const OLD_DATA: usize = 2000;
const OLD_TOTAL: usize = 2048;
/// Of the length of an update.
const UNIT: usize = 1024;

/// Before AMD's table of equivalent processors, and before each patch.
const CONTAINER: u32 = 0x0041_4d44;
const TABLE: u32 = 0;
const PATCH: u32 = 1;

/// Why bytes are not microcode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MicrocodeError {
    pub offset: usize,
    pub problem: &'static str,
}

impl fmt::Display for MicrocodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "microcode, offset {}: {}", self.offset, self.problem)
    }
}

impl std::error::Error for MicrocodeError {}

/// The updates of a file for Intel's processors, in its order.
pub fn intel_updates(file: &[u8]) -> Result<Vec<&[u8]>, MicrocodeError> {
    let mut updates = Vec::new();
    let mut offset = 0;
    while offset < file.len() {
        let wrong = |problem| MicrocodeError { offset, problem };
        let rest = &file[offset..];
        let number = |index: usize| word(rest, index * 4).ok_or(wrong("it ends within a header"));
        let size = |index: usize| Ok(usize::try_from(number(index)?).unwrap_or(usize::MAX));
        if (number(0)?, number(5)?) != (1, 1) {
            return Err(wrong("no header of this version"));
        }
        let (data, total) = match (size(7)?, size(8)?) {
            (0, _) => (OLD_DATA, OLD_TOTAL),
            sizes => sizes,
        };
        if total % UNIT != 0 || data.checked_add(HEADER).is_none_or(|least| least > total) {
            return Err(wrong("lengths that do not fit together"));
        }
        let update = rest.get(..total).ok_or(wrong("it ends within an update"))?;
        let sum = update.chunks_exact(4).filter_map(|word| word.try_into().ok()).map(u32::from_le_bytes);
        if sum.fold(0, u32::wrapping_add) != 0 {
            return Err(wrong("its sum is not 0"));
        }
        updates.push(update);
        offset += total;
    }
    Ok(updates)
}

/// All updates of Intel's files once, in order: files for steppings that share an update hold it each.
pub fn intel(files: &[Vec<u8>]) -> Result<Vec<u8>, MicrocodeError> {
    let (mut blob, mut seen) = (Vec::new(), BTreeSet::new());
    for file in files {
        for update in intel_updates(file)? {
            if seen.insert(update) {
                blob.extend_from_slice(update);
            }
        }
    }
    Ok(blob)
}

/// AMD's containers behind each other.
pub fn amd(files: &[Vec<u8>]) -> Result<Vec<u8>, MicrocodeError> {
    files.iter().try_for_each(|file| check_containers(file))?;
    Ok(files.concat())
}

/// A container is a mark, a table and its patches; sections have a kind and a length before them.
fn check_containers(file: &[u8]) -> Result<(), MicrocodeError> {
    let mut offset = 0;
    while offset < file.len() {
        let wrong = |problem| MicrocodeError { offset, problem };
        let number = |at: usize| word(file, at).ok_or(wrong("it ends within a header"));
        let begins = number(offset)? == CONTAINER;
        let section = if begins { offset + 4 } else { offset };
        let kind = number(section)?;
        if (offset == 0 && !begins) || kind != if begins { TABLE } else { PATCH } {
            return Err(wrong("neither a container nor a patch of one"));
        }
        let length = usize::try_from(number(section + 4)?).unwrap_or(usize::MAX);
        let end = (section + 8).checked_add(length).filter(|end| *end <= file.len());
        offset = end.ok_or(wrong("it ends within a section"))?;
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An update of `units` KiB for a processor, with a right sum.
    fn update(signature: u32, units: u32) -> Vec<u8> {
        let total = units * 1024;
        let sizes = if units == 2 { [0, 0] } else { [total - 48, total] };
        let header = [1, 7, 0x0102_2026, signature, 0, 1, 1, sizes[0], sizes[1], 0, 0, 0];
        let mut bytes: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.resize(total as usize, 0x5a);
        let sum = bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
        let rest = sum.fold(0, u32::wrapping_add).wrapping_neg();
        bytes[16..20].copy_from_slice(&rest.to_le_bytes());
        bytes
    }

    fn container(patches: &[&[u8]]) -> Vec<u8> {
        let mut bytes = [CONTAINER, TABLE, 16].map(u32::to_le_bytes).concat();
        bytes.extend([0; 16]);
        for patch in patches {
            bytes.extend([PATCH, u32::try_from(patch.len()).unwrap()].map(u32::to_le_bytes).concat());
            bytes.extend_from_slice(patch);
        }
        bytes
    }

    #[test]
    fn an_update_that_several_files_have_is_taken_once() {
        let (one, two, old) = (update(0x806f8, 3), update(0x806f7, 1), update(0xf41, 2));
        let files = [[one.clone(), two.clone()].concat(), one.clone(), old.clone()];
        assert_eq!(intel_updates(&files[0]).unwrap(), [&one[..], &two[..]]);
        assert_eq!(intel(&files).unwrap(), [one, two, old].concat());
        assert!(intel(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_update_is_refused_where_it_begins() {
        let good = update(1, 1);
        let with = |change: fn(&mut Vec<u8>)| {
            let mut file = [update(2, 1), good.clone()].concat();
            change(&mut file);
            intel(&[file]).unwrap_err().to_string()
        };
        assert_eq!(with(|file| file.truncate(2047)), "microcode, offset 1024: it ends within an update");
        assert_eq!(with(|file| file.truncate(1030)), "microcode, offset 1024: it ends within a header");
        assert_eq!(with(|file| file[1024] = 2), "microcode, offset 1024: no header of this version");
        assert_eq!(with(|file| file[1500] ^= 1), "microcode, offset 1024: its sum is not 0");
        assert_eq!(with(|file| file[1024 + 31] = 0xff), "microcode, offset 1024: lengths that do not fit together");
        assert!(intel(&[vec![0; 2048]]).is_err());
    }

    #[test]
    fn containers_lie_behind_each_other() {
        let (one, two) = (container(&[&[1; 20], &[2; 8]]), container(&[]));
        assert_eq!(amd(&[one.clone(), two.clone()]).unwrap(), [one.clone(), two.clone()].concat());
        assert!(amd(&[[one.clone(), two].concat()]).is_ok());
        for end in 1..one.len() {
            // Between sections a container may end.
            let whole = [28, 28 + 28].contains(&end);
            assert_eq!(amd(&[one[..end].to_vec()]).is_ok(), whole, "{end}");
        }
        let late = [&[1, 0, 0, 0, 0, 0, 0, 0], one.as_slice()].concat();
        assert_eq!(
            amd(&[late]).unwrap_err().to_string(),
            "microcode, offset 0: neither a container nor a patch of one"
        );
    }
}
