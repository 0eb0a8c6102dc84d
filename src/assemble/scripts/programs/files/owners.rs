//! chown, chgrp.

use super::chmod::Telling;
use super::complaints::{complain, hint};
use super::operands::{has_content, status};
use super::quoting::{named, quoted};
use super::walk::{Entry, Event, Follow, Walk};
use crate::assemble::scripts::machine::Machine;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::file_capabilities;
use crate::shell::{Errno, Kind, Stop};

/// Who is to own a file, or owns one whose owner is to change; what is not named stays. With the names as they are told.
#[derive(Debug, Clone, Default)]
pub(super) struct Owner {
    user: Option<(u32, String)>,
    group: Option<(u32, String)>,
    /// chown forgets a user's number when it tells of a group's name.
    user_is_told: bool,
}

impl Owner {
    /// `user`, `user:group`, `:group`, `user:` (with the group they log in with), numbers, and `.` for the colon.
    fn parse(machine: &Machine, text: &[u8]) -> Result<Owner, String> {
        let with = |separator: u8| match text.iter().position(|byte| *byte == separator) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        Owner::of(machine, text, with(b':')).or_else(|problem| match text.contains(&b':') {
            false if text.contains(&b'.') => Owner::of(machine, text, with(b'.')).map_err(|_| problem),
            _ => Err(problem),
        })
    }

    fn of(machine: &Machine, whole: &[u8], (user, group): (&[u8], Option<&[u8]>)) -> Result<Owner, String> {
        let user_is_named = !user.is_empty() && number(user).is_none();
        let mut owner = Owner { user_is_told: true, ..Owner::default() };
        if !user.is_empty() {
            let uid = user_number(machine, user).ok_or_else(|| format!("invalid user: {}", named(whole)))?;
            owner.user = Some((uid, lossy(user)));
            if group == Some(b"") {
                let by_name = std::str::from_utf8(user).ok().and_then(|user| machine.accounts.users.get(user));
                let gid = by_name.ok_or_else(|| format!("invalid spec: {}", named(whole)))?.gid;
                owner.group = Some((gid, group_name(machine, gid).unwrap_or_else(|| gid.to_string())));
            }
        }
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            let gid = group_number(machine, group).ok_or_else(|| format!("invalid group: {}", named(whole)))?;
            owner.group = Some((gid, lossy(group)));
            owner.user_is_told &= user_is_named || number(group).is_some();
        }
        Ok(owner)
    }

    fn matches(&self, uid: u32, gid: u32) -> bool {
        let same = |one: &Option<(u32, String)>, id| one.as_ref().is_none_or(|(one, _)| *one == id);
        same(&self.user, uid) && same(&self.group, gid)
    }
}

/// Whether only the dot told user and group apart.
fn by_dot(call: &Call, text: &[u8], owner: &Owner) -> bool {
    let whole = owner.user.as_ref().is_some_and(|(_, name)| name.as_bytes() == text);
    !whole && text.contains(&b'.') && !text.contains(&b':') && user_number(call.machine, text).is_none()
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn number(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (digits.first().is_some_and(u8::is_ascii_digit) && number != u32::MAX).then_some(number)
}

pub(super) fn user_number(machine: &Machine, user: &[u8]) -> Option<u32> {
    std::str::from_utf8(user).ok().and_then(|user| machine.accounts.uid(user)).or_else(|| number(user))
}

pub(super) fn group_number(machine: &Machine, group: &[u8]) -> Option<u32> {
    std::str::from_utf8(group).ok().and_then(|group| machine.accounts.gid(group)).or_else(|| number(group))
}

pub(super) fn user_name(machine: &Machine, uid: u32) -> Option<String> {
    machine.accounts.users.iter().find(|(_, user)| user.uid == uid).map(|(name, _)| name.clone())
}

pub(super) fn group_name(machine: &Machine, gid: u32) -> Option<String> {
    machine.accounts.groups.iter().find(|(_, group)| group.gid == gid).map(|(name, _)| name.clone())
}

#[derive(Debug)]
struct Wish {
    owner: Owner,
    /// Only what belongs to these changes.
    from: Owner,
    recursive: bool,
    follow: Follow,
    /// Whether a link that is not walked through is changed itself.
    links: bool,
    quiet: bool,
    telling: Telling,
    only_group: bool,
}

const KNOWN: [&str; 13] = [
    "R|recursive",
    "f|silent|quiet",
    "v|verbose",
    "c|changes",
    "h|no-dereference",
    "dereference",
    "reference=",
    "from=",
    "H",
    "L",
    "P",
    "preserve-root",
    "no-preserve-root",
];

pub(super) fn chown(call: &mut Call) -> Result<u8, Stop> {
    run(call, false)
}

pub(super) fn chgrp(call: &mut Call) -> Result<u8, Stop> {
    run(call, true)
}

fn run(call: &mut Call, only_group: bool) -> Result<u8, Stop> {
    let mut options = parse(call, &KNOWN, true)?;
    let owner = if let Some(reference) = options.value("reference") {
        has_content(call, reference)?;
        match status(call, reference, true) {
            Ok(facts) => {
                let user = user_name(call.machine, facts.uid).unwrap_or_else(|| facts.uid.to_string());
                let group = group_name(call.machine, facts.gid).unwrap_or_else(|| facts.gid.to_string());
                let user = Some((facts.uid, user)).filter(|_| !only_group);
                Owner { user, group: Some((facts.gid, group)), user_is_told: true }
            }
            Err(errno) => {
                return call.fail(1, format!("failed to get attributes of {}: {errno}", quoted(reference)));
            }
        }
    } else {
        if options.operands.is_empty() {
            return hint(call, "missing operand");
        }
        let text = options.operands.remove(0);
        if options.operands.is_empty() {
            return hint(call, format!("missing operand after {}", named(&text)));
        }
        let owner = match only_group {
            false => Owner::parse(call.machine, &text),
            true if text.is_empty() => Ok(Owner::default()),
            true => match group_number(call.machine, &text) {
                None => Err(format!("invalid group: {}", named(&text))),
                Some(gid) => Ok(Owner { user: None, group: Some((gid, lossy(&text))), user_is_told: true }),
            },
        };
        match owner {
            Ok(owner) => {
                if !only_group && by_dot(call, &text, &owner) {
                    call.error(format!("warning: '.' should be ':': {}", named(&text)))?;
                }
                owner
            }
            Err(problem) => return call.fail(1, problem),
        }
    };
    let from = match options.value("from") {
        None => Owner::default(),
        Some(text) => match Owner::parse(call.machine, text) {
            Ok(from) => from,
            Err(problem) => return call.fail(1, problem),
        },
    };
    let wish = match wish(call, &options, owner, from, only_group)? {
        Some(wish) => wish,
        None => return call.fail(1, "-R --dereference requires either -H or -L"),
    };
    let mut failed = false;
    for word in &options.operands {
        visit(call, &wish, word, &mut failed)?;
    }
    Ok(failed.into())
}

fn wish(
    call: &Call,
    options: &crate::assemble::scripts::programs::options::Options,
    owner: Owner,
    from: Owner,
    only_group: bool,
) -> Result<Option<Wish>, Stop> {
    let recursive = options.has("R");
    let dereference = options.last_of(&["h", "dereference"]).map(|(name, _)| name == "dereference");
    let follow = match options.last_of(&["H", "L", "P"]) {
        Some(("H", _)) => Follow::Operands,
        Some(("L", _)) => Follow::Always,
        _ => Follow::Never,
    };
    let physical = follow == Follow::Never;
    if recursive && physical && dereference == Some(true) {
        return Ok(None);
    }
    if recursive && !physical && dereference == Some(false) {
        return call.unsupported("-R and -h with -H or -L");
    }
    let links = dereference == Some(false) || recursive && physical;
    let quiet = options.has("f");
    Ok(Some(Wish { owner, from, recursive, follow, links, quiet, telling: Telling::of(options), only_group }))
}

fn visit(call: &mut Call, wish: &Wish, word: &[u8], failed: &mut bool) -> Result<(), Stop> {
    let follow = if wish.recursive { wish.follow } else { Follow::Never };
    if wish.recursive && call.machine.files.resolve(&call.path(word), true).is_ok_and(|path| path.is_root()) {
        return call.unsupported("changing the whole root");
    }
    let mut walk = Walk::new(call, word, follow);
    while let Some(event) = walk.next(call)? {
        match event {
            Event::Enter(entry) => {
                if !wish.recursive {
                    walk.skip();
                }
                // A directory changes before what it holds.
                change(call, wish, &entry, failed)?;
            }
            Event::Failed(name, _) if call.machine.files.is_later(&call.path(&name)) => {}
            Event::Failed(name, errno) => access_failed(call, wish, &name, errno, failed)?,
            Event::Leave(_) | Event::Circle(_) => {}
        }
    }
    Ok(())
}

fn access_failed(call: &mut Call, wish: &Wish, name: &[u8], errno: Errno, failed: &mut bool) -> Result<(), Stop> {
    *failed = true;
    if !wish.quiet {
        call.error(format!("cannot access {}: {errno}", quoted(name)))?;
    }
    if wish.telling == Telling::Everything {
        let change = wish.new_owner().map_or(String::new(), |to| format!(" to {to}"));
        call.out(format!("failed to change {} of {}{change}\n", wish.what(), quoted(name)))?;
    }
    Ok(())
}

fn change(call: &mut Call, wish: &Wish, entry: &Entry, failed: &mut bool) -> Result<(), Stop> {
    let follow = !wish.links || entry.followed;
    let facts = match call.machine.files.status(&entry.path, follow) {
        Ok(facts) => facts,
        Err(errno) => {
            *failed = true;
            if !wish.quiet {
                call.error(format!("cannot dereference {}: {errno}", quoted(&entry.shown)))?;
            }
            let before = wish.old_owner(call.machine, entry.facts.uid, entry.facts.gid);
            if wish.telling == Telling::Everything {
                let change = match (before, wish.new_owner()) {
                    (Some(before), Some(after)) => format!(" from {before} to {after}"),
                    _ => String::new(),
                };
                call.out(format!("failed to change {} of {}{change}\n", wish.what(), quoted(&entry.shown)))?;
            }
            return Ok(());
        }
    };
    if !wish.from.matches(facts.uid, facts.gid) {
        return tell(call, wish, entry, facts.uid, facts.gid, true);
    }
    let id = |named: &Option<(u32, String)>| named.as_ref().map(|(id, _)| *id);
    let (user, group) = (id(&wish.owner.user), id(&wish.owner.group));
    let changed = call.machine.files.update(&entry.path, follow, |inode| {
        inode.uid = user.unwrap_or(inode.uid);
        inode.gid = group.unwrap_or(inode.gid);
        if facts.kind != Kind::Directory {
            // The kernel does not let a new owner have the old one's powers.
            inode.mode &= if inode.mode & 0o010 == 0 { !0o4000 } else { !0o6000 };
            inode.xattrs.remove(file_capabilities::ATTRIBUTE);
        }
    });
    if let Err(errno) = changed {
        let what = wish.what();
        return complain(call, failed, format!("changing {what} of {}: {errno}", quoted(&entry.shown)));
    }
    tell(call, wish, entry, facts.uid, facts.gid, false)
}

impl Wish {
    fn what(&self) -> &'static str {
        let Owner { user, group, user_is_told } = &self.owner;
        let group_alone = user.is_none() && group.is_some() && *user_is_told;
        if self.only_group || group_alone { "group" } else { "ownership" }
    }

    fn new_owner(&self) -> Option<String> {
        let name = |named: &Option<(u32, String)>| named.as_ref().map(|(_, name)| name.clone());
        let group = name(&self.owner.group);
        let user = if self.owner.user_is_told { name(&self.owner.user) } else { Some(String::new()) };
        shown(user, group)
    }

    /// Of the old owner as much as is told of the new one.
    fn old_owner(&self, machine: &Machine, uid: u32, gid: u32) -> Option<String> {
        let user = || user_name(machine, uid).unwrap_or_else(|| uid.to_string());
        let group = || group_name(machine, gid).unwrap_or_else(|| gid.to_string());
        let Owner { user: new_user, group: new_group, user_is_told } = &self.owner;
        let tells_user = new_user.is_some() || !user_is_told;
        shown(tells_user.then(user), new_group.is_some().then(group))
    }
}

fn shown(user: Option<String>, group: Option<String>) -> Option<String> {
    match (user, group) {
        (Some(user), Some(group)) => Some(format!("{user}:{group}")),
        (user, group) => user.or(group),
    }
}

fn tell(call: &mut Call, wish: &Wish, entry: &Entry, uid: u32, gid: u32, spared: bool) -> Result<(), Stop> {
    let differs = |named: &Option<(u32, String)>, id| named.as_ref().is_some_and(|(new, _)| *new != id);
    let changes = !spared && (differs(&wish.owner.user, uid) || differs(&wish.owner.group, gid));
    if wish.telling == Telling::Nothing || !changes && wish.telling != Telling::Everything {
        return Ok(());
    }
    let (name, what) = (quoted(&entry.shown), wish.what());
    match (changes, wish.old_owner(call.machine, uid, gid), wish.new_owner()) {
        (true, Some(before), Some(after)) => call.out(format!("changed {what} of {name} from {before} to {after}\n")),
        (false, Some(before), _) => call.out(format!("{what} of {name} retained as {before}\n")),
        _ => call.out(format!("ownership of {name} retained\n")),
    }
}
