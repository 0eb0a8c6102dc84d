//! What the plan needs to know about the running image: read once, then a plain value.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::config::NodeConfig;
use super::once;
use super::paths::{NETWORK_DIRECTORY, OURS, ZONEINFO, proxy_drop_ins};
use super::text_block::BLOCK_START;
use crate::agent::cluster::request::Joined;
use crate::agent::durable;
use crate::agent::sysroot::below;
use crate::contract;
use crate::image_info::{ImageInfo, ImageKubernetes, Once};
use crate::registry_mirrors;
use crate::runtime::Runtime;

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
    /// Programs that packages left to the first boot and that have not run yet.
    pub once: Vec<Once>,
    /// `ssh-keygen` and `sshd` are there.
    pub has_sshd: bool,
    /// Of the files to write: those that cannot be files, with what is in the way.
    pub obstacles: BTreeMap<String, String>,
    /// A retry after networkd has started: it must be told of new files.
    pub networkd_runs: bool,
    pub runtime: &'static Runtime,
    /// The image's Kubernetes.
    pub kubernetes: Option<ImageKubernetes>,
    /// The cluster that the node is a member of.
    pub joined: Option<Joined>,
    /// An earlier run wrote a join request that is still there.
    pub join_requested: bool,
    /// The word of an earlier refusal is still there.
    pub join_refused: bool,
    /// Files of the proxy and of registry mirrors that an earlier run wrote.
    pub proxy_drop_ins: Vec<String>,
    pub mirror_files: Vec<String>,
    /// The bundle of trusted authorities, and whether an earlier run added some.
    pub certificates: String,
    pub certificates_added: bool,
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

/// The bundle of the RPM family and of Debian's; in the first the second is a link.
const CERTIFICATES: [&str; 2] =
    ["/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/certs/ca-certificates.crt"];

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
    let certificates = if exists(CERTIFICATES[0]) { CERTIFICATES[0] } else { CERTIFICATES[1] };
    let image = ImageInfo::of_root(root)?;
    Ok(Facts {
        machine_id: text(&below(root, "/etc/machine-id"))?.trim().to_owned(),
        hostname: text(&below(root, "/etc/hostname"))?.trim().to_owned(),
        interfaces: interfaces(root)?,
        passwd: text(&below(root, "/etc/passwd"))?,
        group: text(&below(root, "/etc/group"))?,
        writable: image.checked_writable()?.to_vec(),
        network_files: network_files.into_iter().filter(|name| name.contains("-nodeinit-")).collect(),
        network_masked: is_link(root, &format!("{NETWORK_DIRECTORY}/{}", contract::DEFAULT_NETWORK)),
        present: interesting.into_iter().filter(|path| exists(path)).collect(),
        time_daemon,
        once: image.first_boot.into_iter().filter(|once| once::is_due(once, root)).collect(),
        has_sshd: exists("/usr/sbin/sshd") && exists("/usr/bin/ssh-keygen"),
        obstacles,
        networkd_runs: exists("/run/systemd/netif/state"),
        runtime: image.runtime,
        kubernetes: image.kubernetes,
        joined: durable::read(&below(root, contract::JOINED))?.map(|text| Joined::read(&text)).transpose()?,
        join_requested: exists(contract::JOIN_REQUEST),
        join_refused: exists(contract::JOIN_REFUSED),
        proxy_drop_ins: proxy_drop_ins(image.runtime).filter(|path| exists(path)).collect(),
        mirror_files: mirror_files(root, image.runtime)?,
        certificates: certificates.to_owned(),
        certificates_added: text(&below(root, certificates))?.contains(BLOCK_START),
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

/// Those with our first line; others are the image's.
fn mirror_files(root: &Path, runtime: &Runtime) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in names(&below(root, runtime.registries))? {
        let path = registry_mirrors::path_of_entry(runtime, &entry);
        if text(&below(root, &path))?.starts_with(OURS) {
            files.push(path);
        }
    }
    Ok(files)
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
