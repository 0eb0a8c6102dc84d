//! What scripts could not do, as mistakes for people: by program, then by package.

use std::collections::BTreeSet;

use super::names::{full_name, is_meant};
use super::results::{Problem, Why};
use crate::diag::{Diagnostic, Diagnostics};
use crate::package::{Package, Script};
use crate::recipe::AcceptedScript;
use crate::shell::{Stop, StopKind, quote};

/// One mistake for each problem; those of one program stand together, and the first of them helps.
pub(crate) fn mistakes(mut problems: Vec<Problem>) -> Diagnostics {
    let program = |problem: &Problem| match &problem.why {
        Why::Stopped(stop) => stop.program().map(str::to_owned),
        Why::Failed(..) => None,
    };
    problems.sort_by_key(|problem| {
        let name = program(problem);
        (name.is_none(), name, problem.package.clone(), problem.script.clone())
    });
    let mut helped = BTreeSet::new();
    let mut found = Diagnostics::default();
    for problem in &problems {
        let name = program(problem);
        let first = name.as_ref().is_none_or(|name| helped.insert(name.clone()));
        found.push(mistake(problem, name.as_deref(), first));
    }
    found
}

fn mistake(problem: &Problem, program: Option<&str>, first: bool) -> Diagnostic {
    let Problem { package, script, why } = problem;
    let (slug, title) = match why {
        Why::Stopped(stop) => {
            let line = stop.line.map(|line| format!(", line {line}")).unwrap_or_default();
            let command = match stop.command.is_empty() {
                true => String::new(),
                false => format!(": `{}`", quote(stop.command.as_bytes(), Stop::QUOTE)),
            };
            (slug(stop), format!("{}: `{script}` of {package}{line}{command}", stop.kind))
        }
        Why::Failed(status, complaint) => {
            let last = if complaint.is_empty() { String::new() } else { format!(": {complaint}") };
            ("script-failed", format!("`{script}` of {package} ended with status {status}{last}"))
        }
    };
    let mistake = Diagnostic::new(slug, title);
    if !first {
        return mistake;
    }
    let name = &package.name;
    match (program, why) {
        (Some(program), Why::Stopped(stop)) => {
            let program = quote(program.as_bytes(), Stop::QUOTE);
            let unknown = matches!(stop.kind, StopKind::UnknownProgram(_));
            let entry = format!("accept-scripts: {{{name}: {{\"{script}\": {{\"{program}\": \"why it may do nothing\"}}}}}}");
            let mistake = mistake.help(format!("if a node needs nothing of what it does there, say so in the recipe: `{entry}`"));
            match unknown {
                true => mistake.help("or let unknown programs do nothing: `unknown-programs: note`; `nodesmith scripts` lists those that are known"),
                false => mistake.help(format!("`nodesmith scripts {program}` says what is known of it")),
            }
        }
        _ => mistake.help(format!(
            "if a node needs nothing of this script, accept it: `accept-scripts: {{{name}: {{\"{script}\": \"why it is not needed\"}}}}`"
        )),
    }
}

/// What a stop is called in messages, for those that no program stands behind.
fn slug(stop: &Stop) -> &'static str {
    match &stop.kind {
        StopKind::UnknownProgram(_) => "unknown-program",
        StopKind::Refused(..) => "refused-program",
        StopKind::Unsupported(..) => "unsupported-in-script",
        StopKind::Limit(_) => "script-limit",
        StopKind::Syntax(_) => "script-syntax",
        StopKind::Failure(_) => "script-failure",
    }
}

/// Entries of `accept-scripts` that are about no script of the packages.
pub(super) fn unmeant(accepted: &[AcceptedScript], packages: &[&Package]) -> Diagnostics {
    let mut found = Diagnostics::default();
    for accept in accepted {
        let package = packages.iter().find(|package| package.id.name == accept.package);
        let scripts = package.map(|package| package.scripts.as_slice()).unwrap_or_default();
        if scripts.iter().any(|script| is_meant(script, accept, scripts)) {
            continue;
        }
        let kind: Vec<&Script> = scripts.iter().filter(|script| script.name == accept.script).collect();
        let mistake = match kind.as_slice() {
            [] => Diagnostic::new("no-such-script", format!("`{}` has no script `{}`", accept.package, accept.script))
                .at(&accept.location, "accepts a script that is not there")
                .help("take this entry out"),
            several => {
                let names: Vec<String> = several.iter().map(|script| format!("`{}`", full_name(script))).collect();
                let title = format!("`{}` has {} scripts `{}`", accept.package, several.len(), accept.script);
                Diagnostic::new("no-such-script", title)
                    .at(&accept.location, "one of them is meant")
                    .help(format!("say which: {}", names.join(", ")))
            }
        };
        found.push(mistake);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::PackageId;

    #[test]
    fn every_kind_of_stop_has_a_slug_of_its_own() {
        let stopped = |kind| Why::Stopped(Stop::new(kind));
        let text = || "x".to_owned();
        for (why, slug) in [
            (stopped(StopKind::UnknownProgram(text())), "unknown-program"),
            (stopped(StopKind::Refused(text(), text())), "refused-program"),
            (stopped(StopKind::Unsupported(text(), text())), "unsupported-in-script"),
            (stopped(StopKind::Limit(text())), "script-limit"),
            (stopped(StopKind::Syntax(text())), "script-syntax"),
            (stopped(StopKind::Failure(text())), "script-failure"),
            (Why::Failed(1, text()), "script-failed"),
        ] {
            let package = PackageId { name: "p".into(), version: "1".into(), arch: "amd64".into() };
            let found = mistakes(vec![Problem { package, script: "postinst".into(), why }]).0;
            assert_eq!((found.len(), found[0].slug), (1, slug));
            assert!(found[0].title.contains("`postinst` of p 1") && !found[0].help.is_empty(), "{found:?}");
        }
    }
}
