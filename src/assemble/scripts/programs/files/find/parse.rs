//! Reading find's expression.

use super::expression::{Bits, Comparison, Expression, Glob, Plan, Primary};
use super::format;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::files::modes::Mode;
use crate::assemble::scripts::programs::files::operands::status;
use crate::assemble::scripts::programs::files::owners::{group_number, user_number};
use crate::assemble::scripts::programs::files::quoting::named;
use crate::assemble::scripts::programs::files::times;
use crate::assemble::scripts::programs::files::walk::Follow;
use crate::assemble::scripts::regex::{Extent, Flavour, Reading, Regex};
use crate::shell::{Bytes, Kind, Stop};

/// Parentheses and negations inside each other.
const DEPTH: usize = 50;

/// An outcome of a step: something, or what the real find says before it ends with 1.
type Step<T> = Result<Result<T, String>, Stop>;

struct Parser<'p, 'w, 'c, 'a> {
    call: &'p Call<'c, 'a>,
    words: std::iter::Peekable<std::slice::Iter<'w, Bytes>>,
    plan: Plan,
    acts: bool,
    flavour: Option<Flavour>,
    depth: usize,
}

/// Goes on with what a step gave, or ends with what the real find would say.
macro_rules! step {
    ($step:expr) => {
        match $step? {
            Ok(value) => value,
            Err(problem) => return Ok(Err(problem)),
        }
    };
}

pub(super) fn parse(call: &Call, words: &[Bytes], follow: Follow) -> Step<Plan> {
    let expression = Expression::All(Vec::new());
    let plan = Plan { expression, follow, depth_first: false, highest: 0, deepest: None, batches: Vec::new() };
    let words = words.iter().peekable();
    let mut parser = Parser { call, words, plan, acts: false, flavour: None, depth: 0 };
    let expression = if parser.words.peek().is_none() { Expression::All(Vec::new()) } else { step!(parser.list()) };
    if let Some(word) = parser.words.next() {
        return call.unsupported(format!("{} where it stands", named(word)));
    }
    let mut plan = parser.plan;
    plan.expression = match parser.acts {
        true => expression,
        false => Expression::All(vec![expression, Expression::Primary(Primary::Print(b'\n'))]),
    };
    Ok(Ok(plan))
}

impl Parser<'_, '_, '_, '_> {
    fn next_is(&mut self, words: &[&[u8]]) -> bool {
        self.words.peek().is_some_and(|word| words.contains(&word.as_slice()))
    }

    fn list(&mut self) -> Step<Expression> {
        let mut parts = vec![step!(self.any())];
        while self.next_is(&[b","]) {
            self.words.next();
            parts.push(step!(self.any()));
        }
        Ok(Ok(Expression::Each(parts)))
    }

    fn any(&mut self) -> Step<Expression> {
        let mut parts = vec![step!(self.all())];
        while self.next_is(&[b"-o", b"-or"]) {
            self.words.next();
            parts.push(step!(self.all()));
        }
        Ok(Ok(Expression::Any(parts)))
    }

    fn all(&mut self) -> Step<Expression> {
        let mut parts = vec![step!(self.one())];
        loop {
            if self.next_is(&[b"-a", b"-and"]) {
                self.words.next();
            } else if self.words.peek().is_none() || self.next_is(&[b"-o", b"-or", b")", b","]) {
                return Ok(Ok(Expression::All(parts)));
            }
            parts.push(step!(self.one()));
        }
    }

    fn one(&mut self) -> Step<Expression> {
        let Some(word) = self.words.next() else { return self.call.unsupported("an expression that ends too early") };
        if self.depth >= DEPTH {
            return Err(Stop::limit(format!("{DEPTH} parentheses of find inside each other")));
        }
        self.depth += 1;
        let expression = match word.as_slice() {
            b"!" | b"-not" => Expression::Not(Box::new(step!(self.one()))),
            b"(" => {
                let inner = step!(self.list());
                if !self.next_is(&[b")"]) {
                    return self.call.unsupported("a parenthesis that is not closed");
                }
                self.words.next();
                inner
            }
            word => match std::str::from_utf8(word) {
                Ok(word) => Expression::Primary(step!(self.primary(word))),
                Err(_) => return self.call.unsupported(format!("{} in its expression", named(word))),
            },
        };
        self.depth -= 1;
        Ok(Ok(expression))
    }

    fn value(&mut self, of: &str) -> Result<Bytes, Stop> {
        match self.words.next() {
            Some(word) => Ok(word.clone()),
            None => self.call.unsupported(format!("`{of}` without its argument")),
        }
    }

    fn text(&mut self, of: &str) -> Result<String, Stop> {
        Ok(String::from_utf8_lossy(&self.value(of)?).into_owned())
    }

    fn glob(&mut self, of: &str) -> Result<Glob, Stop> {
        Ok(Glob { pattern: self.value(of)?, ignore_case: of.starts_with("-i") })
    }

    fn number(&mut self, of: &str) -> Result<Comparison, Stop> {
        let text = self.text(of)?;
        match Comparison::parse(&text) {
            Some(comparison) => Ok(comparison),
            None => self.call.unsupported(format!("`{of} {text}`")),
        }
    }

    fn primary(&mut self, word: &str) -> Step<Primary> {
        Ok(Ok(match word {
            "-true" => Primary::Constant(true),
            "-false" => Primary::Constant(false),
            "-maxdepth" | "-mindepth" | "-depth" | "-d" | "-follow" | "-regextype" => self.option(word)?,
            // One file system, one thread, no hurry.
            "-xdev"
            | "-mount"
            | "-noleaf"
            | "-nowarn"
            | "-warn"
            | "-ignore_readdir_race"
            | "-noignore_readdir_race" => Primary::Constant(true),
            "-name" | "-iname" => Primary::Name(self.glob(word)?),
            "-path" | "-ipath" | "-wholename" | "-iwholename" => Primary::Path(self.glob(word)?),
            "-lname" | "-ilname" => Primary::Target(self.glob(word)?),
            "-regex" | "-iregex" => return self.regex(word),
            "-type" | "-xtype" => self.kinds(word)?,
            "-user" | "-group" => return self.owner(word),
            "-uid" => Primary::User(self.number(word)?),
            "-gid" => Primary::Group(self.number(word)?),
            "-nouser" => Primary::Nobodys,
            "-nogroup" => Primary::NoGroups,
            "-perm" => return self.permissions(),
            "-size" => self.size()?,
            "-links" => Primary::Links(self.number(word)?),
            "-empty" => Primary::Empty,
            "-readable" | "-writable" => Primary::Accessible,
            "-executable" => Primary::Executable,
            "-newer" | "-mnewer" | "-newermm" | "-samefile" => return self.reference(word),
            "-newermt" => {
                let text = self.text(word)?;
                match times::date(&text, self.call.machine.files.epoch) {
                    Some(time) => Primary::NewerThan(time),
                    None => return self.call.unsupported(format!("the time `{text}`")),
                }
            }
            "-mtime" => Primary::Days(self.number(word)?),
            "-mmin" => Primary::Minutes(self.number(word)?),
            "-prune" => Primary::Prune,
            "-quit" => self.action(Primary::Quit),
            "-print" => self.action(Primary::Print(b'\n')),
            "-print0" => self.action(Primary::Print(0)),
            "-printf" => {
                let text = self.value(word)?;
                let pieces = format::parse(self.call, &text)?;
                self.action(Primary::Format(pieces))
            }
            "-delete" => {
                self.plan.depth_first = true;
                self.action(Primary::Delete)
            }
            "-exec" | "-execdir" => self.command(word)?,
            _ => return self.call.unsupported(format!("`{word}`")),
        }))
    }

    fn action(&mut self, primary: Primary) -> Primary {
        // `-quit` alone does not keep find from printing.
        self.acts |= !matches!(primary, Primary::Quit);
        primary
    }

    fn option(&mut self, word: &str) -> Result<Primary, Stop> {
        match word {
            "-depth" | "-d" => self.plan.depth_first = true,
            "-follow" => self.plan.follow = Follow::Always,
            "-regextype" => {
                let name = self.text(word)?;
                self.flavour = match name.as_str() {
                    "emacs" | "findutils-default" => None,
                    "posix-extended" | "egrep" | "posix-egrep" => Some(Flavour::Extended),
                    "grep" | "posix-basic" | "ed" | "sed" => Some(Flavour::Basic),
                    _ => return self.call.unsupported(format!("-regextype {name}")),
                };
            }
            _ => {
                let text = self.text(word)?;
                let Ok(depth) = text.parse() else { return self.call.unsupported(format!("`{word} {text}`")) };
                if word == "-maxdepth" { self.plan.deepest = Some(depth) } else { self.plan.highest = depth }
            }
        }
        Ok(Primary::Constant(true))
    }

    fn regex(&mut self, word: &str) -> Step<Primary> {
        let pattern = self.value(word)?;
        let pattern = if self.flavour.is_none() { extended(&pattern) } else { pattern };
        let flavour = self.flavour.unwrap_or(Flavour::Extended);
        let reading = Reading { extent: Extent::WholeText, ..Reading::new(flavour, word == "-iregex") };
        Ok(match Regex::any_of(&[&pattern], reading) {
            Ok(regex) => Ok(Primary::Regex(regex)),
            Err(problem) => {
                Err(format!("failed to compile regular expression '{}': {problem}", String::from_utf8_lossy(&pattern)))
            }
        })
    }

    fn kinds(&mut self, word: &str) -> Result<Primary, Stop> {
        let text = self.text(word)?;
        let mut kinds = Vec::new();
        for letter in text.split(',') {
            kinds.push(match letter {
                "f" => Kind::File,
                "d" => Kind::Directory,
                "l" => Kind::Symlink,
                "c" => Kind::CharDevice,
                "b" => Kind::BlockDevice,
                "p" => Kind::Fifo,
                // Sockets and doors are in no image.
                "s" | "D" => continue,
                _ => return self.call.unsupported(format!("`{word} {text}`")),
            });
        }
        Ok(Primary::Type(kinds, word == "-xtype"))
    }

    fn owner(&mut self, word: &str) -> Step<Primary> {
        let name = self.value(word)?;
        let machine = &*self.call.machine;
        let exactly = |id: u32| Comparison::Exactly(id.into());
        Ok(match word {
            "-user" => user_number(machine, &name)
                .map(|uid| Primary::User(exactly(uid)))
                .ok_or_else(|| format!("{} is not the name of a known user", named(&name))),
            _ => group_number(machine, &name)
                .map(|gid| Primary::Group(exactly(gid)))
                .ok_or_else(|| format!("{} is not the name of an existing group", named(&name))),
        })
    }

    fn permissions(&mut self) -> Step<Primary> {
        let text = self.value("-perm")?;
        let (bits, mode) = match text.split_first() {
            Some((b'-', mode)) => (Bits::All, mode),
            Some((b'/', mode)) => (Bits::Any, mode),
            _ => (Bits::Exactly, text.as_slice()),
        };
        // What `+0644` meant once is not told any more.
        let old = mode.starts_with(b"+") && mode.get(1).is_some_and(u8::is_ascii_digit);
        Ok(match Mode::parse(mode).filter(|_| !old) {
            Some(mode) => Ok(Primary::Permissions(bits, mode.apply(0, false, 0))),
            None => Err(format!("invalid mode {}", named(&text))),
        })
    }

    fn size(&mut self) -> Result<Primary, Stop> {
        let text = self.text("-size")?;
        let (digits, unit) = match text.as_bytes().last() {
            Some(b'c') => (&text[..text.len() - 1], 1),
            Some(b'w') => (&text[..text.len() - 1], 2),
            Some(b'b') => (&text[..text.len() - 1], 512),
            Some(b'k') => (&text[..text.len() - 1], 1 << 10),
            Some(b'M') => (&text[..text.len() - 1], 1 << 20),
            Some(b'G') => (&text[..text.len() - 1], 1 << 30),
            _ => (text.as_str(), 512),
        };
        match Comparison::parse(digits) {
            Some(comparison) => Ok(Primary::Size(comparison, unit)),
            None => self.call.unsupported(format!("`-size {text}`")),
        }
    }

    fn reference(&mut self, word: &str) -> Step<Primary> {
        let name = self.value(word)?;
        let follow = self.plan.follow != Follow::Never;
        Ok(match status(self.call, &name, follow) {
            Ok(facts) if word == "-samefile" => Ok(Primary::SameFile(facts.inode)),
            Ok(facts) => Ok(Primary::NewerThan(facts.mtime)),
            Err(errno) => Err(format!("{}: {errno}", named(&name))),
        })
    }

    fn command(&mut self, word: &str) -> Result<Primary, Stop> {
        self.acts = true;
        let mut words: Vec<Bytes> = Vec::new();
        let in_directory = word == "-execdir";
        for next in self.words.by_ref() {
            match next.as_slice() {
                b";" if words.is_empty() => break,
                b";" => return Ok(Primary::Execute { words, in_directory }),
                b"+" if words.last().is_some_and(|last| last == b"{}") => {
                    if in_directory {
                        return self.call.unsupported("-execdir … {} +");
                    }
                    words.pop();
                    self.plan.batches.push(words);
                    return Ok(Primary::ExecuteMany(self.plan.batches.len() - 1));
                }
                _ => words.push(next.clone()),
            }
        }
        self.call.unsupported(format!("`{word}` without its end"))
    }
}

/// An expression in the syntax of Emacs as an extended one: there, groups and alternatives have backslashes.
fn extended(pattern: &[u8]) -> Bytes {
    let mut text = Bytes::new();
    let mut bytes = pattern.iter().copied();
    let mut bracket = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' if !bracket => {
                bracket = true;
                text.push(byte);
                // A `]` that comes first belongs to the set.
                let mut rest = bytes.clone();
                let first = rest.next();
                if first == Some(b'^') {
                    text.push(b'^');
                    bytes.next();
                }
                if bytes.clone().next() == Some(b']') {
                    text.push(b']');
                    bytes.next();
                }
            }
            b']' => {
                bracket = false;
                text.push(byte);
            }
            byte if bracket => text.push(byte),
            b'\\' => match bytes.next() {
                Some(byte @ (b'(' | b')' | b'|')) => text.push(byte),
                Some(byte) => text.extend([b'\\', byte]),
                None => text.extend(*b"\\\\"),
            },
            b'(' | b')' | b'|' | b'{' | b'}' => text.extend([b'\\', byte]),
            byte => text.push(byte),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn emacs_writes_groups_with_backslashes() {
        assert_eq!(super::extended(b".*\\.\\(a\\|b\\)+[]()]{2}"), b".*\\.(a|b)+[]()]\\{2\\}");
    }
}
