//! The commands that the shell does itself.

mod control;
mod declare;
mod directory;
mod echo;
mod getopts;
mod lookup;
mod printf;
mod read;
mod set;
pub(super) mod test;
mod trap;
mod umask;

use std::rc::Rc;

use super::halt::{Halt, Outcome};
use super::lexer::Parser;
use super::{Bytes, Dialect, Shell, Stop, World};

type Run = fn(&mut Shell, &mut dyn World, &[Bytes]) -> Outcome<u8>;

#[derive(Clone, Copy)]
pub(super) struct Builtin {
    /// POSIX's special ones: found before functions, and their errors end the shell.
    pub(super) special: bool,
    pub(super) run: Run,
}

/// Name, whether it is special, what it does.
const BOTH: &[(&str, bool, Run)] = &[
    (":", true, |_, _, _| Ok(0)),
    (".", true, control::dot),
    ("break", true, control::leave_loop),
    ("continue", true, control::leave_loop),
    ("eval", true, control::eval),
    ("exec", true, control::exec),
    ("exit", true, control::exit),
    ("export", true, declare::export),
    ("readonly", true, declare::readonly),
    ("return", true, control::leave_function),
    ("set", true, set::set),
    ("shift", true, control::shift),
    ("times", true, |_, _, _| Err(Stop::unsupported("times", "the shell's times").into())),
    ("trap", true, trap::trap),
    ("unset", true, declare::unset),
    ("[", false, test::test),
    ("alias", false, alias),
    ("bg", false, jobs),
    ("cd", false, directory::cd),
    ("command", false, lookup::command),
    ("echo", false, echo::echo),
    ("false", false, |_, _, _| Ok(1)),
    ("fg", false, jobs),
    ("getopts", false, getopts::getopts),
    ("hash", false, lookup::hash),
    ("jobs", false, |_, _, _| Ok(0)),
    ("printf", false, printf::printf),
    ("pwd", false, directory::pwd),
    ("read", false, read::read),
    ("test", false, test::test),
    ("true", false, |_, _, _| Ok(0)),
    ("type", false, lookup::type_of),
    ("ulimit", false, ulimit),
    ("umask", false, umask::umask),
    ("unalias", false, unalias),
    ("wait", false, |_, _, _| Ok(0)),
];

const DASH: &[(&str, bool, Run)] = &[("local", true, declare::local), ("chdir", false, directory::cd)];

const BASH: &[(&str, bool, Run)] = &[
    ("source", true, control::dot),
    ("builtin", false, lookup::builtin),
    ("declare", false, declare::declare),
    ("disown", false, |_, _, _| Ok(0)),
    ("let", false, set::arithmetic),
    ("local", false, declare::local),
    ("mapfile", false, read::mapfile),
    ("readarray", false, read::mapfile),
    ("shopt", false, set::shopt),
    ("typeset", false, declare::declare),
    ("caller", false, unknown),
    ("compgen", false, unknown),
    ("complete", false, unknown),
    ("dirs", false, unknown),
    ("enable", false, unknown),
    ("popd", false, unknown),
    ("pushd", false, unknown),
    ("suspend", false, unknown),
];

pub(super) fn find(name: &[u8], dialect: Dialect) -> Option<Builtin> {
    let own = if dialect == Dialect::Dash { DASH } else { BASH };
    let mut rows = BOTH.iter().chain(own);
    rows.find(|(row, ..)| row.as_bytes() == name).map(|(_, special, run)| Builtin { special: *special, run: *run })
}

/// Those that are files of their own too: what `exec`, `xargs` and the like may run.
pub(super) fn is_program(name: &[u8]) -> bool {
    matches!(name, b"[" | b"echo" | b"false" | b"printf" | b"pwd" | b"test" | b"true")
}

/// The words without `command` before them, and whether it was there.
pub(super) fn without_command(words: &[Bytes]) -> (&[Bytes], bool) {
    let mut words = words;
    let mut plain = false;
    while let [name, rest @ ..] = words
        && name == b"command"
    {
        let mut rest = rest;
        while let [option, more @ ..] = rest
            && (option == b"-p" || option == b"--")
        {
            rest = more;
            if option == b"--" {
                break;
            }
        }
        if rest.first().is_none_or(|word| word.starts_with(b"-")) {
            return (words, plain);
        }
        words = rest;
        plain = true;
    }
    (words, plain)
}

pub(super) fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// What somebody wants of a built-in that it does not do.
fn unsupported<T>(program: &str, what: &[u8]) -> Outcome<T> {
    Err(Stop::unsupported(program, super::stop::quote(what, 60)).into())
}

/// A message and the status of a built-in that failed; it ends the shell if the built-in is special.
fn wrong(shell: &mut Shell, world: &mut dyn World, message: &str) -> Outcome<u8> {
    shell.complain(world, message)?;
    Err(Halt::Error(if shell.dialect == Dialect::Dash { 2 } else { 1 }))
}

/// A number without a sign.
fn count(text: &[u8]) -> Option<usize> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Quoted for the shell to read again, in dash's way or bash's.
fn requoted(text: &[u8], dialect: Dialect) -> Bytes {
    if dialect == Dialect::Bash {
        let mut out = b"'".to_vec();
        for byte in text {
            match byte {
                b'\'' => out.extend_from_slice(b"'\\''"),
                byte => out.push(*byte),
            }
        }
        out.push(b'\'');
        return out;
    }
    let mut out = Bytes::new();
    let mut rest = text;
    loop {
        let plain = rest.iter().position(|byte| *byte == b'\'').unwrap_or(rest.len());
        let (before, after) = rest.split_at(plain);
        if !before.is_empty() || rest.is_empty() && out.is_empty() {
            out.push(b'\'');
            out.extend_from_slice(before);
            out.push(b'\'');
        }
        let quotes = after.iter().take_while(|byte| **byte == b'\'').count();
        if quotes == 0 {
            return out;
        }
        out.push(b'"');
        out.extend(std::iter::repeat_n(b'\'', quotes));
        out.push(b'"');
        rest = after.get(quotes..).unwrap_or_default();
        if rest.is_empty() {
            return out;
        }
    }
}

/// Aliases for words; outside of its sh mode bash keeps them for people.
fn alias(shell: &mut Shell, _: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    for word in words.iter().skip(1).filter(|_| shell.posix) {
        let Some(at) = word.iter().position(|byte| *byte == b'=') else { return unsupported("alias", word) };
        let mut text = Parser::new(word[at + 1..].into(), shell.line.max(1), shell.dialect, 0)?;
        match text.only_words()? {
            Some(stands_for) if !stands_for.is_empty() => {
                Rc::make_mut(&mut shell.aliases).insert(word[..at].to_vec(), stands_for);
            }
            _ => return unsupported("alias", word),
        }
    }
    Ok(0)
}

fn unalias(shell: &mut Shell, _: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    for word in words.iter().skip(1) {
        match word.as_slice() {
            b"-a" => shell.aliases = Rc::default(),
            name => drop(Rc::make_mut(&mut shell.aliases).remove(name)),
        }
    }
    Ok(0)
}

fn jobs(_: &mut Shell, _: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    Err(Stop::unsupported(&shown(words.first().map_or(b"fg", Vec::as_slice)), "job control").into())
}

/// Nothing is limited here; what a limit is nobody can say.
fn ulimit(_: &mut Shell, _: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    if words.len() < 3 {
        return unsupported("ulimit", &words.get(1..).unwrap_or_default().join(&b' '));
    }
    Ok(0)
}

fn unknown(_: &mut Shell, _: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    unsupported(&shown(words.first().map_or(b"", Vec::as_slice)), &words.get(1..).unwrap_or_default().join(&b' '))
}
