//! Images that are known byte for byte, and what a person can see in them.

use super::*;

#[test]
fn a_small_image_is_laid_out_as_documented() {
    let store = Store::new();
    let image = written(&sample(&store), &store, &options(ZSTD, 16 << 10));
    insta::assert_snapshot!(dump::dump(&Image::open(&image[..]).unwrap()).unwrap(), @"");
}

/// A change here means that every image changes with it: nodes that verify a root hash see another one, and the
/// release notes must say so. If the codec's library changed its output, nothing else is to be done; if the division
/// into extents or the packing changed, `VERSION` in `cache.rs` must grow too.
#[test]
fn two_small_images_have_the_bytes_they_always_had() {
    let store = Store::new();
    let digest = |codec| Digest::of(written(&sample(&store), &store, &options(codec, 16 << 10))).to_string();
    assert_eq!(digest(Codec::None), "");
    assert_eq!(digest(ZSTD), "");
}

#[test]
fn labels_leave_room_for_the_closing_nul() {
    assert_eq!(label("root"), Some(*b"root\0\0\0\0\0\0\0\0\0\0\0\0"));
    assert_eq!(label("fifteen letters"), Some(*b"fifteen letters\0"));
    assert_eq!(label("sixteen  letters"), None);
}

#[test]
fn extent_sizes_are_powers_of_two_that_the_kernel_takes() {
    assert_eq!(ExtentSize::new(128 << 10), Some(ExtentSize::DEFAULT));
    for bytes in [0, 2048, 12_288, 2 << 20] {
        assert_eq!(ExtentSize::new(bytes), None, "{bytes}");
    }
}

#[test]
fn files_are_divided_into_few_and_equal_extents() {
    let lengths = |size| compress::split(size, ExtentSize::new(16 << 10).unwrap()).collect::<Vec<_>>();
    assert_eq!(lengths(0), []);
    assert_eq!(lengths(1), [1]);
    assert_eq!(lengths(16_384), [16_384]);
    assert_eq!(lengths(16_385), [12_288, 4097]);
    assert_eq!(lengths(40_000), [16_384, 16_384, 7232]);
    for size in (0..300_000).step_by(1237) {
        assert_eq!(lengths(size).iter().map(|length| u64::from(*length)).sum::<u64>(), size);
    }
}

#[test]
fn what_the_format_cannot_hold_is_refused_with_its_path() {
    let refused = |kind, xattr: &str| {
        let origin = Origin::from("test 1");
        let mut tree = Tree::new(0, &origin);
        let mut inode = Inode::new(kind, 0o644, 0, &origin);
        inode.xattrs.insert(xattr.into(), vec![]);
        tree.insert(path("/here"), inode).unwrap();
        let result = write(&tree, &Store::new(), &options(ZSTD, 4096), &NoCache, &mut Cursor::new(Vec::new()));
        result.unwrap_err().to_string()
    };
    assert_eq!(
        refused(Kind::CharDevice { major: 4096, minor: 0 }, "user.x"),
        "`/here`: EROFS holds devices with 12 bits of major and 20 of minor number"
    );
    assert_eq!(
        refused(Kind::Fifo, "system.posix_acl_access2"),
        "`/here`: EROFS cannot hold the extended attribute `system.posix_acl_access2`"
    );
}

#[test]
fn contents_that_are_not_what_the_tree_says_are_refused_with_their_path() {
    let refused = |there: &[u8], said: &[u8]| {
        let store = Store::new();
        let digest = Digest::of(said);
        fs::write(store.0.path().join(digest.to_string()), there).unwrap();
        let origin = Origin::from("test 1");
        let mut tree = Tree::new(0, &origin);
        let kind = Kind::File(Content::Stored { digest, size: said.len() as u64 });
        tree.insert(path("/here"), Inode::new(kind, 0o644, 0, &origin)).unwrap();
        let result = write(&tree, &store, &options(ZSTD, 4096), &NoCache, &mut Cursor::new(Vec::new()));
        result.unwrap_err().to_string()
    };
    let digest = Digest::of("said");
    assert_eq!(
        refused(b"there it is", b"said"),
        format!("reading the content of `/here`: the store has 11 bytes under sha256:{digest}, the tree says 4")
    );
    assert_eq!(
        refused(b"damp", b"said"),
        format!(
            "reading the content of `/here`: the store has other bytes under sha256:{digest}, with sha256:{}",
            Digest::of("damp")
        )
    );
    assert!(refused(b"", &text(100_000)).starts_with("reading the content of `/here`: the store has 0 bytes"));
}
