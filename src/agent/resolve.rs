//! Asks for the addresses of a name: the system's files, then its name servers, each with a time limit.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::dns::{self, Family};
use super::random;

/// For one name server.
const QUERY_LIMIT: Duration = Duration::from_secs(3);

/// The addresses of a name by `/etc/hosts` and `/etc/resolv.conf`.
///
/// # Errors
/// Why there are none, in one line.
pub fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    let found = dns::in_hosts(&fs::read_to_string("/etc/hosts").unwrap_or_default(), name);
    if !found.is_empty() {
        return Ok(found);
    }
    let resolver = dns::resolver(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    if resolver.servers.is_empty() {
        return Err(format!("no name server is known that could be asked for {name}"));
    }
    ask_all(&resolver, name)
}

/// The addresses of a name by these servers alone.
///
/// # Errors
/// Why there are none, in one line.
pub fn ask_all(resolver: &dns::Resolver, name: &str) -> Result<Vec<IpAddr>, String> {
    let mut problem = None;
    for candidate in resolver.candidates(name) {
        for family in [Family::Four, Family::Six] {
            // The next server is asked only if this one fails: all of them serve the same names.
            for server in &resolver.servers {
                match ask(server, &candidate, family) {
                    Ok(addresses) if addresses.is_empty() => {}
                    Ok(addresses) => return Ok(addresses),
                    Err(why) => {
                        problem = Some(format!("asking {} for {candidate}: {why}", server.ip()));
                        continue;
                    }
                }
                break;
            }
        }
    }
    Err(problem.unwrap_or_else(|| format!("the name {name} has no address")))
}

fn ask(server: &SocketAddr, name: &str, family: Family) -> Result<Vec<IpAddr>, String> {
    let mut id = [0; 2];
    random::fill(&mut id).map_err(|error| format!("{error:#}"))?;
    let query = dns::query(u16::from_be_bytes(id), name, family).ok_or("the name is too long")?;
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let exchange = || -> std::io::Result<Vec<u8>> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_read_timeout(Some(QUERY_LIMIT))?;
        // Connected: only this server's datagrams arrive.
        socket.connect(server)?;
        socket.send(&query)?;
        let mut answer = vec![0; dns::MAX_ANSWER_BYTES];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    };
    match exchange() {
        Ok(bytes) => dns::answer(&query, &bytes, family),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err("no answer".to_owned()),
        Err(error) => Err(words(&error)),
    }
}

/// The system's words without its number, which would tell people nothing.
pub fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_name_is_asked_for_at_the_next_server_if_one_fails() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let good = server.local_addr().unwrap();
        let unused = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let dead = unused.local_addr().unwrap();
        drop(unused);
        let answering = thread::spawn(move || {
            let mut query = [0; 512];
            let (length, client) = server.recv_from(&mut query).unwrap();
            let mut answer = query[..length].to_vec();
            answer[2] |= 0x80;
            answer[7] = 1;
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 5]);
            server.send_to(&answer, client).unwrap();
        });
        let resolver = dns::Resolver { servers: vec![dead, good], search: Vec::new() };
        assert_eq!(ask_all(&resolver, "api.example").unwrap(), [IpAddr::from([10, 0, 0, 5])]);
        answering.join().unwrap();
    }
}
