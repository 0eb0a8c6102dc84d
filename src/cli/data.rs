//! Data for programs and pipes: the standard output.

use std::io::Write;
use std::process::ExitCode;

/// Writes data to stdout.
pub(super) fn data(bytes: &[u8]) -> anyhow::Result<ExitCode> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(ExitCode::SUCCESS)
}
