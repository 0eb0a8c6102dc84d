//! `nodeinit ready`: waits until systemd has started everything, then says so with the node's name and addresses.
//!
//! Runs beside the boot, not in it (a service that the boot waited for could not wait for the boot's end).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::first_boot::EXIT_FAILURE;
use super::status::{Phase, State, Status};
use super::{console, run};

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
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn report() -> Result<()> {
    wait()?;
    let failed = run::output(SYSTEMCTL, &["list-units", "--failed", "--plain", "--no-legend", "--no-pager"])?;
    let failed_units: Vec<String> =
        failed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    let mut status = Status::read()?;
    status.phase = Phase::Done;
    status.addresses = addresses();
    status.failed_units = failed_units;
    // A first boot that went wrong stays so: the node runs, but it is not the node that was asked for.
    if status.state == State::Running {
        status.state = State::Ready;
    }
    status.publish()?;
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
    let started = Instant::now();
    let mut next_word = SAY_EACH;
    loop {
        match run::output(SYSTEMCTL, &["is-system-running"])?.trim() {
            "running" | "degraded" | "maintenance" | "stopping" => return Ok(()),
            _ if started.elapsed() >= DEADLINE => bail!("the boot has not ended within {} s", DEADLINE.as_secs()),
            _ => {}
        }
        if started.elapsed() >= next_word {
            next_word += SAY_EACH;
            let jobs = run::output(SYSTEMCTL, &["list-jobs", "--plain", "--no-legend", "--no-pager"])?;
            let jobs: Vec<&str> = jobs.lines().filter_map(|line| line.split_whitespace().nth(1)).take(5).collect();
            console::say(&format!("waiting for {}", jobs.join(" ")));
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
