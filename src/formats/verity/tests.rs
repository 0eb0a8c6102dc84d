use std::fs;
use std::process::Command;

use super::*;

const SALT: [u8; 32] = [0x5a; 32];
const UUID: [u8; 16] = [0x11; 16];

/// Blocks that all differ.
fn data(blocks: usize) -> Vec<u8> {
    let mut data = vec![0x33; blocks * BLOCK_BYTES];
    data.chunks_mut(BLOCK_BYTES)
        .zip(0u64..)
        .for_each(|(block, number)| block[..8].copy_from_slice(&number.to_le_bytes()));
    data
}

fn sealed(data: &[u8]) -> Verity {
    format(&mut &data[..], (data.len() / BLOCK_BYTES) as u64, SALT, UUID).unwrap()
}

/// Sizes at which the tree gets another level or another block.
const SIZES: [usize; 7] = [1, 2, 127, 128, 129, 16_384, 16_385];

#[test]
fn the_hash_device_is_the_one_that_veritysetup_makes() {
    let there = Command::new("veritysetup").arg("--version").output().is_ok();
    if !there {
        assert!(std::env::var_os("CI").is_none(), "veritysetup is missing");
        println!("skipped: veritysetup is missing");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (data_path, hash_path) = (directory.path().join("data"), directory.path().join("hash"));
    for blocks in SIZES {
        let data = data(blocks);
        fs::write(&data_path, &data).unwrap();
        fs::write(&hash_path, b"").unwrap();
        let output = Command::new("veritysetup")
            .args(["format", "--salt", &hex::encode(&SALT), "--uuid", "11111111-1111-1111-1111-111111111111"])
            .args([&data_path, &hash_path])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let ours = sealed(&data);
        assert_eq!(fs::read(&hash_path).unwrap(), ours.hash_device, "{blocks} blocks");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&hex::encode(&ours.root_hash)), "{blocks} blocks: {text}");
    }
}

#[test]
fn whole_data_verifies_and_a_damaged_block_is_named() {
    for blocks in SIZES {
        let mut data = data(blocks);
        let Verity { mut hash_device, root_hash } = sealed(&data);
        verify(&mut &data[..], &hash_device, root_hash).unwrap();
        let last = data.len() - 1;
        data[last] ^= 1;
        let error = verify(&mut &data[..], &hash_device, root_hash).unwrap_err();
        if blocks == 1 {
            assert!(matches!(error, VerityError::RootHash), "{error}");
            continue;
        }
        assert!(matches!(error, VerityError::DataBlock(block) if block == blocks as u64 - 1), "{error}");
        data[last] ^= 1;
        let last_block = hash_device.len() / BLOCK_BYTES - 1;
        *hash_device.last_mut().unwrap() ^= 1;
        let error = verify(&mut &data[..], &hash_device, root_hash).unwrap_err();
        assert!(matches!(error, VerityError::HashBlock(block) if block == last_block as u64), "{error}");
        hash_device.truncate(last_block * BLOCK_BYTES);
        let error = verify(&mut &data[..], &hash_device, root_hash).unwrap_err();
        assert!(matches!(error, VerityError::HashBlock(block) if block == last_block as u64), "{error}");
    }
}

#[test]
fn data_that_ends_too_early_is_an_error() {
    assert_eq!(format(&mut &data(2)[..], 3, SALT, UUID).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(format(&mut &data(2)[..], 0, SALT, UUID).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    format(&mut &data(2)[..], u64::MAX, SALT, UUID).unwrap_err();
}

#[test]
fn damaged_superblocks_are_errors() {
    let whole = sealed(&data(2)).hash_device;
    assert_eq!(Superblock::parse(&whole), Ok(Superblock { uuid: UUID, data_blocks: 2, salt: SALT.to_vec() }));
    let error = verify(&mut &data(2)[..], &whole[..511], [0; 32]).unwrap_err();
    assert_eq!(error.to_string(), "dm-verity superblock: there is no verity superblock");
}

#[test]
fn the_superblock_is_printed() {
    insta::assert_snapshot!(dump(&sealed(&data(2)).hash_device).unwrap(), @"
    verity superblock: version 1, hash type 1, sha256
      data 2 blocks of 4096, hashes in blocks of 4096
      uuid 11111111111111111111111111111111
      salt 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
    ");
}
