//! Messages of DHCP (RFC 2131, RFC 2132) as far as a machine without a disk sends them and a proxy answers.

use std::net::Ipv4Addr;

/// What the options begin with.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Bytes before the cookie.
const FIXED: usize = 236;
/// The least that old relays and ROMs take for a message (RFC 1542, 2.1).
const LEAST: usize = 300;
/// Bytes of a boot file's name in its field, but for the one that ends it.
const FILE_MAX: usize = 127;

/// Codes of options.
const MESSAGE_TYPE: u8 = 53;
const SERVER: u8 = 54;
const VENDOR_CLASS: u8 = 60;
const VENDOR_OPTIONS: u8 = 43;
const BOOT_FILE: u8 = 67;
const USER_CLASS: u8 = 77;
/// RFC 4578.
const ARCHITECTURE: u8 = 93;
const MACHINE: u8 = 97;
const END: u8 = 255;

/// PXE's `PXE_DISCOVERY_CONTROL`, bit 3: start the boot file that stands in this message (PXE 2.1, table 2-1).
const USE_BOOT_FILE: [u8; 4] = [6, 1, 8, 255];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Discover,
    Request,
    Inform,
}

/// A client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: Kind,
    /// Number by which the client knows the answer.
    pub transaction: [u8; 4],
    /// Whether the answer is to be sent to all.
    pub is_broadcast: bool,
    /// The client's own address, or 0.0.0.0.
    pub address: Ipv4Addr,
    /// That of a relay, or 0.0.0.0.
    pub relay: Ipv4Addr,
    pub mac: [u8; 6],
    pub vendor_class: Vec<u8>,
    pub user_class: Vec<u8>,
    /// The first one, if there are several.
    pub architecture: Option<u16>,
    /// As it came.
    pub machine: Option<Vec<u8>>,
}

/// A message from a client on Ethernet; `None` for anything else.
pub fn parse(bytes: &[u8]) -> Option<Message> {
    let array = |at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
    // A request, Ethernet, six bytes of address.
    if bytes.get(..3)? != [1, 1, 6] || array(FIXED)? != COOKIE {
        return None;
    }
    let mut message = Message {
        kind: Kind::Discover,
        transaction: array(4)?,
        is_broadcast: bytes.get(10)? & 0x80 != 0,
        address: array(12)?.into(),
        relay: array(24)?.into(),
        mac: bytes.get(28..34)?.try_into().ok()?,
        vendor_class: Vec::new(),
        user_class: Vec::new(),
        architecture: None,
        machine: None,
    };
    let mut kind = None;
    let mut options = &bytes[FIXED + 4..];
    while let [code, rest @ ..] = options {
        match *code {
            0 => {
                options = rest;
                continue;
            }
            END => break,
            _ => {}
        }
        let (length, rest) = rest.split_first()?;
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        options = rest;
        match (*code, value) {
            (MESSAGE_TYPE, [1]) => kind = Some(Kind::Discover),
            (MESSAGE_TYPE, [3]) => kind = Some(Kind::Request),
            (MESSAGE_TYPE, [8]) => kind = Some(Kind::Inform),
            (MESSAGE_TYPE, _) => return None,
            // What is longer than 255 bytes comes in parts (RFC 3396).
            (VENDOR_CLASS, part) => message.vendor_class.extend_from_slice(part),
            (USER_CLASS, part) => message.user_class.extend_from_slice(part),
            (ARCHITECTURE, [high, low, ..]) => message.architecture = Some(u16::from_be_bytes([*high, *low])),
            (MACHINE, part) => message.machine = Some(part.to_vec()),
            _ => {}
        }
    }
    message.kind = kind?;
    Some(message)
}

/// What a proxy tells a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The server's, and that of its TFTP.
    pub server: Ipv4Addr,
    /// `PXEClient` or `HTTPClient`: what the answer is for.
    pub class: &'a str,
    /// Name of a file or a URL, of at most 255 bytes.
    pub boot_file: &'a str,
}

/// The answer to a message: an offer to who looks around, else an acknowledgement. No address is given.
pub fn reply(message: &Message, reply: &Reply<'_>) -> Vec<u8> {
    let Reply { server, class, boot_file } = *reply;
    let mut bytes = vec![0; FIXED];
    bytes[..3].copy_from_slice(&[2, 1, 6]);
    bytes[4..8].copy_from_slice(&message.transaction);
    bytes[10] = if message.is_broadcast { 0x80 } else { 0 };
    bytes[12..16].copy_from_slice(&message.address.octets());
    bytes[20..24].copy_from_slice(&server.octets());
    bytes[24..28].copy_from_slice(&message.relay.octets());
    bytes[28..34].copy_from_slice(&message.mac);
    if boot_file.len() <= FILE_MAX {
        bytes[108..108 + boot_file.len()].copy_from_slice(boot_file.as_bytes());
    }
    bytes.extend_from_slice(&COOKIE);
    let mut option = |code: u8, value: &[u8]| {
        // What came in an option of a client fits in one, and so does what is said here.
        let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
        bytes.extend_from_slice(&[code, length]);
        bytes.extend_from_slice(&value[..usize::from(length)]);
    };
    option(MESSAGE_TYPE, &[if message.kind == Kind::Discover { 2 } else { 5 }]);
    option(SERVER, &server.octets());
    option(VENDOR_CLASS, class.as_bytes());
    if let Some(machine) = &message.machine {
        option(MACHINE, machine);
    }
    if class == "PXEClient" {
        option(VENDOR_OPTIONS, &USE_BOOT_FILE);
    }
    option(BOOT_FILE, boot_file.as_bytes());
    bytes.push(END);
    bytes.resize(bytes.len().max(LEAST), 0);
    bytes
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client's message with these options.
    pub(crate) fn request(options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED];
        bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&[1, 2, 3, 4]);
        bytes[10] = 0x80;
        bytes[28..34].copy_from_slice(&[0x52, 0x54, 0, 1, 2, 3]);
        bytes.extend_from_slice(&COOKIE);
        for (code, value) in options {
            bytes.extend_from_slice(&[*code, u8::try_from(value.len()).unwrap()]);
            bytes.extend_from_slice(value);
        }
        bytes.push(END);
        bytes
    }

    /// Option 60 of PXE 2.1: architecture 7, UNDI 3.16.
    const PXE: &[u8] = b"PXEClient:Arch:00007:UNDI:003016";

    #[test]
    fn a_message_is_read_with_its_options() {
        let message = parse(&request(&[
            (MESSAGE_TYPE, &[1]),
            (55, &[1, 3]),
            (0, &[]),
            (VENDOR_CLASS, &PXE[..9]),
            (VENDOR_CLASS, &PXE[9..]),
            (ARCHITECTURE, &[0, 7, 0, 6]),
            (MACHINE, &[0; 17]),
            (USER_CLASS, b"iPXE"),
        ]));
        // Option 0 has no length: the test's own zero is a second one.
        let message = message.unwrap();
        assert_eq!((message.kind, message.architecture), (Kind::Discover, Some(7)));
        assert_eq!((message.vendor_class.as_slice(), message.user_class.as_slice()), (PXE, &b"iPXE"[..]));
        assert_eq!((message.mac, message.is_broadcast), ([0x52, 0x54, 0, 1, 2, 3], true));
    }

    #[test]
    fn what_is_no_message_of_a_client_is_none() {
        let good = request(&[(MESSAGE_TYPE, &[1])]);
        assert!(parse(&good).is_some());
        for (at, byte) in [(0, 2), (1, 6), (2, 16), (FIXED, 0)] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert_eq!(parse(&bytes), None, "{at}");
        }
        for options in [&[][..], &[(MESSAGE_TYPE, &[4][..])], &[(MESSAGE_TYPE, &[][..])]] {
            assert_eq!(parse(&request(options)), None);
        }
        let mut short = request(&[(MESSAGE_TYPE, &[1])]);
        short.pop();
        short.extend_from_slice(&[60, 200, b'P']);
        assert_eq!(parse(&short), None);
    }

    #[test]
    fn an_offer_names_the_boot_file_and_gives_no_address() {
        let message = parse(&request(&[(MESSAGE_TYPE, &[1]), (MACHINE, &[7; 17])])).unwrap();
        let server = Ipv4Addr::new(192, 0, 2, 1);
        let bytes = reply(&message, &Reply { server, class: "PXEClient", boot_file: "ipxe.efi" });
        assert_eq!((bytes.len(), &bytes[..3], &bytes[4..8]), (300, &[2, 1, 6][..], &[1, 2, 3, 4][..]));
        assert_eq!((&bytes[16..20], &bytes[20..24]), (&[0; 4][..], &[192, 0, 2, 1][..]));
        assert_eq!(&bytes[108..117], b"ipxe.efi\0");
        let options = [
            &[53, 1, 2, 54, 4, 192, 0, 2, 1, 60, 9][..],
            b"PXEClient",
            &[97, 17],
            &[7; 17],
            &[43, 4, 6, 1, 8, 255, 67, 8],
            b"ipxe.efi",
            &[255],
        ];
        assert!(bytes[240..].starts_with(&options.concat()), "{:?}", &bytes[240..]);
        let long = format!("http://{}", "x".repeat(200));
        let bytes = reply(&message, &Reply { server, class: "HTTPClient", boot_file: &long });
        assert!(bytes[108..236].iter().all(|byte| *byte == 0));
        assert!(bytes.windows(long.len()).any(|part| part == long.as_bytes()));
    }

    proptest! {
        #[test]
        fn answers_to_anything_are_whole(options in prop::collection::vec(any::<u8>(), 0..80), boot_file in "[a-z:/.]{0,255}") {
            let mut bytes = request(&[(MESSAGE_TYPE, &[3])]);
            bytes.pop();
            bytes.extend(options);
            if let Some(message) = parse(&bytes) {
                let reply = Reply { server: Ipv4Addr::LOCALHOST, class: "PXEClient", boot_file: &boot_file };
                let bytes = super::reply(&message, &reply);
                prop_assert!(bytes.len() >= LEAST);
                prop_assert!(bytes.windows(boot_file.len() + 1).any(|part| part == [boot_file.as_bytes(), &[END]].concat()));
            }
        }
    }
}
