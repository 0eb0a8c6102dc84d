//! `nodesmith serve`: a directory of images for machines that boot from the network, over HTTP, TFTP and proxyDHCP.
//!
//! Blocking sockets and threads, as everywhere in this program; each protocol has a bound of threads, each wait a limit.

pub mod dhcp;
mod directory;
pub mod http;
pub mod identity;
mod images;
mod log;
mod nodes;
mod script;
mod site;
pub mod tftp;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use serde_json::json;

use directory::Directory;
use log::Log;
use nodes::Nodes;
use site::Site;

/// How often the end is looked for.
const TICK: Duration = Duration::from_millis(50);

/// What is served, and where.
#[derive(Debug, Clone)]
pub struct Options {
    pub directory: PathBuf,
    pub listen: SocketAddr,
    /// `http://HOST:PORT` for scripts, without a `/` at its end; default is what a client asks for.
    pub url: Option<String>,
    pub tftp: Option<SocketAddr>,
    pub proxy_dhcp: Option<dhcp::Listen>,
    /// iPXE's programs, for TFTP.
    pub boot_loaders: Option<PathBuf>,
    /// Of several, the image that scripts start.
    pub image: Option<String>,
    /// Directories of metadata by node.
    pub nodes: Option<PathBuf>,
    /// Lines of JSON.
    pub json: bool,
    pub clock: fn() -> DateTime<Utc>,
}

/// Serves until `stop` is set or nobody reads the log any more. The log's first line says what is served where.
///
/// # Errors
/// [`Diagnostics`](crate::diag::Diagnostics) for directories of nodes that cannot be meant; what cannot be opened.
pub fn serve(options: &Options, out: impl Write + Send + 'static, stop: &AtomicBool) -> anyhow::Result<()> {
    let directory = Directory::open(&options.directory)?;
    let nodes = options.nodes.as_deref().map(|path| Nodes::open(path, &directory)).transpose()?;
    let boot_loaders = options.boot_loaders.as_deref().map(Directory::with_links).transpose()?;
    let names = images::names(&directory).with_context(|| format!("reading {}", options.directory.display()))?;
    if let Some(image) = options.image.as_ref().filter(|image| !names.contains(image)) {
        let there = if names.is_empty() { "no image".to_owned() } else { names.join(", ") };
        bail!("there is no image {image} in {}, but {there}", options.directory.display());
    }
    let listener = TcpListener::bind(options.listen).with_context(|| format!("listening at {}", options.listen))?;
    let listen = listener.local_addr().context("asking for the port")?;
    let url = options.url.clone().unwrap_or_else(|| format!("http://{listen}"));
    let bind = |address: SocketAddr| {
        let socket = UdpSocket::bind(address).with_context(|| format!("listening for TFTP at {address}"))?;
        let address = socket.local_addr().context("asking for the port")?;
        anyhow::Ok((socket, address))
    };
    let tftp = options.tftp.map(bind).transpose()?;
    let tftp_address = tftp.as_ref().map(|(_, address)| *address);
    let proxy = match &options.proxy_dhcp {
        Some(listen) => Some((proxy(options, &url, tftp_address)?, dhcp::bind(listen)?)),
        None => None,
    };

    let closed = Arc::new(AtomicBool::new(false));
    let log = Log::start(options.json, options.clock, out, closed.clone());
    log.line(first_line(options, &directory, &names, listen, tftp_address));
    let site =
        Arc::new(Site { directory, boot_loaders, nodes, image: options.image.clone(), url: options.url.clone() });
    // These threads end with the program: each would have to be waited for, in the middle of a transfer.
    let clock = options.clock;
    let (site_of, log_of) = (site.clone(), log.clone());
    thread::spawn(move || http::serve(&listener, &site_of, &log_of, clock));
    if let Some((socket, address)) = tftp {
        let (site, log) = (site.clone(), log.clone());
        thread::spawn(move || tftp::serve(&socket, address.ip(), &site, &log));
    }
    if let Some((proxy, sockets)) = proxy {
        for bound in sockets {
            let (proxy, site, log) = (proxy.clone(), site.clone(), log.clone());
            thread::spawn(move || dhcp::serve(&bound, &proxy, &site, &log));
        }
    }
    while !stop.load(Ordering::Relaxed) && !closed.load(Ordering::Relaxed) {
        thread::sleep(TICK);
    }
    log.flush();
    Ok(())
}

/// A machine is told addresses that it can reach: none of these may be "all of this machine's", or its own loopback
/// unless DHCP is answered there, too.
fn proxy(options: &Options, url: &str, tftp: Option<SocketAddr>) -> anyhow::Result<dhcp::Proxy> {
    let authority = url.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or_default());
    let host = authority.map(|it| it.rsplit_once(':').map_or(it, |(host, _)| host));
    let host: Option<Ipv4Addr> = host.and_then(|host| host.parse().ok());
    let server = match tftp.map(|address| address.ip()) {
        Some(IpAddr::V4(address)) if !address.is_unspecified() => Some(address),
        _ => host.filter(|address| !address.is_unspecified()),
    };
    let server = server.context("machines must be told an IPv4 address of this server: name it in --url or --tftp")?;
    ensure!(host.is_none_or(|host| !host.is_unspecified()), "machines must be told where to go: give --url");
    let reaches_loopback = matches!(&options.proxy_dhcp, Some(dhcp::Listen::Interface(name)) if name != "lo");
    ensure!(
        !reaches_loopback || !(server.is_loopback() || host.is_some_and(|host| host.is_loopback())),
        "no other machine reaches {server}: give --listen (or --url) and --tftp an address of that network",
    );
    // Who listens behind a relay may have another way for TFTP, too.
    let is_relayed = matches!(options.proxy_dhcp, Some(dhcp::Listen::Address(_)));
    let has_tftp = is_relayed || tftp.is_some_and(|address| address.port() == dhcp::TFTP_PORT);
    Ok(dhcp::Proxy { server, url: url.to_owned(), has_tftp })
}

fn first_line(
    options: &Options,
    directory: &Directory,
    images: &[String],
    listen: SocketAddr,
    tftp: Option<SocketAddr>,
) -> String {
    let dhcp = options.proxy_dhcp.as_ref().map(|listen| match listen {
        dhcp::Listen::Interface(name) => name.clone(),
        dhcp::Listen::Address(address) => address.to_string(),
    });
    if options.json {
        let tftp = tftp.map(|address| address.to_string());
        let http = format!("http://{listen}/");
        return json!({"serving": directory.path().display().to_string(), "images": images, "http": http, "tftp": tftp, "dhcp": dhcp})
            .to_string();
    }
    let images = if images.is_empty() { "no image".to_owned() } else { images.join(", ") };
    let mut line = format!("serving {} ({images}) at http://{listen}/", directory.path().display());
    if let Some(address) = tftp {
        line.push_str(&format!(", tftp://{address}/"));
    }
    if let Some(dhcp) = dhcp {
        line.push_str(&format!(", proxyDHCP at {dhcp}"));
    }
    line
}
