//! rpm's macros, as far as one is still asked for when a package is installed: those that a scriptlet defines, the
//! usual places, and what the distribution calls itself.

use std::collections::BTreeMap;

use super::values::{Trouble, raise, unsupported};
use crate::assemble::scripts::machine::Machine;
use crate::shell::{Bytes, Stop, World};

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
/// Where a distribution says what it is, in one line each.
const DISTRIBUTION: [&str; 2] = ["/usr/lib/rpm/macros.d/macros.dist", "/etc/rpm/macros.dist"];
/// What it may say: where that file is, the others are not defined.
const NAMES: [&str; 6] = ["amzn", "centos", "dist", "eln", "fedora", "rhel"];

/// What a scriptlet has defined; the last definition of a name counts.
pub(super) type Macros = BTreeMap<Bytes, Vec<Bytes>>;

/// Expands as `rpm --eval` does; nothing if `text` is no text with macros.
pub(super) fn evaluate(machine: &mut Machine, text: &[u8]) -> Result<Option<Bytes>, Stop> {
    match (Expansion { machine, macros: &Macros::default() }).whole(text) {
        Ok(expanded) => Ok(Some(expanded)),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(_) => Ok(None),
    }
}

pub(super) fn is_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

pub(super) struct Expansion<'e, 'm> {
    pub(super) machine: &'e mut Machine<'m>,
    pub(super) macros: &'e Macros,
}

impl Expansion<'_, '_> {
    pub(super) fn whole(&mut self, text: &[u8]) -> Result<Bytes, Trouble> {
        let mut expanded = Vec::new();
        self.into(text, &mut expanded, 0)?;
        Ok(expanded)
    }

    /// The body of a macro; nothing if it is certain that there is none.
    pub(super) fn lookup(&mut self, name: &[u8]) -> Result<Option<Bytes>, Trouble> {
        if let Some(body) = self.macros.get(name).and_then(|bodies| bodies.last()) {
            return Ok(Some(body.clone()));
        }
        if let Some((_, place)) = PLACES.iter().find(|(place, _)| place.as_bytes() == name) {
            return Ok(Some(place.as_bytes().to_vec()));
        }
        let moved = self.machine.files.is_directory(b"/usr/lib/sysimage/rpm");
        let text = match name {
            b"_arch" | b"_build_arch" | b"_target_cpu" | b"_host_cpu" => self.machine.arch.name,
            b"_lib" => "lib64",
            b"_libdir" => "/usr/lib64",
            b"_dbpath" if moved => "/usr/lib/sysimage/rpm",
            b"_dbpath" => "/var/lib/rpm",
            _ => return self.distribution(name),
        };
        Ok(Some(text.as_bytes().to_vec()))
    }

    fn distribution(&mut self, name: &[u8]) -> Result<Option<Bytes>, Trouble> {
        let mut there = false;
        for path in DISTRIBUTION {
            let Ok(text) = self.machine.files.read(path.as_bytes())? else { continue };
            there = true;
            self.machine.spend(1 + text.len() as u64 / 16)?;
            for line in text.split(|byte| *byte == b'\n') {
                let body = line.strip_prefix(b"%").and_then(|line| line.strip_prefix(name));
                if let Some(body) = body.filter(|body| body.first().is_some_and(u8::is_ascii_whitespace)) {
                    return Ok(Some(body.trim_ascii().to_vec()));
                }
            }
        }
        match there && NAMES.iter().any(|known| known.as_bytes() == name) {
            true => Ok(None),
            // Which others there are is not known here.
            false => unsupported(format!("the macro `{}`", String::from_utf8_lossy(name))),
        }
    }

    fn into(&mut self, text: &[u8], expanded: &mut Bytes, depth: usize) -> Result<(), Trouble> {
        if depth > DEPTH || expanded.len() > LONGEST {
            return Err(Trouble::Stop(Stop::limit("macros that expand to each other")));
        }
        self.machine.spend(1 + text.len() as u64 / 16)?;
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
                    let Some(inner) = braced(rest) else { return raise("error expanding macro") };
                    let (written, after) = rest.split_at(inner.len() + 2);
                    rest = after;
                    self.one(inner, written, expanded, depth)?;
                }
                Some(b'?' | b'!') => {
                    let end =
                        rest.iter().position(|byte| !is_name(byte) && !b"?!".contains(byte)).unwrap_or(rest.len());
                    let (inner, after) = rest.split_at(end);
                    rest = after;
                    self.one(inner, inner, expanded, depth)?;
                }
                Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => {
                    let end = rest.iter().position(|byte| !is_name(byte)).unwrap_or(rest.len());
                    let (name, after) = rest.split_at(end);
                    rest = after;
                    self.one(name, name, expanded, depth)?;
                }
                Some(b'(' | b'[' | b'*' | b'#' | b'-') => return unsupported("a macro that computes something"),
                _ => expanded.push(b'%'),
            }
        }
        Ok(())
    }

    /// `name`, `?name`, `?name:text`, `!?name:text`, and how it is written behind its percent sign.
    fn one(&mut self, inner: &[u8], written: &[u8], expanded: &mut Bytes, depth: usize) -> Result<(), Trouble> {
        let signs = inner.iter().take_while(|byte| b"?!".contains(byte)).count();
        let (signs, rest) = inner.split_at(signs);
        let (name, text) = match rest.iter().position(|byte| *byte == b':') {
            Some(at) if !signs.is_empty() => (&rest[..at], Some(&rest[at + 1..])),
            _ => (rest, None),
        };
        if name.is_empty() || !name.iter().all(is_name) {
            return unsupported(format!("the macro `%{{{}}}`", String::from_utf8_lossy(inner)));
        }
        let body = self.lookup(name)?;
        let asks = signs.contains(&b'?');
        let negated = signs.iter().filter(|sign| **sign == b'!').count() % 2 == 1;
        let next = match (body, text) {
            (body, Some(text)) if asks => {
                if body.is_some() != negated {
                    text.to_vec()
                } else {
                    Vec::new()
                }
            }
            (Some(body), None) if !negated => body,
            (None, None) if !asks => {
                // What is not defined stays as it is.
                expanded.push(b'%');
                expanded.extend_from_slice(written);
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.into(&next, expanded, depth + 1)
    }
}

/// What stands in the braces that `text` begins with.
fn braced(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return text.get(1..at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}
