//! What the builder writes for nodes that start from the network, as the agent reads it.

use std::fs::File;
use std::io::Write as _;

use nodesmith::agent::initrd::cmdline::RootHash;
use nodesmith::agent::initrd::diskless::hash_tree::HashTree;
use nodesmith::formats::verity;
use nodesmith::verity_superblock::BLOCK_BYTES;
use proptest::prelude::*;

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_agent_believes_the_builders_tree_and_no_other(
        blocks in 2..17_000_u64,
        salt in any::<[u8; 32]>(),
        wrong in any::<prop::sample::Index>(),
    ) {
        // Up to three levels; every fifth block is a hole.
        let block = |number: u64| match number % 5 {
            3 => [0; BLOCK_BYTES],
            _ => std::array::from_fn(|at| (number >> (8 * (at % 3))).to_le_bytes()[0] | 1),
        };
        let data: Vec<u8> = (0..blocks).flat_map(block).collect();
        let sealed = verity::format(&mut data.as_slice(), blocks, salt, [7; 16]).unwrap();
        let root_hash = RootHash(sealed.root_hash);
        let tree = HashTree::open(file(&sealed.hash_device), &root_hash).unwrap();
        prop_assert_eq!(tree.data_blocks(), blocks);
        for number in (0..blocks).step_by(37) {
            let right = block(number);
            prop_assert!(tree.vouches_for(number, &right));
            prop_assert_eq!(tree.expects_zeros(number), right == [0; BLOCK_BYTES]);
            let mut other = right;
            other[4095] ^= 1;
            prop_assert!(!tree.vouches_for(number, &other));
        }
        prop_assert!(!tree.vouches_for(blocks, &block(blocks)) && !tree.expects_zeros(blocks));
        // A flipped bit anywhere behind the superblock.
        let mut damaged = sealed.hash_device.clone();
        let at = BLOCK_BYTES + wrong.index(damaged.len() - BLOCK_BYTES);
        damaged[at] ^= 0x10;
        prop_assert!(HashTree::open(file(&damaged), &root_hash).is_err());
        prop_assert!(HashTree::open(file(&sealed.hash_device[..sealed.hash_device.len() - 1]), &root_hash).is_err());
    }
}
