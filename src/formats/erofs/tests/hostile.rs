//! Images that nobody should make: the reader answers with a tree or an error, and nothing else.

use super::*;

/// Opens, reads and dumps; what comes out does not matter.
fn survive(image: &[u8]) -> bool {
    let tree = read_back(image);
    let text = Image::open(image).and_then(|image| dump::dump(&image));
    tree.is_ok() && text.is_ok()
}

/// Makes the superblock's checksum right again, so that what it protects is looked at.
fn reseal(image: &mut [u8]) {
    let checksum = layout::checksum(image.first_chunk().unwrap());
    image[1028..1032].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn random_bytes_in_an_image_never_panic_the_reader() {
    let store = Store::new();
    let tree = sample(&store);
    let mut dice = noise(2000 * 12, 77).into_iter();
    let mut roll = |below: usize| {
        let word: [u8; 3] = std::array::from_fn(|_| dice.next().unwrap());
        (usize::from(word[0]) << 16 | usize::from(word[1]) << 8 | usize::from(word[2])) % below
    };
    let images = [ZSTD, LZ4HC, Codec::None].map(|codec| written(&tree, &store, &options(codec, 16 << 10)));
    let mut survived = 0;
    for round in 0..2000 {
        let mut image = images[round % images.len()].clone();
        // Half of the flips go to the superblock and the metadata, which are a small part of the image.
        let metadata = image.len() - 4096;
        let at = match round % 4 {
            0 => 1024 + roll(256),
            1 | 2 => metadata + roll(4096),
            _ => roll(image.len()),
        };
        let value = u8::try_from(roll(256)).unwrap();
        image[at] ^= value.max(1);
        reseal(&mut image);
        survived += usize::from(survive(&image));
    }
    assert!((100..1900).contains(&survived), "{survived} of 2000 images were read: the flips prove nothing");
}

#[test]
fn an_image_that_is_cut_off_is_an_error() {
    let store = Store::new();
    let image = written(&sample(&store), &store, &options(ZSTD, 16 << 10));
    for length in (0..image.len()).step_by(512) {
        assert!(!survive(&image[..length]), "{length} bytes");
    }
    let error = Image::open(&image[..image.len() - 4096]).unwrap_err().to_string();
    assert!(error.ends_with("lie outside of the EROFS image"), "{error}");
}

#[test]
fn a_wrong_checksum_is_an_error() {
    let store = Store::new();
    let mut image = written(&sample(&store), &store, &options(ZSTD, 16 << 10));
    image[1024 + 50] ^= 1;
    assert!(matches!(read_back(&image), Err(ReadError::Checksum { .. })));
}

/// The offset of the inode at a path.
fn inode_at(image: &[u8], name: &str) -> usize {
    let image = Image::open(image).unwrap();
    let mut found = None;
    read::walk(&image, &mut |path, inode, _| {
        found = found.or((path.to_string() == name).then_some(inode.offset));
        Ok(())
    })
    .unwrap();
    usize::try_from(found.unwrap()).unwrap()
}

#[test]
fn layouts_that_we_do_not_write_are_unsupported() {
    let store = Store::new();
    let image = written(&sample(&store), &store, &options(ZSTD, 16 << 10));
    let inode = inode_at(&image, "/usr/text");
    for (layout, what) in
        [(3, "compact compression indexes"), (4, "a chunk-based file"), (5, "an unknown inode format")]
    {
        let mut image = image.clone();
        image[inode] = image[inode] & 1 | layout << 1;
        let error = read_back(&image).unwrap_err();
        assert!(matches!(error, ReadError::Unsupported { offset, .. } if offset == inode as u64), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
    let mut chunks = image.clone();
    chunks[1024 + 80] |= 4;
    reseal(&mut chunks);
    assert!(matches!(read_back(&chunks), Err(ReadError::Unsupported { .. })));
}

#[test]
fn a_directory_inside_of_itself_is_an_error() {
    let store = Store::new();
    let mut image = written(&sample(&store), &store, &options(ZSTD, 16 << 10));
    // The entry `usr` of the root, made to name the root.
    let root = inode_at(&image, "/");
    let usr = (inode_at(&image, "/usr") as u64 - (root as u64 - 32)) / 32;
    let entries = image[root..].windows(8).position(|bytes| bytes == usr.to_le_bytes()).unwrap();
    image[root + entries..][..8].copy_from_slice(&1u64.to_le_bytes());
    let error = read_back(&image).unwrap_err().to_string();
    assert!(error.ends_with("a directory with two names"), "{error}");
}

#[test]
fn files_that_share_their_blocks_are_an_error_when_they_are_larger_than_the_image() {
    let store = Store::new();
    let mut image = written(&sample(&store), &store, &options(Codec::None, 16 << 10));
    let size = u32::try_from(image.len()).unwrap().to_le_bytes();
    for inode in ["/usr/text", "/usr/mixed"].map(|name| inode_at(&image, name)) {
        // Flat, as many bytes as the image has, from its first block on.
        image[inode] &= 1;
        image[inode + 8..inode + 12].copy_from_slice(&size);
        image[inode + 16..inode + 20].fill(0);
    }
    let error = read_back(&image).unwrap_err().to_string();
    assert!(error.ends_with("more data than bytes"), "{error}");
}

#[test]
fn sizes_beyond_the_image_are_errors() {
    let store = Store::new();
    for codec in [ZSTD, Codec::None] {
        let image = written(&sample(&store), &store, &options(codec, 16 << 10));
        // `noise` is an extended inode in neither image: a compact one has 4 bytes of size at 8.
        for name in ["/usr/text", "/usr/noise", "/dev", "/bin"] {
            let mut image = image.clone();
            let inode = inode_at(&image, name);
            image[inode + 8..inode + 12].fill(0xff);
            read_back(&image).unwrap_err();
        }
    }
}
