//! A program that firmware would start, made by hand.

/// A 64-bit EFI program with one section, and a symbol table behind it: what a stub looks like.
pub(crate) fn tiny_efi_program() -> Vec<u8> {
    let mut image = vec![0; 0x400];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(60, &64u32.to_le_bytes());
    put(64, b"PE\0\0\x64\x86\x01\x00");
    put(76, &0x600u32.to_le_bytes()); // symbol table
    put(80, &1u32.to_le_bytes());
    put(84, &[240, 0, 0x2e, 0x02]);
    put(88, &0x20bu16.to_le_bytes());
    for (at, value) in [(32, 0x1000u32), (36, 0x200), (56, 0x2000), (60, 0x400), (108, 16)] {
        put(88 + at, &value.to_le_bytes());
    }
    put(88 + 68, &10u16.to_le_bytes()); // subsystem: EFI application
    put(328, b".text");
    for (at, value) in [(8, 0x200u32), (12, 0x1000), (16, 0x200), (20, 0x400), (36, 0x6000_0020)] {
        put(328 + at, &value.to_le_bytes());
    }
    image.extend([0xc3; 0x200]);
    image.extend([0; 18]);
    image.extend(4u32.to_le_bytes());
    image
}
