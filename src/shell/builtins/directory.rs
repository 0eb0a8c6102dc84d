//! `cd` and `pwd`.

use super::super::file::Errno;
use super::super::halt::Outcome;
use super::super::{Bytes, Dialect, Shell, Stop, World};
use super::arguments::{shown, unsupported, wrong};

/// The directories of a path one by one, with `..` taking away the one before it.
fn normalised(path: &[u8]) -> Bytes {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    let mut out = b"/".to_vec();
    out.extend(names.join(&b'/'));
    out
}

/// Whether `-P` is the last of the options, and what follows them.
fn physical<'a>(words: &'a [Bytes], program: &str) -> Outcome<(bool, &'a [Bytes])> {
    let mut physical = false;
    let mut words = words.get(1..).unwrap_or_default();
    while let [word, rest @ ..] = words
        && word.starts_with(b"-")
        && word.len() > 1
    {
        match word.as_slice() {
            b"--" => return Ok((physical, rest)),
            b"-P" => physical = true,
            b"-L" => physical = false,
            word => return unsupported(program, word),
        }
        words = rest;
    }
    Ok((physical, words))
}

pub(super) fn cd(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let (physical, words) = physical(words, "cd")?;
    let mut shows = false;
    let wanted = match words.first() {
        None => match shell.get(b"HOME") {
            Some(home) => home.clone(),
            None if shell.dialect == Dialect::Dash => return Ok(0),
            None => return wrong(shell, world, "cd: HOME not set"),
        },
        Some(word) if word == b"-" => match shell.get(b"OLDPWD") {
            Some(before) => {
                shows = true;
                before.clone()
            }
            None => return wrong(shell, world, "cd: OLDPWD not set"),
        },
        Some(word) => word.clone(),
    };
    if words.len() > 1 && shell.dialect == Dialect::Bash {
        return wrong(shell, world, "cd: too many arguments");
    }
    if wanted.is_empty() {
        return Ok(0);
    }
    let searched =
        !wanted.starts_with(b"/") && !matches!(wanted.split(|byte| *byte == b'/').next(), Some(b"." | b".."));
    let mut places = vec![(shell.absolute(&wanted), false)];
    if let Some(path) = shell.get(b"CDPATH").filter(|_| searched) {
        let directories = path.split(|byte| *byte == b':').filter(|directory| !directory.is_empty());
        let searched = directories.map(|directory| (shell.absolute(&[directory, b"/", &wanted].concat()), true));
        places = searched.chain(places).collect();
    }
    let mut failure = Errno::NoEntry;
    for (place, found) in places {
        let path = if physical { place } else { normalised(&place) };
        match world.directory(&path)? {
            Ok(real) => {
                let directory = if physical { real } else { path };
                return enter(shell, world, directory, shows || found);
            }
            Err(errno) => failure = errno,
        }
    }
    let wanted = shown(&wanted);
    match shell.dialect {
        Dialect::Dash => wrong(shell, world, &format!("cd: can't cd to {wanted}")),
        Dialect::Bash => wrong(shell, world, &format!("cd: {wanted}: {failure}")),
    }
}

fn enter(shell: &mut Shell, world: &mut dyn World, directory: Bytes, shows: bool) -> Outcome<u8> {
    let before = std::mem::replace(&mut shell.directory, directory.clone());
    shell.assign(world, b"OLDPWD", before)?;
    shell.assign(world, b"PWD", directory.clone())?;
    if shows {
        shell.out(world, &[directory.as_slice(), b"\n"].concat())?;
    }
    Ok(0)
}

pub(super) fn pwd(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let (physical, _) = physical(words, "pwd")?;
    let directory = match physical {
        false => shell.directory.clone(),
        true => match world.directory(&shell.directory.clone())? {
            Ok(real) => real,
            Err(errno) => return Err(Stop::unsupported("pwd", format!("the directory is gone: {errno}")).into()),
        },
    };
    shell.out(world, &[directory.as_slice(), b"\n"].concat())?;
    Ok(0)
}
