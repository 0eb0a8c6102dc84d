//! What the plan needs to know about the running image: read once, then a plain value.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::config::NodeConfig;
use super::writable::{self, below};
use crate::contract;

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
    /// An earlier run switched the image's own default network off.
    pub network_masked: bool,
    /// Of the paths that the configuration names (shells, time zone): those that exist.
    pub present: BTreeSet<String>,
    pub time_daemon: Option<TimeDaemon>,
    /// `ssh-keygen` and `sshd` are there.
    pub has_sshd: bool,
    /// Of the files to write: those that cannot be files, with what is in the way.
    pub obstacles: BTreeMap<String, String>,
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
    let files = config.files.iter().map(|file| file.path.value.as_str());
    let obstacles = files.filter_map(|path| Some((path.to_owned(), obstacle(root, path)?))).collect();
    Ok(Facts {
        machine_id: text(&below(root, "/etc/machine-id"))?.trim().to_owned(),
        hostname: text(&below(root, "/etc/hostname"))?.trim().to_owned(),
        interfaces: interfaces(root)?,
        passwd: text(&below(root, "/etc/passwd"))?,
        group: text(&below(root, "/etc/group"))?,
        writable: writable::declared(root)?,
        network_files: network_files.into_iter().filter(|name| name.contains("-nodeinit-")).collect(),
        network_masked: is_link(root, &format!("{NETWORK_DIRECTORY}/{}", contract::DEFAULT_NETWORK)),
        present: interesting.into_iter().filter(|path| exists(path)).collect(),
        time_daemon,
        has_sshd: exists("/usr/sbin/sshd") && exists("/usr/bin/ssh-keygen"),
        obstacles,
        networkd_runs: exists("/run/systemd/netif/state"),
    })
}

/// Why there can be no file at `path`: a directory is there, or a file where a directory is needed.
fn obstacle(root: &Path, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    if below(root, path).is_dir() {
        return Some(format!("{path} is a directory"));
    }
    while parts.len() > 2 {
        parts.pop();
        let parent = parts.join("/");
        if below(root, &parent).symlink_metadata().is_ok() {
            return (!below(root, &parent).is_dir()).then(|| format!("{parent} is no directory"));
        }
    }
    None
}

fn is_link(root: &Path, path: &str) -> bool {
    below(root, path).is_symlink()
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
