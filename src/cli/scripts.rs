//! `nodesmith scripts`: what is known of programs that packages' scripts use, and what became of a package's scripts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::data::data;
use crate::assemble::scripts::programs::{self, Row, Treatment};
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
            let manifest = serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?;
            of_packages(&manifest, arguments.name.as_deref())
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
    let text =
        if arguments.json { serde_json::to_string_pretty(&found)? + "\n" } else { found.iter().map(shown).collect() };
    data(text.as_bytes())
}

fn of_programs(name: Option<&str>) -> Vec<Value> {
    let mut rows: Vec<&Row> = programs::rows().filter(|row| name.is_none_or(|name| row.name == name)).collect();
    rows.sort_by_key(|row| row.name);
    let treated = |row: &Row| match row.treatment {
        Treatment::Native(_) => "native".to_owned(),
        Treatment::Nothing => "nothing".to_owned(),
        Treatment::Done => "done".to_owned(),
        Treatment::Answer(status, _) => format!("answered, status {status}"),
        Treatment::Refuse => "refused".to_owned(),
    };
    let family = |row: &Row| match row.family {
        None => Value::Null,
        Some(Family::Deb) => json!("deb"),
        Some(Family::Rpm) => json!("rpm"),
    };
    rows.into_iter()
        .map(|row| json!({"program": row.name, "is": treated(row), "of": family(row), "why": row.about}))
        .collect()
}

fn of_packages(manifest: &Value, name: Option<&str>) -> Vec<Value> {
    let scripts = manifest["scripts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let wanted = |script: &&Value| {
        let package = script["package"].as_str().unwrap_or_default();
        name.is_none_or(|name| package.split(' ').next() == Some(name))
    };
    scripts.iter().filter(wanted).cloned().collect()
}

/// One entry as lines for people.
fn shown(entry: &Value) -> String {
    let word = |key: &str| entry[key].as_str().unwrap_or_default();
    if entry.get("program").is_some() && entry.get("script").is_none() {
        let of = entry["of"].as_str().map(|of| format!(" ({of})")).unwrap_or_default();
        return format!("{:<28} {:<20} {}\n", format!("{}{of}", word("program")), word("is"), word("why"));
    }
    let mut text = format!("{} {}: {}\n", word("package"), word("script"), word("outcome"));
    for (path, change) in entry["changes"].as_object().into_iter().flatten() {
        text.push_str(&format!("  {:<8} {path}\n", change.as_str().unwrap_or_default()));
    }
    for program in entry["programs"].as_array().into_iter().flatten() {
        let word = |key: &str| program[key].as_str().unwrap_or_default();
        text.push_str(&format!("  {:<10} {}: {}\n", word("was"), word("program"), word("why")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_and_a_packages_scripts_are_shown() {
        let rows = of_programs(Some("mysql"));
        assert!(shown(&rows[0]).contains("refused"), "{}", shown(&rows[0]));
        assert!(of_programs(Some("frobnicate")).is_empty());
        let manifest = json!({"scripts": [
            {"package": "a 1", "script": "postinst", "outcome": "interpreted", "changes": {"/etc/a": "made"},
             "programs": [{"program": "ldconfig", "was": "done", "why": "w"}]},
            {"package": "ab 1", "script": "postinst", "outcome": "interpreted"},
        ]});
        let found = of_packages(&manifest, Some("a"));
        let text: String = found.iter().map(shown).collect();
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
