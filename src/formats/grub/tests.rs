use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::tree::Digest;

/// A file for i386 with sections of (flags, type, address, content or size).
fn elf(sections: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let table = 52 + sections.iter().map(|section| section.3.len()).sum::<usize>();
    let small = |value: usize| u32::try_from(value).unwrap();
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0".to_vec();
    for field in [0x9000, 0, small(table), 0] {
        file.extend(field.to_le_bytes());
    }
    for field in [52, 32, 0, 40, u16::try_from(sections.len() + 1).unwrap(), 0] {
        file.extend(u16::to_le_bytes(field));
    }
    let mut headers = vec![0; 40];
    for (flags, kind, address, content) in sections {
        let offset = small(file.len());
        for field in [0, *kind, *flags, *address, offset, small(content.len()), 0, 0, 1, 0] {
            headers.extend(field.to_le_bytes());
        }
        file.extend(*content);
    }
    file.extend(headers);
    file
}

type Files = BTreeMap<&'static str, Vec<u8>>;

/// Files of the sizes and with the marks that GRUB's have.
fn files() -> Files {
    let mut boot = vec![0xaa; 512];
    boot[0x66..0x68].copy_from_slice(&[0xeb, 0x05]);
    let mut diskboot = vec![0; 512];
    diskboot[508..].copy_from_slice(&[0, 0, 0x20, 0x08]);
    let code: Vec<u8> = (0..2000u32).flat_map(|number| (number * number).to_le_bytes()).collect();
    let kernel = elf(&[
        (6, 1, 0x9000, &code),
        (2, 1, 0xaf48, b"read-only..."),
        (3, 8, 0xb000, &[0; 300]),
        (0, 1, 0, b"symbols"),
    ]);
    Files::from([
        ("boot.img", boot),
        ("diskboot.img", diskboot),
        ("lzma_decompress.img", vec![0xdd; 2848]),
        ("kernel.img", kernel),
        ("moddep.lst", b"fat: fshelp\nfshelp:\nnormal: fshelp\n".to_vec()),
        ("fat.mod", b"a file system".to_vec()),
        ("fshelp.mod", b"helps".to_vec()),
        ("normal.mod", b"the shell".to_vec()),
    ])
}

const REQUEST: Request<'_> =
    Request { modules: &["normal", "fat"], prefix: "(,gpt1)/grub", config: None, core_lba: 0x1_0000_0028 };

fn build(files: &Files, request: &Request<'_>) -> anyhow::Result<Core> {
    let file = |name: &str| files.get(name).cloned().ok_or_else(|| anyhow::anyhow!("there is no such file"));
    core_image(&file, request)
}

#[test]
fn a_core_image_has_its_modules_in_the_order_in_which_they_are_loaded() {
    let core = build(&files(), &Request { config: Some("set root=hd0"), ..REQUEST }).unwrap();
    insta::assert_snapshot!(dump(&core.core).unwrap(), @r#"
    14 sectors from 4294967337 on, 8140 bytes when unpacked
    decompressor   2848 bytes
    kernel         8020 bytes
    module            8 bytes
    module           12 bytes
    module           16 bytes
    config           16 bytes "set root=hd0"
    prefix           16 bytes "(,gpt1)/grub"
    "#);
    let unpacked = read(&core.core).unwrap();
    assert_eq!(unpacked.loaded[8008..8020], *b"read-only...");
    assert_eq!(unpacked.objects[1].content, b"the shell\0\0\0");
    // A change of this digest changes every image that boots by BIOS: say so in the changelog.
    assert_eq!(Digest::of(&core.core).to_string(), "54af3635908a5a7ca879711829d511e9bd5d46706cc5018f46987a0f868d0fd9");
}

#[test]
fn sector_0_loads_the_core_image_and_leaves_the_partition_table_alone() {
    let Core { boot_code, .. } = build(&files(), &REQUEST).unwrap();
    assert_eq!(boot_code[0x5c..0x64], [0x28, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(boot_code[0x64..0x69], [0xaa, 0xaa, 0x90, 0x90, 0xaa]);
    assert_eq!(boot_code.len(), 440);
}

#[test]
fn files_that_are_missing_or_strange_are_named() {
    let mistake = |name: &'static str, content: Option<Vec<u8>>| {
        let mut files = files();
        match content {
            Some(content) => drop(files.insert(name, content)),
            None => drop(files.remove(name)),
        }
        format!("{:#}", build(&files, &REQUEST).unwrap_err())
    };
    for name in files().keys() {
        assert_eq!(mistake(name, None), format!("reading GRUB's {name}: there is no such file"));
    }
    let kernel = |address, size| elf(&[(2, 8, address, &vec![0; size])]);
    let all: Vec<String> = [
        mistake("boot.img", Some(vec![0; 500])),
        mistake("boot.img", Some(vec![0; 512])),
        mistake("diskboot.img", Some(vec![0; 512])),
        mistake("lzma_decompress.img", Some(vec![0; 4000])),
        mistake("lzma_decompress.img", Some(vec![])),
        mistake("moddep.lst", Some(b"fat: fshelp\n".to_vec())),
        mistake("moddep.lst", Some(vec![0xff])),
        mistake("kernel.img", Some(vec![0; 512])),
        mistake("kernel.img", Some(kernel(0x8000, 1))),
        mistake("kernel.img", Some(kernel(0x9000, 0x5f001))),
        mistake("kernel.img", Some(kernel(0x9000, 0x100))),
        mistake("kernel.img", Some(elf(&[]))),
    ]
    .into();
    insta::assert_snapshot!(all.join("\n"), @r"
    GRUB's boot.img has 500 bytes instead of 512
    GRUB's boot.img has no jump at 0x66
    GRUB's diskboot.img is not a sector whose block list ends with segment 0x820
    GRUB's lzma_decompress.img has 4000 bytes instead of 20 to 3584
    GRUB's lzma_decompress.img has 0 bytes instead of 20 to 3584
    finding GRUB's modules by moddep.lst: there is no module `normal`
    reading GRUB's moddep.lst: invalid utf-8 sequence of 1 bytes from index 0
    loading GRUB's kernel.img: Unsupported ELF header
    loading GRUB's kernel.img: a section lies at 0x8000, below 0x9000
    loading GRUB's kernel.img: it does not end below 0x68000 in memory
    loading GRUB's kernel.img: nothing in it is loaded
    loading GRUB's kernel.img: nothing in it is loaded
    ");
}

#[test]
fn what_does_not_fit_into_memory_is_said() {
    let mut files = files();
    let noise = (0..20_000u32).flat_map(|number| Digest::of(number.to_le_bytes()).0).collect();
    files.insert("fat.mod", noise);
    let error = format!("{:#}", build(&files, &REQUEST).unwrap_err());
    assert!(error.ends_with("in memory, behind 0x78000: use fewer modules"), "{error}");
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        modules in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 3),
        prefix in "[a-z/]{0,9}",
    ) {
        let mut files = files();
        for (name, content) in ["fshelp.mod", "normal.mod", "fat.mod"].into_iter().zip(&modules) {
            files.insert(name, content.clone());
        }
        let core = build(&files, &Request { prefix: &prefix, ..REQUEST }).unwrap();
        let Unpacked { first_lba, sectors, objects, .. } = read(&core.core).unwrap();
        prop_assert_eq!(first_lba, REQUEST.core_lba + 1);
        prop_assert_eq!(usize::from(sectors), core.core.len().div_ceil(512) - 1);
        for (object, content) in objects.iter().zip(&modules) {
            prop_assert!(object.content.starts_with(content) && object.content.len() - content.len() < 4);
        }
        prop_assert!(objects[3].content.starts_with(prefix.as_bytes()));
    }

    #[test]
    fn a_damaged_core_image_is_an_error_and_no_panic(at in 0usize..4000, byte in any::<u8>(), cut in 0usize..8000) {
        let mut core = build(&files(), &REQUEST).unwrap().core;
        core[at] = byte;
        core.truncate(cut);
        let _ = dump(&core);
    }

    #[test]
    fn a_damaged_kernel_is_an_error_and_no_panic(at in 0usize..52, byte in any::<u8>(), cut in 0usize..9000) {
        let mut files = files();
        let kernel = files.get_mut("kernel.img").unwrap();
        kernel[at] = byte;
        kernel.truncate(cut);
        let _ = build(&files, &REQUEST);
    }
}
