//! The programs that scripts use: one table that says of each what is done, and why.
//!
//! A program that is not in it, and no shell script of the tree, ends the build. An option, a command of sed, a question
//! that a program here does not know ends it too ([`Call::unsupported`]): nothing unknown becomes an exit status.

pub mod accounts;
pub mod alternatives;
pub mod apache;
pub mod debconf;
pub mod dpkg;
pub mod files;
pub mod first_boot;
pub mod options;
pub mod rpm;
pub mod services;
pub mod shells;
pub mod systemd;
pub mod text;

use super::machine::Machine;
use crate::package::Family;
use crate::shell::{Bytes, Shell, Stop};

/// One program.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// As scripts call it: a name, or the whole path of a helper.
    pub name: &'static str,
    /// Whose it is, where the two families have different programs of one name.
    pub family: Option<Family>,
    pub treatment: Treatment,
    /// For people: what is done and why that is right, one clause.
    pub about: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub enum Treatment {
    /// Done on the tree by this function, which gives the exit status.
    Native(fn(&mut Call) -> Result<u8, Stop>),
    /// No effect on an image: status 0, no output.
    Nothing,
    /// A step of the assembly does it for the whole image.
    Done,
    /// Always this status and output.
    Answer(u8, &'static str),
    /// Ends the build.
    Refuse,
}

impl Row {
    pub const fn native(name: &'static str, run: fn(&mut Call) -> Result<u8, Stop>, about: &'static str) -> Row {
        Row { name, family: None, treatment: Treatment::Native(run), about }
    }

    pub const fn nothing(name: &'static str, about: &'static str) -> Row {
        Row { name, family: None, treatment: Treatment::Nothing, about }
    }

    pub const fn done(name: &'static str, about: &'static str) -> Row {
        Row { name, family: None, treatment: Treatment::Done, about }
    }

    pub const fn answer(name: &'static str, status: u8, output: &'static str, about: &'static str) -> Row {
        Row { name, family: None, treatment: Treatment::Answer(status, output), about }
    }

    pub const fn refuse(name: &'static str, about: &'static str) -> Row {
        Row { name, family: None, treatment: Treatment::Refuse, about }
    }

    pub const fn of(mut self, family: Family) -> Row {
        self.family = Some(family);
        self
    }
}

/// All rows, by subject.
const TABLES: &[&[Row]] = &[
    accounts::ROWS,
    alternatives::ROWS,
    apache::ROWS,
    debconf::ROWS,
    dpkg::ROWS,
    files::ROWS,
    first_boot::ROWS,
    rpm::ROWS,
    services::ROWS,
    shells::ROWS,
    systemd::ROWS,
    text::ROWS,
];

pub fn rows() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().flat_map(|table| table.iter())
}

pub fn lookup(name: &str, family: Family) -> Option<&'static Row> {
    let mut found = rows().filter(|row| row.name == name && row.family.is_none_or(|of| of == family));
    found.next()
}

/// Names that are done here even if the shell has a function or a built-in of that name.
pub fn is_special(name: &[u8]) -> bool {
    debconf::is_special(name)
}

/// Our own text in place of a file that scripts source.
pub fn sourced(path: &[u8]) -> Option<&'static str> {
    debconf::sourced(path)
}

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

/// Programs that scripts look for before they use them, by the package that has them: a recipe that drops the package
/// leaves them out of the image, not out of the scripts' sight.
pub fn ghosts(package: &str) -> &'static [&'static str] {
    match package {
        "adduser" => &["/usr/sbin/adduser", "/usr/sbin/addgroup", "/usr/sbin/deluser", "/usr/sbin/delgroup"],
        "debconf" => &["/usr/share/debconf/confmodule", "/usr/bin/debconf-set-selections", "/usr/bin/debconf-escape"],
        "dpkg" => &[
            "/usr/bin/dpkg",
            "/usr/bin/dpkg-divert",
            "/usr/bin/dpkg-maintscript-helper",
            "/usr/bin/dpkg-query",
            "/usr/bin/dpkg-statoverride",
            "/usr/bin/dpkg-trigger",
            "/usr/bin/update-alternatives",
        ],
        "init-system-helpers" => &[
            "/usr/bin/deb-systemd-helper",
            "/usr/bin/deb-systemd-invoke",
            "/usr/sbin/invoke-rc.d",
            "/usr/sbin/update-rc.d",
            "/usr/sbin/service",
        ],
        "ucf" => &["/usr/bin/ucf", "/usr/bin/ucfq", "/usr/bin/ucfr"],
        _ => &[],
    }
}
