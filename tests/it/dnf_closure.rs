//! The resolver against dnf: from the same RPM-md repositories, both must take the same packages in the same versions.
//!
//! The repositories are small, and each package of them is about something that metadata can say. They are made here
//! with the `rpm` crate and createrepo_c. `ci/dnf-choice` asks dnf for everything at once. Real distributions are
//! compared by `ci/dnf-closure`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use nodesmith::diag::{Diagnostics, Location, Source};
use nodesmith::recipe::PackageRequest;
use nodesmith::repo::fetch::{Fetcher, Network};
use nodesmith::repo::pick::pick;
use nodesmith::repo::rpmmd::mirrors::Mirrors;
use nodesmith::repo::{Index, Snapshot, rpmmd};
use nodesmith::resolve::{Preferences, resolve_with};
use nodesmith::store::Store;
use nodesmith::tree::Digest;
use rpm::{BuildConfig, Dependency, FileOptions, PackageBuilder};

use crate::support::{oracle, run};

/// `name [epoch:]version-release[.noarch]; kind: relation, relation; …`, where kinds are those of RPM, and `files`.
const MAIN: &str = "
shell 5-1; files: /usr/bin/sh; provides: /bin/sh
app 3.0-1; requires: lib
app 1:0.5-1; requires: lib >= 2, /bin/sh
lib 1-1
lib 2-1
lib 2^git1-1
lib 2~rc1-1
wants-final 1-1; requires: final >= 1.0
final 1.0~rc2-1
final-compat 7-1; provides: final = 1.0-1
wants-epoch 1-1; requires: epochal >= 1:1
epochal 2:0.1-1
epochal 9-1
wants-release 1-1; requires: released = 1.0-2
released 1.0-1
released 1.0-2
released 1.0-10
wants-range 1-1; requires: ranged > 1, ranged < 3
ranged 1-1
ranged 2-1
ranged 3-1
wants-bare 1-1; requires: unversioned >= 5
bare-a 1-1; provides: unversioned
needs-bin 1-1; requires: /usr/bin/tool
tool-long-name 1-1; files: /usr/bin/tool
tool 1-1; files: /usr/bin/tool
needs-share 1-1; requires: /usr/share/dict/words
words 1-1; files: /usr/share/dict/words
words-big 1-1; files: /usr/share/dict/words; requires: lib
needs-no-file 1-1; requires: /usr/share/dict/nobody
rich-or 1-1; requires: (nowhere or there >= 2)
there 1-1
there 2-1
rich-and 1-1; requires: (lib and (there or tool))
rich-if 1-1; requires: (langpack if desktop)
rich-if-else 1-1; requires: (langpack if desktop else console)
langpack 1-1
desktop 1-1
console 1-1
rich-unless 1-1; requires: (console unless desktop else langpack)
rich-with 1-1; requires: (plugin >= 1 with plugin-abi = 7)
plugin 3-1; provides: plugin-abi = 8
plugin 2-1; provides: plugin-abi = 7
plugin-old 1-1; provides: plugin-abi = 7
rich-without 1-1; requires: (plugin-abi without plugin >= 3)
rich-conflict 1-1; conflicts: (desktop and console)
rich-deep 1-1; requires: ((langpack if desktop) and (console if (tool or words)))
rich-soft 1-1; requires: (lib >= 3 if console)

old-name 1-1
old-name 2-1
new-name 5-1; obsoletes: old-name < 3; provides: old-name = 3
kept-name 1-1
kept-new 2-1; obsoletes: kept-name < 1
uses-old 1-1; requires: old-name
other-old 1-1; provides: old-name = 1; requires: lib
swap-a 1-1; obsoletes: swap-b; provides: swap
swap-b 1-1; obsoletes: swap-a; provides: swap
needs-swap 1-1; requires: swap
mail 1-1; requires: mta
exim 1-1; provides: mta
postfix 1-1; provides: mta
no-exim 1-1; conflicts: exim
no-old-lib 1-1; conflicts: lib < 3
self 1-1; provides: only-one; conflicts: only-one
self-too 1-1; provides: only-one
site 1-1; requires: webserver; recommends: nginx
site-rich 1-1; requires: webserver; recommends: (nginx if desktop)
site-suggests 1-1; requires: webserver; suggests: lighttpd
apache 1-1; provides: webserver
lighttpd 1-1; provides: webserver
nginx 1-1; provides: webserver
caddy 1-1; provides: webserver; supplements: console
hiawatha 1-1; provides: webserver; enhances: words
needs-abi 1-1; requires: abi
abi-a 1-1; provides: abi = 1
abi-b 1-1; provides: abi = 2
abi-c 1-1; provides: abi = 2
needs-two 1-1; requires: pair
pair-a 1-1; provides: pair
pair-a 2-1
pair-b 1-1; provides: pair
broken 1-1; requires: lib
broken 2-1; requires: nowhere
broken-deep 1-1
broken-deep 2-1; requires: broken = 2
choice 1-1; requires: stack, late
late 1-1; requires: stack-b
stack-a 1-1; provides: stack
stack-b 1-1; provides: stack
kernel-core 5-1; provides: installonlypkg(kernel), kernel(sym) = 0x1
kernel-core 6-1; provides: installonlypkg(kernel), kernel(sym) = 0x2
driver5 1-1; requires: kernel-core = 5
driver6 1-1; requires: kernel-core = 6
kmod 1-1; requires: kernel(sym) = 0x1
twin 1-1
twin 2-1
twin1 1-1; requires: twin = 1
twin2 1-1; requires: twin = 2
needs-prior 1-1; requires: prior
prior-a 9-1; provides: prior = 9
arched 1-1.noarch
arched 1-1
shared 1-1
excluded 1-1
loop-a 1-1; requires: loop-b
loop-b 1-1; requires: loop-a
back 1-1; requires: first, second
first 1-1; requires: lib = 1
second 1-1; requires: third
third 1-1; requires: lib = 1
third 2-1; requires: lib = 2
hard 1-1; requires: either, lib = 1
either-a 1-1; provides: either; requires: lib = 2
either-b 1-1; provides: either; requires: mail, no-exim
";

/// Its packages count more, and some are left out.
const EXTRA: &str = "
shared 0.1-1
excluded 2-1
prior-b 1-1; provides: prior
";

const SETS: &[&str] = &[
    "app",
    "app shared",
    "shell lib",
    "wants-final",
    "wants-epoch",
    "wants-release",
    "wants-range",
    "wants-bare",
    "needs-bin",
    "needs-bin tool-long-name",
    "needs-share",
    "needs-share words-big",
    "needs-no-file",
    "rich-or",
    "rich-and",
    "rich-if",
    "rich-if desktop",
    "rich-if-else",
    "rich-if-else desktop",
    "rich-unless",
    "rich-unless desktop",
    "rich-with",
    "rich-without",
    "rich-conflict desktop",
    "rich-conflict desktop console",
    "rich-deep",
    "rich-deep desktop words",
    "rich-soft console",
    "rich-soft",
    "old-name",
    "new-name",
    "new-name old-name",
    "uses-old",
    "uses-old other-old",
    "kept-name kept-new",
    "needs-swap",
    "mail",
    "mail no-exim",
    "mail exim no-exim",
    "app no-old-lib",
    "self",
    "self self-too",
    "site",
    "site-rich",
    "site-rich desktop",
    "site-suggests",
    "site-suggests console",
    "site console",
    "site-suggests words",
    "needs-abi",
    "needs-two",
    "broken",
    "broken-deep",
    "choice",
    "kernel-core",
    "driver5 driver6",
    "driver5 kernel-core",
    "kmod",
    "kmod kernel-core",
    "twin1 twin2",
    "twin1",
    "needs-prior",
    "needs-prior prior-a",
    "arched",
    "shared",
    "excluded",
    "loop-a",
    "back",
    "hard",
    "hard exim",
    "mail site app choice back",
];

#[test]
fn the_resolver_chooses_what_dnf_chooses() {
    for tool in ["dnf", "createrepo_c"] {
        if oracle(tool).is_none() {
            return;
        }
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dnf-closure");
    let _ = fs::remove_dir_all(&place);
    for (name, packages) in [("main", MAIN), ("extra", EXTRA)] {
        let directory = place.join(name);
        fs::create_dir_all(&directory).unwrap();
        packages.lines().filter(|line| !line.is_empty()).for_each(|line| write(line, &directory));
        run(Command::new("createrepo_c").arg("--quiet").arg(&directory));
    }
    let sets = place.join("sets");
    fs::write(&sets, SETS.join("\n")).unwrap();
    let mut different = String::new();
    for weak in [false, true] {
        let (ours, theirs) = (ours(&place, weak), theirs(&place, &sets, weak));
        assert_eq!(theirs.len(), SETS.len());
        for set in SETS {
            let (ours, theirs) = (&ours[*set], &theirs[*set]);
            if ours != theirs {
                different.push_str(&format!("{set}, weak: {weak}\n  ours {ours:?}\n  dnf  {theirs:?}\n"));
            }
        }
        // The comparison is about something.
        assert!(theirs.values().filter(|it| it.is_some()).count() > 50);
        assert!(theirs.values().filter(|it| it.is_none()).count() > 4);
    }
    assert!(different.is_empty(), "dnf chooses differently:\n{different}");
}

/// What each set leads to; nothing if it is refused.
type Choices = BTreeMap<String, Option<BTreeSet<String>>>;

fn theirs(place: &Path, sets: &Path, weak: bool) -> Choices {
    let mut choices = Choices::new();
    let mut command = Command::new("ci/dnf-choice");
    command.args(weak.then_some("--weak")).arg(place.join("dnf")).arg(sets);
    command.arg(format!("extra=file://{},priority=10,excludepkgs=exclu*", place.join("extra").display()));
    command.arg(format!("main=file://{}", place.join("main").display()));
    let output = run(&mut command);
    let mut set = "";
    for line in output.lines() {
        if let Some(next) = line.strip_prefix("== ") {
            set = next;
            choices.insert(set.to_owned(), Some(BTreeSet::new()));
        } else if line.starts_with('!') {
            choices.insert(set.to_owned(), None);
        } else if let Some(Some(packages)) = choices.get_mut(set) {
            packages.insert(line.to_owned());
        }
    }
    choices
}

fn ours(place: &Path, weak_dependencies: bool) -> Choices {
    let store = Store::open(&place.join("store")).unwrap();
    let fetcher = Fetcher::new(&store, Network { offline: true, ..Network::default() });
    let read = |name: &str| {
        let mirrors = Mirrors::of(&format!("file://{}", place.join(name).display()));
        let repository = rpmmd::Repository { name, mirrors: &mirrors, arch: "x86_64", metadata_key: None };
        rpmmd::read(&repository, &fetcher, &()).unwrap()
    };
    // The second time from what the store keeps of the first.
    let mut snapshots: Vec<Snapshot> = ["extra", "main"].into_iter().map(read).collect();
    let again: Vec<Snapshot> = ["extra", "main"].into_iter().map(read).collect();
    assert_eq!(snapshots, again);
    pick(&mut snapshots[0].offers, &[], &["exclu*"]);
    let index = Index { offers: snapshots.iter().flat_map(|snapshot| snapshot.offers.clone()).collect() };
    let priorities = [("extra".to_owned(), 10)].into_iter().collect();
    let preferences = Preferences { priorities, weak_dependencies };
    let file_lists = |paths: &BTreeSet<String>| -> anyhow::Result<BTreeMap<Digest, Vec<String>>> {
        let mut found = BTreeMap::new();
        for metadata in snapshots.iter().filter_map(|it| it.metadata.as_ref()) {
            found.extend(rpmmd::filelists(metadata, paths, &fetcher, &())?);
        }
        Ok(found)
    };
    let mut choices = Choices::new();
    for set in SETS {
        let requests: Vec<PackageRequest> = set.split(' ').map(request).collect();
        let requests: Vec<&PackageRequest> = requests.iter().collect();
        let choice = match resolve_with(&requests, &index, &preferences, &file_lists) {
            Ok(chosen) => {
                let ids = chosen.into_iter().map(|it| &index.offers[it].id);
                Some(ids.map(|id| format!("{}-{}.{}", id.name, id.version, id.arch)).collect())
            }
            Err(error) => {
                let mistakes = error.downcast::<Diagnostics>().unwrap();
                assert_eq!(mistakes.0[0].slug, "unsatisfiable", "{mistakes}");
                None
            }
        };
        choices.insert((*set).to_owned(), choice);
    }
    choices
}

fn request(name: &str) -> PackageRequest {
    let source = Source::new("sets", name);
    PackageRequest { name: name.to_owned(), version: None, location: Location::new(&source, 0..name.len()) }
}

fn write(line: &str, directory: &Path) {
    let mut parts = line.split(';').map(str::trim);
    let (name, rest) = parts.next().unwrap().split_once(' ').unwrap();
    let (evr, arch) = rest.strip_suffix(".noarch").map_or((rest, "x86_64"), |evr| (evr, "noarch"));
    let (epoch, rest) = evr.split_once(':').unwrap_or(("0", evr));
    let (version, release) = rest.split_once('-').unwrap();
    let mut builder = PackageBuilder::new(name, version, "MIT", arch, "a test");
    builder.using_config(BuildConfig::v4().source_date(1_580_000_000_u32)).release(release).build_host("localhost");
    if epoch != "0" {
        builder.epoch(epoch.parse().unwrap());
    }
    for part in parts {
        let (kind, list) = part.split_once(": ").unwrap();
        for text in list.split(", ") {
            match kind {
                "files" => {
                    builder.with_file_contents("x", FileOptions::new(text)).unwrap();
                }
                "requires" => {
                    builder.requires(relation(text));
                }
                "provides" => {
                    builder.provides(relation(text));
                }
                "conflicts" => {
                    builder.conflicts(relation(text));
                }
                "obsoletes" => {
                    builder.obsoletes(relation(text));
                }
                "recommends" => {
                    builder.recommends(relation(text));
                }
                "suggests" => {
                    builder.suggests(relation(text));
                }
                "supplements" => {
                    builder.supplements(relation(text));
                }
                "enhances" => {
                    builder.enhances(relation(text));
                }
                other => panic!("{other}"),
            }
        }
    }
    let file = directory.join(format!("{name}-{version}-{release}-{epoch}.{arch}.rpm"));
    builder.build().unwrap().write_file(file).unwrap();
}

fn relation(text: &str) -> Dependency {
    if text.starts_with('(') {
        return Dependency::any(text);
    }
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        [name] => Dependency::any(name),
        [name, "<", version] => Dependency::less(name, version),
        [name, "=", version] => Dependency::eq(name, version),
        [name, ">=", version] => Dependency::greater_eq(name, version),
        [name, ">", version] => Dependency::greater(name, version),
        _ => panic!("{text}"),
    }
}
