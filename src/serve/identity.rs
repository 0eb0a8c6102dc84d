//! What a machine is called before it has a name: the address of its network card, its UUID or its serial number.

use uuid::Uuid;

/// Longest serial number; SMBIOS itself has no bound.
const SERIAL_MAX: usize = 128;

/// One form for every spelling of an identity, `None` for what can be none. MAC addresses (`AA:BB:CC:DD:EE:FF`, with `-`,
/// in Cisco's groups of four, without anything between, or with the `01-` of PXELINUX before them) become
/// `aa-bb-cc-dd-ee-ff`, UUIDs small letters; everything else is a serial number and stays as it is.
pub fn canonical(text: &str) -> Option<String> {
    let is_name = !text.is_empty() && text.len() <= SERIAL_MAX && !text.starts_with('.');
    if !is_name || text.contains(|c: char| c == '/' || c.is_control()) {
        return None;
    }
    if let Some(uuid) = uuid(text) {
        // What a machine says whose UUID nobody has set (SMBIOS, 7.2.1).
        return (!uuid.is_nil() && !uuid.is_max()).then(|| uuid.hyphenated().to_string());
    }
    Some(mac(text).unwrap_or_else(|| text.to_owned()))
}

fn mac(text: &str) -> Option<String> {
    // Type of hardware 1 is Ethernet (RFC 1700).
    let text = text.strip_prefix("01-").filter(|rest| rest.len() == 17).unwrap_or(text);
    let group = match text.len() {
        12 => 12,
        14 => 4,
        17 => 2,
        _ => return None,
    };
    let separators: Vec<char> = text.chars().filter(|c| !c.is_ascii_hexdigit()).collect();
    let allowed: &[char] = if group == 4 { &['.'] } else { &[':', '-'] };
    if separators.iter().any(|it| !allowed.contains(it)) || separators.windows(2).any(|pair| pair[0] != pair[1]) {
        return None;
    }
    let groups: Vec<&str> = text.split(|c: char| !c.is_ascii_hexdigit()).collect();
    if groups.iter().any(|digits| digits.len() != group) {
        return None;
    }
    let digits = groups.concat().to_ascii_lowercase();
    let pairs: Vec<&str> = (0..6).filter_map(|pair| digits.get(2 * pair..2 * pair + 2)).collect();
    Some(pairs.join("-"))
}

/// Braces and the like are not how SMBIOS's are written.
fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_machine_are_one() {
        let mac = "52-54-00-ab-cd-ef";
        for text in
            [mac, "52:54:00:AB:cd:EF", "525400abcdef", "5254.00AB.cdef", "01-52-54-00-ab-cd-ef", "52-54-00-AB-CD-EF"]
        {
            assert_eq!(canonical(text).as_deref(), Some(mac), "{text}");
        }
        let uuid = "12345678-9abc-def0-1234-56789abcdef0";
        assert_eq!(canonical(&uuid.to_uppercase()).as_deref(), Some(uuid));
        // Neither one nor the other.
        for text in ["VMware-56 4d", "52:54-00:ab:cd:ef", "52:54:00:ab:cd:eg", "5254.00ab:cdef", "default", "ü", "a.b"]
        {
            assert_eq!(canonical(text).as_deref(), Some(text));
        }
        let unset = ["0", "f"].map(|digit| uuid.replace(|c: char| c != '-', digit));
        assert_eq!(unset.map(|uuid| canonical(&uuid)), [None, None]);
        for text in ["", ".", "..", ".x", "a/b", "a\0", "a\nb", &"x".repeat(129)] {
            assert_eq!(canonical(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_one_form_stays_what_it_is(text in ".{0,40}|([0-9a-fA-F]{2}[:-]){5}[0-9a-f]{2}") {
            if let Some(once) = canonical(&text) {
                prop_assert_eq!(canonical(&once), Some(once.clone()));
                prop_assert!(!once.contains('/') && !once.starts_with('.'));
            }
        }
    }
}
