//! `test` and `[`: how many words there are says what they mean, and each shell has its own grammar for more.

use super::super::file::{Facts, Kind};
use super::super::halt::{Halt, Outcome};
use super::super::{Bytes, Dialect, Shell, Stop, World, limits};
use super::arguments::{shown, unsupported};

pub(super) fn test(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let bracket = words.first().is_some_and(|word| word == b"[");
    let mut words = words.get(1..).unwrap_or_default();
    if bracket {
        words = match words.split_last() {
            Some((last, before)) if last == b"]" => before,
            _ => return wrong(shell, world, "missing ]"),
        };
    }
    world.spend(1 + words.len() as u64)?;
    let holds = match shell.dialect {
        Dialect::Dash => dash(shell, world, words)?,
        Dialect::Bash => bash(shell, world, words)?,
    };
    Ok(u8::from(!holds))
}

fn wrong<T>(shell: &mut Shell, world: &mut dyn World, message: &str) -> Outcome<T> {
    shell.complain(world, &format!("test: {message}"))?;
    Err(Halt::Error(2))
}

/// What a file is asked; with `Some` only for operators that are some.
fn asks(operator: &[u8]) -> bool {
    matches!(
        operator,
        b"-b"
            | b"-c"
            | b"-d"
            | b"-e"
            | b"-f"
            | b"-g"
            | b"-G"
            | b"-h"
            | b"-k"
            | b"-L"
            | b"-O"
            | b"-p"
            | b"-r"
            | b"-s"
            | b"-S"
            | b"-u"
            | b"-w"
            | b"-x"
    )
}

fn is_unary(operator: &[u8], dialect: Dialect) -> bool {
    asks(operator)
        || matches!(operator, b"-n" | b"-z" | b"-t")
        || dialect == Dialect::Bash && matches!(operator, b"-a" | b"-o" | b"-v" | b"-R" | b"-N")
}

fn is_binary(operator: &[u8], dialect: Dialect) -> bool {
    matches!(
        operator,
        b"=" | b"!=" | b"<" | b">" | b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge" | b"-nt" | b"-ot" | b"-ef"
    ) || dialect == Dialect::Bash && operator == b"=="
}

/// One operator with its word; nothing if there is no such operator.
pub(in super::super) fn unary(
    shell: &mut Shell,
    world: &mut dyn World,
    operator: &[u8],
    word: &[u8],
) -> Outcome<Option<bool>> {
    Ok(Some(match operator {
        b"-n" => !word.is_empty(),
        b"-z" => word.is_empty(),
        // Nobody sits at a terminal.
        b"-t" => false,
        b"-a" if shell.dialect == Dialect::Bash => return unary(shell, world, b"-e", word),
        b"-v" if shell.dialect == Dialect::Bash => match super::super::assignment::plain_index(word) {
            Some((name, index)) => shell.element(name, index).is_some(),
            None => shell.variable(word)?.is_some(),
        },
        b"-o" if shell.dialect == Dialect::Bash => {
            let options = shell.options;
            match word {
                b"errexit" => options.errexit,
                b"nounset" => options.nounset,
                b"noglob" => options.noglob,
                b"noclobber" => options.noclobber,
                b"xtrace" => options.xtrace,
                b"allexport" => options.allexport,
                b"pipefail" => options.pipefail,
                b"posix" => shell.posix,
                _ => return unsupported("test", &[b"-o ", word].concat()),
            }
        }
        operator if asks(operator) => {
            let follow = !matches!(operator, b"-h" | b"-L");
            let facts = facts(shell, world, word, follow)?;
            facts.is_some_and(|facts| answer(operator, &facts))
        }
        _ => return Ok(None),
    }))
}

fn facts(shell: &mut Shell, world: &mut dyn World, path: &[u8], follow: bool) -> Outcome<Option<Facts>> {
    world.spend(1)?;
    if path.is_empty() {
        return Ok(None);
    }
    Ok(world.facts(&shell.absolute(path), follow)?)
}

/// Scripts run as root, who may read and write everything.
fn answer(operator: &[u8], facts: &Facts) -> bool {
    match operator {
        b"-b" => facts.kind == Kind::BlockDevice,
        b"-c" => facts.kind == Kind::CharDevice,
        b"-d" => facts.kind == Kind::Directory,
        b"-f" => facts.kind == Kind::File,
        b"-h" | b"-L" => facts.kind == Kind::Symlink,
        b"-p" => facts.kind == Kind::Fifo,
        b"-S" => false,
        b"-s" => facts.size > 0,
        b"-u" => facts.mode & 0o4000 != 0,
        b"-g" => facts.mode & 0o2000 != 0,
        b"-k" => facts.mode & 0o1000 != 0,
        b"-x" => facts.kind == Kind::Directory || facts.mode & 0o111 != 0,
        b"-O" => facts.uid == 0,
        b"-G" => facts.gid == 0,
        _ => true,
    }
}

pub(in super::super) fn compares(operator: &[u8], left: i64, right: i64) -> bool {
    match operator {
        b"-eq" => left == right,
        b"-ne" => left != right,
        b"-lt" => left < right,
        b"-le" => left <= right,
        b"-gt" => left > right,
        _ => left >= right,
    }
}

pub(in super::super) fn binary(
    shell: &mut Shell,
    world: &mut dyn World,
    left: &[u8],
    operator: &[u8],
    right: &[u8],
) -> Outcome<Option<bool>> {
    Ok(Some(match operator {
        b"=" | b"==" => left == right,
        b"!=" => left != right,
        b"<" => left < right,
        b">" => left > right,
        b"-nt" | b"-ot" | b"-ef" => {
            let (left, right) = (facts(shell, world, left, true)?, facts(shell, world, right, true)?);
            match (operator, left, right) {
                (b"-ef", Some(left), Some(right)) => left.inode == right.inode,
                (b"-nt", Some(left), Some(right)) => left.mtime > right.mtime,
                (b"-ot", Some(left), Some(right)) => left.mtime < right.mtime,
                (b"-nt", Some(_), None) | (b"-ot", None, Some(_)) => shell.dialect == Dialect::Bash,
                _ => false,
            }
        }
        b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge" => {
            let (left, right) = (integer(shell, world, left)?, integer(shell, world, right)?);
            compares(operator, left, right)
        }
        _ => return Ok(None),
    }))
}

/// A decimal number with blanks around it.
fn integer(shell: &mut Shell, world: &mut dyn World, text: &[u8]) -> Outcome<i64> {
    let trimmed = text.trim_ascii();
    let digits = trimmed.strip_prefix(b"-").or_else(|| trimmed.strip_prefix(b"+")).unwrap_or(trimmed);
    let number = match digits.iter().all(u8::is_ascii_digit) {
        true => std::str::from_utf8(trimmed).ok().and_then(|text| text.parse().ok()),
        false => None,
    };
    match number {
        Some(number) => Ok(number),
        None => {
            let text = shown(text);
            match shell.dialect {
                Dialect::Dash => wrong(shell, world, &format!("Illegal number: {text}")),
                Dialect::Bash => wrong(shell, world, &format!("{text}: integer expression expected")),
            }
        }
    }
}

/// Words that are read one after the other.
struct Reader<'a> {
    shell: &'a mut Shell,
    world: &'a mut dyn World,
    words: &'a [Bytes],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn word(&self, distance: usize) -> Option<&'a [u8]> {
        self.words.get(self.at + distance).map(Vec::as_slice)
    }

    fn wrong<T>(&mut self, message: &str) -> Outcome<T> {
        wrong(self.shell, self.world, message)
    }

    fn deeper(&mut self, read: fn(&mut Self) -> Outcome<bool>) -> Outcome<bool> {
        if self.depth >= limits::NESTING {
            return Err(Stop::limit("a condition of `test` nested too deeply").into());
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn unary_at(&mut self) -> Outcome<bool> {
        let (Some(operator), Some(word)) = (self.word(0), self.word(1)) else { return Ok(false) };
        self.at += 2;
        match unary(self.shell, self.world, operator, word)? {
            Some(holds) => Ok(holds),
            None => unsupported("test", operator),
        }
    }

    fn binary_at(&mut self) -> Outcome<bool> {
        let (Some(left), Some(operator)) = (self.word(0), self.word(1)) else { return Ok(false) };
        let Some(right) = self.word(2) else { return self.wrong("argument expected") };
        self.at += 3;
        match binary(self.shell, self.world, left, operator, right)? {
            Some(holds) => Ok(holds),
            None => unsupported("test", operator),
        }
    }

    /// Whether a unary operator here is only a word: because nothing follows, or a binary operator does.
    fn is_operand(&self) -> bool {
        let Some(next) = self.word(1) else { return true };
        let Some(after) = self.word(2) else { return false };
        is_binary(next, self.shell.dialect) && after != b")"
    }

    fn or(&mut self) -> Outcome<bool> {
        let mut result = self.and()?;
        while self.word(0) == Some(b"-o") {
            self.at += 1;
            result |= self.and()?;
        }
        Ok(result)
    }

    fn and(&mut self) -> Outcome<bool> {
        let mut result = self.not()?;
        while self.word(0) == Some(b"-a") {
            self.at += 1;
            result &= self.not()?;
        }
        Ok(result)
    }

    fn not(&mut self) -> Outcome<bool> {
        let bash = self.shell.dialect == Dialect::Bash;
        if self.word(0) == Some(b"!") && !(bash && self.word(1).is_none()) {
            self.at += 1;
            return Ok(!self.deeper(Self::not)?);
        }
        self.primary()
    }

    fn primary(&mut self) -> Outcome<bool> {
        let dialect = self.shell.dialect;
        let Some(word) = self.word(0) else {
            return if dialect == Dialect::Dash { Ok(false) } else { self.wrong("argument expected") };
        };
        if dialect == Dialect::Bash
            && self.word(1).is_some_and(|word| is_binary(word, dialect))
            && self.word(2).is_some()
        {
            return self.binary_at();
        }
        if word == b"(" && (self.word(1).is_some() || dialect == Dialect::Bash) {
            self.at += 1;
            if dialect == Dialect::Dash && self.word(0) == Some(b")") {
                self.at += 1;
                return Ok(false);
            }
            let result = self.deeper(Self::or)?;
            if self.word(0) != Some(b")") {
                return self.wrong("closing paren expected");
            }
            self.at += 1;
            return Ok(result);
        }
        if is_unary(word, dialect) && !(dialect == Dialect::Dash && self.is_operand()) && self.word(1).is_some() {
            return self.unary_at();
        }
        if dialect == Dialect::Dash && self.word(1).is_some_and(|word| is_binary(word, dialect)) {
            return self.binary_at();
        }
        self.at += 1;
        Ok(!word.is_empty())
    }

    fn whole(&mut self) -> Outcome<bool> {
        let result = self.or()?;
        if self.at < self.words.len() {
            // Dash names the word before.
            let at = if self.shell.dialect == Dialect::Dash { self.at.saturating_sub(1) } else { self.at };
            let word = self.words.get(at).map(|word| shown(word)).unwrap_or_default();
            return self.wrong(&format!("{word}: unexpected operator"));
        }
        Ok(result)
    }
}

fn dash(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<bool> {
    let mut words = words;
    let mut negated = false;
    let holds = loop {
        let Some(first) = words.first() else {
            // Behind the `!` that was taken away nothing holds, so that its opposite does.
            break false;
        };
        let binary = words.len() == 3 && words.get(1).is_some_and(|word| is_binary(word, Dialect::Dash));
        let mut reader = Reader { shell: &mut *shell, world: &mut *world, words, at: 0, depth: 0 };
        if binary {
            break reader.binary_at()?;
        }
        if matches!(words.len(), 3 | 4) {
            if first == b"(" && words.last().is_some_and(|word| word == b")") {
                reader.words = words.get(1..words.len() - 1).unwrap_or_default();
                break reader.whole()?;
            }
            if first == b"!" {
                negated = !negated;
                words = words.get(1..).unwrap_or_default();
                continue;
            }
        }
        break reader.whole()?;
    };
    Ok(holds != negated)
}

fn bash(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<bool> {
    let mut reader = Reader { shell: &mut *shell, world: &mut *world, words, at: 0, depth: 0 };
    match words {
        [] => Ok(false),
        [word] => Ok(!word.is_empty()),
        [not, word] if not == b"!" => Ok(word.is_empty()),
        [operator, _] if is_unary(operator, Dialect::Bash) => reader.unary_at(),
        [word, _] => {
            let word = shown(word);
            reader.wrong(&format!("{word}: unary operator expected"))
        }
        [_, operator, _] if is_binary(operator, Dialect::Bash) => reader.binary_at(),
        [left, operator, right] if operator == b"-a" => Ok(!left.is_empty() && !right.is_empty()),
        [left, operator, right] if operator == b"-o" => Ok(!left.is_empty() || !right.is_empty()),
        [not, rest @ ..] if not == b"!" && words.len() < 5 => bash(shell, world, rest).map(|holds| !holds),
        [open, word, close] if open == b"(" && close == b")" => Ok(!word.is_empty()),
        [_, operator, _] => {
            let operator = shown(operator);
            reader.wrong(&format!("{operator}: binary operator expected"))
        }
        [open, first, second, close] if open == b"(" && close == b")" => {
            bash(shell, world, &[first.clone(), second.clone()])
        }
        _ => reader.whole(),
    }
}
