//! What scripts have told dpkg so far: diversions, overrides, activated triggers. Paths are as its database has them.

use std::collections::{BTreeMap, BTreeSet};

use crate::assemble::accounts::book::Accounts;
use crate::shell::Bytes;
use crate::tree::TreePath;

/// All of it.
#[derive(Debug, Default)]
pub struct Dpkg {
    pub(super) diversions: Diversions,
    pub(super) overrides: Overrides,
    /// Names of triggers that scripts have activated.
    pub activated: BTreeSet<String>,
}

impl Dpkg {
    /// Where a package's file of this path is unpacked instead; nothing if it stays where it is.
    pub fn diverted(&self, path: &TreePath, package: &str) -> Option<TreePath> {
        let (to, by) = self.diversions.to(path.as_bytes())?;
        if by == Some(package) { None } else { TreePath::parse(to).ok() }
    }

    /// User, group and mode that a path gets when a package brings it.
    pub fn stat_override(&self, path: &TreePath) -> Option<(u32, u32, u16)> {
        let found = self.overrides.0.get(path.as_bytes())?;
        Some((found.uid, found.gid, found.mode))
    }

    /// The file `/var/lib/dpkg/diversions`.
    pub fn diversions_file(&self) -> Bytes {
        self.diversions.file()
    }

    /// The file `/var/lib/dpkg/statoverride`.
    pub fn overrides_file(&self, accounts: &Accounts) -> Bytes {
        self.overrides.lines(accounts).flat_map(|(_, line)| line).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Diversion {
    pub(super) to: Bytes,
    /// Whose copy stays; nothing for a local diversion.
    pub(super) by: Option<String>,
}

/// Diversions by the path that is diverted, all paths as dpkg's database has them.
#[derive(Debug, Default)]
pub(super) struct Diversions(pub(super) BTreeMap<Bytes, Diversion>);

/// From, to, and by whom.
type Described<'d> = (&'d [u8], &'d [u8], Option<&'d str>);

impl Diversions {
    /// Where the copies of others than the one who diverts go.
    pub(super) fn to(&self, path: &[u8]) -> Option<(&[u8], Option<&str>)> {
        let diversion = self.0.get(path)?;
        Some((&diversion.to, diversion.by.as_deref()))
    }

    /// The diversion that begins or ends at a path.
    pub(super) fn concerning(&self, path: &[u8]) -> Option<Described<'_>> {
        let ends = |(from, diversion): &(&Bytes, &Diversion)| *from == path || diversion.to == path;
        let (from, Diversion { to, by }) = self.0.get_key_value(path).or_else(|| self.0.iter().find(ends))?;
        Some((from, to, by.as_deref()))
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(from, diversion)| (from.as_slice(), diversion.to.as_slice()))
    }

    /// The file `diversions` of dpkg's database.
    pub(super) fn file(&self) -> Bytes {
        let lines = self
            .0
            .iter()
            .flat_map(|(from, Diversion { to, by })| [from.as_slice(), to, by.as_deref().unwrap_or(":").as_bytes()]);
        lines.flat_map(|line| [line, b"\n"].concat()).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Override {
    pub uid: u32,
    pub gid: u32,
    pub mode: u16,
}

/// Overrides by path.
#[derive(Debug, Default)]
pub(super) struct Overrides(pub BTreeMap<Bytes, Override>);

impl Overrides {
    /// `user group mode path` by lines, as the file `statoverride` of dpkg's database has it.
    pub(super) fn lines<'o>(&'o self, accounts: &'o Accounts) -> impl Iterator<Item = (&'o [u8], Bytes)> {
        self.0.iter().map(|(path, Override { uid, gid, mode })| {
            let user = accounts.users.iter().find(|(_, user)| user.uid == *uid);
            let group = accounts.groups.iter().find(|(_, group)| group.gid == *gid);
            let user = user.map_or_else(|| unnamed(*uid), |(name, _)| name.clone());
            let group = group.map_or_else(|| unnamed(*gid), |(name, _)| name.clone());
            let line = [format!("{user} {group} {mode:o} ").as_bytes(), path, b"\n"].concat();
            (path.as_slice(), line)
        })
    }
}

fn unnamed(id: u32) -> String {
    if id == 0 { "root".to_owned() } else { format!("#{id}") }
}

/// dpkg's paths begin with one slash; `./` before a path falls away.
pub(super) fn normal(path: &[u8]) -> Bytes {
    let mut rest = path;
    while let Some(shorter) = rest.strip_prefix(b"/").or_else(|| rest.strip_prefix(b"./")) {
        rest = shorter;
    }
    [b"/", rest].concat()
}
