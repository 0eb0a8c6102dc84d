//! `nodeinit ready`: waits until systemd has started everything and, where the node belongs to a cluster or is to join
//! one, until it is a healthy member; then says so with the node's name and addresses.
//!
//! Runs beside the boot, not in it (a service that the boot waited for could not wait for the boot's end).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use super::cluster::reach;
use super::cluster::request::Joined;
use super::report::console;
use super::report::membership::Membership;
use super::report::status::{Phase, State, Status};
use super::wait::Wait;
use super::{durable, exit_code, run};
use crate::contract;

/// The longest boot that is waited for: a first boot under emulation takes two or three minutes.
const DEADLINE: Duration = Duration::from_secs(20 * 60);
const PAUSE: Duration = Duration::from_secs(1);
const SAY_EACH: Duration = Duration::from_secs(60);
const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// Waits and reports.
pub fn run() -> ExitCode {
    match report() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::complain(&format!("{error:#}"));
            ExitCode::from(exit_code::FAILURE)
        }
    }
}

fn report() -> Result<()> {
    wait()?;
    wait_for_first_boot()?;
    let membership = wait_for_member()?;
    let failed = run::output(SYSTEMCTL, &["list-units", "--failed", "--plain", "--no-legend", "--no-pager"])?;
    let failed_units: Vec<String> =
        failed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    let status = Status::update(|status| {
        status.phase = Phase::Done;
        status.addresses = addresses();
        if !failed_units.is_empty() {
            status.messages.push(format!("failed units: {}", failed_units.join(" ")));
        }
        let sound = failed_units.is_empty();
        status.failed_units = failed_units;
        if let Some(membership) = membership {
            status.kubernetes = membership;
        }
        // A first boot or a join that went wrong stays so: the node runs, but it is not the node that was asked for.
        if status.state == State::Running {
            status.state = if sound { State::Ready } else { State::Degraded };
        }
    })?;
    let addresses = status.addresses.join(" ");
    match status.state {
        State::Ready => console::say(&format!("ready {} {addresses}", status.host_name)),
        _ => console::complain(&format!("not ready {} {addresses}", status.host_name)),
    }
    if !status.failed_units.is_empty() {
        console::complain(&format!("failed units: {}", status.failed_units.join(" ")));
    }
    Ok(())
}

/// Until there is no more to start.
fn wait() -> Result<()> {
    let mut waiting = Wait::new(SAY_EACH);
    loop {
        match run::output(SYSTEMCTL, &["is-system-running"])?.trim() {
            "running" | "degraded" | "maintenance" | "stopping" => return Ok(()),
            _ if waiting.is_over(DEADLINE) => bail!("the boot has not ended within {} s", DEADLINE.as_secs()),
            _ => {}
        }
        if waiting.wants_word() {
            let jobs = run::output(SYSTEMCTL, &["list-jobs", "--plain", "--no-legend", "--no-pager"])?;
            let jobs: Vec<&str> = jobs.lines().filter_map(|line| line.split_whitespace().nth(1)).take(5).collect();
            console::say(&format!("waiting for {}", jobs.join(" ")));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Until the metadata is applied, or turns out to be wrong: a failure is tried again, for ever.
fn wait_for_first_boot() -> Result<()> {
    let mut waiting = Wait::new(SAY_EACH);
    while Status::read()?.state == State::Failed {
        if waiting.wants_word() {
            console::say("waiting for the first boot, which failed and is tried again");
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Until the join has ended, one way or the other, and the kubelet of a member is healthy. `None`: nobody asked for a
/// join, or it cannot be done. There is no deadline: the join itself has none.
fn wait_for_member() -> Result<Option<Membership>> {
    let mut waiting = Wait::new(SAY_EACH);
    loop {
        // In this order: the marker is there before the request goes.
        let requested = [contract::JOIN_REQUEST, contract::JOIN_REFUSED].iter().any(|path| Path::new(path).exists());
        let joined = durable::read(Path::new(contract::JOINED))?.map(|text| Joined::read(&text)).transpose()?;
        let why = match joined {
            Some(joined) => match reach::kubelet_health() {
                Ok(()) => return Ok(Some(joined.membership())),
                Err(why) => format!("the kubelet, which is not healthy: {why}"),
            },
            // A mistake in the metadata, or in the join.
            None if !requested || Status::read()?.state != State::Running => return Ok(None),
            // It tells more itself.
            None => "the join".to_owned(),
        };
        if waiting.wants_word() {
            console::say(&format!("waiting for {why}"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The node's own addresses that others can reach, sorted; none if the kernel's tables cannot be read.
fn addresses() -> Vec<String> {
    let four = ipv4_addresses(&fs::read_to_string("/proc/net/fib_trie").unwrap_or_default());
    let six = ipv6_addresses(&fs::read_to_string("/proc/net/if_inet6").unwrap_or_default());
    let mut all: Vec<IpAddr> = four.into_iter().map(IpAddr::V4).chain(six.into_iter().map(IpAddr::V6)).collect();
    all.sort();
    all.dedup();
    all.iter().map(IpAddr::to_string).collect()
}

/// `/proc/net/fib_trie`: an address line is followed by what it is; `/32 host LOCAL` is an address of this node.
fn ipv4_addresses(table: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(last.filter(|address: &Ipv4Addr| !address.is_loopback()));
        }
    }
    found
}

/// `/proc/net/if_inet6`: address, interface number, prefix, scope (0 is global), flags, name.
fn ipv6_addresses(table: &str) -> Vec<Ipv6Addr> {
    let address = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let digits = fields.first().and_then(|digits| u128::from_str_radix(digits, 16).ok())?;
        (fields.get(3) == Some(&"00")).then(|| Ipv6Addr::from(digits))
    };
    table.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_kernels_tables() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     +-- 10.0.2.0/24 2 0 2\n        |-- 10.0.2.0\n           \
                    /24 link UNICAST\n        |-- 10.0.2.15\n           /32 host LOCAL\n        |-- 10.0.2.255\n           \
                    /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(ipv4_addresses(trie), [Ipv4Addr::new(10, 0, 2, 15)]);
        let six = "00000000000000000000000000000001 01 80 10 80       lo\n\
                   fe80000000000000505400fffe123456 02 40 20 80     ens3\n\
                   fd000000000000000000000000000005 02 40 00 80     ens3\n";
        assert_eq!(ipv6_addresses(six), ["fd00::5".parse::<Ipv6Addr>().unwrap()]);
        assert!(ipv4_addresses("").is_empty() && ipv6_addresses("x y\n").is_empty());
    }
}
