//! Where cp, mv, ln and install put things, and what becomes of what stands there.

use super::complaints::hint;
use super::operands::{at, is_directory};
use super::path_names::{joined, last_name, parent_name};
use super::quoting::quoted;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::Options;
use crate::shell::{Bytes, Errno, Stop};

/// What these programs have in common among their options.
pub(super) const KNOWN: [&str; 5] = ["t|target-directory=", "T|no-target-directory", "b", "backup?", "S|suffix="];

/// Operands, told apart.
#[derive(Debug)]
pub(super) enum Targets {
    /// One thing under this very name.
    Name { source: Bytes, target: Bytes },
    /// Things into a directory.
    Directory { sources: Vec<Bytes>, directory: Bytes },
}

/// Tells sources and target apart; else the exit status, when something was said.
///
/// `as_directory` says whether a last operand is a directory to put things into.
pub(super) fn targets(
    call: &mut Call,
    options: &Options,
    as_directory: impl Fn(&Call, &[u8]) -> bool,
) -> Result<Result<Targets, u8>, Stop> {
    let mut sources = options.operands.clone();
    let Some(last) = sources.last().cloned() else { return Ok(Err(hint(call, "missing file operand")?)) };
    let given = options.value("t").cloned();
    if options.has("T") {
        if given.is_some() {
            let text = "cannot combine --target-directory (-t) and --no-target-directory (-T)";
            return Ok(Err(call.fail(1, text)?));
        }
        return Ok(match sources.as_slice() {
            [source, target] => Ok(Targets::Name { source: source.clone(), target: target.clone() }),
            [only] => Err(hint(call, format!("missing destination file operand after {}", quoted(only)))?),
            [_, _, extra, ..] => Err(hint(call, format!("extra operand {}", quoted(extra)))?),
            [] => Err(1),
        });
    }
    if let Some(directory) = given {
        return Ok(match call.machine.files.status(&at(call, &directory), true) {
            Ok(_) if is_directory(call, &directory) => Ok(Targets::Directory { sources, directory }),
            Ok(_) => Err(call.fail(1, format!("target directory {}: {}", quoted(&directory), Errno::NotDirectory))?),
            Err(errno) => Err(call.fail(1, format!("target directory {}: {errno}", quoted(&directory)))?),
        });
    }
    if sources.len() == 1 {
        return Ok(Err(hint(call, format!("missing destination file operand after {}", quoted(&last)))?));
    }
    if as_directory(call, &last) {
        sources.pop();
        return Ok(Ok(Targets::Directory { sources, directory: last }));
    }
    if let [source, target] = sources.as_slice() {
        return Ok(Ok(Targets::Name { source: source.clone(), target: target.clone() }));
    }
    let by_link = call.name == "ln" && options.has("n") && call.machine.files.target(&at(call, &last)).is_ok();
    let problem = match call.machine.files.status(&at(call, &last), true) {
        _ if by_link => Errno::NotDirectory,
        Ok(_) => Errno::NotDirectory,
        Err(errno) => errno,
    };
    Ok(Err(call.fail(1, format!("target {}: {problem}", quoted(&last)))?))
}

impl Targets {
    /// Every source with its target; what is `..` may stand for the whole directory.
    pub(super) fn pairs(&self, merges: bool) -> Vec<(Bytes, Bytes)> {
        match self {
            Targets::Name { source, target } => vec![(source.clone(), target.clone())],
            Targets::Directory { sources, directory } => {
                let target = |source: &Bytes| match last_name(source) {
                    b".." if merges => directory.clone(),
                    name => joined(directory, name),
                };
                sources.iter().map(|source| (source.clone(), target(source))).collect()
            }
        }
    }
}

/// How what would be overwritten is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backup {
    suffix: Bytes,
    numbering: Numbering,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbering {
    Never,
    /// Where numbered ones are there already.
    Existing,
    Always,
}

impl Backup {
    /// Nothing if none is wanted; `Err` if the kind is not known.
    pub(super) fn of(call: &Call, options: &Options) -> Result<Option<Backup>, Stop> {
        if !["b", "backup", "S"].iter().any(|name| options.has(name)) {
            return Ok(None);
        }
        let environment = call.shell.environment();
        let control = environment.get(b"VERSION_CONTROL".as_slice()).cloned().unwrap_or_default();
        let kind = options.value("backup").filter(|kind| !kind.is_empty()).cloned().unwrap_or(control);
        let numbering = match kind.as_slice() {
            b"none" | b"off" => return Ok(None),
            b"simple" | b"never" => Numbering::Never,
            b"" | b"existing" | b"nil" => Numbering::Existing,
            b"numbered" | b"t" => Numbering::Always,
            _ => return call.unsupported(format!("the kind of backup {}", quoted(&kind))),
        };
        let default = environment.get(b"SIMPLE_BACKUP_SUFFIX".as_slice()).cloned().filter(|suffix| !suffix.is_empty());
        let suffix = options.value("S").cloned().or(default).unwrap_or_else(|| b"~".to_vec());
        Ok(Some(Backup { suffix, numbering }))
    }

    /// The name under which `target` is kept.
    pub(super) fn name(&self, call: &Call, target: &[u8]) -> Bytes {
        if self.numbering != Numbering::Never {
            let name = last_name(target);
            let numbers = call.machine.files.list(&at(call, parent_name(target))).unwrap_or_default();
            let number = |other: &Bytes| -> Option<u64> {
                let rest = other.strip_prefix(name)?.strip_prefix(b".~")?.strip_suffix(b"~")?;
                std::str::from_utf8(rest).ok()?.parse().ok()
            };
            match numbers.iter().filter_map(number).max() {
                None if self.numbering == Numbering::Existing => {}
                highest => {
                    let next = highest.unwrap_or(0).saturating_add(1);
                    return [target, format!(".~{next}~").as_bytes()].concat();
                }
            }
        }
        [target, &self.suffix].concat()
    }
}
