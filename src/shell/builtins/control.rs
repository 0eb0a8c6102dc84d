//! `exit`, `return`, `break`, `continue`, `shift`, `eval`, `.`, `exec`.

use super::super::halt::{Halt, Outcome};
use super::super::{Bytes, Dialect, Shell, World, file::Errno};
use super::arguments::{count, shown, unsupported, wrong};

/// The status that is written behind a command; the last command's if none is.
fn status(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let Some(word) = words.get(1) else { return Ok(shell.status) };
    let number = match shell.dialect {
        Dialect::Dash => count(word).and_then(|number| i64::try_from(number).ok()),
        Dialect::Bash => std::str::from_utf8(word).ok().and_then(|word| word.trim().parse::<i64>().ok()),
    };
    match number {
        Some(number) => Ok(u8::try_from(number & 0xff).unwrap_or_default()),
        None => {
            let name = shown(words.first().map_or(b"", Vec::as_slice));
            let message = match shell.dialect {
                Dialect::Dash => format!("{name}: Illegal number: {}", shown(word)),
                Dialect::Bash => format!("{name}: {}: numeric argument required", shown(word)),
            };
            shell.complain(world, &message)?;
            Err(Halt::Error(2))
        }
    }
}

pub(super) fn exit(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    Err(Halt::Exit(status(shell, world, words)?))
}

pub(super) fn leave_function(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    if shell.returns == 0 && shell.dialect == Dialect::Bash {
        shell.complain(world, "return: can only `return' from a function or sourced script")?;
        return Err(Halt::Error(2));
    }
    let status = status(shell, world, words)?;
    // To dash, `return 1` is a command that fails.
    if shell.dialect == Dialect::Dash {
        shell.checked(status)?;
    }
    Err(Halt::Return(status))
}

pub(super) fn leave_loop(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let name = shown(words.first().map_or(b"", Vec::as_slice));
    let levels = match words.get(1) {
        None => 1,
        Some(word) => match count(word) {
            Some(levels) if levels > 0 => levels,
            _ if shell.dialect == Dialect::Dash => {
                return wrong(shell, world, &format!("{name}: Illegal number: {}", shown(word)));
            }
            Some(_) => {
                shell.complain(world, &format!("{name}: 0: loop count out of range"))?;
                shell.status = 1;
                return if shell.loops > 0 { Err(Halt::Break(shell.loops)) } else { Ok(1) };
            }
            None => {
                shell.complain(world, &format!("{name}: {}: numeric argument required", shown(word)))?;
                return Err(Halt::Error(128));
            }
        },
    };
    if shell.loops == 0 {
        return Ok(0);
    }
    let levels = levels.min(shell.loops);
    Err(if name == "break" { Halt::Break(levels) } else { Halt::Continue(levels) })
}

pub(super) fn shift(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let number = match words.get(1) {
        None => Some(1),
        Some(word) => count(word),
    };
    match number {
        Some(number) if number <= shell.arguments.len() => {
            shell.arguments.drain(..number);
            Ok(0)
        }
        Some(_) if shell.dialect == Dialect::Dash => wrong(shell, world, "shift: can't shift that many"),
        Some(_) => Ok(1),
        None => {
            let word = shown(words.get(1).map_or(b"", Vec::as_slice));
            wrong(shell, world, &format!("shift: Illegal number: {word}"))
        }
    }
}

pub(super) fn eval(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut words = words.get(1..).unwrap_or_default();
    if shell.dialect == Dialect::Bash && words.first().is_some_and(|word| word == b"--") {
        words = words.get(1..).unwrap_or_default();
    }
    let text = words.join(&b' ');
    world.spend(1 + text.len() as u64 / 16)?;
    shell.text(world, &text, shell.line.max(1))
}

/// `.` looks for a name without a slash in `$PATH`, bash outside of its sh mode in the directory too.
pub(super) fn dot(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut words = words.get(1..).unwrap_or_default();
    if words.first().is_some_and(|word| word == b"--") {
        words = words.get(1..).unwrap_or_default();
    }
    let Some(name) = words.first() else {
        return match shell.dialect {
            Dialect::Dash => Ok(0),
            Dialect::Bash => {
                shell.complain(world, ".: filename argument required")?;
                Err(Halt::Error(2))
            }
        };
    };
    let mut found = Err(Errno::NoEntry);
    if name.contains(&b'/') {
        found = world.source(&shell.absolute(name))?;
    } else {
        let path = shell.get(b"PATH").cloned().unwrap_or_default();
        for directory in path.split(|byte| *byte == b':') {
            let directory = if directory.is_empty() { b"." } else { directory };
            let file = shell.absolute(&[directory, b"/", name].concat());
            found = world.source(&file)?;
            if found.is_ok() {
                break;
            }
        }
    }
    let text = match found {
        Ok(text) => text,
        Err(errno) => {
            let name = shown(name);
            return match shell.dialect {
                Dialect::Dash if name.contains('/') => wrong(shell, world, &format!(".: cannot open {name}: {errno}")),
                Dialect::Dash => wrong(shell, world, &format!(".: {name}: not found")),
                Dialect::Bash => wrong(shell, world, &format!("{name}: {errno}")),
            };
        }
    };
    // Only bash takes arguments here.
    let arguments = words.get(1..).filter(|words| !words.is_empty() && shell.dialect == Dialect::Bash);
    let before = arguments.map(|arguments| std::mem::replace(&mut shell.arguments, arguments.to_vec()));
    shell.returns += 1;
    // Dash does not know inside that somebody looks at the status.
    let tested = shell.tested && shell.dialect == Dialect::Bash;
    let line = shell.line;
    let result = shell.tested(tested, |shell| shell.text(world, &text, 1));
    shell.line = line;
    shell.returns -= 1;
    if let Some(before) = before {
        shell.arguments = before;
    }
    match result {
        Err(Halt::Return(status)) => Ok(status),
        result => result,
    }
}

pub(super) fn exec(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut words = words.get(1..).unwrap_or_default();
    match words.first() {
        Some(word) if word == b"--" => words = words.get(1..).unwrap_or_default(),
        Some(word) if word.starts_with(b"-") => return unsupported("exec", word),
        _ => {}
    }
    if words.is_empty() {
        return Ok(0);
    }
    // The shell is gone, and its traps with it.
    shell.traps.clear();
    Err(Halt::Exit(shell.call(world, words)?))
}
