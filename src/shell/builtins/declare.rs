//! `export`, `readonly`, `local`, `unset`, and bash's `declare`.

use super::super::halt::{Halt, Outcome};
use super::super::lexer::is_name;
use super::super::{Bytes, Dialect, Shell, World};
use super::arguments::{requoted, shown, unsupported, wrong};

/// A word's name and value, if it has one.
fn halves(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    match word.iter().position(|byte| *byte == b'=') {
        Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
        None => (word, None),
    }
}

/// Names that are none are errors; bash goes on with the others.
fn name_of(shell: &mut Shell, world: &mut dyn World, program: &str, word: &[u8], status: &mut u8) -> Outcome<bool> {
    if is_name(halves(word).0) {
        return Ok(true);
    }
    let word = shown(word);
    match shell.dialect {
        Dialect::Dash => wrong(shell, world, &format!("{program}: {word}: bad variable name")).map(|_| false),
        Dialect::Bash => {
            shell.complain(world, &format!("{program}: `{word}': not a valid identifier"))?;
            *status = 1;
            Ok(false)
        }
    }
}

/// The options before names, letter by letter.
fn options<'a>(words: &'a [Bytes], program: &str, known: &[u8]) -> Outcome<(Vec<u8>, &'a [Bytes])> {
    let mut letters = Vec::new();
    let mut words = words.get(1..).unwrap_or_default();
    while let [word, rest @ ..] = words
        && word.starts_with(b"-")
        && word.len() > 1
    {
        words = rest;
        if word == b"--" {
            break;
        }
        for letter in word.iter().skip(1) {
            if !known.contains(letter) {
                return unsupported(program, word);
            }
            letters.push(*letter);
        }
    }
    Ok((letters, words))
}

/// Lines that make the variables again, for `export -p` and `readonly -p`.
fn list(shell: &mut Shell, world: &mut dyn World, program: &str, read_only: bool) -> Outcome<u8> {
    let mut text = Bytes::new();
    for (name, variable) in &shell.variables {
        if !(if read_only { variable.read_only } else { variable.exported }) {
            continue;
        }
        text.extend_from_slice(format!("{program} ").as_bytes());
        text.extend_from_slice(name);
        if let Some(value) = &variable.value {
            text.push(b'=');
            match shell.dialect {
                Dialect::Dash => text.extend(requoted(value, Dialect::Dash)),
                Dialect::Bash => text.extend(double_quoted(value)),
            }
        }
        text.push(b'\n');
    }
    shell.out(world, &text)?;
    Ok(0)
}

fn double_quoted(text: &[u8]) -> Bytes {
    let mut out = b"\"".to_vec();
    for byte in text {
        if b"\\\"$`".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

pub(super) fn export(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let known: &[u8] = if shell.dialect == Dialect::Bash { b"pn" } else { b"p" };
    let (letters, names) = options(words, "export", known)?;
    if names.is_empty() {
        return list(shell, world, "export", false);
    }
    let mut status = 0;
    for word in names {
        if !name_of(shell, world, "export", word, &mut status)? {
            continue;
        }
        let (name, value) = halves(word);
        if let Some(value) = value {
            shell.assign(world, name, value)?;
        }
        shell.variables.entry(name.to_vec()).or_default().exported = !letters.contains(&b'n');
    }
    Ok(status)
}

pub(super) fn readonly(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let known: &[u8] = if shell.dialect == Dialect::Bash { b"pa" } else { b"p" };
    let (_, names) = options(words, "readonly", known)?;
    if names.is_empty() {
        return list(shell, world, "readonly", true);
    }
    let mut status = 0;
    for word in names {
        if !name_of(shell, world, "readonly", word, &mut status)? {
            continue;
        }
        let (name, value) = halves(word);
        if let Some(value) = value {
            shell.assign(world, name, value)?;
        }
        shell.variables.entry(name.to_vec()).or_default().read_only = true;
    }
    Ok(status)
}

pub(super) fn local(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    if shell.locals.is_empty() {
        return match shell.dialect {
            Dialect::Dash => wrong(shell, world, "local: not in a function"),
            Dialect::Bash => {
                shell.complain(world, "local: can only be used in a function")?;
                Ok(1)
            }
        };
    }
    match shell.dialect {
        Dialect::Bash => declare(shell, world, words),
        Dialect::Dash => {
            for word in words.get(1..).unwrap_or_default() {
                if word == b"-" {
                    return unsupported("local", b"-");
                }
                let mut status = 0;
                name_of(shell, world, "local", word, &mut status)?;
                let (name, value) = halves(word);
                keep(shell, name);
                if let Some(value) = value {
                    shell.assign(world, name, value)?;
                }
            }
            Ok(0)
        }
    }
}

/// Remembers what a variable was before the function that runs, once.
fn keep(shell: &mut Shell, name: &[u8]) -> bool {
    let before = shell.before(name);
    let Some(scope) = shell.locals.last_mut() else { return false };
    if scope.iter().any(|(kept, _)| kept == name) {
        return false;
    }
    scope.push((name.to_vec(), before));
    true
}

pub(super) fn declare(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let program = shown(words.first().map_or(b"declare", Vec::as_slice));
    if words.iter().skip(1).any(|word| word.starts_with(b"+") && word.len() > 1) {
        return unsupported(&program, b"+");
    }
    let (letters, names) = options(words, &program, b"xraglfFp")?;
    let has = |letter: u8| letters.contains(&letter);
    if has(b'f') || has(b'F') {
        if names.is_empty() {
            return unsupported(&program, b"-f");
        }
        // Whether they are there; their text is only shown to people.
        return Ok(u8::from(!names.iter().all(|name| shell.functions.contains_key(name))));
    }
    if has(b'p') || names.is_empty() {
        return unsupported(&program, b"-p");
    }
    let mut status = 0;
    for word in names {
        if !name_of(shell, world, &program, word, &mut status)? {
            continue;
        }
        let (name, value) = halves(word);
        if !shell.locals.is_empty() && !has(b'g') && keep(shell, name) {
            if shell.variables.get(name).is_some_and(|variable| variable.read_only) {
                return wrong(shell, world, &format!("{program}: {}: readonly variable", shown(name)));
            }
            // A new one has no value, unless the function was called with one; it is exported like the one that it hides.
            if !shell.called_with.contains(&name.to_vec()) {
                let exported = shell.variables.get(name).is_some_and(|variable| variable.exported && value.is_some());
                shell.arrays.remove(name);
                if name == b"OPTIND" {
                    shell.next_option = (1, 0);
                }
                let variable = shell.variables.entry(name.to_vec()).or_default();
                *variable = super::super::Variable { exported, ..Default::default() };
            }
        }
        if let Some(value) = value {
            shell.assign(world, name, value)?;
        }
        let variable = shell.variables.entry(name.to_vec()).or_default();
        variable.exported |= has(b'x');
        variable.read_only |= has(b'r');
        if has(b'a') {
            let first = variable.value.clone();
            let array = shell.arrays.entry(name.to_vec()).or_default();
            array.extend(first.map(|value| (0, value)));
        }
    }
    Ok(status)
}

pub(super) fn unset(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let (letters, names) = options(words, "unset", b"fv")?;
    let functions = letters.last() == Some(&b'f');
    let mut status = 0;
    for name in names {
        if functions {
            std::rc::Rc::make_mut(&mut shell.functions).remove(name);
            continue;
        }
        if !is_name(name) {
            let element = super::super::assignment::plain_index(name).filter(|_| shell.dialect == Dialect::Bash);
            match element {
                Some((array, index)) => {
                    if let Some(elements) = shell.arrays.get_mut(array) {
                        elements.remove(&index);
                    }
                    continue;
                }
                None if shell.dialect == Dialect::Bash => {
                    shell.complain(world, &format!("unset: `{}': not a valid identifier", shown(name)))?;
                    status = 1;
                    continue;
                }
                None => return wrong(shell, world, &format!("unset: {}: bad variable name", shown(name))),
            }
        }
        if shell.variables.get(name).is_some_and(|variable| variable.read_only) {
            let name = shown(name);
            match shell.dialect {
                Dialect::Dash => {
                    shell.complain(world, &format!("unset: {name}: is read only"))?;
                    return Err(Halt::Error(2));
                }
                Dialect::Bash => {
                    shell.complain(world, &format!("unset: {name}: cannot unset: readonly variable"))?;
                    status = 1;
                    continue;
                }
            }
        }
        let was = shell.variables.remove(name).is_some() | shell.arrays.remove(name).is_some();
        // Without `-v`, bash takes a function if there is no variable.
        if !was && letters.is_empty() && shell.dialect == Dialect::Bash {
            std::rc::Rc::make_mut(&mut shell.functions).remove(name);
        }
    }
    Ok(status)
}
