//! `nodesmith inspect`: what is in an image, from the image alone.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::data::data;
use crate::inspect::{self, Listing};

/// Show what an image or one of its parts holds
///
/// Takes .raw, .qcow2, .efi, .initrd and root file systems; what it is, is seen from its first bytes. For a .raw image
/// the root is verified against the root hash on its kernel's command line.
///
/// Exit code: 0, 1 for a root that does not verify, 2 for what cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "Example: nodesmith inspect out/quickstart.raw --files | grep containerd")]
pub(super) struct Inspect {
    /// The file to look into
    image: PathBuf,
    /// List every file of the root file system, and who brought it if the manifest of its build lies beside it
    #[arg(long)]
    files: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn inspect(arguments: &Inspect) -> anyhow::Result<ExitCode> {
    let path = &arguments.image;
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let manifest = if arguments.files { manifest(&path.with_extension("manifest.json"))? } else { None };
    let files = if arguments.files { Listing::Files(manifest.as_ref()) } else { Listing::None };
    let report = inspect::inspect(file, files).with_context(|| format!("inspecting {}", path.display()))?;
    let text = if arguments.json { serde_json::to_string_pretty(&report.json)? + "\n" } else { report.text };
    data(text.as_bytes())?;
    Ok(if report.verified == Some(false) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The manifest, if there is one.
fn manifest(path: &Path) -> anyhow::Result<Option<Value>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| format!("reading {}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}
