//! `rpm` as scriptlets call it while a transaction holds its database: with questions about what is installed.
//!
//! What is installed is what the transaction has unpacked so far. Options, formats and messages: rpm(8).

use super::call::Call;
use super::options::{Options, parse};
use super::row::Row;
use crate::assemble::scripts::lua;
use crate::assemble::scripts::machine::{Installed, Status};
use crate::package::{Family, Package};
use crate::shell::{Bytes, Stop, World, matches};

pub const ROWS: &[Row] = &[
    Row::native(
        "rpm",
        rpm,
        "questions are answered from the packages that are there so far; keys and databases are not an image's",
    )
    .of(Family::Rpm),
    Row::native(
        "rpmkeys",
        keys,
        "an image's packages are replaced as a whole: nobody checks signatures by the keys in its database",
    )
    .of(Family::Rpm),
    Row::nothing("rpmdb", "the database is written when all packages are there").of(Family::Rpm),
];

const IMPORTS: &str = "nobody checks packages by the keys in an image's database";
/// How a package is shown unless somebody says how.
const USUAL: &str = "%{NVRA}\n";
/// The fields of a package's control that are shown here, by rpm's name of them.
const FIELDS: [(&str, &str); 3] = [("SUMMARY", "Summary"), ("LICENSE", "License"), ("SOURCERPM", "Source")];

fn rpm(call: &mut Call) -> Result<u8, Stop> {
    const KNOWN: &[&str] = &[
        "q|query",
        "a|all",
        "f|file",
        "l|list",
        "queryformat|qf=",
        "quiet",
        "whatprovides",
        "nosignature",
        "nodigest",
        "E|eval=",
        "version",
        "r|root=",
        "import",
        "rebuilddb",
        "initdb",
    ];
    let options = parse(call, KNOWN, true)?;
    if options.text("r").is_some_and(|root| root != "/") {
        return call.unsupported("any other root than `/`");
    }
    if options.has("version") {
        return version(call);
    }
    if options.has("E") {
        return evaluate(call, &options);
    }
    if options.has("q") {
        return query(call, &options);
    }
    if options.has("import") {
        return import(call, &options);
    }
    if options.has("rebuilddb") || options.has("initdb") {
        call.note("nothing", "the database is written when all packages are there");
        return Ok(0);
    }
    call.unsupported("anything but a question while a transaction runs")
}

fn keys(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["import"], true)?;
    if options.has("import") { import(call, &options) } else { call.unsupported("anything but `--import`") }
}

fn import(call: &mut Call, options: &Options) -> Result<u8, Stop> {
    let mut status = 0;
    for path in &options.operands {
        if !call.machine.files.exists(&call.path(path)) {
            let shown = String::from_utf8_lossy(path).into_owned();
            call.shell.error(call.machine, &format!("error: {shown}: import read failed(2)."))?;
            status = 1;
        }
    }
    call.note("nothing", IMPORTS);
    Ok(status)
}

fn version(call: &mut Call) -> Result<u8, Stop> {
    let own = call.machine.package("rpm").map(|installed| parts(installed.package).version);
    match own {
        Some(version) => {
            call.out(format!("RPM version {version}\n"))?;
            Ok(0)
        }
        None => call.unsupported("`--version` where no package brings rpm"),
    }
}

fn evaluate(call: &mut Call, options: &Options) -> Result<u8, Stop> {
    for (option, text) in &options.given {
        if *option != "E" {
            continue;
        }
        match lua::evaluate(call.machine, text)? {
            Some(expanded) => call.out([expanded.as_slice(), b"\n"].concat())?,
            None => return Ok(1),
        }
    }
    Ok(0)
}

/// The parts of a package's name and version, as rpm names them.
struct Parts<'p> {
    epoch: Option<&'p str>,
    version: &'p str,
    release: &'p str,
}

fn parts(package: &Package) -> Parts<'_> {
    let (epoch, rest) = match package.id.version.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, package.id.version.as_str()),
    };
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    Parts { epoch, version, release }
}

fn query(call: &mut Call, options: &Options) -> Result<u8, Stop> {
    let format = options.text("queryformat").unwrap_or_else(|| USUAL.to_owned());
    let there: Vec<Installed> =
        call.machine.packages.iter().filter(|installed| installed.status > Status::NotInstalled).copied().collect();
    let packages: Vec<&Package> = there.iter().map(|installed| installed.package).collect();
    let files: u64 = packages.iter().map(|package| package.files.len() as u64).sum();
    call.machine.spend(packages.len() as u64 + if options.has("f") { files / 8 } else { 0 })?;
    let mut status = 0;
    if options.has("a") {
        for package in packages {
            let fits = |pattern: &Bytes| {
                matches(pattern, package.id.name.as_bytes()) || matches(pattern, nvra(package).as_bytes())
            };
            if options.operands.is_empty() || options.operands.iter().any(fits) {
                show(call, options, &format, package)?;
            }
        }
        return Ok(0);
    }
    if options.operands.is_empty() {
        call.shell.error(call.machine, "rpm: no arguments given for query")?;
        return Ok(1);
    }
    for word in &options.operands {
        let name = String::from_utf8_lossy(word).into_owned();
        let (found, complaint) = match () {
            () if options.has("f") => {
                let path = call.path(word);
                if !call.machine.files.exists(&path) && call.machine.files.inode(&path, false).is_none() {
                    call.shell.error(call.machine, &format!("error: file {name}: No such file or directory"))?;
                    status = 1;
                    continue;
                }
                (owners(call, &packages, &path), format!("file {name} is not owned by any package"))
            }
            () if options.has("whatprovides") => {
                if name.contains(['<', '=', '>', ' ']) {
                    return call.unsupported("`--whatprovides` with a version");
                }
                (providers(call, &packages, &name), format!("no package provides {name}"))
            }
            () => {
                let named = packages.iter().copied().filter(|package| is_called(package, &name));
                (named.collect(), format!("package {name} is not installed"))
            }
        };
        if found.is_empty() {
            status = 1;
            if !options.has("quiet") {
                call.out(format!("{complaint}\n"))?;
            }
        }
        for package in found {
            show(call, options, &format, package)?;
        }
    }
    Ok(status)
}

/// `name`, `name-version`, `name-version-release`, each perhaps with `.arch`, and an epoch before the version.
fn is_called(package: &Package, wanted: &str) -> bool {
    let Parts { epoch, version, release } = parts(package);
    let name = &package.id.name;
    let wanted = wanted.strip_suffix(&format!(".{}", package.id.arch)).filter(|it| !it.is_empty()).unwrap_or(wanted);
    let Some(rest) = wanted.strip_prefix(name.as_str()) else { return false };
    if rest.is_empty() {
        return true;
    }
    let Some(rest) = rest.strip_prefix('-') else { return false };
    let epoch = format!("{}:", epoch.unwrap_or("0"));
    let rest = rest.strip_prefix(&epoch).unwrap_or(rest);
    rest == version || rest.strip_prefix(version).and_then(|rest| rest.strip_prefix('-')) == Some(release)
}

/// Directories that are one in a merged /usr, whatever a package calls them.
fn merged(path: &[u8]) -> &[u8] {
    let rest = path.strip_prefix(b"/usr").filter(|rest| rest.starts_with(b"/")).unwrap_or(path);
    let directory = rest.split(|byte| *byte == b'/').nth(1).unwrap_or_default();
    if [b"bin".as_slice(), b"sbin", b"lib", b"lib64"].contains(&directory) { rest } else { path }
}

fn owners<'a>(call: &Call<'_, 'a>, packages: &[&'a Package], path: &[u8]) -> Vec<&'a Package> {
    // Links in its directory are followed, not what it is itself.
    let resolved = call.machine.files.resolve(path, false).map(|path| path.as_bytes().to_vec()).unwrap_or_default();
    let wanted = [merged(&resolved), merged(path)];
    let owns = |package: &&Package| package.files.iter().any(|file| wanted.contains(&merged(file.path.as_bytes())));
    packages.iter().copied().filter(owns).collect()
}

fn providers<'a>(call: &Call<'_, 'a>, packages: &[&'a Package], name: &str) -> Vec<&'a Package> {
    if name.starts_with('/') {
        return owners(call, packages, name.as_bytes());
    }
    let provides = |package: &&Package| {
        package.id.name == name || package.control.iter().any(|(field, value)| field == "Provides" && value == name)
    };
    packages.iter().copied().filter(provides).collect()
}

fn nvra(package: &Package) -> String {
    let Parts { version, release, .. } = parts(package);
    format!("{}-{version}-{release}.{}", package.id.name, package.id.arch)
}

fn show(call: &mut Call, options: &Options, format: &str, package: &Package) -> Result<(), Stop> {
    if options.has("quiet") {
        return Ok(());
    }
    let formatted = options.has("queryformat") || !options.has("l");
    if formatted {
        let text = fill(call, format, package)?;
        call.out(text)?;
    }
    if options.has("l") {
        if package.files.is_empty() && !formatted {
            call.out("(contains no files)\n")?;
        }
        for file in &package.files {
            call.out([file.path.as_bytes(), b"\n"].concat())?;
        }
    }
    Ok(())
}

/// A query format with what it asks of a package.
fn fill(call: &mut Call, format: &str, package: &Package) -> Result<String, Stop> {
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some('a') => text.push('\u{7}'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            '%' => {
                let rest = letters.as_str();
                if let Some(rest) = rest.strip_prefix('%') {
                    text.push('%');
                    letters = rest.chars();
                    continue;
                }
                let Some((width, rest)) = rest.split_once('{') else {
                    return call.unsupported(format!("the query format `{format}`"));
                };
                let Some((tag, rest)) = rest.split_once('}') else {
                    return call.unsupported(format!("the query format `{format}`"));
                };
                let value = value(call, tag, package)?;
                text.push_str(&padded(call, width, &value)?);
                letters = rest.chars();
            }
            '[' | ']' => return call.unsupported("lists in a query format"),
            other => text.push(other),
        }
    }
    Ok(text)
}

/// `value` with spaces before it up to `width`, or behind it if that is negative.
fn padded(call: &Call, width: &str, value: &str) -> Result<String, Stop> {
    if width.is_empty() {
        return Ok(value.to_owned());
    }
    match width.parse::<i16>() {
        Ok(width) if width < 0 => Ok(format!("{value:<0$}", usize::from(width.unsigned_abs()))),
        Ok(width) => Ok(format!("{value:>0$}", usize::from(width.unsigned_abs()))),
        Err(_) => call.unsupported(format!("the width `{width}` in a query format")),
    }
}

fn value(call: &Call, tag: &str, package: &Package) -> Result<String, Stop> {
    let Parts { epoch, version, release } = parts(package);
    let (name, arch) = (&package.id.name, &package.id.arch);
    let tag = tag.to_ascii_uppercase();
    let tag = tag.strip_prefix("RPMTAG_").unwrap_or(&tag);
    let before = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
    Ok(match tag {
        "NAME" | "N" => name.clone(),
        "VERSION" | "V" => version.to_owned(),
        "RELEASE" | "R" => release.to_owned(),
        "EPOCH" | "E" => epoch.unwrap_or("(none)").to_owned(),
        "EPOCHNUM" => epoch.unwrap_or("0").to_owned(),
        "ARCH" => arch.clone(),
        "EVR" => format!("{before}{version}-{release}"),
        "NVR" => format!("{name}-{version}-{release}"),
        "NVRA" => nvra(package),
        "NEVR" => format!("{name}-{before}{version}-{release}"),
        "NEVRA" => format!("{name}-{before}{version}-{release}.{arch}"),
        "OS" => "linux".to_owned(),
        _ => {
            let field = FIELDS.iter().find(|(known, _)| *known == tag).map(|(_, field)| *field);
            let Some(field) = field else { return call.unsupported(format!("the tag `{tag}` in a query format")) };
            let value = package.control.iter().find(|(name, _)| name == field).map(|(_, value)| value.clone());
            value.unwrap_or_else(|| "(none)".to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::sync::Arc;

    use super::*;
    use crate::arch::X86_64;
    use crate::assemble::accounts::book::Accounts;
    use crate::assemble::scripts::files::Files;
    use crate::assemble::scripts::machine::Machine;
    use crate::package::{FileEntry, FileKind, Owner, PackageId};
    use crate::shell::{Dialect, Shell, Stream};
    use crate::tree::{Content, Contents, Digest, Inode, Kind, Tree, TreePath};

    struct Nothing;

    impl Contents for Nothing {
        fn open(&self, digest: &Digest) -> std::io::Result<File> {
            Err(std::io::Error::other(format!("{digest}: everything is inline")))
        }
    }

    fn package(name: &str, version: &str, arch: &str, paths: &[&str]) -> Package {
        let root = Owner { name: "root".into(), id: 0 };
        let file = |path: &&str| FileEntry {
            path: TreePath::parse(path.as_bytes()).unwrap(),
            kind: FileKind::Directory,
            mode: 0o755,
            user: root.clone(),
            group: root.clone(),
            mtime: 0,
            xattrs: BTreeMap::new(),
        };
        let control =
            [("License", "MIT"), ("Provides", "thing")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let id = PackageId { name: name.into(), version: version.into(), arch: arch.into() };
        let files = paths.iter().map(file).collect();
        Package { id, family: Family::Rpm, control: control.into(), files, scripts: vec![], members: BTreeMap::new() }
    }

    /// Output, log and status.
    fn ask(words: &[&str]) -> (String, String, Result<u8, Stop>) {
        let packages = [
            package("demo", "1:1.2-3.el9", "noarch", &["/etc", "/etc/a.conf", "/sbin/tool"]),
            package("rpm", "4.16.1.3-37.el9", "x86_64", &[]),
            package("later", "1-1", "noarch", &["/etc"]),
        ];
        let origin: crate::tree::Origin = Arc::from("test");
        let mut tree = Tree::new(0, &origin);
        let mut put = |path: &str, kind: Kind| {
            tree.insert(TreePath::parse(path.as_bytes()).unwrap(), Inode::new(kind, 0o755, 0, &origin)).unwrap();
        };
        for path in ["/etc", "/usr", "/usr/sbin", "/usr/lib", "/usr/lib/rpm", "/usr/lib/rpm/macros.d"] {
            put(path, Kind::Directory);
        }
        put("/sbin", Kind::Symlink(b"usr/sbin".to_vec()));
        for (path, text) in [
            ("/etc/a.conf", ""),
            ("/usr/sbin/tool", ""),
            ("/usr/lib/rpm/macros.d/macros.dist", "# x\n%rhel 9\n%dist .el%{rhel}\n"),
        ] {
            put(path, Kind::File(Content::inline(text.as_bytes().to_vec())));
        }
        let files = Files::new(tree, &Nothing, 0, origin.clone());
        let mut machine =
            Machine::new(files, Accounts::default(), Family::Rpm, &X86_64, &crate::assemble::scripts::programs::Table);
        machine.packages = packages.iter().map(|package| Installed { package, status: Status::Installed }).collect();
        machine.packages[2].status = Status::NotInstalled;
        let mut shell = Shell::new(Dialect::Bash, b"", &[]);
        let (output, log) = (Stream::output(), Stream::output());
        shell.descriptors.insert(1, output.clone());
        shell.descriptors.insert(2, log.clone());
        let words: Vec<Bytes> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let status = rpm(&mut Call { machine: &mut machine, shell: &mut shell, name: "rpm", words: &words });
        let text = |handle: &crate::shell::Handle| String::from_utf8_lossy(&handle.borrow_mut().take()).into_owned();
        (text(&output), text(&log), status)
    }

    #[test]
    fn questions_are_answered_as_rpm_answers_them() {
        // rpm 4.18 on a package like that.
        for (words, output, status) in [
            (vec!["-q", "demo"], "demo-1.2-3.el9.noarch\n", 0),
            (vec!["-q", "demo-1.2"], "demo-1.2-3.el9.noarch\n", 0),
            (vec!["-q", "demo-1:1.2-3.el9.noarch"], "demo-1.2-3.el9.noarch\n", 0),
            (vec!["-q", "demo", "later"], "demo-1.2-3.el9.noarch\npackage later is not installed\n", 1),
            (vec!["-q", "--quiet", "demo"], "", 0),
            (vec!["--quiet", "-q", "nope"], "", 1),
            (vec!["-q", "--whatprovides", "thing"], "demo-1.2-3.el9.noarch\nrpm-4.16.1.3-37.el9.x86_64\n", 0),
            (vec!["-q", "--whatprovides", "no"], "no package provides no\n", 1),
            (vec!["-q", "--whatprovides", "/etc/a.conf"], "demo-1.2-3.el9.noarch\n", 0),
            (vec!["-qf", "/usr/sbin/tool"], "demo-1.2-3.el9.noarch\n", 0),
            (vec!["-qf", "/sbin/tool"], "demo-1.2-3.el9.noarch\n", 0),
            (vec!["-qf", "/usr"], "file /usr is not owned by any package\n", 1),
            (vec!["-qf", "/etc/none"], "", 1),
            (vec!["-ql", "demo"], "/etc\n/etc/a.conf\n/sbin/tool\n", 0),
            (vec!["-qa", "d*"], "demo-1.2-3.el9.noarch\n", 0),
            (vec!["-q", "--qf", "%{version}-%{RELEASE}\\n", "demo"], "1.2-3.el9\n", 0),
            (
                vec![
                    "-q",
                    "--queryformat=%{NAME}|%{EPOCH}|%{NEVRA}|%{EVR}|%{LICENSE}\\t|%10{NAME}|%-6{NAME}|%%",
                    "demo",
                ],
                "demo|1|demo-1:1.2-3.el9.noarch|1:1.2-3.el9|MIT\t|      demo|demo  |%",
                0,
            ),
            (vec!["-q", "--qf", "%{epoch}", "rpm"], "(none)", 0),
            (vec!["-E", "%{_libdir}"], "/usr/lib64\n", 0),
            (vec!["--eval", "%dist%{?fedora}%{!?fedora:-}%{?rhel:r%{rhel}} %fedora"], ".el9-r9 %fedora\n", 0),
            (vec!["--version"], "RPM version 4.16.1.3\n", 0),
            (vec!["--import", "/etc/a.conf"], "", 0),
        ] {
            let (said, log, found) = ask(&words);
            assert_eq!((said.as_str(), found), (output, Ok(status)), "{words:?} {log}");
        }
        assert_eq!(ask(&["-qf", "/etc/none"]).1, "error: file /etc/none: No such file or directory\n");
        assert_eq!(ask(&["-q"]).1, "rpm: no arguments given for query\n");
    }

    #[test]
    fn what_is_not_done_is_no_status() {
        for words in [
            vec!["-i", "x.rpm"],
            vec!["-e", "demo"],
            vec!["-V", "demo"],
            vec!["-q", "--qf", "[%{FILENAMES}\\n]", "demo"],
            vec!["-q", "--qf", "%{INSTALLTIME}", "demo"],
            vec!["-q", "--root", "/mnt", "demo"],
            vec!["-E", "%{nobody_knows}"],
            vec![],
        ] {
            assert!(ask(&words).2.is_err(), "{words:?}");
        }
    }
}
