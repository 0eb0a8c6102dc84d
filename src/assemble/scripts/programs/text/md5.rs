//! MD5 (RFC 1321), for `md5sum`: nothing is trusted because of it.

/// The bytes, a one bit, zeros and the length in bits: whole blocks of 64 bytes.
pub(super) fn padded(bytes: &[u8], length: [u8; 8]) -> Vec<u8> {
    let mut all = bytes.to_vec();
    all.push(0x80);
    all.resize((all.len() + 8).next_multiple_of(64) - 8, 0);
    all.extend(length);
    all
}

pub(super) fn bits(bytes: &[u8]) -> u64 {
    (bytes.len() as u64).wrapping_mul(8)
}

const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The whole part of 2³² times the sine of each number from 1 to 64.
fn sines() -> [u32; 64] {
    std::array::from_fn(|index| {
        let sine = f64::from(u32::try_from(index).unwrap_or(0) + 1).sin().abs();
        // Below 2³² as the sine is below 1.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = (sine * 4_294_967_296.0) as u32;
        whole
    })
}

pub(super) fn digest(bytes: &[u8]) -> [u8; 16] {
    let sines = sines();
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded(bytes, bits(bytes).to_le_bytes()).as_chunks::<64>().0 {
        let words: [u32; 16] = std::array::from_fn(|index| {
            let chunk = block.as_chunks::<4>().0.get(index).copied().unwrap_or_default();
            u32::from_le_bytes(chunk)
        });
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64 {
            let (mixed, word) = match step / 16 {
                0 => (b & c | !b & d, step),
                1 => (d & b | !d & c, (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), 7 * step % 16),
            };
            let sum = a.wrapping_add(mixed).wrapping_add(sines[step]).wrapping_add(words[word]);
            let turned = b.wrapping_add(sum.rotate_left(TURNS[step / 16][step % 4]));
            (a, b, c, d) = (d, turned, b, c);
        }
        for (state, value) in state.iter_mut().zip([a, b, c, d]) {
            *state = state.wrapping_add(value);
        }
    }
    let mut out = [0; 16];
    out.iter_mut().zip(state.iter().flat_map(|word| word.to_le_bytes())).for_each(|(out, byte)| *out = byte);
    out
}
