//! chmod.

use super::complaints::{complain, hint};
use super::modes::{Mode, shown};
use super::operands::{has_content, status};
use super::quoting::{named, quoted};
use super::walk::{Entry, Event, Follow, Walk};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{Options, parse};
use crate::shell::{Bytes, Kind, Stop};

/// What is told of each file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    Nothing,
    Changes,
    Everything,
}

impl Telling {
    pub(super) fn of(options: &Options) -> Telling {
        match options.last_of(&["v", "c"]) {
            Some(("v", _)) => Telling::Everything,
            Some(_) => Telling::Changes,
            None => Telling::Nothing,
        }
    }
}

#[derive(Debug)]
struct Wish {
    mode: Mode,
    umask: u16,
    /// Whether a mode that looks like an option (`-w`) must not be narrowed by the umask silently.
    surprising: bool,
    quiet: bool,
    telling: Telling,
}

pub(super) fn chmod(call: &mut Call) -> Result<u8, Stop> {
    let (dashed, words) = dashed_mode(call.words);
    let mut inner = Call { machine: &mut *call.machine, shell: &mut *call.shell, name: call.name, words: &words };
    run(&mut inner, dashed)
}

/// Takes the words out that look like options and are modes: `-x`, `-rw`.
fn dashed_mode(words: &[Bytes]) -> (Option<Bytes>, Vec<Bytes>) {
    let mut modes: Vec<&[u8]> = Vec::new();
    let mut rest = Vec::new();
    let mut ended = false;
    for word in words {
        ended |= word == b"--";
        let is_mode = !ended && word.len() > 1 && word.starts_with(b"-") && b"rwxXstugoa,+=01234567".contains(&word[1]);
        if is_mode { modes.push(word) } else { rest.push(word.clone()) }
    }
    (Some(modes.join(&b','.clone())).filter(|_| !modes.is_empty()), rest)
}

fn run(call: &mut Call, dashed: Option<Bytes>) -> Result<u8, Stop> {
    let known =
        ["R|recursive", "f|silent|quiet", "v|verbose", "c|changes", "reference=", "preserve-root", "no-preserve-root"];
    let mut options = parse(call, &known, true)?;
    let umask = call.shell.umask;
    let mode = if let Some(reference) = options.value("reference") {
        has_content(call, reference)?;
        match status(call, reference, true) {
            Ok(facts) => Mode::parse(format!("{:05o}", facts.mode).as_bytes()),
            Err(errno) => {
                return call.fail(1, format!("failed to get attributes of {}: {errno}", quoted(reference)));
            }
        }
    } else {
        let text = match &dashed {
            Some(text) => text.clone(),
            None if options.operands.is_empty() => return hint(call, "missing operand"),
            None => options.operands.remove(0),
        };
        if options.operands.is_empty() {
            return hint(call, format!("missing operand after {}", named(&text)));
        }
        match Mode::parse(&text) {
            None => return hint(call, format!("invalid mode: {}", named(&text))),
            mode => mode,
        }
    };
    let Some(mode) = mode else { return Ok(0) };
    let telling = Telling::of(&options);
    let wish = Wish { mode, umask, surprising: dashed.is_some(), quiet: options.has("f"), telling };
    let mut failed = false;
    for word in &options.operands {
        if options.has("R") {
            recurse(call, &wish, word, &mut failed)?;
        } else {
            let mut walk = Walk::new(call, word, Follow::Operands);
            if let Some(event) = walk.next(call)? {
                visit(call, &wish, event, &mut failed)?;
            }
        }
    }
    Ok(failed.into())
}

fn recurse(call: &mut Call, wish: &Wish, word: &[u8], failed: &mut bool) -> Result<(), Stop> {
    if call.machine.files.resolve(&call.path(word), true).is_ok_and(|path| path.is_root()) {
        return call.unsupported("changing the whole root");
    }
    let mut walk = Walk::new(call, word, Follow::Operands);
    while let Some(event) = walk.next(call)? {
        if !matches!(event, Event::Leave(_)) {
            visit(call, wish, event, failed)?;
        }
    }
    Ok(())
}

fn visit(call: &mut Call, wish: &Wish, event: Event, failed: &mut bool) -> Result<(), Stop> {
    match event {
        Event::Enter(entry) => change(call, wish, &entry, failed),
        Event::Failed(name, _) if call.machine.files.is_later(&call.path(&name)) => Ok(()),
        Event::Failed(name, errno) => {
            *failed = true;
            if !wish.quiet {
                call.error(format!("cannot access {}: {errno}", quoted(&name)))?;
            }
            if wish.telling == Telling::Everything {
                call.out(format!("{} could not be accessed\n", quoted(&name)))?;
            }
            Ok(())
        }
        Event::Leave(_) | Event::Circle(_) => Ok(()),
    }
}

fn change(call: &mut Call, wish: &Wish, entry: &Entry, failed: &mut bool) -> Result<(), Stop> {
    if entry.facts.kind == Kind::Symlink {
        // Below an operand links are left alone; an operand that is one leads nowhere.
        if entry.depth > 0 {
            return match wish.telling {
                Telling::Everything => {
                    call.out(format!("neither symbolic link {} nor referent has been changed\n", quoted(&entry.shown)))
                }
                _ => Ok(()),
            };
        }
        if !wish.quiet {
            call.error(format!("cannot operate on dangling symlink {}", quoted(&entry.shown)))?;
        }
        if wish.telling == Telling::Everything {
            call.out(format!("{} could not be accessed\n", quoted(&entry.shown)))?;
        }
        *failed = true;
        return Ok(());
    }
    let (old, directory) = (entry.facts.mode, entry.is_directory());
    let new = wish.mode.apply(old, directory, wish.umask);
    if let Err(errno) = call.machine.files.update(&entry.path, true, |inode| inode.mode = new) {
        return complain(call, failed, format!("changing permissions of {}: {errno}", quoted(&entry.shown)));
    }
    tell(call, wish.telling, entry, new)?;
    let naive = wish.mode.apply(old, directory, 0);
    if wish.surprising && new & !naive != 0 {
        let (new, naive) = (shown('-', new), shown('-', naive));
        let name = super::quoting::plain(&entry.shown);
        complain(call, failed, format!("{name}: new permissions are {}, not {}", &new[1..], &naive[1..]))?;
    }
    Ok(())
}

fn tell(call: &mut Call, telling: Telling, entry: &Entry, new: u16) -> Result<(), Stop> {
    let old = entry.facts.mode;
    let bits = |mode| format!("{mode:04o} ({})", &shown('-', mode)[1..]);
    let name = quoted(&entry.shown);
    match telling {
        Telling::Changes | Telling::Everything if old != new => {
            call.out(format!("mode of {name} changed from {} to {}\n", bits(old), bits(new)))
        }
        Telling::Everything => call.out(format!("mode of {name} retained as {}\n", bits(new))),
        _ => Ok(()),
    }
}
