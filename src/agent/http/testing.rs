//! Web servers for tests: a thread each, for as long as the test runs.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use super::url::Url;

/// A server that gives `answer` what it is asked for, and sends what that says.
pub fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Url {
    serve_requests(move |request, stream| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        // Whoever has read enough goes away.
        let _ = stream.write_all(&answer(path));
    })
}

/// A server that gives `answer` the head of each request and its connection.
pub fn serve_requests(mut answer: impl FnMut(&str, &mut TcpStream) + Send + 'static) -> Url {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            answer(&String::from_utf8_lossy(&head), &mut stream);
        }
    });
    Url::parse(&format!("http://127.0.0.1:{port}/file")).unwrap()
}

/// Where the range begins that a request asks for.
pub fn range(request: &str) -> Option<usize> {
    let rest = request.split("Range: bytes=").nth(1)?;
    rest.split('-').next()?.parse().ok()
}
