//! Checks of a finished root: what has to hold for every image, whatever made it so.
//!
//! A table of small functions over the tree. A check that fails gives sentences; one that cannot be run is a failure.
//! They are asked after the assembly, so that an overlay or an accepted script cannot undo what the steps did.

mod kubernetes;
mod libraries;
mod modules;
mod pam;
mod units;

use std::collections::BTreeSet;

use anyhow::Context;

use crate::assemble::KernelFiles;
use crate::bounded::quote;
use crate::contract;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::package::rpm::REQUIRES;
use crate::package::{Family, Package};
use crate::recipe::{Compression, Recipe, VarFilesystem};
use crate::resolve::is_of_line;
use crate::tree::{Contents, Inode, Kind, Origin, Tree, TreePath};

/// What is checked.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub recipe: &'a Recipe,
    pub tree: &'a Tree,
    pub contents: &'a dyn Contents,
    pub kernel: &'a KernelFiles,
    /// The packages of the root.
    pub packages: &'a [Package],
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the root of {}", self.recipe.name)
    }
}

/// A sentence, and the place in the recipe that it is about, where there is one.
#[derive(Debug)]
struct Finding {
    text: String,
    at: Option<Location>,
}

impl From<String> for Finding {
    fn from(text: String) -> Finding {
        Finding { text, at: None }
    }
}

impl Finding {
    fn at(text: String, location: &Location) -> Finding {
        Finding { text, at: Some(location.clone()) }
    }
}

/// What a check found; empty if all is well.
type Findings = anyhow::Result<Vec<Finding>>;

pub struct Check {
    /// The diagnostics' slug.
    pub name: &'static str,
    pub what: &'static str,
    run: fn(&Subject) -> Findings,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.what)
    }
}

pub const CHECKS: &[Check] = &[
    Check { name: "machine-id-empty", what: "the node's identity is not in the image", run: machine_id },
    Check { name: "host-key-in-image", what: "no private host key is in the image", run: host_keys },
    Check { name: "password-in-image", what: "no account has a password", run: passwords },
    Check { name: "owner-without-account", what: "every file belongs to an account of the image", run: owners },
    Check { name: "user-without-shell", what: "everybody's shell exists", run: shells },
    Check { name: "no-init", what: "there is a PID 1 and a target to boot to", run: init },
    Check { name: "dangling-unit", what: "every unit that is started exists", run: unit_links },
    Check { name: "unit-setting", what: "systemd takes the units of this program and of overlays", run: units::check },
    Check { name: "no-mount-point", what: "what is mounted over exists", run: mount_points },
    Check { name: "no-formatter", what: "the root can make the file system of /var", run: formatter },
    Check { name: "kernel-line", what: "the kernel is of the line that the recipe promises", run: kernel_line },
    Check { name: "kernel-cannot", what: "the kernel can mount this image", run: kernel },
    Check { name: "other-kernel-modules", what: "modules are those of the image's kernel", run: modules::check },
    Check { name: "runtime-configuration", what: "containerd is configured as the recipe says", run: runtime },
    Check { name: "kubelet-missing", what: "a node of a cluster has its programs and units", run: kubernetes::kubelet },
    Check { name: "preflight-program", what: "kubeadm's preflight finds its programs", run: kubernetes::programs },
    Check { name: "file-requirement", what: "RPMs find the files they require", run: file_requirements },
    Check { name: "pam-include", what: "the files that services of PAM include exist", run: pam::check },
    Check { name: "missing-library", what: "every program finds its libraries", run: libraries::check },
];

/// Runs all checks.
///
/// # Errors
/// A check that cannot be run: a file of the tree that cannot be read.
pub fn run(subject: &Subject) -> anyhow::Result<Diagnostics> {
    let mut found = Diagnostics::default();
    for check in CHECKS {
        for finding in (check.run)(subject).with_context(|| format!("checking that {}", check.what))? {
            let mistake = Diagnostic::new(check.name, finding.text);
            found.push(match &finding.at {
                Some(location) => mistake.at(location, "asked for here"),
                None => mistake,
            });
        }
    }
    Ok(found)
}

impl Subject<'_> {
    fn lookup(&self, path: &str) -> anyhow::Result<Option<&Inode>> {
        let path = self.tree.resolve(&TreePath::parse(path)?, &Origin::from("checks"))?;
        Ok(self.tree.get(&path))
    }

    /// The text of the file that `path` leads to; empty if there is none.
    fn text(&self, path: &str) -> anyhow::Result<String> {
        let Some(Inode { kind: Kind::File(content), .. }) = self.lookup(path)? else { return Ok(String::new()) };
        Ok(String::from_utf8_lossy(&content.read(self.contents).with_context(|| path.to_owned())?).into_owned())
    }

    /// Fields of every line of an account file.
    fn accounts(&self, path: &str) -> anyhow::Result<Vec<Vec<String>>> {
        Ok(self.text(path)?.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect())
    }
}

fn machine_id(subject: &Subject) -> Findings {
    let found = match subject.lookup("/etc/machine-id")? {
        None => "`/etc/machine-id` is missing: systemd could not make it on a read-only root",
        Some(_) if subject.text("/etc/machine-id")?.is_empty() => return Ok(vec![]),
        Some(_) => "`/etc/machine-id` is not empty: every node would have this identity",
    };
    Ok(vec![found.to_owned().into()])
}

fn host_keys(subject: &Subject) -> Findings {
    let directory = TreePath::parse("/etc/ssh")?;
    let keys = subject
        .tree
        .below(&directory)
        .filter(|(path, _, _)| path.name().starts_with(b"ssh_host_") && path.name().ends_with(b"_key"));
    Ok(keys
        .map(|(path, _, inode)| format!("`{path}` from {} would be every node's key", inode.origin).into())
        .collect())
}

fn passwords(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    for (path, letters) in [("/etc/shadow", "!*"), ("/etc/passwd", "x!*")] {
        for fields in subject.accounts(path)? {
            let password = fields.get(1).map_or("", String::as_str);
            if !password.starts_with(|letter| letters.contains(letter)) {
                let what = if password.is_empty() { "needs no password" } else { "has a password" };
                found.push(format!("`{}` {what} in `{path}`", fields[0]).into());
            }
        }
    }
    Ok(found)
}

fn owners(subject: &Subject) -> Findings {
    let ids = |path: &str| -> anyhow::Result<BTreeSet<u32>> {
        Ok(subject.accounts(path)?.iter().filter_map(|fields| fields.get(2)?.parse().ok()).collect())
    };
    let (users, groups) = (ids("/etc/passwd")?, ids("/etc/group")?);
    let strange =
        subject.tree.iter().filter(|(_, _, inode)| !users.contains(&inode.uid) || !groups.contains(&inode.gid));
    Ok(strange
        .map(|(path, _, inode)| {
            format!("`{path}` from {} belongs to {}:{}, whom nobody is", inode.origin, inode.uid, inode.gid).into()
        })
        .collect())
}

fn shells(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    for user in &subject.recipe.users {
        if subject.lookup(&user.shell)?.is_none() {
            let text = format!("`{}` cannot log in: no package brings the shell `{}`", user.name, user.shell);
            found.push(Finding::at(text, &user.location));
        }
    }
    Ok(found)
}

fn init(subject: &Subject) -> Findings {
    let paths = ["/sbin/init", "/etc/systemd/system/default.target", contract::AGENT, contract::IMAGE_INFO];
    missing(subject, &paths)
}

fn missing(subject: &Subject, paths: &[&str]) -> Findings {
    let mut found = Vec::new();
    for path in paths {
        if subject.lookup(path)?.is_none() {
            found.push(format!("there is no `{path}`").into());
        }
    }
    Ok(found)
}

fn unit_links(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    for directory in ["/etc/systemd/system", "/usr/lib/systemd/system"] {
        for (path, _, inode) in subject.tree.below(&TreePath::parse(directory)?) {
            let Kind::Symlink(target) = &inode.kind else { continue };
            if target != b"/dev/null" && subject.lookup(&path.to_string())?.is_none() {
                found.push(format!("`{path}` from {} leads nowhere", inode.origin).into());
            }
        }
    }
    Ok(found)
}

fn mount_points(subject: &Subject) -> Findings {
    let fixed = ["/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/var", "/var/tmp", contract::VAR_TEMPLATE];
    missing(
        subject,
        &[&fixed, subject.recipe.writable.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat(),
    )
}

fn formatter(subject: &Subject) -> Findings {
    let path = match subject.recipe.disk.var {
        VarFilesystem::Ext4 => "/usr/sbin/mkfs.ext4",
        VarFilesystem::Xfs => "/usr/sbin/mkfs.xfs",
    };
    missing(subject, &[path])
}

/// Whether a line is maintained, and what its kernels can read, is judged by the recipe's word; so the word must be true.
fn kernel_line(subject: &Subject) -> Findings {
    let (line, release) = (&subject.recipe.kernel.line, &subject.kernel.release);
    if is_of_line(release, line) {
        return Ok(vec![]);
    }
    let text = format!("the recipe says that the kernel is of the line {line}, and its package has {release}");
    Ok(vec![Finding::at(text, &subject.recipe.kernel.package.location)])
}

fn kernel(subject: &Subject) -> Findings {
    let KernelFiles { config, release, .. } = subject.kernel;
    if config.is_empty() {
        let text = format!("kernel {release} comes without its configuration");
        return Ok(vec![Finding::at(text, &subject.recipe.kernel.package.location)]);
    }
    let codec = match subject.recipe.compression {
        Compression::Zstd { .. } => "EROFS_FS_ZIP_ZSTD",
        Compression::Lz4hc { .. } => "EROFS_FS_ZIP",
    };
    let filesystem = match subject.recipe.disk.var {
        VarFilesystem::Ext4 => "EXT4_FS",
        VarFilesystem::Xfs => "XFS_FS",
    };
    // Each is needed before or for mounting the root; `m` will do, the initrd brings modules.
    let wanted = ["EROFS_FS", codec, "BLK_DEV_DM", "DM_VERITY", "OVERLAY_FS", filesystem, "VFAT_FS", "CGROUPS"];
    let built_in = ["EFI_STUB", "DEVTMPFS", "TMPFS", "BLK_DEV_INITRD"];
    let has = |name: &str, values: &[&str]| {
        config.lines().any(|line| {
            let value = line.strip_prefix("CONFIG_").and_then(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.is_some_and(|value| values.contains(&value))
        })
    };
    let absent = wanted.iter().filter(|name| !has(name, &["y", "m"]));
    let absent = absent.chain(built_in.iter().filter(|name| !has(name, &["y"])));
    let text = |name| format!("kernel {release} was built without CONFIG_{name}");
    Ok(absent.map(|name| Finding::at(text(name), &subject.recipe.kernel.package.location)).collect())
}

fn runtime(subject: &Subject) -> Findings {
    let Some(runtime) = &subject.recipe.runtime else { return Ok(vec![]) };
    let path = "/etc/containerd/config.toml";
    let text = subject.text(path)?;
    let mut found = missing(subject, &["/usr/bin/containerd"])?;
    // Debian has it with the administrator's programs, Docker's RPM with everybody's.
    if subject.lookup("/usr/bin/runc")?.is_none() {
        found.extend(missing(subject, &["/usr/sbin/runc"])?);
    }
    if !text.contains(&format!("SystemdCgroup = {}", runtime.systemd_cgroup)) {
        let text = format!("`{path}` does not say `SystemdCgroup = {}`", runtime.systemd_cgroup);
        found.push(Finding::at(text, &runtime.location));
    }
    if !text.contains(&runtime.sandbox_image) {
        let text = format!("`{path}` does not name the sandbox image {}", runtime.sandbox_image);
        found.push(Finding::at(text, &runtime.location));
    }
    Ok(found)
}

/// Paths that no index knew when the packages were chosen.
fn file_requirements(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    for package in subject.packages.iter().filter(|package| package.family == Family::Rpm) {
        let paths = package.control.iter().filter(|(name, value)| name == REQUIRES && value.starts_with('/'));
        for (_, path) in paths {
            if subject.lookup(path)?.is_none() {
                found.push(format!("{} requires `{}`, which nothing brings", package.id, quote(path)).into());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
