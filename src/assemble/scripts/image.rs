//! What is there while an RPM's script runs on a fresh root: files that packages bring, and files that nobody does.
//!
//! Scripts ask for what an older version left behind, for what other packages bring, for a running system. Of what
//! nobody can tell the answer is nothing, and a script must then be known in every case.

use std::collections::{BTreeMap, BTreeSet};

use crate::package::{FileKind, Package};

/// Where nothing is before a system runs.
const RUNNING: [&str; 5] = ["/run/", "/var/run/", "/var/lock/", "/tmp/", "/var/tmp/"];
/// What is made by programs that scripts run, or by the kernel.
const MADE: [&str; 20] = [
    "/boot/",
    "/dev/",
    "/etc/alternatives/",
    "/etc/authselect/",
    "/etc/group",
    "/etc/gshadow",
    "/etc/ld.so.cache",
    "/etc/machine-id",
    "/etc/nsswitch.conf",
    "/etc/pam.d/",
    "/etc/passwd",
    "/etc/pki/",
    "/etc/selinux/",
    "/etc/shadow",
    "/etc/systemd/system/",
    "/proc/",
    "/sys/",
    "/usr/lib/sysimage/",
    "/var/lib/rpm-state/",
    "/lib/rpm-state/",
];
/// Words of commands that make a file.
const MAKERS: [&str; 9] = ["touch", "mkdir", "mktemp", "cp ", "ln ", "mv ", "install -", "tee ", ">"];
/// Output that makes none.
const NOWHERE: [&str; 8] =
    ["&> /dev/null", "&>/dev/null", "2> /dev/null", "2>/dev/null", "1>/dev/null", "> /dev/null", ">/dev/null", "2>&1"];
/// Machines that nobody has any more.
const GONE: [&str; 2] = ["/proc/bus/mckinley", "/proc/sgi_sn"];
/// Links of the merged /usr; `filesystem` of Fedora 42 has a third.
const MERGED: [(&str, &str); 5] = [
    ("/bin/", "/usr/bin/"),
    ("/sbin/", "/usr/bin/"),
    ("/usr/sbin/", "/usr/bin/"),
    ("/lib/", "/usr/lib/"),
    ("/lib64/", "/usr/lib64/"),
];

/// What a path is, as far as scripts ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File { executable: bool, empty: bool },
    Link,
    Other,
}

/// All packages of the image.
#[derive(Debug, Default)]
pub(super) struct Image<'a> {
    packages: Vec<&'a Package>,
    /// By path without the links of the merged `/usr`: what it is, and who brings it.
    paths: BTreeMap<String, (Kind, BTreeSet<usize>)>,
}

/// One script's view of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// And the script's package and name.
    image: Option<(&'a Image<'a>, usize, &'a str)>,
    /// The files of the script's own package are there.
    own: bool,
    /// Those of all packages are.
    all: bool,
    /// What the script has made up to here.
    made: Option<&'a BTreeSet<String>>,
}

impl<'a> Image<'a> {
    pub(super) fn of(packages: &[&'a Package]) -> Image<'a> {
        let mut paths: BTreeMap<String, (Kind, BTreeSet<usize>)> = BTreeMap::new();
        for (index, package) in packages.iter().enumerate() {
            for file in &package.files {
                let kind = match &file.kind {
                    FileKind::Directory => Kind::Directory,
                    FileKind::File { size, .. } => Kind::File { executable: file.mode & 0o111 != 0, empty: *size == 0 },
                    FileKind::Symlink { .. } => Kind::Link,
                    _ => Kind::Other,
                };
                let path = merged(&file.path.to_string());
                let entry = paths.entry(path).or_insert((kind, BTreeSet::new()));
                if entry.0 != kind {
                    entry.0 = Kind::Other;
                }
                entry.1.insert(index);
            }
        }
        Image { packages: packages.to_vec(), paths }
    }

    pub(super) fn package(&self, index: usize) -> &'a Package {
        self.packages[index]
    }

    /// While `script` of the package at `index` runs.
    pub(super) fn during(&'a self, index: usize, script: &'a str) -> View<'a> {
        let early = matches!(script, "%pretrans" | "%pre");
        View { image: Some((self, index, script)), own: !early, all: script == "%posttrans", made: None }
    }

    /// The packages of this name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &'a Package> {
        self.packages.iter().copied().filter(move |package| package.id.name == name)
    }

    /// Whether a package brings a path that begins so, as it is written there.
    pub(super) fn brings(&self, prefix: &str) -> bool {
        let mut files = self.packages.iter().flat_map(|package| &package.files);
        files.any(|file| file.path.as_bytes().starts_with(prefix.as_bytes()))
    }

    /// Whether a script of the package at `index`, but for that of this name, may make the path.
    fn makes(&self, index: usize, but: Option<&str>, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let scripts = &self.packages[index].scripts;
        let others = scripts.iter().filter(|script| but != Some(script.name.as_str()));
        others.filter(|script| !super::REMOVAL.contains(&script.name.as_str())).any(|script| {
            let text = String::from_utf8_lossy(&script.text);
            let text = NOWHERE.iter().fold(text.into_owned(), |text, nowhere| text.replace(nowhere, ""));
            let makes = |line: &str| MAKERS.iter().any(|maker| line.contains(maker));
            text.lines().any(|line| line.contains(name) && makes(line))
        })
    }

    fn has_below(&self, prefix: &str) -> bool {
        self.paths.range(prefix.to_owned()..).next().is_some_and(|(path, _)| path.starts_with(prefix))
    }
}

/// The path without the links of the merged /usr.
fn merged(path: &str) -> String {
    let mut path = path.to_owned();
    for (link, target) in MERGED {
        if let Some(rest) = path.strip_prefix(link) {
            path = format!("{target}{rest}");
        }
    }
    path
}

impl<'a> View<'a> {
    /// Nothing is known of the packages.
    pub(super) fn unknown() -> View<'static> {
        View { image: None, own: false, all: false, made: None }
    }

    /// After the script made these.
    pub(super) fn with<'b>(self, made: &'b BTreeSet<String>) -> View<'b>
    where
        'a: 'b,
    {
        View { made: Some(made), ..self }
    }

    /// What is at `path`: nothing inside if nothing is, nothing at all if nobody can tell.
    pub(super) fn at(&self, path: &str) -> Option<Option<Kind>> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let plain = path.starts_with('/') && !path.split('/').skip(1).any(|name| ["", ".", ".."].contains(&name));
        if !plain || path.contains(['*', '?', '[', '{', '\n']) {
            return None;
        }
        if self.made.is_some_and(|made| made.contains(path)) {
            return None;
        }
        if GONE.contains(&path) {
            return Some(None);
        }
        if RUNNING.iter().any(|place| path.starts_with(place)) {
            let makes = self.image.is_some_and(|(image, index, _)| image.makes(index, None, path));
            return (!makes).then_some(None);
        }
        let (image, index, script) = self.image?;
        // Every root has its first directories, whoever makes them.
        if path.matches('/').count() < 2 {
            return None;
        }
        let path = merged(path);
        if let Some((kind, owners)) = image.paths.get(&path) {
            let there = owners.contains(&index) && self.own || self.all;
            return there.then_some(Some(*kind));
        }
        let below = |link: &str| image.paths.get(link).is_some_and(|(kind, _)| *kind != Kind::Directory);
        let mut parents = path.match_indices('/').skip(1).map(|(at, _)| &path[..at]);
        let made = MADE.iter().any(|place| path.starts_with(place)) || image.makes(index, Some(script), &path);
        // A directory that something else lies in is there although nobody brings it.
        if made
            || parents.any(below)
            || image.has_below(&format!("{path}/"))
            || self.named_elsewhere(image, index, &path)
        {
            return None;
        }
        Some(None)
    }

    /// Whether no path of a package fits a pattern of names, as far as that can be told.
    pub(super) fn none_fits(&self, pattern: &str) -> bool {
        let Some((image, ..)) = self.image else { return false };
        let fixed = pattern.split(['*', '?', '[', '{']).next().unwrap_or_default();
        let made = MADE.iter().any(|place| fixed.starts_with(place) || place.starts_with(fixed));
        if made || pattern.contains('{') || !fixed.starts_with('/') {
            return false;
        }
        let (pattern, fixed) = (merged(pattern), merged(fixed));
        let paths =
            image.paths.range(fixed.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&fixed));
        !paths.into_iter().any(|path| crate::assemble::presets::matches(pattern.as_bytes(), path.as_bytes()))
    }

    /// Whether a package brings a directory there.
    pub(super) fn is_directory(&self, path: &str) -> bool {
        self.image.is_none_or(|(image, ..)| image.paths.get(path).is_some_and(|(kind, _)| *kind == Kind::Directory))
    }

    /// Whether another package's script names the path, at least its last two parts: it may make it.
    fn named_elsewhere(&self, image: &Image, index: usize, path: &str) -> bool {
        let end = path.rmatch_indices('/').nth(1).map_or(path, |(at, _)| &path[at..]);
        let ends = [end.to_owned(), end.replace("/bin/", "/sbin/")];
        let others = image.packages.iter().enumerate().filter(|(other, _)| *other != index);
        let mut scripts = others.flat_map(|(_, package)| &package.scripts);
        let removals = |name: &str| super::REMOVAL.contains(&name);
        let goes_on =
            |rest: &str| rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
        let names = |text: &str| {
            ends.iter().any(|end| text.match_indices(end.as_str()).any(|(at, _)| !goes_on(&text[at + end.len()..])))
        };
        scripts.any(|script| !removals(&script.name) && names(&String::from_utf8_lossy(&script.text)))
    }
}
