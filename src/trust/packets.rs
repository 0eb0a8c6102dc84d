//! Files of keys and signatures, armored or binary → what the `pgp` crate can read of them.

use std::io::{BufReader, Read};

use pgp::armor::{BlockType, Dearmor};
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::packet::{Packet, PacketParser, Signature, SignatureType};
use pgp::types::Tag;

/// The binary keyrings in a file: the file itself, or what its armored blocks hold.
/// Nothing for one that cannot be read.
pub(super) fn blocks(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
    // The first byte of a binary packet has its top bit set, so a binary keyring is no ASCII; comments between blocks
    // may be in any encoding.
    let text = String::from_utf8_lossy(bytes);
    if bytes.first().is_none_or(|first| first & 0x80 != 0) || !text.contains(BEGIN) {
        return vec![Some(bytes.to_vec())];
    }
    let block = |block: &str| -> Option<Vec<u8>> {
        // What people write between blocks is none of the reader's business.
        let (block, _) = block.split_once(END)?;
        let block = format!("{BEGIN}{block}{END}\n");
        let mut armor = Dearmor::new(BufReader::new(block.as_bytes()));
        let mut bytes = Vec::new();
        armor.read_to_end(&mut bytes).ok()?;
        (armor.typ == Some(BlockType::PublicKey)).then_some(bytes)
    };
    text.split(BEGIN).skip(1).map(block).collect()
}

/// Keys from packets. One that does not parse takes the signatures over it along, and is noted in `skipped`. Revocations
/// of keys are gathered wherever they stand: gpg makes them as files of their own, which people append.
pub(super) fn parse_keys(
    bytes: &[u8],
    skipped: &mut Vec<String>,
    revocations: &mut Vec<Signature>,
) -> Vec<SignedPublicKey> {
    let mut groups: Vec<Vec<Packet>> = Vec::new();
    let mut skipping = true;
    let mut parser = PacketParser::new(bytes);
    // What follows a broken packet header cannot be found.
    while let Some(Ok(mut body)) = parser.next_ref() {
        let header = body.packet_header();
        let mut bytes = Vec::new();
        if body.read_to_end(&mut bytes).is_err() {
            break;
        }
        let packet = Packet::from_reader(header, bytes.as_slice()).ok();
        if let Some(Packet::Signature(signature)) = &packet
            && signature.typ() == Some(SignatureType::KeyRevocation)
        {
            revocations.push(signature.clone());
            continue;
        }
        match (header.tag(), packet) {
            (Tag::PublicKey, packet) => {
                if packet.is_none() {
                    let version = bytes.first().copied().unwrap_or_default();
                    skipped.push(format!("a key of version {version} cannot be read"));
                }
                // Without its primary key, what follows belongs to nothing.
                groups.push(packet.into_iter().collect());
                skipping = false;
            }
            (Tag::Signature, Some(packet)) if !skipping => {
                groups.last_mut().into_iter().for_each(|group| group.push(packet.clone()))
            }
            (Tag::Signature, _) => {}
            (Tag::UserId | Tag::UserAttribute | Tag::PublicSubkey, Some(packet)) => {
                skipping = false;
                groups.last_mut().into_iter().for_each(|group| group.push(packet.clone()));
            }
            _ => skipping = true,
        }
    }
    let whole = |group: &Vec<Packet>| matches!(group.first(), Some(Packet::PublicKey(_)));
    groups.retain(whole);
    let keys =
        groups.into_iter().map(|group| SignedPublicKey::from_packets(group.into_iter().map(Ok).peekable()).next());
    keys.flatten().filter_map(|key| key.ok()).collect()
}

/// Signatures of kinds and versions that are not known are skipped.
pub(super) fn parse_signatures(bytes: &[u8]) -> Vec<Signature> {
    let mut binary = Vec::new();
    let bytes = if bytes.trim_ascii_start().starts_with(b"-----BEGIN PGP SIGNATURE") {
        let mut armor = Dearmor::new(BufReader::new(bytes));
        // What does not end well has no signature that counts.
        if armor.read_to_end(&mut binary).is_err() {
            return Vec::new();
        }
        binary.as_slice()
    } else {
        bytes
    };
    let mut signatures = Vec::new();
    let mut parser = PacketParser::new(bytes);
    while let Some(Ok(mut body)) = parser.next_ref() {
        let header = body.packet_header();
        let mut bytes = Vec::new();
        if body.read_to_end(&mut bytes).is_err() {
            break;
        }
        if let (Tag::Signature, Ok(Packet::Signature(signature))) =
            (header.tag(), Packet::from_reader(header, bytes.as_slice()))
        {
            signatures.push(signature);
        }
    }
    signatures
}
