//! The node's agent: one static program that is PID 1 of the initrd and, later, the first-boot service.
//!
//! ```text
//! initrd:      cmdline ─► modules ─► disk ─► verity ─► var ─► writable ─► switch root          (initrd.rs)
//! first boot:  seed ─► nocloud ─► NodeConfig ─┐
//!                                 facts ──────┴─ plan ─► [Step] ─► apply ─► status             (first_boot.rs)
//! ```
//! Compiled without the feature `builder` too; of the crate it may use only `contract` and `diag`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

pub mod base64;
pub mod cmdline;
pub mod config;
pub mod console;
pub mod copy;
pub mod disk;
pub mod durable;
pub mod gpt;
pub mod initrd;
pub mod network;
pub mod nocloud;
pub mod run;
pub mod seed;
pub mod ssh_key;
pub mod status;
pub mod sys;
pub mod units;
pub mod var;
pub mod verity;
pub mod volume;
pub mod writable;
pub mod yaml;

/// Where the initrd mounts the root.
const SYSROOT: &str = "/sysroot";

/// The program: chooses by process id and first argument.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    if std::process::id() == 1 {
        initrd::main(&arguments)
    }
    match arguments.get(1).and_then(|verb| verb.to_str()) {
        Some(run::IN_ROOT) => {
            console::complain(&format!("{:#}", run::enter(&arguments[2..])));
            ExitCode::from(2)
        }
        _ => ExitCode::from(2),
    }
}

/// Fills the buffer from the kernel's generator, waiting until it is ready.
fn random(buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        filled += rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty())
            .context("reading random bytes")?;
    }
    Ok(())
}
