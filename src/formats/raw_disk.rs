//! A raw image on its way to become the disk of a virtual machine.

use std::fs::File;
use std::io;

use crate::tree::Digest;

/// What is written as a disk in another format.
#[derive(Debug, Clone, Copy)]
pub struct RawDisk<'a> {
    pub file: &'a File,
    /// Bytes of the image, at the start of the file.
    pub size: u64,
    /// Bytes of the disk: behind the image there are zeros, which take no room. Who deploys a template gets a disk of
    /// this size, and a node needs more than its image.
    pub capacity: u64,
    /// Names the content; identifiers of the disk follow from it.
    pub content: &'a Digest,
}

impl RawDisk<'_> {
    /// # Errors
    /// `InvalidInput` unless the capacity is a positive multiple of 1 MiB, has room for the image and is at most `max`.
    pub(super) fn check(&self, format: &str, max: u64) -> io::Result<()> {
        let RawDisk { size, capacity, .. } = self;
        let what = if *capacity == 0 || !capacity.is_multiple_of(1 << 20) {
            format!("a {format} needs whole mebibytes, not {capacity} bytes")
        } else if *capacity > max {
            format!("a {format} has at most {} GiB, not {capacity} bytes", max >> 30)
        } else if capacity < size {
            format!("an image of {size} bytes does not fit a disk of {capacity}")
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_have_whole_mebibytes_and_room_for_the_image() {
        let (file, content) = (tempfile::tempfile().unwrap(), Digest::of("node"));
        let check = |size, capacity| {
            let disk = RawDisk { file: &file, size, capacity, content: &content };
            disk.check("vhd", 2040 << 30).map_err(|error| error.to_string())
        };
        assert_eq!(check(512, 1 << 20), Ok(()));
        assert_eq!(check(1 << 20, 2040 << 30), Ok(()));
        for (size, capacity, why) in [
            (0, 0, "whole mebibytes"),
            (512, (1 << 20) + 512, "whole mebibytes"),
            (512, 2041 << 30, "at most 2040 GiB"),
            (2 << 20, 1 << 20, "an image of 2097152 bytes does not fit a disk of 1048576"),
        ] {
            let error = check(size, capacity).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
