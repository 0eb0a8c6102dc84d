//! `nodesmith seed`: a NoCloud volume from files or from a few words.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::agent::first_boot::metadata::{META_DATA, NETWORK_CONFIG, USER_DATA};
use crate::bounded;
use crate::report;
use crate::seed_volume::{self as metadata, Files};

/// Make a metadata volume (NoCloud, label CIDATA) for a node's first boot
///
/// Give the three files as they are, or let the options write them; they are checked as the node will check them. The
/// volume is FAT, or ISO 9660 when the output's name ends in `.iso`.
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
    #[arg(long, value_name = "ID", requires = "hostname")]
    instance_id: Option<String>,
    /// File with public keys for root, may be given several times
    #[arg(long, value_name = "FILE")]
    ssh_key: Vec<PathBuf>,
    /// Static address with its prefix length; default is DHCP
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    address: Option<String>,
    /// Name or MAC address of the device that --address is for; default every one named e*, so give it to a node with
    /// more than one
    #[arg(long, value_name = "NAME|MAC", requires = "address")]
    interface: Option<String>,
    /// Default gateway for --address
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    gateway: Option<String>,
    /// Name server for --address, may be given several times
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    nameserver: Vec<String>,
    /// Replace the output even if it is something other than a metadata volume
    #[arg(long)]
    force: bool,
}

pub(super) fn seed(arguments: &Seed) -> anyhow::Result<ExitCode> {
    let files = files(arguments)?;
    metadata::check(&files)?;
    let iso = arguments.output.extension().is_some_and(|extension| extension == "iso");
    metadata::write(&metadata::volume(&files, iso)?, &arguments.output, arguments.force)?;
    let names: Vec<&str> = files.keys().copied().collect();
    report::say(&format!("{}: {}", arguments.output.display(), names.join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn files(arguments: &Seed) -> anyhow::Result<Files> {
    let mut files = arguments.from.as_deref().map(metadata::read).transpose()?.unwrap_or_default();
    if let Some(hostname) = &arguments.hostname {
        let instance = arguments.instance_id.as_ref().unwrap_or(hostname);
        let text = format!("instance-id: {}\nlocal-hostname: {}\n", quoted(instance)?, quoted(hostname)?);
        files.insert(META_DATA, text.into_bytes());
    }
    if !arguments.ssh_key.is_empty() {
        let mut text = "#cloud-config\nssh_authorized_keys:\n".to_owned();
        for path in &arguments.ssh_key {
            let keys = bounded::read_text(path).with_context(|| format!("reading {}", path.display()))?;
            for key in keys.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
                if key.contains("PRIVATE KEY") {
                    bail!("{} is a private key; give the .pub file", path.display());
                }
                text.push_str(&format!("  - {}\n", quoted(key)?));
            }
        }
        files.insert(USER_DATA, text.into_bytes());
    }
    if let Some(address) = &arguments.address {
        let interface = arguments.interface.as_deref().unwrap_or("e*");
        let key = if interface.contains(':') { "macaddress" } else { "name" };
        let mut text = format!(
            "version: 2\nethernets:\n  first:\n    match: {{{key}: {}}}\n    addresses: [{}]\n",
            quoted(interface)?,
            quoted(address)?
        );
        if let Some(gateway) = &arguments.gateway {
            text.push_str(&format!("    routes: [{{to: default, via: {}}}]\n", quoted(gateway)?));
        }
        if !arguments.nameserver.is_empty() {
            let servers = arguments.nameserver.iter().map(|it| quoted(it)).collect::<Result<Vec<_>, _>>()?;
            text.push_str(&format!("    nameservers: {{addresses: [{}]}}\n", servers.join(", ")));
        }
        files.insert(NETWORK_CONFIG, text.into_bytes());
    }
    if files.is_empty() {
        bail!("nothing to put on the volume; give --hostname, --ssh-key, --address or --from");
    }
    if !files.contains_key(META_DATA) {
        bail!("a seed needs meta-data with an instance-id; give --hostname, or a file in --from");
    }
    Ok(files)
}

/// Whatever a person gave as one YAML scalar: JSON's strings are YAML.
fn quoted(text: &str) -> Result<String, serde_json::Error> {
    serde_json::to_string(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::diag::Diagnostics;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        seed: Seed,
    }

    /// What the node would say to the seed of these options.
    fn mistakes(options: &str) -> Result<(), Diagnostics> {
        let words = ["seed", "out.img"].into_iter().chain(options.split_whitespace());
        metadata::check(&files(&Line::parse_from(words).seed).unwrap())
    }

    #[test]
    fn what_the_options_write_is_what_the_node_takes() {
        let network = "--address 10.0.0.5/24 --gateway 10.0.0.1 --nameserver 10.0.0.2 --nameserver fd00::2";
        for options in ["", network, &format!("{network} --interface 52:54:00:00:00:01"), "--instance-id 7"] {
            assert_eq!(mistakes(&format!("--hostname node-7 {options}")), Ok(()), "{options}");
        }
    }

    #[test]
    fn what_the_node_refuses_does_not_become_a_volume() {
        let text = |options: &str| mistakes(options).unwrap_err().to_string();
        assert!(text("--hostname Node_7").contains("`Node_7` is not a host name"));
        assert!(text("--hostname a --address 10.0.0.5").contains("network-config:5:17"));
        assert!(text("--hostname a --address 10.0.0.5/24 --gateway here").contains("network-config:6:"));
        assert!(Line::try_parse_from(["seed", "out.img", "--from", "x", "--instance-id", "7"]).is_err());
    }
}
