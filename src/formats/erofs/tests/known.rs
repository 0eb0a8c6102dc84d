//! Images that are known byte for byte, and what a person can see in them.

use super::*;

#[test]
fn a_small_image_is_laid_out_as_documented() {
    let store = Store::new();
    let image = written(&sample(&store), &store, &options(ZSTD, 16 << 10));
    insta::assert_snapshot!(dump::dump(&Image::open(&image[..]).unwrap()).unwrap(), @r"
    superblock at 0x400: checksum 0x63b86946 good
      compat 0x3, incompat 0x3, algorithms 0x8
      blocks 13 of 4096, inodes 12, root nid 1, metadata at block 12, shared xattrs at block 11
      epoch 1700000000, label `root`, uuid 11111111111111111111111111111111
    / nid 1 at 0xc020: d0755 0:0 1700000000 links 4 size 72, compact, flat-inline
      . -> nid 1, type 2
      .. -> nid 1, type 2
      bin -> nid 5, type 7
      dev -> nid 7, type 2
      usr -> nid 15, type 2
      0+72 raw at 0xc040+72
    /bin nid 5 at 0xc0a0: l0777 0:0 1700000000 links 1 size 7, compact, flat-inline
      0+7 raw at 0xc0c0+7
    /dev nid 7 at 0xc0e0: d0755 0:0 1700000000 links 2 size 74, compact, flat-inline
      . -> nid 7, type 2
      .. -> nid 1, type 2
      null -> nid 11, type 3
      pipe -> nid 12, type 5
      vda -> nid 14, type 4
      0+74 raw at 0xc100+74
    /dev/null nid 11 at 0xc160: c0666 0:0 1700000000 links 1 size 0, compact, flat, device 1,3
    /dev/pipe nid 12 at 0xc180: p0600 0:0 -1 links 1 size 0, extended, flat
    /dev/vda nid 14 at 0xc1c0: b0660 0:0 1700000000 links 1 size 0, compact, flat, device 252,1000000
    /usr nid 15 at 0xc1e0: d0755 70000:5 1600000000 links 2 size 124, extended, flat-inline
      . -> nid 15, type 2
      .. -> nid 1, type 2
      Text -> nid 22, type 1
      empty -> nid 26, type 1
      mixed -> nid 27, type 1
      noise -> nid 31, type 1
      su -> nid 58, type 1
      text -> nid 22, type 1
      0+124 raw at 0xc238+124
      user.note=0x6f6e65
    /usr/Text nid 22 at 0xc2c0: -0644 0:0 1700000000 links 2 size 20000, compact, compressed-full
      0+12288 zstd at 0x1000+4096
      12288+7712 zstd at 0x2000+4096
      security.selinux=0x73797374656d5f753a6f626a6563745f723a62696e5f743a733000
    /usr/empty nid 26 at 0xc340: -0644 0:0 1700000000 links 1 size 0, compact, flat
    /usr/mixed nid 27 at 0xc360: -0644 0:0 1700000000 links 1 size 32768, compact, compressed-full
      0+16384 zstd at 0x3000+8192
      16384+16384 raw at 0x5000+16384
    /usr/noise nid 31 at 0xc3e0: -0644 0:0 1700000000 links 1 size 9000, compact, flat-inline
      0+8192 raw at 0x9000+8192
      8192+808 raw at 0xc400+808
    /usr/su nid 58 at 0xc740: -4755 0:0 1600000000 links 1 size 10, extended, flat-inline
      0+10 raw at 0xc790+10
      security.selinux=0x73797374656d5f753a6f626a6563745f723a62696e5f743a733000
    /usr/text nid 22: see /usr/Text
    ");
}

/// A change here means that every image changes with it: nodes that verify a root hash see another one, and the
/// release notes must say so. If the codec's library changed its output, nothing else is to be done; if the division
/// into extents or the packing changed, `VERSION` in `cache.rs` must grow too.
#[test]
fn two_small_images_have_the_bytes_they_always_had() {
    let store = Store::new();
    let digest = |codec| Digest::of(written(&sample(&store), &store, &options(codec, 16 << 10))).to_string();
    assert_eq!(digest(Codec::None), "a9b3564e3e3774eb884d0dc27ebf968c622c1b73ea08be98d61697dfc8d46184");
    assert_eq!(digest(ZSTD), "fe460d2de8f6a81a8d2804a78bb8f5b5019fc76de316ba5e8641716a64517cff");
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
    assert_eq!(lengths(0), Vec::<u32>::new());
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
            "reading the content of `/here`: the store had other bytes under sha256:{digest}, with sha256:{}; \
             they were taken out: run the build again",
            Digest::of("damp")
        )
    );
    assert!(refused(b"", &text(100_000)).starts_with("reading the content of `/here`: the store has 0 bytes"));
}
