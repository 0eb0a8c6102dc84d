//! Signature lists (UEFI specification, 32.4.1, `EFI_SIGNATURE_LIST`): the certificates and digests that the variables
//! `PK`, `KEK`, `db` and `dbx` hold.
//!
//! Written are lists of one X.509 certificate, since all entries of a list have the same size. Oracle:
//! `cert-to-efi-sig-list`.

use std::fmt;

use uuid::Uuid;

use crate::hex;
use crate::tree::Digest;

/// `EFI_CERT_X509_GUID`: the entry is a certificate in DER.
const X509: Uuid = Uuid::from_u128(0xa5c059a1_94e4_4aa7_87b5_ab155c2bf072);
/// `EFI_CERT_SHA256_GUID`: the entry is the digest of an image.
const SHA256: Uuid = Uuid::from_u128(0xc1c41626_504c_4092_aca9_41f936934328);
/// Bytes of a list's header, and of an entry's owner.
const HEADER: usize = 28;
const OWNER: usize = 16;

/// An entry of a signature list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// GUID of what the entry is: a certificate, a digest …
    pub kind: Uuid,
    /// GUID of who brought the entry; nothing follows from it.
    pub owner: Uuid,
    pub data: Vec<u8>,
}

/// Why lists cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListError {
    pub offset: usize,
    pub problem: &'static str,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EFI signature list: offset {}: {}", self.offset, self.problem)
    }
}

impl std::error::Error for ListError {}

/// A list for each certificate, given in DER.
///
/// # Errors
/// A certificate of 4 GiB.
pub fn write(owner: Uuid, certificates: &[Vec<u8>]) -> Result<Vec<u8>, ListError> {
    let mut out = Vec::new();
    for certificate in certificates {
        let size = |header| u32::try_from(header + OWNER + certificate.len());
        let (Ok(list), Ok(entry)) = (size(HEADER), size(0)) else {
            return Err(ListError { offset: out.len(), problem: "the certificate is too large" });
        };
        out.extend_from_slice(&X509.to_bytes_le());
        for number in [list, 0, entry] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&owner.to_bytes_le());
        out.extend_from_slice(certificate);
    }
    Ok(out)
}

/// The entries of all lists, in their order.
pub fn read(lists: &[u8]) -> Result<Vec<Entry>, ListError> {
    let (mut entries, mut at) = (Vec::new(), 0);
    while at < lists.len() {
        let bad = |problem| ListError { offset: at, problem };
        let header = lists.get(at..at + HEADER).ok_or(bad("the list's header is cut"))?;
        let number = |offset: usize| {
            let bytes = header.get(offset..offset + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(bytes)).ok()
        };
        let kind = guid(header).ok_or(bad("the list's header is cut"))?;
        let (Some(size), Some(skipped), Some(entry)) = (number(16), number(20), number(24)) else {
            return Err(bad("the list's header is cut"));
        };
        let body = at.checked_add(size).and_then(|end| lists.get(at..end)).ok_or(bad("the list is cut"))?;
        let body = body.get(HEADER..).and_then(|body| body.get(skipped..)).ok_or(bad("the list has no room"))?;
        if entry < OWNER || body.len() % entry != 0 {
            return Err(bad("the list is not made of entries of its size"));
        }
        for entry in body.chunks_exact(entry) {
            let (owner, data) = entry.split_at(OWNER);
            let owner = guid(owner).ok_or(bad("an entry is cut"))?;
            entries.push(Entry { kind, owner, data: data.to_vec() });
        }
        at += size;
    }
    Ok(entries)
}

/// The entries for people, one a line: certificates and unknown ones by their digest.
pub fn dump(lists: &[u8]) -> Result<String, ListError> {
    let line = |Entry { kind, owner, data }: Entry| match kind {
        X509 => format!("certificate sha256:{} {} bytes owner {owner}\n", Digest::of(&data), data.len()),
        SHA256 => format!("image sha256:{} owner {owner}\n", hex::encode(&data)),
        _ => format!("{kind} sha256:{} {} bytes owner {owner}\n", Digest::of(&data), data.len()),
    };
    Ok(read(lists)?.into_iter().map(line).collect())
}

fn guid(bytes: &[u8]) -> Option<Uuid> {
    Some(Uuid::from_bytes_le(*bytes.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_certificate_has_a_list_of_its_own() {
        let owner = Uuid::from_u128(7);
        let lists = write(owner, &[b"first".to_vec(), b"second one".to_vec()]).unwrap();
        let [first, second] = [&b"first"[..], b"second one"].map(Digest::of);
        let expected = format!(
            "certificate sha256:{first} 5 bytes owner {owner}\ncertificate sha256:{second} 10 bytes owner {owner}\n"
        );
        assert_eq!(dump(&lists).unwrap(), expected);
        assert_eq!(lists.len(), 28 + 16 + 5 + 28 + 16 + 10);
    }

    #[test]
    fn a_list_of_many_digests_is_read() {
        let mut lists = SHA256.to_bytes_le().to_vec();
        for number in [28u32 + 2 * 48, 0, 48] {
            lists.extend(number.to_le_bytes());
        }
        lists.extend([[1; 48], [2; 48]].concat());
        let line = |byte| format!("image sha256:{} owner {}\n", Digest([byte; 32]), Uuid::from_bytes([byte; 16]));
        assert_eq!(dump(&lists).unwrap(), line(1) + &line(2));
    }

    proptest! {
        #[test]
        fn certificates_come_back(
            certificates in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..99), 0..5)
        ) {
            let owner = Uuid::from_u128(7);
            let lists = write(owner, &certificates).unwrap();
            let expected: Vec<Entry> =
                certificates.into_iter().map(|data| Entry { kind: X509, owner, data }).collect();
            prop_assert_eq!(read(&lists).unwrap(), expected);
        }

        #[test]
        fn damaged_lists_are_an_error_and_no_panic(at in 0usize..70, byte in any::<u8>(), cut in 0usize..70) {
            let mut lists = write(Uuid::from_u128(7), &[vec![1; 10], vec![2; 3]]).unwrap();
            lists[at] = byte;
            lists.truncate(cut);
            let _ = dump(&lists);
        }
    }
}
