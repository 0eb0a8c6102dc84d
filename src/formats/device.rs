//! What images are read from: a file or block device, bytes in memory, a container such as qcow2, and parts of these.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};

/// Bytes that are read at any offset.
pub trait ReadAt {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Bytes in all.
    fn size(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        let metadata = self.metadata()?;
        // Of a block device only its end tells the size. That moves the file's cursor, which nothing here reads by.
        let mut file = self;
        if metadata.file_type().is_block_device() { file.seek(SeekFrom::End(0)) } else { Ok(metadata.len()) }
    }
}

impl ReadAt for &[u8] {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let part = start.checked_add(buffer.len()).and_then(|end| self.get(start..end));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// A part of a device as a device of its own, such as a partition in an image.
#[derive(Debug)]
pub struct Window<'a, D: ReadAt + ?Sized> {
    device: &'a D,
    offset: u64,
    length: u64,
    position: u64,
}

impl<'a, D: ReadAt + ?Sized> Window<'a, D> {
    pub fn new(device: &'a D, offset: u64, length: u64) -> Window<'a, D> {
        Window { device, offset, length, position: 0 }
    }
}

impl<D: ReadAt + ?Sized> ReadAt for Window<'_, D> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.length);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.device.read_exact_at(buffer, self.offset.checked_add(offset).ok_or(io::ErrorKind::InvalidInput)?)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.length)
    }
}

impl<D: ReadAt + ?Sized> Read for Window<'_, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A device that was cut ends its parts.
        let there = self.device.size()?.saturating_sub(self.offset).min(self.length);
        let left = there.saturating_sub(self.position);
        let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if count > 0 {
            self.read_exact_at(&mut buffer[..count], self.position)?;
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl<D: ReadAt + ?Sized> Seek for Window<'_, D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_where_its_part_ends() {
        let bytes = b"0123456789".as_slice();
        let mut window = Window::new(&bytes, 2, 5);
        let mut text = String::new();
        window.read_to_string(&mut text).unwrap();
        assert_eq!(text, "23456");
        assert_eq!(window.seek(SeekFrom::End(-1)).unwrap(), 4);
        assert!(window.seek(SeekFrom::Current(-9)).is_err());
        let mut two = [0; 2];
        window.read_exact_at(&mut two, 3).unwrap();
        assert_eq!(&two, b"56");
        assert!(window.read_exact_at(&mut two, 4).is_err() && window.read_exact_at(&mut two, u64::MAX).is_err());
    }

    #[test]
    fn a_window_beyond_the_end_of_its_device_ends_there() {
        let mut bytes = Vec::new();
        Window::new(&b"0123456789".as_slice(), 7, 100).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"789");
        assert_eq!(Window::new(&b"0123".as_slice(), 7, 100).read_to_end(&mut bytes).unwrap(), 0);
    }
}
