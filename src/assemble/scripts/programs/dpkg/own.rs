//! `dpkg` itself: what scripts ask it. What would change the set of packages is refused.

use super::root::only_the_root;
use super::{packages, query, trigger, versions};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::Stop;

const OPTIONS: &[options::Known] = &[
    "compare-versions",
    "print-architecture",
    "print-foreign-architectures",
    "validate-version",
    "validate-pkgname",
    "validate-archname",
    "validate-trigname",
    "assert-support-predepends",
    "assert-working-epoch",
    "assert-long-filenames",
    "assert-multi-conrep",
    "assert-multi-arch",
    "assert-versioned-provides",
    "assert-protected-field",
    "show|W",
    "status|s",
    "list|l",
    "listfiles|L",
    "search|S",
    "get-selections",
    "verify|V",
    "audit|C",
    "version",
    "no-pager",
    "root=",
    "admindir=",
    "log=",
    "install|i",
    "unpack",
    "configure",
    "remove|r",
    "purge|P",
    "triggers-only",
    "pending|a",
    "add-architecture",
    "remove-architecture",
    "set-selections",
    "clear-selections",
    "force-all",
    "force-depends",
];

/// Options that do not say what to do.
const SETTINGS: [&str; 7] = ["no-pager", "root", "admindir", "log", "pending", "force-all", "force-depends"];

pub(super) fn program(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, OPTIONS, false)?;
    only_the_root(call, &given)?;
    let actions: Vec<&str> =
        given.given.iter().map(|(name, _)| *name).filter(|name| !SETTINGS.contains(name)).collect();
    let words: Vec<String> = given.operands.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    match actions.as_slice() {
        [] => call.fail(2, "error: need an action option"),
        [action] => run(call, action, &words),
        [first, second, ..] => call.fail(2, format!("error: conflicting actions --{second} and --{first}")),
    }
}

fn run(call: &mut Call, action: &str, words: &[String]) -> Result<u8, Stop> {
    match action {
        "compare-versions" => versions::compare(call, words),
        "validate-version" => validated(call, words, versions::validate),
        "validate-pkgname" => validated(call, words, |call, name| judged(call, "package", name, package_problem(name))),
        "validate-archname" => {
            validated(call, words, |call, name| judged(call, "architecture", name, arch_problem(name)))
        }
        "validate-trigname" => {
            validated(call, words, |call, name| judged(call, "trigger", name, trigger::problem(name.as_bytes())))
        }
        "print-architecture" => {
            call.out(format!("{}\n", call.machine.arch.debian))?;
            Ok(0)
        }
        "print-foreign-architectures" | "verify" | "audit" => Ok(0),
        "version" => version(call),
        "get-selections" => selections(call, words),
        "show" => query::run(call, "show", words, b"${binary:Package}\t${Version}\n"),
        "status" | "list" | "listfiles" | "search" => query::run(call, action, words, b""),
        assertion if assertion.starts_with("assert-") => Ok(0),
        other => Err(Stop::refused("dpkg", format!("`--{other}` would change which packages the image has"))),
    }
}

/// The version of the image's dpkg, which may be none.
fn version(call: &mut Call) -> Result<u8, Stop> {
    let Some(version) = call.machine.package("dpkg").map(|dpkg| dpkg.package.id.version.clone()) else {
        return call.unsupported("`--version` in an image without dpkg");
    };
    call.out(format!("Debian 'dpkg' package management program version {version}.\n"))?;
    Ok(0)
}

fn selections(call: &mut Call, patterns: &[String]) -> Result<u8, Stop> {
    let all = packages::known(call.machine);
    let chosen = all
        .iter()
        .filter(|known| patterns.is_empty() || patterns.iter().any(|pattern| packages::is_meant(pattern, known)));
    // The name, as many tabs as reach the sixth stop and at least one, and what is wanted.
    let line = |name: String| format!("{name}{}install\n", "\t".repeat(6_usize.saturating_sub(name.len() / 8).max(1)));
    let text: String = chosen.map(|known| line(known.full_name())).collect();
    call.out(text)?;
    for pattern in patterns {
        if !all.iter().any(|known| packages::is_meant(pattern, known)) {
            call.error(format!("no packages found matching {pattern}"))?;
        }
    }
    Ok(0)
}

fn validated(call: &mut Call, words: &[String], check: fn(&mut Call, &str) -> Result<u8, Stop>) -> Result<u8, Stop> {
    match words {
        [word] => check(call, word),
        _ => call.fail(2, "error: one argument is needed"),
    }
}

fn judged(call: &mut Call, what: &str, name: &str, problem: Option<String>) -> Result<u8, Stop> {
    match problem {
        None => Ok(0),
        Some(problem) => call.fail(2, format!("error: {what} name '{name}' is invalid: {problem}")),
    }
}

fn package_problem(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("may not be empty string".to_owned());
    }
    if !name.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
        return Some("must start with an alphanumeric character".to_owned());
    }
    let other = name.chars().find(|letter| !letter.is_ascii_alphanumeric() && !"-+._".contains(*letter))?;
    Some(format!("character '{other}' not allowed (only letters, digits and characters '-+._')"))
}

fn arch_problem(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("may not be empty string".to_owned());
    }
    if !name.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
        return Some("must start with an alphanumeric character".to_owned());
    }
    let other = name.chars().find(|letter| !letter.is_ascii_alphanumeric() && *letter != '-')?;
    Some(format!("character '{other}' not allowed (only letters, digits and '-')"))
}
