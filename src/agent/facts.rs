//! What the plan needs to know about the running image: read once, then a plain value.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::config::NodeConfig;
use super::writable::{self, below};

/// The image and the machine as they are before the first step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// 32 hexadecimal digits, or empty.
    pub machine_id: String,
    /// Content of `/etc/hostname`.
    pub hostname: String,
    pub interfaces: Vec<Interface>,
    pub passwd: String,
    pub group: String,
    /// Directories that can be written, beside `/etc` and `/var`.
    pub writable: Vec<String>,
    /// File names in `/etc/systemd/network` that an earlier run wrote.
    pub network_files: Vec<String>,
    /// Of the paths that the configuration names (shells, time zone): those that exist.
    pub present: BTreeSet<String>,
    pub time_daemon: Option<TimeDaemon>,
    /// `ssh-keygen` is there, `sshd` is there, and a host key is not.
    pub needs_host_keys: bool,
    /// A retry after networkd has started: it must be told of new files.
    pub networkd_runs: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub mac: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeDaemon {
    Timesyncd,
    Chrony,
}

pub const NETWORK_DIRECTORY: &str = "/etc/systemd/network";
pub const ZONEINFO: &str = "/usr/share/zoneinfo";

/// Reads the facts of the system below `root`.
pub fn gather(root: &Path, config: &NodeConfig) -> Result<Facts> {
    let mut interesting: Vec<String> =
        config.users.iter().filter_map(|user| Some(user.shell.as_ref()?.value.clone())).collect();
    interesting.extend(config.timezone.iter().map(|zone| format!("{ZONEINFO}/{}", zone.value)));
    interesting.extend(["/bin/bash".to_owned()]);
    let exists = |path: &str| below(root, path).exists();
    let network_files = names(&below(root, NETWORK_DIRECTORY))?;
    let time_daemon = if exists("/usr/lib/systemd/systemd-timesyncd") {
        Some(TimeDaemon::Timesyncd)
    } else {
        exists("/etc/chrony/sources.d").then_some(TimeDaemon::Chrony)
    };
    let host_keys = names(&below(root, "/etc/ssh"))?;
    let has_key = host_keys.iter().any(|name| name.starts_with("ssh_host_") && name.ends_with("_key"));
    Ok(Facts {
        machine_id: text(&below(root, "/etc/machine-id"))?.trim().to_owned(),
        hostname: text(&below(root, "/etc/hostname"))?.trim().to_owned(),
        interfaces: interfaces(root)?,
        passwd: text(&below(root, "/etc/passwd"))?,
        group: text(&below(root, "/etc/group"))?,
        writable: writable::declared(root)?,
        network_files: network_files.into_iter().filter(|name| name.contains("-nodeinit-")).collect(),
        present: interesting.into_iter().filter(|path| exists(path)).collect(),
        time_daemon,
        needs_host_keys: exists("/usr/sbin/sshd") && exists("/usr/bin/ssh-keygen") && !has_key,
        networkd_runs: exists("/run/systemd/netif/state"),
    })
}

fn text(path: &Path) -> Result<String> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        bytes => {
            Ok(String::from_utf8_lossy(&bytes.with_context(|| format!("reading {}", path.display()))?).into_owned())
        }
    }
}

/// The names in a directory, sorted; a missing one is empty.
fn names(directory: &Path) -> Result<Vec<String>> {
    let mut names = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        entries => entries
            .and_then(|entries| {
                entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect()
            })
            .with_context(|| format!("listing {}", directory.display()))?,
    };
    names.sort();
    Ok(names)
}

/// The network interfaces that the kernel has now, `lo` left out.
pub fn interfaces(root: &Path) -> Result<Vec<Interface>> {
    let directory = below(root, "/sys/class/net");
    let mut interfaces = Vec::new();
    for name in names(&directory)?.into_iter().filter(|name| name != "lo") {
        let mac = text(&directory.join(&name).join("address"))?.trim().to_owned();
        interfaces.push(Interface { name, mac });
    }
    Ok(interfaces)
}
