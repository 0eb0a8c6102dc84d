//! `nodesmith seed`: a NoCloud volume from files or from a few words.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::formats::{fat, iso9660};
use crate::report;

/// What cloud-init's NoCloud source looks for.
pub(crate) const LABEL: &str = "CIDATA";
/// The same seed is the same bytes: no clock, no random serial number. 2026-01-01.
pub(crate) const EPOCH: i64 = 1_767_225_600;
pub(crate) const VOLUME_ID: u32 = 0x4e53_4544;

/// Make a metadata volume (NoCloud, label CIDATA) for a node's first boot
///
/// Give the three files as they are, or let the options write them. The volume is FAT, or ISO 9660 when the output's
/// name ends in `.iso`.
#[derive(Debug, Args)]
#[command(after_help = "Example: nodesmith seed seed.img --hostname node-7 --ssh-key ~/.ssh/id_ed25519.pub")]
pub(super) struct Seed {
    /// The volume to write
    output: PathBuf,
    /// Directory with meta-data, user-data and network-config; options below replace single files
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Name of the node
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Identity of this instance: the node applies metadata again when it changes; default the hostname
    #[arg(long, value_name = "ID")]
    instance_id: Option<String>,
    /// File with public keys for root, may be given several times
    #[arg(long, value_name = "FILE")]
    ssh_key: Vec<PathBuf>,
    /// Static address of the first Ethernet device with its prefix length; default is DHCP
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    address: Option<String>,
    /// Default gateway for --address
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    gateway: Option<String>,
    /// Name server for --address, may be given several times
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    nameserver: Vec<String>,
}

pub(super) fn seed(arguments: &Seed) -> anyhow::Result<ExitCode> {
    let files = files(arguments)?;
    let iso = arguments.output.extension().is_some_and(|extension| extension == "iso");
    let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let volume = if iso {
        iso9660::write(LABEL, EPOCH, &borrowed).context("making the ISO 9660 volume")?
    } else {
        fat::seed(LABEL, VOLUME_ID, EPOCH, &borrowed).context("making the FAT volume")?
    };
    fs::write(&arguments.output, volume).with_context(|| format!("writing {}", arguments.output.display()))?;
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    report::say(&format!("{}: {}", arguments.output.display(), names.join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn files(arguments: &Seed) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut set = |name: &str, text: Vec<u8>| {
        files.retain(|(other, _)| other != name);
        files.push((name.to_owned(), text));
    };
    if let Some(directory) = &arguments.from {
        for name in ["meta-data", "user-data", "network-config"] {
            let path = directory.join(name);
            if path.exists() {
                set(name, fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
            }
        }
    }
    if let Some(hostname) = &arguments.hostname {
        let instance = arguments.instance_id.as_ref().unwrap_or(hostname);
        set("meta-data", format!("instance-id: {instance}\nlocal-hostname: {hostname}\n").into_bytes());
    }
    if !arguments.ssh_key.is_empty() {
        let mut text = "#cloud-config\nssh_authorized_keys:\n".to_owned();
        for path in &arguments.ssh_key {
            let keys = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            for key in keys.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
                if key.contains("PRIVATE KEY") {
                    bail!("{} is a private key; give the .pub file", path.display());
                }
                text.push_str(&format!("  - {}\n", serde_json::to_string(key)?));
            }
        }
        set("user-data", text.into_bytes());
    }
    if let Some(address) = &arguments.address {
        let mut text =
            format!("version: 2\nethernets:\n  first:\n    match: {{name: \"e*\"}}\n    addresses: [{address}]\n");
        if let Some(gateway) = &arguments.gateway {
            text.push_str(&format!("    routes: [{{to: default, via: {gateway}}}]\n"));
        }
        if !arguments.nameserver.is_empty() {
            text.push_str(&format!("    nameservers: {{addresses: [{}]}}\n", arguments.nameserver.join(", ")));
        }
        set("network-config", text.into_bytes());
    }
    if files.is_empty() {
        bail!("nothing to put on the volume; give --hostname, --ssh-key, --address or --from");
    }
    if !files.iter().any(|(name, _)| name == "meta-data") {
        bail!("a seed needs meta-data with an instance-id; give --hostname, or a file in --from");
    }
    files.sort();
    Ok(files)
}
