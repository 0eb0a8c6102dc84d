//! What sets off triggers: dpkg's by name or path, rpm's by package or path.

use std::collections::{BTreeMap, BTreeSet};

use crate::package::evr::compare_to_wanted;
use crate::package::{FileKind, Package, Script};

const OPERATORS: [&str; 5] = ["<", "<=", "=", ">=", ">"];

/// Of a package of dpkg: the triggers that it is interested in and that are set off by files, declarations or scripts of
/// others (`activated`), in the order of their names. Format: deb-triggers(5).
pub(super) fn pending(package: &Package, packages: &[&Package], activated: &BTreeSet<String>) -> Vec<String> {
    let interests = declared(package, "interest");
    let others = || packages.iter().filter(|other| other.id != package.id);
    let set_off = |name: &String| {
        activated.contains(name)
            || others().any(|other| declared(other, "activate").contains(name))
            || name.starts_with('/') && others().any(|other| brings(other, name))
    };
    interests.into_iter().filter(set_off).collect()
}

/// Names behind `interest`, `activate` and their variants.
fn declared(package: &Package, directive: &str) -> BTreeSet<String> {
    let text = package.members.get("triggers").map(|text| String::from_utf8_lossy(text).into_owned());
    let text = text.unwrap_or_default();
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let named = lines.filter_map(|line| {
        let (word, name) = line.split_once(char::is_whitespace)?;
        let kind = word.split('-').next().unwrap_or(word);
        (kind == directive).then(|| name.trim().to_owned())
    });
    named.collect()
}

/// Whether a package has a file at a path or below it.
fn brings(package: &Package, path: &str) -> bool {
    let path = path.trim_end_matches('/').as_bytes();
    package.files.iter().any(|file| {
        let rest = file.path.as_bytes().strip_prefix(path);
        rest.is_some_and(|rest| rest.starts_with(b"/") || rest.is_empty() && file.kind != FileKind::Directory)
    })
}

/// Of a trigger of an RPM, whose first line says by what it is set off: nothing if nothing of the image does, else the
/// paths that do, for its standard input.
pub(super) fn sets_off(
    script: &Script,
    packages: &[&Package],
    names: &BTreeMap<&str, Vec<&str>>,
) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(&script.text);
    let on = text.lines().next()?.strip_prefix("# on ")?.to_owned();
    let words: Vec<&str> =
        on.split(|letter: char| letter.is_whitespace() || letter == ',').filter(|word| !word.is_empty()).collect();
    if script.name.contains("filetrigger") {
        let mut found = BTreeSet::new();
        for file in packages.iter().flat_map(|package| &package.files) {
            if words.iter().any(|prefix| file.path.as_bytes().starts_with(prefix.as_bytes())) {
                found.insert(String::from_utf8_lossy(file.path.as_bytes()).into_owned());
            }
        }
        return (!found.is_empty()).then(|| found.into_iter().collect());
    }
    let mut rest = words.as_slice();
    while let [name, after @ ..] = rest {
        let (condition, next) = match after {
            [operator, version, next @ ..] if OPERATORS.contains(operator) => (Some((*operator, *version)), next),
            next => (None, next),
        };
        let fits = |evr: &&str| {
            condition.is_none_or(|(operator, version)| {
                let order = compare_to_wanted(evr, version);
                operator.contains('<') && order.is_lt()
                    || operator.contains('>') && order.is_gt()
                    || operator.contains('=') && order.is_eq()
            })
        };
        if names.get(name).is_some_and(|versions| versions.iter().any(fits)) {
            return Some(Vec::new());
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{FileEntry, Owner, PackageId};
    use crate::tree::TreePath;

    fn package(name: &str, triggers: &str, files: &[&str]) -> Package {
        let owner = Owner { name: "root".into(), id: 0 };
        let entry = |path: &&str| FileEntry {
            path: TreePath::parse(path).unwrap(),
            kind: FileKind::Fifo,
            mode: 0o644,
            user: owner.clone(),
            group: owner.clone(),
            mtime: 0,
            xattrs: Default::default(),
        };
        Package {
            id: PackageId { name: name.into(), version: "1:2.0-1".into(), arch: "amd64".into() },
            family: Default::default(),
            control: vec![],
            files: files.iter().map(entry).collect(),
            scripts: vec![],
            members: BTreeMap::from([("triggers".to_owned(), triggers.as_bytes().to_vec())]),
        }
    }

    #[test]
    fn dpkg_triggers_are_set_off_by_others_files_declarations_and_scripts() {
        let text = "# c\ninterest-noawait /usr/share/x\ninterest named\ninterest-await /etc/y\ninterest called\n";
        let own = package("own", text, &["/usr/share/x/own"]);
        let other = package("other", "activate-noawait named\n", &["/usr/share/xy/no"]);
        assert_eq!(pending(&own, &[&own, &other], &BTreeSet::new()), ["named"]);
        let more = package("more", "", &["/usr/share/x/a", "/etc/y"]);
        let called = BTreeSet::from(["called".to_owned(), "strange".to_owned()]);
        assert_eq!(pending(&own, &[&own, &other, &more], &called), ["/etc/y", "/usr/share/x", "called", "named"]);
    }

    #[test]
    fn rpm_triggers_compare_versions_and_list_paths() {
        let packages = [package("a", "", &["/usr/lib/x/1", "/etc/x"])];
        let all: Vec<&Package> = packages.iter().collect();
        let names = BTreeMap::from([("a", vec!["1:2.0-1"])]);
        let script = |name: &str, text: &str| Script { name: name.into(), text: text.as_bytes().to_vec() };
        let asked = |name: &str, text: &str| sets_off(&script(name, text), &all, &names);
        assert_eq!(asked("%triggerin", "# on b, a\nx"), Some(vec![]));
        assert_eq!(asked("%triggerin", "# on a < 1:2.0\nx"), None);
        assert_eq!(asked("%triggerin", "# on a < 1:2.0 a >= 1:1\nx"), Some(vec![]));
        assert_eq!(asked("%transfiletriggerin", "# on /usr/lib /opt\nx"), Some(vec!["/usr/lib/x/1".to_owned()]));
        assert_eq!(asked("%transfiletriggerin", "# on /usr/share\nx"), None);
    }
}
