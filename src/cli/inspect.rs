//! `nodesmith inspect`: what is in an image, from the image alone.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::data::{data, json};
use crate::image::manifest::Manifest;
use crate::inspect::{self, Listing};

/// Show what an image or one of its parts holds
///
/// Takes .raw, .qcow2, .vmdk, .vhd, .vhdx, .iso, .netdisk, .efi, .initrd and root file systems; what it is, is seen from its bytes. The
/// root of a disk is verified against the root hash on its kernel's command line, and EFI programs against their signatures:
/// whether a firmware trusts who made them, only the firmware knows.
///
/// Exit code: 0, 1 for a root that does not verify or has other files than its manifest says and for a program that was
/// changed since it was signed, 2 for what cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "Example: nodesmith inspect out/quickstart.raw --files | grep containerd")]
pub(super) struct Inspect {
    /// The file to look into
    image: PathBuf,
    /// List every file of the root file system; if the manifest of its build lies beside it, also who brought each, and at
    /// the end which files are not as the manifest has them
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
    let written = if arguments.json { json(&report)? } else { data(report.text().as_bytes())? };
    Ok(if report.is_sound() { written } else { ExitCode::FAILURE })
}

/// The manifest, if there is one.
fn manifest(path: &Path) -> anyhow::Result<Option<Manifest>> {
    match fs::read(path) {
        Ok(text) => Manifest::parse(&text).map(Some).with_context(|| format!("reading {}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}
