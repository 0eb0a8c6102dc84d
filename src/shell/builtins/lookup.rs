//! What a name is: the table of built-ins, and `command`, `type`, `hash` and `builtin`, which look into it.

use super::super::halt::{Halt, Outcome};
use super::super::{Bytes, Dialect, Shell, Stop, World};
use super::arguments::{shown, unsupported};
use super::{alias, control, declare, directory, echo, getopts, printf, read, set, test, trap, umask};

type Run = fn(&mut Shell, &mut dyn World, &[Bytes]) -> Outcome<u8>;

#[derive(Clone, Copy)]
pub(in super::super) struct Builtin {
    /// POSIX's special ones: found before functions, and their errors end the shell.
    pub(in super::super) special: bool,
    pub(in super::super) run: Run,
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
    ("alias", false, alias::alias),
    ("bg", false, jobs),
    ("cd", false, directory::cd),
    ("command", false, command),
    ("echo", false, echo::echo),
    ("false", false, |_, _, _| Ok(1)),
    ("fg", false, jobs),
    ("getopts", false, getopts::getopts),
    ("hash", false, hash),
    ("jobs", false, |_, _, _| Ok(0)),
    ("printf", false, printf::printf),
    ("pwd", false, directory::pwd),
    ("read", false, read::read),
    ("test", false, test::test),
    ("true", false, |_, _, _| Ok(0)),
    ("type", false, type_of),
    ("ulimit", false, ulimit),
    ("umask", false, umask::umask),
    ("unalias", false, alias::unalias),
    ("wait", false, |_, _, _| Ok(0)),
];

const DASH: &[(&str, bool, Run)] = &[("local", true, declare::local), ("chdir", false, directory::cd)];

const BASH: &[(&str, bool, Run)] = &[
    ("source", true, control::dot),
    ("builtin", false, builtin),
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

pub(in super::super) fn find(name: &[u8], dialect: Dialect) -> Option<Builtin> {
    let own = if dialect == Dialect::Dash { DASH } else { BASH };
    let mut rows = BOTH.iter().chain(own);
    rows.find(|(row, ..)| row.as_bytes() == name).map(|(_, special, run)| Builtin { special: *special, run: *run })
}

/// Those that are files of their own too: what `exec`, `xargs` and the like may run.
pub(in super::super) fn is_program(name: &[u8]) -> bool {
    matches!(name, b"[" | b"echo" | b"false" | b"printf" | b"pwd" | b"test" | b"true")
}

/// The words without `command` before them, and whether it was there.
pub(in super::super) fn without_command(words: &[Bytes]) -> (&[Bytes], bool) {
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

const RESERVED: &[&[u8]] = &[
    b"!", b"{", b"}", b"case", b"do", b"done", b"elif", b"else", b"esac", b"fi", b"for", b"if", b"in", b"then",
    b"until", b"while",
];
const BASH_RESERVED: &[&[u8]] = &[b"[[", b"]]", b"function", b"select", b"time", b"coproc"];

enum Found {
    Reserved,
    Function,
    Special,
    Builtin,
    Path(Bytes),
    Nothing,
}

fn look(shell: &mut Shell, world: &mut dyn World, name: &[u8]) -> Outcome<Found> {
    world.spend(1)?;
    let bash = shell.dialect == Dialect::Bash;
    if RESERVED.contains(&name) || bash && BASH_RESERVED.contains(&name) {
        return Ok(Found::Reserved);
    }
    if shell.functions.contains_key(name) {
        return Ok(Found::Function);
    }
    // Programs as far as running goes, but a shell says that it has it.
    if let Some(builtin) = find(name, shell.dialect) {
        return Ok(if builtin.special { Found::Special } else { Found::Builtin });
    }
    if name == b"kill" {
        return Ok(Found::Builtin);
    }
    let path = shell.get(b"PATH").cloned().unwrap_or_default();
    Ok(world.find(name, &path)?.map_or(Found::Nothing, Found::Path))
}

/// `command -v` and `-V`; running something by `command` is the evaluator's.
fn command(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut verbose = None;
    let mut words = words.get(1..).unwrap_or_default();
    while let [word, rest @ ..] = words
        && word.starts_with(b"-")
    {
        words = rest;
        match word.as_slice() {
            b"-v" | b"-pv" | b"-vp" => verbose = Some(false),
            b"-V" | b"-pV" | b"-Vp" => verbose = Some(true),
            b"-p" => {}
            b"--" => break,
            word => return unsupported("command", word),
        }
    }
    let Some(verbose) = verbose else { return Ok(0) };
    let mut status = 0;
    let mut any = false;
    for name in words {
        let found = look(shell, world, name)?;
        let missing = matches!(found, Found::Nothing);
        any |= !missing;
        status = if missing { 127 } else { 0 };
        if verbose {
            describe(shell, world, name, &found)?;
        } else {
            let text = match found {
                Found::Nothing => continue,
                Found::Path(path) => path,
                _ => name.clone(),
            };
            shell.out(world, &[text.as_slice(), b"\n"].concat())?;
        }
        // Dash only looks at the first.
        if shell.dialect == Dialect::Dash {
            break;
        }
    }
    if shell.dialect == Dialect::Bash {
        status = u8::from(!any && !words.is_empty());
    }
    Ok(status)
}

fn describe(shell: &mut Shell, world: &mut dyn World, name: &[u8], found: &Found) -> Outcome<()> {
    let what = match (found, shell.dialect) {
        (Found::Reserved, _) => "is a shell keyword".to_owned(),
        (Found::Function, Dialect::Dash) => "is a shell function".to_owned(),
        (Found::Function, Dialect::Bash) => return Err(Stop::unsupported("type", "the text of a function").into()),
        (Found::Special, Dialect::Dash) => "is a special shell builtin".to_owned(),
        (Found::Special | Found::Builtin, _) => "is a shell builtin".to_owned(),
        (Found::Path(path), _) => format!("is {}", shown(path)),
        (Found::Nothing, Dialect::Dash) => {
            let line = [name, b": not found\n"].concat();
            shell.out(world, &line)?;
            return Ok(());
        }
        (Found::Nothing, Dialect::Bash) => {
            shell.complain(world, &format!("type: {}: not found", shown(name)))?;
            return Ok(());
        }
    };
    shell.out(world, &[name, b" ", what.as_bytes(), b"\n"].concat())?;
    Ok(())
}

fn type_of(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut words = words.get(1..).unwrap_or_default();
    let mut option = Bytes::new();
    if let [word, rest @ ..] = words
        && word.starts_with(b"-")
        && shell.dialect == Dialect::Bash
    {
        option.clone_from(word);
        words = rest;
    }
    let mut status = 0;
    for name in words {
        let found = look(shell, world, name)?;
        if matches!(found, Found::Nothing) {
            status = if shell.dialect == Dialect::Dash { 127 } else { 1 };
        }
        match option.as_slice() {
            b"" => describe(shell, world, name, &found)?,
            b"-t" => {
                let text = match found {
                    Found::Reserved => "keyword\n",
                    Found::Function => "function\n",
                    Found::Special | Found::Builtin => "builtin\n",
                    Found::Path(_) => "file\n",
                    Found::Nothing => "",
                };
                shell.out(world, text.as_bytes())?;
            }
            b"-p" | b"-P" => {
                let path = match found {
                    Found::Path(path) => Some(path),
                    Found::Nothing => None,
                    _ if option == b"-p" => None,
                    _ => {
                        let path = shell.get(b"PATH").cloned().unwrap_or_default();
                        world.find(name, &path)?
                    }
                };
                if let Some(path) = path {
                    shell.out(world, &[path.as_slice(), b"\n"].concat())?;
                }
            }
            option => return unsupported("type", option),
        }
    }
    Ok(status)
}

fn hash(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut status = 0;
    for name in words.get(1..).unwrap_or_default() {
        match name.as_slice() {
            b"-r" | b"--" => {}
            name if name.starts_with(b"-") => return unsupported("hash", name),
            name => {
                if matches!(look(shell, world, name)?, Found::Nothing) {
                    shell.complain(world, &format!("hash: {}: not found", shown(name)))?;
                    status = 1;
                }
            }
        }
    }
    Ok(status)
}

/// Bash's `builtin name`: past functions.
fn builtin(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let words = words.get(1..).unwrap_or_default();
    let Some(name) = words.first() else { return Ok(0) };
    match find(name, shell.dialect) {
        Some(builtin) => (builtin.run)(shell, world, words),
        None => {
            shell.complain(world, &format!("builtin: {}: not a shell builtin", shown(name)))?;
            Err(Halt::Error(1))
        }
    }
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
