//! Whether the image's systemd takes the units of this program and of overlays as they are meant.
//!
//! An older systemd refuses some combinations of settings, so that the unit is not there, and leaves out settings that it
//! does not know, so that it starts when it should not. Packages' own units were made for their distribution's systemd.
//! Sources: systemd's `service_verify`, and "Added in version" of its manual pages.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;

use super::finding::{Finding, Findings};
use super::subject::Subject;
use crate::tree::{Inode, Kind, Origin, TreePath};

/// Units and drop-ins of an earlier directory hide those of the same name in a later one.
const DIRECTORIES: [&str; 2] = ["/etc/systemd/system", "/usr/lib/systemd/system"];
/// Endings of units with settings of these kinds.
const SUFFIXES: [&str; 6] = [".service", ".socket", ".timer", ".target", ".path", ".mount"];

/// Settings that an older systemd makes something else of.
struct Rule {
    /// Every one of them has one of these values.
    says: &'static [(&'static str, &'static [&'static str])],
    /// First version that does it; no version does without.
    since: Option<u32>,
    /// Distributions teach older versions: then their systemd has these bytes in it.
    taught: &'static str,
    makes: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        says: &[("Type", &["oneshot"]), ("Restart", &["on-failure", "on-abnormal", "on-watchdog", "on-abort"])],
        since: Some(244),
        taught: "set to either always or on-success",
        makes: "refuses the unit",
    },
    Rule {
        says: &[("Type", &["oneshot"]), ("Restart", &["always", "on-success"])],
        since: None,
        taught: "",
        makes: "refuses the unit",
    },
    Rule { says: &[("Type", &["exec"])], since: Some(240), taught: "exec-fd", makes: "takes it for `simple`" },
    Rule {
        says: &[("Type", &["notify-reload"])],
        since: Some(253),
        taught: "notify-reload",
        makes: "takes it for `simple`",
    },
];

/// Settings that decide whether and when a unit starts or what it is given, and the first version that knows them. A
/// systemd that knows one has `Section.Setting` in its table, whatever its version.
const SETTINGS: &[(&str, u32)] = &[
    ("ConditionCPUFeature", 248),
    ("ConditionCPUs", 244),
    ("ConditionCredential", 252),
    ("ConditionEnvironment", 246),
    ("ConditionFirmware", 249),
    ("ConditionMemory", 244),
    ("ConditionOSRelease", 249),
    ("ExecCondition", 243),
    ("ImportCredential", 254),
    ("LoadCredential", 247),
    ("OnSuccess", 249),
    ("PropagatesStopTo", 249),
    ("RestartMode", 254),
    ("SetCredential", 247),
    ("StopPropagatedFrom", 249),
    ("Upholds", 249),
];

/// A setting as the unit ends up with it.
struct Setting {
    value: String,
    origin: Origin,
}

pub(super) fn check(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    let Some(version) = version(subject)? else { return Ok(found) };
    let mut program = None;
    for unit in units(subject)? {
        let settings = settings(subject, &unit)?;
        for Rule { says, since, taught, makes } in RULES {
            let said = says.iter().map(|(name, values)| settings.get(*name).filter(|it| values.contains(&&*it.value)));
            let Some(said) = said.collect::<Option<Vec<&Setting>>>() else { continue };
            let Some(Setting { origin, .. }) = said.iter().find(|it| is_ours(&it.origin)) else { continue };
            if let Some(since) = *since
                && (since <= version || knows(subject, &mut program, taught)?)
            {
                continue;
            }
            let words: Vec<String> =
                says.iter().zip(&said).map(|((name, _), setting)| format!("`{name}={}`", setting.value)).collect();
            let until = since.map_or("as every one does".to_owned(), |since| format!("as all before {since} do"));
            let text = format!("`{unit}` from {origin} says {}", words.join(" and "));
            found.push(Finding::from(format!("{text}: the image's systemd {version} {makes}, {until}")));
        }
        for (name, since) in SETTINGS.iter().filter(|(_, since)| version < *since) {
            let Some(Setting { origin, .. }) = settings.get(*name).filter(|it| is_ours(&it.origin)) else { continue };
            if !knows(subject, &mut program, &format!(".{name}"))? {
                let text = format!("`{unit}` from {origin} says `{name}=`");
                found.push(
                    format!("{text}: the image's systemd {version} leaves it out, as all before {since} do").into(),
                );
            }
        }
    }
    Ok(found)
}

/// Whether every unit that is started exists.
pub(super) fn links(subject: &Subject) -> Findings {
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

fn is_ours(origin: &Origin) -> bool {
    origin.starts_with("nodesmith: ") || origin.starts_with("overlay ")
}

/// Where systemd's own libraries lie.
fn libraries(subject: &Subject) -> [String; 3] {
    ["lib", "lib64", &format!("lib/{}", subject.recipe.arch.multiarch)].map(|place| format!("/usr/{place}/systemd"))
}

/// By the library that every program of systemd's loads (`libsystemd-shared-257.so`), else by the package.
fn version(subject: &Subject) -> anyhow::Result<Option<u32>> {
    let number = |text: &str| {
        let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse().ok()
    };
    for directory in libraries(subject) {
        for (path, _, _) in subject.tree.children(&TreePath::parse(directory)?) {
            let name = String::from_utf8_lossy(path.name()).into_owned();
            if let Some(version) = name.strip_prefix("libsystemd-shared-").and_then(number) {
                return Ok(Some(version));
            }
        }
    }
    let package = subject.packages.iter().find(|package| package.id.name == "systemd");
    Ok(package.and_then(|package| {
        let version = &package.id.version;
        number(version.split_once(':').map_or(version.as_str(), |(_, version)| version))
    }))
}

/// Whether the manager has this text in it: the program, and the library that later versions moved it to.
fn knows(subject: &Subject, program: &mut Option<Vec<u8>>, text: &str) -> anyhow::Result<bool> {
    let bytes = match program {
        Some(bytes) => bytes,
        None => program.insert(manager(subject)?),
    };
    Ok(bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

fn manager(subject: &Subject) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for directory in libraries(subject) {
        for (path, _, inode) in subject.tree.children(&TreePath::parse(directory)?) {
            let manager = path.name() == b"systemd" || path.name().starts_with(b"libsystemd-core-");
            if let (true, Kind::File(content)) = (manager, &inode.kind) {
                bytes.extend(content.read(subject.contents).with_context(|| format!("reading `{path}`"))?);
            }
        }
    }
    Ok(bytes)
}

/// Names of the units of which this program or an overlay brings the file or a drop-in.
fn units(subject: &Subject) -> anyhow::Result<BTreeSet<String>> {
    let mut units = BTreeSet::new();
    for directory in DIRECTORIES {
        let directory = TreePath::parse(directory)?;
        let depth = directory.components().count();
        for (path, _, inode) in subject.tree.below(&directory) {
            if !matches!(inode.kind, Kind::File(_)) || !is_ours(&inode.origin) {
                continue;
            }
            // The file itself, or the directory of a drop-in.
            let Some(name) = path.components().nth(depth) else { continue };
            let name = String::from_utf8_lossy(name).into_owned();
            let unit = name.strip_suffix(".d").unwrap_or(&name);
            if SUFFIXES.iter().any(|suffix| unit.ends_with(suffix)) {
                units.insert(unit.to_owned());
            }
        }
    }
    Ok(units)
}

/// What the unit's file and its drop-ins say in the end. Nothing of a unit that is masked or another one's alias.
fn settings(subject: &Subject, unit: &str) -> anyhow::Result<BTreeMap<String, Setting>> {
    let mut settings = BTreeMap::new();
    let mut drop_ins: BTreeMap<Vec<u8>, (TreePath, Inode)> = BTreeMap::new();
    let mut file = None;
    for directory in DIRECTORIES {
        let path = TreePath::parse(format!("{directory}/{unit}"))?;
        file = file.or_else(|| subject.tree.get(&path).cloned().map(|inode| (path, inode)));
        for (path, _, inode) in subject.tree.children(&TreePath::parse(format!("{directory}/{unit}.d"))?) {
            if path.name().ends_with(b".conf") {
                drop_ins.entry(path.name().to_vec()).or_insert_with(|| (path.clone(), inode.clone()));
            }
        }
    }
    if matches!(file, Some((_, Inode { kind: Kind::Symlink(_), .. }))) {
        return Ok(settings);
    }
    for (path, inode) in file.into_iter().chain(drop_ins.into_values()) {
        if let Kind::File(content) = &inode.kind {
            let bytes = content.read(subject.contents).with_context(|| format!("reading `{path}`"))?;
            assign(&String::from_utf8_lossy(&bytes), &inode.origin, &mut settings);
        }
    }
    Ok(settings)
}

/// systemd.syntax(7): the last assignment counts, an empty one takes back those before it.
fn assign(text: &str, origin: &Origin, settings: &mut BTreeMap<String, Setting>) {
    let mut extension = false;
    let text = text.replace("\\\n", " ");
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if line.starts_with('[') {
            extension = line.starts_with("[X-");
        } else if let Some((name, value)) = line.split_once('=').filter(|_| !extension) {
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            match value.is_empty() {
                true => drop(settings.remove(&name)),
                false => drop(settings.insert(name, Setting { value, origin: origin.clone() })),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::units::units;
    use crate::assemble::tests::World;
    use crate::checks::tests::put_from;
    use crate::package::PackageId;
    use crate::runtime::CONTAINERD;

    const ONESHOT: &str = "[Service]\nType=oneshot\nRestart=on-failure\nExecStart=/bin/true\n";

    /// Findings in a root with these files and a systemd of this version, whose program is `program`.
    fn found(version: &str, program: &str, files: &[(&str, &str, &str)]) -> Vec<String> {
        let world = World::new();
        let mut assembled = world.assemble().unwrap();
        put_from(&mut assembled.tree, &format!("/usr/lib/systemd/libsystemd-shared-{version}.so"), "", "systemd");
        put_from(&mut assembled.tree, "/usr/lib/systemd/systemd", program, "systemd");
        for (path, text, origin) in files {
            put_from(&mut assembled.tree, path, text, origin);
        }
        let (recipe, tree, contents, kernel) = (&world.recipe, &assembled.tree, &world.store, &assembled.kernel);
        let findings = check(&Subject { recipe, tree, contents, kernel, packages: &[] }).unwrap();
        findings.into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn a_unit_that_the_images_systemd_refuses_is_found_and_a_newer_or_taught_one_is_fine() {
        let unit = [("/etc/systemd/system/a.service", ONESHOT, "overlay site")];
        let refused = "`a.service` from overlay site says `Type=oneshot` and `Restart=on-failure`: the image's systemd \
                       239 refuses the unit, as all before 244 do";
        assert_eq!(found("239", "", &unit), [refused]);
        assert_eq!(found("244", "", &unit), [""; 0]);
        assert_eq!(found("257.13-1.el10", "", &unit), [""; 0]);
        assert_eq!(found("239", "Restart= set to either always or on-success, which", &unit), [""; 0]);
        let always = ONESHOT.replace("on-failure", "always");
        let always = found("257", "", &[("/etc/systemd/system/a.service", &always, "overlay site")]);
        assert!(always.len() == 1 && always[0].ends_with("refuses the unit, as every one does"), "{always:?}");
    }

    #[test]
    fn drop_ins_count_and_units_of_packages_do_not() {
        let (main, drop_in) = ("/usr/lib/systemd/system/a.service", "/etc/systemd/system/a.service.d/x.conf");
        let oneshot = (main, "[Service]\nType=oneshot\nExecStart=/bin/true\n", "a 1.0");
        assert_eq!(found("239", "", &[(main, ONESHOT, "a 1.0")]), [""; 0]);
        let again = (drop_in, "[Service]\nRestart=on-failure\n", "overlay site");
        assert_eq!(found("239", "", &[oneshot, again]).len(), 1);
        // What another takes back is not said, and what is masked is not read.
        let (back, no) = ("/etc/systemd/system/a.service.d/y.conf", "[Service]\nRestart=\n");
        assert_eq!(found("239", "", &[oneshot, again, (back, no, "overlay site")]), [""; 0]);
    }

    #[test]
    fn settings_that_are_left_out_are_found_by_version_or_by_the_program() {
        let text = "[Unit]\n# Upholds=x\nConditionEnvironment=A\n[Service]\nExecCondition=/bin/true\nType=exec\n";
        let unit = [("/usr/lib/systemd/system/a.service", text, "overlay site")];
        let all = found("239", "", &unit);
        assert_eq!(all.len(), 3, "{all:?}");
        let condition = "says `ConditionEnvironment=`: the image's systemd 239 leaves it out, as all before 246 do";
        assert!(all[1].ends_with(condition), "{all:?}");
        assert_eq!(found("239", "exec-fd\0Service.ExecCondition\0", &unit).len(), 1);
        assert_eq!(found("246", "", &unit), [""; 0]);
    }

    #[test]
    fn the_agents_units_suit_every_systemd() {
        let units = units(&CONTAINERD).map(|(name, text)| (format!("/usr/lib/systemd/system/{name}"), text));
        let files = units.each_ref().map(|(path, text)| (path.as_str(), text.as_str(), "nodesmith: agent"));
        assert_eq!(found("230", "", &files), [""; 0]);
    }

    #[test]
    fn the_package_says_the_version_where_no_library_does() {
        let mut world = World::new();
        let assembled = world.assemble().unwrap();
        let mut package = world.packages.remove(0);
        for (version, expected) in [("219-78.el7", Some(219)), ("1:252.38-1", Some(252)), ("x", None)] {
            package.id = PackageId { name: "systemd".into(), version: version.into(), arch: "x86_64".into() };
            let (recipe, tree, contents, kernel) = (&world.recipe, &assembled.tree, &world.store, &assembled.kernel);
            let packages = std::slice::from_ref(&package);
            let subject = Subject { recipe, tree, contents, kernel, packages };
            assert_eq!(super::version(&subject).unwrap(), expected);
        }
    }
}
