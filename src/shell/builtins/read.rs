//! `read`, and bash's `mapfile`.

use super::super::halt::{Halt, Outcome};
use super::super::lexer::is_name;
use super::super::{Bytes, Dialect, Shell, Stream, World, limits};
use super::arguments::{count, shown, unsupported};

/// What is read, with whether a backslash quoted it.
type Marked = Vec<(u8, bool)>;

#[derive(Default)]
struct Wanted {
    raw: bool,
    descriptor: u32,
    delimiter: Option<u8>,
    most: Option<usize>,
    array: Option<Bytes>,
    names: Vec<Bytes>,
}

pub(super) fn read(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let wanted = options(shell, words)?;
    if wanted.names.is_empty() && shell.dialect == Dialect::Dash {
        shell.complain(world, "read: arg count")?;
        return Err(Halt::Error(2));
    }
    let (text, ended) = line(shell, world, &wanted)?;
    if let Some(name) = &wanted.array {
        let fields = fields(shell, &text);
        shell.assign_array(world, name, fields.into_iter().map(|field| (None, field)).collect(), false)?;
        return Ok(u8::from(ended));
    }
    if wanted.names.is_empty() {
        let text: Bytes = text.into_iter().map(|(byte, _)| byte).collect();
        shell.assign(world, b"REPLY", text)?;
        return Ok(u8::from(ended));
    }
    for name in &wanted.names {
        if !is_name(name) {
            shell.complain(world, &format!("read: {}: bad variable name", shown(name)))?;
            return Err(Halt::Error(if shell.dialect == Dialect::Dash { 2 } else { 1 }));
        }
    }
    let separators = shell.get(b"IFS").cloned().unwrap_or_else(|| b" \t\n".to_vec());
    let mut rest = trimmed_start(&text, &separators);
    let last = wanted.names.len() - 1;
    for (number, name) in wanted.names.iter().enumerate() {
        let field;
        (field, rest) =
            if number < last { first_field(rest, &separators) } else { (last_field(rest, &separators), [].as_slice()) };
        shell.assign(world, name, field)?;
    }
    Ok(u8::from(ended))
}

fn options(shell: &Shell, words: &[Bytes]) -> Outcome<Wanted> {
    let bash = shell.dialect == Dialect::Bash;
    let mut wanted = Wanted::default();
    let mut words = words.get(1..).unwrap_or_default().iter();
    while let Some(word) = words.next() {
        let letters = word.strip_prefix(b"-").filter(|letters| !letters.is_empty());
        let Some(mut letters) = letters else {
            wanted.names.push(word.clone());
            break;
        };
        if letters == b"-" {
            break;
        }
        while let Some((letter, after)) = letters.split_first() {
            letters = after;
            match letter {
                b'r' => wanted.raw = true,
                b's' | b'e' if bash => {}
                b'p' | b'd' | b'n' | b'N' | b'u' | b'a' if bash || *letter == b'p' => {
                    let value = if letters.is_empty() { words.next().cloned() } else { Some(letters.to_vec()) };
                    let Some(value) = value else { return unsupported("read", word) };
                    letters = b"";
                    match letter {
                        // A prompt is for those who sit at a terminal.
                        b'p' => {}
                        b'd' => wanted.delimiter = Some(value.first().copied().unwrap_or_default()),
                        b'a' => wanted.array = Some(value),
                        b'u' => match count(&value).and_then(|number| u32::try_from(number).ok()) {
                            Some(number) => wanted.descriptor = number,
                            None => return unsupported("read", word),
                        },
                        b'n' => match count(&value) {
                            Some(most) => wanted.most = Some(most),
                            None => return unsupported("read", word),
                        },
                        _ => return unsupported("read", word),
                    }
                }
                _ => return unsupported("read", word),
            }
        }
    }
    wanted.names.extend(words.cloned());
    Ok(wanted)
}

/// One byte of a descriptor; nothing at its end.
fn byte(shell: &Shell, number: u32) -> Option<u8> {
    let handle = shell.descriptor(number)?;
    match &mut *handle.borrow_mut() {
        Stream::Input { bytes, at } | Stream::Both { bytes, at, .. } => {
            let byte = bytes.get(*at).copied();
            *at += usize::from(byte.is_some());
            byte
        }
        _ => None,
    }
}

/// Up to the delimiter, and whether the end of the input came before it.
fn line(shell: &Shell, world: &mut dyn World, wanted: &Wanted) -> Outcome<(Marked, bool)> {
    let delimiter = wanted.delimiter.unwrap_or(b'\n');
    let mut text = Marked::new();
    loop {
        if wanted.most.is_some_and(|most| text.len() >= most) || text.len() > limits::VALUE {
            return Ok((text, false));
        }
        if text.len().is_multiple_of(64) {
            world.spend(1)?;
        }
        let Some(next) = byte(shell, wanted.descriptor) else { return Ok((text, true)) };
        if next == b'\\' && !wanted.raw {
            match byte(shell, wanted.descriptor) {
                Some(b'\n') => {}
                Some(next) => text.push((next, true)),
                None => return Ok((text, true)),
            }
        } else if next == delimiter {
            return Ok((text, false));
        } else if next != 0 {
            text.push((next, false));
        }
    }
}

fn is_white(marked: &(u8, bool), separators: &[u8]) -> bool {
    let (byte, quoted) = marked;
    !quoted && matches!(byte, b' ' | b'\t' | b'\n') && separators.contains(byte)
}

fn separates(marked: &(u8, bool), separators: &[u8]) -> bool {
    !marked.1 && separators.contains(&marked.0)
}

fn trimmed_start<'a>(text: &'a [(u8, bool)], separators: &[u8]) -> &'a [(u8, bool)] {
    let white = text.iter().take_while(|marked| is_white(marked, separators)).count();
    text.get(white..).unwrap_or_default()
}

fn plain(text: &[(u8, bool)]) -> Bytes {
    text.iter().map(|(byte, _)| *byte).collect()
}

/// The first field and what follows its separator.
fn first_field<'a>(text: &'a [(u8, bool)], separators: &[u8]) -> (Bytes, &'a [(u8, bool)]) {
    let length = text.iter().position(|marked| separates(marked, separators)).unwrap_or(text.len());
    let (field, rest) = text.split_at(length);
    let mut rest = trimmed_start(rest, separators);
    if let Some((first, after)) = rest.split_first()
        && separates(first, separators)
    {
        rest = trimmed_start(after, separators);
    }
    (plain(field), rest)
}

/// All that is left, without white space at its end, or without the separator behind an only field.
fn last_field(text: &[(u8, bool)], separators: &[u8]) -> Bytes {
    let (field, rest) = first_field(text, separators);
    if rest.is_empty() {
        return field;
    }
    let white = text.iter().rev().take_while(|marked| is_white(marked, separators)).count();
    plain(text.get(..text.len() - white).unwrap_or_default())
}

fn fields(shell: &Shell, text: &[(u8, bool)]) -> Vec<Bytes> {
    let separators = shell.get(b"IFS").cloned().unwrap_or_else(|| b" \t\n".to_vec());
    let mut rest = trimmed_start(text, &separators);
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let field;
        (field, rest) = first_field(rest, &separators);
        fields.push(field);
    }
    fields
}

/// `mapfile`: lines to the elements of an array.
pub(super) fn mapfile(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut strips = false;
    let mut name = b"MAPFILE".to_vec();
    for word in words.get(1..).unwrap_or_default() {
        match word.as_slice() {
            b"-t" => strips = true,
            word if is_name(word) => name = word.to_vec(),
            word => return unsupported("mapfile", word),
        }
    }
    let mut lines = Vec::new();
    while let Some(mut line) = shell.descriptor(0).and_then(|handle| handle.borrow_mut().line()) {
        world.spend(1)?;
        if strips && line.last() == Some(&b'\n') {
            line.pop();
        }
        lines.push((None, line));
    }
    shell.assign_array(world, &name, lines, false)?;
    Ok(0)
}
