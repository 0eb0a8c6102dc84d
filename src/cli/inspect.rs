//! `nodesmith inspect`: what is in an image, from the image alone.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::image::inspect;

/// Show what an image or one of its parts holds
///
/// Takes .raw, .qcow2, .efi, .initrd and root file systems; what it is, is seen from its first bytes. For a .raw image
/// the root is verified against the root hash on its kernel's command line.
///
/// Exit code: 0, 1 for a root that does not verify, 2 for what cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "Example: nodesmith inspect out/quickstart.raw --files | grep containerd")]
pub(super) struct Inspect {
    image: PathBuf,
    /// List every file of the root file system
    #[arg(long)]
    files: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn inspect(arguments: &Inspect) -> anyhow::Result<ExitCode> {
    let path = &arguments.image;
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let report = inspect::inspect(file, arguments.files).with_context(|| format!("inspecting {}", path.display()))?;
    let text = if arguments.json { serde_json::to_string_pretty(&report.json)? + "\n" } else { report.text };
    super::data(text.as_bytes())?;
    Ok(if report.verified == Some(false) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
