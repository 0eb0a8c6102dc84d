//! One request and its answer: a connection of its own, with limits for connecting and for each silence.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::head::{self, Head};
use super::url::Url;
use crate::agent::resolve::words;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Longest silence in the middle of an answer.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);
/// For a head as a whole: a byte now and then is no silence, and no answer.
const HEAD_LIMIT: Duration = Duration::from_secs(60);
const INTERIM_MAX: usize = 4;
const BUFFER_BYTES: usize = 64 << 10;
/// Longest line that begins a chunk.
const CHUNK_LINE_BYTES: u64 = 256;

/// An answer whose head was read; reading gives its body.
#[derive(Debug)]
pub struct Answer {
    pub head: Head,
    stream: BufReader<Timed>,
    framing: Framing,
}

/// A connection that may have to be done by a certain time.
#[derive(Debug)]
struct Timed {
    stream: TcpStream,
    until: Option<Instant>,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.until {
            Some(until) if Instant::now() >= until => Err(ErrorKind::TimedOut.into()),
            _ => self.stream.read(buffer),
        }
    }
}

/// Where the body ends.
#[derive(Debug)]
enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// So many bytes of this chunk.
    Chunk(u64),
    /// Before the first chunk.
    FirstChunk,
    Ended,
    /// When the server closes the connection.
    Close,
}

/// Asks for the file, or for what it has from this byte on.
///
/// # Errors
/// Why there is no answer, in one line.
pub fn get(address: SocketAddr, url: &Url, from: Option<u64>) -> Result<Answer, String> {
    let opening = || -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
        stream.set_read_timeout(Some(SILENCE_LIMIT))?;
        stream.set_write_timeout(Some(SILENCE_LIMIT))?;
        stream.write_all(request(url, from).as_bytes())?;
        Ok(stream)
    };
    let stream = Timed { stream: opening().map_err(|error| told(&error))?, until: Some(Instant::now() + HEAD_LIMIT) };
    let mut stream = BufReader::with_capacity(BUFFER_BYTES, stream);
    let head = read_head(&mut stream)?;
    stream.get_mut().until = None;
    let framing = match (head.chunked, head.length) {
        (true, _) => Framing::FirstChunk,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::Close,
    };
    Ok(Answer { head, stream, framing })
}

fn request(url: &Url, from: Option<u64>) -> String {
    let range = from.map(|from| format!("Range: bytes={from}-\r\n")).unwrap_or_default();
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: nodeinit\r\nAccept-Encoding: identity\r\n{range}\
         Connection: close\r\n\r\n",
        url.path,
        url.authority()
    )
}

/// Interim answers (100 to 199) are passed over.
fn read_head(stream: &mut BufReader<Timed>) -> Result<Head, String> {
    for _ in 0..=INTERIM_MAX {
        let mut bytes = Vec::new();
        let head = loop {
            let before = bytes.len();
            // A line that is too long is complained about by who reads it.
            let most = (head::MAX_BYTES + 1).saturating_sub(before) as u64;
            stream.by_ref().take(most).read_until(b'\n', &mut bytes).map_err(|error| told(&error))?;
            if bytes.len() == before {
                return Err("the server closed the connection without an answer".to_owned());
            }
            if let Some((head, _)) = head::parse(&bytes)? {
                break head;
            }
        };
        if head.status >= 200 {
            return Ok(head);
        }
    }
    Err("the server does not come to its answer".to_owned())
}

/// A failure of the connection in one line.
pub fn told(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer".to_owned(),
        _ => words(error),
    }
}

impl Answer {
    /// All of the body has to come within this time.
    pub fn limit(&mut self, limit: Duration) {
        self.stream.get_mut().until = Some(Instant::now() + limit);
    }

    fn next_chunk(&mut self, is_first: bool) -> io::Result<u64> {
        let mut line = Vec::new();
        if !is_first {
            self.line(&mut line)?;
            if !matches!(line.as_slice(), b"\r\n" | b"\n") {
                return Err(io::Error::new(ErrorKind::InvalidData, "a chunk of the answer does not end"));
            }
            line.clear();
        }
        self.line(&mut line)?;
        head::chunk_length(&line)
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "a chunk of the answer has no length"))
    }

    fn line(&mut self, line: &mut Vec<u8>) -> io::Result<usize> {
        (&mut self.stream).take(CHUNK_LINE_BYTES).read_until(b'\n', line)
    }
}

impl Read for Answer {
    /// The trailer behind the last chunk is not read: the connection ends with it.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Framing::FirstChunk | Framing::Chunk(0) = self.framing {
            let is_first = matches!(self.framing, Framing::FirstChunk);
            self.framing = match self.next_chunk(is_first)? {
                0 => Framing::Ended,
                length => Framing::Chunk(length),
            };
        }
        let left = match self.framing {
            Framing::Ended | Framing::Length(0) => return Ok(0),
            Framing::Length(left) | Framing::Chunk(left) => usize::try_from(left).unwrap_or(usize::MAX),
            Framing::Close | Framing::FirstChunk => usize::MAX,
        };
        let most = left.min(buffer.len());
        let read = self.stream.read(&mut buffer[..most])?;
        if let Framing::Length(left) | Framing::Chunk(left) = &mut self.framing {
            if read == 0 && most > 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection ended in the middle"));
            }
            *left -= read as u64;
        }
        Ok(read)
    }
}
