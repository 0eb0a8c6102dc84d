//! A FAT volume as a listing, read by the crate `fatfs`: a second reading of the format that the writer is not part of.

use std::io::{self, Read, Seek, Write};

use fatfs::{DateTime, Dir, FileSystem, FsOptions};

use super::FatError;

/// Directories within directories that are listed: a damaged volume may hold itself.
const DEPTH_MAX: usize = 32;

/// A line for the volume, then one for each path, directories with a `/` before what they hold.
pub fn dump<D: Read + Write + Seek>(device: D) -> Result<String, FatError> {
    let io = |doing: &'static str| move |error: io::Error| FatError::Io { doing, error };
    let filesystem = FileSystem::new(device, FsOptions::new()).map_err(io("opening the FAT volume"))?;
    let stats = filesystem.stats().map_err(io("reading the free clusters"))?;
    let label = filesystem.read_volume_label_from_root_dir().map_err(io("reading the label"))?;
    let (label, id) = (label.unwrap_or_default(), filesystem.volume_id());
    let mut text = format!("{:?} label `{label}` id {:04X}-{:04X}", filesystem.fat_type(), id >> 16, id & 0xffff);
    let (free, all, size) = (stats.free_clusters(), stats.total_clusters(), stats.cluster_size());
    text += &format!(", {free} of {all} clusters of {size} free\n");
    list(&filesystem.root_dir(), "", &mut text).map_err(io("reading a directory"))?;
    Ok(text)
}

/// Names and bytes of the files in a directory (`EFI/Linux`), in the volume's order; none if there is no such directory.
/// A file with more than `max` bytes is an error.
pub fn files<D: Read + Write + Seek>(device: D, directory: &str, max: u64) -> Result<Vec<(String, Vec<u8>)>, FatError> {
    let io = |doing: &'static str| move |error: io::Error| FatError::Io { doing, error };
    let filesystem = FileSystem::new(device, FsOptions::new()).map_err(io("opening the FAT volume"))?;
    let directory = match filesystem.root_dir().open_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        directory => directory.map_err(io("opening a directory"))?,
    };
    let mut files = Vec::new();
    for entry in directory.iter() {
        let entry = entry.map_err(io("reading a directory"))?;
        if entry.is_file() {
            let mut bytes = Vec::new();
            entry.to_file().take(max + 1).read_to_end(&mut bytes).map_err(io("reading a file"))?;
            if bytes.len() as u64 > max {
                return Err(io("reading a file")(io::Error::other(format!("`{}` is too large", entry.file_name()))));
            }
            files.push((entry.file_name(), bytes));
        }
    }
    Ok(files)
}

fn list<D: Read + Write + Seek>(directory: &Dir<'_, D>, prefix: &str, text: &mut String) -> io::Result<()> {
    if prefix.matches('/').count() > DEPTH_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too many directories within directories"));
    }
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name();
        let DateTime { date, time } = entry.modified();
        let (date, time) = ((date.year, date.month, date.day), (time.hour, time.min, time.sec));
        let when = format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", date.0, date.1, date.2, time.0, time.1, time.2);
        if entry.is_file() {
            *text += &format!("{when} {:>10} {prefix}{name}\n", entry.len());
        } else if name != "." && name != ".." {
            *text += &format!("{when} {:>10} {prefix}{name}/\n", "");
            list(&entry.to_dir(), &format!("{prefix}{name}/"), text)?;
        }
    }
    Ok(())
}
