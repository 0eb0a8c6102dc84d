//! The command line: what can be asked, and which function answers.
//!
//! Data goes to stdout, everything for people to stderr. Exit codes: 0 done; 1 a mistake in what a person wrote (or a
//! guest's verdict); 2 a failure of the environment, or an unusable command line.

mod boot;
mod build;
mod data;
mod day;
mod inspect;
mod recipe;
mod scripts;
mod seed;
mod serve;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::report;
use data::data;

/// Recipes in, immutable bootable Kubernetes node images out.
///
/// A recipe (YAML) says which packages, kernel, settings and container runtime a node has. `build` turns it into a
/// disk image without root, containers or other tools; `boot` runs the image on this machine.
///
/// Exit codes: 0 done, 1 a mistake in the recipe (each is shown with its line), 2 something else failed.
#[derive(Debug, Parser)]
#[command(name = "nodesmith", version, after_help = "Start with: nodesmith build recipes/quickstart.yaml --out out")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(recipe::Check),
    Lock(build::LockArguments),
    Build(build::Build),
    Inspect(inspect::Inspect),
    Seed(seed::Seed),
    Boot(boot::Boot),
    Serve(serve::Serve),
    Schema(recipe::Schema),
    Scripts(scripts::Scripts),
    /// Print a completion script for a shell
    ///
    /// For bash: nodesmith completions bash > ~/.local/share/bash-completion/completions/nodesmith
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Parses the command line, runs the command, and says how it went.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check(check) => recipe::check(&check),
        Command::Lock(lock) => build::lock(&lock),
        Command::Build(build) => build::build(&build),
        Command::Inspect(inspect) => inspect::inspect(&inspect),
        Command::Seed(seed) => seed::seed(&seed),
        Command::Boot(boot) => boot::boot(&boot),
        Command::Serve(serve) => serve::serve(&serve),
        Command::Schema(schema) => recipe::schema(&schema),
        Command::Scripts(scripts) => scripts::scripts(&scripts),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "nodesmith", &mut script);
            data(&script)
        }
    };
    match result {
        Ok(code) => code,
        Err(error) if report::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(report::show(&error)),
    }
}
