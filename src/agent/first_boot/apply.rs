//! Does the steps of a plan: the only part of the first boot that writes files or starts programs.
//!
//! A step that finds its result already there changes nothing, so a run that was cut is simply done again. Paths are
//! resolved inside the root directory given, symbolic links included, which is also what keeps tests in their
//! temporary directory.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

use super::step::{NO_METADATA, Owner, Step};
use super::text_block::with_block;
use super::{account_files, once};
use crate::agent::report::status::Outcome;
use crate::agent::{durable, run};
use crate::contract;

/// The system that the steps change.
#[derive(Debug)]
pub struct Target {
    root: File,
    path: PathBuf,
    live: bool,
}

impl Target {
    /// The running system.
    pub fn live() -> Result<Target> {
        Target::open(Path::new("/"), true)
    }

    /// A directory that looks like one: owners stay those of the caller, no program is run, and the kernel's host
    /// name is left alone.
    pub fn directory(path: &Path) -> Result<Target> {
        Target::open(path, false)
    }

    fn open(path: &Path, live: bool) -> Result<Target> {
        let root = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Target { root, path: path.to_owned(), live })
    }

    /// Does one step.
    pub fn apply(&self, step: &Step) -> Result<Outcome> {
        match step {
            Step::SetHostName(name) => self.set_host_name(name),
            Step::WriteFile { path, content, mode, owner } => self.write(path, content, *mode, *owner),
            Step::WriteBlock { path, lines, mode, owner } => {
                let old = self.text(path)?;
                if old.is_empty() && lines.is_empty() {
                    return Ok(Outcome::Unchanged);
                }
                self.write(path, with_block(&old, lines).as_bytes(), *mode, *owner)
            }
            Step::MakeDirectory { path, mode, owner } => self.make_directory(path, *mode, *owner),
            Step::Link { path, target } => self.link(path, target),
            Step::Remove { path } => self.remove(path),
            Step::WriteSecret { path, content } => {
                let content = content.expose().as_bytes();
                if self.text(path)?.as_bytes() != content {
                    self.wipe(path)?;
                }
                self.write(path, content, 0o600, Owner::ROOT)
            }
            Step::Wipe { path } => self.wipe(path),
            Step::AddUser { name, gecos, owner, home, shell } => {
                let Owner { uid, gid } = owner;
                self.edit("/etc/group", 0o644, |text| account_files::with_line(text, &format!("{name}:x:{gid}:")))?;
                self.edit("/etc/gshadow", 0o640, |text| account_files::with_line(text, &format!("{name}:!::")))?;
                // `*`: no password fits, but the account is not locked, so that sshd takes its keys.
                self.edit("/etc/shadow", 0o640, |text| account_files::with_line(text, &format!("{name}:*:::::::")))?;
                let line = format!("{name}:x:{uid}:{gid}:{gecos}:{home}:{shell}");
                self.edit("/etc/passwd", 0o644, |text| account_files::with_line(text, &line))
            }
            Step::JoinGroup { user, group } => {
                self.edit("/etc/gshadow", 0o640, |text| account_files::with_member(text, group, user))?;
                self.edit("/etc/group", 0o644, |text| account_files::with_member(text, group, user))
            }
            Step::Run { program, arguments } => {
                if !self.live {
                    return Ok(Outcome::Unchanged);
                }
                run::program(program, arguments)?;
                Ok(Outcome::Changed)
            }
            Step::Once(once) => {
                if !self.live {
                    return Ok(Outcome::Unchanged);
                }
                once::run(once)?;
                Ok(Outcome::Changed)
            }
            Step::MarkApplied(instance) => {
                let text = format!("{}\n", instance.as_deref().unwrap_or(NO_METADATA));
                // Everything before the marker must be on the disk before the marker is.
                rustix::fs::sync();
                self.write(contract::APPLIED, text.as_bytes(), 0o644, Owner::ROOT)
            }
        }
    }

    fn set_host_name(&self, name: &str) -> Result<Outcome> {
        if self.live {
            rustix::system::sethostname(name.as_bytes()).context("setting the host name")?;
        }
        self.write("/etc/hostname", format!("{name}\n").as_bytes(), 0o644, Owner::ROOT)
    }

    /// Opens below the root, as the system itself would with that root.
    fn open_in(&self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)
    }

    fn shown(&self, path: &str) -> String {
        self.path.join(path.trim_start_matches('/')).display().to_string()
    }

    /// The directory that holds `path`, made if it is not there, and the last part of the path.
    fn parent<'a>(&self, path: &'a str) -> Result<(OwnedFd, &'a str)> {
        let (directory, name) = path.rsplit_once('/').with_context(|| format!("{path} is not absolute"))?;
        let mut made = String::new();
        for part in directory.split('/').filter(|part| !part.is_empty()) {
            let outer = if made.is_empty() { "/".to_owned() } else { made.clone() };
            made = format!("{made}/{part}");
            match self.open_in(&made, OFlags::PATH | OFlags::DIRECTORY) {
                Err(Errno::NOENT) => {
                    let outer = self
                        .open_in(&outer, OFlags::PATH | OFlags::DIRECTORY)
                        .with_context(|| format!("opening {}", self.shown(&outer)))?;
                    rustix::fs::mkdirat(&outer, part, Mode::from_raw_mode(0o755))
                        .with_context(|| format!("making {}", self.shown(&made)))?;
                }
                Err(error) => return Err(error).with_context(|| format!("opening {}", self.shown(&made))),
                Ok(_) => {}
            }
        }
        let directory = if directory.is_empty() { "/" } else { directory };
        let parent = self
            .open_in(directory, OFlags::RDONLY | OFlags::DIRECTORY)
            .with_context(|| format!("opening {}", self.shown(directory)))?;
        Ok((parent, name))
    }

    /// The text of a file; empty if it is not there.
    fn text(&self, path: &str) -> Result<String> {
        let Some(mut file) = self.existing(path)? else { return Ok(String::new()) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(|| format!("reading {}", self.shown(path)))?;
        String::from_utf8(bytes).with_context(|| format!("reading {}", self.shown(path)))
    }

    /// The regular file at this path; a link is not followed, because it will be replaced.
    fn existing(&self, path: &str) -> Result<Option<File>> {
        match self.open_in(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK) {
            Err(Errno::NOENT | Errno::LOOP) => Ok(None),
            file => Ok(Some(File::from(file.with_context(|| format!("opening {}", self.shown(path)))?))),
        }
    }

    fn edit(&self, path: &str, mode: u32, change: impl FnOnce(&str) -> String) -> Result<Outcome> {
        let old = self.text(path)?;
        // The image's own owner and mode stay (shadow's group differs between distributions).
        let (mode, owner) = match self.existing(path)? {
            Some(file) => {
                let metadata = file.metadata().with_context(|| format!("reading {}", self.shown(path)))?;
                (metadata.mode() & 0o7777, Owner { uid: metadata.uid(), gid: metadata.gid() })
            }
            None => (mode, Owner::ROOT),
        };
        self.write(path, change(&old).as_bytes(), mode, owner)
    }

    /// Replaces a file as a whole: written beside it, synced, renamed, directory synced.
    fn write(&self, path: &str, content: &[u8], mode: u32, owner: Owner) -> Result<Outcome> {
        if let Some(mut file) = self.existing(path)? {
            let metadata = file.metadata().with_context(|| format!("reading {}", self.shown(path)))?;
            let same_owner = !self.live || (metadata.uid(), metadata.gid()) == (owner.uid, owner.gid);
            let mut old = Vec::new();
            if metadata.is_file() && metadata.mode() & 0o7777 == mode && same_owner {
                file.read_to_end(&mut old).with_context(|| format!("reading {}", self.shown(path)))?;
                if old == content {
                    return Ok(Outcome::Unchanged);
                }
            }
        }
        let (parent, name) = self.parent(path)?;
        let temporary = format!(".{name}.nodeinit-new");
        let replace = || -> std::io::Result<()> {
            match rustix::fs::unlinkat(&parent, &temporary, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let mut file = File::from(rustix::fs::openat(&parent, &temporary, flags, Mode::from_raw_mode(0o600))?);
            file.write_all(content)?;
            self.own(&file, owner)?;
            // After the owner, whose change clears setuid.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            file.sync_all()?;
            rustix::fs::renameat(&parent, &temporary, &parent, name)?;
            Ok(rustix::fs::fsync(&parent)?)
        };
        replace().with_context(|| format!("writing {}", self.shown(path)))?;
        Ok(Outcome::Changed)
    }

    fn own(&self, file: &File, owner: Owner) -> rustix::io::Result<()> {
        if !self.live {
            return Ok(());
        }
        rustix::fs::fchown(file, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))
    }

    fn make_directory(&self, path: &str, mode: u32, owner: Owner) -> Result<Outcome> {
        let (parent, name) = self.parent(path)?;
        // It gets its name last: a directory that is there has its owner too, whenever the power went.
        let temporary = format!(".{name}.nodeinit-new");
        let make = || -> rustix::io::Result<Outcome> {
            match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => return Ok(Outcome::Unchanged),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
            match rustix::fs::mkdirat(&parent, &temporary, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory = File::from(rustix::fs::openat(&parent, &temporary, flags, Mode::empty())?);
            self.own(&directory, owner)?;
            rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode))?;
            rustix::fs::renameat(&parent, &temporary, &parent, name)?;
            Ok(Outcome::Changed)
        };
        make().with_context(|| format!("making {}", self.shown(path)))
    }

    fn link(&self, path: &str, target: &str) -> Result<Outcome> {
        let (parent, name) = self.parent(path)?;
        let temporary = format!(".{name}.nodeinit-new");
        let link = || -> rustix::io::Result<Outcome> {
            match rustix::fs::readlinkat(&parent, name, Vec::new()) {
                Ok(old) if old.as_bytes() == target.as_bytes() => return Ok(Outcome::Unchanged),
                Ok(_) | Err(Errno::NOENT | Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
            match rustix::fs::unlinkat(&parent, &temporary, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
            rustix::fs::symlinkat(target, &parent, &temporary)?;
            rustix::fs::renameat(&parent, &temporary, &parent, name)?;
            Ok(Outcome::Changed)
        };
        link().with_context(|| format!("linking {}", self.shown(path)))
    }

    /// See [`durable::wipe`].
    fn wipe(&self, path: &str) -> Result<Outcome> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW;
        match self.open_in(path, flags).map(File::from) {
            Ok(file) => durable::overwrite(&file).with_context(|| format!("wiping {}", self.shown(path)))?,
            Err(Errno::NOENT | Errno::LOOP) => {}
            Err(error) => return Err(error).with_context(|| format!("wiping {}", self.shown(path))),
        }
        self.remove(path)
    }

    fn remove(&self, path: &str) -> Result<Outcome> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) => Ok(Outcome::Changed),
            Err(Errno::NOENT) => Ok(Outcome::Unchanged),
            Err(error) => Err(error).with_context(|| format!("removing {}", self.shown(path))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::agent::first_boot::plan::plan;
    use crate::agent::first_boot::plan::tests::{config, facts};
    use crate::agent::first_boot::step::Plan;
    use crate::ssh_key::tests::KEY;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::create_dir_all(root.path().join("var")).unwrap();
        fs::write(root.path().join("etc/passwd"), facts().passwd).unwrap();
        fs::write(root.path().join("etc/group"), facts().group).unwrap();
        fs::write(root.path().join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
        root
    }

    fn full_plan() -> Plan {
        let user_data = format!(
            "#cloud-config
ssh_authorized_keys: ['{KEY}']
users: [{{name: admin, groups: adm, ssh_authorized_keys: ['{KEY}']}}]
write_files: [{{path: /var/lib/a/b, content: text, permissions: '0400'}}]
timezone: Europe/Berlin
"
        );
        plan(&config(&user_data, ""), &facts()).unwrap()
    }

    fn apply(root: &Path, plan: &Plan) -> Vec<Outcome> {
        let target = Target::directory(root).unwrap();
        plan.steps.iter().map(|step| target.apply(step).unwrap()).collect()
    }

    fn read(root: &Path, path: &str) -> String {
        fs::read_to_string(root.join(path)).unwrap()
    }

    #[test]
    fn a_plan_is_done_and_done_again_without_any_change() {
        let root = root();
        assert!(apply(root.path(), &full_plan()).contains(&Outcome::Changed));
        assert_eq!(read(root.path(), "etc/hostname"), "node-7\n");
        assert_eq!(
            read(root.path(), "etc/hosts"),
            "127.0.0.1 localhost\n# begin nodeinit\n127.0.1.1 node-7\n# end nodeinit\n"
        );
        assert!(read(root.path(), "etc/passwd").ends_with("admin:x:1000:1000::/home/admin:/bin/bash\n"));
        assert!(read(root.path(), "etc/group").contains("adm:x:4:admin\n"));
        assert_eq!(read(root.path(), "etc/shadow"), "admin:*:::::::\n");
        assert!(read(root.path(), "home/admin/.ssh/authorized_keys").contains(KEY));
        assert_eq!(fs::metadata(root.path().join("var/lib/a/b")).unwrap().mode() & 0o7777, 0o400);
        let zone = fs::read_link(root.path().join("etc/localtime")).unwrap();
        assert_eq!(zone, Path::new("../usr/share/zoneinfo/Europe/Berlin"));
        assert_eq!(read(root.path(), "var/lib/nodeinit/applied"), "i-1\n");
        assert!(apply(root.path(), &full_plan()).iter().all(|outcome| *outcome == Outcome::Unchanged));
    }

    #[test]
    fn a_cut_after_any_step_is_made_up_for_by_the_next_run() {
        let plan = full_plan();
        let whole = root();
        apply(whole.path(), &plan);
        for cut in 0..plan.steps.len() {
            let root = root();
            apply(root.path(), &Plan { steps: plan.steps[..cut].to_vec(), ..Plan::default() });
            assert!(!root.path().join("var/lib/nodeinit/applied").exists(), "marked too early, after {cut} steps");
            apply(root.path(), &plan);
            for path in
                ["etc/passwd", "etc/group", "etc/hosts", "root/.ssh/authorized_keys", "var/lib/nodeinit/applied"]
            {
                assert_eq!(read(root.path(), path), read(whole.path(), path), "{path}, cut after {cut} steps");
            }
        }
    }

    #[test]
    fn a_directory_whose_making_was_cut_is_finished_by_the_next_run() {
        let root = root();
        fs::create_dir_all(root.path().join("home/.admin.nodeinit-new")).unwrap();
        apply(root.path(), &full_plan());
        assert_eq!(fs::metadata(root.path().join("home/admin")).unwrap().mode() & 0o7777, 0o700);
        assert!(!root.path().join("home/.admin.nodeinit-new").exists());
    }

    #[test]
    fn new_metadata_replaces_our_lines_and_leaves_others() {
        let root = root();
        fs::create_dir_all(root.path().join("root/.ssh")).unwrap();
        fs::write(root.path().join("root/.ssh/authorized_keys"), "ssh-rsa baked-into-the-image\n").unwrap();
        apply(root.path(), &full_plan());
        assert!(read(root.path(), "root/.ssh/authorized_keys").contains(KEY));
        apply(root.path(), &plan(&config("#cloud-config\n", ""), &facts()).unwrap());
        assert_eq!(read(root.path(), "root/.ssh/authorized_keys"), "ssh-rsa baked-into-the-image\n");
    }

    #[test]
    fn links_inside_the_root_do_not_lead_out_of_it() {
        let root = root();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("var/lib")).unwrap();
        symlink("/etc/secret", root.path().join("etc/x")).unwrap();
        let target = Target::directory(root.path()).unwrap();
        let write = |path: &str| {
            let path = path.to_owned();
            target.apply(&Step::WriteFile { path, content: b"a".to_vec(), mode: 0o644, owner: Owner::ROOT })
        };
        // The absolute link means a directory of the root that is not there.
        assert!(write("/var/lib/file").is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        write("/etc/x").unwrap();
        assert!(fs::symlink_metadata(root.path().join("etc/x")).unwrap().is_file());
    }

    #[test]
    fn a_marker_that_cannot_be_written_is_a_failure() {
        let root = root();
        fs::create_dir_all(root.path().join("var/lib/nodeinit/applied/in-the-way")).unwrap();
        let target = Target::directory(root.path()).unwrap();
        assert!(target.apply(&Step::MarkApplied(None)).unwrap_err().to_string().contains("applied"));
    }
}
