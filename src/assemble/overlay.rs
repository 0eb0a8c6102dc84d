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

use super::root::Root;
use crate::diag::{Diagnostic, Diagnostics, Location, Source};
use crate::recipe::Overlay;
use crate::shape::{self, Shape, may};
use crate::tree::{self, Content, Inode, Origin, TreePath};
use crate::yaml::{self, Kind, Value};

const MANIFEST: Shape = Shape::Table(&Shape::Record(&[
    may("mode", Shape::Text, "octal permissions, such as 0600"),
    may("user", Shape::Text, "name of the owner"),
    may("group", Shape::Text, "name of the group"),
    may("xattrs", Shape::Table(&Shape::Text), "extended attributes: name → text"),
]));

pub(crate) fn apply(root: &mut Root) -> anyhow::Result<()> {
    for overlay in &root.inputs.recipe.overlays {
        apply_overlay(root, overlay).with_context(|| format!("reading the overlay {}", overlay.name))?;
    }
    Ok(())
}

fn apply_overlay(root: &mut Root, overlay: &Overlay) -> anyhow::Result<()> {
    let directory = &overlay.directory;
    let origin = Origin::from(format!("overlay {}", overlay.name));
    let mut manifest = manifest(directory, &mut root.mistakes)?;
    for path in walk(directory)? {
        let relative = path.strip_prefix(directory).context("walking the overlay")?;
        let wanted = TreePath::parse(relative.as_os_str().as_bytes())?;
        let attributes = manifest.remove(&wanted.to_string());
        let metadata = fs::symlink_metadata(&path).with_context(|| path.display().to_string())?;
        let (kind, mode) = if metadata.is_symlink() {
            let target = fs::read_link(&path).with_context(|| path.display().to_string())?;
            (tree::Kind::Symlink(target.as_os_str().as_bytes().to_vec()), 0o777)
        } else if metadata.is_dir() {
            (tree::Kind::Directory, 0o755)
        } else if metadata.is_file() {
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            let executable = metadata.permissions().mode() & 0o111 != 0;
            (tree::Kind::File(Content::inline(bytes)), if executable { 0o755 } else { 0o644 })
        } else {
            bail!("`{}` is no file, directory or link", path.display());
        };
        let inode = Inode::new(kind, mode, root.inputs.recipe.epoch, &origin);
        let at = insert(root, &wanted, inode, &origin)?;
        if let Some((_, attributes)) = attributes {
            change(root, &at, &attributes)?;
        }
    }
    for (path, (location, _)) in manifest {
        root.mistakes.push(
            Diagnostic::new("manifest-without-file", format!("the manifest of `{}` names `{path}`", overlay.name))
                .at(&location, "the overlay has no such path")
                .help("paths begin with `/`, as on the node"),
        );
    }
    Ok(())
}

/// What the manifest beside `directory` says of each path, and where; nothing where it is not a manifest.
fn manifest(directory: &Path, mistakes: &mut Diagnostics) -> anyhow::Result<BTreeMap<String, (Location, Value)>> {
    let mut name = directory.as_os_str().to_owned();
    name.push(".manifest.yaml");
    let path = PathBuf::from(name);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let manifest = match yaml::parse(&Source::new(path.display().to_string(), text)) {
        Ok(manifest) => manifest,
        Err(found) => {
            mistakes.0.extend(found.0);
            return Ok(BTreeMap::new());
        }
    };
    if manifest.kind == Kind::Null {
        return Ok(BTreeMap::new());
    }
    shape::conform(&manifest, &MANIFEST, "the manifest", mistakes);
    let entries = manifest.entries().iter();
    Ok(entries.map(|(key, value)| (key.text.clone(), (key.location.clone(), value.clone()))).collect())
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
    if inode.kind == tree::Kind::Directory {
        // One that is there, perhaps behind a link like /bin, is joined.
        let path = root.tree.resolve(wanted, origin)?;
        if !matches!(root.tree.get(&path), Some(Inode { kind: tree::Kind::Directory, .. })) {
            root.tree.insert(path.clone(), inode)?;
        }
        return Ok(path);
    }
    let path = root.tree.resolve_parents(wanted, origin)?;
    root.tree.replace(path.clone(), inode)?;
    Ok(path)
}

fn change(root: &mut Root, path: &TreePath, attributes: &Value) -> anyhow::Result<()> {
    let text = |key: &str| attributes.get(key).and_then(|value| Some((value.text()?, &value.location)));
    let mut found = Diagnostics::default();
    let mode = text("mode").map(|(mode, location)| {
        let octal = mode.strip_prefix("0o").unwrap_or(mode);
        let bits = u16::from_str_radix(octal, 8).ok().filter(|bits| *bits <= 0o7777);
        if bits.is_none() {
            found.push(
                Diagnostic::new("bad-mode", format!("`{mode}` is not the mode of a file"))
                    .at(location, "not octal permissions")
                    .help("as chmod takes it: 0600, 0755, 4755"),
            );
        }
        bits
    });
    let mut known = |name: &str, location: &Location, id: Option<u32>| {
        if id.is_none() {
            found.push(
                Diagnostic::new("unknown-owner", format!("`{path}` is to belong to `{name}`, whom nobody makes"))
                    .at(location, "not an account of this image")
                    .help("packages, `sysusers.d` and `users:` of the recipe make accounts"),
            );
        }
        id
    };
    let uid = text("user").map(|(name, location)| known(name, location, root.accounts.uid(name)));
    let gid = text("group").map(|(name, location)| known(name, location, root.accounts.gid(name)));
    root.mistakes.0.extend(found.0);
    root.tree.update(path, |inode| {
        inode.mode = mode.flatten().unwrap_or(inode.mode);
        inode.uid = uid.flatten().unwrap_or(inode.uid);
        inode.gid = gid.flatten().unwrap_or(inode.gid);
        for (name, value) in attributes.get("xattrs").map(Value::entries).unwrap_or_default() {
            if let Some(text) = value.text() {
                inode.xattrs.insert(name.text.clone().into_bytes(), text.as_bytes().to_vec());
            }
        }
    })?;
    Ok(())
}
