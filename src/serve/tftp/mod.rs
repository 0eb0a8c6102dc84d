//! TFTP, read only: for boot loaders in firmware that knows nothing better. A thread for each transfer, so many and no more.

pub mod packet;
mod transfer;

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::log::{Entry, Log, Status};
use super::site::Site;
use packet::Packet;

/// Transfers at once, of all and of one address.
const TRANSFERS: usize = 64;
const TRANSFERS_OF_ONE: usize = 16;
const STACK: usize = 256 << 10;
/// When this machine has no descriptors or threads left.
const PAUSE: Duration = Duration::from_millis(50);

/// Who is being served: a request that comes twice is answered once.
type Peers = Arc<Mutex<HashSet<SocketAddr>>>;

/// Leaves the peers when its transfer ends.
struct Seat {
    peers: Peers,
    peer: SocketAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.peer);
    }
}

/// Takes requests for ever.
pub(super) fn serve(socket: &UdpSocket, address: IpAddr, site: &Arc<Site>, log: &Arc<Log>) {
    let peers = Peers::default();
    let mut bytes = [0; 2048];
    loop {
        // An error is one of an earlier answer, or of this machine.
        let Ok((length, peer)) = socket.recv_from(&mut bytes) else {
            thread::sleep(PAUSE);
            continue;
        };
        let refuse = |code, message: &str| drop(socket.send_to(&packet::error(code, message), peer));
        let (name, options) = match packet::parse(&bytes[..length]) {
            Some(Packet::Read { name, is_octet: true, options }) => (name, options),
            Some(Packet::Read { .. }) => {
                refuse(packet::ILLEGAL, "files are sent as they are: ask for mode octet");
                continue;
            }
            Some(Packet::Other) => {
                refuse(packet::ILLEGAL, "files are only read here");
                continue;
            }
            _ => continue,
        };
        {
            let mut peers = peers.lock().unwrap_or_else(PoisonError::into_inner);
            let of_one = peers.iter().filter(|it| it.ip() == peer.ip()).count();
            if peers.contains(&peer) {
                continue;
            }
            if peers.len() >= TRANSFERS || of_one >= TRANSFERS_OF_ONE {
                refuse(packet::UNDEFINED, "too many transfers; try again");
                continue;
            }
            peers.insert(peer);
        }
        let seat = Seat { peers: peers.clone(), peer };
        let (site, log) = (site.clone(), log.clone());
        let run = move || {
            let seat = seat;
            let start = Instant::now();
            let (bytes, result) = match transfer(address, seat.peer, &site, &name, &options) {
                Ok(outcome) => (outcome.bytes, outcome.result),
                Err(error) => (0, Err(error.to_string())),
            };
            let status = Status::Word(if result.is_ok() { "done" } else { "failed" });
            let seconds = start.elapsed().as_secs_f64();
            log.write(&Entry { peer, method: "TFTP", path: name, status, bytes, seconds, note: result.err() });
        };
        if thread::Builder::new().stack_size(STACK).spawn(run).is_err() {
            thread::sleep(PAUSE);
        }
    }
}

/// From a port of its own, which is the transfer's name (RFC 1350, 4).
fn transfer(
    address: IpAddr,
    peer: SocketAddr,
    site: &Site,
    name: &str,
    options: &[(String, String)],
) -> io::Result<transfer::Outcome> {
    let socket = UdpSocket::bind((address, 0))?;
    socket.connect(peer)?;
    let refuse = |code, message: &str| socket.send(&packet::error(code, message)).map(drop);
    match site.plain_file(name) {
        Ok(Some(found)) => Ok(transfer::send(&socket, &found, &packet::negotiate(options, found.bytes))),
        Ok(None) => {
            refuse(packet::NOT_FOUND, "there is no such file")?;
            Err(io::Error::other("there is no such file"))
        }
        Err(error) => {
            refuse(packet::UNDEFINED, "the server has a problem")?;
            Err(error)
        }
    }
}
