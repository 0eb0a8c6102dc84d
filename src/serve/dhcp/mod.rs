//! ProxyDHCP: tells machines that boot from the network what to load, beside the server that gives them addresses.

mod answer;
pub mod packet;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};

use super::log::{Entry, Log, Status};
use super::script;
use super::site::Site;
use answer::{BOOT_SERVER_PORT, Loader, SERVER_PORT, choose, destination};
use packet::Reply;

pub(super) const TFTP_PORT: u16 = 69;
/// When this machine has a problem that does not go away at once.
const PAUSE: Duration = Duration::from_millis(50);

/// Where machines are listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A network, by its interface here: what machines without an address send to all.
    Interface(String),
    /// One address, for a relay.
    Address(SocketAddrV4),
}

/// What answers have in common.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    /// This server's address, which has TFTP, too.
    pub(super) server: Ipv4Addr,
    /// `http://HOST:PORT`.
    pub(super) url: String,
    /// Whether TFTP is at the port that machines ask.
    pub(super) has_tftp: bool,
}

/// A socket, and the port by which its messages are judged.
pub(super) type Bound = (UdpSocket, u16);

/// The sockets for messages.
///
/// # Errors
/// Ports below 1024 and sockets of an interface take privileges.
pub(super) fn bind(listen: &Listen) -> anyhow::Result<Vec<Bound>> {
    match listen {
        Listen::Address(address) => {
            let socket = UdpSocket::bind(address).with_context(|| format!("listening for DHCP at {address}"))?;
            Ok(vec![(socket, SERVER_PORT)])
        }
        Listen::Interface(name) => {
            let bind = |port| {
                let bound = bind_interface(name, port);
                bound.with_context(|| format!("listening for DHCP at {name}, port {port} (this takes root)"))
            };
            Ok(vec![(bind(SERVER_PORT)?, SERVER_PORT), (bind(BOOT_SERVER_PORT)?, BOOT_SERVER_PORT)])
        }
    }
}

fn bind_interface(name: &str, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind_device(Some(name.as_bytes()))?;
    // A DHCP server of the same machine has the port as well.
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket.into())
}

/// Answers for ever.
pub(super) fn serve((socket, port): &Bound, proxy: &Proxy, site: &Arc<Site>, log: &Arc<Log>) {
    let mut bytes = [0; 1500];
    loop {
        let Ok((length, SocketAddr::V4(from))) = socket.recv_from(&mut bytes) else {
            thread::sleep(PAUSE);
            continue;
        };
        let Some(message) = packet::parse(&bytes[..length]) else { continue };
        let Some(choice) = choose(&message, *port) else { continue };
        let mac = message.mac.map(|byte| format!("{byte:02x}")).join("-");
        let (boot_file, note) = match boot_file(choice.loader, proxy, site) {
            Ok(found) => found,
            Err(error) => (None, Some(error.to_string())),
        };
        let sent = boot_file.as_ref().map(|boot_file| {
            let reply = Reply { server: proxy.server, class: choice.class, boot_file };
            socket.send_to(&packet::reply(&message, &reply), destination(&message, from))
        });
        let (bytes, status, trouble) = match sent {
            Some(Ok(bytes)) => (bytes, "answered", None),
            Some(Err(error)) => (0, "failed", Some(error.to_string())),
            None => (0, "silent", note),
        };
        let told = boot_file.unwrap_or_default();
        let note = trouble.unwrap_or_else(|| format!("{mac}, {}", choice.name));
        log.write(&Entry {
            peer: SocketAddr::V4(from),
            method: "DHCP",
            path: if told.is_empty() { mac } else { told },
            status: Status::Word(status),
            bytes: bytes as u64,
            seconds: 0.0,
            note: Some(note),
        });
    }
}

/// What a machine is told, or why it is told nothing.
fn boot_file(loader: Loader, proxy: &Proxy, site: &Site) -> io::Result<(Option<String>, Option<String>)> {
    let url = |name: &str| format!("{}/{name}", proxy.url);
    let found = match loader {
        Loader::Script => Ok(url(script::NAME)),
        // DHCP has no word for another port.
        Loader::Tftp(name) if !proxy.has_tftp => {
            Err(format!("{name} is loaded by TFTP at port {TFTP_PORT}: give --tftp"))
        }
        Loader::Tftp(name) => match site.plain_file(name)? {
            Some(_) => Ok(name.to_owned()),
            None => {
                Err(format!("there is no {name}: --ipxe-dir names the directory that has it (Debian: package ipxe)"))
            }
        },
        Loader::Image(machine) => match site.efi_program(machine)? {
            Some(name) => Ok(url(&name)),
            None => Err("there is no .netboot.efi for this kind of machine, or more than one image".to_owned()),
        },
    };
    // An option has 255 bytes.
    let found = found.and_then(|text| if text.len() <= 255 { Ok(text) } else { Err(format!("{text} is too long")) });
    Ok(match found {
        Ok(text) => (Some(text), None),
        Err(why) => (None, Some(why)),
    })
}
