//! The node's agent: one static program that is PID 1 of the initrd and, later, the first-boot service.
//!
//! ```text
//! initrd:      cmdline ─► modules ─► root_disk ─► verity_mapping ─► var ─► writable ─► switch_root    (initrd/)
//! first boot:  source ─► documents ─► NodeConfig ─┐
//!                                        facts ───┴─ plan ─► [Step] ─► apply                        (first_boot/)
//! join:        Request ─► flow ─► Joined                                                               (cluster/)
//! ```
//! All of them tell how they go (`report/`). The other files are what they need of the running system, each by itself.
//! Compiled without the feature `builder` too; of the crate it may use only what `lib.rs` compiles for both programs.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::diag::Diagnostics;

pub mod block_device;
pub mod cluster;
pub mod dns;
pub mod dns_name;
pub mod durable;
pub mod exit_code;
pub mod first_boot;
pub mod http;
pub mod images;
pub mod initrd;
pub mod notify;
pub mod random;
pub mod ready;
pub mod report;
pub mod resolve;
pub mod run;
pub mod secret;
pub mod sys;
pub mod sysroot;
pub mod units;
pub mod wait;

use first_boot::metadata::Origin;
use first_boot::source::nocloud;
use report::status::Status;

const USAGE: &str = "\
nodeinit: the agent of a Nodesmith node

  nodeinit status                        what the first boot did and how the node is
  nodeinit plan --seed DIR [--root DIR]  what it would do with the metadata in DIR
  nodeinit first-boot                    apply the metadata (started by systemd)
  nodeinit join                          join the cluster of the metadata (started by systemd)
  nodeinit images                        give the runtime the image's containers (started by systemd)
  nodeinit ready                         report when the node is ready (started by systemd)

As process 1 it boots an image from its initrd.
Exit status: 0 done, 1 a mistake in the metadata, 2 a failure.
";

/// The program: chooses by process id and first argument.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    if std::process::id() == 1 {
        initrd::main(&arguments)
    }
    let words = arguments.get(1..).unwrap_or_default();
    let outcome = match words.first().and_then(|verb| verb.to_str()) {
        Some("first-boot") => return first_boot::run(),
        Some("join") => return cluster::run(),
        Some("images") => return images::run(),
        Some("ready") => return ready::run(),
        Some(run::IN_ROOT) => Err(run::enter(&words[1..])),
        Some("status") => print_status(),
        Some("plan") => print_plan(&words[1..]),
        Some("help" | "--help" | "-h") => print(USAGE),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = if error.is::<Diagnostics>() { exit_code::MISTAKE } else { exit_code::FAILURE };
            // If not even this can be written, the exit status still tells.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::from(code)
        }
    }
}

fn print_status() -> Result<()> {
    let status = Status::read()?;
    print(&(serde_json::to_string_pretty(&status).context("writing the status")? + "\n"))
}

fn print_plan(words: &[OsString]) -> Result<()> {
    let (mut seed, mut root) = (None, PathBuf::from("/"));
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().map(PathBuf::from).with_context(|| format!("{} needs a directory", word.display()))?;
        match word.to_str() {
            Some("--seed") => seed = Some(value),
            Some("--root") => root = value,
            _ => bail!("{} is not an option of `plan`", word.display()),
        }
    }
    let directory: &Path = seed.as_deref().context("`plan` needs `--seed DIR`")?;
    let metadata = nocloud::read_directory(directory, Origin::named(directory.display().to_string()))?;
    let config = first_boot::config_of(Some(&metadata))?;
    print(&first_boot::plan_for(&config, &root)?.to_string())
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("writing to the standard output")
}
