//! What the packages' scripts would have changed in files, done on the tree.
//!
//! Accounts, units, alternatives and whole subjects have steps of their own; here is the rest: directories, links,
//! copies, owners, and the list of login shells.

use anyhow::Context;

use super::root::Root;
use super::scripts::{DirectoryEffect, Effect, OwnerEffect};
use crate::diag::Diagnostic;
use crate::package::Family;
use crate::tree::{Inode, Kind, TreePath};

pub(crate) fn apply(root: &mut Root) -> anyhow::Result<()> {
    for effect in root.effects.clone() {
        match &effect {
            Effect::Directory(directory) => make_directory(root, directory)?,
            Effect::Symlink { path, target } => make_symlink(root, path, target)?,
            Effect::Copy { from, to } => copy(root, from, to)?,
            Effect::File { path, text } => {
                if !root.exists(path) {
                    root.file(path, 0o644, text.as_str())?;
                }
            }
            Effect::Owner(owner) => change_owner(root, owner)?,
            Effect::Enable(_)
            | Effect::Preset(_)
            | Effect::PresetAll(_)
            | Effect::Account(_)
            | Effect::SkeletonDirectory(_)
            | Effect::SkeletonLink { .. }
            | Effect::Sysusers(_)
            | Effect::Tmpfiles(_)
            | Effect::Alternative(_)
            | Effect::SystemGroup(_)
            | Effect::SystemUser(_)
            | Effect::LoginShell(_)
            | Effect::Step(_) => {}
        }
    }
    shells(root)
}

fn octal(mode: &str) -> anyhow::Result<u16> {
    u16::from_str_radix(mode, 8).with_context(|| format!("reading the mode `{mode}`"))
}

fn make_directory(root: &mut Root, directory: &DirectoryEffect) -> anyhow::Result<()> {
    if root.exists(&directory.path) {
        return Ok(());
    }
    let gid = root.accounts.gid(&directory.group);
    let gid = gid.with_context(|| format!("looking up the group `{}` of {}", directory.group, directory.path))?;
    root.directory_with(&directory.path, octal(&directory.mode)?, 0, gid)
}

/// A link in place of what is there; an empty directory gives way too, as `/var/run` does.
fn make_symlink(root: &mut Root, path: &str, target: &str) -> anyhow::Result<()> {
    let at = root.path(path)?;
    if let Some(Inode { kind: Kind::Directory, .. }) = root.tree.get(&at) {
        let origin = root.origin.clone();
        root.tree.remove(&at, &origin)?;
    }
    root.symlink(path, target)
}

fn copy(root: &mut Root, from: &str, to: &str) -> anyhow::Result<()> {
    if root.exists(to) {
        return Ok(());
    }
    // What a package no longer brings, or pruning took, is not missed: the script copies defaults.
    let Some((_, Inode { kind: Kind::File(content), mode, .. })) = root.lookup(from) else { return Ok(()) };
    let (content, mode) = (content.clone(), *mode);
    root.content(to, mode, content)
}

fn change_owner(root: &mut Root, owner: &OwnerEffect) -> anyhow::Result<()> {
    let OwnerEffect { path, user, group, mode, recursive } = owner;
    let uid = user.as_ref().map(|user| root.accounts.uid(user).ok_or(user));
    let gid = group.as_ref().map(|group| root.accounts.gid(group).ok_or(group));
    for unknown in [&uid, &gid].into_iter().flatten().filter_map(|id| id.as_ref().err()) {
        root.mistakes
            .push(Diagnostic::new("unknown-owner", format!("`{path}` is to belong to `{unknown}`, whom nobody makes")));
    }
    let mode = mode.as_deref().map(octal).transpose()?;
    // Debian's scripts ask first; what pruning took is not missed.
    let brought =
        || root.packages.iter().any(|package| package.files.iter().any(|file| file.path.to_string() == *path));
    if root.base == Family::Rpm && !root.exists(path) && !brought() {
        root.mistakes.push(
            Diagnostic::new(
                "no-such-path",
                format!("a script changes the owner or mode of `{path}`, which is not there"),
            )
            .help("add the package that brings it, or accept the script with `accept-scripts`"),
        );
        return Ok(());
    }
    let Some((path, _)) = root.lookup(path) else { return Ok(()) };
    let below: Vec<TreePath> = root.tree.below(&path).filter(|_| *recursive).map(|(path, _, _)| path.clone()).collect();
    for path in below.iter().chain([&path]) {
        root.tree.update(path, |inode| {
            inode.uid = uid.as_ref().and_then(|uid| uid.as_ref().ok().copied()).unwrap_or(inode.uid);
            inode.gid = gid.as_ref().and_then(|gid| gid.as_ref().ok().copied()).unwrap_or(inode.gid);
            inode.mode = mode.unwrap_or(inode.mode);
        })?;
    }
    Ok(())
}

/// `/etc/shells` as `update-shells` makes it: the default list and what packages name in `shells.d`, as far as they
/// exist. RPMs' shells add themselves to the file that `setup` brings.
fn shells(root: &mut Root) -> anyhow::Result<()> {
    let mut lists = vec![root.read_text("/usr/share/debianutils/shells")?.unwrap_or_default()];
    let named = root.drop_ins(&["/usr/share/debianutils/shells.d"], "")?;
    lists.extend(named.values().map(|text| String::from_utf8_lossy(text).into_owned()));
    if root.base == Family::Rpm {
        let brought = root.read_text("/etc/shells")?.unwrap_or_default();
        lists = vec![brought, "/bin/sh\n/bin/bash\n/usr/bin/sh\n/usr/bin/bash\n".to_owned()];
        let added = root.effects.iter().filter_map(|effect| match effect {
            Effect::LoginShell(path) => Some(path.clone()),
            _ => None,
        });
        lists.extend(added);
    }
    let mut shells: Vec<&str> = Vec::new();
    for shell in lists.iter().flat_map(|list| list.lines()).filter(|line| line.starts_with('/')) {
        if !shells.contains(&shell) && root.exists(shell) {
            shells.push(shell);
        }
    }
    if shells.is_empty() {
        return Ok(());
    }
    let head = if root.base == Family::Rpm { "" } else { "# Valid login shells.\n" };
    root.file("/etc/shells", 0o644, format!("{head}{}\n", shells.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::scripts::DirectoryEffect;
    use crate::assemble::tests::World;
    use crate::assemble::{AgentFiles, Inputs};
    use crate::tree::Content;

    #[test]
    fn an_owner_of_a_path_that_is_not_there_is_a_mistake() {
        let mut world = World::new();
        for package in &mut world.packages {
            package.family = Family::Rpm;
        }
        let agent = AgentFiles { program: Content::inline("agent"), units: vec![] };
        let World { recipe, packages, store, .. } = &world;
        let inputs = Inputs { recipe, packages, contents: store, images: &[], agent: &agent };
        let mut root = Root::new(inputs);
        let mode = |path: &str| {
            let mode = Some("0700".to_owned());
            Effect::Owner(OwnerEffect { path: path.into(), user: None, group: None, mode, recursive: false })
        };
        let made = DirectoryEffect { path: "/opt/z".into(), group: "root".into(), mode: "0755".into() };
        root.accounts.groups.insert("root".into(), crate::assemble::accounts::Group { gid: 0, members: [].into() });
        // A package brings the third: it was pruned.
        root.effects = vec![Effect::Directory(made), mode("/opt/z"), mode("/opt/gone"), mode("/etc/base.conf")];
        apply(&mut root).unwrap();
        let text = root.mistakes.to_string();
        assert!(text.contains("owner or mode of `/opt/gone`, which is not there"), "{text}");
        assert_eq!(root.mistakes.0.len(), 1, "{text}");
        assert_eq!(root.lookup("/opt/z").unwrap().1.mode, 0o700);
    }
}
