//! `getopts`.

use super::super::halt::{Halt, Outcome};
use super::super::{Bytes, Dialect, Shell, World};
use super::arguments::shown;

pub(super) fn getopts(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let [_, letters, name, given @ ..] = words else {
        shell.complain(world, "getopts: usage: getopts optstring var [arg...]")?;
        return Err(Halt::Error(2));
    };
    let arguments = if given.is_empty() { shell.arguments.clone() } else { given.to_vec() };
    let silent = letters.first() == Some(&b':');
    let (mut number, mut at) = shell.next_option;
    number = number.max(1);
    if at == 0 {
        let word = arguments.get(number - 1);
        let ends = word.is_none_or(|word| !word.starts_with(b"-") || word.len() < 2);
        let dashes = word.is_some_and(|word| word == b"--");
        if ends || dashes {
            let next = if dashes { number + 1 } else { number };
            shell.unset_option_argument();
            finish(shell, world, next, 0)?;
            shell.assign(world, name, b"?".to_vec())?;
            return Ok(1);
        }
        at = 1;
    }
    let word = arguments.get(number - 1).cloned().unwrap_or_default();
    let Some(letter) = word.get(at).copied() else {
        finish(shell, world, number, 0)?;
        shell.assign(world, name, b"?".to_vec())?;
        return Ok(1);
    };
    at += 1;
    let known = letters.iter().position(|known| *known == letter).filter(|_| letter != b':');
    let (mut found, mut argument) = (letter, None);
    let rest_in_word = at < word.len();
    match known {
        None => {
            found = b'?';
            if silent {
                argument = Some(vec![letter]);
            } else {
                shell.complain(world, &format!("Illegal option -{}", shown(&[letter])))?;
            }
            if !rest_in_word {
                (number, at) = (number + 1, 0);
            }
        }
        Some(position) if letters.get(position + 1) == Some(&b':') => {
            if rest_in_word {
                argument = word.get(at..).map(<[u8]>::to_vec);
                number += 1;
            } else if let Some(next) = arguments.get(number) {
                argument = Some(next.clone());
                number += 2;
            } else {
                number += 1;
                if silent {
                    found = b':';
                    argument = Some(vec![letter]);
                } else {
                    found = b'?';
                    shell.complain(world, &format!("No arg for -{} option", shown(&[letter])))?;
                }
            }
            at = 0;
        }
        Some(_) if rest_in_word => {}
        Some(_) => (number, at) = (number + 1, 0),
    }
    match argument {
        Some(argument) => shell.assign(world, b"OPTARG", argument)?,
        // Dash leaves an empty one behind letters without an argument, bash none.
        None if known.is_some() && found != b'?' && shell.dialect == Dialect::Dash => {
            shell.assign(world, b"OPTARG", Bytes::new())?;
        }
        None => shell.unset_option_argument(),
    }
    finish(shell, world, number, at)?;
    shell.assign(world, name, vec![found])?;
    Ok(0)
}

fn finish(shell: &mut Shell, world: &mut dyn World, number: usize, at: usize) -> Outcome<()> {
    shell.assign(world, b"OPTIND", number.to_string().into_bytes())?;
    shell.next_option = (number, at);
    Ok(())
}

impl Shell {
    fn unset_option_argument(&mut self) {
        self.variables.remove(b"OPTARG".as_slice());
    }
}
