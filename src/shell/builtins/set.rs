//! `set`, and bash's `shopt` and `let`.

use super::super::halt::{Halt, Outcome};
use super::super::{Bytes, Dialect, Options, Shell, World};
use super::arguments::{requoted, shown, unsupported};

/// The option of a letter or a name.
fn option(options: &mut Options, letter: u8) -> Option<&mut bool> {
    Some(match letter {
        b'e' => &mut options.errexit,
        b'u' => &mut options.nounset,
        b'f' => &mut options.noglob,
        b'C' => &mut options.noclobber,
        b'n' => &mut options.noexec,
        b'x' => &mut options.xtrace,
        b'a' => &mut options.allexport,
        _ => return None,
    })
}

const NAMES: [(&[u8], u8); 7] = [
    (b"allexport", b'a'),
    (b"errexit", b'e'),
    (b"noclobber", b'C'),
    (b"noexec", b'n'),
    (b"noglob", b'f'),
    (b"nounset", b'u'),
    (b"xtrace", b'x'),
];

/// Those that change nothing where nobody sits at a terminal.
fn changes_nothing(name: &[u8], dialect: Dialect) -> bool {
    match name {
        b"notify" | b"monitor" | b"vi" | b"emacs" | b"ignoreeof" | b"nolog" | b"verbose" | b"b" | b"m" | b"v" => true,
        b"hashall" | b"braceexpand" | b"histexpand" | b"history" | b"h" | b"B" | b"H" => dialect == Dialect::Bash,
        _ => false,
    }
}

pub(super) fn set(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut words = words.get(1..).unwrap_or_default();
    if words.is_empty() {
        return list(shell, world);
    }
    while let [word, rest @ ..] = words {
        let (on, letters) = match word.split_first() {
            Some((b'-', letters)) => (true, letters),
            Some((b'+', letters)) => (false, letters),
            _ => break,
        };
        words = rest;
        if letters.is_empty() {
            if on {
                shell.options.xtrace = false;
                if !words.is_empty() {
                    shell.arguments = words.to_vec();
                }
            }
            return Ok(0);
        }
        if word == b"--" {
            shell.arguments = words.to_vec();
            return Ok(0);
        }
        for letter in letters {
            if *letter == b'o' {
                let Some((name, rest)) = words.split_first() else { return unsupported("set", word) };
                words = rest;
                named(shell, name, on)?;
            } else if let Some(option) = option(&mut shell.options, *letter) {
                *option = on;
            } else if !changes_nothing(&[*letter], shell.dialect) {
                return unsupported("set", word);
            }
        }
    }
    if !words.is_empty() {
        shell.arguments = words.to_vec();
    }
    Ok(0)
}

fn named(shell: &mut Shell, name: &[u8], on: bool) -> Outcome<()> {
    if name == b"pipefail" && shell.dialect == Dialect::Bash {
        shell.options.pipefail = on;
        return Ok(());
    }
    if name == b"posix" && shell.dialect == Dialect::Bash {
        shell.posix = on;
        return Ok(());
    }
    let letter = NAMES.iter().find(|(known, _)| *known == name).map(|(_, letter)| *letter);
    match letter.and_then(|letter| option(&mut shell.options, letter)) {
        Some(option) => *option = on,
        None if changes_nothing(name, shell.dialect) => {}
        None => return unsupported("set", &[b"-o ", name].concat()),
    }
    Ok(())
}

/// All variables, as assignments.
fn list(shell: &mut Shell, world: &mut dyn World) -> Outcome<u8> {
    let mut text = Bytes::new();
    for (name, variable) in &shell.variables {
        let Some(value) = &variable.value else { continue };
        if shell.arrays.contains_key(name) {
            return unsupported("set", b"showing an array");
        }
        let plain = value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_./:=+-,@%".contains(byte));
        text.extend_from_slice(name);
        text.push(b'=');
        match shell.dialect {
            Dialect::Bash if plain => text.extend_from_slice(value),
            dialect => text.extend(requoted(value, dialect)),
        }
        text.push(b'\n');
    }
    shell.out(world, &text)?;
    Ok(0)
}

impl Shell {
    /// `$-`
    pub(in super::super) fn option_letters(&self) -> Bytes {
        let mut options = self.options;
        let order: &[u8] = if self.dialect == Dialect::Dash { b"efnxCau" } else { b"aefnuxC" };
        let set = order.iter().copied().filter(|letter| option(&mut options, *letter).is_some_and(|on| *on));
        let mut letters: Bytes = set.collect();
        if self.dialect == Dialect::Bash {
            letters.extend_from_slice(b"hB");
            letters.sort_unstable_by_key(|letter| (letter.is_ascii_uppercase(), *letter));
        }
        letters
    }
}

/// Bash's `shopt`: only what changes nothing here.
pub(super) fn shopt(shell: &mut Shell, _: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let _ = shell;
    for word in words.get(1..).unwrap_or_default() {
        match word.as_slice() {
            b"-s" | b"-u" | b"checkwinsize" | b"expand_aliases" | b"histappend" | b"sourcepath" => {}
            b"inherit_errexit" if words.get(1).is_some_and(|option| option == b"-s") => {}
            word => return unsupported("shopt", word),
        }
    }
    Ok(0)
}

/// Bash's `let`.
pub(super) fn arithmetic(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut value = 0;
    for word in words.get(1..).unwrap_or_default() {
        value = match shell.arithmetic(world, word) {
            Err(Halt::Error(_)) => return Ok(1),
            result => result?,
        };
    }
    if words.len() < 2 {
        shell.complain(world, &format!("{}: expression expected", shown(b"let")))?;
        return Ok(1);
    }
    Ok(u8::from(value == 0))
}
