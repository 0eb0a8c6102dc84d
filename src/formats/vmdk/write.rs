//! A raw image → streamOptimized vmdk, in one pass and with any number of threads.

use std::io::{self, BufWriter, Read, Write};

use super::header::{AT_END, GRAIN, GRAIN_SECTORS, Header, Marker, SECTOR, SECTOR_BYTES, TABLE_ENTRIES};
use crate::formats::deflate::Deflater;
use crate::formats::raw_disk::RawDisk;
use crate::formats::{blocks, content_id};
use crate::hex;
use crate::tree::Digest;

/// Sectors that the descriptor may take, as many as VMware's own tools reserve.
const DESCRIPTOR_SECTORS: u64 = 20;
/// Level of deflate; what does not get smaller is stored.
const LEVEL: u32 = 6;

/// What the descriptor says besides the disk.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// The name of the vmdk file: no quotes, no control characters.
    pub file_name: &'a str,
    /// Of the virtual machine that the disk is made for (`vmx-NN`).
    pub hardware_version: u32,
}

/// Writes a disk of at most 2 TiB as a streamOptimized vmdk; how many bytes that takes.
///
/// # Errors
/// `InvalidInput` for a disk or a name that importers do not take; and those of reading and writing.
pub fn write(disk: &RawDisk<'_>, out: impl Write, image: &Image<'_>, threads: usize) -> io::Result<u64> {
    disk.check("vmdk", 2 << 40)?;
    let invalid = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    if image.file_name.contains(|letter: char| letter == '"' || letter.is_control()) {
        return invalid(format!("`{}` cannot stand in the descriptor of a vmdk", image.file_name.escape_default()));
    }
    let capacity = disk.capacity / SECTOR_BYTES;
    let descriptor = descriptor(capacity, disk.content, image);
    if descriptor.len() as u64 > DESCRIPTOR_SECTORS * SECTOR_BYTES {
        return invalid("the name of the file does not fit the descriptor of a vmdk".to_owned());
    }
    let mut stream = Stream::new(out, Header::stream(capacity, AT_END, DESCRIPTOR_SECTORS))?;
    stream.put(descriptor.as_bytes())?;
    stream.pad_to(GRAIN_SECTORS * SECTOR_BYTES)?;
    let new = || Ok(Deflater::new(LEVEL, true));
    blocks::for_each((disk.file, disk.size), GRAIN, threads, new, Deflater::stream, |number, grain| {
        stream.grain(number, &grain)
    })?;
    stream.finish()
}

/// The text that VMware's tools read first.
fn descriptor(capacity: u64, content: &Digest, image: &Image<'_>) -> String {
    let mut id = content_id::uuid(content, "vmdk").into_bytes();
    // The short identifier is the end of the long one. Its highest values have meanings: the first bit stays clear.
    id[12] &= 0x7f;
    let (long, short) = (hex::encode(&id), hex::encode(&id[12..]));
    // What a SCSI disk of this size gets, by the rule of VMware's own tools.
    let (heads, sectors) = match capacity * SECTOR_BYTES {
        ..=0x3fff_ffff => (64, 32),
        0x4000_0000..=0x7fff_ffff => (128, 32),
        _ => (255, 63),
    };
    let Image { file_name, hardware_version } = image;
    let cylinders = capacity / (heads * sectors);
    format!(
        "# Disk DescriptorFile\n\
         version=1\n\
         encoding=\"UTF-8\"\n\
         CID={short}\n\
         parentCID=ffffffff\n\
         createType=\"streamOptimized\"\n\
         \n\
         # Extent description\n\
         RDONLY {capacity} SPARSE \"{file_name}\"\n\
         \n\
         # The Disk Data Base\n\
         #DDB\n\
         \n\
         ddb.adapterType = \"lsilogic\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"{heads}\"\n\
         ddb.geometry.sectors = \"{sectors}\"\n\
         ddb.longContentID = \"{long}\"\n\
         ddb.toolsInstallType = \"4\"\n\
         ddb.toolsVersion = \"2147483647\"\n\
         ddb.virtualHWVersion = \"{hardware_version}\"\n"
    )
}

/// The file as far as it is written. Grains come in ascending order.
struct Stream<W: Write> {
    out: BufWriter<W>,
    position: u64,
    header: Header,
    /// Places of the grain tables, in sectors; zero for one that would be empty.
    directory: Vec<u32>,
    /// The grain table that is being filled, and its number.
    table: Vec<u32>,
    table_number: u64,
}

impl<W: Write> Stream<W> {
    fn new(out: W, header: Header) -> io::Result<Stream<W>> {
        let mut stream = Stream {
            out: BufWriter::with_capacity(1 << 20, out),
            position: 0,
            directory: Vec::new(),
            table: no_entries(),
            table_number: 0,
            header,
        };
        let header = stream.header.encode();
        stream.put(&header)?;
        Ok(stream)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn pad_to(&mut self, end: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(end - self.position), &mut self.out)?;
        self.position = end;
        Ok(())
    }

    /// The sector that comes next.
    fn sector(&self) -> io::Result<u32> {
        u32::try_from(self.position / SECTOR_BYTES).map_err(|_| io::Error::other("the vmdk file is larger than 2 TiB"))
    }

    fn grain(&mut self, number: u64, compressed: &[u8]) -> io::Result<()> {
        let table = number / TABLE_ENTRIES;
        if table != self.table_number {
            self.finish_table()?;
            self.table_number = table;
        }
        let entry = usize::try_from(number % TABLE_ENTRIES).map_err(io::Error::other)?;
        self.table[entry] = self.sector()?;
        // The marker of a grain: the sector of the disk that it starts with, and its bytes, which follow at once.
        self.put(&(number * GRAIN_SECTORS).to_le_bytes())?;
        self.put(&u32::try_from(compressed.len()).map_err(io::Error::other)?.to_le_bytes())?;
        self.put(compressed)?;
        self.pad_to(self.position.next_multiple_of(SECTOR_BYTES))
    }

    fn marker(&mut self, kind: Marker, sectors: u64) -> io::Result<()> {
        let mut marker = [0; SECTOR];
        marker[..8].copy_from_slice(&sectors.to_le_bytes());
        // A size of zero, by which this is no grain, stands between.
        marker[12..16].copy_from_slice(&(kind as u32).to_le_bytes());
        self.put(&marker)
    }

    /// Writes a table behind its marker; at which sector it starts.
    fn entries(&mut self, kind: Marker, entries: &[u32]) -> io::Result<u32> {
        let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        self.marker(kind, (bytes.len() as u64).div_ceil(SECTOR_BYTES))?;
        let start = self.sector()?;
        self.put(&bytes)?;
        self.pad_to(self.position.next_multiple_of(SECTOR_BYTES))?;
        Ok(start)
    }

    fn finish_table(&mut self) -> io::Result<()> {
        if self.table.iter().any(|entry| *entry != 0) {
            let table = std::mem::replace(&mut self.table, no_entries());
            let start = self.entries(Marker::GrainTable, &table)?;
            self.directory.resize(usize::try_from(self.table_number).map_err(io::Error::other)?, 0);
            self.directory.push(start);
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        self.finish_table()?;
        let mut directory = std::mem::take(&mut self.directory);
        directory.resize(usize::try_from(self.header.tables()).map_err(io::Error::other)?, 0);
        self.header.directory = self.entries(Marker::GrainDirectory, &directory)?.into();
        self.marker(Marker::Footer, 1)?;
        let footer = self.header.encode();
        self.put(&footer)?;
        self.marker(Marker::EndOfStream, 0)?;
        self.out.flush()?;
        Ok(self.position)
    }
}

fn no_entries() -> Vec<u32> {
    vec![0; 512]
}
