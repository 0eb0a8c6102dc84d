//! The partitions that a root hash names (UAPI Discoverable Partitions Specification): what the builder makes and the
//! agent looks for.

/// Partition GUIDs of the root and of its hash tree, in the byte order of their text form: the first and the last
/// 128 bits of the root hash.
pub fn partition_guids(root_hash: &[u8; 32]) -> ([u8; 16], [u8; 16]) {
    let half = |start: usize| std::array::from_fn(|index| root_hash[start + index]);
    (half(0), half(16))
}

/// The root hash by which two partitions are named.
pub fn of_partitions(root: [u8; 16], verity: [u8; 16]) -> [u8; 32] {
    std::array::from_fn(|index| if index < 16 { root[index] } else { verity[index - 16] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_hash_is_read_off_the_guids() {
        let root_hash = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let (root, verity) = partition_guids(&root_hash);
        assert_eq!((root[..3].to_vec(), verity[..3].to_vec()), (vec![0, 1, 2], vec![16, 17, 18]));
        assert_eq!(of_partitions(root, verity), root_hash);
    }
}
