//! Everybody in an image: names and numbers.
//!
//! Ids that nobody fixes must not depend on what else is in the image: files on a node's `/var` outlive an update, and
//! would belong to somebody else after it. So the names every node has are numbered here ([`KNOWN_IDS`]), and other
//! names get a number derived from the name. Two names that derive the same number are a mistake, which the recipe's
//! `system-ids` settles: to give one of them the next number would make it depend on the other being there.

use std::collections::{BTreeMap, BTreeSet};

use super::sysusers::{GroupReference, Id, Line};
use crate::tree::Digest;

/// Numbers of system accounts whose packages leave them open, the same for the user and the group of a name.
const KNOWN_IDS: &[(&str, u32)] = &[
    ("systemd-journal", 999),
    ("systemd-network", 998),
    ("systemd-timesync", 997),
    ("systemd-resolve", 996),
    ("messagebus", 995),
    ("_ssh", 994),
    ("render", 993),
    ("kvm", 992),
    ("sgx", 991),
    ("input", 990),
    ("clock", 989),
    ("sshd", 988),
    ("systemd-coredump", 987),
    ("_chrony", 986),
    ("polkitd", 985),
    ("uuidd", 984),
    ("tss", 983),
    ("_rpc", 982),
    ("statd", 981),
    ("ssh_keys", 980),
    ("chrony", 979),
    ("systemd-oom", 978),
    ("unbound", 977),
    ("containerd", 976),
    // As the scripts of Red Hat's packages number them.
    ("dbus", 81),
    ("utmp", 22),
    ("utempter", 35),
    ("rpc", 32),
    ("rpcuser", 29),
    ("tcpdump", 72),
    ("nogroup", 65534),
    ("nobody", 65534),
];
/// Where the numbers of all other system accounts lie: above Debian's static ones, below those above.
pub const DERIVED_IDS: std::ops::Range<u32> = 300..900;
/// First number of the recipe's users that have none, as `adduser` gives.
pub const FIRST_PERSON: u32 = 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub gecos: String,
    pub home: String,
    pub shell: String,
    /// Whether it is a person of the recipe, who may log in with a key.
    pub person: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub gid: u32,
    pub members: BTreeSet<String>,
}

/// Everybody in the image, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    pub users: BTreeMap<String, User>,
    pub groups: BTreeMap<String, Group>,
    /// The recipe's numbers for system accounts.
    pub given: BTreeMap<String, u32>,
    /// Names that derive a number which somebody else has, with that name and the number.
    pub collisions: BTreeMap<String, (String, u32)>,
    /// Names whose packages fix a number which somebody else has, with that name and the number.
    pub doubles: BTreeMap<String, (String, u32)>,
}

impl Accounts {
    pub fn uid(&self, name: &str) -> Option<u32> {
        self.users.get(name).map(|user| user.uid)
    }

    pub fn gid(&self, name: &str) -> Option<u32> {
        self.groups.get(name).map(|group| group.gid)
    }

    pub fn add_group(&mut self, name: &str, wanted: Option<u32>) -> u32 {
        if let Some(group) = self.groups.get(name) {
            return group.gid;
        }
        let gid = wanted.unwrap_or_else(|| self.free_id(name, DERIVED_IDS));
        self.groups.insert(name.to_owned(), Group { gid, members: BTreeSet::new() });
        gid
    }

    /// Notes that a new account's package fixes a number that another user has; one that brings its own group, that
    /// another group has too.
    pub fn fix_user(&mut self, name: &str, uid: u32, own_group: bool) {
        let taken = self.users.iter().find(|(_, user)| user.uid == uid).map(|(other, _)| other.clone());
        if let Some(other) = taken {
            self.doubles.insert(name.to_owned(), (other, uid));
        } else if own_group {
            self.fix_group(name, uid);
        }
    }

    pub fn fix_group(&mut self, name: &str, gid: u32) {
        let taken = self.groups.iter().find(|(_, group)| group.gid == gid).map(|(other, _)| other.clone());
        // Two names of one group: Debian's and Red Hat's.
        let nobody = |name: &str| ["nobody", "nogroup"].contains(&name);
        if let Some(other) = taken.filter(|other| !(self.groups.contains_key(name) || nobody(name) && nobody(other))) {
            self.doubles.insert(name.to_owned(), (other, gid));
        }
    }

    /// The number for a new name: the recipe's, else the known one, else the one that its hash points to.
    pub fn free_id(&mut self, name: &str, range: std::ops::Range<u32>) -> u32 {
        let users = self.users.iter().map(|(other, user)| (user.uid, other));
        let groups = self.groups.iter().map(|(other, group)| (group.gid, other));
        let given = self.given.iter().map(|(other, id)| (*id, other));
        let taken: BTreeMap<u32, &String> =
            users.chain(groups).chain(given).filter(|(_, other)| *other != name).collect();
        if let Some(id) = self.given.get(name) {
            if let Some(other) = taken.get(id) {
                let collision = ((*other).clone(), *id);
                self.collisions.insert(name.to_owned(), collision);
            }
            return self.given[name];
        }
        let known = KNOWN_IDS.iter().find(|(known, _)| *known == name).map(|(_, id)| *id);
        if let Some(id) = known.filter(|id| !taken.contains_key(id)) {
            return id;
        }
        let Digest(hash) = Digest::of(name);
        let size = range.end - range.start;
        let start = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % size;
        let derived = range.start + start;
        if let Some(other) = taken.get(&derived) {
            let collision = ((*other).clone(), derived);
            self.collisions.insert(name.to_owned(), collision);
        }
        derived
    }
}

/// Fixed numbers first, so that no open one takes them; then groups, which users refer to; then by name.
pub(crate) fn sort(lines: &mut [Line]) {
    lines.sort_by_key(|line| match line {
        Line::Group { name, id } => (u8::from(*id == Id::Any), 0, name.clone()),
        Line::User { name, id, .. } => (u8::from(*id == Id::Any), 1, name.clone()),
        Line::Member { user, .. } => (2, 0, user.clone()),
    });
}

/// The four files of `/etc`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    pub passwd: String,
    pub shadow: String,
    pub group: String,
    pub gshadow: String,
}

impl Accounts {
    /// The files that say the same. `day`: of the last change of the passwords that nobody has, since 1970.
    pub fn texts(&self, day: i64) -> Texts {
        let mut users: Vec<(&String, &User)> = self.users.iter().collect();
        users.sort_by_key(|(_, user)| user.uid);
        let mut groups: Vec<(&String, &Group)> = self.groups.iter().collect();
        groups.sort_by_key(|(_, group)| group.gid);
        let mut texts = Texts::default();
        for (name, user) in users {
            let User { uid, gid, gecos, home, shell, person } = user;
            texts.passwd.push_str(&format!("{name}:x:{uid}:{gid}:{gecos}:{home}:{shell}\n"));
            // `*` is no password; the `!` before it says "locked" as well, which sshd without PAM takes as "no key
            // either".
            let password = if *person { "*" } else { "!*" };
            texts.shadow.push_str(&format!("{name}:{password}:{day}:0:99999:7:::\n"));
        }
        for (name, Group { gid, members }) in groups {
            let members = members.iter().map(String::as_str).collect::<Vec<_>>().join(",");
            texts.group.push_str(&format!("{name}:x:{gid}:{members}\n"));
            texts.gshadow.push_str(&format!("{name}:*::{members}\n"));
        }
        texts
    }

    /// Takes over what somebody wrote into the files: lines of passwd(5) and group(5); others are left out.
    pub fn read_back(&mut self, passwd: &str, group: &str) {
        let mut users = BTreeMap::new();
        for line in passwd.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, gecos, home, shell] = fields.as_slice() else { continue };
            let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse()) else { continue };
            let person = self.users.get(*name).is_some_and(|user| user.person);
            let user = User { uid, gid, gecos: (*gecos).into(), home: (*home).into(), shell: (*shell).into(), person };
            users.entry((*name).to_owned()).or_insert(user);
        }
        let mut groups = BTreeMap::new();
        for line in group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = fields.as_slice() else { continue };
            let Ok(gid) = gid.parse() else { continue };
            let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            groups.entry((*name).to_owned()).or_insert(Group { gid, members });
        }
        (self.users, self.groups) = (users, groups);
    }
}

/// Adds what a line of sysusers.d says, unless it is there.
pub(crate) fn add(accounts: &mut Accounts, line: Line) {
    match line {
        Line::Group { name, id } => {
            if let Id::Exactly(gid) = id {
                accounts.fix_group(&name, gid);
            }
            accounts.add_group(&name, if let Id::Exactly(gid) = id { Some(gid) } else { None });
        }
        Line::User { name, id, group, gecos, home, shell } => {
            if accounts.users.contains_key(&name) {
                return;
            }
            if let Id::Exactly(uid) = id {
                accounts.fix_user(&name, uid, group.is_none());
            }
            let same = accounts.gid(&name);
            let uid = match (id, same) {
                (Id::Exactly(uid), _) => uid,
                (Id::Any, Some(gid)) if accounts.users.values().all(|user| user.uid != gid) => gid,
                (Id::Any, _) => accounts.free_id(&name, DERIVED_IDS),
            };
            let gid = match group {
                Some(GroupReference::Id(gid)) => gid,
                Some(GroupReference::Name(group)) => accounts.add_group(&group, None),
                None => accounts.add_group(&name, Some(uid)),
            };
            accounts.users.insert(name, User { uid, gid, gecos, home, shell, person: false });
        }
        Line::Member { user, group } => {
            accounts.add_group(&group, None);
            if let Some(group) = accounts.groups.get_mut(&group) {
                group.members.insert(user);
            }
        }
    }
}
