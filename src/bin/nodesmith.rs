//! `nodesmith`: the image builder's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    nodesmith::cli::main()
}
