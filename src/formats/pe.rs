//! PE images (Microsoft's PE format specification): adding sections to an EFI stub, and listing sections.
//!
//! [`append`] takes a 64-bit image and gives it with more sections, as the Unified Kernel Image specification (UAPI
//! UKI) wants them: data that the loader maps behind the image. It does not move what is there, so the headers need
//! room for the new entries. Listing is done by the crate `object`. Oracle: `objdump -h`.

use std::fmt;

use object::LittleEndian as LE;
use object::pe::ImageSectionHeader;
use object::read::pe::PeFile64;

/// Size of an entry in the section table.
const SECTION_HEADER: usize = 40;
/// `IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ`. Also for `.linux`: the stub loads the kernel in it as an
/// image of its own and never runs it in place.
const DATA_READ: u32 = 0x4000_0040;
/// Magic of a 64-bit optional header.
const PE32_PLUS: u16 = 0x20b;
/// Largest alignment of sections in the file that the specification knows.
const FILE_ALIGNMENT_MAX: usize = 64 << 10;
/// Index of the certificate table among the data directories: it is a place in the file, not in memory.
const CERTIFICATES: usize = 4;

/// A section to add.
#[derive(Debug, Clone, Copy)]
pub struct NewSection<'a> {
    /// 1 to 8 bytes, with the dot.
    pub name: &'a str,
    pub content: &'a [u8],
}

/// A section as its header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub name: String,
    /// Address in memory, relative to the image base, and size there.
    pub virtual_address: u32,
    pub virtual_size: u32,
    /// Bytes in the file, and where.
    pub file_offset: u32,
    pub file_size: u32,
    pub characteristics: u32,
}

/// Why an image cannot be read or added to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeError {
    NotPe {
        offset: usize,
        problem: String,
    },
    BadName(String),
    /// The image, or the list, has a section of that name already.
    Duplicate(String),
    /// The section table cannot grow: what the headers would need, and what there is before the first section.
    NoHeaderRoom {
        needed: usize,
        available: usize,
    },
    /// The image would pass 4 GiB.
    TooLarge,
}

impl fmt::Display for PeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeError::NotPe { offset, problem } => write!(f, "not a 64-bit PE image: offset {offset}: {problem}"),
            PeError::BadName(name) => write!(f, "`{name}` cannot name a section: a name has 1 to 8 ASCII characters"),
            PeError::Duplicate(name) => write!(f, "there is a section `{name}` already"),
            PeError::NoHeaderRoom { needed, available } => {
                write!(f, "the PE headers would need {needed} bytes and have {available}")
            }
            PeError::TooLarge => f.write_str("the PE image would have more than 4 GiB"),
        }
    }
}

impl std::error::Error for PeError {}

/// `image` with `sections` behind its own, in their order. What the file holds after its last section (a symbol
/// table, a signature) goes; the checksum becomes 0, "none", which UEFI does not look at.
pub fn append(image: &[u8], sections: &[NewSection<'_>]) -> Result<Vec<u8>, PeError> {
    let headers = Headers::read(image)?;
    let mut names: Vec<String> = self::sections(image)?.into_iter().map(|section| section.name).collect();
    for NewSection { name, .. } in sections {
        if name.is_empty() || name.len() > 8 || !name.is_ascii() || name.contains('\0') {
            return Err(PeError::BadName((*name).to_owned()));
        }
        if names.iter().any(|other| other == name) {
            return Err(PeError::Duplicate((*name).to_owned()));
        }
        names.push((*name).to_owned());
    }
    let needed = headers.table + names.len() * SECTION_HEADER;
    if needed > headers.room {
        return Err(PeError::NoHeaderRoom { needed, available: headers.room });
    }

    let mut out = image[..headers.data_end].to_vec();
    let mut address = headers.memory_end;
    let mut data_size = field_u32(image, headers.optional + 8)?;
    for (index, NewSection { name, content }) in (headers.count..).zip(sections) {
        out.resize(align(out.len(), headers.file_alignment)?, 0);
        let start = out.len();
        out.extend_from_slice(content);
        out.resize(align(out.len(), headers.file_alignment)?, 0);
        address = align(address, headers.section_alignment)?;
        let header = headers.table + index * SECTION_HEADER;
        out[header..header + SECTION_HEADER].fill(0);
        out[header..header + name.len()].copy_from_slice(name.as_bytes());
        put_u32(&mut out, header + 8, small(content.len())?);
        put_u32(&mut out, header + 12, small(address)?);
        put_u32(&mut out, header + 16, small(align(content.len(), headers.file_alignment)?)?);
        put_u32(&mut out, header + 20, small(start)?);
        put_u32(&mut out, header + 36, DATA_READ);
        data_size = data_size.saturating_add(small(align(content.len(), headers.file_alignment)?)?);
        // A section without content still takes an address of its own.
        address = address.checked_add(content.len().max(1)).ok_or(PeError::TooLarge)?;
    }
    small(out.len())?;
    let count = u16::try_from(names.len()).map_err(|_| PeError::TooLarge)?;
    out[headers.coff + 2..headers.coff + 4].copy_from_slice(&count.to_le_bytes());
    // PointerToSymbolTable and NumberOfSymbols: the symbols stood after the last section.
    out[headers.coff + 8..headers.coff + 16].fill(0);
    put_u32(&mut out, headers.optional + 8, data_size);
    put_u32(&mut out, headers.optional + 56, small(align(address, headers.section_alignment)?)?);
    put_u32(&mut out, headers.optional + 64, 0);
    if let Some(certificates) = headers.certificates {
        out[certificates..certificates + 8].fill(0);
    }
    Ok(out)
}

/// The sections in the order of the table.
pub fn sections(image: &[u8]) -> Result<Vec<Section>, PeError> {
    let file = PeFile64::parse(image).map_err(|error| PeError::NotPe { offset: 0, problem: error.to_string() })?;
    let section = |header: &ImageSectionHeader| Section {
        name: String::from_utf8_lossy(header.raw_name()).into_owned(),
        virtual_address: header.virtual_address.get(LE),
        virtual_size: header.virtual_size.get(LE),
        file_offset: header.pointer_to_raw_data.get(LE),
        file_size: header.size_of_raw_data.get(LE),
        characteristics: header.characteristics.get(LE).0,
    };
    Ok(file.section_table().iter().map(section).collect())
}

/// The content of a section, without the padding, or `None` if there is no such section.
pub fn content<'a>(image: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, PeError> {
    let Some(section) = sections(image)?.into_iter().find(|section| section.name == name) else { return Ok(None) };
    let (start, length) = (large(section.file_offset), large(section.file_size.min(section.virtual_size)));
    let part = start.checked_add(length).and_then(|end| image.get(start..end));
    let problem = format!("section `{name}` lies outside the file");
    part.map(Some).ok_or(PeError::NotPe { offset: start, problem })
}

/// The sections for people, one a line.
pub fn dump(image: &[u8]) -> Result<String, PeError> {
    let line = |section: &Section| {
        let Section { name, virtual_address, virtual_size, file_offset, file_size, characteristics } = section;
        format!(
            "{name:8} address {virtual_address:#010x} size {virtual_size:>9} file {file_offset:#010x} \
             {file_size:>9} flags {characteristics:08x}\n"
        )
    };
    Ok(sections(image)?.iter().map(line).collect())
}

/// Places and numbers in the headers that appending and signing need. All places are within the image.
pub(super) struct Headers {
    /// Offset of the COFF file header, behind the signature.
    coff: usize,
    /// Offset of the optional header.
    pub(super) optional: usize,
    /// Offset of the data directory of certificates, if there is one.
    pub(super) certificates: Option<usize>,
    /// Offset of the section table, and entries in it.
    table: usize,
    count: usize,
    section_alignment: usize,
    file_alignment: usize,
    /// Bytes that the headers may take: up to `SizeOfHeaders`, and up to the first section's bytes.
    room: usize,
    /// End of the last section in the file and in memory.
    pub(super) data_end: usize,
    memory_end: usize,
}

impl Headers {
    pub(super) fn read(image: &[u8]) -> Result<Headers, PeError> {
        let bad = |offset: usize, problem: &str| Err(PeError::NotPe { offset, problem: problem.to_owned() });
        if field_u16(image, 0)? != u16::from_le_bytes(*b"MZ") {
            return bad(0, "no `MZ`");
        }
        let signature = large(field_u32(image, 60)?);
        if field_u32(image, signature)? != u32::from_le_bytes(*b"PE\0\0") {
            return bad(signature, "no `PE`");
        }
        let coff = signature + 4;
        let (count, optional_size) = (field_u16(image, coff + 2)?, field_u16(image, coff + 16)?);
        let optional = coff + 20;
        if field_u16(image, optional)? != PE32_PLUS {
            return bad(optional, "no 64-bit optional header");
        }
        let table = optional + usize::from(optional_size);
        let section_alignment = large(field_u32(image, optional + 32)?);
        let file_alignment = large(field_u32(image, optional + 36)?);
        if !section_alignment.is_power_of_two() || !file_alignment.is_power_of_two() {
            return bad(optional + 32, "an alignment is no power of two");
        }
        if file_alignment > FILE_ALIGNMENT_MAX {
            return bad(optional + 36, "sections are aligned to more than 64 KiB in the file");
        }
        let directories = large(field_u32(image, optional + 108)?);
        let certificates = Some(optional + 112 + CERTIFICATES * 8);
        let certificates = certificates.filter(|at| directories > CERTIFICATES && at + 8 <= table);
        let mut room = large(field_u32(image, optional + 60)?).min(image.len());
        let (mut data_end, mut memory_end) = (room, 0);
        for index in 0..usize::from(count) {
            let header = table + index * SECTION_HEADER;
            let field = |offset: usize| field_u32(image, header + offset).map(large);
            let (size, address, raw_size, raw) = (field(8)?, field(12)?, field(16)?, field(20)?);
            if raw_size > 0 {
                room = room.min(raw);
                data_end = data_end.max(raw.saturating_add(raw_size));
            }
            memory_end = memory_end.max(address.saturating_add(size.max(raw_size)));
        }
        if data_end > image.len() {
            return bad(image.len(), "the file ends before its last section");
        }
        if room < table {
            return bad(table, "the section table lies outside the headers");
        }
        let count = usize::from(count);
        Ok(Headers {
            coff,
            optional,
            certificates,
            table,
            count,
            section_alignment,
            file_alignment,
            room,
            data_end,
            memory_end,
        })
    }
}

fn field<const N: usize>(image: &[u8], offset: usize) -> Result<[u8; N], PeError> {
    let bytes = offset.checked_add(N).and_then(|end| image.get(offset..end)?.try_into().ok());
    bytes.ok_or_else(|| PeError::NotPe { offset, problem: "the file ends here".to_owned() })
}

pub(super) fn field_u16(image: &[u8], offset: usize) -> Result<u16, PeError> {
    field(image, offset).map(u16::from_le_bytes)
}

pub(super) fn field_u32(image: &[u8], offset: usize) -> Result<u32, PeError> {
    field(image, offset).map(u32::from_le_bytes)
}

pub(super) fn put_u32(image: &mut [u8], offset: usize, value: u32) {
    image[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

pub(super) fn large(value: u32) -> usize {
    usize::try_from(value).expect("an address has at least 32 bits")
}

pub(super) fn small(value: usize) -> Result<u32, PeError> {
    u32::try_from(value).map_err(|_| PeError::TooLarge)
}

fn align(value: usize, alignment: usize) -> Result<usize, PeError> {
    value.checked_next_multiple_of(alignment).ok_or(PeError::TooLarge)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tree::Digest;
    use proptest::prelude::*;

    /// A tiny image: headers of `headers` bytes, `.text` and `.sdmagic`, and a symbol table after them.
    pub(crate) fn stub(headers: u32) -> Vec<u8> {
        let mut image = vec![0; large(headers)];
        image[..2].copy_from_slice(b"MZ");
        put_u32(&mut image, 60, 64);
        image[64..68].copy_from_slice(b"PE\0\0");
        let (coff, optional) = (68, 88);
        image[coff..coff + 4].copy_from_slice(&[0x64, 0x86, 2, 0]);
        put_u32(&mut image, coff + 8, headers + 0x400);
        put_u32(&mut image, coff + 12, 1);
        image[coff + 16..coff + 20].copy_from_slice(&[240, 0, 0x2e, 2]);
        image[optional..optional + 2].copy_from_slice(&PE32_PLUS.to_le_bytes());
        put_u32(&mut image, optional + 8, 0x200);
        put_u32(&mut image, optional + 32, 0x1000);
        put_u32(&mut image, optional + 36, 0x200);
        put_u32(&mut image, optional + 56, 0x6000);
        put_u32(&mut image, optional + 60, headers);
        put_u32(&mut image, optional + 64, 0xdead_beef);
        put_u32(&mut image, optional + 108, 16);
        put_u32(&mut image, optional + 112 + 32, headers + 0x600);
        let table = optional + 240;
        for (index, name) in [b".text\0\0\0", b".sdmagic"].into_iter().enumerate() {
            let header = table + index * SECTION_HEADER;
            let number = u32::try_from(index).unwrap();
            image[header..header + 8].copy_from_slice(name);
            put_u32(&mut image, header + 8, 0x123);
            put_u32(&mut image, header + 12, 0x4000 + number * 0x1000);
            put_u32(&mut image, header + 16, 0x200);
            put_u32(&mut image, header + 20, headers + number * 0x200);
            put_u32(&mut image, header + 36, DATA_READ);
        }
        image.extend([0xcc; 0x400]);
        image.extend(b"symbols and a signature");
        image
    }

    #[test]
    fn appended_sections_follow_in_file_and_memory() {
        let image = append(
            &stub(0x400),
            &[
                NewSection { name: ".osrel", content: b"ID=a\n" },
                NewSection { name: ".cmdline", content: b"" },
                NewSection { name: ".linux", content: &[7; 5000] },
            ],
        )
        .unwrap();
        insta::assert_snapshot!(dump(&image).unwrap(), @r"
        .text    address 0x00004000 size       291 file 0x00000400       512 flags 40000040
        .sdmagic address 0x00005000 size       291 file 0x00000600       512 flags 40000040
        .osrel   address 0x00006000 size         5 file 0x00000800       512 flags 40000040
        .cmdline address 0x00007000 size         0 file 0x00000a00         0 flags 40000040
        .linux   address 0x00008000 size      5000 file 0x00000a00      5120 flags 40000040
        ");
        assert_eq!(content(&image, ".osrel").unwrap(), Some(b"ID=a\n".as_slice()));
        assert_eq!(content(&image, ".cmdline").unwrap(), Some(b"".as_slice()));
        assert_eq!(content(&image, ".initrd").unwrap(), None);
        assert!(!image.windows(7).any(|window| window == b"symbols"));
        // Symbol table and checksum and certificate gone, the image as large as its last section reaches.
        assert_eq!(image[68 + 8..68 + 16], [0; 8]);
        assert_eq!(field_u32(&image, 88 + 56), Ok(0xa000));
        assert_eq!(field_u32(&image, 88 + 64), Ok(0));
        assert_eq!(image[88 + 112 + 32..88 + 112 + 40], [0; 8]);
        // A change of this digest changes every UKI: say so in the changelog.
        assert_eq!(Digest::of(&image).to_string(), "12625179ed5d09365e1be3c54fa49d714685ae363a26d1650b4f45736694c186");
    }

    #[test]
    fn what_cannot_be_appended_is_said() {
        let add = |name: &'static str| append(&stub(0x400), &[NewSection { name, content: b"x" }]);
        assert_eq!(add(".text"), Err(PeError::Duplicate(".text".into())));
        assert_eq!(add(".ninechar"), Err(PeError::BadName(".ninechar".into())));
        let many: Vec<NewSection<'_>> = [".a", ".b", ".c", ".d", ".e", ".f", ".g", ".h", ".i", ".j", ".k", ".l"]
            .map(|name| NewSection { name, content: b"x" })
            .into();
        assert!(append(&stub(0x400), &many).is_ok());
        assert_eq!(append(&stub(0x200), &many), Err(PeError::NoHeaderRoom { needed: 888, available: 512 }));
        assert!(matches!(append(b"MZ", &[]), Err(PeError::NotPe { .. })));
        assert!(matches!(append(b"", &[]), Err(PeError::NotPe { .. })));
        let mut far_apart = stub(0x400);
        put_u32(&mut far_apart, 88 + 36, 1 << 31);
        let problem = "sections are aligned to more than 64 KiB in the file".to_owned();
        assert_eq!(append(&far_apart, &[]), Err(PeError::NotPe { offset: 124, problem }));
    }

    proptest! {
        #[test]
        fn contents_come_back(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..8)) {
            let names = [".a", ".b", ".c", ".d", ".e", ".f", ".g", ".h"];
            let sections: Vec<NewSection<'_>> =
                names.iter().zip(&contents).map(|(name, content)| NewSection { name, content }).collect();
            let image = append(&stub(0x1000), &sections).unwrap();
            for section in &sections {
                prop_assert_eq!(content(&image, section.name).unwrap(), Some(section.content));
            }
            let all = super::sections(&image).unwrap();
            for pair in all.windows(2) {
                prop_assert!(pair[0].virtual_address + pair[0].virtual_size <= pair[1].virtual_address);
                prop_assert!(pair[0].file_offset + pair[0].file_size <= pair[1].file_offset);
            }
        }

        #[test]
        fn a_damaged_image_is_an_error_and_no_panic(at in 0usize..0x200, byte in any::<u8>(), cut in 0usize..0x900) {
            let mut image = stub(0x400);
            image[at] = byte;
            image.truncate(cut);
            let _ = append(&image, &[NewSection { name: ".x", content: b"x" }]);
            let _ = dump(&image);
            let _ = content(&image, ".text");
        }
    }
}
