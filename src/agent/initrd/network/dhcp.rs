//! DHCP's messages (RFC 2131 and 2132), as a client writes and reads them. Pure.
//!
//! Who wants the address of a boot file says that it boots by HTTP (UEFI 2.10, 24.7), since servers name the file only to
//! those; then the answer that names it may come from another server than the address (a proxy DHCP).

use std::fmt;
use std::net::Ipv4Addr;

use crate::agent::http::url::Url;

pub const CLIENT_PORT: u16 = 68;
pub const SERVER_PORT: u16 = 67;
/// Largest answer that is read: an Ethernet frame's.
pub const MAX_BYTES: usize = 1500;

const COOKIE: [u8; 4] = [99, 130, 83, 99];
const OPTIONS: usize = 240;
/// Fields of a message that may hold options, too (option 52).
const SERVER_NAME: std::ops::Range<usize> = 44..108;
const FILE: std::ops::Range<usize> = 108..236;
/// Servers answer shorter messages reluctantly: BOOTP's length.
const LEAST_BYTES: usize = 300;
/// Asked by PXE's numbering (IANA, "Processor Architecture Types"): HTTP boot of this processor's UEFI.
const HTTP_ARCHITECTURE: u16 = if cfg!(target_arch = "aarch64") { 0x13 } else { 0x10 };

mod option {
    pub(super) const MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const NAME_SERVERS: u8 = 6;
    pub(super) const DOMAIN: u8 = 15;
    pub(super) const REQUESTED: u8 = 50;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const TYPE: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const PARAMETERS: u8 = 55;
    pub(super) const MAX_SIZE: u8 = 57;
    pub(super) const VENDOR_CLASS: u8 = 60;
    pub(super) const CLIENT: u8 = 61;
    pub(super) const BOOT_FILE: u8 = 67;
    pub(super) const ARCHITECTURE: u8 = 93;
    pub(super) const INTERFACE: u8 = 94;
    pub(super) const END: u8 = 255;
}

/// What a lease must bring besides the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    Address,
    BootFile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Discover,
    Offer,
    Request,
    Acknowledge,
    Refuse,
    Release,
}

impl Kind {
    const ALL: [(Kind, u8); 6] = [
        (Kind::Discover, 1),
        (Kind::Offer, 2),
        (Kind::Request, 3),
        (Kind::Acknowledge, 5),
        (Kind::Refuse, 6),
        (Kind::Release, 7),
    ];
}

/// An address and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub router: Option<Ipv4Addr>,
    pub name_servers: Vec<Ipv4Addr>,
    pub domain: Option<String>,
    /// Who gave it; nobody gives a fixed one.
    pub server: Option<Ipv4Addr>,
    /// What firmware would boot.
    pub boot_file: Option<Url>,
}

impl Default for Lease {
    fn default() -> Lease {
        Lease {
            address: Ipv4Addr::UNSPECIFIED,
            prefix: 32,
            router: None,
            name_servers: Vec::new(),
            domain: None,
            server: None,
            boot_file: None,
        }
    }
}

impl Lease {
    /// Whether that address is reached without a router.
    pub fn is_on_link(&self, other: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
        self.address.to_bits() & mask == other.to_bits() & mask
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)?;
        self.router.map_or(Ok(()), |router| write!(f, " by {router}"))
    }
}

/// The length of a netmask's prefix, if it is one.
pub fn prefix_of(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let prefix = bits.leading_ones();
    (prefix > 0 && bits.checked_shl(prefix).unwrap_or(0) == 0).then(|| u8::try_from(prefix).ok()).flatten()
}

/// Who asks, and by which number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    pub mac: [u8; 6],
    pub transaction: [u8; 4],
}

impl Client {
    /// A message to all servers. `seconds` have passed since the first one. A request takes up an offer, a release gives
    /// the lease back.
    pub fn message(&self, kind: Kind, want: Want, seconds: u16, lease: &Lease) -> Vec<u8> {
        let mut message = vec![0; OPTIONS];
        // Request, Ethernet, six bytes of address.
        message[..3].copy_from_slice(&[1, 1, 6]);
        message[4..8].copy_from_slice(&self.transaction);
        message[8..10].copy_from_slice(&seconds.to_be_bytes());
        message[28..34].copy_from_slice(&self.mac);
        message[236..240].copy_from_slice(&COOKIE);
        let mut put = |code: u8, value: &[u8]| {
            // None of the values has more than a few dozen bytes.
            message.extend([code, u8::try_from(value.len()).unwrap_or(0)]);
            message.extend(value);
        };
        let number = Kind::ALL.iter().find(|(known, _)| *known == kind).map_or(0, |(_, number)| *number);
        put(option::TYPE, &[number]);
        let own_id = [&[1], self.mac.as_slice()].concat();
        put(option::CLIENT, &own_id);
        if kind == Kind::Request {
            put(option::REQUESTED, &lease.address.octets());
        }
        if let (Kind::Request | Kind::Release, Some(server)) = (kind, lease.server) {
            put(option::SERVER, &server.octets());
        }
        if kind != Kind::Release {
            put(option::MAX_SIZE, &u16::try_from(MAX_BYTES).unwrap_or(u16::MAX).to_be_bytes());
            let asked = [option::MASK, option::ROUTER, option::NAME_SERVERS, option::DOMAIN, option::BOOT_FILE];
            put(option::PARAMETERS, &asked[..if want == Want::BootFile { 5 } else { 4 }]);
        }
        if kind != Kind::Release && want == Want::BootFile {
            put(option::VENDOR_CLASS, format!("HTTPClient:Arch:{HTTP_ARCHITECTURE:05}:UNDI:003016").as_bytes());
            put(option::ARCHITECTURE, &HTTP_ARCHITECTURE.to_be_bytes());
            put(option::INTERFACE, &[1, 3, 16]);
        }
        message.push(option::END);
        if kind == Kind::Release {
            message[12..16].copy_from_slice(&lease.address.octets());
        } else {
            // The answer as a broadcast: there is no address yet that it could be sent to.
            message[10] = 0x80;
        }
        message.resize(message.len().max(LEAST_BYTES), 0);
        message
    }

    /// The kind of an answer to this client, and what it offers; the address may be 0.0.0.0, and the netmask missing.
    /// Nothing for what is no answer to it.
    pub fn read(&self, message: &[u8]) -> Option<(Kind, Lease)> {
        let fixed = message.get(..OPTIONS)?;
        let is_ours = fixed[..3] == [2, 1, 6] && fixed[4..8] == self.transaction && fixed[28..34] == self.mac;
        if !is_ours || fixed[236..240] != COOKIE {
            return None;
        }
        let mut options = Options::default();
        options.read(&message[OPTIONS..]);
        let overload = options.byte(option::OVERLOAD).unwrap_or(0);
        for (bit, field) in [(1, FILE), (2, SERVER_NAME)] {
            if overload & bit != 0 {
                options.read(&fixed[field]);
            }
        }
        let number = options.byte(option::TYPE)?;
        let kind = Kind::ALL.iter().find(|(_, known)| *known == number).map(|(kind, _)| *kind)?;
        let address = Ipv4Addr::from(<[u8; 4]>::try_from(&fixed[16..20]).ok()?);
        let file = if overload & 1 == 0 { fixed[FILE].split(|byte| *byte == 0).next() } else { None };
        let boot_file = options.get(option::BOOT_FILE).or(file).and_then(text).and_then(|text| Url::parse(text).ok());
        let prefix = options.addresses(option::MASK).next().and_then(prefix_of);
        Some((
            kind,
            Lease {
                address,
                prefix: prefix.unwrap_or_else(|| class_prefix(address)),
                router: options.addresses(option::ROUTER).find(|router| is_host(*router)),
                name_servers: options.addresses(option::NAME_SERVERS).filter(|server| is_host(*server)).collect(),
                domain: options.get(option::DOMAIN).and_then(text).map(str::to_owned),
                server: options.addresses(option::SERVER).next(),
                boot_file,
            },
        ))
    }
}

/// Whether it can be the address of one host.
pub fn is_host(address: Ipv4Addr) -> bool {
    let is_reserved = address.octets()[0] == 0 || address.octets()[0] >= 240;
    !(is_reserved || address.is_multicast() || address.is_loopback())
}

/// Of a network whose mask nobody tells (RFC 1122, 3.2.1.3).
fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}

/// Printable text, some servers end it with NUL.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

/// Values of options; those of one that stands there twice are joined (RFC 3396).
#[derive(Debug, Default)]
struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    /// As far as they can be read.
    fn read(&mut self, mut bytes: &[u8]) {
        while let [code, rest @ ..] = bytes {
            bytes = match *code {
                0 => rest,
                option::END => return,
                code => {
                    let Some((length, rest)) = rest.split_first() else { return };
                    let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else { return };
                    match self.0.iter_mut().find(|(known, _)| *known == code) {
                        Some((_, before)) => before.extend(value),
                        None => self.0.push((code, value.to_vec())),
                    }
                    rest
                }
            };
        }
    }

    fn get(&self, code: u8) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == code).map(|(_, value)| value.as_slice())
    }

    fn byte(&self, code: u8) -> Option<u8> {
        self.get(code)?.first().copied()
    }

    fn addresses(&self, code: u8) -> impl Iterator<Item = Ipv4Addr> {
        let (addresses, _) = self.get(code).unwrap_or_default().as_chunks::<4>();
        addresses.iter().map(|octets| Ipv4Addr::from(*octets))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLIENT: Client = Client { mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56], transaction: [1, 2, 3, 4] };

    fn answer(options: &[u8]) -> Vec<u8> {
        let mut message = CLIENT.message(Kind::Discover, Want::Address, 0, &Lease::default());
        message.truncate(OPTIONS);
        message[0] = 2;
        message[16..20].copy_from_slice(&[10, 0, 2, 15]);
        message.extend(options);
        message.push(option::END);
        message
    }

    const OFFER: &[u8] = &[53, 1, 2, 54, 4, 10, 0, 2, 2, 1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 2, 2];

    #[test]
    fn a_discovery_has_what_servers_look_for() {
        let message = CLIENT.message(Kind::Discover, Want::Address, 7, &Lease::default());
        assert_eq!(message[..12], [1, 1, 6, 0, 1, 2, 3, 4, 0, 7, 0x80, 0]);
        assert_eq!(message[240..], {
            let mut options =
                vec![53, 1, 1, 61, 7, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 57, 2, 5, 220, 55, 4, 1, 3, 6, 15];
            options.push(255);
            options.resize(60, 0);
            options
        });
        let booting = CLIENT.message(Kind::Discover, Want::BootFile, 0, &Lease::default());
        let booting = String::from_utf8_lossy(&booting);
        assert!(booting.contains("HTTPClient:Arch:000") && booting.contains(":UNDI:003016"), "{booting}");
    }

    #[test]
    fn a_request_names_offer_and_server_and_a_release_gives_it_back() {
        let lease = Lease { address: [10, 0, 2, 15].into(), server: Some([10, 0, 2, 2].into()), ..Lease::default() };
        let request = CLIENT.message(Kind::Request, Want::Address, 0, &lease);
        assert_eq!(request[252..264], [50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2]);
        let release = CLIENT.message(Kind::Release, Want::Address, 0, &lease);
        assert_eq!((&release[10..16], &release[252..259]), (&[0, 0, 10, 0, 2, 15][..], &[54, 4, 10, 0, 2, 2, 255][..]));
    }

    #[test]
    fn an_offer_is_read() {
        let more = [6, 8, 10, 0, 2, 3, 0, 0, 0, 0, 15, 4, b'l', b'a', b'b', 0];
        let (kind, lease) = CLIENT.read(&answer(&[OFFER, &more].concat())).unwrap();
        assert_eq!((kind, lease.to_string().as_str()), (Kind::Offer, "10.0.2.15/24 by 10.0.2.2"));
        assert_eq!(lease.name_servers, [Ipv4Addr::new(10, 0, 2, 3)]);
        assert_eq!((lease.domain.as_deref(), lease.server), (Some("lab"), Some([10, 0, 2, 2].into())));
        assert!(lease.is_on_link([10, 0, 2, 200].into()) && !lease.is_on_link([10, 0, 3, 1].into()));
        // No mask, no server: the old classes.
        assert_eq!(CLIENT.read(&answer(&[53, 1, 2])).unwrap().1.to_string(), "10.0.2.15/8");
    }

    #[test]
    fn a_boot_file_is_an_address_in_the_option_or_the_field() {
        let url = b"http://h/a.efi";
        let option = [OFFER, &[67, 15], url, &[0]].concat();
        let boot = |message: &[u8]| CLIENT.read(message).unwrap().1.boot_file.map(|url| url.to_string());
        assert_eq!(boot(&answer(&option)).as_deref(), Some("http://h/a.efi"));
        let mut field = answer(OFFER);
        field[108..122].copy_from_slice(url);
        assert_eq!(boot(&field).as_deref(), Some("http://h/a.efi"));
        // The field holds options instead.
        let mut overloaded = answer(&[OFFER, &[52, 1, 1]].concat());
        overloaded[108..126].copy_from_slice(&[&[67, 14][..], url, &[255, 9]].concat());
        assert_eq!(boot(&overloaded).as_deref(), Some("http://h/a.efi"));
        // In two parts.
        let parts = [OFFER, &[67, 7], &url[..7], &[67, 7], &url[7..]].concat();
        assert_eq!(boot(&answer(&parts)).as_deref(), Some("http://h/a.efi"));
        assert_eq!(boot(&answer(&[OFFER, &[67, 3, b'a', b'.', b'b']].concat())), None);
    }

    #[test]
    fn answers_to_others_are_none() {
        for (at, name) in [(0, "a request"), (4, "another transaction"), (33, "another client"), (236, "BOOTP")] {
            let mut message = answer(OFFER);
            message[at] ^= 1;
            assert_eq!(CLIENT.read(&message), None, "{name}");
        }
        assert_eq!(CLIENT.read(&answer(&[])), None);
        assert_eq!(CLIENT.read(&answer(&[53, 1, 99])), None);
        let whole = answer(OFFER);
        for length in 0..whole.len() - OFFER.len() {
            assert_eq!(CLIENT.read(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn prefixes_are_masks_without_holes() {
        for (mask, prefix) in
            [([255, 255, 255, 0], Some(24)), ([255; 4], Some(32)), ([0; 4], None), ([255, 0, 255, 0], None)]
        {
            assert_eq!(prefix_of(mask.into()), prefix);
        }
    }

    proptest! {
        #[test]
        fn no_options_make_the_reader_panic(options in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Some((_, lease)) = CLIENT.read(&answer(&options)) {
                prop_assert!(lease.name_servers.iter().all(|server| is_host(*server)));
                prop_assert!(lease.prefix <= 32);
                // What it says can be asked for.
                let request = CLIENT.message(Kind::Request, Want::BootFile, 0, &lease);
                prop_assert!(request.len() <= MAX_BYTES);
            }
        }
    }
}
