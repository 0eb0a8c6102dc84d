//! `nodesmith check` and `nodesmith schema`.

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};

use super::data::json;
use super::day::day;
use crate::agent::first_boot::documents::shapes::{META_DATA, NETWORK_CONFIG, USER_DATA};
use crate::diag::Diagnostics;
use crate::recipe::shape::RECIPE;
use crate::recipe::{Recipe, check as checking, load};
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
    /// Print the mistakes as JSON on the standard output, an empty list if there are none
    #[arg(long, conflicts_with = "print")]
    json: bool,
}

pub(super) fn check(arguments: &Check) -> anyhow::Result<ExitCode> {
    let checked = checked(arguments);
    if arguments.json {
        let none = Diagnostics::default();
        let mistakes = match &checked {
            Ok(_) => &none,
            Err(error) => match error.downcast_ref::<Diagnostics>() {
                Some(mistakes) => mistakes,
                None => return checked.map(|_| ExitCode::SUCCESS),
            },
        };
        let written = json(&report::json(mistakes))?;
        return Ok(if mistakes.is_empty() { written } else { ExitCode::FAILURE });
    }
    let recipe = checked?;
    if arguments.print {
        return json(&crate::recipe::print::print(&recipe));
    }
    report::say(&format!("{}: no mistakes", arguments.recipe.display()));
    Ok(ExitCode::SUCCESS)
}

fn checked(arguments: &Check) -> anyhow::Result<Recipe> {
    Ok(checking::check(&load::load(&arguments.recipe)?, day(arguments.as_of))?)
}

/// Print the JSON Schema of a document, for editors
///
/// With the YAML language server: put `# yaml-language-server: $schema=recipe.schema.json` on a recipe's first line.
#[derive(Debug, Args)]
#[command(after_help = "Example: nodesmith schema user-data > user-data.schema.json")]
pub(super) struct Schema {
    /// Which document
    #[arg(value_enum, default_value = "recipe")]
    document: Document,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    Recipe,
    MetaData,
    UserData,
    NetworkConfig,
}

pub(super) fn schema(arguments: &Schema) -> anyhow::Result<ExitCode> {
    let (shape, title) = match arguments.document {
        Document::Recipe => (&RECIPE, "Nodesmith recipe"),
        Document::MetaData => (&META_DATA, "meta-data of a Nodesmith node"),
        Document::UserData => (&USER_DATA, "user-data of a Nodesmith node"),
        Document::NetworkConfig => (&NETWORK_CONFIG, "network-config of a Nodesmith node"),
    };
    json(&shape::json_schema(shape, title))
}
