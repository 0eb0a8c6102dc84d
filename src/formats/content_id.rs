//! Identifiers that follow from content: where formats want a random number, the same image gets the same one again.

use uuid::Uuid;

use crate::tree::Digest;

/// The identifier of one thing (`what`, as in `"vhd disk"`) in an image that `content` names. A UUID of version 8,
/// which RFC 9562 leaves to its maker.
pub(super) fn uuid(content: &Digest, what: &str) -> Uuid {
    let digest = Digest::of([content.0.as_slice(), what.as_bytes()].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.0[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_content_and_by_thing() {
        let (one, other) = (Digest::of("one"), Digest::of("other"));
        assert_eq!(uuid(&one, "disk"), uuid(&one, "disk"));
        assert_ne!(uuid(&one, "disk"), uuid(&other, "disk"));
        assert_ne!(uuid(&one, "disk"), uuid(&one, "file"));
        assert_eq!(uuid(&one, "disk").get_version_num(), 8);
    }
}
