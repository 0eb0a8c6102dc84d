//! Chance, from the kernel's generator.

use anyhow::{Context as _, Result};

/// Fills the buffer, waiting until the generator is ready.
pub fn fill(buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        filled += rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty())
            .context("reading random bytes")?;
    }
    Ok(())
}

/// A UUID of version 4, in the byte order of its text form (RFC 9562, section 5.4).
pub fn uuid() -> Result<[u8; 16]> {
    let mut uuid = [0; 16];
    fill(&mut uuid)?;
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Ok(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_4_and_differ() {
        let (first, second) = (uuid().unwrap(), uuid().unwrap());
        assert_ne!(first, second);
        for uuid in [first, second] {
            assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (4, 2));
        }
    }
}
