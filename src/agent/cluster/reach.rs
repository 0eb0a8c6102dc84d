//! The network as the join needs it: does the API server take connections, and is the kubelet healthy? Each question
//! has its time limit, and an answer in words.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::endpoint::Endpoint;
use crate::agent::resolve::{self, words};

/// For one address.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const HEALTH_LIMIT: Duration = Duration::from_secs(5);

/// Connects to one of the endpoint's addresses.
///
/// # Errors
/// Why none of them answers, in one line.
pub fn connect(endpoint: &Endpoint) -> Result<(), String> {
    let addresses = match endpoint.host.parse() {
        Ok(address) => vec![address],
        Err(_) => resolve::resolve(&endpoint.host)?,
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
}
