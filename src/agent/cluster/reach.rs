//! The network as the join needs it: does the API server take connections, and is the kubelet healthy? Each question
//! has its time limit, and an answer in words.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::dns::{self, Family};
use super::endpoint::Endpoint;
use crate::agent::random;

/// For one address, and for one name server.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const QUERY_LIMIT: Duration = Duration::from_secs(3);
const HEALTH_LIMIT: Duration = Duration::from_secs(5);

/// Connects to one of the endpoint's addresses.
///
/// # Errors
/// Why none of them answers, in one line.
pub fn connect(endpoint: &Endpoint) -> Result<(), String> {
    let addresses = match endpoint.host.parse() {
        Ok(address) => vec![address],
        Err(_) => resolve(&endpoint.host)?,
    };
    let mut last = "it has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&SocketAddr::new(address, endpoint.port), CONNECT_LIMIT) {
            Ok(_) => return Ok(()),
            Err(error) => last = format!("{address}: {}", words(&error)),
        }
    }
    Err(last)
}

/// The system's words without its number, which would tell people nothing.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
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

fn ask_all(resolver: &dns::Resolver, name: &str) -> Result<Vec<IpAddr>, String> {
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

/// The kubelet's own address for questions about its health.
const KUBELET_HEALTH: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 10248);

/// Asks the kubelet of this node.
///
/// # Errors
/// Why it is not healthy, in one line.
pub fn kubelet_health() -> Result<(), String> {
    healthz(KUBELET_HEALTH.into())
}

/// `GET /healthz`, which is healthy if the answer is 200.
fn healthz(address: SocketAddr) -> Result<(), String> {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, HEALTH_LIMIT)?;
        stream.set_read_timeout(Some(HEALTH_LIMIT))?;
        stream.set_write_timeout(Some(HEALTH_LIMIT))?;
        // In one piece: the answer may come, and the connection go, before a second one.
        stream
            .write_all(format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = exchange().map_err(|error| words(&error))?;
    let status = answer.lines().next().unwrap_or_default();
    if status.starts_with("HTTP/1.") && status.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Err(format!("it answers `{status}` {}", body.lines().next().unwrap_or_default()).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn served(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /healthz HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let outcome = healthz(address);
        server.join().unwrap();
        outcome
    }

    #[test]
    fn only_a_200_is_healthy() {
        assert_eq!(served("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), Ok(()));
        let error = served("HTTP/1.1 500 Internal Server Error\r\n\r\n[-]syncloop failed\n").unwrap_err();
        assert_eq!(error, "it answers `HTTP/1.1 500 Internal Server Error` [-]syncloop failed");
        assert!(served("200\r\n").is_err());
    }

    #[test]
    fn an_endpoint_that_listens_is_reached_and_one_that_does_not_is_not() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
        assert_eq!(connect(&endpoint), Ok(()));
        drop(listener);
        assert_eq!(connect(&endpoint).unwrap_err(), "127.0.0.1: connection refused");
    }

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
