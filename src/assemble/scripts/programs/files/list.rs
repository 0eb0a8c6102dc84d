//! ls, one name a line, as it is without a terminal.

use super::complaints::complain;
use super::modes::shown;
use super::operands::at;
use super::owners::{group_name, user_name};
use super::path_names::joined;
use super::quoting::quoted;
use super::stat::letter;
use super::stat::links_of;
use crate::assemble::scripts::dates::Date;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{Options, parse};
use crate::assemble::scripts::programs::version_order::versions;
use crate::shell::{Bytes, Errno, Facts, Kind, Stop, World};

const KNOWN: [&str; 26] = [
    "1",
    "a|all",
    "A|almost-all",
    "d|directory",
    "l",
    "n|numeric-uid-gid",
    "g",
    "o",
    "G|no-group",
    "t",
    "S",
    "U",
    "v",
    "r|reverse",
    "R|recursive",
    "L|dereference",
    "H|dereference-command-line",
    "h|human-readable",
    "F|classify?",
    "p",
    "N|literal",
    "q|hide-control-chars",
    "color?",
    "time-style=",
    "full-time",
    "B|ignore-backups",
];
/// Half a year: older times show their year.
const RECENT: i64 = 31_556_952 / 2;

#[derive(Debug)]
struct Wish {
    hidden: Hidden,
    directories: bool,
    long: bool,
    numeric: bool,
    owner: bool,
    group: bool,
    sort: Sort,
    reverse: bool,
    recursive: bool,
    follow: bool,
    follow_operands: bool,
    human: bool,
    marks: Marks,
    backups: bool,
    times: Times,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    No,
    AllButDots,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Name,
    Time,
    Size,
    Version,
}

/// How times are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Times {
    Locale,
    /// In the words of strftime.
    Format(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marks {
    None,
    Directories,
    Kinds,
}

#[derive(Debug)]
struct Item {
    name: Bytes,
    path: Bytes,
    facts: Facts,
}

pub(super) fn ls(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &KNOWN, true)?;
    if options.value("color").is_some_and(|when| when.is_empty() || when == b"always") {
        return call.unsupported("colours");
    }
    let times = match (options.text("time-style"), options.has("full-time")) {
        (None, false) => Times::Locale,
        (None, true) => Times::Format("%Y-%m-%d %H:%M:%S.000000000 +0000".to_owned()),
        (Some(style), _) => match style.as_str() {
            "locale" | "posix-locale" => Times::Locale,
            "long-iso" => Times::Format("%Y-%m-%d %H:%M".to_owned()),
            "full-iso" => Times::Format("%Y-%m-%d %H:%M:%S.000000000 +0000".to_owned()),
            style if style.starts_with('+') && Date::of(0).gnu_format(&style.as_bytes()[1..]).is_ok() => {
                Times::Format(style[1..].to_owned())
            }
            _ => return call.unsupported(format!("--time-style={style}")),
        },
    };
    let wish = wish(&options, times);
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    let mut failed = false;
    let here = [b".".to_vec()];
    let operands = if options.operands.is_empty() { &here } else { options.operands.as_slice() };
    for word in operands {
        let path = at(call, word);
        let plain = !wish.long && !wish.directories && wish.marks != Marks::Kinds;
        let facts = match call.machine.files.status(&path, wish.follow || wish.follow_operands) {
            // A link to a directory is that directory, unless the link itself may be meant.
            Ok(facts) if plain && facts.kind == Kind::Symlink => match call.machine.files.status(&path, true) {
                Ok(behind) if behind.kind == Kind::Directory => Ok(behind),
                Ok(_) | Err(Errno::NoEntry) => Ok(facts),
                Err(errno) => Err(errno),
            },
            facts => facts,
        };
        match facts {
            Ok(facts) => {
                let lists = facts.kind == Kind::Directory && !wish.directories;
                let item = Item { name: word.clone(), path, facts };
                if lists { directories.push(item) } else { files.push(item) }
            }
            Err(errno) => complain(call, &mut failed, format!("cannot access {}: {errno}", quoted(word)))?,
        }
    }
    let headers = wish.recursive || operands.len() > 1;
    sort(&wish, &mut files);
    sort(&wish, &mut directories);
    print(call, &wish, &files, &directories)?;
    let mut first = files.is_empty();
    directories.reverse();
    while let Some(directory) = directories.pop() {
        let mut items = list(call, &wish, &directory)?;
        let mut head = Bytes::new();
        if headers {
            head.extend((!first).then_some(b'\n'));
            head.extend([&directory.name, b":\n".as_slice()].concat());
        }
        first = false;
        if wish.long {
            let blocks: u64 = items.iter().map(|item| kibibytes(&item.facts)).sum();
            head.extend(
                format!("total {}\n", if wish.human { human(blocks << 10) } else { blocks.to_string() }).into_bytes(),
            );
        }
        call.out(head)?;
        sort(&wish, &mut items);
        print(call, &wish, &items, &[])?;
        if wish.recursive {
            let below = items.into_iter().filter(|item| item.facts.kind == Kind::Directory);
            let below = below.filter(|item| item.name != b"." && item.name != b"..");
            let below: Vec<Item> =
                below.map(|item| Item { name: joined(&directory.name, &item.name), ..item }).collect();
            directories.extend(below.into_iter().rev());
        }
    }
    Ok(if failed { 2 } else { 0 })
}

fn wish(options: &Options, times: Times) -> Wish {
    let long = ["l", "n", "g", "o", "full-time"].iter().any(|name| options.has(name));
    let hidden = match options.last_of(&["a", "A"]) {
        Some(("a", _)) => Hidden::All,
        Some(_) => Hidden::AllButDots,
        None => Hidden::No,
    };
    let sort = match options.last_of(&["t", "S", "U", "v"]) {
        Some(("t", _)) => Sort::Time,
        Some(("S", _)) => Sort::Size,
        Some(("v", _)) => Sort::Version,
        _ => Sort::Name,
    };
    let marks = match options.last_of(&["F", "p"]) {
        Some(("p", _)) => Marks::Directories,
        Some((_, when)) if when.is_empty() || when == b"always" => Marks::Kinds,
        _ => Marks::None,
    };
    Wish {
        hidden,
        directories: options.has("d"),
        long,
        numeric: options.has("n"),
        owner: !options.has("g"),
        group: !options.has("o") && !options.has("G"),
        sort,
        reverse: options.has("r"),
        recursive: options.has("R") && !options.has("d"),
        follow: options.has("L"),
        follow_operands: options.has("H"),
        human: options.has("h"),
        marks,
        backups: !options.has("B"),
        times,
    }
}

fn sort(wish: &Wish, items: &mut [Item]) {
    items.sort_by(|one, other| {
        let by = match wish.sort {
            Sort::Name => std::cmp::Ordering::Equal,
            Sort::Time => other.facts.mtime.cmp(&one.facts.mtime),
            Sort::Size => other.facts.size.cmp(&one.facts.size),
            Sort::Version => versions(&one.name, &other.name),
        };
        by.then_with(|| one.name.cmp(&other.name))
    });
    if wish.reverse {
        items.reverse();
    }
}

fn list(call: &mut Call, wish: &Wish, directory: &Item) -> Result<Vec<Item>, Stop> {
    let mut names = call.machine.files.list(&directory.path).unwrap_or_default();
    call.machine.spend(1 + names.len() as u64)?;
    if wish.hidden == Hidden::All {
        names.extend([b".".to_vec(), b"..".to_vec()]);
    }
    names.retain(|name| wish.hidden != Hidden::No || !name.starts_with(b"."));
    names.retain(|name| wish.backups || !name.ends_with(b"~"));
    let files = &call.machine.files;
    let item = |name: Bytes| {
        let path = joined(&directory.path, &name);
        let direct = files.facts(&path, false);
        let facts = files.facts(&path, true).filter(|_| wish.follow).or(direct)?;
        Some(Item { name, path, facts })
    };
    Ok(names.into_iter().filter_map(item).collect())
}

/// Prints items; the columns are as wide as those and `others` need.
fn print(call: &mut Call, wish: &Wish, items: &[Item], others: &[Item]) -> Result<(), Stop> {
    let all = items.iter().chain(others).filter(|_| wish.long);
    let rows: Vec<Vec<String>> = all.map(|item| columns(call, wish, item)).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = Bytes::new();
    for (index, item) in items.iter().enumerate() {
        if let Some([mode, links, owners @ .., size, time]) = rows.get(index).map(Vec::as_slice) {
            let mut line = format!("{mode} {links:>0$}", widths.get(1).copied().unwrap_or(0));
            for (at, owner) in owners.iter().enumerate() {
                let width = widths.get(at + 2).copied().unwrap_or(0);
                line.push_str(&if wish.numeric { format!(" {owner:>width$}") } else { format!(" {owner:<width$}") });
            }
            let width = widths.get(owners.len() + 2).copied().unwrap_or(0);
            line.push_str(&format!(" {size:>width$} {time} "));
            text.extend(line.into_bytes());
        }
        text.extend_from_slice(&item.name);
        text.extend(suffix(call, wish, item));
        text.push(b'\n');
    }
    call.out(text)
}

/// What stands behind the name: its mark, and where a link points.
fn suffix(call: &Call, wish: &Wish, item: &Item) -> Bytes {
    let mark = |facts: &Facts| match (wish.marks, facts.kind) {
        (Marks::Directories | Marks::Kinds, Kind::Directory) => "/",
        (Marks::Kinds, Kind::Symlink) => "@",
        (Marks::Kinds, Kind::Fifo) => "|",
        (Marks::Kinds, Kind::File) if facts.mode & 0o111 != 0 => "*",
        _ => "",
    };
    if !wish.long || item.facts.kind != Kind::Symlink {
        return mark(&item.facts).into();
    }
    let target = call.machine.files.target(&item.path).unwrap_or_default();
    let behind = call.machine.files.facts(&item.path, true);
    [b" -> ", target.as_slice(), behind.as_ref().map_or("", mark).as_bytes()].concat()
}

/// Mode, links, owners, size and time of one line of `ls -l`.
fn columns(call: &Call, wish: &Wish, item: &Item) -> Vec<String> {
    let facts = &item.facts;
    let machine = &*call.machine;
    let lists = machine
        .files
        .inode(&item.path, false)
        .is_some_and(|inode| inode.xattrs.keys().any(|name| name.starts_with(b"system.posix_acl_")));
    let mut columns = vec![shown(letter(facts.kind), facts.mode) + if lists { "+" } else { "" }];
    columns.push(links_of(call, &item.path, facts).to_string());
    let name = |name: Option<String>, id: u32| name.filter(|_| !wish.numeric).unwrap_or_else(|| id.to_string());
    columns.extend(wish.owner.then(|| name(user_name(machine, facts.uid), facts.uid)));
    columns.extend(wish.group.then(|| name(group_name(machine, facts.gid), facts.gid)));
    columns.push(match facts.kind {
        Kind::CharDevice | Kind::BlockDevice => device(call, item),
        _ if wish.human => human(facts.size),
        _ => facts.size.to_string(),
    });
    columns.push(match &wish.times {
        Times::Locale => moment(facts.mtime, machine.files.epoch),
        Times::Format(format) => shown_time(facts.mtime, format),
    });
    columns
}

fn device(call: &Call, item: &Item) -> String {
    use crate::tree::Kind::{BlockDevice, CharDevice};
    match call.machine.files.inode(&item.path, true).map(|inode| &inode.kind) {
        Some(CharDevice { major, minor } | BlockDevice { major, minor }) => format!("{major}, {minor}"),
        _ => match call.machine.files.device_numbers(&item.path) {
            Some((major, minor)) => format!("{major}, {minor}"),
            None => String::new(),
        },
    }
}

/// `Sep  9 01:46`, or `Sep  9  2001` if it is not of the last half year.
fn moment(time: i64, now: i64) -> String {
    match time <= now && now.saturating_sub(time) < RECENT {
        true => shown_time(time, "%b %e %H:%M"),
        false => format!("{} {:>5}", shown_time(time, "%b %e"), Date::of(time).year),
    }
}

fn shown_time(time: i64, format: &str) -> String {
    let text = Date::of(time).gnu_format(format.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// Room on a disk with blocks of 4 KiB.
fn kibibytes(facts: &Facts) -> u64 {
    match facts.kind {
        Kind::File => facts.size.div_ceil(4096) * 4,
        Kind::Directory => 4,
        Kind::Symlink if facts.size >= 60 => 4,
        _ => 0,
    }
}

/// `1023`, `1.1K`, `11K`: rounded up.
fn human(size: u64) -> String {
    let mut unit = 1;
    for letter in ["", "K", "M", "G", "T", "P", "E"] {
        let tenths = (size.saturating_mul(10)).div_ceil(unit);
        if unit == 1 && size < 1024 {
            return size.to_string();
        }
        if unit > 1 && tenths < 100 {
            return format!("{}.{}{letter}", tenths / 10, tenths % 10);
        }
        if unit > 1 && size.div_ceil(unit) < 1024 {
            return format!("{}{letter}", size.div_ceil(unit));
        }
        unit <<= 10;
    }
    size.to_string()
}
