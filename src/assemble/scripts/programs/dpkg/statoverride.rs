//! `dpkg-statoverride`: an owner and a mode that stay whatever a package says.

use super::root::only_the_root;
use super::state::{Override, normal};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::file_capabilities;
use crate::shell::{Bytes, Stop, matches};

const OPTIONS: &[options::Known] = &[
    "add",
    "remove",
    "list",
    "update",
    "quiet",
    "force",
    "force-all",
    "force-statoverride-add",
    "force-statoverride-remove",
    "admindir=",
    "instdir=",
    "root=",
];

pub(super) fn program(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, OPTIONS, false)?;
    only_the_root(call, &given)?;
    let known = ["add", "remove", "list"];
    let actions: Vec<&str> = given.given.iter().map(|(name, _)| *name).filter(|name| known.contains(name)).collect();
    match actions.as_slice() {
        ["add"] => add(call, &given),
        ["remove"] => remove(call, &given),
        ["list"] => list(call, &given),
        [] => failed(call, "need an action option"),
        [first, second, ..] => failed(call, format!("conflicting actions --{second} and --{first}")),
        [_] => Ok(2),
    }
}

fn failed(call: &mut Call, text: impl std::fmt::Display) -> Result<u8, Stop> {
    call.fail(2, format!("error: {text}"))
}

/// The path without `/` and `/.` at its end, as dpkg's database has it.
fn cleaned(call: &mut Call, given: &options::Options, path: &[u8]) -> Result<Bytes, Stop> {
    let mut clean = path;
    while let Some(shorter) =
        clean.strip_suffix(b"/").or_else(|| clean.strip_suffix(b"/.")).filter(|path| !path.is_empty())
    {
        clean = shorter;
    }
    if clean.len() < path.len() && !given.has("quiet") {
        call.error("warning: stripping trailing /")?;
    }
    Ok(normal(clean))
}

fn add(call: &mut Call, given: &options::Options) -> Result<u8, Stop> {
    let [user, group, mode, path] = given.operands.as_slice() else {
        return failed(call, "--add needs four arguments");
    };
    if path.contains(&b'\n') {
        return failed(call, "path may not contain newlines");
    }
    let path = cleaned(call, given, path)?;
    let shown = String::from_utf8_lossy(&path).into_owned();
    if call.machine.dpkg.overrides.0.contains_key(&path) {
        if !["force", "force-all", "force-statoverride-add"].iter().any(|force| given.has(force)) {
            return failed(call, format!("an override for '{shown}' already exists; aborting"));
        }
        let text = "already exists, but --force specified so will be ignored";
        call.error(format!("warning: an override for '{shown}' {text}"))?;
    }
    let (user, group) = (String::from_utf8_lossy(user), String::from_utf8_lossy(group));
    let root = |name: &str| (name == "root").then_some(0);
    let Some(uid) = number(&user).or_else(|| call.machine.accounts.uid(&user)).or(root(&user)) else {
        return failed(call, format!("user '{user}' does not exist"));
    };
    let Some(gid) = number(&group).or_else(|| call.machine.accounts.gid(&group)).or(root(&group)) else {
        return failed(call, format!("group '{group}' does not exist"));
    };
    let Some(mode) = octal(mode) else {
        return failed(call, format!("invalid statoverride mode {}", String::from_utf8_lossy(mode)));
    };
    let stat = Override { uid, gid, mode };
    if given.has("update") {
        update(call, given, &path, &stat)?;
    }
    call.machine.dpkg.overrides.0.insert(path, stat);
    Ok(0)
}

/// `#123`
fn number(text: &str) -> Option<u32> {
    text.strip_prefix('#')?.parse().ok()
}

fn octal(text: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(text).ok()?;
    u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777)
}

fn update(call: &mut Call, given: &options::Options, path: &[u8], stat: &Override) -> Result<(), Stop> {
    let files = &mut call.machine.files;
    if files.is_later(path) {
        return Ok(());
    }
    let done = files.update(path, true, |inode| {
        (inode.uid, inode.gid, inode.mode) = (stat.uid, stat.gid, stat.mode);
        // The kernel takes capabilities away when the owner is set.
        inode.xattrs.remove(file_capabilities::ATTRIBUTE);
    });
    if done.is_err() && !given.has("quiet") {
        let path = String::from_utf8_lossy(path);
        call.error(format!("warning: --update given but {path} does not exist"))?;
    }
    Ok(())
}

fn remove(call: &mut Call, given: &options::Options) -> Result<u8, Stop> {
    let [path] = given.operands.as_slice() else {
        return failed(call, "--remove needs a single argument");
    };
    let path = cleaned(call, given, path)?;
    if call.machine.dpkg.overrides.0.remove(&path).is_none() {
        if !given.has("quiet") {
            call.error("warning: no override present")?;
        }
        let forced = ["force", "force-all", "force-statoverride-remove"].iter().any(|force| given.has(force));
        return Ok(if forced { 0 } else { 2 });
    }
    if given.has("update") && !given.has("quiet") {
        call.error("warning: --update is useless for --remove")?;
    }
    Ok(0)
}

fn list(call: &mut Call, given: &options::Options) -> Result<u8, Stop> {
    let mut patterns = Vec::new();
    for pattern in &given.operands {
        patterns.push(cleaned(call, given, pattern)?);
    }
    let meant = |path: &[u8]| patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, path));
    let lines = call.machine.dpkg.overrides.lines(&call.machine.accounts).filter(|(path, _)| meant(path));
    let text: Bytes = lines.flat_map(|(_, line)| line).collect();
    call.out(&text)?;
    Ok(u8::from(text.is_empty()))
}
