//! One run of a program: what every program has at hand.

use crate::assemble::scripts::machine::Machine;
use crate::shell::{Bytes, Shell, Stop};

/// One run of a program.
#[derive(Debug)]
pub struct Call<'c, 'a> {
    pub machine: &'c mut Machine<'a>,
    /// Whose descriptors, directory, umask and environment the program has.
    pub shell: &'c mut Shell,
    pub name: &'static str,
    /// The arguments, without the name.
    pub words: &'c [Bytes],
}

impl<'a> Call<'_, 'a> {
    pub fn out(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Stop> {
        self.shell.out(self.machine, bytes.as_ref())
    }

    /// A line on the standard error, with the program's name before it.
    pub fn error(&mut self, text: impl std::fmt::Display) -> Result<(), Stop> {
        self.shell.error(self.machine, &format!("{}: {text}", self.name))
    }

    /// The same, and the exit status.
    pub fn fail(&mut self, status: u8, text: impl std::fmt::Display) -> Result<u8, Stop> {
        self.error(text)?;
        Ok(status)
    }

    /// Ends the run: the program is asked for something that is not done here.
    pub fn unsupported<T>(&self, what: impl Into<String>) -> Result<T, Stop> {
        Err(Stop::unsupported(self.name, what))
    }

    /// Everything left of the standard input.
    pub fn input(&self) -> Bytes {
        self.shell.input()
    }

    /// `word` behind the directory that the program runs in.
    pub fn path(&self, word: &[u8]) -> Bytes {
        self.shell.absolute(word)
    }

    /// The argument as text, for comparing.
    pub fn word(&self, index: usize) -> Option<&str> {
        self.words.get(index).map(|word| std::str::from_utf8(word).unwrap_or("\u{fffd}"))
    }

    /// Says in the manifest that this use of the program was `nothing`, `answered`, `done` or `first-boot`.
    pub fn note(&mut self, what: &'static str, reason: &str) {
        self.machine.note(self.name, what, reason);
    }

    /// Runs another program (or built-in) with the same descriptors.
    pub fn run(&mut self, words: &[Bytes]) -> Result<u8, Stop> {
        self.shell.call(self.machine, words)
    }
}
