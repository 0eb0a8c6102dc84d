//! HTTP/1.1 for files: a thread for each connection, so many and no more.

pub(super) mod answer;
mod connection;
pub mod range;
pub mod request;
pub mod target;

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::log::{Entry, Log, Status};
use super::site::Site;
use answer::Answer;
use request::Refusal;

/// Connections at once, of all and of one address. Each has a file open, too: below 1024 descriptors in all.
const CONNECTIONS: usize = 256;
const CONNECTIONS_OF_ONE: usize = 128;
/// Refused connections that may still read why, and for how long.
const LEAVING: usize = 64;
const LEAVING_LIMIT: Duration = Duration::from_millis(500);
/// What a thread needs is a few buffers of some KiB.
const STACK: usize = 256 << 10;
/// When this machine has no descriptors or threads left.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes connections for ever.
pub(super) fn serve(listener: &TcpListener, site: &Arc<Site>, log: &Arc<Log>, clock: fn() -> DateTime<Utc>) {
    let seats = Arc::new(Seats::default());
    let mut leaving = VecDeque::new();
    loop {
        let Ok((stream, peer)) = listener.accept() else {
            thread::sleep(PAUSE);
            continue;
        };
        let Some(seat) = Seats::take(&seats, peer.ip()) else {
            let refusal = Refusal::new(503, "too many connections; come back in two seconds");
            refuse(stream, &Answer::refused(refusal), &mut leaving);
            let (path, status) = ("-".to_owned(), Status::Http(503));
            log.write(&Entry { peer, method: "-", path, status, bytes: 0, seconds: 0.0, note: None });
            continue;
        };
        let (site, log) = (site.clone(), log.clone());
        let run = move || {
            let _seat = seat;
            connection::serve(&stream, peer, &site, &log, clock);
        };
        if thread::Builder::new().stack_size(STACK).spawn(run).is_err() {
            thread::sleep(PAUSE);
        }
    }
}

/// Says why at once, and lets go a little later: who is just asking would otherwise see a reset instead.
fn refuse(mut stream: TcpStream, answer: &Answer, leaving: &mut VecDeque<(Instant, TcpStream)>) {
    let answer::Body::Text(body) = &answer.body else { return };
    let bytes = [answer.head(None, false).as_bytes(), body].concat();
    // An empty buffer takes all of it; a client that is gone needs none.
    if stream.set_nonblocking(true).is_ok() && stream.write_all(&bytes).is_ok() {
        let _ = stream.shutdown(Shutdown::Write);
        leaving.push_back((Instant::now(), stream));
    }
    while leaving.len() > LEAVING || leaving.front().is_some_and(|(since, _)| since.elapsed() > LEAVING_LIMIT) {
        if let Some((_, mut stream)) = leaving.pop_front() {
            let _ = stream.read(&mut [0; 4096]);
        }
    }
}

/// How many connections there are, by address.
#[derive(Debug, Default)]
struct Seats(Mutex<HashMap<IpAddr, usize>>);

#[derive(Debug)]
struct Seat {
    seats: Arc<Seats>,
    of: IpAddr,
}

impl Seats {
    /// `None` when all are taken.
    fn take(seats: &Arc<Seats>, of: IpAddr) -> Option<Seat> {
        let mut taken = seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        if all >= CONNECTIONS || taken.get(&of).is_some_and(|count| *count >= CONNECTIONS_OF_ONE) {
            return None;
        }
        *taken.entry(of).or_default() += 1;
        Some(Seat { seats: seats.clone(), of })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_for_all_and_for_each_and_come_back() {
        let seats = Arc::new(Seats::default());
        let take = |last: u8| Seats::take(&seats, IpAddr::from([192, 0, 2, last]));
        let of_one: Vec<Seat> = std::iter::from_fn(|| take(1)).collect();
        assert_eq!(of_one.len(), CONNECTIONS_OF_ONE);
        let of_others: Vec<Seat> = (2..=255).cycle().map_while(take).collect();
        assert_eq!(of_one.len() + of_others.len(), CONNECTIONS);
        drop(of_one);
        assert!(take(1).is_some());
        drop(of_others);
        assert!(seats.0.lock().unwrap().is_empty());
    }
}
