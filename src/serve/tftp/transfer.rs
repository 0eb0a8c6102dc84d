//! One file to one client: windows of blocks, each sent again until it is acknowledged.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::packet::{self, Packet, Terms};
use crate::serve::directory::Found;

/// The first wait for an acknowledgement; each further one is twice as long, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(8);
/// How often a packet is sent without an answer.
const TRIES: u32 = 6;
/// A transfer ends after this long, however it goes.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// How far a transfer came, in bytes, and why no further.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) bytes: u64,
    pub(super) result: Result<(), String>,
}

/// Sends the file over a socket that is connected to its reader.
pub(super) fn send(socket: &UdpSocket, found: &Found, terms: &Terms) -> Outcome {
    let mut transfer = Transfer { socket, found, terms, acknowledged: 0, start: Instant::now() };
    let result = transfer.run();
    let size = u64::from(terms.block_size);
    Outcome { bytes: transfer.acknowledged.saturating_mul(size).min(found.bytes), result }
}

struct Transfer<'a> {
    socket: &'a UdpSocket,
    found: &'a Found,
    terms: &'a Terms,
    /// The blocks up to this one have arrived; they count from 1.
    acknowledged: u64,
    start: Instant,
}

/// What came while an acknowledgement was awaited.
enum Heard {
    /// Blocks that have arrived beyond those before.
    Blocks(u64),
    /// The client has nothing new of this window.
    Again,
    Nothing,
}

impl Transfer<'_> {
    fn run(&mut self) -> Result<(), String> {
        if !self.terms.told.is_empty() {
            let packet = packet::options(&self.terms.told);
            self.exchange(0, |transfer| transfer.put(&packet))?;
        }
        // A file of whole blocks ends with an empty one.
        let blocks = self.found.bytes / u64::from(self.terms.block_size) + 1;
        while self.acknowledged < blocks {
            let count = u64::from(self.terms.window).min(blocks - self.acknowledged);
            self.acknowledged += self.exchange(count, |transfer| transfer.window(count))?;
        }
        Ok(())
    }

    /// Puts packets until an answer to them comes; the number of the blocks that it acknowledges. With `count` 0 it is the
    /// acknowledgement of the options.
    fn exchange(&self, count: u64, put: impl Fn(&Self) -> Result<(), String>) -> Result<u64, String> {
        let mut wait = self.terms.timeout.map_or(FIRST_WAIT, |seconds| Duration::from_secs(seconds.into()));
        for _ in 0..TRIES {
            put(self)?;
            match self.hear(count, wait)? {
                Heard::Blocks(blocks) => return Ok(blocks),
                Heard::Again => {}
                Heard::Nothing if self.terms.timeout.is_none() => wait = LAST_WAIT.min(2 * wait),
                Heard::Nothing => {}
            }
            if self.start.elapsed() > LIMIT {
                return Err("it took too long".to_owned());
            }
        }
        Err("the client does not answer any more".to_owned())
    }

    fn hear(&self, count: u64, wait: Duration) -> Result<Heard, String> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Heard::Nothing);
            }
            self.socket.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
            let mut bytes = [0; packet::REQUEST_MAX];
            let length = match self.socket.recv(&mut bytes) {
                Ok(length) => length,
                Err(error) if is_late(&error) => return Ok(Heard::Nothing),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    return Err("the client went away".to_owned());
                }
                Err(error) => return Err(error.to_string()),
            };
            match packet::parse(&bytes[..length]) {
                Some(Packet::Ack(block)) => {
                    let beyond = u64::from(block.wrapping_sub(number(self.acknowledged)));
                    if beyond <= count && (beyond > 0 || count == 0) {
                        return Ok(Heard::Blocks(beyond));
                    }
                    // Of one block a second acknowledgement is an echo, and an answer to it would have one, too (RFC 1123,
                    // 4.2.3.1); of a window it says that its first block is lost (RFC 7440, 4).
                    if beyond == 0 && count > 1 {
                        return Ok(Heard::Again);
                    }
                }
                Some(Packet::Error(message)) => return Err(format!("the client ended it: {message}")),
                _ => {}
            }
        }
    }

    fn window(&self, count: u64) -> Result<(), String> {
        let size = u64::from(self.terms.block_size);
        let mut content = vec![0; usize::from(self.terms.block_size)];
        for block in self.acknowledged..self.acknowledged + count {
            let at = block * size;
            let length = usize::try_from(self.found.bytes.saturating_sub(at).min(size)).unwrap_or_default();
            let read = self.found.file.read_exact_at(&mut content[..length], at);
            if let Err(error) = read {
                self.put(&packet::error(packet::UNDEFINED, "the file cannot be read any more"))?;
                let why =
                    if error.kind() == ErrorKind::UnexpectedEof { "it shrank".to_owned() } else { error.to_string() };
                return Err(format!("the file cannot be read any more: {why}"));
            }
            self.put(&packet::data(number(block + 1), &content[..length]))?;
        }
        Ok(())
    }

    fn put(&self, packet: &[u8]) -> Result<(), String> {
        match self.socket.send(packet) {
            Ok(_) => Ok(()),
            // Full buffers are like a lost packet.
            Err(error) if is_late(&error) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Err("the client went away".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Numbers of blocks begin again at 0 after 65535.
fn number(block: u64) -> u16 {
    u16::try_from(block & 0xffff).unwrap_or_default()
}

fn is_late(error: &io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted].contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;
    use crate::serve::directory::Directory;

    /// Sends `bytes`; the client answers each packet as `answer` says, and gets what it has then.
    fn transfer(
        bytes: &[u8],
        options: &[(&str, &str)],
        mut answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> (Outcome, usize) {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("x"), bytes).unwrap();
        let found = Directory::open(place.path()).unwrap().file(&["x"]).unwrap().unwrap();
        let options: Vec<_> = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let [here, there] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        here.connect(there.local_addr().unwrap()).unwrap();
        there.connect(here.local_addr().unwrap()).unwrap();
        there.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let client = thread::spawn(move || {
            let (mut packet, mut count) = ([0; 65536], 0);
            while let Ok(length) = there.recv(&mut packet) {
                if length == 0 {
                    break;
                }
                count += 1;
                for answer in answer(&packet[..length]) {
                    let _ = there.send(&answer);
                }
            }
            count
        });
        let outcome = send(&here, &found, &packet::negotiate(&options, bytes.len() as u64));
        here.send(&[]).unwrap();
        (outcome, client.join().unwrap())
    }

    fn ack(block: u16) -> Vec<u8> {
        [[0, 4], block.to_be_bytes()].concat()
    }

    /// Of a packet of data.
    fn block(packet: &[u8]) -> u16 {
        u16::from_be_bytes([packet[2], packet[3]])
    }

    #[test]
    fn blocks_go_one_by_one_and_a_lost_one_goes_again() {
        let mut lost = false;
        let (outcome, packets) = transfer(&[7; 1100], &[], move |packet| {
            if block(packet) == 2 && !std::mem::replace(&mut lost, true) {
                return vec![];
            }
            vec![ack(block(packet))]
        });
        assert_eq!((outcome.bytes, outcome.result, packets), (1100, Ok(()), 4));
    }

    #[test]
    fn numbers_of_blocks_begin_again() {
        let (outcome, packets) = transfer(&vec![1; 8 * 70_000], &[("blksize", "8"), ("windowsize", "64")], |packet| {
            if packet[1] == 6 {
                return vec![ack(0)];
            }
            // The last block of the window, or of the file.
            let last = block(packet).is_multiple_of(64) || packet.len() < 12;
            if last { vec![ack(block(packet))] } else { vec![] }
        });
        assert_eq!(outcome.result, Ok(()));
        assert_eq!((outcome.bytes, packets), (560_000, 1 + 70_001));
    }

    #[test]
    fn an_echo_is_not_answered_and_a_lost_window_is_sent_again() {
        // Each acknowledgement twice: still one packet of data a block (Sorcerer's Apprentice).
        let (outcome, packets) = transfer(&[7; 2000], &[], |packet| vec![ack(block(packet)); 2]);
        assert_eq!((outcome.result, packets), (Ok(()), 4));
        // A client that lost the first block of its window says what it has, once.
        let mut seen = 0;
        let (outcome, packets) = transfer(&[7; 1024], &[("windowsize", "2"), ("blksize", "512")], move |packet| {
            seen += 1;
            match seen {
                2 => vec![],
                1 | 3 => vec![ack(0)],
                _ if block(packet) > 1 => vec![ack(block(packet))],
                _ => vec![],
            }
        });
        assert_eq!((outcome.result, packets), (Ok(()), 1 + 2 + 2 + 1));
    }

    #[test]
    fn a_client_that_ends_it_is_not_asked_again() {
        let (outcome, packets) = transfer(&[7; 2000], &[("tsize", "0")], |_| vec![packet::error(8, "no room")]);
        assert_eq!((outcome.result, packets), (Err("the client ended it: no room".to_owned()), 1));
    }
}
