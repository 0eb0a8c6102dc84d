//! rpm's macros, as far as a scriptlet can still ask for some when it runs: those that it defines, and places.

use std::collections::BTreeMap;

use super::process::Process;
use super::values::{Answer, Arguments, Trouble, Value, raise, unsupported};
use crate::shell::{Bytes, Stop};

/// Macros that expand to each other.
const DEPTH: usize = 30;
/// Bytes that an expansion may have.
const LONGEST: usize = 1 << 20;

/// Where distributions put things, the same for all of them.
const PLACES: [(&str, &str); 18] = [
    ("_bindir", "/usr/bin"),
    ("_datadir", "/usr/share"),
    ("_datarootdir", "/usr/share"),
    ("_exec_prefix", "/usr"),
    ("_includedir", "/usr/include"),
    ("_infodir", "/usr/share/info"),
    ("_install_langs", "all"),
    ("_libexecdir", "/usr/libexec"),
    ("_localstatedir", "/var"),
    ("_mandir", "/usr/share/man"),
    ("_os", "linux"),
    ("_prefix", "/usr"),
    ("_rundir", "/run"),
    ("_sharedstatedir", "/var/lib"),
    ("_sysconfdir", "/etc"),
    ("_tmppath", "/var/tmp"),
    ("_unitdir", "/usr/lib/systemd/system"),
    ("nil", ""),
];

/// What the scriptlet has defined; the last definition of a name counts.
pub(super) type Macros = BTreeMap<Bytes, Vec<Bytes>>;

pub(super) fn define(process: &mut Process, arguments: &Arguments) -> Answer {
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

pub(super) fn undefine(process: &mut Process, arguments: &Arguments) -> Answer {
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
pub(super) fn is_defined(process: &Process, arguments: &Arguments) -> Answer {
    lookup(process, &arguments.text(0)?)?;
    Ok(vec![Value::Boolean(true), Value::Boolean(false)])
}

pub(super) fn expand(process: &mut Process, arguments: &Arguments) -> Answer {
    let mut expanded = Vec::new();
    expand_into(process, &arguments.text(0)?, &mut expanded, 0)?;
    Ok(vec![Value::Text(expanded)])
}

fn is_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

/// The body of a macro; which others a distribution defines is not known here.
fn lookup(process: &Process, name: &[u8]) -> Result<Bytes, Trouble> {
    if let Some(body) = process.state.macros.get(name).and_then(|bodies| bodies.last()) {
        return Ok(body.clone());
    }
    if let Some((_, place)) = PLACES.iter().find(|(place, _)| place.as_bytes() == name) {
        return Ok(place.as_bytes().to_vec());
    }
    let arch = process.machine.arch;
    let wide = matches!(arch, "x86_64" | "aarch64" | "ppc64le" | "s390x" | "riscv64");
    let moved = process.machine.files.is_directory(b"/usr/lib/sysimage/rpm");
    let text = match name {
        b"_arch" | b"_build_arch" | b"_target_cpu" | b"_host_cpu" => arch,
        b"_lib" if wide => "lib64",
        b"_libdir" if wide => "/usr/lib64",
        b"_dbpath" if moved => "/usr/lib/sysimage/rpm",
        b"_dbpath" => "/var/lib/rpm",
        _ => return unsupported(format!("the macro `{}`", String::from_utf8_lossy(name))),
    };
    Ok(text.as_bytes().to_vec())
}

fn expand_into(process: &mut Process, text: &[u8], expanded: &mut Bytes, depth: usize) -> Result<(), Trouble> {
    if depth > DEPTH || expanded.len() > LONGEST {
        return Err(Trouble::Stop(Stop::limit("macros that expand to each other")));
    }
    process.spend(1 + text.len() as u64 / 16)?;
    let mut rest = text;
    while let Some((letter, after)) = rest.split_first() {
        rest = after;
        if *letter != b'%' {
            expanded.push(*letter);
            continue;
        }
        match rest.first() {
            Some(b'%') => {
                expanded.push(b'%');
                rest = &rest[1..];
            }
            Some(b'{') => {
                let end = rest.iter().position(|byte| *byte == b'}');
                let Some(inner) = end.and_then(|end| rest.get(1..end)) else { return raise("error expanding macro") };
                rest = &rest[inner.len() + 2..];
                // Whether it is defined does not matter for one that is.
                let name = inner.strip_prefix(b"?").unwrap_or(inner);
                if name.is_empty() || !name.iter().all(is_name) {
                    return unsupported(format!("the macro `%{{{}}}`", String::from_utf8_lossy(inner)));
                }
                let body = lookup(process, name)?;
                expand_into(process, &body, expanded, depth + 1)?;
            }
            Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => {
                let end = rest.iter().position(|byte| !is_name(byte)).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                rest = after;
                let body = lookup(process, name)?;
                expand_into(process, &body, expanded, depth + 1)?;
            }
            Some(b'(' | b'[' | b'?' | b'!' | b'*' | b'#' | b'-') => {
                return unsupported("a macro that computes something");
            }
            _ => expanded.push(b'%'),
        }
    }
    Ok(())
}
