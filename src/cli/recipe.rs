//! `nodesmith check` and `nodesmith schema`.

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::NaiveDate;
use clap::Args;

use crate::recipe::shape::RECIPE;
use crate::recipe::{check as checking, load};
use crate::{report, shape};

/// Check a recipe and show every mistake in it
#[derive(Debug, Args)]
#[command(after_help = "Example: nodesmith check recipes/quickstart.yaml")]
pub(super) struct Check {
    /// The recipe
    recipe: PathBuf,
    /// Judge dates (ends of kernel lines) as of this day instead of today
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<NaiveDate>,
    /// Print the recipe as it was understood, with bases merged and defaults filled in
    #[arg(long)]
    print: bool,
}

pub(super) fn check(arguments: &Check) -> anyhow::Result<ExitCode> {
    let value = load::load(&arguments.recipe)?;
    let recipe = checking::check(&value, super::day(arguments.as_of))?;
    if arguments.print {
        let text = serde_json::to_string_pretty(&crate::recipe::print::print(&recipe))?;
        return super::data(format!("{text}\n").as_bytes());
    }
    report::say(&format!("{}: no mistakes", arguments.recipe.display()));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn schema() -> anyhow::Result<ExitCode> {
    let text = serde_json::to_string_pretty(&shape::json_schema(&RECIPE))?;
    super::data(format!("{text}\n").as_bytes())
}
