//! `nodesmith serve`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{anyhow, ensure};
use clap::Args;

use super::day;
use crate::interrupt::interrupted;
use crate::serve::dhcp::Listen;
use crate::serve::{Options, serve as run};

/// Where Debian's package `ipxe` has iPXE's programs.
const BOOT_LOADERS: &str = "/usr/lib/ipxe";

/// Serve images to machines that boot from the network: HTTP, TFTP, proxy DHCP
///
/// /boot.ipxe is a script that starts the image of the directory (or lets you choose), /NAME.netboot.efi its program for
/// UEFI HTTP boot. Nothing but the files of the directory is served, nothing is written, and only the given addresses
/// are listened to. What is sent is neither encrypted nor signed: a node checks its root by the
/// hash that its kernel was told, and nothing checks the kernel but Secure Boot. Use a network that you trust.
///
/// A line on the standard output for each request: time, peer, method, path, status, bytes, seconds. Ctrl-C ends it.
///
/// Exit code: 0 after Ctrl-C, 1 for directories of nodes that cannot be meant, 2 for what cannot be opened.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  Try it in QEMU, on this machine alone:
    nodesmith serve out
    nodesmith boot --netboot http://10.0.2.2:8080/boot.ipxe --firmware bios
  A laptop that is all of a network (192.0.2.1 on eth1), addresses by dnsmasq:
    nodesmith serve out --listen 192.0.2.1:8080 --tftp 192.0.2.1
    dnsmasq -d -p0 -i eth1 --dhcp-range=192.0.2.50,192.0.2.99 \\
      --dhcp-match=set:efi,option:client-arch,7 \\
      --dhcp-userclass=set:ipxe,iPXE \\
      --dhcp-boot=tag:!ipxe,tag:!efi,undionly.kpxe,,192.0.2.1 \\
      --dhcp-boot=tag:!ipxe,tag:efi,ipxe.efi,,192.0.2.1 \\
      --dhcp-boot=tag:ipxe,http://192.0.2.1:8080/boot.ipxe
  A network whose router gives addresses, and shall stay as it is:
    nodesmith serve out --listen 192.0.2.1:8080 --tftp 192.0.2.1 \\
      --proxy-dhcp eth1
  Each node with its own metadata (nodes/52:54:00:12:34:56/meta-data, ...):
    nodesmith serve out --node-dir nodes --listen 192.0.2.1:8080")]
pub(super) struct Serve {
    /// The directory that `nodesmith build` wrote to
    directory: PathBuf,
    /// Address for HTTP; 0.0.0.0:8080 is every network of this machine
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// What machines call this server, if that is another address, such as behind a proxy
    #[arg(long, value_name = "http://HOST:PORT", value_parser = url)]
    url: Option<String>,
    /// Serve the same files over TFTP at this address, port 69 unless given
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = tftp)]
    tftp: Option<SocketAddr>,
    /// Tell machines on this interface what to load; another server gives them addresses. An address instead is for a
    /// relay. Takes root, for ports 67 and 4011
    #[arg(long, value_name = "INTERFACE|ADDRESS:PORT", value_parser = listen)]
    proxy_dhcp: Option<Listen>,
    /// Where undionly.kpxe and ipxe.efi are, if not in the directory; default /usr/lib/ipxe (Debian's package ipxe)
    #[arg(long, value_name = "DIR")]
    ipxe_dir: Option<PathBuf>,
    /// Which image is started, if there are several
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// Metadata of nodes, by directories that have the name of a MAC address, a serial number or UUID, or `default`
    ///
    /// Each has meta-data, and may have user-data, network-config and vendor-data beside it; `cmdline` is more words for
    /// the kernel, such as nodesmith.install=smallest. iPXE tells a node where its metadata is; for UEFI HTTP boot the
    /// recipe says `kernel: {cmdline: ["ds=nocloud;s=/metadata/__mac__/"]}`. Whoever asks for /metadata/NAME/user-data gets it: keep secrets that must not be
    /// read on this network out of it. The directory must not lie in the one that is served.
    #[arg(long, value_name = "DIR")]
    node_dir: Option<PathBuf>,
    /// Log lines of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn serve(arguments: &Serve) -> anyhow::Result<ExitCode> {
    let installed = Some(PathBuf::from(BOOT_LOADERS)).filter(|path| Path::is_dir(path));
    let options = Options {
        directory: arguments.directory.clone(),
        listen: arguments.listen,
        url: arguments.url.clone(),
        tftp: arguments.tftp,
        proxy_dhcp: arguments.proxy_dhcp.clone(),
        boot_loaders: arguments.ipxe_dir.clone().or(installed),
        image: arguments.image.clone(),
        nodes: arguments.node_dir.clone(),
        json: arguments.json,
        clock: day::now,
    };
    run(&options, std::io::stdout(), interrupted())?;
    Ok(ExitCode::SUCCESS)
}

fn url(text: &str) -> Result<String, anyhow::Error> {
    let rest = text.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let host = rest
        .filter(|host| !host.is_empty() && host.bytes().all(|it| it.is_ascii_graphic() && !b"\"'\\#?$".contains(&it)));
    host.map(|host| format!("http://{host}")).ok_or_else(|| anyhow!("write it as http://192.0.2.1:8080"))
}

fn tftp(text: &str) -> Result<SocketAddr, anyhow::Error> {
    let address = text.parse().or_else(|_| text.parse().map(|address: IpAddr| SocketAddr::new(address, 69)));
    address.map_err(|_| anyhow!("write it as 192.0.2.1, or with another port than 69 as 192.0.2.1:6969"))
}

fn listen(text: &str) -> Result<Listen, anyhow::Error> {
    if let Ok(address) = text.parse() {
        return Ok(Listen::Address(address));
    }
    // IFNAMSIZ of Linux, with its zero.
    ensure!(!text.is_empty() && text.len() < 16 && !text.contains(['/', ':', ' ']), "write an interface such as eth1");
    Ok(Listen::Interface(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_people_write() {
        assert_eq!(url("http://192.0.2.1:8080/").unwrap(), "http://192.0.2.1:8080");
        for wrong in ["192.0.2.1", "https://a", "http://", "http://a b", "http://a#b"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        assert_eq!(tftp("192.0.2.1").unwrap(), "192.0.2.1:69".parse().unwrap());
        assert_eq!(tftp("[::1]:70").unwrap(), "[::1]:70".parse().unwrap());
        assert!(tftp("here").is_err());
        assert_eq!(listen("eth1").unwrap(), Listen::Interface("eth1".into()));
        assert_eq!(listen("192.0.2.1:67").unwrap(), Listen::Address("192.0.2.1:67".parse().unwrap()));
        for wrong in ["", "a:b", "sixteen-letters-"] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }
}
