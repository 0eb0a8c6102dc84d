//! The process that a scriptlet runs in, and those that it forks.
//!
//! A fork cannot copy a Lua state. So the run that forks goes on as the child, to the child's end, and then the whole
//! text runs again as the parent: up to the fork every call to the world gives what it gave before, without its effect
//! ([`Journal`]). Lua itself computes the same again, since nothing in it depends on chance here: neither the order of
//! `pairs` nor the address of a table.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::fuel::Fuel;
use super::macros::Macros;
use super::open_files::{self, Open};
use super::values::{Answer, Failure, Trouble, Value};
use crate::assemble::scripts::machine::{Machine, PATH};
use crate::shell::{Bytes, Dialect, Shell, Stop, World};

/// What recorded answers of one process may take, in bytes.
const JOURNAL: u64 = 16 << 20;
/// Programs that shells do by themselves, so that nobody else does.
const BUILT_IN: [&[u8]; 7] = [b"[", b"echo", b"false", b"printf", b"pwd", b"test", b"true"];
/// Steps that a new process costs.
const FORK: u64 = 1_000;
/// The first process's number; children count on.
const PROCESS: i64 = 100;

/// What a fork copies.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Directory, umask, environment and descriptors, for the programs that are started too.
    pub shell: Shell,
    /// Of the last call that failed.
    pub failure: Failure,
    pub files: BTreeMap<i64, Open>,
    pub macros: Macros,
    /// Whether it is a child: only one may exit or become another program.
    pub forked: bool,
    pub process: i64,
    /// Those that nobody has waited for.
    pub children: Vec<i64>,
    /// The paths that a file trigger is called for.
    pub paths: Rc<[Bytes]>,
    pub next_path: usize,
}

/// What one call gave.
#[derive(Debug, Clone)]
struct Entry {
    function: String,
    answer: Result<Vec<Value>, Bytes>,
}

/// The calls of a process so far, from the first one's first on, and how many of them were given again.
#[derive(Debug, Clone, Default)]
struct Journal {
    entries: Vec<Entry>,
    at: usize,
    size: u64,
}

/// A process that waits for its child to end.
#[derive(Debug)]
struct Parent {
    journal: Journal,
    state: State,
}

/// Why a run is over before its text is.
#[derive(Debug)]
pub(super) enum Over {
    Stop(Stop),
    Ended,
}

pub(super) struct Process<'p, 'a> {
    pub machine: &'p mut Machine<'a>,
    pub state: State,
    pub fuel: Fuel,
    pub over: Option<Over>,
    journal: Journal,
    parents: Vec<Parent>,
    processes: i64,
}

impl std::fmt::Debug for Process<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Process {}", self.state.process)
    }
}

impl<'p, 'a> Process<'p, 'a> {
    /// The paths of a file trigger are the lines of the shell's standard input.
    pub(super) fn new(machine: &'p mut Machine<'a>, shell: Shell) -> Process<'p, 'a> {
        let input = shell.input();
        let lines = input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let state = State {
            paths: lines.map(<[u8]>::to_vec).collect(),
            next_path: 0,
            shell,
            failure: Failure(0, "Success"),
            files: open_files::standard(),
            macros: Macros::default(),
            forked: false,
            process: PROCESS,
            children: Vec::new(),
        };
        let fuel = Fuel::default();
        fuel.set(machine.steps);
        Process {
            machine,
            state,
            fuel,
            over: None,
            journal: Journal::default(),
            parents: Vec::new(),
            processes: PROCESS,
        }
    }

    /// Makes this the process that waits for the one that has ended; none is left if not.
    pub(super) fn resume(&mut self) -> bool {
        let Some(parent) = self.parents.pop() else { return false };
        self.over = None;
        self.state = parent.state;
        self.journal = parent.journal;
        self.journal.at = 0;
        true
    }

    /// Writes back how many steps are left.
    pub(super) fn settle(&mut self) {
        self.machine.steps = self.fuel.left();
    }

    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        self.machine.spend(steps)
    }

    /// One call from Lua, which `perform` does, or what it gave before.
    pub(super) fn call(
        &mut self,
        function: &str,
        values: &[Value],
        perform: impl FnOnce(&mut Self, &str, &[Value]) -> Answer,
    ) -> Answer {
        if let Some(entry) = self.journal.entries.get(self.journal.at) {
            self.journal.at += 1;
            return match &entry.answer {
                _ if entry.function != function => Err(Trouble::Stop(Stop::limit("a scriptlet that runs two ways"))),
                Ok(values) => Ok(values.clone()),
                Err(message) => Err(Trouble::Raised(message.clone())),
            };
        }
        self.settle();
        let answer = self.machine.spend(10).map_err(Trouble::Stop).and_then(|()| perform(self, function, values));
        let answer = match answer {
            Err(Trouble::Stop(stop)) => Err(Trouble::Stop(stop)),
            Err(Trouble::Ended) => Err(Trouble::Ended),
            Ok(values) => self.record(function, Ok(values)),
            Err(Trouble::Raised(message)) => self.record(function, Err(message)),
        };
        self.fuel.set(self.machine.steps);
        answer
    }

    fn record(&mut self, function: &str, answer: Result<Vec<Value>, Bytes>) -> Answer {
        self.journal.size += 64 + answer.iter().flatten().map(Value::size).sum::<u64>();
        if self.journal.size > JOURNAL {
            return Err(Trouble::Stop(Stop::limit(format!("a scriptlet that asks for more than {JOURNAL} bytes"))));
        }
        self.journal.entries.push(Entry { function: function.to_owned(), answer: answer.clone() });
        self.journal.at = self.journal.entries.len();
        answer.map_err(Trouble::Raised)
    }

    /// posix.fork: goes on as the child.
    pub(super) fn fork(&mut self) -> Answer {
        self.machine.spend(FORK + self.journal.size / 64)?;
        self.processes += 1;
        let child = self.processes;
        let mut parent = Parent { journal: self.journal.clone(), state: self.state.clone() };
        let answer = Ok(vec![Value::large(child)]);
        parent.journal.entries.push(Entry { function: "posix.fork".to_owned(), answer });
        parent.state.children.push(child);
        self.parents.push(parent);
        let kept: u64 = self.parents.iter().map(|parent| parent.journal.size).sum();
        if kept > JOURNAL {
            return Err(Trouble::Stop(Stop::limit("a scriptlet that forks too much")));
        }
        self.state.forked = true;
        self.state.process = child;
        self.state.children.clear();
        Ok(vec![Value::number(0)])
    }

    /// `path` behind the directory of the process.
    pub(super) fn path(&self, path: &[u8]) -> Bytes {
        self.state.shell.absolute(path)
    }

    /// Nothing, the error's text and number, which the C library keeps for `posix.errno`.
    pub(super) fn failed(&mut self, failure: impl Into<Failure>, about: Option<&[u8]>) -> Answer {
        self.state.failure = failure.into();
        let Failure(number, text) = self.state.failure;
        let message = about.map_or(text.into(), |about| [about, b": ", text.as_bytes()].concat());
        Ok(vec![Value::Nil, Value::Text(message), Value::number(number)])
    }

    /// As Lua's own libraries tell a failure: the number is an integer.
    pub(super) fn file_failed(&mut self, failure: impl Into<Failure>, about: Option<&[u8]>) -> Answer {
        let mut values = self.failed(failure, about)?;
        if let Some(number) = values.last_mut()
            && let Some(integer) = number.as_integer()
        {
            *number = Value::Integer(integer);
        }
        Ok(values)
    }

    /// `sh -c`, as the C library's `system` runs it.
    pub(super) fn system(&mut self, shell: &Shell, text: &[u8]) -> Result<u8, Stop> {
        if !self.machine.files.exists(b"/bin/sh") {
            // As when the kernel does not find what it is to run.
            return Ok(127);
        }
        self.machine.run_text(shell, Dialect::Bash, b"sh", &[], text)
    }

    /// Runs a program as a process of its own; nothing if there is none of that name.
    pub(super) fn execute(&mut self, words: &[Bytes]) -> Result<Option<u8>, Stop> {
        let mut shell = self.state.shell.clone();
        self.execute_in(&mut shell, words)
    }

    pub(super) fn execute_in(&mut self, shell: &mut Shell, words: &[Bytes]) -> Result<Option<u8>, Stop> {
        let Some(name) = words.first() else { return Ok(None) };
        let there = match name.contains(&b'/') {
            true => self.machine.files.exists(&shell.absolute(name)),
            false => {
                let path = shell.get(b"PATH").cloned().unwrap_or_else(|| PATH.to_vec());
                self.machine.find(name, &path)?.is_some()
            }
        };
        if !there {
            return Ok(None);
        }
        let place = name.strip_prefix(b"/usr").unwrap_or(name);
        let base = place.strip_prefix(b"/bin/").unwrap_or(place).to_vec();
        if BUILT_IN.contains(&base.as_slice()) {
            let mut words = words.to_vec();
            words[0] = base;
            return shell.call(self.machine, &words).map(Some);
        }
        self.machine.run(shell, words).map(Some)
    }
}
