//! systemd and its helpers: what starts, what a running system would be told, what is made at boot.
//!
//! What is to start is noted and linked when everything is there ([`UnitRequest`]): presets and overlays may still change
//! a unit. Semantics: systemctl(1), deb-systemd-helper(1p).

use super::call::Call;
use super::options::parse;
use super::row::Row;
use crate::assemble::scripts::results::UnitRequest;
use crate::shell::{Bytes, Stop};

/// Why nothing is told to services.
const NOTHING_RUNS: &str = "nothing runs while an image is built";
const DAEMONS: &str = "nothing runs while an image is built, and services of an image start with systemd";
const SYSV: &str = "links of init scripts: nodes start with systemd";

pub const ROWS: &[Row] = &[
    Row::native(
        "systemctl",
        systemctl,
        "enabling and presets are noted and linked at the end; a running system is not there",
    ),
    Row::native("deb-systemd-helper", deb_systemd_helper, "units to enable are noted and linked at the end"),
    Row::nothing("deb-systemd-invoke", NOTHING_RUNS),
    Row::native("invoke-rc.d", init_script, NOTHING_RUNS),
    Row::native("service", init_script, NOTHING_RUNS),
    Row::nothing("start-stop-daemon", NOTHING_RUNS),
    Row::nothing("update-rc.d", SYSV),
    Row::nothing("update-inetd", "a list of services for inetd, which nodes do not have"),
    Row::nothing("runit-helper", "only runit uses it, and nodes start with systemd"),
    Row::nothing("rc-update", SYSV),
    Row::nothing("insserv", SYSV),
    Row::nothing("chkconfig", SYSV),
    Row::nothing("initctl", DAEMONS),
    Row::nothing("telinit", DAEMONS),
    Row::nothing("init", DAEMONS),
    Row::nothing("systemd-tmpfiles", "it runs at every boot before the services do"),
    Row::nothing("systemd-hwdb", "the image has no compiled hwdb"),
    Row::nothing("journalctl", "the catalogue of messages is not compiled, and nothing was logged"),
    Row::nothing("systemd-notify", NOTHING_RUNS),
    Row::nothing("busctl", NOTHING_RUNS),
    Row::nothing("dbus-send", NOTHING_RUNS),
    Row::nothing("dbus-launch", NOTHING_RUNS),
    Row::nothing("gdbus", NOTHING_RUNS),
    Row::nothing("loginctl", NOTHING_RUNS),
    Row::nothing("resolvectl", NOTHING_RUNS),
    Row::nothing("udevadm", "devices are the node's, and its udev reads the rules when it starts"),
    Row::nothing("udevcontrol", "devices are the node's, and its udev reads the rules when it starts"),
    Row::nothing("sysctl", "the node's systemd-sysctl sets them at boot"),
    Row::nothing("modprobe", "modules are the node's"),
    Row::nothing("rmmod", "modules are the node's"),
    Row::nothing("insmod", "modules are the node's"),
    Row::answer("lsmod", 0, "Module                  Size  Used by\n", "no module is loaded while an image is built"),
    Row::answer("systemd-detect-virt", 1, "none\n", "what a node runs on is not known"),
    Row::answer("systemd-machine-id-setup", 0, "", "the node makes its machine-id at its first boot"),
    Row::done("bootctl", "the builder makes the boot files"),
    Row::done("kernel-install", "the builder makes the boot files"),
    Row::answer("hostnamectl", 1, "", "systemd-hostnamed does not run while an image is built"),
    Row::refuse("timedatectl", "the recipe's `timezone` says it"),
    Row::refuse("localectl", "the recipe's `locale` says it"),
    Row::refuse("systemd-run", NOTHING_RUNS),
    Row::native("systemd-escape", escape, "names of units from paths and texts"),
];

const SYSTEMCTL: &[&str] = &[
    "q|quiet",
    "now",
    "no-reload",
    "user",
    "global",
    "system",
    "no-block",
    "force|f",
    "runtime",
    "root=",
    "no-ask-password",
    "no-legend",
    "plain",
    "t|type=",
    "p|property=",
    "value",
    "no-pager",
    "full|l",
    "all|a",
    "preset-mode=",
    "no-warn",
    "s|signal=",
    "kill-who=",
    "kill-whom=",
    "job-mode=",
    "state=",
    "output|o=",
    "lines|n=",
    "no-wall",
    "wait",
    "machine|M=",
    "host|H=",
];

/// Verbs that only tell a running manager something.
const TELLING: [&str; 26] = [
    "cancel",
    "condreload",
    "condrestart",
    "condstop",
    "daemon-reexec",
    "daemon-reload",
    "force-reload",
    "isolate",
    "kill",
    "log-level",
    "reload",
    "reload-or-restart",
    "reload-or-try-restart",
    "reload-or-try-restart",
    "reset-failed",
    "restart",
    "set-environment",
    "set-property",
    "start",
    "stop",
    "switch-root",
    "try-reload-or-restart",
    "try-restart",
    "unset-environment",
    "import-environment",
    "freeze",
];

/// `NAME ACTION`: nothing, but where somebody asks whether it runs.
fn init_script(call: &mut Call) -> Result<u8, Stop> {
    call.note("nothing", NOTHING_RUNS);
    let mut words = call.words.iter().filter(|word| !word.starts_with(b"-"));
    Ok(if words.nth(1).is_some_and(|action| action == b"status") { 3 } else { 0 })
}

fn systemctl(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, SYSTEMCTL, true)?;
    let words: Vec<String> = options.operands.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let Some((verb, units)) = words.split_first() else { return call.unsupported("being called without a verb") };
    let scope = if options.has("user") || options.has("global") { "user/" } else { "" };
    match verb.as_str() {
        verb if TELLING.contains(&verb) => {
            call.note("nothing", NOTHING_RUNS);
            Ok(0)
        }
        "enable" | "reenable" => request(call, units, scope, UnitRequest::Enable),
        "disable" => request(call, units, scope, UnitRequest::Disable),
        "mask" => request(call, units, scope, UnitRequest::Mask),
        "unmask" => {
            let names: Vec<String> = units.iter().map(|unit| format!("{scope}{}", full_name(unit))).collect();
            call.machine.units.retain(|wanted| !matches!(wanted, UnitRequest::Mask(unit) if names.contains(unit)));
            Ok(0)
        }
        "preset" => request(call, units, scope, UnitRequest::Preset),
        "preset-all" => {
            let scope = if scope.is_empty() { "system" } else { "user" };
            call.machine.units.push(UnitRequest::PresetAll(scope.to_owned()));
            Ok(0)
        }
        "is-active" | "is-failed" => {
            call.note("answered", NOTHING_RUNS);
            if !options.has("q") {
                units.iter().try_for_each(|_| call.out("inactive\n"))?;
            }
            Ok(if verb == "is-active" { 3 } else { 1 })
        }
        "is-system-running" => {
            call.note("answered", NOTHING_RUNS);
            if !options.has("q") {
                call.out("offline\n")?;
            }
            Ok(1)
        }
        "status" => {
            call.note("answered", NOTHING_RUNS);
            Ok(3)
        }
        "is-enabled" => {
            let enabled = units.iter().all(|unit| is_enabled(call, &format!("{scope}{}", full_name(unit))));
            if !options.has("q") {
                call.out(if enabled { "enabled\n" } else { "disabled\n" })?;
            }
            Ok(u8::from(!enabled))
        }
        "list-units" | "list-jobs" | "list-timers" | "list-sockets" | "list-machines" => {
            call.note("answered", NOTHING_RUNS);
            Ok(0)
        }
        "list-unit-files" => list_unit_files(call, units),
        "set-default" => {
            let Some(unit) = units.first() else { return call.unsupported("`set-default` without a target") };
            let (path, target) = ("/etc/systemd/system/default.target", format!("/usr/lib/systemd/system/{unit}"));
            let _ = call.machine.files.remove(path.as_bytes());
            match call.machine.files.make_link(target.as_bytes(), path.as_bytes()) {
                Ok(_) => Ok(0),
                Err(errno) => call.fail(1, errno),
            }
        }
        "get-default" => {
            call.out("multi-user.target\n")?;
            Ok(0)
        }
        other => call.unsupported(format!("the verb `{other}`")),
    }
}

/// Endings of unit names.
const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".timer",
    ".target",
    ".path",
    ".mount",
    ".automount",
    ".slice",
    ".swap",
    ".device",
    ".scope",
];

fn full_name(unit: &str) -> String {
    let name = unit.rsplit('/').next().unwrap_or(unit);
    if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) { name.to_owned() } else { format!("{name}.service") }
}

fn request(call: &mut Call, units: &[String], scope: &str, kind: fn(String) -> UnitRequest) -> Result<u8, Stop> {
    for unit in units {
        let wanted = kind(format!("{scope}{}", full_name(unit)));
        if !call.machine.units.contains(&wanted) {
            call.machine.units.push(wanted);
        }
    }
    Ok(0)
}

/// Whether somebody asked for a unit, or a package brings its links.
fn is_enabled(call: &Call, unit: &str) -> bool {
    let requests = call.machine.units.iter().rev();
    let asked = requests.into_iter().find_map(|request| match request {
        UnitRequest::Enable(name) if name == unit => Some(true),
        UnitRequest::Disable(name) | UnitRequest::Mask(name) if name == unit => Some(false),
        _ => None,
    });
    asked.unwrap_or_else(|| {
        ["/etc/systemd/system", "/usr/lib/systemd/system"].into_iter().any(|place| {
            let targets = call.machine.files.list(place.as_bytes()).unwrap_or_default();
            targets.iter().filter(|name| name.ends_with(b".wants") || name.ends_with(b".requires")).any(|target| {
                let link = [place.as_bytes(), b"/", target, b"/", unit.as_bytes()].concat();
                call.machine.files.facts(&link, false).is_some()
            })
        })
    })
}

fn list_unit_files(call: &mut Call, patterns: &[String]) -> Result<u8, Stop> {
    let mut names: Vec<Bytes> = Vec::new();
    for place in ["/etc/systemd/system", "/usr/lib/systemd/system"] {
        names.extend(call.machine.files.list(place.as_bytes()).unwrap_or_default());
    }
    names.sort();
    names.dedup();
    let mut found = 0;
    for name in names.iter().map(|name| String::from_utf8_lossy(name).into_owned()) {
        let is_unit = SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        let wanted = patterns.is_empty()
            || patterns.iter().any(|pattern| crate::shell::matches(pattern.as_bytes(), name.as_bytes()));
        if is_unit && wanted {
            found += 1;
            let state = if is_enabled(call, &name) { "enabled" } else { "disabled" };
            call.out(format!("{name} {state} enabled\n"))?;
        }
    }
    Ok(u8::from(found == 0 && !patterns.is_empty()))
}

fn deb_systemd_helper(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["quiet", "user", "system", "no-dbus"], true)?;
    let words: Vec<String> = options.operands.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let Some((verb, units)) = words.split_first() else { return call.unsupported("being called without a verb") };
    let scope = if options.has("user") { "user/" } else { "" };
    let named = |unit: &String| format!("{scope}{unit}");
    match verb.as_str() {
        "enable" | "reenable" => request(call, units, scope, UnitRequest::Enable),
        "disable" => request(call, units, scope, UnitRequest::Disable),
        "mask" => request(call, units, scope, UnitRequest::Mask),
        "unmask" => {
            let names: Vec<String> = units.iter().map(named).collect();
            call.machine.units.retain(|wanted| !matches!(wanted, UnitRequest::Mask(unit) if names.contains(unit)));
            Ok(0)
        }
        // The state that it keeps is about later versions of the package.
        "purge" | "update-state" => Ok(0),
        // Not its own: it ends well for any word, and packages have called it so.
        "start" | "stop" | "restart" | "daemon-reload" => Ok(0),
        // On a fresh system every unit was: so it is enabled.
        "was-enabled" => Ok(0),
        "debian-installed" => Ok(1),
        "is-enabled" => Ok(u8::from(!units.iter().all(|unit| is_enabled(call, &named(unit))))),
        other => call.unsupported(format!("the verb `{other}`")),
    }
}

/// systemd-escape(1).
fn escape(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["p|path", "suffix=", "template=", "u|unescape", "m|mangle"], true)?;
    if options.has("u") || options.has("m") {
        return call.unsupported("`--unescape` and `--mangle`");
    }
    let mut names = Vec::new();
    for word in &options.operands {
        let word = match options.has("p") {
            true => {
                let parts: Vec<&[u8]> = word.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
                if parts.is_empty() { b"-".to_vec() } else { parts.join(&b'/') }
            }
            false => word.clone(),
        };
        let mut name = String::new();
        for (at, byte) in word.iter().enumerate() {
            match byte {
                b'/' => name.push('-'),
                b'-' if word.len() == 1 && options.has("p") => name.push('-'),
                b'.' if at == 0 => name.push_str("\\x2e"),
                byte if byte.is_ascii_alphanumeric() || b":_.".contains(byte) => name.push(char::from(*byte)),
                byte => name.push_str(&format!("\\x{byte:02x}")),
            }
        }
        if let Some(suffix) = options.text("suffix") {
            name = format!("{name}.{suffix}");
        }
        if let Some(template) = options.text("template") {
            name = template.replacen('@', &format!("@{name}"), 1);
        }
        names.push(name);
    }
    call.out(format!("{}\n", names.join(" ")))?;
    Ok(0)
}
