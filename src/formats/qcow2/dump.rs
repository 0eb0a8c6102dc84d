//! An image as text: the header and the tables, without what is in the clusters.

use std::io::{self, Read, Seek, SeekFrom};

use super::header::{CLUSTER, CLUSTER_BYTES, COMPRESSED, Header, OFFSET_MASK, entries, invalid};
use super::write::Summary;

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
