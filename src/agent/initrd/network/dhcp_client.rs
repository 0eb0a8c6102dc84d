//! Gets a lease: discover, offer, request, acknowledge, each sent again until it is answered or the time is over.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::dhcp::{self, Client, Kind, Lease, Want};
use crate::agent::http::url::Url;
use crate::agent::random;

/// Before a message is sent again; doubled each time (RFC 2131, 4.1, but faster: the link has just come up).
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How long the answer of another server is waited for that names the boot file.
const PROXY_WAIT: Duration = Duration::from_secs(4);

/// A lease for the interface to which broadcasts go.
///
/// # Errors
/// None came within `limit`, or none that names the boot file that is wanted.
pub fn lease(mac: [u8; 6], want: Want, limit: Duration) -> Result<Lease> {
    let mut transaction = [0; 4];
    random::fill(&mut transaction)?;
    let client = Client { mac, transaction };
    let exchange = Exchange { client, want, socket: socket()?, started: Instant::now(), limit };
    let (offer, boot_file) = exchange.offer()?;
    let offer = offer.context("no DHCP server answers")?;
    ensure!(
        want == Want::Address || boot_file.is_some(),
        "no DHCP server names a boot file by its address (`http://…`)"
    );
    let mut lease = exchange.acknowledged(&offer)?.context("the DHCP server does not keep to its offer")?;
    lease.boot_file = lease.boot_file.or(boot_file);
    Ok(lease)
}

/// Gives it back. Nobody answers that.
pub fn release(mac: [u8; 6], lease: &Lease) -> Result<()> {
    let Some(server) = lease.server else { return Ok(()) };
    let mut transaction = [0; 4];
    random::fill(&mut transaction)?;
    let message = Client { mac, transaction }.message(Kind::Release, Want::Address, 0, lease);
    let sent = socket()?.send_to(&message, (server, dhcp::SERVER_PORT));
    sent.map(drop).with_context(|| format!("giving {} back", lease.address))
}

fn socket() -> Result<UdpSocket> {
    let open = || -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, dhcp::CLIENT_PORT))?;
        socket.set_broadcast(true)?;
        Ok(socket)
    };
    open().context("opening a socket for DHCP")
}

struct Exchange {
    client: Client,
    want: Want,
    socket: UdpSocket,
    started: Instant,
    limit: Duration,
}

impl Exchange {
    /// The first offer of an address, and the first boot file that any server names.
    fn offer(&self) -> Result<(Option<Lease>, Option<Url>)> {
        let mut boot_file = None;
        let mut first: Option<(Lease, Instant)> = None;
        let offer = self.converse(Kind::Discover, &Lease::default(), |answer| {
            if let Some((Kind::Offer, mut lease)) = answer {
                boot_file = boot_file.take().or(lease.boot_file.take());
                if dhcp::is_host(lease.address) && first.is_none() {
                    first = Some((lease, Instant::now()));
                }
            }
            let (lease, since) = first.as_ref()?;
            let is_enough = self.want == Want::Address || boot_file.is_some() || since.elapsed() >= PROXY_WAIT;
            is_enough.then(|| Some(lease.clone()))
        })?;
        Ok((offer, boot_file))
    }

    /// The lease, once its server has acknowledged it; nothing if it has thought better of it.
    fn acknowledged(&self, offer: &Lease) -> Result<Option<Lease>> {
        self.converse(Kind::Request, offer, |answer| match answer {
            Some((Kind::Acknowledge, lease)) if dhcp::is_host(lease.address) => Some(Some(lease)),
            Some((Kind::Refuse, _)) => Some(None),
            _ => None,
        })
    }

    /// Sends the message now and then, and gives `judge` each answer and each silence, until it is content or the time is
    /// over.
    fn converse(
        &self,
        kind: Kind,
        lease: &Lease,
        mut judge: impl FnMut(Option<(Kind, Lease)>) -> Option<Option<Lease>>,
    ) -> Result<Option<Lease>> {
        let mut pause = FIRST_PAUSE;
        while self.started.elapsed() < self.limit {
            let seconds = u16::try_from(self.started.elapsed().as_secs()).unwrap_or(u16::MAX);
            let message = self.client.message(kind, self.want, seconds, lease);
            let sent = self.socket.send_to(&message, (Ipv4Addr::BROADCAST, dhcp::SERVER_PORT));
            sent.context("sending to DHCP servers")?;
            let next = Instant::now() + pause;
            while let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                if let Some(verdict) = judge(self.answer(left)?) {
                    return Ok(verdict);
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(None)
    }

    /// The next answer to this client, if one comes within this time.
    fn answer(&self, within: Duration) -> Result<Option<(Kind, Lease)>> {
        self.socket.set_read_timeout(Some(within)).context("waiting for DHCP servers")?;
        let mut bytes = [0; dhcp::MAX_BYTES];
        match self.socket.recv_from(&mut bytes) {
            Ok((length, _)) => Ok(self.client.read(&bytes[..length])),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error).context("waiting for DHCP servers"),
        }
    }
}
