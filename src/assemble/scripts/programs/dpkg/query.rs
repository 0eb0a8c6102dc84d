//! `dpkg-query`, and what `dpkg` hands to it.

use super::format::{self, Format, shown_path};
use super::packages::{self, Known, is_pattern};
use super::root::only_the_root;
use crate::assemble::scripts::machine::Machine;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop, matches};

const OPTIONS: &[options::Known] = &[
    "show|W",
    "status|s",
    "list|l",
    "listfiles|L",
    "search|S",
    "control-path|c",
    "control-list",
    "control-show",
    "showformat|f=",
    "no-pager",
    "root=",
    "admindir=",
];

pub(super) fn program(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, OPTIONS, false)?;
    only_the_root(call, &given)?;
    let actions = given.given.iter().map(|(name, _)| *name);
    let not_actions = ["showformat", "no-pager", "root", "admindir"];
    let actions: Vec<&str> = actions.filter(|name| !not_actions.contains(name)).collect();
    let [action] = actions.as_slice() else {
        return call.fail(2, "error: need an action option");
    };
    let operands: Vec<String> = given.operands.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let default = b"${binary:Package}\t${Version}\n".to_vec();
    run(call, action, &operands, given.value("showformat").unwrap_or(&default))
}

/// One query, by the long name of its option.
pub(super) fn run(call: &mut Call, action: &str, operands: &[String], format: &[u8]) -> Result<u8, Stop> {
    let cost: usize = if action == "search" { call.machine.packages.len() * 20 } else { call.machine.packages.len() };
    crate::shell::World::spend(call.machine, cost as u64)?;
    match action {
        "show" => show(call, operands, format),
        "list" => list(call, operands),
        "status" => status(call, operands),
        "listfiles" => list_files(call, operands),
        "search" => search(call, operands),
        "control-path" | "control-list" | "control-show" => control(call, action, operands),
        other => call.unsupported(format!("`--{other}`")),
    }
}

fn notice(call: &mut Call, text: impl std::fmt::Display) -> Result<(), Stop> {
    // The program is `dpkg-query` even where `dpkg` started it.
    let text = format!("dpkg-query: {text}");
    call.shell.error(call.machine, &text)
}

/// What the patterns mean, in the order of the names; all that is installed without any. The second are the patterns
/// that mean nothing.
fn chosen<'a>(machine: &Machine<'a>, patterns: &[String]) -> (Vec<Known<'a>>, Vec<String>) {
    if patterns.is_empty() {
        return (packages::known(machine), Vec::new());
    }
    let all = packages::known_or_mentioned(machine);
    let found: Vec<Known> =
        all.into_iter().filter(|known| patterns.iter().any(|pattern| packages::is_meant(pattern, known))).collect();
    let misses = patterns.iter().filter(|pattern| !found.iter().any(|known| packages::is_meant(pattern, known)));
    let misses = misses.cloned().collect();
    (found, misses)
}

fn tell_misses(call: &mut Call, misses: &[String]) -> Result<u8, Stop> {
    for pattern in misses {
        notice(call, format!("no packages found matching {pattern}"))?;
    }
    Ok(u8::from(!misses.is_empty()))
}

fn show(call: &mut Call, patterns: &[String], format: &[u8]) -> Result<u8, Stop> {
    let format = match Format::parse(format) {
        Ok(format) => format,
        Err(mistake) => {
            notice(call, format!("error in show format: {mistake}"))?;
            return Ok(1);
        }
    };
    let (found, misses) = chosen(call.machine, patterns);
    for package in found {
        let text = format.show(call.machine, &package)?;
        call.out(text)?;
    }
    tell_misses(call, &misses)
}

/// Columns as wide as what stands in them.
fn list(call: &mut Call, patterns: &[String]) -> Result<u8, Stop> {
    let (found, misses) = chosen(call.machine, patterns);
    let rows: Vec<[String; 4]> = found.iter().map(columns).collect();
    let titles = ["Name", "Version", "Architecture", "Description"].map(str::to_owned);
    let mut widths = [14, 12, 12, 33];
    for (column, width) in widths.iter_mut().enumerate() {
        let longest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        *width = longest.max(*width);
    }
    let mut text = String::new();
    if !rows.is_empty() {
        text.push_str("Desired=Unknown/Install/Remove/Purge/Hold\n| Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend\n|/ Err?=(none)/Reinst-required (Status,Err: uppercase=bad)\n");
        text.push_str(&row("||/", &titles, widths));
        let line = |width: usize| "=".repeat(width);
        let [name, version, arch, description] = widths.map(line);
        text.push_str(&format!("+++-{name}-{version}-{arch}-{description}\n"));
    }
    for (package, cells) in found.iter().zip(&rows) {
        text.push_str(&row(&format::abbreviation(package), cells, widths));
    }
    call.out(text)?;
    tell_misses(call, &misses)
}

fn row(mark: &str, [name, version, arch, description]: &[String; 4], [wide, wider, widest, _]: [usize; 4]) -> String {
    format!("{mark} {name:wide$} {version:wider$} {arch:widest$} {description}\n")
}

fn columns(package: &Known) -> [String; 4] {
    let or_none = |text: &str| if text.is_empty() { "<none>".to_owned() } else { text.to_owned() };
    let version = package.field("Version").unwrap_or_default();
    [package.full_name(), or_none(version), or_none(package.arch()), format::synopsis(package).to_owned()]
}

fn status(call: &mut Call, names: &[String]) -> Result<u8, Stop> {
    let mut missed = false;
    let names: Vec<String> = match names {
        [] => packages::known(call.machine).iter().map(Known::full_name).collect(),
        names => names.to_vec(),
    };
    for (index, name) in names.iter().enumerate() {
        match packages::find(call.machine, name) {
            Some(package) => {
                let text = format::stanza(call.machine, &package)?;
                call.out(text)?;
            }
            None => {
                notice(call, format!("package '{name}' is not installed and no information is available"))?;
                missed = true;
            }
        }
        if index + 1 < names.len() {
            call.out("\n")?;
        }
    }
    if missed {
        call.shell.error(call.machine, "Use dpkg --info (= dpkg-deb --info) to examine archive files.")?;
    }
    Ok(u8::from(missed))
}

fn list_files(call: &mut Call, names: &[String]) -> Result<u8, Stop> {
    if names.is_empty() {
        notice(call, "error: --listfiles needs at least one package name argument")?;
        return Ok(2);
    }
    let mut missed = false;
    for (index, name) in names.iter().enumerate() {
        match packages::find(call.machine, name) {
            Some(package) => {
                let text = files_of(call.machine, &package);
                call.out(text)?;
            }
            None => {
                notice(call, format!("package '{name}' is not installed"))?;
                missed = true;
            }
        }
        if index + 1 < names.len() {
            call.out("\n")?;
        }
    }
    if missed {
        let help = "Use dpkg --contents (= dpkg-deb --contents) to list archive files contents.";
        call.shell.error(call.machine, help)?;
    }
    Ok(u8::from(missed))
}

fn files_of(machine: &Machine, package: &Known) -> Bytes {
    if package.files().is_empty() {
        return format!("Package '{}' does not contain any files (!)\n", package.full_name()).into_bytes();
    }
    let mut text = Bytes::new();
    for file in package.files() {
        text.extend(shown_path(file.path.as_bytes()));
        text.push(b'\n');
        if let Some((to, by)) = machine.dpkg.diversions.to(file.path.as_bytes()) {
            let to = String::from_utf8_lossy(to);
            let line = match by {
                None => format!("locally diverted to: {to}\n"),
                Some(by) if by == package.name => format!("package diverts others to: {to}\n"),
                Some(by) => format!("diverted by {by} to: {to}\n"),
            };
            text.extend(line.into_bytes());
        }
    }
    text
}

fn search(call: &mut Call, patterns: &[String]) -> Result<u8, Stop> {
    if patterns.is_empty() {
        notice(call, "error: --search needs at least one file name pattern argument")?;
        return Ok(2);
    }
    let all = packages::known(call.machine);
    let mut missed = false;
    for pattern in patterns {
        let mut pattern = pattern.clone();
        if !pattern.starts_with(['*', '[', '?', '/']) {
            pattern = format!("*{pattern}*");
        }
        let text = owners(call.machine, &all, pattern.as_bytes());
        if text.is_empty() {
            notice(call, format!("no path found matching pattern {pattern}"))?;
            missed = true;
        }
        call.out(text)?;
    }
    Ok(u8::from(missed))
}

/// `package, package: path` for every path that is meant, in the order of the paths.
fn owners(machine: &Machine, all: &[Known], pattern: &[u8]) -> Bytes {
    let plain = (!is_pattern(pattern)).then(|| trimmed(pattern));
    let meant = |path: &[u8]| match plain {
        Some(plain) => plain == path,
        None => matches(pattern, path),
    };
    let mut found: std::collections::BTreeMap<Bytes, Vec<String>> = std::collections::BTreeMap::new();
    for package in all {
        for file in package.files() {
            let path = shown_path(file.path.as_bytes());
            if meant(&path) {
                found.entry(path).or_default().push(package.full_name());
            }
        }
    }
    for (from, to) in machine.dpkg.diversions.pairs() {
        for path in [from, to] {
            if meant(path) {
                found.entry(path.to_vec()).or_default();
            }
        }
    }
    let mut text = Bytes::new();
    for (path, packages) in found {
        if let Some((from, to, by)) = machine.dpkg.diversions.concerning(&path) {
            let by = by.map_or("local diversion".to_owned(), |by| format!("diversion by {by}"));
            let (from, to) = (String::from_utf8_lossy(from), String::from_utf8_lossy(to));
            text.extend(format!("{by} from: {from}\n{by} to: {to}\n").into_bytes());
        }
        if !packages.is_empty() {
            text.extend([packages.join(", ").as_bytes(), b": ", &path, b"\n"].concat());
        }
    }
    text
}

/// A path without `/` and `/.` at its end. The root, `/.` in the lists, is found by patterns only.
fn trimmed(path: &[u8]) -> &[u8] {
    let mut path = path;
    while let Some(shorter) = path.strip_suffix(b"/").or_else(|| path.strip_suffix(b"/.")) {
        path = shorter;
    }
    path
}

fn control(call: &mut Call, action: &str, words: &[String]) -> Result<u8, Stop> {
    let (name, member) = match (action, words) {
        ("control-path", [name]) | ("control-list", [name]) => (name, None),
        ("control-path" | "control-show", [name, member]) => (name, Some(member)),
        _ => {
            notice(call, format!("error: --{action} takes other arguments"))?;
            return Ok(2);
        }
    };
    let Some(package) = packages::find(call.machine, name) else {
        notice(call, format!("error: package '{name}' is not installed"))?;
        return Ok(2);
    };
    let Some(inside) = package.package else { return Ok(2) };
    // Scripts stand beside the other members; lists and configuration files are dpkg's own.
    let scripts = inside.scripts.iter().map(|script| (script.name.as_str(), script.text.as_slice()));
    let members = inside.members.iter().map(|(name, text)| (name.as_str(), text.as_slice()));
    let mut all: Vec<(&str, &[u8])> = scripts.chain(members).collect();
    all.retain(|(name, _)| !["conffiles", "list"].contains(name));
    all.sort_unstable();
    let wanted = |name: &str| member.is_none_or(|member| member == name);
    let mut found = all.into_iter().filter(|(name, _)| wanted(name)).peekable();
    if action == "control-show" {
        let Some((_, text)) = found.next() else {
            notice(call, format!("error: control file '{}' does not exist", member.map_or("", String::as_str)))?;
            return Ok(2);
        };
        let text = text.to_vec();
        call.out(text)?;
        return Ok(0);
    }
    let shown: Vec<String> = found
        .map(|(member, _)| match action {
            "control-list" => format!("{member}\n"),
            _ => format!("/var/lib/dpkg/info/{}.{member}\n", package.full_name()),
        })
        .collect();
    call.out(shown.concat())?;
    Ok(0)
}
