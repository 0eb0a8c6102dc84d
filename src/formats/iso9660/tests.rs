use super::*;
use crate::tree::Digest;

/// Names and contents through the directory that the descriptor in `sector` names.
fn read(image: &[u8], sector: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let number = |at: usize| usize::try_from(u32::from_le_bytes(image[at..at + 4].try_into().unwrap())).unwrap();
    let root = sector * SECTOR + 156;
    let (mut at, mut files) = (number(root + 2) * SECTOR, Vec::new());
    let end = at + number(root + 10);
    while at < end {
        let length = usize::from(image[at]);
        if length == 0 {
            at = (at + 1).next_multiple_of(SECTOR);
            continue;
        }
        if image[at + 25] == 0 {
            let name = &image[at + 33..at + 33 + usize::from(image[at + 32])];
            let start = number(at + 2) * SECTOR;
            files.push((name.to_vec(), image[start..start + number(at + 10)].to_vec()));
        }
        at += length;
    }
    files
}

#[test]
fn a_seed_has_both_kinds_of_names_and_these_bytes() {
    let files: [(&str, &[u8]); 3] =
        [("user-data", b"#cloud-config\n"), ("meta-data", b"instance-id: a\n"), ("empty.json", b"")];
    let image = write("cidata", 1_700_000_000, &files).unwrap();
    let plain: Vec<String> = read(&image, 16).into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect();
    assert_eq!(plain, ["EMPTY.JSO;1", "META_DAT.;1", "USER_DAT.;1"]);
    let joliet = read(&image, 17);
    let name = |text: &str| ucs2(text);
    assert_eq!(joliet[0], (name("empty.json;1"), b"".to_vec()));
    assert_eq!(joliet[1], (name("meta-data;1"), b"instance-id: a\n".to_vec()));
    assert_eq!(joliet[2], (name("user-data;1"), b"#cloud-config\n".to_vec()));
    // A change of this digest changes every seed: say so in the changelog.
    assert_eq!(Digest::of(&image).to_string(), "6e884d968b76533501e19f40f8c4c6450e9291df47cfb20fd1934afdb4e754f2");
}

#[test]
fn many_files_fill_several_sectors_of_directory() {
    let names: Vec<String> = (0..150).map(|number| format!("a-rather-long-name-{number:03}.json")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let image = write("cidata", 0, &files).unwrap();
    for (sector, _) in [(16, "plain"), (17, "joliet")] {
        let mut contents: Vec<Vec<u8>> = read(&image, sector).into_iter().map(|(_, content)| content).collect();
        contents.sort();
        assert!(contents.iter().map(Vec::as_slice).eq(names.iter().map(String::as_bytes)));
    }
}

#[test]
fn names_that_no_reader_finds_are_refused() {
    let error = |label: &str, names: &[&str]| {
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, b"".as_slice())).collect();
        write(label, 0, &files).unwrap_err().to_string()
    };
    assert!(error("", &[]).contains("no label"));
    assert!(error("a label with blanks", &[]).contains("no label"));
    for names in [["a", "a"], ["a", "b/c"], ["a", ".."], ["a", ""], ["a", "b;1"]] {
        assert!(error("cidata", &names).contains("cannot be on a CD image"), "{names:?}");
    }
}

#[test]
fn what_starts_a_machine_is_named_by_its_sectors() {
    let files = [("bios.img", 40_000), ("efi.img", 3 << 20), ("worker.netdisk", 10)];
    let layout = plan("NODESMITH", 0, &files, Some(&Boot { efi: "efi.img", bios: Some("bios.img") })).unwrap();
    let number = |at: usize| usize::try_from(u32::from_le_bytes(layout.head[at..at + 4].try_into().unwrap())).unwrap();
    let record = 17 * SECTOR;
    assert_eq!(&layout.head[record..record + 30], b"\0CD001\x01EL TORITO SPECIFICATION");
    let catalog = number(record + 71) * SECTOR;
    let sum = layout.head[catalog..catalog + 32]
        .chunks(2)
        .fold(0_u16, |sum, word| sum.wrapping_add(u16::from_le_bytes([word[0], word[1]])));
    assert_eq!((sum, layout.head[catalog + 1], &layout.head[catalog + 30..catalog + 32]), (0, 0, &[0x55, 0xaa][..]));
    // A BIOS loads four sectors of 512 bytes, which load the rest.
    assert_eq!((layout.head[catalog + 32], number(catalog + 38) & 0xffff), (0x88, 4));
    assert_eq!(number(catalog + 40), layout.places[0]);
    assert_eq!(layout.head[catalog + 64..catalog + 68], [0x91, 0xef, 1, 0]);
    assert_eq!((layout.head[catalog + 96], number(catalog + 102) & 0xffff), (0x88, 6144));
    assert_eq!(number(catalog + 104), layout.places[1]);
    assert_eq!(layout.head.len(), layout.places[0] * SECTOR);
    assert_eq!(layout.sectors, layout.places[2] + 1);
    let efi_only = plan("NODESMITH", 0, &files, Some(&Boot { efi: "efi.img", bios: None })).unwrap();
    assert_eq!((efi_only.head[catalog + 1], efi_only.head[catalog + 64]), (0xef, 0));
}

#[test]
fn boot_code_is_told_where_it_lies() {
    let mut image: Vec<u8> = (0..100).flat_map(|number: u32| number.to_le_bytes()).collect();
    el_torito::boot_info(&mut image, 31).unwrap();
    let number = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap());
    assert_eq!(
        [number(4), number(8), number(12), number(16), number(20), number(24)],
        [1, 16, 31, 400, (16..100).sum(), 0]
    );
    assert_eq!(number(64), 16);
    assert_eq!(el_torito::boot_info(&mut [0; 63], 31), None);
}
