//! What this machine's apt is configured with: `mirror: host` in a recipe means the Debian mirror that the machine
//! itself uses. Debian has its security suites (`trixie-security`) in an archive of their own, which apt's configuration
//! names as well, or which mirrors have beside the main one.
//!
//! Reads `sources.list` (sources.list(5)), `sources.list.d/*.{list,sources}` and the proxy of `apt.conf` (apt.conf(5)).
//! The result stays in the process: locks and images keep the word `host`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::package::deb::control;

/// Suites that only Debian's main archive has. Its security archive's have a suffix, as other archives' have names of
/// their own.
const SUITES: [&str; 13] = [
    "stable",
    "testing",
    "unstable",
    "oldstable",
    "oldoldstable",
    "sid",
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "experimental",
];

/// What the names of Debian's security archive's suites end in.
const SECURITY: &str = "-security";
/// Debian's security archive for whoever has no mirror of it.
pub const PUBLIC_SECURITY: &str = "https://security.debian.org/debian-security";

/// The part of apt's configuration that builds use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostMirror {
    /// Base URL of Debian's archive that has the suite.
    pub url: String,
    /// Whether apt's configuration names the URL. Otherwise it is where a mirror of the main archive usually has the
    /// security archive.
    pub named: bool,
    /// Proxy for `http:` URLs.
    pub proxy: Option<String>,
}

/// The suite of the main archive that a suite of the security archive has fixes for.
pub fn security_of(suite: &str) -> Option<&str> {
    suite.strip_suffix(SECURITY)
}

/// The mirror of Debian's archive that has the suite, and the way to it, of this machine's apt.
pub fn debian_mirror(suite: &str) -> Result<HostMirror> {
    read(Path::new("/etc/apt"), suite)
}

fn read(etc_apt: &Path, suite: &str) -> Result<HostMirror> {
    let mut files = vec![etc_apt.join("sources.list")];
    files.extend(listed(&etc_apt.join("sources.list.d"), &["list", "sources"])?);
    let mut sources: Vec<Source> = Vec::new();
    for file in files {
        let Some(text) = text_of(&file)? else { continue };
        match file.extension().is_some_and(|extension| extension == "sources") {
            true => sources.extend(parse_stanzas(&text).with_context(|| format!("reading {}", file.display()))?),
            false => sources.extend(text.lines().filter_map(parse_line)),
        }
    }
    let first = |fits: fn(&Source) -> bool| -> Result<Option<String>> {
        for uri in sources.iter().filter(|source| fits(source)).flat_map(|source| &source.uris) {
            if let Some(url) = resolve(uri)? {
                return Ok(Some(url));
            }
        }
        Ok(None)
    };
    let none = |what: &str, write: &str| {
        let dir = etc_apt.display();
        format!(
            "no apt source of this machine serves Debian's {what} ({dir}/sources.list, {dir}/sources.list.d): \
             `mirror: host` cannot work here for the suite {suite}, write `mirror: {write}`"
        )
    };
    let main = || first(Source::is_debian_main);
    let (url, named) = match security_of(suite) {
        None => (main()?.with_context(|| none("`main`", "https://…"))?, true),
        Some(_) => match first(Source::is_debian_security)? {
            Some(url) => (url, true),
            None => {
                let beside = main()?.as_deref().and_then(security_beside);
                (beside.with_context(|| none("security archive", PUBLIC_SECURITY))?, false)
            }
        },
    };
    let mut files = listed(&etc_apt.join("apt.conf.d"), &["conf", ""])?;
    files.push(etc_apt.join("apt.conf"));
    let mut proxy = None;
    for file in files {
        proxy = text_of(&file)?.and_then(|text| http_proxy(&text)).or(proxy);
    }
    Ok(HostMirror {
        url,
        named,
        proxy: proxy.filter(|proxy| !proxy.is_empty() && proxy != "DIRECT" && proxy != "false"),
    })
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Source {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
}

impl Source {
    fn is_debian_main(&self) -> bool {
        self.has_main() && self.suites.iter().any(|suite| SUITES.contains(&suite.as_str()))
    }

    fn is_debian_security(&self) -> bool {
        let of_debian = |suite: &String| security_of(suite).is_some_and(|suite| SUITES.contains(&suite));
        self.has_main() && self.suites.iter().any(of_debian)
    }

    fn has_main(&self) -> bool {
        // The security archive calls it `updates/main`, and apt takes either name.
        self.components.iter().any(|component| component == "main" || component == "updates/main")
    }
}

/// Where a mirror of the main archive usually has the security archive.
fn security_beside(main: &str) -> Option<String> {
    let above = main.trim_end_matches('/').strip_suffix("/debian")?;
    Some(format!("{above}/debian-security"))
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn parse_stanzas(text: &str) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    control::read(text.as_bytes(), &["Types", "Enabled", "URIs", "Suites", "Components"], |stanza| {
        let list = |name: &str| words(stanza.get(name).unwrap_or_default());
        let enabled = !matches!(stanza.get("Enabled"), Some("no" | "false" | "0" | "off" | "without" | "disable"));
        if enabled && list("Types").contains(&"deb".to_owned()) {
            sources.push(Source { uris: list("URIs"), suites: list("Suites"), components: list("Components") });
        }
        Ok(())
    })?;
    Ok(sources)
}

/// `deb [option=value …] URI SUITE COMPONENT…`
fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t']))?.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = words(rest).into_iter();
    Some(Source { uris: vec![words.next()?], suites: vec![words.next()?], components: words.collect() })
}

/// A URL that we can fetch. `mirror+file:` names a list of mirrors, as Debian's cloud images have it.
fn resolve(uri: &str) -> Result<Option<String>> {
    if let Some(list) = uri.strip_prefix("mirror+file:") {
        let path = PathBuf::from(format!("/{}", list.trim_start_matches('/')));
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let first =
            text.lines().find_map(|line| line.split_ascii_whitespace().next().filter(|word| !word.starts_with('#')));
        return Ok(first.filter(|url| fetchable(url)).map(str::to_owned));
    }
    Ok(fetchable(uri).then(|| uri.trim_end_matches('/').to_owned()))
}

fn fetchable(uri: &str) -> bool {
    ["http://", "https://", "file:/"].iter().any(|scheme| uri.starts_with(scheme))
}

/// The value of `Acquire::http::Proxy`: names nest by braces or by `::`, remarks are those of C++ and shell.
fn http_proxy(text: &str) -> Option<String> {
    let mut scopes: Vec<String> = Vec::new();
    let mut statement: Vec<String> = Vec::new();
    let mut proxy = None;
    for token in tokens(text) {
        match token.as_str() {
            "{" => scopes.push(statement.drain(..).next().unwrap_or_default()),
            "}" => {
                scopes.pop();
                statement.clear();
            }
            ";" => {
                if let [name, value] = &statement[..] {
                    let full = scopes.iter().map(String::as_str).chain([name.as_str()]).collect::<Vec<_>>().join("::");
                    if full.eq_ignore_ascii_case("Acquire::http::Proxy") {
                        proxy = Some(value.trim_matches('"').to_owned());
                    }
                }
                statement.clear();
            }
            _ => statement.push(token),
        }
    }
    proxy
}

/// Braces, semicolons, quoted strings with their quotes, and words.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") || first == '#' {
            rest = rest.split_once('\n').map_or("", |(_, after)| after).trim_start();
            continue;
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after).trim_start();
            continue;
        } else if first == '"' {
            rest[1..].find('"').map_or(rest.len(), |end| end + 2)
        } else if "{};".contains(first) {
            1
        } else {
            rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len())
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The files of a directory that apt reads, in its order: by name, with one of these extensions.
fn listed(dir: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let reading = || format!("reading {}", dir.display());
    let mut files = Vec::new();
    if dir.is_dir() {
        for entry in fs::read_dir(dir).with_context(reading)? {
            let path = entry.with_context(reading)?.path();
            let extension = path.extension().unwrap_or_default();
            if extensions.iter().any(|known| extension == *known) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn text_of(file: &Path) -> Result<Option<String>> {
    if !file.is_file() {
        return Ok(None);
    }
    fs::read_to_string(file).map(Some).with_context(|| format!("reading {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> Result<HostMirror> {
        of_suite("trixie", files)
    }

    fn of_suite(suite: &str, files: &[(&str, &str)]) -> Result<HostMirror> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        read(dir.path(), suite)
    }

    #[test]
    fn the_source_of_debian_main_is_found_in_both_forms() {
        let stanzas = "Types: deb-src\nURIs: http://sources.example/debian\nSuites: trixie\nComponents: main\n\n\
                       # remark\nTypes: deb\nURIs: http://security.example/debian\nSuites: bookworm-security\n\
                       Components: main\n\nTypes: deb deb-src\nURIs: http://mirror.example/debian/\n\
                       Suites: bookworm bookworm-updates\nComponents: main contrib\n";
        let found = host(&[("sources.list.d/debian.sources", stanzas)]).unwrap();
        let main = HostMirror { url: "http://mirror.example/debian".to_owned(), named: true, proxy: None };
        assert_eq!(found, main);
        let off = stanzas.replace("Types: deb deb-src\n", "Types: deb\nEnabled: no\n");
        assert!(host(&[("sources.list.d/debian.sources", &off)]).is_err());

        let lines = "deb http://other.example/apt tool main\n# deb http://no.example/debian trixie main\n\
                     deb-src http://no.example/debian trixie main\n\
                     deb cdrom:[disk]/ trixie main\n\
                     deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian trixie main # remark\n";
        assert_eq!(host(&[("sources.list", lines)]).unwrap().url, "https://mirror.example/debian");
    }

    #[test]
    fn a_security_suite_has_the_mirror_that_apt_names_or_the_one_beside_the_main_archives() {
        let security = |sources: &str| of_suite("trixie-security", &[("sources.list", sources)]);
        let main = "deb http://mirror.example/debian trixie main\n";
        let named = |url: &str| HostMirror { url: url.to_owned(), named: true, proxy: None };
        for line in [
            "deb http://other.example/security bookworm-security main\n",
            "deb http://other.example/security/ stable-security updates/main contrib\n",
        ] {
            assert_eq!(security(&format!("{main}{line}")).unwrap(), named("http://other.example/security"));
            assert_eq!(security(line).unwrap(), named("http://other.example/security"));
            let updates = of_suite("trixie-updates", &[("sources.list", &format!("{line}{main}"))]);
            assert_eq!(updates.unwrap(), named("http://mirror.example/debian"));
        }
        let one_for_all =
            "Types: deb\nURIs: https://mirror.example/all\nSuites: trixie trixie-security\nComponents: main\n";
        let found = of_suite("trixie-security", &[("sources.list.d/debian.sources", one_for_all)]);
        assert_eq!(found.unwrap(), named("https://mirror.example/all"));
        // Others have suites of such names too.
        let foreign = "deb http://archive.example/ubuntu noble-security main\n";
        let beside = HostMirror { named: false, ..named("http://mirror.example/debian-security") };
        assert_eq!(security(&format!("{foreign}{main}")).unwrap(), beside);
    }

    #[test]
    fn a_machine_without_a_security_archive_is_told_what_to_write() {
        for line in ["deb http://mirror.example/remote trixie main\n", "deb http://archive.example/ubuntu noble main\n"]
        {
            let error = of_suite("trixie-security", &[("sources.list", line)]).unwrap_err().to_string();
            assert!(error.starts_with("no apt source of this machine serves Debian's security archive ("), "{error}");
            assert!(error.ends_with(
                "for the suite trixie-security, write `mirror: https://security.debian.org/debian-security`"
            ));
        }
    }

    #[test]
    fn a_list_of_mirrors_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("debian.list");
        fs::write(&list, "# mirrors\nhttps://mirror.example/debian priority:1\n").unwrap();
        let line = format!("deb mirror+file:{} trixie main\n", list.display());
        assert_eq!(host(&[("sources.list", &line)]).unwrap().url, "https://mirror.example/debian");
    }

    #[test]
    fn a_machine_without_debian_is_told_so() {
        let line = "deb http://archive.example/ubuntu noble main\n";
        let error = host(&[("sources.list", line)]).unwrap_err().to_string();
        assert!(error.starts_with("no apt source of this machine serves Debian's `main` ("), "{error}");
        assert!(host(&[]).is_err());
    }

    #[test]
    fn the_proxy_of_apt_is_found_however_it_is_written() {
        let proxy = |text: &str| {
            let line = "deb http://mirror.example/debian trixie main\n";
            host(&[("sources.list", line), ("apt.conf.d/80proxy", text)]).unwrap().proxy
        };
        let found = Some("http://proxy.example:3128/".to_owned());
        assert_eq!(proxy("Acquire::http::Proxy \"http://proxy.example:3128/\";"), found);
        let nested = "// old\nAcquire {\n  Retries \"3\"; # x\n  HTTP { proxy \"http://proxy.example:3128/\"; };\n};";
        assert_eq!(proxy(nested), found);
        assert_eq!(proxy("Acquire::http { Proxy \"http://proxy.example:3128/\"; Timeout \"9\"; };"), found);
        assert_eq!(proxy("Acquire::http::Proxy \"DIRECT\";"), None);
        assert_eq!(proxy("/* Acquire::http::Proxy \"http://x/\"; */ Acquire::https::Proxy \"http://y/\";"), None);
    }
}
