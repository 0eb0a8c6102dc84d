//! run-parts and which.

use super::operands::at;
use super::path_names::joined;
use crate::assemble::scripts::machine::PATH;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::assemble::scripts::regex::{Flavour, Regex};
use crate::package::Family;
use crate::shell::{Bytes, Kind, Stop, Stream, World};

pub(super) fn which(call: &mut Call) -> Result<u8, Stop> {
    let red_hat = call.machine.family == Family::Rpm;
    let known: &[&str] = if red_hat {
        &["a|all", "skip-alias", "skip-functions", "skip-dot", "skip-tilde", "tty-only"]
    } else {
        &["a", "s"]
    };
    let options = parse(call, known, false)?;
    let path = call.shell.get(b"PATH").cloned().unwrap_or_else(|| PATH.to_vec());
    let mut status = u8::from(options.operands.is_empty());
    for word in &options.operands {
        let mut found = Vec::new();
        if word.contains(&b'/') {
            let absolute = call.path(word);
            found.extend(call.machine.find(&absolute, b"")?.map(|_| word.clone()));
        } else {
            for place in path.split(|byte| *byte == b':') {
                let place = if place.is_empty() { b"." } else { place };
                let absolute = call.path(&joined(place, word));
                found.extend(call.machine.find(&absolute, b"")?.map(|_| [place, b"/", word].concat()));
            }
            if !options.has("a") {
                found.truncate(1);
            }
        }
        if found.is_empty() {
            status = 1;
            if red_hat {
                let (word, path) =
                    (String::from_utf8_lossy(word).into_owned(), String::from_utf8_lossy(&path).into_owned());
                call.error(format!("no {word} in ({path})"))?;
            }
        }
        for name in found.into_iter().filter(|_| !options.has("s")) {
            call.out([&name, b"\n".as_slice()].concat())?;
        }
    }
    Ok(status)
}

#[derive(Debug)]
struct Parts {
    names: Vec<Bytes>,
    arguments: Vec<Bytes>,
    test: bool,
    list: bool,
    verbose: bool,
    report: bool,
    until_error: bool,
}

pub(super) fn run_parts(call: &mut Call) -> Result<u8, Stop> {
    let known = [
        "t|test",
        "list",
        "v|verbose",
        "report",
        "reverse",
        "u|umask=",
        "a|arg=",
        "exit-on-error",
        "regex=",
        "lsbsysinit",
        "new-session",
        "stdin",
    ];
    let options = parse(call, &known, true)?;
    let [directory] = options.operands.as_slice() else { return call.fail(1, "missing operand") };
    let names = match call.machine.files.list(&at(call, directory)) {
        Ok(names) => names,
        Err(errno) => {
            let text = format!("failed to open directory {}: {errno}", String::from_utf8_lossy(directory));
            return call.fail(1, text);
        }
    };
    if options.has("lsbsysinit") {
        return call.unsupported("names as LANANA registers them");
    }
    let pattern = options.value("regex").cloned().unwrap_or_else(|| b"^[a-zA-Z0-9_-]+$".to_vec());
    let regex = match Regex::new(&pattern, Flavour::Extended, false) {
        Ok(regex) => regex,
        Err(problem) => return call.fail(1, format!("failed to compile regular expression: {problem}")),
    };
    let mut chosen = Vec::new();
    for name in names {
        if regex.is_match(&name)? {
            chosen.push(joined(directory, &name));
        }
    }
    if options.has("reverse") {
        chosen.reverse();
    }
    let arguments = options.given.iter().filter(|(name, _)| *name == "a").map(|(_, value)| value.clone()).collect();
    let parts = Parts {
        names: chosen,
        arguments,
        test: options.has("t"),
        list: options.has("list"),
        verbose: options.has("v"),
        report: options.has("report"),
        until_error: options.has("exit-on-error"),
    };
    let umask = call.shell.umask;
    call.shell.umask = match options.text("u").map(|text| u16::from_str_radix(&text, 8)) {
        None => 0o022,
        Some(Ok(umask)) if umask <= 0o777 => umask,
        Some(_) => return call.unsupported("this umask"),
    };
    let status = run_each(call, &parts);
    call.shell.umask = umask;
    status
}

fn run_each(call: &mut Call, parts: &Parts) -> Result<u8, Stop> {
    let mut status = 0;
    for name in &parts.names {
        let shown = String::from_utf8_lossy(name).into_owned();
        let facts = match call.machine.files.status(&at(call, name), true) {
            Ok(facts) => facts,
            Err(errno) => {
                call.error(format!("failed to stat component {shown}: {errno}"))?;
                continue;
            }
        };
        let may_run = facts.mode & 0o111 != 0;
        match facts.kind {
            Kind::File if parts.list || parts.test && may_run => call.out([name, b"\n".as_slice()].concat())?,
            Kind::File if may_run && !parts.test => {
                let code = run_one(call, parts, name)?;
                if code != 0 {
                    call.error(format!("{shown} exited with return code {code}"))?;
                    status = code;
                    if parts.until_error {
                        return Ok(code);
                    }
                    status = status.min(1);
                }
            }
            Kind::File | Kind::Directory => {}
            _ if parts.list => {}
            _ => {
                call.error(format!("run-parts: component {shown} is not an executable plain file\n"))?;
                status = 1;
            }
        }
    }
    Ok(status)
}

fn run_one(call: &mut Call, parts: &Parts, name: &[u8]) -> Result<u8, Stop> {
    if parts.verbose {
        let arguments =
            parts.arguments.iter().fold(Bytes::new(), |all, argument| [&all, b" ".as_slice(), argument].concat());
        call.shell.write(call.machine, 2, &[b"run-parts: executing ", name, &arguments, b"\n"].concat())?;
    }
    let words: Vec<Bytes> = std::iter::once(name.to_vec()).chain(parts.arguments.iter().cloned()).collect();
    if !parts.report || parts.verbose {
        return call.run(&words);
    }
    // A part's name comes before what it says.
    let before = call.shell.descriptors.clone();
    let outputs = [1, 2].map(|number| (number, Stream::output()));
    call.shell.descriptors.extend(outputs.iter().map(|(number, handle)| (*number, handle.clone())));
    let code = call.run(&words);
    call.shell.descriptors = before;
    for (number, handle) in outputs {
        let said = handle.borrow_mut().take();
        if !said.is_empty() {
            call.shell.write(call.machine, number, &[name, b":\n", &said].concat())?;
        }
    }
    code
}
