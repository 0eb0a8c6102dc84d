//! `echo`, which no two shells do alike, and the escapes of `%b`.

use super::super::escapes::{digits, hexadecimal, letter, low_byte};
use super::super::halt::Outcome;
use super::super::{Bytes, Dialect, Shell, World};

pub(super) fn echo(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut words = words.get(1..).unwrap_or_default();
    let bash = shell.dialect == Dialect::Bash;
    let (mut newline, mut escapes) = (true, !bash);
    while let [word, rest @ ..] = words {
        let letters = word.strip_prefix(b"-").unwrap_or_default();
        let known = |letter: &u8| if bash { b"neE".contains(letter) } else { *letter == b'n' };
        if letters.is_empty() || !letters.iter().all(known) || !bash && letters.len() > 1 {
            break;
        }
        for letter in letters {
            match letter {
                b'n' => newline = false,
                b'e' => escapes = true,
                _ => escapes = false,
            }
        }
        words = rest;
        if !bash {
            break;
        }
    }
    let mut text = words.join(&b' ');
    if escapes {
        let ended;
        (text, ended) = escaped(&text, shell.dialect, false);
        newline &= !ended;
    }
    if newline {
        text.push(b'\n');
    }
    shell.out(world, &text)?;
    Ok(0)
}

/// Text with its escapes replaced, and whether `\c` ended everything.
pub(super) fn escaped(text: &[u8], dialect: Dialect, printf: bool) -> (Bytes, bool) {
    let bash = dialect == Dialect::Bash;
    let mut out = Bytes::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let Some((kind, after)) = rest.split_first().filter(|_| *byte == b'\\') else {
            out.push(*byte);
            continue;
        };
        let mut passed = 1;
        match kind {
            b'c' => return (out, true),
            b'0' => {
                let (number, count) = digits(after, 8, 3);
                out.push(low_byte(number));
                passed += count;
            }
            // Bash's `echo` is alone in wanting the 0.
            b'1'..=b'7' if !bash || printf => {
                let (number, count) = digits(rest, 8, 3);
                out.push(low_byte(number));
                passed = count;
            }
            b'e' => out.push(27),
            b'E' if bash => out.push(27),
            b'x' | b'u' | b'U' if bash => passed += hexadecimal(&mut out, *kind, after),
            b'"' | b'\'' if bash && printf => out.push(*kind),
            kind => match letter(*kind) {
                Some(byte) => out.push(byte),
                None => out.extend([b'\\', *kind]),
            },
        }
        rest = rest.get(passed..).unwrap_or_default();
    }
    (out, false)
}
