//! Redirections: what `<`, `>`, `>&` and here-documents do to descriptors, and undoing it.

use super::file::{Errno, How};
use super::halt::{Halt, Outcome};
use super::syntax::{Redirection, Target, Word};
use super::{Bytes, Dialect, Handle, Shell, Stop, Stream, World, limits};

/// What descriptors led to before, oldest first.
pub(super) type Saved = Vec<(u32, Option<Handle>)>;

impl Shell {
    /// Redirects in order; if one fails everything is as before, and the command's status comes back.
    pub(super) fn redirect(
        &mut self,
        world: &mut dyn World,
        redirections: &[Redirection],
    ) -> Outcome<Result<Saved, u8>> {
        let mut saved = Saved::new();
        for redirection in redirections {
            match self.one(world, redirection, &mut saved) {
                Ok(true) => {}
                Ok(false) => {
                    self.restore(saved);
                    return Ok(Err(if self.dialect == Dialect::Dash { 2 } else { 1 }));
                }
                Err(halt) => {
                    self.restore(saved);
                    return Err(halt);
                }
            }
        }
        Ok(Ok(saved))
    }

    pub(super) fn restore(&mut self, saved: Saved) {
        for (number, before) in saved.into_iter().rev() {
            self.point(number, before);
        }
    }

    fn point(&mut self, number: u32, handle: Option<Handle>) {
        match handle {
            Some(handle) => self.descriptors.insert(number, handle),
            None => self.descriptors.remove(&number),
        };
    }

    fn replace(&mut self, number: u32, handle: Option<Handle>, saved: &mut Saved) {
        saved.push((number, self.descriptor(number)));
        self.point(number, handle);
    }

    fn one(&mut self, world: &mut dyn World, redirection: &Redirection, saved: &mut Saved) -> Outcome<bool> {
        let number = redirection.descriptor;
        let (word, how) = match &redirection.target {
            Target::Read(word) => (word, How::Read),
            Target::Write(word) if self.options.noclobber => (word, How::WriteNew),
            Target::Write(word) | Target::Clobber(word) | Target::Everything(word, false) => (word, How::Write),
            Target::Append(word) | Target::Everything(word, true) => (word, How::Append),
            Target::Both(word) => (word, How::Both),
            Target::Duplicate(word) => return self.duplicate(world, number, word, saved),
            Target::Here(text) => {
                let text = match text.get().map(|word| self.document(world, word)) {
                    Some(Ok(text)) => text,
                    // Dash has another process write it: the error is not its own.
                    Some(Err(Halt::Error(_))) if self.dialect == Dialect::Dash => return Ok(false),
                    Some(Err(halt)) => return Err(halt),
                    None => Bytes::new(),
                };
                self.replace(number, Some(Stream::input(text)), saved);
                return Ok(true);
            }
            Target::Text(word) => {
                let mut text = self.single(world, word)?;
                text.push(b'\n');
                self.replace(number, Some(Stream::input(text)), saved);
                return Ok(true);
            }
        };
        let path = self.single(world, word)?;
        let handle = match self.open(world, &path, how)? {
            Ok(handle) => handle,
            Err(errno) => {
                self.cannot_open(world, &path, how, errno)?;
                return Ok(false);
            }
        };
        if let Target::Everything(..) = redirection.target {
            self.replace(1, Some(handle.clone()), saved);
            self.replace(2, Some(handle), saved);
        } else {
            self.replace(number, Some(handle), saved);
        }
        Ok(true)
    }

    fn cannot_open(&mut self, world: &mut dyn World, path: &[u8], how: How, errno: Errno) -> Result<(), Stop> {
        let path = String::from_utf8_lossy(path).into_owned();
        let message = match (self.dialect, how, errno) {
            (Dialect::Bash, How::WriteNew, Errno::Exists) => format!("{path}: cannot overwrite existing file"),
            (Dialect::Bash, ..) => format!("{path}: {errno}"),
            (Dialect::Dash, How::Read, Errno::NoEntry) => format!("cannot open {path}: No such file"),
            (Dialect::Dash, How::Read, _) => format!("cannot open {path}: {errno}"),
            (Dialect::Dash, _, Errno::NoEntry) => format!("cannot create {path}: Directory nonexistent"),
            (Dialect::Dash, ..) => format!("cannot create {path}: {errno}"),
        };
        self.complain(world, &message)
    }

    /// Opens a path; the devices that every script knows are not the world's matter.
    pub(super) fn open(&mut self, world: &mut dyn World, path: &[u8], how: How) -> Result<Result<Handle, Errno>, Stop> {
        if path.is_empty() {
            return Ok(Err(Errno::NoEntry));
        }
        let number = match path {
            b"/dev/null" => return Ok(Ok(super::handle(Stream::Null))),
            b"/dev/tty" => return Ok(Err(Errno::NoDevice)),
            b"/dev/stdin" => Some(0),
            b"/dev/stdout" => Some(1),
            b"/dev/stderr" => Some(2),
            _ => {
                let name = path.strip_prefix(b"/dev/fd/").or_else(|| path.strip_prefix(b"/proc/self/fd/"));
                name.and_then(|name| std::str::from_utf8(name).ok()).and_then(|name| name.parse().ok())
            }
        };
        if let Some(number) = number {
            return Ok(self.descriptor(number).ok_or(Errno::NoEntry));
        }
        let path = self.absolute(path);
        world.open(&path, how, self.umask)
    }

    fn duplicate(&mut self, world: &mut dyn World, number: u32, word: &Word, saved: &mut Saved) -> Outcome<bool> {
        let text = self.single(world, word)?;
        if text == b"-" {
            self.replace(number, None, saved);
            return Ok(true);
        }
        let (text, moves) = match text.strip_suffix(b"-") {
            Some(text) if self.dialect == Dialect::Bash => (text.to_vec(), true),
            _ => (text, false),
        };
        let from = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<u32>().ok());
        let Some(from) = from.filter(|_| text.iter().all(u8::is_ascii_digit)) else {
            return match self.dialect {
                Dialect::Dash => self.fail(world, "Bad fd number"),
                Dialect::Bash => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    self.complain(world, &format!("{text}: ambiguous redirect"))?;
                    Ok(false)
                }
            };
        };
        if from > limits::DESCRIPTOR {
            self.complain(world, &format!("{from}: Bad file descriptor"))?;
            return Ok(false);
        }
        let Some(handle) = self.descriptor(from) else {
            self.complain(world, &format!("{from}: Bad file descriptor"))?;
            return Ok(false);
        };
        self.replace(number, Some(handle), saved);
        if moves && from != number {
            self.replace(from, None, saved);
        }
        Ok(true)
    }
}
