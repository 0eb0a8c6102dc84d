//! Packages into the tree, as dpkg would unpack them on an empty disk.
//!
//! Rules: dpkg(1) and Debian Policy 6.6, 7.6. A directory is shared and keeps the first owner's mode; a link to a
//! directory is never replaced by a directory; one path from two packages is a mistake unless one says it `Replaces`
//! the other. RPMs as rpm would: two may bring one path, directories included, only if it is the same in both. `/boot`
//! stays outside: the kernel goes into the boot image, not into the root.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

use crate::assemble::accounts;
use crate::assemble::kernel::KernelFiles;
use crate::assemble::root::Root;
use crate::assemble::scripts::programs::dpkg::Dpkg;
use crate::diag::Diagnostic;
use crate::package::deb::relations;
use crate::package::version::compare_versions;
use crate::package::{Family, FileEntry, FileKind, Operator, Owner, Package, Relation};
use crate::tree::{Content, Inode, Kind, Origin, Problem, TreeError, TreePath};

/// The links of a merged `/usr`. Trixie's base-files brings them; older ones have directories there.
const MERGED: [(&str, &str); 4] =
    [("/bin", "usr/bin"), ("/sbin", "usr/sbin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64")];

/// What was unpacked so far.
#[derive(Debug, Default)]
pub(crate) struct Unpacking<'a> {
    /// Files in `/boot`, which stay outside.
    boot: BTreeMap<TreePath, (&'a Package, Content)>,
    brought: Brought<'a>,
}

/// What has to be there before the first file: links to directories, which a package must not find to be directories.
pub(crate) fn skeleton(root: &mut Root) -> anyhow::Result<()> {
    // Later Fedoras bring it in `filesystem`.
    if root.packages.iter().any(|package| package.files.iter().any(is_merged_sbin)) {
        root.directory("/usr/bin")?;
        root.symlink("/usr/sbin", "bin")?;
    }
    for (link, target) in MERGED {
        // Whether /usr/sbin is a directory or a link is for Red Hat's `filesystem` to say.
        if root.base == Family::Deb {
            root.directory(&format!("/{target}"))?;
        }
        root.symlink(link, target)?;
    }
    for (path, mode) in [("/etc", 0o755), ("/run", 0o755), ("/tmp", 0o1777), ("/var/lib", 0o755), ("/root", 0o700)] {
        root.directory(path)?;
        let at = root.path(path)?;
        root.tree.update(&at, |inode| inode.mode = mode)?;
    }
    if root.base == Family::Deb {
        // As debootstrap leaves them.
        root.directory("/etc/default")?;
        root.file("/etc/subuid", 0o644, "")?;
        root.file("/etc/subgid", 0o644, "")?;
    }
    ["/dev", "/proc", "/sys"].iter().try_for_each(|path| root.directory(path).map(drop))
}

fn is_merged_sbin(entry: &FileEntry) -> bool {
    matches!(&entry.kind, FileKind::Symlink { target } if target == b"bin") && entry.path.to_string() == "/usr/sbin"
}

/// Which package brought a path, directories included.
type Brought<'a> = BTreeMap<TreePath, (&'a Package, &'a FileEntry)>;

/// One package's files, where dpkg's diversions and overrides want them.
pub(crate) fn unpack_package<'a>(
    root: &mut Root<'a>,
    package: &'a Package,
    dpkg: &Dpkg,
    unpacking: &mut Unpacking<'a>,
) -> anyhow::Result<()> {
    let Unpacking { boot, brought } = unpacking;
    let origin = Origin::from(package.id.to_string());
    for entry in &package.files {
        if entry.path.starts_with(&TreePath::parse("/boot")?) && entry.kind != FileKind::Directory {
            if let FileKind::File { digest, size } = &entry.kind {
                let content = Content::Stored { digest: *digest, size: *size };
                boot.insert(entry.path.clone(), (package, content));
            }
            continue;
        }
        let diverted = dpkg.diverted(&entry.path, &package.id.name).filter(|_| entry.kind != FileKind::Directory);
        let path = root.tree.resolve_parents(diverted.as_ref().unwrap_or(&entry.path), &origin)?;
        ensure_parents(root, &path)?;
        // What a diversion has moved away since it was unpacked is in nobody's way.
        if let Some((other, theirs)) = brought.get(&path).filter(|(other, _)| other.id != package.id)
            && let Some(aside) = dpkg.diverted(&theirs.path, &other.id.name)
            && root.tree.resolve_parents(&aside, &origin)? != path
        {
            brought.remove(&path);
        }
        unpack_entry(root, package, entry, path.clone(), &origin, brought)?;
        if let Some((uid, gid, mode)) = dpkg.stat_override(&entry.path) {
            root.tree.update(&path, |inode| (inode.uid, inode.gid, inode.mode) = (uid, gid, mode))?;
        }
    }
    Ok(())
}

fn unpack_entry<'a>(
    root: &mut Root<'a>,
    package: &'a Package,
    entry: &'a FileEntry,
    path: TreePath,
    origin: &Origin,
    brought: &mut Brought<'a>,
) -> anyhow::Result<()> {
    if entry.kind == FileKind::Directory {
        return unpack_directory(root, package, entry, path, origin, brought);
    }
    if let Some((other, theirs)) = brought.get(&path).copied().filter(|(other, _)| other.id != package.id) {
        match (replaces(package, other), replaces(other, package)) {
            _ if both_rpm(package, other) && same((package, entry), (other, theirs)) => return Ok(()),
            (true, _) if theirs.kind != FileKind::Directory => {}
            (false, true) => return Ok(()),
            _ => {
                root.mistakes.push(conflict(&path, (other, theirs), (package, entry)));
                return Ok(());
            }
        }
    }
    if let Some(Inode { kind: Kind::Directory, .. }) = root.tree.get(&path) {
        // A directory that was only made for what lies in it.
        if root.tree.remove(&path, origin).is_err() {
            let below = brought.range(path.clone()..).find(|(other, _)| other.starts_with(&path));
            let place = format!("`{path}` of {} is a directory", package.id);
            let place = below.map_or(place.clone(), |(file, (other, _))| format!("{place} to {}: `{file}`", other.id));
            root.mistakes.push(Diagnostic::new("file-conflict", place).help("leave one of the packages out"));
            return Ok(());
        }
    }
    let in_boot = |path: &TreePath| path.as_bytes().starts_with(b"/boot/");
    if let FileKind::Hardlink { to } = &entry.kind
        && in_boot(to)
        && let Some(FileEntry { kind: kind @ FileKind::File { .. }, .. }) = file_behind(package, entry)
    {
        // What it is another name of stays outside.
        let file = FileEntry { kind: kind.clone(), ..entry.clone() };
        let inode = inode(root, package, &file, origin)?;
        root.tree.replace(path.clone(), inode)?;
    } else if let FileKind::Hardlink { to } = &entry.kind {
        let to = root.tree.resolve_parents(to, origin)?;
        if root.tree.get(&path).is_some() {
            root.tree.remove(&path, origin)?;
        }
        root.tree.link(&to, path.clone(), origin)?;
    } else {
        let inode = inode(root, package, entry, origin)?;
        root.tree.replace(path.clone(), inode)?;
    }
    brought.insert(path, (package, entry));
    Ok(())
}

fn both_rpm(one: &Package, other: &Package) -> bool {
    one.family == Family::Rpm && other.family == Family::Rpm
}

fn conflict(path: &TreePath, other: (&Package, &FileEntry), ours: (&Package, &FileEntry)) -> Diagnostic {
    let text = format!("`{path}` is in {} and in {}", other.0.id, ours.0.id);
    if !both_rpm(other.0, ours.0) {
        return Diagnostic::new("file-conflict", text)
            .help("leave one of the packages out: neither says that it replaces the other");
    }
    let essence = |entry: &FileEntry| {
        let what = match &entry.kind {
            FileKind::Directory => "a directory".to_owned(),
            FileKind::File { digest, .. } => format!("a file {}", &digest.to_string()[..8]),
            FileKind::Symlink { target } => format!("a link to {}", String::from_utf8_lossy(target)),
            FileKind::Hardlink { to } => format!("a name of {to}"),
            FileKind::CharDevice { .. } | FileKind::BlockDevice { .. } | FileKind::Fifo => "special".to_owned(),
        };
        format!("{what} {:04o} {}:{}", entry.mode, entry.user.name, entry.group.name)
    };
    let text = format!("{text}: {}, {}", essence(other.1), essence(ours.1));
    Diagnostic::new("file-conflict", text)
        .help("leave one of the packages out: RPMs may share a path only if it is the same in both")
}

/// A directory that is there already, or is reached through a link, stays as it is.
fn unpack_directory<'a>(
    root: &mut Root<'a>,
    package: &'a Package,
    entry: &'a FileEntry,
    path: TreePath,
    origin: &Origin,
    brought: &mut Brought<'a>,
) -> anyhow::Result<()> {
    let target = root.tree.resolve(&path, origin)?;
    // What rpm finds at the path itself, and what it would go into.
    let found = [&path, &target].into_iter().find_map(|path| brought.get(path)).copied();
    if let Some((other, theirs)) =
        found.filter(|(other, theirs)| both_rpm(other, package) && !same((package, entry), (other, theirs)))
        && other.id != package.id
    {
        root.mistakes.push(conflict(&path, (other, theirs), (package, entry)));
        return Ok(());
    }
    ensure_parents(root, &target)?;
    // What a script made is there for dpkg, and not for rpm, which gives a directory what its package says.
    let is_rpms = package.family == Family::Rpm && !brought.contains_key(&target);
    match root.tree.get(&target) {
        // One that nobody has brought yet takes the package's owner and mode.
        Some(Inode { kind: Kind::Directory, origin: first, .. }) if is_rpms || first.starts_with("nodesmith") => {}
        Some(Inode { kind: Kind::Directory, .. }) => return Ok(()),
        Some(other) => {
            let problem = Problem::Occupied(other.origin.clone());
            return Err(TreeError { path, origin: origin.clone(), problem }.into());
        }
        None => {}
    }
    let inode = inode(root, package, entry, origin)?;
    root.tree.replace(target.clone(), inode)?;
    brought.insert(target, (package, entry));
    Ok(())
}

/// Archives may leave directories out; dpkg and rpm make them root's, mode 0755, until a package says otherwise.
fn ensure_parents(root: &mut Root, path: &TreePath) -> anyhow::Result<()> {
    root.missing_directories(path.parent())
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
    for (owner, is_user) in [(&entry.user, true), (&entry.group, false)] {
        accounts::ensure(root, &owner.name, is_user);
    }
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

/// Whether two packages bring the same file, link, directory or special file with the same mode and owner. Whether a
/// file has other names does not matter.
fn same(ours: (&Package, &FileEntry), theirs: (&Package, &FileEntry)) -> bool {
    let mode = |entry: &FileEntry| if matches!(entry.kind, FileKind::Symlink { .. }) { 0 } else { entry.mode };
    let essence = |(package, entry): (&Package, &FileEntry)| {
        let kind = file_behind(package, entry).unwrap_or(entry).kind.clone();
        (kind, mode(entry), entry.user.clone(), entry.group.clone())
    };
    essence(ours) == essence(theirs)
}

/// The entry that a hard link is another name of; other entries themselves.
fn file_behind<'a>(package: &'a Package, entry: &'a FileEntry) -> Option<&'a FileEntry> {
    let mut at = entry;
    // A link comes after what it links to: whoever is asked more often than there are files goes round in circles.
    for _ in &package.files {
        let FileKind::Hardlink { to } = &at.kind else { return Some(at) };
        at = package.files.iter().find(|other| other.path == *to)?;
    }
    None
}

fn id(owner: &Owner, lookup: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    if owner.name.is_empty() { Some(owner.id) } else { lookup(&owner.name) }
}

/// Whether `package` may overwrite files of `other`: its field `Replaces` names it, in this version.
fn replaces(package: &Package, other: &Package) -> bool {
    let field = package.control.iter().find(|(name, _)| name.eq_ignore_ascii_case("Replaces"));
    let Some((_, value)) = field else { return false };
    // A clause that nobody can read names nobody.
    let clauses = value.split(',').filter_map(|clause| relations::relations(clause, &other.id.arch).ok());
    clauses.flatten().any(|Relation { name, constraint }| {
        let fits =
            |(operator, wanted): (Operator, String)| operator.holds(compare_versions(&other.id.version, &wanted));
        name == other.id.name && constraint.is_none_or(fits)
    })
}

/// What RPMs of kernels keep beside the modules: it is in the boot image, or only for debugging.
const BESIDE_MODULES: [&str; 6] = ["vmlinuz", "System.map", "symvers.gz", "symvers.xz", "symvers.zst", ".vmlinuz.hmac"];

/// The kernel: `/boot/vmlinuz-RELEASE`, or `/usr/lib/modules/RELEASE/vmlinuz`, which then goes from the root.
pub(crate) fn kernel<'a>(root: &mut Root<'a>, unpacking: &Unpacking<'a>) -> anyhow::Result<Option<KernelFiles>> {
    let Unpacking { boot, brought } = unpacking;
    const PREFIX: &str = "/boot/vmlinuz-";
    const MODULES: &str = "/usr/lib/modules/";
    let in_boot = boot.iter().filter_map(|(path, (package, content))| {
        let release = path.to_string().strip_prefix(PREFIX)?.to_owned();
        Some((release, (*package, content.clone())))
    });
    let in_modules = brought.iter().filter_map(|(path, (package, entry))| {
        let release = path.to_string().strip_prefix(MODULES)?.strip_suffix("/vmlinuz")?.to_owned();
        let FileKind::File { digest, size } = entry.kind else { return None };
        Some((release, (*package, Content::Stored { digest, size }))).filter(|(release, _)| !release.contains('/'))
    });
    let images: BTreeMap<String, (&Package, Content)> = in_modules.chain(in_boot).collect();
    let mut releases = images.iter();
    let (first, second) = (releases.next(), releases.next());
    if let (Some((one, (first, _))), Some((other, (second, _)))) = (first, second) {
        root.mistakes.push(
            Diagnostic::new("two-kernels", format!("two kernels: {one} of {}, {other} of {}", first.id, second.id))
                .at(&root.inputs.recipe.kernel.package.location, "the recipe asks for one")
                .help("leave one of the packages out, or `drop` it"),
        );
    }
    let Some((release, (package, image))) = images.into_iter().next() else { return Ok(None) };
    let config = match boot.get(&TreePath::parse(format!("/boot/config-{release}"))?) {
        Some((_, content)) => {
            let reading = || format!("reading the configuration of kernel {release}");
            Some(content.read(root.inputs.contents).with_context(reading)?)
        }
        None => root.read(&format!("{MODULES}{release}/config"))?,
    };
    let config = String::from_utf8_lossy(&config.unwrap_or_default()).into_owned();
    for name in BESIDE_MODULES {
        root.remove(&format!("{MODULES}{release}/{name}"))?;
    }
    Ok(Some(KernelFiles { package: package.id.clone(), release, image, config }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::Assembled;
    use crate::assemble::tests::World;
    use crate::package::{PackageId, Script};

    fn hard_link(package: &mut Package, path: &str, to: &str) {
        let to = TreePath::parse(to).unwrap();
        let first = package.files.iter().find(|entry| entry.path == to).unwrap();
        let link = FileEntry { path: TreePath::parse(path).unwrap(), kind: FileKind::Hardlink { to }, ..first.clone() };
        package.files.push(link);
    }

    #[test]
    fn rpms_share_a_file_that_has_another_name_in_one_of_them() {
        let mut world = World::new();
        let one = world.package("one", &[("/opt/a", "same"), ("/opt/b", "same")]);
        one.family = Family::Rpm;
        let two = world.package("two", &[("/opt/a", "same")]);
        two.family = Family::Rpm;
        hard_link(two, "/opt/b", "/opt/a");
        let tree = world.assemble().unwrap().tree;
        assert_eq!(world.text(&tree, "/opt/b"), "same");
        let three = world.package("three", &[("/opt/c", "other")]);
        three.family = Family::Rpm;
        hard_link(three, "/opt/b", "/opt/c");
        let error = world.assemble().unwrap_err();
        let mistakes = error.downcast_ref::<crate::diag::Diagnostics>().unwrap();
        assert_eq!(mistakes.0.len(), 1, "{mistakes}");
        assert!(mistakes.to_string().contains("`/opt/b` is in one 1.0 and in three 1.0"), "{mistakes}");
    }

    #[test]
    fn another_name_of_a_file_in_boot_is_a_file_with_its_content() {
        let mut world = World::new();
        let package =
            world.package("modules", &[("/boot/System.map-6.12", "map"), ("/boot/config-6.12", "CONFIG_Y=y\n")]);
        hard_link(package, "/lib/modules/6.12/build/map", "/boot/System.map-6.12");
        hard_link(package, "/lib/modules/6.12/build/again", "/lib/modules/6.12/build/map");
        world.packages.retain(|package| package.id.name != "linux-image-x");
        world.package("linux", &[("/boot/vmlinuz-6.12", "kernel")]);
        let Assembled { tree, kernel, .. } = world.assemble().unwrap();
        assert_eq!(world.text(&tree, "/usr/lib/modules/6.12/build/map"), "map");
        assert_eq!(world.text(&tree, "/usr/lib/modules/6.12/build/again"), "map");
        assert_eq!(kernel.config, "CONFIG_Y=y\n");
    }

    #[test]
    fn what_a_later_package_diverts_is_no_conflict_with_its_own_file() {
        let mut world = World::new();
        world.package("perl", &[("/usr/bin/streamzip", "perl's"), ("/usr/bin/zipdetails", "perl's")]);
        let divert = |path: &str| {
            format!("dpkg-divert --package zip --add --rename --divert {path}.bundled {path} >/dev/null\n")
        };
        let later = world.package("zip", &[("/usr/bin/streamzip", "zip's")]);
        later.scripts.push(Script { name: "preinst".into(), text: divert("/usr/bin/streamzip").into() });
        let tree = world.assemble().unwrap().tree;
        assert_eq!(world.text(&tree, "/usr/bin/streamzip"), "zip's");
        assert_eq!(world.text(&tree, "/usr/bin/streamzip.bundled"), "perl's");
        // Another path of both stays a conflict.
        let later = world.packages.last_mut().unwrap();
        later.scripts[0].text = divert("/usr/bin/zipdetails").into();
        let mistakes = world.assemble().unwrap_err().to_string();
        assert!(mistakes.contains("`/usr/bin/streamzip` is in perl 1.0 and in zip 1.0"), "{mistakes}");
    }

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
