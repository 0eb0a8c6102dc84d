//! The node's agent: `/init` of the initrd and the first-boot program. Everything is in `nodesmith::agent`.

use std::process::ExitCode;

fn main() -> ExitCode {
    nodesmith::agent::main(std::env::args_os().collect())
}
