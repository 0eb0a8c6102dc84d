//! What a shell knows: variables, functions, options, descriptors.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::syntax::{Aliases, Command};
use super::{Bytes, Descriptors, Handle, Stream};

/// Whose shell it is, where the two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Debian's `/bin/sh`.
    Dash,
    /// RPM's: bash, in its sh mode or not.
    Bash,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variable {
    /// Nothing if it is only declared (`export X`, `local X`).
    pub value: Option<Bytes>,
    pub exported: bool,
    pub read_only: bool,
}

/// `set -e`, `-u`, `-f`, `-C`, `-n`, `-x`, `-a`, `pipefail`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    pub errexit: bool,
    pub nounset: bool,
    pub noglob: bool,
    pub noclobber: bool,
    pub noexec: bool,
    pub xtrace: bool,
    pub allexport: bool,
    pub pipefail: bool,
}

/// One shell. A subshell is a clone; its descriptors lead to the same open files.
#[derive(Debug, Clone)]
pub struct Shell {
    pub dialect: Dialect,
    pub variables: BTreeMap<Bytes, Variable>,
    /// `$0`
    pub name: Bytes,
    /// `$1` and on.
    pub arguments: Vec<Bytes>,
    pub options: Options,
    /// Bash's sh mode, in which it is from the start; `#!/bin/bash` asks for the other one. Dash always has its own.
    pub posix: bool,
    pub umask: u16,
    /// Absolute, and without links only after `cd -P`.
    pub directory: Bytes,
    pub descriptors: Descriptors,
    /// `$?`
    pub status: u8,
    /// How deep in commands inside of one another: a shell that a program starts goes on from that program's.
    pub depth: usize,
    pub(super) aliases: Aliases,
    pub(super) functions: Rc<BTreeMap<Bytes, Rc<Command>>>,
    /// Bash's arrays; their first element is the variable's value too.
    pub(super) arrays: BTreeMap<Bytes, BTreeMap<i64, Bytes>>,
    /// By the signal's name without `SIG`; `EXIT` is the shell's end.
    pub(super) traps: BTreeMap<Bytes, Bytes>,
    /// For each function that runs: its `local` variables with what they were.
    pub(super) locals: Vec<Vec<(Bytes, Before)>>,
    /// Variables that only the command that runs has, and those that the function that runs was called with.
    pub(super) temporary: Vec<Bytes>,
    pub(super) called_with: Vec<Bytes>,
    /// Loops around the command that runs, in the same function.
    pub(super) loops: usize,
    /// Functions and sourced files around the command: what `return` leaves.
    pub(super) returns: usize,
    /// Somebody looks at the status: `set -e` does nothing.
    pub(super) tested: bool,
    /// What is expanded belongs to a simple command.
    pub(super) in_simple: bool,
    /// Line of the command that runs.
    pub(super) line: usize,
    /// Status of the last command substitution of this command.
    pub(super) substituted: Option<u8>,
    /// A quoted `$@` has just expanded to nothing at all.
    pub(super) vanished: bool,
    pub(super) has_background: bool,
    /// Where `getopts` goes on: number of the argument, and of the letter in it.
    pub(super) next_option: (usize, usize),
}

/// What a variable was before a function or a command had one of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    variable: Option<Variable>,
    array: Option<BTreeMap<i64, Bytes>>,
}

impl Shell {
    /// A shell whose input is empty and whose output nobody reads, in `/`.
    pub fn new(dialect: Dialect, name: &[u8], arguments: &[Bytes]) -> Shell {
        let null = super::handle(Stream::Null);
        Shell {
            dialect,
            variables: BTreeMap::new(),
            name: name.to_vec(),
            arguments: arguments.to_vec(),
            options: Options::default(),
            posix: true,
            umask: 0o022,
            directory: b"/".to_vec(),
            descriptors: (0..3).map(|number| (number, null.clone())).collect(),
            status: 0,
            depth: 0,
            aliases: Aliases::default(),
            functions: Rc::default(),
            arrays: BTreeMap::new(),
            traps: BTreeMap::new(),
            locals: Vec::new(),
            temporary: Vec::new(),
            called_with: Vec::new(),
            loops: 0,
            returns: 0,
            tested: false,
            in_simple: false,
            line: 0,
            substituted: None,
            vanished: false,
            has_background: false,
            next_option: (1, 0),
        }
    }

    pub(super) fn before(&self, name: &[u8]) -> Before {
        Before { variable: self.variables.get(name).cloned(), array: self.arrays.get(name).cloned() }
    }

    pub(super) fn put_back(&mut self, name: Bytes, before: Before) {
        if name == b"OPTIND" {
            let value = before.variable.as_ref().and_then(|variable| variable.value.as_ref());
            let number = value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
            self.next_option = (number.unwrap_or(1), 0);
        }
        match before.array {
            Some(array) => self.arrays.insert(name.clone(), array),
            None => self.arrays.remove(&name),
        };
        match before.variable {
            Some(variable) => self.variables.insert(name, variable),
            None => self.variables.remove(&name),
        };
    }

    pub fn get(&self, name: &[u8]) -> Option<&Bytes> {
        self.variables.get(name)?.value.as_ref()
    }

    /// Gives a variable a value; what is exported stays so.
    pub fn set(&mut self, name: &[u8], value: impl Into<Bytes>) {
        self.variables.entry(name.to_vec()).or_default().value = Some(value.into());
    }

    pub fn export(&mut self, name: &[u8], value: impl Into<Bytes>) {
        let variable = self.variables.entry(name.to_vec()).or_default();
        variable.value = Some(value.into());
        variable.exported = true;
    }

    /// The exported variables: what a program sees.
    pub fn environment(&self) -> BTreeMap<Bytes, Bytes> {
        let exported = self.variables.iter().filter(|(_, variable)| variable.exported);
        exported.filter_map(|(name, variable)| Some((name.clone(), variable.value.clone()?))).collect()
    }

    /// `path` behind the shell's directory, unless it is absolute.
    pub fn absolute(&self, path: &[u8]) -> Bytes {
        if path.starts_with(b"/") { path.to_vec() } else { [&self.directory, b"/".as_slice(), path].concat() }
    }

    pub fn descriptor(&self, number: u32) -> Option<Handle> {
        self.descriptors.get(&number).cloned()
    }

    /// Everything that is left of the standard input.
    pub fn input(&self) -> Bytes {
        self.descriptor(0).map(|handle| handle.borrow_mut().rest()).unwrap_or_default()
    }
}
