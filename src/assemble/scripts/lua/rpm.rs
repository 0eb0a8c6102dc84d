//! rpm's own library for its scriptlets: versions, macros, programs, the paths of a file trigger. Names, arguments and
//! answers as in rpm's rpmio/rpmlua and docs/manual/lua.md.

use std::cmp::Ordering;

use rpm_version::Evr;

use super::macros::{Expansion, is_name};
use super::process::Process;
use super::values::{Answer, Arguments, Failure, NO_ENTRY, Trouble, Value, raise, unsupported};
use super::{base64, glob, posix};
use crate::package::evr::compare_evr;
use crate::shell::{Bytes, How, Shell, World};

pub(super) fn call(process: &mut Process, arguments: &Arguments) -> Answer {
    match arguments.function {
        "b64decode" => Ok(vec![Value::optional(base64::decode(&arguments.text(0)?))]),
        "b64encode" => encode(arguments),
        "define" => define(process, arguments),
        "execute" => execute(process, arguments),
        "expand" => expand(process, arguments),
        "glob" => glob::call(process, arguments),
        "isdefined" => is_defined(process, arguments),
        "next_file" => next_file(process),
        "redirect2null" => posix::call(process, arguments),
        "spawn" => spawn(process, arguments),
        "undefine" => undefine(process, arguments),
        "ver" => version(arguments),
        "vercmp" => compare(arguments),
        other => unsupported(format!("rpm.{other}")),
    }
}

fn define(process: &mut Process, arguments: &Arguments) -> Answer {
    let text = arguments.text(0)?;
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (name, body) = text.split_at(end);
    if name.ends_with(b")") {
        return unsupported("macros with parameters");
    }
    if name.len() < 2 || !name.iter().all(is_name) {
        return raise("error defining macro");
    }
    process.spend(1 + text.len() as u64 / 64)?;
    process.state.macros.entry(name.to_vec()).or_default().push(body.trim_ascii().to_vec());
    Ok(Vec::new())
}

fn undefine(process: &mut Process, arguments: &Arguments) -> Answer {
    let name = arguments.text(0)?;
    let Some(bodies) = process.state.macros.get_mut(&name) else {
        return unsupported(format!("undefining the macro `{}`", String::from_utf8_lossy(&name)));
    };
    bodies.pop();
    if bodies.is_empty() {
        process.state.macros.remove(&name);
    }
    Ok(Vec::new())
}

/// Two answers: whether there is such a macro, and whether it has parameters.
fn is_defined(process: &mut Process, arguments: &Arguments) -> Answer {
    let name = arguments.text(0)?;
    let mut expansion = Expansion { machine: process.machine, macros: &process.state.macros };
    let is = expansion.lookup(&name)?.is_some();
    Ok(vec![Value::Boolean(is), Value::Boolean(false)])
}

fn expand(process: &mut Process, arguments: &Arguments) -> Answer {
    let text = arguments.text(0)?;
    let mut expansion = Expansion { machine: process.machine, macros: &process.state.macros };
    Ok(vec![Value::Text(expansion.whole(&text)?)])
}

fn compare(arguments: &Arguments) -> Answer {
    let (one, other) = (arguments.text(0)?, arguments.text(1)?);
    for (index, version) in [&one, &other].into_iter().enumerate() {
        if version.is_empty() {
            return arguments.bad(index, "invalid version ");
        }
    }
    let order = match compare_evr(&String::from_utf8_lossy(&one), &String::from_utf8_lossy(&other)) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    };
    Ok(vec![Value::Integer(order)])
}

/// Epoch, version and release of a text, and the text again; a part that is not there is nothing.
fn version(arguments: &Arguments) -> Answer {
    let parts = match arguments.values.len() {
        1 => {
            let text = String::from_utf8_lossy(&arguments.text(0)?).into_owned();
            let evr = Evr::parse(&text);
            let epoch = if text.contains(':') { evr.epoch() } else { "" };
            [epoch, evr.version(), evr.release()].map(str::to_owned)
        }
        3 => {
            let part =
                |index: usize| arguments.text_or(index, "").map(|part| String::from_utf8_lossy(&part).into_owned());
            [part(0)?, part(1)?, part(2)?]
        }
        count => return raise(format!("invalid number of arguments: {count}")),
    };
    let [epoch, version, release] = &parts;
    if version.is_empty() {
        return Ok(vec![Value::Nil]);
    }
    let before = if epoch.is_empty() { String::new() } else { format!("{epoch}:") };
    let after = if release.is_empty() { String::new() } else { format!("-{release}") };
    let shown = format!("{before}{version}{after}");
    let part = |part: &String| Value::optional(Some(part).filter(|part| !part.is_empty()));
    Ok(vec![part(epoch), part(version), part(release), Value::text(shown)])
}

fn encode(arguments: &Arguments) -> Answer {
    let bytes = arguments.bytes(0)?;
    // rpm breaks lines unless it is told otherwise.
    let length = arguments.integer_or(1, -1)?;
    Ok(vec![Value::Text(base64::encode(&bytes, length))])
}

fn next_file(process: &mut Process) -> Answer {
    let path = process.state.paths.get(process.state.next_path).cloned();
    process.state.next_path += 1;
    Ok(vec![Value::optional(path)])
}

/// What became of a program: 0, or nothing with what its status was.
fn ended(process: &mut Process, status: Option<u8>) -> Answer {
    match status {
        None => process.failed(NO_ENTRY, None),
        Some(0) => Ok(vec![Value::number(0)]),
        Some(status) => Ok(vec![Value::Nil, Value::text("exit code"), Value::number(status)]),
    }
}

fn execute(process: &mut Process, arguments: &Arguments) -> Answer {
    let words: Result<Vec<Bytes>, _> = (0..arguments.values.len().max(1)).map(|index| arguments.text(index)).collect();
    let status = process.execute(&words?)?;
    ended(process, status)
}

fn spawn(process: &mut Process, arguments: &Arguments) -> Answer {
    let Value::Table(pairs) = arguments.table(0)? else { return raise("command not supplied") };
    let word =
        |index: i64| pairs.iter().find(|(key, _)| *key == Value::Integer(index)).map(|(_, value)| value.as_text());
    let words: Option<Vec<Bytes>> = (1..).map_while(word).collect();
    let Some(words) = words.filter(|words| !words.is_empty()) else { return raise("command not supplied") };
    let mut shell = process.state.shell.clone();
    if let Some(Value::Table(actions)) = arguments.get(1)
        && let Err(failure) = redirect(process, &mut shell, actions)?
    {
        return process.failed(failure, None);
    }
    let status = process.execute_in(&mut shell, &words)?;
    ended(process, status)
}

fn redirect(
    process: &mut Process,
    shell: &mut Shell,
    actions: &[(Value, Value)],
) -> Result<Result<(), Failure>, Trouble> {
    for (stream, path) in actions {
        let (stream, path) = (stream.as_text().unwrap_or_default(), path.as_text().unwrap_or_default());
        let (number, how) = match stream.as_slice() {
            b"stdin" => (0, How::Read),
            b"stdout" => (1, How::Append),
            b"stderr" => (2, How::Append),
            other => return raise(format!("invalid spawn directive: {}", String::from_utf8_lossy(other))),
        };
        let path = process.path(&path);
        match process.machine.open(&path, how, shell.umask | 0o022)? {
            Ok(handle) => drop(shell.descriptors.insert(number, handle)),
            Err(errno) => return Ok(Err(errno.into())),
        }
    }
    Ok(Ok(()))
}
