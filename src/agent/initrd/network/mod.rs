//! The network of the initrd: an interface with a carrier, an IPv4 address, and the way to a server; taken down again
//! before the image's own network starts.
//!
//! IPv4 alone. Addresses come by DHCP or from the kernel's word `ip=`.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::agent::dns::Resolver;
use crate::agent::initrd::modules::Modules;
use crate::agent::report::console;
use crate::agent::wait::Wait;

pub mod address_word;
pub mod dhcp;
pub mod dhcp_client;
pub mod interface;
pub mod netlink;

use address_word::AddressWord;
use dhcp::{Lease, Want};
use interface::Interface;
use netlink::Netlink;

/// For all interfaces together; switches may need half a minute before they let anything through.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long the interface that the machine was started over is waited for before others are.
const BOOTED_FIRST: Duration = Duration::from_secs(60);
/// Name servers that are asked, as in the C library.
const NAME_SERVERS_MAX: usize = 3;
/// What one interface gets before the next one has its turn.
const TURN: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(200);
const SAY_EACH: Duration = Duration::from_secs(5);
const DNS_PORT: u16 = 53;

/// What the kernel command line says about the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    pub address: AddressWord,
    /// Hardware address of the interface that the boot loader used.
    pub boot_interface: Option<[u8; 6]>,
}

/// A network that works, as far as one can tell without using it.
#[derive(Debug)]
pub struct Network {
    pub interface: Interface,
    pub lease: Lease,
    netlink: Netlink,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {}", self.interface, self.lease)
    }
}

/// Brings one up. `want` is what a lease must bring besides the address.
///
/// # Errors
/// No interface has got an address within [`DEADLINE`]; the message says what each lacks.
pub fn up(words: &Words, want: Want, modules: &mut Modules) -> Result<Network> {
    let mut netlink = Netlink::open()?;
    let mut waiting = Wait::new(SAY_EACH);
    let mut raised = Vec::new();
    loop {
        modules.load_for_devices();
        let mut interfaces = interface::ethernet()?;
        let mut problems: Vec<String> = Vec::new();
        if let Some(device) = words.address.device() {
            let others: Vec<String> = interfaces.iter().map(Interface::to_string).collect();
            interfaces.retain(|interface| interface.name == device);
            if interfaces.is_empty() {
                problems.push(format!("there is no interface `{device}`, only: {}", others.join(", ")));
            }
        }
        interface::sort(&mut interfaces, words.boot_interface);
        for interface in &interfaces {
            if raised.contains(&interface.index) {
                continue;
            }
            match netlink.set_up(interface.index, true) {
                Ok(()) => raised.push(interface.index),
                Err(error) => problems.push(format!("{interface}: cannot be brought up: {error:#}")),
            }
        }
        // What the machine was started over has the first word: another network may lead elsewhere.
        let first = words.boot_interface.filter(|mac| interfaces.iter().any(|interface| interface.mac == *mac));
        let alone = first.filter(|_| !waiting.is_over(BOOTED_FIRST));
        let wanted = interfaces.iter().filter(|interface| alone.is_none_or(|mac| interface.mac == mac));
        for interface in wanted.filter(|interface| interface.has_carrier()) {
            match take(&mut netlink, interface, words, want) {
                Ok(lease) => {
                    let network = Network { interface: interface.clone(), lease, netlink };
                    console::say(&network.to_string());
                    return Ok(network);
                }
                Err(error) => problems.push(format!("{interface}: {error:#}")),
            }
        }
        let idle = interfaces.iter().filter(|interface| !interface.has_carrier());
        problems.extend(idle.map(|interface| format!("{interface}: no carrier")));
        let told = if problems.is_empty() { "no Ethernet interface".to_owned() } else { problems.join("; ") };
        if waiting.is_over(DEADLINE) {
            bail!("no network within {} s, by IPv4 (the initrd speaks no other): {told}", DEADLINE.as_secs());
        }
        if waiting.wants_word() {
            console::say(&format!("waiting for a network: {told}"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Gives this interface its address.
fn take(netlink: &mut Netlink, interface: &Interface, words: &Words, want: Want) -> Result<Lease> {
    let lease = match &words.address {
        AddressWord::Static(fixed) => fixed.lease.clone(),
        AddressWord::Dhcp { .. } => {
            console::say(&format!("waiting for a lease on {interface}"));
            // A broadcast without an address of one's own needs a way.
            netlink.route(interface.index, None, None)?;
            let lease = dhcp_client::lease(interface.mac, want, TURN);
            netlink.remove_route(interface.index, None, None)?;
            lease?
        }
    };
    netlink.add_address(interface.index, lease.address, lease.prefix).context("setting the address")?;
    let routed = lease.router.map_or(Ok(()), |router| {
        if !lease.is_on_link(router) {
            netlink.route(interface.index, Some(router), None)?;
        }
        netlink.route(interface.index, None, Some(router))
    });
    routed.with_context(|| format!("setting the route of {lease}"))?;
    Ok(lease)
}

impl Network {
    /// Who knows names here.
    pub fn resolver(&self) -> Resolver {
        let servers =
            self.lease.name_servers.iter().take(NAME_SERVERS_MAX).map(|server| (*server, DNS_PORT).into()).collect();
        Resolver { servers, search: self.lease.domain.iter().cloned().collect() }
    }

    /// Gives the address back and takes the interfaces down: the image's network finds them as after a boot from a disk,
    /// and udev can rename them, which older kernels allow only then.
    pub fn down(mut self) {
        let mut failures = Vec::new();
        let released = dhcp_client::release(self.interface.mac, &self.lease);
        failures.extend(released.err().map(|error| format!("{error:#}")));
        let removed = self.netlink.remove_address(self.interface.index, self.lease.address, self.lease.prefix);
        failures.extend(removed.err().map(|error| format!("{error:#}")));
        for interface in interface::ethernet().unwrap_or_default() {
            let down = self.netlink.set_up(interface.index, false);
            failures.extend(down.err().map(|error| format!("{error:#}")));
        }
        // What stays is in nobody's way for long: leases end, and networkd drops addresses that it does not know.
        if !failures.is_empty() {
            console::say(&format!("leaving {}: {}", self.interface, failures.join("; ")));
        }
    }
}
