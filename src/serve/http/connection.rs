//! A connection: requests one after the other, each within its time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::answer::{Answer, Body};
use super::request::{self, Method, Refusal, Request};
use crate::date::show_http_date;
use crate::serve::log::{Entry, Log, Status};
use crate::serve::site::Site;

/// How long a head may take from its first byte, the first one from the connection.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long the next request may be awaited.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// How long a reader may take nothing.
const STALL_LIMIT: Duration = Duration::from_secs(30);
/// How long a client may go on talking that gets no further answer, and how much of that is taken.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;
/// Requests on one connection.
const REQUESTS: usize = 10_000;
/// Bytes that the kernel copies at once.
const CHUNK: u64 = 256 << 10;

/// Answers all requests of a connection.
pub(super) fn serve(mut stream: &TcpStream, peer: SocketAddr, site: &Site, log: &Log, clock: fn() -> DateTime<Utc>) {
    // Both only make it quicker or are checked where they count.
    let _ = stream.set_nodelay(true);
    let _ = stream.set_write_timeout(Some(STALL_LIMIT));
    let mut pending = Vec::new();
    for number in 0..REQUESTS {
        let first_byte = if number == 0 { HEAD_LIMIT } else { IDLE_LIMIT };
        let (answer, request) = match next(stream, &mut pending, first_byte) {
            Ok(Some(request)) => (site.answer(&request), Some(request)),
            Ok(None) => return,
            Err(refusal) => (Answer::refused(refusal), None),
        };
        let start = Instant::now();
        let keep_alive = request.as_ref().is_some_and(|request| request.keep_alive) && number + 1 < REQUESTS;
        let head = answer.head(show_http_date(clock().timestamp()), keep_alive);
        let wants_body = request.as_ref().is_none_or(|request| request.method == Method::Get);
        let (bytes, sent) = match stream.write_all(head.as_bytes()) {
            Ok(()) if wants_body => send(stream, &answer.body),
            sent => (0, sent),
        };
        log.write(&Entry {
            peer,
            method: match request.as_ref().map(|request| request.method) {
                Some(Method::Get) => "GET",
                Some(Method::Head) => "HEAD",
                None => "-",
            },
            path: request.map_or("-".to_owned(), |request| request.target),
            status: Status::Http(answer.status),
            bytes,
            seconds: start.elapsed().as_secs_f64(),
            note: match &sent {
                Ok(()) => answer.note,
                Err(error) => Some(trouble(error)),
            },
        });
        if sent.is_err() || !keep_alive {
            break;
        }
    }
    finish(stream);
}

fn trouble(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "the client took nothing any more".to_owned(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => "the client went away".to_owned(),
        _ => error.to_string(),
    }
}

/// The next request, `None` when the client has gone or is silent. What follows it stays in `pending`.
fn next(mut stream: &TcpStream, pending: &mut Vec<u8>, first_byte: Duration) -> Result<Option<Request>, Refusal> {
    let mut until = Instant::now() + if pending.is_empty() { first_byte } else { HEAD_LIMIT };
    loop {
        if !pending.is_empty()
            && let Some((request, length)) = request::parse(pending)?
        {
            pending.drain(..length);
            return Ok(Some(request));
        }
        let left = until.saturating_duration_since(Instant::now());
        let late = if pending.is_empty() { Ok(None) } else { Err(Refusal::new(408, "the request took too long")) };
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return late;
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(None),
            Ok(count) => {
                if pending.is_empty() {
                    until = Instant::now() + HEAD_LIMIT;
                }
                pending.extend_from_slice(&chunk[..count]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => return late,
            Err(_) => return Ok(None),
        }
    }
}

/// Sends a body; the bytes that went, and why no more did.
fn send(mut stream: &TcpStream, body: &Body) -> (u64, io::Result<()>) {
    match body {
        Body::Text(text) => match stream.write_all(text) {
            Ok(()) => (text.len() as u64, Ok(())),
            sent => (0, sent),
        },
        Body::File { found, start, end } => {
            let mut at = *start;
            while at < *end {
                let count = usize::try_from((end - at).min(CHUNK)).unwrap_or_default();
                match rustix::fs::sendfile(stream, &found.file, Some(&mut at), count) {
                    // Its length is promised already: the client must see that this is not all.
                    Ok(0) => return (at - start, Err(io::Error::other("the file shrank while it was sent"))),
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return (at - start, Err(error.into())),
                }
            }
            (end - start, Ok(()))
        }
    }
}

/// Closes so that the last answer arrives: what the client still says would make the kernel throw it away.
fn finish(mut stream: &TcpStream) {
    let until = Instant::now() + LINGER;
    let mut taken = 0;
    // A connection that cannot be shut down is gone.
    let _ = stream.shutdown(Shutdown::Write);
    while taken < LINGER_BYTES {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match stream.read(&mut [0; 4096]) {
            Ok(0) | Err(_) => return,
            Ok(count) => taken += count,
        }
    }
}
