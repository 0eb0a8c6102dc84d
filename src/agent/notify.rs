//! The word to systemd that a unit's work is done: `READY=1` of sd_notify(3).
//!
//! A unit that the boot waits for, and that is started again after a failure, would be `oneshot` with `Restart=`;
//! systemd before 244 refuses the two together. `Type=notify` with this word as the last thing is the same for
//! everybody: who is ordered behind the unit waits for the word, and an exit without it is a failure.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use anyhow::{Context as _, Result};

/// Where systemd listens.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Says it. Nobody listens to a program that was started by hand.
pub fn done() -> Result<()> {
    match env::var_os(SOCKET).filter(|address| !address.is_empty()) {
        Some(address) => tell(&address).with_context(|| format!("telling systemd by {}", address.display())),
        None => Ok(()),
    }
}

fn tell(address: &OsStr) -> io::Result<()> {
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn the_word_arrives_at_both_kinds_of_sockets_and_silence_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        tell(path.as_os_str()).unwrap();
        assert_eq!(heard(&listener), "READY=1");
        let name = format!("nodeinit-test-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        tell(OsStr::new(&format!("@{name}"))).unwrap();
        assert_eq!(heard(&listener), "READY=1");
        tell(directory.path().join("nobody").as_os_str()).unwrap_err();
    }
}
