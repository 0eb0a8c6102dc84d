//! Packages into the tree, as dpkg would unpack them on an empty disk.
//!
//! RPMs as rpm would, too: there two packages may bring one path if it is the same in both. Rules: dpkg(1) and Debian Policy 6.6, 7.6. A directory is shared and keeps the first owner's mode; a link to a
//! directory is never replaced by a directory; one path from two packages is a mistake unless one says it `Replaces`
//! the other. `/boot` stays outside: the kernel goes into the boot image, not into the root.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

use super::root::Root;
use crate::diag::Diagnostic;
use crate::package::version::compare_versions;
use crate::package::{Family, FileEntry, FileKind, Owner, Package, PackageId};
use crate::tree::{Content, Inode, Kind, Origin, Problem, TreePath};

/// The links of a merged `/usr`. Trixie's base-files brings them; older ones have directories there.
const MERGED: [(&str, &str); 4] =
    [("/bin", "usr/bin"), ("/sbin", "usr/sbin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64")];

/// The kernel of the image, taken from `/boot` of its package.
#[derive(Debug, Clone)]
pub struct KernelFiles {
    pub package: PackageId,
    /// As `uname -r` says it, and as its directory in `/usr/lib/modules` is called.
    pub release: String,
    pub image: Content,
    /// The kernel's configuration, `CONFIG_X=y` lines; empty if the package has none.
    pub config: String,
}

/// Fills the tree with the packages' files.
pub(crate) fn unpack(root: &mut Root) -> anyhow::Result<()> {
    for (link, target) in MERGED {
        root.directory(&format!("/{target}"))?;
        root.symlink(link, target)?;
    }
    let mut packages = root.packages.clone();
    // base-files makes the directories everybody puts files into, with the modes they are to have.
    packages.sort_by_key(|package| (package.id.name != "base-files", &package.id));
    let mut boot = BTreeMap::new();
    let mut brought = BTreeMap::new();
    for package in packages {
        unpack_package(root, package, &mut boot, &mut brought)?;
    }
    root.kernel = kernel(root, boot)?;
    Ok(())
}

type Boot<'a> = BTreeMap<TreePath, (&'a Package, Content)>;
/// Which package brought a path that is no directory.
type Brought<'a> = BTreeMap<TreePath, &'a Package>;

fn unpack_package<'a>(
    root: &mut Root<'a>,
    package: &'a Package,
    boot: &mut Boot<'a>,
    brought: &mut Brought<'a>,
) -> anyhow::Result<()> {
    let origin = Origin::from(package.id.to_string());
    for entry in &package.files {
        if entry.path.starts_with(&TreePath::parse("/boot")?) && entry.kind != FileKind::Directory {
            if let FileKind::File { digest, size } = &entry.kind {
                let content = Content::Stored { digest: *digest, size: *size };
                boot.insert(entry.path.clone(), (package, content));
            }
            continue;
        }
        let path = root.tree.resolve_parents(&entry.path, &origin)?;
        ensure_parents(root, &path, &origin)?;
        unpack_entry(root, package, entry, path, &origin, brought)?;
    }
    Ok(())
}

fn unpack_entry<'a>(
    root: &mut Root<'a>,
    package: &'a Package,
    entry: &FileEntry,
    path: TreePath,
    origin: &Origin,
    brought: &mut Brought<'a>,
) -> anyhow::Result<()> {
    if entry.kind == FileKind::Directory {
        return unpack_directory(root, package, entry, path, origin);
    }
    if let Some(other) = brought.get(&path).copied().filter(|other| other.id != package.id) {
        match (replaces(package, other), replaces(other, package)) {
            _ if package.family == Family::Rpm && other.family == Family::Rpm && same(entry, other) => return Ok(()),
            (true, _) => {}
            (false, true) => return Ok(()),
            (false, false) => {
                root.mistakes.push(
                    Diagnostic::new("file-conflict", format!("`{path}` is in {} and in {}", other.id, package.id))
                        .help("leave one of the packages out: neither says that it replaces the other"),
                );
                return Ok(());
            }
        }
    }
    if let FileKind::Hardlink { to } = &entry.kind {
        let to = root.tree.resolve_parents(to, origin)?;
        if root.tree.get(&path).is_some() {
            root.tree.remove(&path, origin)?;
        }
        root.tree.link(&to, path.clone(), origin)?;
    } else {
        let inode = inode(root, package, entry, origin)?;
        root.tree.replace(path.clone(), inode)?;
    }
    brought.insert(path, package);
    Ok(())
}

/// A directory that is there already, or is reached through a link, stays as it is.
fn unpack_directory(
    root: &mut Root,
    package: &Package,
    entry: &FileEntry,
    path: TreePath,
    origin: &Origin,
) -> anyhow::Result<()> {
    let target = root.tree.resolve(&path, origin)?;
    match root.tree.get(&target) {
        // One that nobody has brought yet takes the package's owner and mode.
        Some(Inode { kind: Kind::Directory, origin: first, .. }) if first.starts_with("nodesmith") => {}
        Some(Inode { kind: Kind::Directory, .. }) => return Ok(()),
        Some(other) => {
            return Err(crate::tree::TreeError {
                path,
                origin: origin.clone(),
                problem: Problem::Occupied(other.origin.clone()),
            }
            .into());
        }
        None => {}
    }
    let inode = inode(root, package, entry, origin)?;
    root.tree.replace(target, inode)?;
    Ok(())
}

/// Archives may leave directories out; dpkg's tar reader makes them root's, mode 0755.
fn ensure_parents(root: &mut Root, path: &TreePath, origin: &Origin) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    let mut at = path.parent();
    while let Some(parent) = at.filter(|parent| root.tree.get(parent).is_none()) {
        at = parent.parent();
        missing.push(parent);
    }
    for parent in missing.into_iter().rev() {
        root.tree.insert(parent, Inode::new(Kind::Directory, 0o755, root.inputs.recipe.epoch, origin))?;
    }
    Ok(())
}

fn inode(root: &mut Root, package: &Package, entry: &FileEntry, origin: &Origin) -> anyhow::Result<Inode> {
    let kind = match &entry.kind {
        FileKind::Directory => Kind::Directory,
        FileKind::File { digest, size } => Kind::File(Content::Stored { digest: *digest, size: *size }),
        FileKind::Symlink { target } => Kind::Symlink(target.clone()),
        FileKind::CharDevice { major, minor } => Kind::CharDevice { major: *major, minor: *minor },
        FileKind::BlockDevice { major, minor } => Kind::BlockDevice { major: *major, minor: *minor },
        FileKind::Fifo => Kind::Fifo,
        FileKind::Hardlink { to } => bail!("`{}` of {} is a link to {to}, not an inode", entry.path, package.id),
    };
    let mut inode = Inode::new(kind, entry.mode, entry.mtime, origin);
    inode.xattrs = entry.xattrs.clone();
    let accounts = &root.accounts;
    let (uid, gid) = (id(&entry.user, |name| accounts.uid(name)), id(&entry.group, |name| accounts.gid(name)));
    match (uid, gid) {
        (Some(uid), Some(gid)) => (inode.uid, inode.gid) = (uid, gid),
        // Never root instead: rpm does so, and drops the setuid bits with it.
        (uid, _) => root.mistakes.push(
            Diagnostic::new(
                "unknown-owner",
                format!(
                    "`{}` of {} belongs to `{}`, whom nobody makes",
                    entry.path,
                    package.id,
                    if uid.is_none() { &entry.user.name } else { &entry.group.name }
                ),
            )
            .help("a package with `sysusers.d` has to make the account, or the recipe's `users`"),
        ),
    }
    Ok(inode)
}

/// Whether another package brings the same file, link or special file with the same mode and owner.
fn same(entry: &FileEntry, other: &Package) -> bool {
    let essence = |entry: &FileEntry| (entry.kind.clone(), entry.mode, entry.user.clone(), entry.group.clone());
    other.files.iter().any(|file| file.path == entry.path && essence(file) == essence(entry))
}

fn id(owner: &Owner, lookup: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    if owner.name.is_empty() { Some(owner.id) } else { lookup(&owner.name) }
}

/// Whether `package` may overwrite files of `other`: its field `Replaces` names it, in this version.
fn replaces(package: &Package, other: &Package) -> bool {
    let field = package.control.iter().find(|(name, _)| name.eq_ignore_ascii_case("Replaces"));
    let Some((_, value)) = field else { return false };
    value.split(',').any(|clause| {
        let (name, relation) = match clause.split_once('(') {
            Some((name, relation)) => (name, Some(relation.trim_end().trim_end_matches(')'))),
            None => (clause, None),
        };
        let name = name.trim().split(':').next().unwrap_or_default();
        name == other.id.name && relation.is_none_or(|relation| satisfies(&other.id.version, relation))
    })
}

fn satisfies(version: &str, relation: &str) -> bool {
    let relation = relation.trim();
    let split = relation.find(|letter| !matches!(letter, '<' | '>' | '=')).unwrap_or(relation.len());
    let (operator, wanted) = relation.split_at(split);
    let order = compare_versions(version, wanted.trim());
    match operator {
        "<<" => order.is_lt(),
        "<=" | "<" => order.is_le(),
        "=" => order.is_eq(),
        ">=" | ">" => order.is_ge(),
        ">>" => order.is_gt(),
        _ => false,
    }
}

fn kernel(root: &mut Root, boot: Boot) -> anyhow::Result<Option<KernelFiles>> {
    const PREFIX: &str = "/boot/vmlinuz-";
    let images: Vec<(String, &Package, Content)> = boot
        .iter()
        .filter_map(|(path, (package, content))| {
            let release = path.to_string().strip_prefix(PREFIX)?.to_owned();
            Some((release, *package, content.clone()))
        })
        .collect();
    if let [(one, first, _), (other, second, _), ..] = images.as_slice() {
        root.mistakes.push(
            Diagnostic::new("two-kernels", format!("two kernels: {one} of {}, {other} of {}", first.id, second.id))
                .at(&root.inputs.recipe.kernel.package.location, "the recipe asks for one")
                .help("leave one of the packages out, or `drop` it"),
        );
    }
    let Some((release, package, image)) = images.into_iter().next() else { return Ok(None) };
    let config = boot.get(&TreePath::parse(format!("/boot/config-{release}"))?);
    let config = config.map(|(_, content)| content.read(root.inputs.contents)).transpose();
    let config = config.with_context(|| format!("reading the configuration of kernel {release}"))?.unwrap_or_default();
    let config = String::from_utf8_lossy(&config).into_owned();
    Ok(Some(KernelFiles { package: package.id.clone(), release, image, config }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_looks_at_names_and_versions() {
        let package = |name: &str, version: &str, replaces: &str| Package {
            id: PackageId { name: name.into(), version: version.into(), arch: "amd64".into() },
            family: Default::default(),
            control: vec![("Replaces".into(), replaces.into())],
            files: vec![],
            scripts: vec![],
            members: BTreeMap::new(),
        };
        let old = package("e2fsprogs", "1.45.2-1", "");
        let new = package("e2fsprogs", "1.47.2-3", "");
        let logsave = package("logsave", "1", "x, e2fsprogs (<< 1.45.3-1)");
        assert!(replaces(&logsave, &old));
        assert!(!replaces(&logsave, &new));
        assert!(!replaces(&old, &logsave));
    }
}
