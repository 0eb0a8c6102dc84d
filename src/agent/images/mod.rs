//! `nodeinit images`: gives the container runtime the images that lie in the node's image, before the kubelet starts.
//!
//! Each archive is imported by the runtime's own program, and its images are pinned, so that the kubelet's garbage
//! collector leaves them. A later boot imports nothing again, a new image of the node with another archive under the same
//! name does. Every step may be cut off and repeated.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::report::console;
use super::{exit_code, notify};
use crate::contract;
use crate::image_info::{Archive, ImageInfo};
use crate::runtime::{Engine, Runtime};

mod ctr;

/// Between attempts: doubled each time, up to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// After this long the unit fails and systemd starts it again; the boot goes on meanwhile.
const DEADLINE: Duration = Duration::from_secs(180);

/// Imports what is missing and tells how it went.
pub fn run() -> ExitCode {
    let started = Instant::now();
    let mut pause = PAUSE_FIRST;
    loop {
        let imported =
            ImageInfo::read(Path::new(contract::IMAGE_INFO)).and_then(|image| import_all(image.runtime, &image.images));
        let error = match imported.and_then(|()| notify::done()) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => error,
        };
        console::complain(&format!("container images of this node: {error:#}"));
        if started.elapsed() + pause > DEADLINE {
            console::complain("container images of this node: tried again later");
            return ExitCode::from(exit_code::FAILURE);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Brings every archive's images into the runtime. One that fails does not keep the others away; the first failure is
/// the result.
fn import_all(runtime: &Runtime, archives: &[Archive]) -> Result<()> {
    let mut result = Ok(());
    for archive in archives {
        let imported = import(runtime, archive).with_context(|| format!("importing {}", archive.file));
        result = result.and(imported);
    }
    result
}

/// One archive, unless its images are there and pinned.
fn import(runtime: &Runtime, archive: &Archive) -> Result<()> {
    match runtime.engine {
        Engine::Containerd => ctr::import(runtime.importer, archive),
    }
}
