//! Packets of TFTP (RFC 1350) and its options (RFC 2347, 2348, 2349, 7440).

/// Bytes of a request (RFC 2347).
pub const REQUEST_MAX: usize = 512;
/// Bytes of a block that nobody negotiated.
const BLOCK_SIZE: u16 = 512;
/// The least and the most that a client may ask for (RFC 2348).
const BLOCK_SIZES: [u16; 2] = [8, 65464];
/// Blocks that are under way at once, at most: a client that asks for more gets as many.
const WINDOW_MAX: u16 = 64;

const READ: u16 = 1;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// Codes of errors.
pub const NOT_FOUND: u16 = 1;
pub const ILLEGAL: u16 = 4;
pub const UNDEFINED: u16 = 0;

/// A packet of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Options in the order they came, names in small letters.
    Read {
        name: String,
        is_octet: bool,
        options: Vec<(String, String)>,
    },
    Ack(u16),
    Error(String),
    /// Anything else that a packet may be, such as a request to write.
    Other,
}

/// `None` for what is no packet.
pub fn parse(bytes: &[u8]) -> Option<Packet> {
    let (code, rest) = bytes.split_first_chunk::<2>()?;
    Some(match u16::from_be_bytes(*code) {
        READ if bytes.len() <= REQUEST_MAX => {
            let text = std::str::from_utf8(rest).ok()?.strip_suffix('\0')?;
            let mut words = text.split('\0');
            let (name, mode) = (words.next()?, words.next()?);
            let mut options = Vec::new();
            while let Some(option) = words.next() {
                options.push((option.to_ascii_lowercase(), words.next()?.to_owned()));
            }
            Packet::Read { name: name.to_owned(), is_octet: mode.eq_ignore_ascii_case("octet"), options }
        }
        ACK => Packet::Ack(u16::from_be_bytes(*rest.first_chunk()?)),
        ERROR => {
            let text = rest.get(2..)?.split(|byte| *byte == 0).next().unwrap_or_default();
            Packet::Error(String::from_utf8_lossy(text).into_owned())
        }
        READ..=OACK => Packet::Other,
        _ => return None,
    })
}

/// What both sides do, and what the client is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub block_size: u16,
    /// Seconds until a packet is sent again, if the client says.
    pub timeout: Option<u8>,
    /// Blocks that are sent before an answer is awaited.
    pub window: u16,
    /// Names and values for an acknowledgement of options; empty if there is none to be sent.
    pub told: Vec<(String, String)>,
}

/// Of a file of `bytes` bytes. Options that are not known, or out of their bounds, are passed over: then they do not count.
pub fn negotiate(options: &[(String, String)], bytes: u64) -> Terms {
    let mut terms = Terms { block_size: BLOCK_SIZE, timeout: None, window: 1, told: Vec::new() };
    for (name, value) in options {
        let Ok(number) = value.parse::<u64>() else { continue };
        if terms.told.iter().any(|(told, _)| told == name) {
            continue;
        }
        let taken = match name.as_str() {
            "blksize" if number >= u64::from(BLOCK_SIZES[0]) => {
                terms.block_size = u16::try_from(number).unwrap_or(u16::MAX).min(BLOCK_SIZES[1]);
                u64::from(terms.block_size)
            }
            "timeout" if (1..=255).contains(&number) => {
                terms.timeout = u8::try_from(number).ok();
                number
            }
            "tsize" => bytes,
            "windowsize" if (1..=65535).contains(&number) => {
                terms.window = u16::try_from(number).unwrap_or(u16::MAX).min(WINDOW_MAX);
                u64::from(terms.window)
            }
            _ => continue,
        };
        terms.told.push((name.clone(), taken.to_string()));
    }
    terms
}

pub fn data(block: u16, content: &[u8]) -> Vec<u8> {
    [&DATA.to_be_bytes()[..], &block.to_be_bytes(), content].concat()
}

pub fn error(code: u16, message: &str) -> Vec<u8> {
    [&ERROR.to_be_bytes()[..], &code.to_be_bytes(), message.as_bytes(), &[0]].concat()
}

pub fn options(told: &[(String, String)]) -> Vec<u8> {
    let mut packet = OACK.to_be_bytes().to_vec();
    for word in told.iter().flat_map(|(name, value)| [name, value]) {
        packet.extend_from_slice(word.as_bytes());
        packet.push(0);
    }
    packet
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owned(options: &[(&str, &str)]) -> Vec<(String, String)> {
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn requests_have_a_name_a_mode_and_options() {
        let packet = parse(b"\0\x01ipxe.efi\0OCTET\0BlkSize\x001432\0tsize\x000\0");
        let options = owned(&[("blksize", "1432"), ("tsize", "0")]);
        assert_eq!(packet, Some(Packet::Read { name: "ipxe.efi".into(), is_octet: true, options }));
        let Some(Packet::Read { is_octet, .. }) = parse(b"\0\x01a\0netascii\0") else { panic!() };
        assert!(!is_octet);
        assert_eq!(parse(b"\0\x04\x01\x02"), Some(Packet::Ack(0x102)));
        assert_eq!(parse(b"\0\x05\0\x08no\0"), Some(Packet::Error("no".into())));
        assert_eq!(parse(b"\0\x02a\0octet\0"), Some(Packet::Other));
        for broken in [
            &b""[..],
            b"\0",
            b"\0\x01",
            b"\0\x01a\0octet",
            b"\0\x01a\0",
            b"\0\x01a\0octet\0x\0",
            b"\0\x04\0",
            b"\0\x09",
        ] {
            assert_eq!(parse(broken), None, "{broken:?}");
        }
        let long = [b"\0\x01".as_slice(), &[b'a'; 510], b"\0octet\0"].concat();
        assert_eq!(parse(&long), Some(Packet::Other));
    }

    #[test]
    fn options_are_taken_within_their_bounds() {
        let asked =
            owned(&[("blksize", "70000"), ("tsize", "0"), ("windowsize", "1000"), ("timeout", "3"), ("new", "1")]);
        let told = owned(&[("blksize", "65464"), ("tsize", "7"), ("windowsize", "64"), ("timeout", "3")]);
        assert_eq!(negotiate(&asked, 7), Terms { block_size: 65464, timeout: Some(3), window: 64, told });
        let asked = owned(&[("blksize", "7"), ("timeout", "0"), ("windowsize", "0"), ("tsize", "x")]);
        assert_eq!(negotiate(&asked, 7), Terms { block_size: 512, timeout: None, window: 1, told: vec![] });
        let twice = owned(&[("blksize", "1024"), ("blksize", "8")]);
        assert_eq!(negotiate(&twice, 7).block_size, 1024);
        assert_eq!(options(&owned(&[("tsize", "7")])), b"\0\x06tsize\x007\0");
    }

    proptest! {
        #[test]
        fn terms_are_ones_that_can_be_kept(name in "blksize|timeout|tsize|windowsize", value in "[0-9]{0,12}", bytes: u64) {
            let terms = negotiate(&[(name, value)], bytes);
            prop_assert!((8..=65464).contains(&terms.block_size) && (1..=64).contains(&terms.window));
            prop_assert!(terms.timeout != Some(0));
        }
    }
}
