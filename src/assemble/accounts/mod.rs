//! Users and groups: who they are, their numbers, and the files in `/etc` that say so.
//!
//! Sources, the earlier one wins: base-passwd's master files or the ones that RPM's `setup` brings, `sysusers.d` of
//! every package and what RPMs provide in its form (fixed ids first), accounts that scripts make, names that RPMs
//! provide and nothing more, the recipe's users. No account has a password, and root none at
//! all; people come in with keys.

pub mod book;
pub(super) mod homes;
pub(super) mod sysusers;

use anyhow::Context;

use self::book::{Accounts, FIRST_PERSON, Group, Texts, User, add};
use self::sysusers::{Id, Line};
use crate::assemble::root::Root;
use crate::base64;
use crate::diag::Diagnostic;
use crate::package::{Family, FileKind, Package, rpm};
use crate::spelling;
use crate::tree::Content;

/// The accounts that are there before anything is unpacked.
pub(crate) fn begin(root: &mut Root) -> anyhow::Result<()> {
    let mut accounts = masters(root)?;
    accounts.given = root.inputs.recipe.system_ids.clone();
    root.accounts = accounts;
    Ok(())
}

/// The rest, after the scripts, which know numbers that `sysusers.d` leaves open.
pub(crate) fn settle(root: &mut Root) -> anyhow::Result<()> {
    let mut accounts = std::mem::take(&mut root.accounts);
    let mut lines = sysusers_lines(root)?;
    let mut named = Vec::new();
    for package in root.packages.clone() {
        let (mut of_package, mut names) = provided(root, package);
        lines.append(&mut of_package);
        named.append(&mut names);
    }
    named.sort_by_key(|line| !matches!(line, Line::Group { .. }));
    book::sort(&mut lines);
    lines.into_iter().chain(named).for_each(|line| add(&mut accounts, line));
    for (name, (other, id)) in &accounts.collisions {
        root.mistakes.push(
            Diagnostic::new("system-id-taken", format!("`{name}` would get the number {id}, which `{other}` has"))
                .help(format!("give it one of its own in the recipe, for ever: `system-ids: {{{name}: 850}}`")),
        );
    }
    for (name, (other, id)) in &accounts.doubles {
        let text = format!("`{name}` is to have the number {id} and no other, and `{other}` has it");
        root.mistakes.push(
            Diagnostic::new("fixed-id-taken", text)
                .help("files of the one would belong to the other: leave one of the packages out, or `drop` it"),
        );
    }
    people(root, &mut accounts);
    root.accounts = accounts;
    Ok(())
}

/// The accounts that an RPM provides, before its files are unpacked.
pub(crate) fn provided_by(root: &mut Root, package: &Package, accounts: &mut Accounts) {
    let (mut lines, _) = provided(root, package);
    book::sort(&mut lines);
    lines.into_iter().for_each(|line| add(accounts, line));
}

/// Makes the account that a file is to belong to, if a package of the image says how and no script did so yet.
pub(crate) fn ensure(root: &mut Root, name: &str, is_user: bool) {
    let known = if is_user { root.accounts.uid(name) } else { root.accounts.gid(name) };
    if name.is_empty() || known.is_some() {
        return;
    }
    let mistakes = root.mistakes.clone();
    let mut lines = sysusers_lines(root).unwrap_or_default();
    for package in root.packages.clone() {
        let (of_package, names) = provided(root, package);
        lines.extend(of_package.into_iter().chain(names));
    }
    // What is wrong with them is told once, by `settle`.
    root.mistakes = mistakes;
    let wanted = lines.into_iter().find(|line| match line {
        Line::User { name: user, .. } => user == name,
        Line::Group { name: group, .. } => !is_user && group == name,
        Line::Member { .. } => false,
    });
    if let Some(line) = wanted {
        add(&mut root.accounts, line);
    }
}

/// The accounts that base-passwd gives every Debian system and `setup` every one of RPMs; without them only root and
/// nobody.
fn masters(root: &Root) -> anyhow::Result<Accounts> {
    let mut accounts = Accounts::default();
    let (passwd, group, nobody, groups) = match root.base {
        Family::Deb => (
            "/usr/share/base-passwd/passwd.master",
            "/usr/share/base-passwd/group.master",
            "nobody:*:65534:65534:nobody:/:/bin/false\n",
            "root:*:0:\nshadow:*:42:\nnogroup:*:65534:\n",
        ),
        Family::Rpm => {
            let nobody = "nobody:x:65534:65534:Kernel Overflow User:/:/sbin/nologin\n";
            ("/etc/passwd", "/etc/group", nobody, "root:x:0:\nnobody:x:65534:\n")
        }
    };
    let passwd = packaged_text(root, passwd)?.unwrap_or(format!("root:*:0:0:root:/root:/bin/sh\n{nobody}"));
    let group = packaged_text(root, group)?.unwrap_or(groups.into());
    for line in group.lines().filter(|line| !line.is_empty()) {
        let [name, _, gid, members] = fields(line)?;
        let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        accounts.groups.insert(name.to_owned(), Group { gid: gid.parse().context(gid.to_owned())?, members });
    }
    for line in passwd.lines().filter(|line| !line.is_empty()) {
        let [name, _, uid, gid, gecos, home, shell] = fields(line)?;
        let user = User {
            uid: uid.parse().context(uid.to_owned())?,
            gid: gid.parse().context(gid.to_owned())?,
            gecos: gecos.to_owned(),
            home: home.to_owned(),
            shell: shell.to_owned(),
            person: false,
        };
        accounts.users.insert(name.to_owned(), user);
    }
    Ok(accounts)
}

fn fields<const N: usize>(line: &str) -> anyhow::Result<[&str; N]> {
    let fields: Vec<&str> = line.split(':').collect();
    fields.try_into().ok().with_context(|| format!("reading the account `{line}`: it needs {N} fields"))
}

/// A file's text straight from the packages: nothing is unpacked yet.
fn packaged_text(root: &Root, path: &str) -> anyhow::Result<Option<String>> {
    let mut found = root.packages.iter().flat_map(|package| files(package)).filter(|(file, _)| file == path);
    let Some((_, content)) = found.next() else { return Ok(None) };
    let bytes = content.read(root.inputs.contents).with_context(|| format!("reading `{path}` of a package"))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn files(package: &Package) -> impl Iterator<Item = (String, Content)> {
    package.files.iter().filter_map(|file| match &file.kind {
        FileKind::File { digest, size } => {
            Some((file.path.to_string(), Content::Stored { digest: *digest, size: *size }))
        }
        _ => None,
    })
}

/// What RPMs provide: lines in the form of sysusers.d, and names of which nothing else is said. rpm from 4.19 on makes
/// the former before it unpacks anything (rpm's docs/manual/users_and_groups.md).
fn provided(root: &mut Root, package: &Package) -> (Vec<Line>, Vec<Line>) {
    let (mut lines, mut named) = (Vec::new(), Vec::new());
    {
        for (_, text) in package.control.iter().filter(|(name, _)| name == rpm::ACCOUNT) {
            let (account, encoded) =
                text.split_once(" = ").map_or((text.as_str(), None), |(name, it)| (name, Some(it)));
            let bare = |kind: &str| account.strip_prefix(kind)?.strip_suffix(')').map(str::to_owned);
            let Some(encoded) = encoded else {
                named.extend(bare("group(").map(|name| Line::Group { name, id: Id::Any }));
                named.extend(bare("user(").map(|name| Line::User {
                    name,
                    id: Id::Any,
                    group: None,
                    gecos: String::new(),
                    home: "/".to_owned(),
                    shell: "/usr/sbin/nologin".to_owned(),
                }));
                continue;
            };
            let line =
                base64::decode(encoded).map(|bytes| String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned());
            match line.and_then(|line| sysusers::parse(&line).map_err(|(_, problem)| problem)) {
                Ok(found) => lines.extend(found),
                Err(problem) => root.mistakes.push(Diagnostic::new(
                    "bad-sysusers",
                    format!("the account `{account}` that {} provides: {problem}", package.id),
                )),
            }
        }
    }
    (lines, named)
}

fn sysusers_lines(root: &mut Root) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for package in root.packages.clone() {
        for (path, content) in files(package) {
            let directory = path.rsplit_once('/').map(|(directory, _)| directory);
            if !matches!(directory, Some("/usr/lib/sysusers.d" | "/lib/sysusers.d" | "/etc/sysusers.d"))
                || !path.ends_with(".conf")
            {
                continue;
            }
            let text = content.read(root.inputs.contents).with_context(|| format!("reading `{path}`"))?;
            match sysusers::parse(&String::from_utf8_lossy(&text)) {
                Ok(found) => lines.extend(found),
                Err((line, problem)) => root.mistakes.push(Diagnostic::new(
                    "bad-sysusers",
                    format!("`{path}` of {}, line {line}: {problem}", package.id),
                )),
            }
        }
    }
    Ok(lines)
}

fn people(root: &mut Root, accounts: &mut Accounts) {
    for user in &root.inputs.recipe.users {
        let taken = user.uid.and_then(|uid| accounts.users.iter().find(|(_, other)| other.uid == uid));
        if let Some((other, _)) = taken.filter(|(other, _)| **other != user.name) {
            root.mistakes.push(
                Diagnostic::new("uid-taken", format!("user `{}` cannot have the uid of `{other}`", user.name))
                    .at(&user.location, format!("`{other}` has uid {}", user.uid.unwrap_or_default()))
                    .help("leave `uid` out, or take another number"),
            );
            continue;
        }
        let free = (FIRST_PERSON..60_000).find(|id| {
            accounts.users.values().all(|other| other.uid != *id)
                && accounts.groups.values().all(|other| other.gid != *id)
        });
        let existing = accounts.users.get(&user.name).map(|user| (user.uid, user.gid));
        let uid = user.uid.or(existing.map(|(uid, _)| uid)).or(free).unwrap_or(FIRST_PERSON);
        let gid = match existing {
            Some((_, gid)) => gid,
            None => accounts.add_group(&user.name, Some(uid)),
        };
        let entry =
            User { uid, gid, gecos: String::new(), home: user.home.clone(), shell: user.shell.clone(), person: true };
        accounts.users.insert(user.name.clone(), entry);
        for group in &user.groups {
            match accounts.groups.get_mut(group) {
                Some(group) => {
                    group.members.insert(user.name.clone());
                }
                None => root.mistakes.push(
                    Diagnostic::new("unknown-group", format!("user `{}` is in no such group: `{group}`", user.name))
                        .at(&user.location, "this user")
                        .help(spelling::nearest_of("groups of this image", group, accounts.groups.keys())),
                ),
            }
        }
    }
}

/// Writes `/etc/passwd`, `group`, `shadow`, `gshadow`, and the empty `subuid` and `subgid`.
pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    let accounts = root.accounts.clone();
    // A fixed day, and never 0, which means "must change the password now".
    let day = (root.inputs.recipe.epoch / 86_400).max(1);
    let Texts { passwd, shadow, group, gshadow } = accounts.texts(day);
    root.file("/etc/passwd", 0o644, passwd)?;
    root.file("/etc/group", 0o644, group)?;
    for path in ["/etc/subuid", "/etc/subgid"] {
        if !root.exists(path) {
            root.file(path, 0o644, "")?;
        }
    }
    // Red Hat's programs read them as root with every capability.
    let mode = if root.base == Family::Rpm { 0 } else { 0o640 };
    for (path, text) in [("/etc/shadow", shadow), ("/etc/gshadow", gshadow)] {
        root.file(path, mode, text)?;
        let (path, gid) = (root.path(path)?, accounts.gid("shadow").unwrap_or_default());
        root.tree.update(&path, |inode| inode.gid = gid)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::tests::World;

    fn group(name: &str, id: Id) -> Line {
        Line::Group { name: name.into(), id }
    }

    #[test]
    fn an_id_does_not_depend_on_who_else_is_there() {
        let mut alone = Accounts::default();
        add(&mut alone, group("frr", Id::Any));
        let mut crowded = Accounts::default();
        for name in ["aaa", "bbb", "kvm"] {
            add(&mut crowded, group(name, Id::Any));
        }
        add(&mut crowded, group("frr", Id::Any));
        assert_eq!(alone.gid("frr"), crowded.gid("frr"));
        assert_eq!(crowded.gid("kvm"), Some(992));
    }

    #[test]
    fn names_that_derive_one_number_collide_unless_the_recipe_gives_one() {
        // Found by trying: both point at the same one of the 600 numbers.
        let number = |name: &str| Accounts::default().free_id(name, book::DERIVED_IDS);
        let names: Vec<String> = (0..100).map(|index| format!("service-{index}")).collect();
        let (one, other) = names
            .iter()
            .flat_map(|one| names.iter().map(move |other| (one, other)))
            .find(|(one, other)| one < other && number(one) == number(other))
            .unwrap();
        let mut accounts = Accounts::default();
        add(&mut accounts, group(one, Id::Any));
        assert!(accounts.collisions.is_empty());
        add(&mut accounts, group(other, Id::Any));
        assert_eq!(accounts.collisions[other], (one.clone(), number(one)));

        let mut accounts = Accounts { given: [(other.clone(), 301)].into(), ..Accounts::default() };
        add(&mut accounts, group(one, Id::Any));
        add(&mut accounts, group(other, Id::Any));
        assert!(accounts.collisions.is_empty());
        assert_eq!((accounts.gid(one), accounts.gid(other)), (Some(number(one)), Some(301)));
    }

    #[test]
    fn mistakes_about_accounts_are_told_by_the_build() {
        let mistakes = |world: &World| {
            let error = world.assemble().unwrap_err();
            let mistakes = error.downcast::<crate::diag::Diagnostics>().unwrap().0;
            mistakes.into_iter().map(|mistake| format!("{} [{}]", mistake.title, mistake.slug)).collect::<Vec<_>>()
        };
        let mut world = World::new();
        let number = |name: &str| Accounts::default().free_id(name, book::DERIVED_IDS);
        let names: Vec<String> = (0..100).map(|index| format!("service-{index}")).collect();
        let same = |one: &&String| names.iter().any(|other| *one < other && number(one) == number(other));
        let one = names.iter().find(same).unwrap();
        let other = names.iter().rfind(|other| number(one) == number(other)).unwrap();
        world.package("one", &[("/usr/lib/sysusers.d/x.conf", &format!("g {one} -\ng {other} -\n"))]);
        let taken = format!("`{other}` would get the number {}, which `{one}` has [system-id-taken]", number(one));
        assert_eq!(mistakes(&world), [taken]);
        world.packages.pop();
        world.package("two", &[("/usr/lib/sysusers.d/y.conf", "g fine -\nq odd -\n")]);
        let bad =
            "`/usr/lib/sysusers.d/y.conf` of two 1.0, line 2: the type `q` is none of u, u!, g, m, r [bad-sysusers]";
        assert_eq!(mistakes(&world), [bad]);
        world.packages.pop();
        world.recipe.users.push(crate::recipe::User {
            name: "ops".into(),
            uid: None,
            groups: vec!["wheel-of-time".into()],
            shell: "/bin/bash".into(),
            home: "/home/ops".into(),
            ssh_authorized_keys: vec![],
            location: crate::assemble::tests::location(),
        });
        assert_eq!(mistakes(&world), ["user `ops` is in no such group: `wheel-of-time` [unknown-group]"]);
    }

    #[test]
    fn a_fixed_number_that_somebody_has_is_a_mistake_that_names_both() {
        let mut world = World::new();
        let conf = "/usr/lib/sysusers.d/x.conf";
        world.package("one", &[(conf, "u dupa 778\ng tape 779\n# again\nu dupa 778\nu other 65534:nogroup\n")]);
        world.package("two", &[("/usr/lib/sysusers.d/y.conf", "u dupb 778\ng disk 779\nu owner 779\nu fine 780\n")]);
        let error = world.assemble().unwrap_err();
        let mistakes = &error.downcast_ref::<crate::diag::Diagnostics>().unwrap().0;
        assert!(mistakes.iter().all(|mistake| mistake.slug == "fixed-id-taken"));
        let expected = [
            "`dupb` is to have the number 778 and no other, and `dupa` has it",
            "`other` is to have the number 65534 and no other, and `nobody` has it",
            "`owner` is to have the number 779 and no other, and `disk` has it",
            "`tape` is to have the number 779 and no other, and `disk` has it",
        ];
        assert_eq!(mistakes.iter().map(|mistake| mistake.title.as_str()).collect::<Vec<_>>(), expected);
        world.packages.pop();
        world.packages.pop();
        world.package("one", &[(conf, "u dupa 778\ng dupa 778\nu second 779:778\ng nobody 65534\n")]);
        assert!(world.assemble().is_ok());
    }

    #[test]
    fn a_user_takes_its_own_group_and_its_number() {
        let mut accounts = Accounts::default();
        add(&mut accounts, group("messagebus", Id::Exactly(200)));
        let line = sysusers::parse("u messagebus - \"System Message Bus\" /nonexistent\n").unwrap().remove(0);
        add(&mut accounts, line);
        assert_eq!(accounts.users["messagebus"].uid, 200);
        assert_eq!(accounts.users["messagebus"].gid, 200);
        let line = sysusers::parse("u sshd -:nogroup x /run/sshd\n").unwrap().remove(0);
        add(&mut accounts, line);
        assert_eq!((accounts.users["sshd"].uid, accounts.users["sshd"].gid), (988, 65534));
        assert!(!accounts.groups.contains_key("sshd"));
    }
}
