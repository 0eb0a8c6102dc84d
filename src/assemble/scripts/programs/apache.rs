//! Apache's switches on Debian: links from `NAME-enabled` to `NAME-available`, and markers of who set them.
//!
//! Behaviour: a2enmod(8), a2query(1) and their text of Debian 13; compared by oracle (a) with `apache2`.

use super::call::Call;
use super::options::{Options, parse};
use super::row::Row;
use crate::shell::{Bytes, Stop};
use crate::tree::Kind;

const SWITCHES: &str = "sets the links of Apache's configuration";

pub const ROWS: &[Row] = &[
    Row::native("a2enmod", switch, SWITCHES),
    Row::native("a2dismod", switch, SWITCHES),
    Row::native("a2ensite", switch, SWITCHES),
    Row::native("a2dissite", switch, SWITCHES),
    Row::native("a2enconf", switch, SWITCHES),
    Row::native("a2disconf", switch, SWITCHES),
    Row::native("a2query", query, "answers from the links of Apache's configuration"),
];

/// Modules that depend on each other in a row.
const DEPTH: usize = 20;

/// Directories below /etc/apache2 and /var/lib/apache2, and the suffix of what is switched.
#[derive(Clone, Copy)]
struct Thing {
    directory: &'static str,
    state: &'static str,
    suffix: &'static str,
}

const MODULE: Thing = Thing { directory: "mods", state: "module", suffix: ".load" };
const SITE: Thing = Thing { directory: "sites", state: "site", suffix: ".conf" };
const CONFIGURATION: Thing = Thing { directory: "conf", state: "conf", suffix: ".conf" };

impl Thing {
    fn available(self, name: &str, suffix: &str) -> String {
        format!("/etc/apache2/{}-available/{name}{suffix}", self.directory)
    }

    fn enabled(self, name: &str, suffix: &str) -> String {
        format!("/etc/apache2/{}-enabled/{name}{suffix}", self.directory)
    }
}

fn switch(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["q|quiet", "f|force", "m|maintmode", "p|purge"], true)?;
    let thing = match call.name.trim_start_matches("a2en").trim_start_matches("a2dis") {
        "mod" => MODULE,
        "site" => SITE,
        _ => CONFIGURATION,
    };
    let enables = call.name.starts_with("a2en");
    let mut status = 0;
    for word in options.operands.clone() {
        let name = String::from_utf8_lossy(&word).into_owned();
        if name.contains(['*', '?', '[']) {
            return call.unsupported("patterns");
        }
        let name = name.strip_suffix(thing.suffix).unwrap_or(&name);
        let done =
            if enables { enable(call, thing, name, &options, 0)? } else { disable(call, thing, name, &options)? };
        if !done {
            status = 1;
        }
    }
    Ok(status)
}

/// What the first lines of a file say behind `# Depends:` or `# Conflicts:`.
fn listed(call: &Call, path: &str, what: &str) -> Result<Vec<String>, Stop> {
    let text = call.machine.files.read(path.as_bytes())?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let comments = text.lines().take_while(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    let mut of = comments.filter_map(|line| line.strip_prefix("# ")?.strip_prefix(what)?.strip_prefix(':'));
    Ok(of.next().map(|names| names.split_whitespace().map(str::to_owned).collect()).unwrap_or_default())
}

fn enable(call: &mut Call, thing: Thing, name: &str, options: &Options, depth: usize) -> Result<bool, Stop> {
    let target = thing.available(name, thing.suffix);
    if depth > DEPTH || !call.machine.files.exists(target.as_bytes()) {
        call.error(format!("{name} does not exist!"))?;
        return Ok(false);
    }
    let is_on = |call: &Call, name: &str| call.machine.files.exists(MODULE.enabled(name, ".load").as_bytes());
    for needed in listed(call, &target, "Depends")? {
        let there = match thing.directory {
            "mods" => enable(call, thing, &needed, options, depth + 1)?,
            _ => is_on(call, &needed),
        };
        if !there {
            call.error(format!("{name} needs the module {needed}"))?;
            return Ok(false);
        }
    }
    for other in listed(call, &target, "Conflicts")? {
        if is_on(call, &other) {
            call.error(format!("{name} excludes the module {other}"))?;
            return Ok(false);
        }
    }
    let mut suffixes = vec![thing.suffix];
    if thing.suffix == ".load" && call.machine.files.exists(thing.available(name, ".conf").as_bytes()) {
        suffixes.push(".conf");
    }
    let mut made = false;
    for suffix in suffixes {
        let link = thing.enabled(name, suffix);
        if call.machine.files.inode(link.as_bytes(), false).is_none() {
            let target = format!("../{}-available/{name}{suffix}", thing.directory);
            if let Err(errno) = call.machine.files.make_link(target.as_bytes(), link.as_bytes()) {
                call.error(format!("{link}: {errno}"))?;
                return Ok(false);
            }
            made = true;
        }
    }
    if made {
        mark(call, thing, name, options, "enabled")?;
    }
    Ok(true)
}

fn disable(call: &mut Call, thing: Thing, name: &str, options: &Options) -> Result<bool, Stop> {
    let link = thing.enabled(name, thing.suffix);
    let there =
        call.machine.files.inode(link.as_bytes(), false).is_some_and(|inode| matches!(inode.kind, Kind::Symlink(_)));
    if !there && !call.machine.files.exists(thing.available(name, thing.suffix).as_bytes()) {
        if options.has("p") {
            return mark(call, thing, name, options, "disabled").map(|()| true);
        }
        call.error(format!("{name} does not exist!"))?;
        return Ok(false);
    }
    if thing.suffix == ".load" {
        let names = call.machine.files.list(b"/etc/apache2/mods-enabled").unwrap_or_default();
        for other in names.iter().filter_map(|other| other.strip_suffix(b".load")) {
            let other = String::from_utf8_lossy(other).into_owned();
            if listed(call, &thing.enabled(&other, ".load"), "Depends")?.iter().any(|needed| needed == name) {
                call.error(format!("the module {other} needs {name}"))?;
                return Ok(false);
            }
        }
    }
    for suffix in [thing.suffix, ".conf"] {
        // Where the two are one, the second is gone.
        let _ = call.machine.files.remove(thing.enabled(name, suffix).as_bytes());
    }
    if there {
        mark(call, thing, name, options, "disabled")?;
    }
    Ok(true)
}

/// Who switched it last: an empty file, and none of the others.
fn mark(call: &mut Call, thing: Thing, name: &str, options: &Options, what: &str) -> Result<(), Stop> {
    let who = if options.has("m") { "maint" } else { "admin" };
    for other in ["enabled_by_admin", "enabled_by_maint", "disabled_by_admin", "disabled_by_maint"] {
        // Most are not there.
        let _ = call.machine.files.remove(format!("/var/lib/apache2/{}/{other}/{name}", thing.state).as_bytes());
    }
    let directory = format!("/var/lib/apache2/{}/{what}_by_{who}", thing.state);
    let made = call.machine.files.make_directories(directory.as_bytes(), 0o755);
    let made =
        made.and_then(|()| call.machine.files.put(format!("{directory}/{name}").as_bytes(), Bytes::new(), 0o644));
    match made {
        Ok(()) => Ok(()),
        Err(errno) => call.error(format!("{directory}: {errno}")),
    }
}

fn query(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["q", "m", "s", "c", "M"], true)?;
    let quiet = options.has("q");
    if options.has("M") {
        let names = call.machine.files.list(b"/etc/apache2/mods-enabled").unwrap_or_default();
        let mpm = names.iter().find_map(|name| name.strip_prefix(b"mpm_")?.strip_suffix(b".load"));
        return match mpm.map(<[u8]>::to_vec) {
            Some(mpm) => {
                call.out([mpm.as_slice(), b"\n"].concat())?;
                Ok(0)
            }
            None => call.fail(1, "no MPM is enabled"),
        };
    }
    let thing = match () {
        () if options.has("m") => MODULE,
        () if options.has("s") => SITE,
        () if options.has("c") => CONFIGURATION,
        () => return call.unsupported("anything but `-m`, `-s`, `-c` and `-M`"),
    };
    let [name] = options.operands.as_slice() else { return call.unsupported("anything but one name") };
    let name = String::from_utf8_lossy(name).replace(".conf", "").replace(".load", "");
    let by = |what: &str| {
        let there = |who: &&str| {
            let path = format!("/var/lib/apache2/{}/{what}_by_{who}/{name}", thing.state);
            call.machine.files.exists(path.as_bytes())
        };
        ["admin", "maint"].into_iter().find(there)
    };
    let (on, off) = (by("enabled"), by("disabled"));
    if call.machine.files.inode(thing.enabled(&name, thing.suffix).as_bytes(), false).is_some() {
        if !quiet {
            let who = match on {
                Some("admin") => "site administrator",
                Some(_) => "maintainer script",
                None => "unknown",
            };
            call.out(format!("{name} (enabled by {who})\n"))?;
        }
        return Ok(0);
    }
    if !quiet {
        call.error(format!("No {} matches {name}", thing.state))?;
    }
    Ok(match off {
        Some("admin") => 32,
        Some(_) => 33,
        None => 1,
    })
}
