//! `nodesmith scripts`: what is known of programs that packages' scripts use, and what became of a package's scripts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::data::{data, json};
use crate::assemble::scripts::programs::{self, Row, Treatment};
use crate::image::manifest::{Manifest, Program, Script};
use crate::package::Family;
use crate::spelling;

/// Show what happens to a program that packages' scripts use, and why
///
/// Scripts are interpreted while an image is built. Of each program the table says what it does there: `native` is done
/// on the image's files, `nothing` has no effect on an image, `done` is a step of the build, `answered` gets a fixed
/// answer, `refused` stops the build. With a manifest it shows the scripts of a package: what they changed, and what
/// their programs were.
///
/// Exit code: 0, 1 if nothing is known of the name, 2 for what cannot be read.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: nodesmith scripts systemctl\n          nodesmith scripts ca-certificates --manifest out/quickstart.manifest.json"
)]
pub(super) struct Scripts {
    /// A program, or with --manifest a package; without one, all
    name: Option<String>,
    /// The manifest of a build, in which packages are looked up
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn scripts(arguments: &Scripts) -> anyhow::Result<ExitCode> {
    let found = match &arguments.manifest {
        Some(path) => {
            let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            let manifest = Manifest::parse(&text).with_context(|| format!("reading {}", path.display()))?;
            of_packages(manifest, arguments.name.as_deref())
        }
        None => of_programs(arguments.name.as_deref()),
    };
    if found.is_empty() {
        let name = arguments.name.as_deref().unwrap_or_default();
        let near = spelling::nearest(name, programs::rows().map(|row| row.name), 3).join("`, `");
        let place = if arguments.manifest.is_some() {
            "no package of the manifest has scripts and is called"
        } else {
            "no program is known as"
        };
        crate::report::say(&format!("{place} `{name}`; the nearest programs: `{near}`"));
        return Ok(ExitCode::FAILURE);
    }
    if arguments.json { json(&found) } else { data(found.iter().map(Entry::text).collect::<String>().as_bytes()) }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Entry {
    Program { program: &'static str, is: String, of: Option<Family>, why: &'static str },
    Script(Script),
}

fn of_programs(name: Option<&str>) -> Vec<Entry> {
    let mut rows: Vec<&Row> = programs::rows().filter(|row| name.is_none_or(|name| row.name == name)).collect();
    rows.sort_by_key(|row| row.name);
    let treated = |row: &Row| match row.treatment {
        Treatment::Native(_) => "native".to_owned(),
        Treatment::Nothing => "nothing".to_owned(),
        Treatment::Done => "done".to_owned(),
        Treatment::Answer(status, _) => format!("answered, status {status}"),
        Treatment::Refuse => "refused".to_owned(),
    };
    let entry = |row: &Row| Entry::Program { program: row.name, is: treated(row), of: row.family, why: row.about };
    rows.into_iter().map(entry).collect()
}

fn of_packages(manifest: Manifest, name: Option<&str>) -> Vec<Entry> {
    let wanted = |script: &Script| name.is_none_or(|name| script.package.split(' ').next() == Some(name));
    manifest.scripts.into_iter().filter(wanted).map(Entry::Script).collect()
}

impl Entry {
    /// As lines for people.
    fn text(&self) -> String {
        match self {
            Entry::Program { program, is, of, why } => {
                let of = of.map(|of| format!(" ({of})")).unwrap_or_default();
                format!("{:<28} {is:<20} {why}\n", format!("{program}{of}"))
            }
            Entry::Script(Script { package, script, outcome, changes, programs, .. }) => {
                let mut text = format!("{package} {script}: {outcome}\n");
                for (path, change) in changes {
                    text.push_str(&format!("  {:<8} {path}\n", change.word()));
                }
                for Program { program, was, why } in programs {
                    text.push_str(&format!("  {was:<10} {program}: {why}\n"));
                }
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::tests::manifest;

    #[test]
    fn a_program_and_a_packages_scripts_are_shown() {
        let text = of_programs(Some("mysql"))[0].text();
        assert!(text.contains("refused"), "{text}");
        assert!(of_programs(Some("frobnicate")).is_empty());
        let mut manifest = manifest();
        let other = Script { package: "ab 1".into(), ..manifest.scripts[0].clone() };
        manifest.scripts.push(other);
        let text: String = of_packages(manifest, Some("a")).iter().map(Entry::text).collect();
        assert_eq!(text, "a 1 postinst: interpreted\n  made     /etc/a\n  done       ldconfig: w\n");
    }

    #[test]
    fn every_program_stands_in_the_table_once_and_says_why() {
        let mut seen = std::collections::BTreeSet::new();
        for row in programs::rows() {
            assert!(row.about.len() > 8, "{}: a reason", row.name);
            assert!(seen.insert((row.name, format!("{:?}", row.family))), "{} twice", row.name);
        }
    }
}
