//! Data for programs and pipes: the standard output.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

/// Writes data to stdout.
pub(super) fn data(bytes: &[u8]) -> anyhow::Result<ExitCode> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a value as JSON to stdout, with keys in the order of the alphabet.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<ExitCode> {
    let value = serde_json::to_value(value)?;
    data(format!("{}\n", serde_json::to_string_pretty(&value)?).as_bytes())
}
