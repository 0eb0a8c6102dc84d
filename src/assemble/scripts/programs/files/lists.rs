//! setfacl and getfacl: access control lists as the attributes that the kernel reads (`struct posix_acl_xattr_header`).

use std::collections::BTreeMap;

use super::complaints::complain;
use super::owners::{group_number, user_number};
use super::quoting::plain;
use super::walk::{Event, Follow, Walk};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Bytes, Stop};
use crate::tree::{Inode, Kind};

const ACCESS: &[u8] = b"system.posix_acl_access";
const DEFAULT: &[u8] = b"system.posix_acl_default";
const VERSION: u32 = 2;
/// The tags of `linux/posix_acl.h`.
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The number in an entry that names nobody.
const NOBODY: u32 = u32::MAX;

/// Rights by tag and number, in the order in which the kernel wants them.
type List = BTreeMap<(u16, u32), u16>;

#[derive(Debug)]
struct Entry {
    default: bool,
    tag: u16,
    id: u32,
    rights: u16,
    /// `X`: execution where it is a directory or somebody may execute it already.
    execute_if_any: bool,
}

/// What is done with each file.
#[derive(Debug, Default)]
struct Wish {
    entries: Vec<Entry>,
    remove_access: bool,
    remove_default: bool,
    keep_mask: bool,
}

pub(super) fn setfacl(call: &mut Call) -> Result<u8, Stop> {
    let known =
        ["m|modify=", "b|remove-all", "k|remove-default", "R|recursive", "n|no-mask", "d|default", "P|physical"];
    let options = parse(call, &known, true)?;
    let mut wish = Wish { keep_mask: options.has("n"), ..Wish::default() };
    for (name, text) in &options.given {
        match *name {
            "b" => {
                wish.entries.clear();
                (wish.remove_access, wish.remove_default) = (true, true);
            }
            "k" => {
                wish.entries.retain(|entry| !entry.default);
                wish.remove_default = true;
            }
            "m" => {
                for part in text.split(|byte| *byte == b',').filter(|part| !part.is_empty()) {
                    match entry(call, part, options.has("d")) {
                        Some(entry) => wish.entries.push(entry),
                        None => return call.unsupported(format!("the entry {}", plain(part))),
                    }
                }
            }
            _ => {}
        }
    }
    let mut failed = false;
    for word in &options.operands {
        let mut walk = Walk::new(call, word, Follow::Operands);
        while let Some(event) = walk.next(call)? {
            if !options.has("R") {
                walk.skip();
            }
            match event {
                Event::Enter(entry) if entry.facts.kind == crate::shell::Kind::Symlink => {}
                Event::Enter(entry) => {
                    // It was there a moment ago.
                    let _ = call.machine.files.update(&entry.path, true, |inode| modify(inode, &wish));
                    let for_default = wish.entries.iter().any(|entry| entry.default);
                    if for_default && !entry.is_directory() && !options.has("R") {
                        let text = "Only directories can have default ACLs";
                        complain(call, &mut failed, format!("{}: {text}", plain(&entry.shown)))?;
                    }
                }
                Event::Failed(name, _) if call.machine.files.is_later(&call.path(&name)) => {}
                Event::Failed(name, errno) => complain(call, &mut failed, format!("{}: {errno}", plain(&name)))?,
                Event::Leave(_) | Event::Circle(_) => {}
            }
        }
    }
    Ok(failed.into())
}

/// `-c`: the entries that a mode stands for; lists of more are not shown.
pub(super) fn getfacl(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["c|omit-header", "p|absolute-names"], true)?;
    if !options.has("c") {
        return call.unsupported("a header (without `-c`)");
    }
    let mut status = 0;
    for word in &options.operands {
        let path = call.path(word);
        let Some(inode) = call.machine.files.inode(&path, true) else {
            call.error(format!("{}: No such file or directory", String::from_utf8_lossy(word)))?;
            status = 1;
            continue;
        };
        if inode.xattrs.contains_key(ACCESS) || inode.xattrs.contains_key(DEFAULT) {
            return call.unsupported("a file that has a list");
        }
        let mode = inode.mode;
        let rights = |shift: u16| -> String {
            let bit = |bit: u16, letter: char| if mode >> shift & bit != 0 { letter } else { '-' };
            [bit(4, 'r'), bit(2, 'w'), bit(1, 'x')].into_iter().collect()
        };
        call.out(format!("user::{}\ngroup::{}\nother::{}\n\n", rights(6), rights(3), rights(0)))?;
    }
    Ok(status)
}

/// `[d:][u|g|o|m]:[NAME]:RIGHTS`
fn entry(call: &Call, text: &[u8], default: bool) -> Option<Entry> {
    let mut fields: Vec<&[u8]> = text.split(|byte| *byte == b':').collect();
    let mut default = default;
    if matches!(*fields.first()?, b"d" | b"default") {
        fields.remove(0);
        default = true;
    }
    let (kind, name, rights) = match fields.as_slice() {
        [kind @ (b"o" | b"other" | b"m" | b"mask"), rights] => (*kind, b"".as_slice(), *rights),
        [kind, name, rights] => (*kind, *name, *rights),
        _ => return None,
    };
    let (tag, id) = match (kind, name) {
        (b"u" | b"user" | b"", b"") => (OWNER, NOBODY),
        (b"u" | b"user" | b"", name) => (USER, user_number(call.machine, name)?),
        (b"g" | b"group", b"") => (OWNING_GROUP, NOBODY),
        (b"g" | b"group", name) => (GROUP, group_number(call.machine, name)?),
        (b"o" | b"other", b"") => (OTHER, NOBODY),
        (b"m" | b"mask", b"") => (MASK, NOBODY),
        _ => return None,
    };
    let mut bits = 0;
    for letter in rights {
        bits |= match letter {
            b'r' => 4,
            b'w' => 2,
            b'x' => 1,
            b'-' | b'X' => 0,
            b'0'..=b'7' if rights.len() == 1 => u16::from(letter - b'0'),
            _ => return None,
        };
    }
    Some(Entry { default, tag, id, rights: bits, execute_if_any: rights.contains(&b'X') })
}

fn modify(inode: &mut Inode, wish: &Wish) {
    let directory = inode.kind == Kind::Directory;
    if wish.remove_access
        && let Some(list) = inode.xattrs.remove(ACCESS).and_then(|value| decode(&value))
    {
        let group = list.get(&(OWNING_GROUP, NOBODY)).copied().unwrap_or(0);
        inode.mode = inode.mode & !0o070 | group << 3;
    }
    if wish.remove_default {
        inode.xattrs.remove(DEFAULT);
    }
    let executable = directory || inode.mode & 0o111 != 0;
    for (default, name) in [(false, ACCESS), (true, DEFAULT)] {
        let mine: Vec<&Entry> = wish.entries.iter().filter(|entry| entry.default == default).collect();
        if mine.is_empty() || default && !directory {
            continue;
        }
        let there = inode.xattrs.get(name).and_then(|value| decode(value));
        let mut list = there.unwrap_or_else(|| of_mode(inode.mode));
        for entry in &mine {
            let execute = u16::from(entry.execute_if_any && executable);
            list.insert((entry.tag, entry.id), entry.rights | execute);
        }
        let given = mine.iter().any(|entry| entry.tag == MASK);
        set_mask(&mut list, given, wish.keep_mask);
        store(inode, name, &list, default);
    }
}

/// What the mode alone says.
fn of_mode(mode: u16) -> List {
    let entries = [(OWNER, mode >> 6 & 7), (OWNING_GROUP, mode >> 3 & 7), (OTHER, mode & 7)];
    entries.into_iter().map(|(tag, rights)| ((tag, NOBODY), rights)).collect()
}

/// A list that names somebody has a mask: what was given, what was there, or what all that it limits may do.
fn set_mask(list: &mut List, given: bool, keep: bool) {
    let limited = |(tag, _): &(u16, u32)| matches!(*tag, USER | GROUP | OWNING_GROUP);
    let named = list.keys().any(|(tag, _)| matches!(*tag, USER | GROUP));
    let there = list.contains_key(&(MASK, NOBODY));
    if given || !(named || there) || keep && there {
        return;
    }
    let bits = match keep {
        true => list.get(&(OWNING_GROUP, NOBODY)).copied().unwrap_or(0),
        false => list.iter().filter(|(key, _)| limited(key)).fold(0, |all, (_, bits)| all | bits),
    };
    list.insert((MASK, NOBODY), bits);
}

/// Writes the list; what a mode can say too, the mode says.
fn store(inode: &mut Inode, name: &[u8], list: &List, default: bool) {
    let bits = |tag: u16| list.get(&(tag, NOBODY)).copied();
    if !default {
        let group = bits(MASK).or(bits(OWNING_GROUP)).unwrap_or(0);
        let rights = bits(OWNER).unwrap_or(0) << 6 | group << 3 | bits(OTHER).unwrap_or(0);
        inode.mode = inode.mode & 0o7000 | rights;
        if list.len() == 3 {
            inode.xattrs.remove(name);
            return;
        }
    }
    inode.xattrs.insert(name.to_vec(), encode(list));
}

fn encode(list: &List) -> Bytes {
    let entries = list.iter().flat_map(|((tag, id), rights)| {
        tag.to_le_bytes().into_iter().chain(rights.to_le_bytes()).chain(id.to_le_bytes())
    });
    VERSION.to_le_bytes().into_iter().chain(entries).collect()
}

fn decode(value: &[u8]) -> Option<List> {
    let entries = value.strip_prefix(&VERSION.to_le_bytes())?.chunks_exact(8);
    Some(
        entries
            .map(|entry| {
                let half = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
                ((half(0), u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]])), half(2))
            })
            .collect(),
    )
}
