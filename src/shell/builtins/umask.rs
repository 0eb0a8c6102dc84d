//! `umask`, in octal and in letters.

use super::super::halt::Outcome;
use super::super::{Bytes, Shell, World};
use super::arguments::{shown, unsupported, wrong};

pub(super) fn umask(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut words = words.get(1..).unwrap_or_default();
    let mut letters = false;
    while let [word, rest @ ..] = words
        && word.starts_with(b"-")
    {
        words = rest;
        match word.as_slice() {
            b"-S" => letters = true,
            b"--" => break,
            word => return unsupported("umask", word),
        }
    }
    let Some(mode) = words.first() else {
        let text = if letters { symbolic(shell.umask) } else { format!("{:04o}", shell.umask) };
        shell.out(world, format!("{text}\n").as_bytes())?;
        return Ok(0);
    };
    let mask = if mode.first().is_some_and(u8::is_ascii_digit) {
        let text = std::str::from_utf8(mode).ok();
        text.and_then(|text| u16::from_str_radix(text, 8).ok()).filter(|mask| *mask <= 0o777)
    } else {
        changed(!shell.umask & 0o777, mode).map(|allowed| !allowed & 0o777)
    };
    match mask {
        Some(mask) => {
            shell.umask = mask;
            Ok(0)
        }
        None => wrong(shell, world, &format!("umask: Illegal mode: {}", shown(mode))),
    }
}

fn symbolic(mask: u16) -> String {
    let allowed = !mask & 0o777;
    let classes = [('u', 6), ('g', 3), ('o', 0)].map(|(class, shift)| {
        let bits = allowed >> shift;
        let letters: String = [('r', 4), ('w', 2), ('x', 1)]
            .iter()
            .filter(|(_, bit)| bits & bit != 0)
            .map(|(letter, _)| *letter)
            .collect();
        format!("{class}={letters}")
    });
    classes.join(",")
}

/// Permissions after clauses like `u=rwx,go-w`.
fn changed(allowed: u16, mode: &[u8]) -> Option<u16> {
    let mut result = allowed;
    for clause in mode.split(|byte| *byte == b',') {
        let who = clause.iter().take_while(|byte| b"ugoa".contains(byte)).count();
        let (classes, mut rest) = clause.split_at_checked(who)?;
        let mut mask = 0;
        for class in classes {
            mask |= match class {
                b'u' => 0o700,
                b'g' => 0o070,
                b'o' => 0o007,
                _ => 0o777,
            };
        }
        if classes.is_empty() {
            mask = 0o777;
        }
        if rest.is_empty() {
            return None;
        }
        while let Some((operator, after)) = rest.split_first() {
            let length = after.iter().take_while(|byte| b"rwxXstugo".contains(byte)).count();
            let (letters, after) = after.split_at_checked(length)?;
            let mut bits = 0;
            for letter in letters {
                bits |= match letter {
                    b'r' => 0o444,
                    b'w' => 0o222,
                    b'x' => 0o111,
                    b'X' if result & 0o111 != 0 => 0o111,
                    b'u' => (result >> 6 & 7) * 0o111,
                    b'g' => (result >> 3 & 7) * 0o111,
                    b'o' => (result & 7) * 0o111,
                    _ => 0,
                };
            }
            result = match operator {
                b'+' => result | bits & mask,
                b'-' => result & !(bits & mask),
                b'=' => result & !mask | bits & mask,
                _ => return None,
            };
            rest = after;
        }
    }
    Some(result)
}
