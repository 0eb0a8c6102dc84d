//! One script on the machine: who interprets it, what stands around it, and what it leaves for the manifest.

use std::collections::BTreeMap;

use super::files::Change;
use super::lua;
use super::machine::{Machine, PATH, Running, Status, interpreter};
use super::results::Used;
use crate::package::{Family, Package, Script};
use crate::shell::{Bytes, Dialect, Shell, Stop, Stream, World};
use crate::tree::{Digest, Origin, TreePath};

/// A script that ran, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) status: u8,
    /// The last line that it wrote to its standard error.
    pub(super) complaint: String,
    pub(super) changes: Vec<(TreePath, Change)>,
    pub(super) used: Vec<Used>,
    /// Where the machine keeps them: the programs that it called.
    pub(super) calls: Vec<Vec<Bytes>>,
}

/// Interprets `script` of `package` with these arguments and this input.
pub(super) fn run(
    machine: &mut Machine,
    package: &Package,
    script: &Script,
    arguments: &[&str],
    input: &[u8],
    accepted: BTreeMap<String, String>,
) -> Result<Ran, Stop> {
    let running = Running {
        package: package.id.name.clone(),
        version: package.id.version.clone(),
        arch: package.id.arch.clone(),
        script: script.name.clone(),
    };
    machine.begin(running, accepted);
    machine.files.origin = Origin::from(format!("{} {}", package.id, script.name));
    let arguments: Vec<Bytes> = arguments.iter().map(|word| word.as_bytes().to_vec()).collect();
    let (mut shell, log) = surroundings(machine, package, script, &arguments, input);
    let result = interpret(machine, &mut shell, script);
    machine.read_accounts()?;
    machine.find_marks()?;
    let status = result?;
    let log = log.borrow_mut().take();
    let mut lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let complaint = lines.next_back().map(|line| crate::shell::quote(line, Stop::QUOTE)).unwrap_or_default();
    Ok(Ran {
        status,
        complaint,
        changes: std::mem::take(&mut machine.files.changes).into_iter().collect(),
        used: std::mem::take(&mut machine.used).into_iter().collect(),
        calls: machine.calls.as_mut().map(std::mem::take).unwrap_or_default(),
    })
}

/// What dpkg or rpm puts around a script. The log is what it writes to its standard error.
fn surroundings(
    machine: &Machine,
    package: &Package,
    script: &Script,
    arguments: &[Bytes],
    input: &[u8],
) -> (Shell, crate::shell::Handle) {
    let deb = package.family == Family::Deb;
    let name = match deb {
        true => format!("/var/lib/dpkg/info/{}.{}", package.id.name, script.name),
        // rpm writes the text to a file of an unforeseeable name.
        false => "/var/tmp/rpm-tmp".to_owned(),
    };
    let dialect = if deb { Dialect::Dash } else { Dialect::Bash };
    let mut shell = Shell::new(dialect, name.as_bytes(), arguments);
    let log = Stream::output();
    shell.descriptors.insert(0, Stream::input(input.to_vec()));
    shell.descriptors.insert(2, log.clone());
    shell.export(b"PATH", PATH);
    shell.export(b"HOME", "/root");
    shell.export(b"LC_ALL", "C.UTF-8");
    if deb {
        let dpkg = machine.package("dpkg").map_or("1.22.0", |dpkg| dpkg.package.id.version.as_str());
        let words = [
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
            ("DPKG_ADMINDIR", "/var/lib/dpkg"),
            ("DPKG_MAINTSCRIPT_ARCH", package.id.arch.as_str()),
            ("DPKG_MAINTSCRIPT_NAME", script.name.as_str()),
            ("DPKG_MAINTSCRIPT_PACKAGE", package.id.name.as_str()),
            ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
            ("DPKG_ROOT", ""),
            ("DPKG_RUNNING_VERSION", dpkg),
        ];
        words.into_iter().for_each(|(name, value)| shell.export(name.as_bytes(), value));
    } else {
        shell.export(b"RPM_INSTALL_PREFIX", "");
    }
    (shell, log)
}

/// `#!INTERPRETER WORDS` and what follows.
fn first_line(text: &[u8]) -> Option<(Vec<String>, &[u8])> {
    let rest = text.strip_prefix(b"#!")?;
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let words = String::from_utf8_lossy(&rest[..end]).split_whitespace().map(str::to_owned).collect();
    Some((words, rest.get(end + 1..).unwrap_or_default()))
}

fn interpret(machine: &mut Machine, shell: &mut Shell, script: &Script) -> Result<u8, Stop> {
    // Of a trigger the first line says what sets it off.
    let marked = script.name.contains("trigger") && script.text.starts_with(b"# on ");
    let text = match marked {
        true => script.text.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default(),
        false => &script.text,
    };
    let Some((words, body)) = first_line(text) else {
        if text.starts_with(b"\x7fELF") {
            return Err(Stop::unsupported("", "a script that is a compiled program"));
        }
        return shell.run(machine, text);
    };
    let Some((program, options)) = words.split_first() else { return shell.run(machine, text) };
    if program == "<expand>" {
        let Some(expanded) = lua::evaluate(machine, body)? else {
            return Err(Stop::unsupported("", "a scriptlet whose macros cannot be expanded"));
        };
        let text = [b"#!", options.join(" ").as_bytes(), b"\n", &expanded].concat();
        return interpret(machine, shell, &Script { name: script.name.clone(), text });
    }
    if program == "<lua>" {
        return lua::run(machine, shell, body);
    }
    if let Some(dialect) = interpreter(text, shell.dialect) {
        shell.dialect = dialect;
        let mut set = Vec::new();
        for option in options.iter().filter(|option| option.starts_with(['-', '+']) && option.len() > 1) {
            set.extend_from_slice(format!("set {option};").as_bytes());
        }
        // On the first line, which is a comment: lines keep their numbers.
        let text = if set.is_empty() { text.to_vec() } else { [&set, b" ".as_slice(), text].concat() };
        return shell.run(machine, &text);
    }
    // `-p /sbin/ldconfig`: a program that reads the body.
    let name = program.rsplit('/').next().unwrap_or(program);
    let words: Vec<Bytes> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    if matches!(name, "perl" | "python3" | "python" | "ruby" | "php") && !machine.accepted.contains_key(name) {
        return Err(Stop::refused(name, format!("the whole script is in {name}")));
    }
    shell.descriptors.insert(0, Stream::input(body.to_vec()));
    machine.run(shell, &words)
}

/// Says how far a package is.
pub(super) fn set_status(machine: &mut Machine, name: &str, status: Status) {
    let of = machine.packages.iter_mut().filter(|installed| installed.package.id.name == name);
    of.for_each(|installed| installed.status = status);
}

/// Of a script's whole text.
pub(super) fn digest(script: &Script) -> Digest {
    Digest::of(&script.text)
}
