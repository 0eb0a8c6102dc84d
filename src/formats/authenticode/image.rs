//! A PE image as Authenticode sees it: the bytes that are digested, and the attribute certificate table behind them.

use sha2::{Digest as _, Sha256};

use super::error::AuthenticodeError;
use crate::formats::pe::{self, Headers, field_u16, field_u32, large, put_u32, small};
use crate::tree::Digest;

/// Certificates begin at a multiple of this, in bytes.
const ALIGNMENT: usize = 8;
/// Bytes of a `WIN_CERTIFICATE` before its content: length, revision, type.
const CERTIFICATE_HEADER: usize = 8;
/// `WIN_CERT_REVISION_2_0` and `WIN_CERT_TYPE_PKCS_SIGNED_DATA`.
const REVISION: u16 = 0x0200;
const PKCS_SIGNED_DATA: u16 = 2;

/// An image and the places in it that a signature changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image<'a> {
    bytes: &'a [u8],
    /// Offsets of the checksum (4 bytes), and of the data directory of certificates (8 bytes).
    checksum: usize,
    directory: usize,
    /// End of what is digested: the table of certificates, or the file's end.
    end: usize,
}

impl<'a> Image<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Image<'a>, AuthenticodeError> {
        let layout = |offset, problem| AuthenticodeError::Layout { offset, problem };
        let headers = Headers::read(bytes)?;
        let directory = headers.certificates.ok_or(layout(headers.optional, "there is no place for certificates"))?;
        let end = match (large(field_u32(bytes, directory)?), large(field_u32(bytes, directory + 4)?)) {
            (_, 0) => bytes.len(),
            (start, size) if start.checked_add(size) != Some(bytes.len()) => {
                return Err(layout(directory, "the certificates are not the end of the file"));
            }
            (start, _) if start < headers.data_end || start % ALIGNMENT != 0 => {
                return Err(layout(directory, "the certificates begin where they cannot"));
            }
            (start, _) => start,
        };
        // Firmware digests headers and sections by the table, tools the file from its beginning to its end: these are
        // the same bytes only where nothing lies between and nothing twice.
        let mut sections = pe::sections(bytes)?;
        sections.retain(|section| section.file_size > 0);
        sections.sort_by_key(|section| section.file_offset);
        let mut next = large(field_u32(bytes, headers.optional + 60)?);
        for section in sections {
            if large(section.file_offset) != next {
                return Err(layout(next, "a section does not follow the one before it in the file"));
            }
            next += large(section.file_size);
        }
        Ok(Image { bytes, checksum: headers.optional + 64, directory, end })
    }

    /// Over what is there without certificates, with zeros to a multiple of 8, less the two places that change.
    pub(super) fn digest(&self) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(&self.bytes[..self.checksum]);
        hasher.update(&self.bytes[self.checksum + 4..self.directory]);
        hasher.update(&self.bytes[self.directory + 8..self.end]);
        hasher.update(&[0; ALIGNMENT][..padding(self.end)]);
        Digest(hasher.finalize().into())
    }

    /// The PKCS#7 signatures, each with the zeros that may follow it, and the number of other certificates.
    pub(super) fn certificates(&self) -> Result<(Vec<&'a [u8]>, usize), AuthenticodeError> {
        let (mut signatures, mut others, mut at) = (Vec::new(), 0, self.end);
        while at < self.bytes.len() {
            let length = large(field_u32(self.bytes, at)?);
            let content = at.checked_add(length).and_then(|end| self.bytes.get(at + CERTIFICATE_HEADER..end));
            let problem = "a certificate lies outside the file";
            let content = content.ok_or(AuthenticodeError::Layout { offset: at, problem })?;
            match field_u16(self.bytes, at + 6)? {
                PKCS_SIGNED_DATA => signatures.push(content),
                _ => others += 1,
            }
            at += length + padding(length);
        }
        Ok((signatures, others))
    }

    /// The image with one more certificate behind all others, and the checksum that it then has.
    pub(super) fn with_signature(&self, signature: &[u8]) -> Result<Vec<u8>, AuthenticodeError> {
        let mut out = self.bytes[..self.end].to_vec();
        out.resize(self.end + padding(self.end), 0);
        let table = out.len();
        out.extend_from_slice(&self.bytes[self.end..]);
        out.resize(out.len() + padding(out.len()), 0);
        out.extend_from_slice(&small(CERTIFICATE_HEADER + signature.len())?.to_le_bytes());
        out.extend_from_slice(&REVISION.to_le_bytes());
        out.extend_from_slice(&PKCS_SIGNED_DATA.to_le_bytes());
        out.extend_from_slice(signature);
        out.resize(out.len() + padding(out.len()), 0);
        let size = small(out.len() - table)?;
        put_u32(&mut out, self.directory, small(table)?);
        put_u32(&mut out, self.directory + 4, size);
        put_u32(&mut out, self.checksum, 0);
        let checksum = checksum(&out)?;
        put_u32(&mut out, self.checksum, checksum);
        Ok(out)
    }
}

/// Zeros from here to a multiple of the alignment.
fn padding(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT) - length
}

/// The checksum of an image whose checksum is 0: its 16-bit words, added with the carry brought round, plus its length.
fn checksum(image: &[u8]) -> Result<u32, AuthenticodeError> {
    let (words, _) = image.as_chunks::<2>();
    let mut sum = words.iter().fold(0u64, |sum, word| sum + u64::from(u16::from_le_bytes(*word)));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = usize::try_from(sum).unwrap_or_default();
    Ok(small(sum + image.len())?)
}
