//! Users and groups: Debian's adduser, shadow's useradd, and the questions about both.
//!
//! All of them change the one book of accounts ([`Accounts`](crate::assemble::accounts::book::Accounts)), whose numbers
//! do not depend on what else is in the image, and the files of `/etc` follow it. Nobody gets a password. Semantics:
//! adduser(8), useradd(8) and their kin; oracle: the real programs in a chroot.

use super::call::Call;
use super::options::{Options, parse};
use super::row::Row;
use crate::assemble::accounts::book::{self, Group};
use crate::assemble::accounts::sysusers::{self, GroupReference, Id, Line};
use crate::shell::{Errno, Stop};

pub const ROWS: &[Row] = &[
    Row::native("adduser", adduser, "makes the account in the image's own book, with a number that its name decides"),
    Row::native("addgroup", adduser, "makes the group in the image's own book, with a number that its name decides"),
    Row::native("deluser", deluser, "takes the account out of the image's book"),
    Row::native("delgroup", deluser, "takes the group out of the image's book"),
    Row::native("useradd", useradd, "makes the account in the image's own book, with a number that its name decides"),
    Row::native("groupadd", groupadd, "makes the group in the image's own book, with a number that its name decides"),
    Row::native("usermod", usermod, "changes the account in the image's book"),
    Row::native("groupmod", groupmod, "changes the group in the image's book"),
    Row::native("userdel", userdel, "takes the account out of the image's book"),
    Row::native("groupdel", groupdel, "takes the group out of the image's book"),
    Row::native("gpasswd", gpasswd, "changes who is in a group"),
    Row::native("chsh", chsh, "changes the account's shell"),
    Row::native("chfn", chfn, "changes the account's comment"),
    Row::native("getent", getent, "asks the image's book of accounts"),
    Row::native("id", id, "asks the image's book of accounts; scripts run as root"),
    Row::native("groups", groups, "asks the image's book of accounts"),
    Row::native("systemd-sysusers", sysusers_program, "makes the accounts of the files that it names"),
    Row::answer("whoami", 0, "root\n", "scripts run as root"),
    Row::answer("logname", 1, "", "nobody is logged in"),
    Row::answer("users", 0, "", "nobody is logged in"),
    Row::answer("who", 0, "", "nobody is logged in"),
    Row::nothing("pwconv", "the image's shadow files are always complete"),
    Row::nothing("grpconv", "the image's shadow files are always complete"),
    Row::nothing("shadowconfig", "the image's shadow files are always complete"),
    Row::nothing("pwck", "the image's account files are written whole"),
    Row::nothing("grpck", "the image's account files are written whole"),
    Row::nothing("nscd", "no name service cache runs"),
    Row::nothing("sss_cache", "no name service cache runs"),
    Row::nothing("chage", "no account has a password that could age"),
    Row::native("passwd", passwd, "locking is what every account of an image is; passwords are refused"),
    Row::done("update-passwd", "the builder writes base-passwd's accounts"),
    Row::refuse("chpasswd", "an image has no passwords: people come in with keys"),
    Row::refuse("newusers", "an image has no passwords: people come in with keys"),
];

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// Names as Debian and Red Hat allow them for the system's own accounts.
fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !name.is_empty() && name.len() <= 32 && name.bytes().all(letter) && !name.starts_with(['-', '.'])
}

fn number(call: &Call, option: &str, value: &str) -> Result<u32, Stop> {
    value.parse().or_else(|_| call.unsupported(format!("`{value}` for {option}")))
}

/// Writes the account files again, after the book has changed.
fn changed(call: &mut Call) -> Result<u8, Stop> {
    call.machine.write_accounts()?;
    Ok(0)
}

const ADDUSER: &[&str] = &[
    "system",
    "group",
    "home=",
    "shell=",
    "no-create-home",
    "uid=",
    "gid=",
    "firstuid=",
    "lastuid=",
    "firstgid=",
    "lastgid=",
    "ingroup=",
    "gecos|comment=",
    "disabled-password",
    "disabled-login",
    "q|quiet",
    "f|force-badname|allow-badname|allow-bad-names",
    "allow-all-names",
    "debug",
    "verbose",
    "conf=",
    "c=",
    "add-extra-groups",
    "stdoutmsglevel=",
    "stderrmsglevel=",
    "logmsglevel=",
    "home-dir=",
];

fn adduser(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, ADDUSER, true)?;
    let names: Vec<String> = options.operands.iter().map(|word| text(word)).collect();
    let group_only = call.name == "addgroup" || options.has("group") && !options.has("system");
    match (names.as_slice(), group_only) {
        ([user, group], _) => join(call, user, group),
        ([name], _) if !is_name(name) => call.fail(1, format!("the name `{name}` is not allowed")),
        ([name], true) => add_group(call, name, &options),
        ([name], false) if options.has("system") => add_system_user(call, name, &options),
        ([_], false) => {
            call.unsupported("an account of a person: `users` in the recipe or the node's metadata makes those")
        }
        _ => call.fail(1, "one or two names are wanted"),
    }
}

/// `adduser USER GROUP`
fn join(call: &mut Call, user: &str, group: &str) -> Result<u8, Stop> {
    if !call.machine.accounts.users.contains_key(user) {
        return call.fail(1, format!("The user `{user}' does not exist."));
    }
    let Some(Group { members, .. }) = call.machine.accounts.groups.get_mut(group) else {
        return call.fail(1, format!("The group `{group}' does not exist."));
    };
    members.insert(user.to_owned());
    changed(call)
}

fn add_group(call: &mut Call, name: &str, options: &Options) -> Result<u8, Stop> {
    if call.machine.accounts.groups.contains_key(name) {
        return Ok(if options.has("system") { 0 } else { 1 });
    }
    let id = match options.text("gid") {
        Some(gid) => Id::Exactly(number(call, "--gid", &gid)?),
        None => Id::Any,
    };
    book::add(&mut call.machine.accounts, Line::Group { name: name.to_owned(), id });
    changed(call)
}

fn add_system_user(call: &mut Call, name: &str, options: &Options) -> Result<u8, Stop> {
    let accounts = &call.machine.accounts;
    if accounts.users.contains_key(name) {
        return Ok(0);
    }
    let group = match (options.text("ingroup"), options.text("gid")) {
        (Some(group), _) if accounts.gid(&group).is_none() => {
            return call.fail(1, format!("The group `{group}' does not exist."));
        }
        (Some(group), _) => Some(GroupReference::Name(group)),
        (None, Some(gid)) => Some(GroupReference::Id(number(call, "--gid", &gid)?)),
        (None, None) if options.has("group") => None,
        (None, None) => Some(GroupReference::Name("nogroup".to_owned())),
    };
    let id = match options.text("uid") {
        Some(uid) => Id::Exactly(number(call, "--uid", &uid)?),
        None => Id::Any,
    };
    let home = options.text("home").unwrap_or_else(|| "/nonexistent".to_owned());
    let line = Line::User {
        name: name.to_owned(),
        id,
        group,
        gecos: options.text("gecos").unwrap_or_default(),
        home: home.clone(),
        shell: options.text("shell").unwrap_or_else(|| "/usr/sbin/nologin".to_owned()),
    };
    book::add(&mut call.machine.accounts, line);
    if !options.has("no-create-home") && home != "/nonexistent" {
        make_home(call, name, &home, 0o755)?;
    }
    changed(call)
}

/// A home that is not there yet, for `name` alone to write to.
fn make_home(call: &mut Call, name: &str, home: &str, mode: u16) -> Result<(), Stop> {
    let accounts = &call.machine.accounts;
    let (Some(user), path) = (accounts.users.get(name), home.as_bytes()) else { return Ok(()) };
    let (uid, gid) = (user.uid, user.gid);
    if call.machine.files.exists(path) {
        return Ok(());
    }
    if let Err(errno) = call.machine.files.make_directories(path, mode) {
        return call.error(format!("cannot make the home {home}: {errno}"));
    }
    let _: Result<(), Errno> =
        call.machine.files.update(path, true, |inode| (inode.mode, inode.uid, inode.gid) = (mode, uid, gid));
    Ok(())
}

const DELUSER: &[&str] = &[
    "system",
    "group",
    "q|quiet",
    "remove-home",
    "remove-all-files",
    "backup",
    "backup-to=",
    "force",
    "only-if-empty",
    "conf=",
    "debug",
    "verbose",
];

fn deluser(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, DELUSER, true)?;
    let names: Vec<String> = options.operands.iter().map(|word| text(word)).collect();
    let system = options.has("system");
    match names.as_slice() {
        [user, group] => {
            let members = call.machine.accounts.groups.get_mut(group).map(|group| &mut group.members);
            if !members.is_some_and(|members| members.remove(user)) {
                return call.fail(6, format!("the user `{user}' is not a member of group `{group}'."));
            }
            changed(call)
        }
        [name] if call.name == "delgroup" || options.has("group") => match call.machine.accounts.groups.remove(name) {
            Some(_) => changed(call),
            None if system => Ok(0),
            None => call.fail(3, format!("The group `{name}' does not exist.")),
        },
        [name] => match remove_user(call, name) {
            true => changed(call),
            false if system => Ok(0),
            false => call.fail(2, format!("The user `{name}' does not exist.")),
        },
        _ => call.fail(1, "one or two names are wanted"),
    }
}

/// Takes a user out, and its own group if nobody else is in it.
fn remove_user(call: &mut Call, name: &str) -> bool {
    let accounts = &mut call.machine.accounts;
    let Some(user) = accounts.users.remove(name) else { return false };
    for group in accounts.groups.values_mut() {
        group.members.remove(name);
    }
    let own = accounts.groups.get(name).is_some_and(|group| group.gid == user.gid && group.members.is_empty());
    if own && accounts.users.values().all(|other| other.gid != user.gid) {
        accounts.groups.remove(name);
    }
    true
}

const USERADD: &[&str] = &[
    "r|system",
    "g|gid=",
    "s|shell=",
    "d|home-dir|home=",
    "c|comment=",
    "u|uid=",
    "M|no-create-home",
    "m|create-home",
    "N|no-user-group",
    "U|user-group",
    "o|non-unique",
    "G|groups=",
    "l|no-log-init",
    "k|skel=",
    "K|key=",
    "b|base-dir=",
    "F|add-subids-for-system",
    "R|root=",
    "P|prefix=",
    "badname|badnames",
    "Z|selinux-user=",
    "n",
    "e|expiredate=",
    "f|inactive=",
];

fn useradd(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, USERADD, true)?;
    let [name] = options.operands.as_slice() else { return call.fail(2, "one name is wanted") };
    let name = text(name);
    if !is_name(&name) {
        return call.fail(3, format!("invalid user name '{name}'"));
    }
    if call.machine.accounts.users.contains_key(&name) {
        return call.fail(9, format!("user '{name}' already exists"));
    }
    if !options.has("r") && !options.has("u") && !options.has("g") {
        return call.unsupported("an account of a person: `users` in the recipe or the node's metadata makes those");
    }
    let id = match options.text("u") {
        Some(uid) => Id::Exactly(number(call, "-u", &uid)?),
        None => Id::Any,
    };
    let group = match options.text("g") {
        Some(group) => match find_group(call, &group) {
            Some(gid) => Some(GroupReference::Id(gid)),
            None => return call.fail(6, format!("group '{group}' does not exist")),
        },
        None if options.has("N") || options.has("n") => {
            // GROUP of /etc/default/useradd: 100 is `users` with both families.
            Some(GroupReference::Id(call.machine.accounts.gid("users").unwrap_or(100)))
        }
        None if call.machine.accounts.groups.contains_key(&name) => {
            return call.fail(9, format!("group {name} exists - if you want to add this user to that group, use -g."));
        }
        None => None,
    };
    let mut more = Vec::new();
    for group in options.text("G").iter().flat_map(|list| list.split(',')).filter(|group| !group.is_empty()) {
        if !call.machine.accounts.groups.contains_key(group) {
            return call.fail(6, format!("group '{group}' does not exist"));
        }
        more.push(group.to_owned());
    }
    let base = options.text("b").unwrap_or_else(|| "/home".to_owned());
    let home = options.text("d").unwrap_or_else(|| format!("{base}/{name}"));
    let shell = options.text("s").unwrap_or_else(|| default_shell(call));
    let gecos = options.text("c").unwrap_or_default();
    let line = Line::User { name: name.clone(), id, group, gecos, home: home.clone(), shell };
    book::add(&mut call.machine.accounts, line);
    for group in more {
        book::add(&mut call.machine.accounts, Line::Member { user: name.clone(), group });
    }
    if options.has("m") && !options.has("M") {
        make_home(call, &name, &home, 0o700)?;
    }
    changed(call)
}

/// `SHELL` of /etc/default/useradd.
fn default_shell(call: &Call) -> String {
    let text = call.machine.files.read(b"/etc/default/useradd").ok().and_then(Result::ok).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let shell = text.lines().rev().find_map(|line| line.trim().strip_prefix("SHELL=").map(str::to_owned));
    shell.unwrap_or_else(|| "/bin/sh".to_owned())
}

/// A group by name or number.
fn find_group(call: &Call, group: &str) -> Option<u32> {
    let accounts = &call.machine.accounts;
    let known = |gid: &u32| accounts.groups.values().any(|group| group.gid == *gid);
    accounts.gid(group).or_else(|| group.parse().ok().filter(known))
}

const GROUPADD: &[&str] =
    &["r|system", "g|gid=", "f|force", "o|non-unique", "K|key=", "p|password=", "R|root=", "P|prefix=", "U|users="];

fn groupadd(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, GROUPADD, true)?;
    let [name] = options.operands.as_slice() else { return call.fail(2, "one name is wanted") };
    let name = text(name);
    if !is_name(&name) {
        return call.fail(3, format!("'{name}' is not a valid group name"));
    }
    if call.machine.accounts.groups.contains_key(&name) {
        return if options.has("f") { Ok(0) } else { call.fail(9, format!("group '{name}' already exists")) };
    }
    let id = match options.text("g") {
        Some(gid) => Id::Exactly(number(call, "-g", &gid)?),
        None => Id::Any,
    };
    book::add(&mut call.machine.accounts, Line::Group { name, id });
    changed(call)
}

const USERMOD: &[&str] = &[
    "a|append",
    "G|groups=",
    "g|gid=",
    "u|uid=",
    "d|home=",
    "m|move-home",
    "c|comment=",
    "s|shell=",
    "L|lock",
    "U|unlock",
    "l|login=",
    "e|expiredate=",
    "f|inactive=",
    "o|non-unique",
    "r|remove",
    "R|root=",
    "P|prefix=",
    "Z|selinux-user=",
    "p|password=",
    "add-subuids|v=",
    "add-subgids|w=",
];

fn usermod(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, USERMOD, true)?;
    let [name] = options.operands.as_slice() else { return call.fail(2, "one name is wanted") };
    let name = text(name);
    if !call.machine.accounts.users.contains_key(&name) {
        return call.fail(6, format!("user '{name}' does not exist"));
    }
    for (option, file) in [("add-subuids", "/etc/subuid"), ("add-subgids", "/etc/subgid")] {
        if let Some(range) = options.text(option) {
            subordinate(call, &name, file, &range)?;
        }
    }
    if let Some(what) = ["l", "p"].into_iter().find(|option| options.has(option)) {
        return call.unsupported(format!("the option `-{what}`"));
    }
    let gid = match options.text("g") {
        Some(group) => match find_group(call, &group) {
            Some(gid) => Some(gid),
            None => return call.fail(6, format!("group '{group}' does not exist")),
        },
        None => None,
    };
    let uid = options.text("u").map(|uid| number(call, "-u", &uid)).transpose()?;
    let wanted: Option<Vec<String>> =
        options.text("G").map(|list| list.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect());
    if let Some(group) = wanted.iter().flatten().find(|group| !call.machine.accounts.groups.contains_key(*group)) {
        return call.fail(6, format!("group '{group}' does not exist"));
    }
    let accounts = &mut call.machine.accounts;
    if let Some(groups) = &wanted {
        for (other, group) in &mut accounts.groups {
            match (groups.contains(other), options.has("r")) {
                (true, false) => _ = group.members.insert(name.clone()),
                (true, true) => _ = group.members.remove(&name),
                (false, _) if !options.has("a") && !options.has("r") => _ = group.members.remove(&name),
                _ => {}
            }
        }
    }
    let old = accounts.users.get(&name).map(|user| user.home.clone()).unwrap_or_default();
    if let Some(user) = accounts.users.get_mut(&name) {
        user.gid = gid.unwrap_or(user.gid);
        user.uid = uid.unwrap_or(user.uid);
        for (option, field) in [("d", &mut user.home), ("c", &mut user.gecos), ("s", &mut user.shell)] {
            if let Some(value) = options.text(option) {
                *field = value;
            }
        }
    }
    if let Some(new) = options.text("d").filter(|new| options.has("m") && *new != old)
        && call.machine.files.is_directory(old.as_bytes())
        && let Err(errno) = call.machine.files.rename(old.as_bytes(), new.as_bytes())
    {
        call.error(format!("cannot rename directory {old} to {new}: {errno}"))?;
        return Ok(12);
    }
    changed(call)
}

/// `NAME:FIRST:COUNT` from `FIRST-LAST`, at the end of the file.
fn subordinate(call: &mut Call, name: &str, file: &str, range: &str) -> Result<(), Stop> {
    let bounds = range.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    let Some((first, last)) = bounds.filter(|(first, last): &(u64, u64)| first <= last) else {
        return call.unsupported(format!("the range `{range}`"));
    };
    let mut text = call.machine.files.read(file.as_bytes())?.unwrap_or_default();
    text.extend(format!("{name}:{first}:{}\n", last - first + 1).into_bytes());
    match call.machine.files.put(file.as_bytes(), text, 0o644) {
        Ok(()) => Ok(()),
        Err(errno) => call.error(format!("{file}: {errno}")),
    }
}

fn chfn(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["f|full-name=", "r|room=", "w|work-phone=", "h|home-phone=", "o|other="], true)?;
    let [name] = options.operands.as_slice() else { return call.unsupported("being called without a name") };
    let name = text(name);
    let Some(user) = call.machine.accounts.users.get_mut(&name) else {
        return call.fail(1, format!("user '{name}' does not exist"));
    };
    let mut fields: Vec<String> = user.gecos.split(',').map(str::to_owned).collect();
    fields.resize(fields.len().max(4), String::new());
    for (at, option) in ["f", "r", "w", "h", "o"].into_iter().enumerate() {
        if let Some(value) = options.text(option) {
            fields.resize(fields.len().max(at + 1), String::new());
            fields[at] = value;
        }
    }
    user.gecos = fields.join(",");
    changed(call)
}

fn groupmod(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["g|gid=", "o|non-unique", "n|new-name=", "R|root=", "P|prefix="], true)?;
    let [name] = options.operands.as_slice() else { return call.fail(2, "one name is wanted") };
    let name = text(name);
    let gid = options.text("g").map(|gid| number(call, "-g", &gid)).transpose()?;
    let Some(mut group) = call.machine.accounts.groups.remove(&name) else {
        return call.fail(6, format!("group '{name}' does not exist"));
    };
    group.gid = gid.unwrap_or(group.gid);
    call.machine.accounts.groups.insert(options.text("n").unwrap_or(name), group);
    changed(call)
}

fn userdel(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["r|remove", "f|force", "R|root=", "P|prefix=", "Z|selinux-user"], true)?;
    let [name] = options.operands.as_slice() else { return call.fail(2, "one name is wanted") };
    let name = text(name);
    match remove_user(call, &name) {
        true => changed(call),
        false => call.fail(6, format!("user '{name}' does not exist")),
    }
}

fn groupdel(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["f|force", "R|root=", "P|prefix="], true)?;
    let [name] = options.operands.as_slice() else { return call.fail(2, "one name is wanted") };
    let name = text(name);
    let accounts = &mut call.machine.accounts;
    let Some(gid) = accounts.gid(&name) else { return call.fail(6, format!("group '{name}' does not exist")) };
    if let Some((user, _)) = accounts.users.iter().find(|(_, user)| user.gid == gid).filter(|_| !options.has("f")) {
        let user = user.clone();
        return call.fail(8, format!("cannot remove the primary group of user '{user}'"));
    }
    accounts.groups.remove(&name);
    changed(call)
}

fn gpasswd(call: &mut Call) -> Result<u8, Stop> {
    let options =
        parse(call, &["a|add=", "d|delete=", "M|members=", "r|remove-password", "R|restrict", "Q|root="], true)?;
    let [group] = options.operands.as_slice() else { return call.fail(2, "one group is wanted") };
    let group = text(group);
    let Some(Group { members, .. }) = call.machine.accounts.groups.get_mut(&group) else {
        return call.fail(3, format!("group '{group}' does not exist in /etc/group"));
    };
    if let Some(user) = options.text("a") {
        members.insert(user);
    }
    if let Some(user) = options.text("d") {
        members.remove(&user);
    }
    if let Some(list) = options.text("M") {
        *members = list.split(',').map(str::to_owned).collect();
    }
    changed(call)
}

fn chsh(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["s|shell=", "R|root="], true)?;
    let (Some(shell), [name]) = (options.text("s"), options.operands.as_slice()) else {
        return call.unsupported("being asked without `-s` and a name");
    };
    let name = text(name);
    match call.machine.accounts.users.get_mut(&name) {
        Some(user) => user.shell = shell,
        None => return call.fail(1, format!("user '{name}' does not exist")),
    }
    changed(call)
}

fn passwd(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["l|lock", "u|unlock", "d|delete", "e|expire", "S|status", "q|quiet"], true)?;
    if !options.has("l") {
        return call.unsupported("anything but `-l`: an image has no passwords, people come in with keys");
    }
    call.note("nothing", "every account of an image is locked");
    Ok(0)
}

fn getent(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["s|service=", "i|no-idn"], false)?;
    let words: Vec<String> = options.operands.iter().map(|word| text(word)).collect();
    let Some((database, keys)) = words.split_first() else { return call.fail(1, "a database is wanted") };
    let texts = call.machine.accounts.texts(1);
    let whole = match database.as_str() {
        "passwd" => &texts.passwd,
        "group" => &texts.group,
        "shadow" => &texts.shadow,
        "gshadow" => &texts.gshadow,
        // There is no network: only the files know anything.
        "hosts" | "ahosts" | "networks" | "services" | "protocols" => return file_database(call, database, keys),
        _ => return call.unsupported(format!("the database `{database}`")),
    };
    if keys.is_empty() {
        call.out(whole.clone())?;
        return Ok(0);
    }
    let mut status = 0;
    for key in keys {
        let numeric = key.bytes().all(|byte| byte.is_ascii_digit());
        let fits = |line: &&str| {
            let mut fields = line.split(':');
            let name = fields.next();
            if numeric { fields.nth(1) == Some(key) } else { name == Some(key) }
        };
        match whole.lines().find(fits) {
            Some(line) => call.out(format!("{line}\n"))?,
            None => status = 2,
        }
    }
    Ok(status)
}

/// Lines of `/etc/services` and its like, by name or number.
fn file_database(call: &mut Call, database: &str, keys: &[String]) -> Result<u8, Stop> {
    let bytes = call.machine.files.read(format!("/etc/{database}").as_bytes())?.unwrap_or_default();
    let whole = String::from_utf8_lossy(&bytes).into_owned();
    let mut status = 0;
    for key in keys {
        let fits = |line: &&str| {
            let words = line.split('#').next().unwrap_or_default().split_whitespace();
            words.clone().any(|word| word == key)
                || words.clone().nth(1).is_some_and(|it| it == key || it.split('/').next() == Some(key))
        };
        match whole.lines().find(fits) {
            Some(line) => call.out(format!("{line}\n"))?,
            None => status = 2,
        }
    }
    Ok(status)
}

fn id(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["u|user", "g|group", "G|groups", "n|name", "r|real", "z|zero"], true)?;
    let name = options.operands.first().map_or("root".to_owned(), |word| text(word));
    let accounts = &call.machine.accounts;
    let by_number = || {
        let uid: u32 = name.parse().ok()?;
        accounts.users.iter().find(|(_, user)| user.uid == uid)
    };
    let Some((name, user)) = accounts.users.get_key_value(&name).or_else(by_number) else {
        return call.fail(1, format!("‘{name}’: no such user"));
    };
    let group_name =
        |gid: u32| accounts.groups.iter().find(|(_, group)| group.gid == gid).map(|(name, _)| name.clone());
    let mut gids = vec![user.gid];
    let mut others: Vec<u32> = accounts
        .groups
        .values()
        .filter(|group| group.members.contains(name) && group.gid != user.gid)
        .map(|group| group.gid)
        .collect();
    others.sort_unstable();
    gids.extend(others);
    let group =
        |gid: u32| if options.has("n") { group_name(gid).unwrap_or_else(|| gid.to_string()) } else { gid.to_string() };
    let line = if options.has("u") {
        if options.has("n") { name.clone() } else { user.uid.to_string() }
    } else if options.has("g") {
        group(user.gid)
    } else if options.has("G") {
        gids.iter().map(|gid| group(*gid)).collect::<Vec<_>>().join(" ")
    } else {
        let named = |gid: &u32| format!("{gid}({})", group_name(*gid).unwrap_or_default());
        let list = gids.iter().map(named).collect::<Vec<_>>().join(",");
        format!("uid={}({name}) gid={} groups={list}", user.uid, named(&user.gid))
    };
    call.out(format!("{line}\n"))?;
    Ok(0)
}

fn groups(call: &mut Call) -> Result<u8, Stop> {
    let name = call.word(0).unwrap_or("root").to_owned();
    let accounts = &call.machine.accounts;
    let Some(user) = accounts.users.get(&name) else { return call.fail(1, format!("‘{name}’: no such user")) };
    let mut found: Vec<(u32, &String)> = accounts
        .groups
        .iter()
        .filter(|(_, group)| group.gid == user.gid || group.members.contains(&name))
        .map(|(other, group)| (if group.gid == user.gid { 0 } else { group.gid }, other))
        .collect();
    found.sort_unstable();
    let list = found.into_iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" ");
    let line = if call.words.is_empty() { format!("{list}\n") } else { format!("{name} : {list}\n") };
    call.out(line)?;
    Ok(0)
}

/// Where `systemd-sysusers` looks for a file that is given by its name.
const SYSUSERS: [&str; 4] = ["/etc/sysusers.d", "/run/sysusers.d", "/usr/local/lib/sysusers.d", "/usr/lib/sysusers.d"];

pub(super) fn sysusers_program(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["replace=", "inline", "root=", "no-pager", "cat-config", "tldr", "dry-run"], true)?;
    if options.has("dry-run") || options.has("cat-config") {
        return Ok(0);
    }
    let mut texts: Vec<(String, String)> = Vec::new();
    if options.has("inline") {
        texts.extend(options.operands.iter().map(|line| ("a line".to_owned(), text(line))));
    } else if options.operands.is_empty() {
        texts.extend(all_sysusers(call)?);
    }
    for word in options.operands.iter().filter(|_| !options.has("inline")) {
        let name = text(word);
        if name == "-" {
            texts.push((name, text(&call.input())));
            continue;
        }
        let places = match name.starts_with('/') {
            true => vec![name.clone()],
            false => SYSUSERS.iter().map(|directory| format!("{directory}/{name}")).collect(),
        };
        let mut found = None;
        for place in places {
            if let Ok(bytes) = call.machine.files.read(place.as_bytes())? {
                found = Some(text(&bytes));
                break;
            }
        }
        match found {
            Some(found) => texts.push((name, found)),
            None => return call.fail(1, format!("Failed to open '{name}': No such file or directory")),
        }
    }
    let mut lines = Vec::new();
    for (name, text) in texts {
        match sysusers::parse(&text) {
            Ok(found) => lines.extend(found),
            Err((line, problem)) => return call.unsupported(format!("line {line} of {name}: {problem}")),
        }
    }
    book::sort(&mut lines);
    lines.into_iter().for_each(|line| book::add(&mut call.machine.accounts, line));
    changed(call)
}

/// Every file of sysusers.d; a name in an earlier directory hides the same name in a later one.
fn all_sysusers(call: &Call) -> Result<Vec<(String, String)>, Stop> {
    let mut found = std::collections::BTreeMap::new();
    for directory in SYSUSERS {
        for name in call.machine.files.list(directory.as_bytes()).unwrap_or_default() {
            let (path, name) = (format!("{directory}/{}", text(&name)), text(&name));
            if name.ends_with(".conf")
                && !found.contains_key(&name)
                && let Ok(bytes) = call.machine.files.read(path.as_bytes())?
            {
                found.insert(name, text(&bytes));
            }
        }
    }
    Ok(found.into_iter().collect())
}
