//! The recipe's overlays: directories of files that go over the root.
//!
//! An overlay mirrors `/`. Git keeps no owners and hardly a mode, so neither comes from the checkout: everything is
//! root's, directories 0755, files 0644, or 0755 if the checkout has any execute bit. `DIRECTORY.manifest.yaml`,
//! beside the overlay, says what is to differ:
//!
//! ```yaml
//! /etc/secret.conf: {mode: "0600", user: root, group: adm, xattrs: {user.comment: text}}
//! ```
//! A file replaces what a package brought; a directory joins it and keeps its mode, unless the manifest says one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::root::Root;
use crate::diag::Diagnostic;
use crate::recipe::Overlay;
use crate::tree::{Content, Inode, Kind, Origin, TreePath};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributes {
    mode: Option<String>,
    user: Option<String>,
    group: Option<String>,
    #[serde(default)]
    xattrs: BTreeMap<String, String>,
}

pub(crate) fn apply(root: &mut Root) -> anyhow::Result<()> {
    for overlay in &root.inputs.recipe.overlays {
        let directory = root.inputs.base_directory.join(&overlay.directory);
        if !directory.is_dir() {
            root.mistakes.push(
                Diagnostic::new("no-such-overlay", format!("no directory `{}`", overlay.name))
                    .at(&overlay.location, "not a directory"),
            );
            continue;
        }
        let reading = || format!("reading the overlay {}", overlay.name);
        apply_overlay(root, overlay, &directory).with_context(reading)?;
    }
    Ok(())
}

fn apply_overlay(root: &mut Root, overlay: &Overlay, directory: &Path) -> anyhow::Result<()> {
    let origin = Origin::from(format!("overlay {}", overlay.name));
    let mut manifest = manifest(directory)?;
    for path in walk(directory)? {
        let relative = path.strip_prefix(directory).context("walking the overlay")?;
        let wanted = TreePath::parse(relative.as_os_str().as_bytes())?;
        let attributes = manifest.remove(&wanted.to_string());
        let metadata = fs::symlink_metadata(&path).with_context(|| path.display().to_string())?;
        let (kind, mode) = if metadata.is_symlink() {
            let target = fs::read_link(&path).with_context(|| path.display().to_string())?;
            (Kind::Symlink(target.as_os_str().as_bytes().to_vec()), 0o777)
        } else if metadata.is_dir() {
            (Kind::Directory, 0o755)
        } else if metadata.is_file() {
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            let executable = metadata.permissions().mode() & 0o111 != 0;
            (Kind::File(Content::inline(bytes)), if executable { 0o755 } else { 0o644 })
        } else {
            bail!("`{}` is no file, directory or link", path.display());
        };
        let inode = Inode::new(kind, mode, root.inputs.recipe.epoch, &origin);
        let at = insert(root, &wanted, inode, &origin)?;
        if let Some(attributes) = attributes {
            change(root, overlay, &at, &attributes)?;
        }
    }
    for path in manifest.keys() {
        root.mistakes.push(
            Diagnostic::new("manifest-without-file", format!("the manifest of `{}` names `{path}`", overlay.name))
                .at(&overlay.location, "the overlay has no such path"),
        );
    }
    Ok(())
}

fn manifest(directory: &Path) -> anyhow::Result<BTreeMap<String, Attributes>> {
    let mut name = directory.as_os_str().to_owned();
    name.push(".manifest.yaml");
    let path = PathBuf::from(name);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

/// Everything below `directory`, parents first, siblings by name; not the directory itself.
fn walk(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        entries.push(entry?.path());
    }
    entries.sort();
    let mut paths = Vec::new();
    for path in entries {
        let below = if path.is_dir() && !path.is_symlink() { walk(&path)? } else { Vec::new() };
        paths.push(path);
        paths.extend(below);
    }
    Ok(paths)
}

fn insert(root: &mut Root, wanted: &TreePath, inode: Inode, origin: &Origin) -> anyhow::Result<TreePath> {
    if inode.kind == Kind::Directory {
        // One that is there, perhaps behind a link like /bin, is joined.
        let path = root.tree.resolve(wanted, origin)?;
        if !matches!(root.tree.get(&path), Some(Inode { kind: Kind::Directory, .. })) {
            root.tree.insert(path.clone(), inode)?;
        }
        return Ok(path);
    }
    let path = root.tree.resolve_parents(wanted, origin)?;
    root.tree.replace(path.clone(), inode)?;
    Ok(path)
}

fn change(root: &mut Root, overlay: &Overlay, path: &TreePath, attributes: &Attributes) -> anyhow::Result<()> {
    let Attributes { mode, user, group, xattrs } = attributes;
    let mode = mode.as_ref().map(|mode| {
        u16::from_str_radix(mode, 8).with_context(|| format!("reading the mode `{mode}` of `{path}`: it is octal"))
    });
    let mode = mode.transpose()?;
    let mut missing = |name: &str| {
        root.mistakes.push(
            Diagnostic::new("unknown-owner", format!("`{path}` is to belong to `{name}`, whom nobody makes"))
                .at(&overlay.location, "in this overlay's manifest"),
        );
    };
    let uid = user.as_ref().map(|name| root.accounts.uid(name).or_else(|| (missing(name), None).1));
    let gid = group.as_ref().map(|name| root.accounts.gid(name).or_else(|| (missing(name), None).1));
    root.tree.update(path, |inode| {
        inode.mode = mode.unwrap_or(inode.mode);
        inode.uid = uid.flatten().unwrap_or(inode.uid);
        inode.gid = gid.flatten().unwrap_or(inode.gid);
        for (name, value) in xattrs {
            inode.xattrs.insert(name.as_bytes().to_vec(), value.as_bytes().to_vec());
        }
    })?;
    Ok(())
}
