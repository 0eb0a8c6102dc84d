//! Whether an entry fits find's expression, and what is done with it.

use super::expression::Comparison::{Exactly, Less, More};
use super::expression::{Bits, Expression, Primary};
use super::format::{self, other_kind};
use super::search::Search;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::files::complaints::complain;
use crate::assemble::scripts::programs::files::owners::{group_name, user_name};
use crate::assemble::scripts::programs::files::path_names::{last_name, parent_name};
use crate::assemble::scripts::programs::files::quoting::named;
use crate::assemble::scripts::programs::files::stat::links_of;
use crate::assemble::scripts::programs::files::walk::Entry;
use crate::shell::{Bytes, Errno, Kind, Stop, World};

const DAY: i64 = 86_400;

impl Search {
    pub(super) fn evaluate(&mut self, call: &mut Call, expression: &Expression, entry: &Entry) -> Result<bool, Stop> {
        if self.quit {
            return Ok(false);
        }
        match expression {
            Expression::All(parts) => {
                for part in parts {
                    if !self.evaluate(call, part, entry)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Expression::Any(parts) => {
                for part in parts {
                    if self.evaluate(call, part, entry)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Expression::Each(parts) => {
                let mut last = true;
                for part in parts {
                    last = self.evaluate(call, part, entry)?;
                }
                Ok(last)
            }
            Expression::Not(part) => Ok(!self.evaluate(call, part, entry)? && !self.quit),
            Expression::Primary(primary) => {
                call.machine.spend(1)?;
                match self.act(call, primary, entry)? {
                    Some(result) => Ok(result),
                    None => is_true(call, primary, entry),
                }
            }
        }
    }

    /// Does what an action asks for; nothing if it is a question.
    fn act(&mut self, call: &mut Call, primary: &Primary, entry: &Entry) -> Result<Option<bool>, Stop> {
        Ok(Some(match primary {
            Primary::Prune => {
                self.prune = true;
                true
            }
            Primary::Quit => {
                self.quit = true;
                true
            }
            Primary::Print(end) => {
                call.out([entry.shown.as_slice(), &[*end]].concat())?;
                true
            }
            Primary::Format(pieces) => {
                let text = format::format(call, pieces, entry)?;
                call.out(text)?;
                true
            }
            Primary::Delete => self.delete(call, entry)?,
            Primary::Execute { words, in_directory } => run(call, words, *in_directory, entry)?,
            Primary::ExecuteMany(number) => {
                self.wait(call, *number, &entry.shown)?;
                true
            }
            Primary::Type(..) if self.is_circle(call, primary, entry)? => false,
            _ => return Ok(None),
        }))
    }

    /// `-xtype` of a link that leads to itself is a failure.
    fn is_circle(&mut self, call: &mut Call, primary: &Primary, entry: &Entry) -> Result<bool, Stop> {
        let other = matches!(primary, Primary::Type(_, true)) && !entry.followed;
        if other && let Err(Errno::Loop) = call.machine.files.status(&entry.path, true) {
            complain(call, &mut self.failed, format!("{}: {}", named(&entry.shown), Errno::Loop))?;
            return Ok(true);
        }
        Ok(false)
    }

    fn delete(&mut self, call: &mut Call, entry: &Entry) -> Result<bool, Stop> {
        if entry.shown == b"." {
            return Ok(true);
        }
        let link = entry.followed || entry.facts.kind != Kind::Directory;
        let files = &mut call.machine.files;
        let removed = if link { files.remove(&entry.path) } else { files.remove_directory(&entry.path) };
        if let Err(errno) = removed {
            complain(call, &mut self.failed, format!("cannot delete {}: {errno}", named(&entry.shown)))?;
            return Ok(false);
        }
        Ok(true)
    }
}

fn run(call: &mut Call, words: &[Bytes], in_directory: bool, entry: &Entry) -> Result<bool, Stop> {
    let name = match in_directory {
        true => [b"./", last_name(&entry.shown)].concat(),
        false => entry.shown.clone(),
    };
    let words: Vec<Bytes> = words.iter().map(|word| replaced(word, &name)).collect();
    let directory = call.shell.directory.clone();
    if in_directory {
        call.shell.directory = parent_name(&entry.path).to_vec();
    }
    let status = call.run(&words);
    call.shell.directory = directory;
    Ok(status? == 0)
}

/// The word with the name for every `{}`.
fn replaced(word: &[u8], name: &[u8]) -> Bytes {
    let mut text = Bytes::new();
    let mut rest = word;
    while let Some(at) = rest.windows(2).position(|two| two == b"{}") {
        text.extend_from_slice(&rest[..at]);
        text.extend_from_slice(name);
        rest = &rest[at + 2..];
    }
    [&text, rest].concat()
}

fn is_true(call: &Call, primary: &Primary, entry: &Entry) -> Result<bool, Stop> {
    let facts = &entry.facts;
    let files = &call.machine.files;
    Ok(match primary {
        Primary::Constant(result) => *result,
        Primary::Name(glob) => glob.fits(last_name(&entry.shown)),
        Primary::Path(glob) => glob.fits(&entry.shown),
        Primary::Target(glob) => {
            facts.kind == Kind::Symlink && files.target(&entry.path).is_ok_and(|target| glob.fits(&target))
        }
        Primary::Regex(regex) => regex.is_match(&entry.shown)?,
        Primary::Type(kinds, false) => kinds.contains(&facts.kind),
        Primary::Type(kinds, true) => kinds.contains(&other_kind(call, entry)),
        Primary::User(comparison) => comparison.fits(facts.uid.into()),
        Primary::Group(comparison) => comparison.fits(facts.gid.into()),
        Primary::Nobodys => user_name(call.machine, facts.uid).is_none(),
        Primary::NoGroups => group_name(call.machine, facts.gid).is_none(),
        Primary::Permissions(Bits::Exactly, mode) => facts.mode == *mode,
        Primary::Permissions(Bits::All, mode) => facts.mode & mode == *mode,
        Primary::Permissions(Bits::Any, mode) => *mode == 0 || facts.mode & mode != 0,
        Primary::Size(comparison, unit) => comparison.fits(facts.size.div_ceil(*unit)),
        Primary::Links(comparison) => comparison.fits(links_of(call, &entry.path, facts)),
        Primary::Empty => match facts.kind {
            Kind::File => facts.size == 0,
            Kind::Directory => files.list(&entry.path).is_ok_and(|names| names.is_empty()),
            _ => false,
        },
        // Root may do everything but execute what nobody may.
        Primary::Accessible => files.exists(&entry.path),
        Primary::Executable => {
            let behind = files.facts(&entry.path, true);
            behind.is_some_and(|facts| facts.kind == Kind::Directory || facts.mode & 0o111 != 0)
        }
        Primary::NewerThan(time) => facts.mtime > *time,
        Primary::Days(comparison) => comparison.fits(age(call, entry) / DAY.unsigned_abs()),
        Primary::Minutes(comparison) => {
            let seconds = age(call, entry);
            match comparison {
                More(minutes) => seconds > minutes.saturating_mul(60),
                Less(minutes) => seconds < minutes.saturating_mul(60),
                Exactly(minutes) => seconds.div_ceil(60) == *minutes,
            }
        }
        Primary::SameFile(inode) => facts.inode == *inode,
        // Those are done by `act`.
        _ => true,
    })
}

/// Seconds since the last change; the present is the epoch of the recipe.
fn age(call: &Call, entry: &Entry) -> u64 {
    u64::try_from(call.machine.files.epoch.saturating_sub(entry.facts.mtime)).unwrap_or(0)
}
