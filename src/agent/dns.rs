//! Names by the node's own means: `/etc/hosts`, then a query to the servers of `resolv.conf` (RFC 1035).
//!
//! The agent is linked statically, and the C library's resolver would load the image's NSS plugins into it. Only what a
//! join needs is here: addresses of one name over UDP. A truncated answer still has addresses, and is taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
const HEADER_BYTES: usize = 12;
/// Largest answer without extensions.
pub const MAX_ANSWER_BYTES: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Four,
    Six,
}

/// The addresses of a name in the text of `/etc/hosts`.
pub fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let line = |line: &str| -> Option<IpAddr> {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    text.lines().filter_map(line).collect()
}

/// What `resolv.conf` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolver {
    pub servers: Vec<SocketAddr>,
    pub search: Vec<String>,
}

const PORT: u16 = 53;

pub fn resolver(text: &str) -> Resolver {
    let mut resolver = Resolver::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            // A link-local address may carry `%interface`, which would need the interface's number: left out.
            Some("nameserver") => {
                let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                resolver.servers.extend(address.map(|address| SocketAddr::new(address, PORT)));
            }
            Some("search" | "domain") => resolver.search = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    resolver
}

impl Resolver {
    /// The full names to ask for, the likeliest first: a name without a dot belongs to a search domain.
    pub fn candidates(&self, name: &str) -> Vec<String> {
        let domains = self.search.iter().map(|domain| domain.trim_matches('.')).filter(|domain| !domain.is_empty());
        let searched = domains.map(|domain| format!("{name}.{domain}"));
        if name.contains('.') {
            std::iter::once(name.to_owned()).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(name.to_owned())).collect()
        }
    }
}

/// The bytes of a query; `None` if the name does not fit into one.
pub fn query(id: u16, name: &str, family: Family) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(HEADER_BYTES + name.len() + 6);
    message.extend(id.to_be_bytes());
    // Recursion desired; one question.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        message.push(length);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(type_of(family).to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    (message.len() <= MAX_ANSWER_BYTES).then_some(message)
}

fn type_of(family: Family) -> u16 {
    match family {
        Family::Four => TYPE_A,
        Family::Six => TYPE_AAAA,
    }
}

/// The addresses in the answer to `query`; empty if the name has none.
///
/// # Errors
/// The server failed, or the bytes are no answer to this query.
pub fn answer(query: &[u8], bytes: &[u8], family: Family) -> Result<Vec<IpAddr>, String> {
    const CUT: &str = "the name server's answer is cut or broken";
    let header = bytes.get(..HEADER_BYTES).ok_or(CUT)?;
    let question = query.get(HEADER_BYTES..).ok_or(CUT)?;
    if header[..2] != query[..2] || header[2] & 0x80 == 0 {
        return Err("the name server answers another question".to_owned());
    }
    match header[3] & 0x0f {
        0 => {}
        // The name does not exist.
        3 => return Ok(Vec::new()),
        code => return Err(format!("the name server fails with code {code}")),
    }
    if !bytes.get(HEADER_BYTES..HEADER_BYTES + question.len()).is_some_and(|asked| asked.eq_ignore_ascii_case(question))
    {
        return Err("the name server answers another question".to_owned());
    }
    let count = u16::from_be_bytes([header[6], header[7]]);
    let truncated = header[2] & 0x02 != 0;
    let mut at = HEADER_BYTES + question.len();
    let mut addresses = Vec::new();
    for _ in 0..count {
        match record(bytes, at, family) {
            Some((address, next)) => {
                addresses.extend(address);
                at = next;
            }
            // Aliases stand before the addresses, all of them under names of the server's choice.
            None if truncated => break,
            None => return Err(CUT.to_owned()),
        }
    }
    Ok(addresses)
}

/// The resource record at this offset: its address if it is of the family, and where the next one is.
fn record(bytes: &[u8], at: usize, family: Family) -> Option<(Option<IpAddr>, usize)> {
    let fields = skip_name(bytes, at)?;
    let fixed = bytes.get(fields..fields.checked_add(10)?)?;
    let (kind, class) = (u16::from_be_bytes([fixed[0], fixed[1]]), u16::from_be_bytes([fixed[2], fixed[3]]));
    let start = fields + 10;
    let end = start.checked_add(usize::from(u16::from_be_bytes([fixed[8], fixed[9]])))?;
    let data = bytes.get(start..end)?;
    let address = if (kind, class) != (type_of(family), CLASS_IN) {
        None
    } else {
        match family {
            Family::Four => Some(IpAddr::from(<[u8; 4]>::try_from(data).map(Ipv4Addr::from).ok()?)),
            Family::Six => Some(IpAddr::from(<[u8; 16]>::try_from(data).map(Ipv6Addr::from).ok()?)),
        }
    };
    Some((address, end))
}

/// The offset behind a name, which ends with an empty label or a pointer.
fn skip_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return at.checked_add(1),
            length @ 1..=63 => at = at.checked_add(1 + usize::from(length))?,
            0xc0.. => return at.checked_add(2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_resolv_conf_are_read() {
        let hosts = "127.0.0.1 localhost # api.example\n10.0.0.5\tapi.example API2\nfd00::5 api.example\nbroken x\n";
        assert_eq!(in_hosts(hosts, "api2"), ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        assert_eq!(in_hosts(hosts, "api.example").len(), 2);
        let resolver =
            resolver("# x\nnameserver 127.0.0.53\nnameserver fe80::1%2\nnameserver fd00::1\nsearch a.b. c\n");
        assert_eq!(resolver.servers, ["127.0.0.53:53", "[fd00::1]:53"].map(|text| text.parse::<SocketAddr>().unwrap()));
        assert_eq!(resolver.candidates("api"), ["api.a.b", "api.c", "api"]);
        assert_eq!(resolver.candidates("api.x"), ["api.x", "api.x.a.b", "api.x.c"]);
    }

    fn reply(query: &[u8], flags: [u8; 2], count: u8, records: &[u8]) -> Vec<u8> {
        let mut bytes = query.to_vec();
        bytes[2..4].copy_from_slice(&flags);
        bytes[7] = count;
        bytes.extend(records);
        bytes
    }

    #[test]
    fn answers_are_read_through_aliases() {
        let query = query(0x1234, "api.example", Family::Four).unwrap();
        assert_eq!(query[..14], [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, b'a']);
        // An alias for `x`, then the address of `x`.
        let alias = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1, b'x', 0];
        let address = [1, b'x', 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 5];
        let records = [&alias[..], &address[..]].concat();
        let whole = reply(&query, [0x81, 0x80], 2, &records);
        assert_eq!(answer(&query, &whole, Family::Four).unwrap(), ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        assert!(answer(&query, &reply(&query, [0x81, 0x83], 0, &[]), Family::Four).unwrap().is_empty());
        assert!(answer(&query, &reply(&query, [0x81, 0x82], 0, &[]), Family::Four).unwrap_err().contains("code 2"));
        for length in 0..whole.len() {
            assert!(answer(&query, &whole[..length], Family::Four).is_err(), "{length} bytes are taken");
        }
        let mut other = whole.clone();
        other[0] = 0;
        assert!(answer(&query, &other, Family::Four).is_err());
        assert!(answer(&query, &query.clone(), Family::Four).is_err(), "a question is no answer");
    }

    #[test]
    fn names_that_do_not_fit_are_no_query() {
        assert!(query(1, &"a".repeat(64), Family::Six).is_none());
        assert!(query(1, "a..b", Family::Six).is_none());
        assert!(query(1, &vec!["a".repeat(60); 9].join("."), Family::Six).is_none());
    }
}
