//! El Torito 1.0: what of a CD starts a machine, for a BIOS and for UEFI (its platform: UEFI 2.10, 13.3.2.1).

/// Bytes of a sector of a CD.
const SECTOR: usize = 2048;
const PLATFORM_PC: u8 = 0;
const PLATFORM_EFI: u8 = 0xef;
/// Units in which a catalog counts what is loaded.
const LOAD_SECTOR: usize = 512;
/// What a BIOS loads of its image, in these units: 2048 bytes.
const BIOS_LOAD: u16 = 4;

/// The boot record, a volume descriptor that names the catalog's sector.
pub(super) fn descriptor(catalog: usize) -> Vec<u8> {
    let mut descriptor = b"\0CD001\x01EL TORITO SPECIFICATION".to_vec();
    descriptor.resize(71, 0);
    descriptor.extend(number(catalog));
    descriptor.resize(SECTOR, 0);
    descriptor
}

/// The catalog, one sector, for files at these places: sector and bytes.
pub(super) fn catalog((efi_sector, efi_bytes): (usize, usize), bios: Option<(usize, usize)>) -> Vec<u8> {
    // What cannot be counted goes up to the end of the CD, which 0 says; the volume itself tells its size.
    let efi = entry(u16::try_from(efi_bytes.div_ceil(LOAD_SECTOR)).unwrap_or(0), efi_sector);
    let mut catalog = match bios {
        None => [validation(PLATFORM_EFI), efi].concat(),
        // The last section follows: one image for UEFI.
        Some((sector, _)) => {
            let mut header = vec![0x91, PLATFORM_EFI, 1, 0];
            header.resize(32, 0);
            [validation(PLATFORM_PC), entry(BIOS_LOAD, sector), header, efi].concat()
        }
    };
    catalog.resize(SECTOR, 0);
    catalog
}

/// All its 16-bit words add up to 0.
fn validation(platform: u8) -> Vec<u8> {
    let mut entry = vec![1, platform];
    entry.resize(30, 0);
    entry.extend([0x55, 0xaa]);
    let words = entry.chunks(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
    let sum = words.fold(0_u16, u16::wrapping_add);
    entry[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    entry
}

/// An image that is started as it is, without imitating a floppy.
fn entry(load_sectors: u16, sector: usize) -> Vec<u8> {
    let mut entry = vec![0x88, 0, 0, 0, 0, 0];
    entry.extend(load_sectors.to_le_bytes());
    entry.extend(number(sector));
    entry.resize(32, 0);
    entry
}

fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).expect("an image has less than 4 GiB").to_le_bytes()
}

/// Tells boot code where it lies (mkisofs's "boot information table"): fields at byte 8, zeros up to byte 64. `None` if
/// it is too short for that.
pub fn boot_info(image: &mut [u8], sector: usize) -> Option<()> {
    let length = u32::try_from(image.len()).ok()?;
    let (head, rest) = image.split_at_mut_checked(64)?;
    let words = rest.chunks(4).map(|word| {
        let mut whole = [0; 4];
        whole[..word.len()].copy_from_slice(word);
        u32::from_le_bytes(whole)
    });
    let sum = words.fold(0_u32, u32::wrapping_add);
    head[8..].fill(0);
    // The primary volume descriptor's sector comes first.
    let fields = [16, u32::try_from(sector).ok()?, length, sum];
    for (field, value) in head[8..24].chunks_exact_mut(4).zip(fields) {
        field.copy_from_slice(&value.to_le_bytes());
    }
    Some(())
}
