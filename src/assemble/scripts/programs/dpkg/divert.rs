//! `dpkg-divert`: another package's copy of a file is put aside.

use super::packages;
use super::root::only_the_root;
use super::state::{Diversion, normal};
use crate::assemble::scripts::machine::Machine;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Errno, Stop, matches};

const OPTIONS: &[options::Known] = &[
    "add",
    "remove",
    "list",
    "listpackage",
    "truename",
    "divert=",
    "package=",
    "local",
    "rename",
    "no-rename",
    "quiet",
    "test",
    "admindir=",
    "instdir=",
    "root=",
];

/// What one call is told.
struct Request {
    path: Bytes,
    to: Option<Bytes>,
    /// Nothing if any package's diversion is meant.
    by: Option<Option<String>>,
    rename: bool,
    quiet: bool,
    test: bool,
}

pub(super) fn program(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, OPTIONS, false)?;
    only_the_root(call, &given)?;
    let known = ["add", "remove", "list", "listpackage", "truename"];
    let actions: Vec<&str> = given.given.iter().map(|(name, _)| *name).filter(|name| known.contains(name)).collect();
    let action = match actions.as_slice() {
        [] => "add",
        [action] => action,
        [first, second, ..] => return failed(call, format!("conflicting actions --{second} and --{first}")),
    };
    if action == "list" {
        return list(call, &given.operands);
    }
    let to = given.value("divert").cloned();
    if let Some(to) = to.as_ref().filter(|to| !to.starts_with(b"/")) {
        return failed(call, format!("filename \"{}\" is not absolute", String::from_utf8_lossy(to)));
    }
    let [path] = given.operands.as_slice() else {
        return failed(call, format!("--{action} needs a single argument"));
    };
    if !path.starts_with(b"/") {
        return failed(call, format!("filename \"{}\" is not absolute", String::from_utf8_lossy(path)));
    }
    if [Some(path), to.as_ref()].into_iter().flatten().any(|path| path.contains(&b'\n')) {
        return failed(call, "file may not contain newlines");
    }
    let of_package = given.given.iter().rev().find_map(|(name, value)| match *name {
        "package" => Some(Some(String::from_utf8_lossy(value).into_owned())),
        "local" => Some(None),
        _ => None,
    });
    let rename = given.given.iter().rev().find(|(name, _)| ["rename", "no-rename"].contains(name));
    let request = Request {
        path: path.clone(),
        to,
        by: of_package,
        rename: rename.is_some_and(|(name, _)| *name == "rename"),
        quiet: given.has("quiet"),
        test: given.has("test"),
    };
    if rename.is_none() && ["add", "remove"].contains(&action) {
        call.error("warning: please specify --no-rename explicitly, the default will change to --rename in 1.20.x")?;
    }
    match action {
        "add" => add(call, request),
        "remove" => remove(call, request),
        "listpackage" => list_package(call, path),
        _ => true_name(call, path),
    }
}

fn failed(call: &mut Call, text: impl std::fmt::Display) -> Result<u8, Stop> {
    call.fail(2, format!("error: {text}"))
}

fn describe(from: &[u8], to: Option<&[u8]>, by: Option<&str>) -> String {
    let from = String::from_utf8_lossy(from);
    let to = to.map(|to| format!(" to {}", String::from_utf8_lossy(to))).unwrap_or_default();
    match by {
        None => format!("local diversion of {from}{to}"),
        Some(by) => format!("diversion of {from}{to} by {by}"),
    }
}

fn add(call: &mut Call, request: Request) -> Result<u8, Stop> {
    if call.machine.files.facts(&request.path, false).is_some_and(|facts| facts.kind == crate::shell::Kind::Directory) {
        return failed(call, "cannot divert directories");
    }
    let to_path = request.to.clone().unwrap_or_else(|| [request.path.as_slice(), b".distrib"].concat());
    if to_path == request.path {
        return failed(call, format!("cannot divert file '{}' to itself", String::from_utf8_lossy(&request.path)));
    }
    let (from, to) = (normal(&request.path), normal(&to_path));
    let by = request.by.flatten();
    let diversions = &call.machine.dpkg.diversions;
    if let Some((old_from, old_to, old_by)) = diversions.concerning(&from).or_else(|| diversions.concerning(&to)) {
        let old = describe(old_from, Some(old_to), old_by);
        // Whoever spells a path in another way asks for another diversion.
        if (old_from, old_to, old_by) == (request.path.as_slice(), to_path.as_slice(), by.as_deref()) {
            return told(call, request.quiet, format!("Leaving '{old}'"));
        }
        let new = describe(&request.path, Some(&to_path), by.as_deref());
        return failed(call, format!("'{new}' clashes with '{old}'"));
    }
    told(call, request.quiet, format!("Adding '{}'", describe(&from, Some(&to), by.as_deref())))?;
    let mut rename = request.rename;
    if rename {
        match check_rename(call.machine, &request.path, &to_path) {
            Ok(there) => rename = there,
            Err(problem) => return failed(call, problem),
        }
    }
    if let Some(by) = by.as_ref().filter(|by| rename && owns(call.machine, by, &from)) {
        let path = String::from_utf8_lossy(&request.path);
        told(
            call,
            request.quiet,
            format!("Ignoring request to rename file '{path}' owned by diverting package '{by}'"),
        )?;
        rename = false;
    }
    if rename && is_essential(call.machine, &from) {
        let path = String::from_utf8_lossy(&from);
        let danger = "from an Essential package with rename is dangerous, use --no-rename";
        call.error(format!("warning: diverting file '{path}' {danger}"))?;
    }
    if !request.test {
        call.machine.dpkg.diversions.0.insert(from, Diversion { to, by });
        if rename {
            return moved(call, &request.path, &to_path);
        }
    }
    Ok(0)
}

fn told(call: &mut Call, quiet: bool, text: String) -> Result<u8, Stop> {
    if !quiet {
        call.out(format!("{text}\n"))?;
    }
    Ok(0)
}

fn owns(machine: &Machine, package: &str, path: &[u8]) -> bool {
    packages::find(machine, package).is_some_and(|known| known.files().iter().any(|file| file.path.as_bytes() == path))
}

fn is_essential(machine: &Machine, path: &[u8]) -> bool {
    packages::known(machine).iter().any(|known| {
        known.field("Essential") == Some("yes") && known.files().iter().any(|file| file.path.as_bytes() == path)
    })
}

/// Whether there is something to rename, and it may be.
fn check_rename(machine: &Machine, from: &[u8], to: &[u8]) -> Result<bool, String> {
    let Some(source) = machine.files.facts(from, false) else { return Ok(false) };
    let directory = to.iter().rposition(|byte| *byte == b'/').map_or(&b"/"[..], |slash| &to[..slash.max(1)]);
    let (from, to_shown) = (String::from_utf8_lossy(from), String::from_utf8_lossy(to));
    if !machine.files.is_directory(directory) {
        return Err(format!("error checking '{to_shown}': {}", Errno::NoEntry));
    }
    match machine.files.facts(to, false) {
        Some(target) if target.inode != source.inode => {
            Err(format!("rename involves overwriting '{to_shown}' with\n  different file '{from}', not allowed"))
        }
        _ => Ok(true),
    }
}

fn moved(call: &mut Call, from: &[u8], to: &[u8]) -> Result<u8, Stop> {
    let files = &mut call.machine.files;
    let done = if files.facts(to, false).is_some() { files.remove(from) } else { files.rename(from, to) };
    match done {
        Ok(()) => Ok(0),
        Err(errno) => {
            let (from, to) = (String::from_utf8_lossy(from), String::from_utf8_lossy(to));
            failed(call, format!("cannot rename '{from}' to '{to}': {errno}"))
        }
    }
}

fn remove(call: &mut Call, request: Request) -> Result<u8, Stop> {
    let from = normal(&request.path);
    let wanted = match &request.by {
        None => {
            let to = request.to.as_ref().map(|to| format!(" to {}", String::from_utf8_lossy(to))).unwrap_or_default();
            format!("any diversion of {}{to}", String::from_utf8_lossy(&request.path))
        }
        Some(by) => describe(&request.path, request.to.as_deref(), by.as_deref()),
    };
    let Some(Diversion { to, by }) = call.machine.dpkg.diversions.0.get(&from).cloned() else {
        return told(call, request.quiet, format!("No diversion '{wanted}', none removed."));
    };
    let found = describe(&from, Some(&to), by.as_deref());
    if request.to.as_ref().is_some_and(|wanted| *wanted != to) {
        return failed(call, format!("mismatch on divert-to\n  when removing '{wanted}'\n  found '{found}'"));
    }
    if request.by.as_ref().is_some_and(|wanted| *wanted != by) {
        return failed(call, format!("mismatch on package\n  when removing '{wanted}'\n  found '{found}'"));
    }
    told(call, request.quiet, format!("Removing '{found}'"))?;
    let mut rename = request.rename;
    if rename {
        match check_rename(call.machine, &to, &from) {
            Ok(there) => rename = there,
            Err(problem) => return failed(call, problem),
        }
    }
    if request.test {
        return Ok(0);
    }
    call.machine.dpkg.diversions.0.remove(&from);
    if rename { moved(call, &to, &from) } else { Ok(0) }
}

fn list(call: &mut Call, patterns: &[Bytes]) -> Result<u8, Stop> {
    let all = [b"*".to_vec()];
    let patterns = if patterns.is_empty() { &all } else { patterns };
    let mut text = String::new();
    for (from, Diversion { to, by }) in &call.machine.dpkg.diversions.0 {
        let names = [by.as_deref().unwrap_or(":").as_bytes(), to, from];
        if patterns.iter().any(|pattern| names.iter().any(|name| matches(pattern, name))) {
            text.push_str(&describe(from, Some(to), by.as_deref()));
            text.push('\n');
        }
    }
    call.out(text)?;
    Ok(0)
}

fn list_package(call: &mut Call, path: &[u8]) -> Result<u8, Stop> {
    let found = call.machine.dpkg.diversions.concerning(&normal(path));
    let text = found.map(|(.., by)| format!("{}\n", by.unwrap_or("LOCAL"))).unwrap_or_default();
    call.out(text)?;
    Ok(0)
}

fn true_name(call: &mut Call, path: &[u8]) -> Result<u8, Stop> {
    let to = call.machine.dpkg.diversions.to(&normal(path)).map(|(to, _)| to.to_vec());
    let mut line = to.unwrap_or_else(|| path.to_vec());
    line.push(b'\n');
    call.out(line)?;
    Ok(0)
}
