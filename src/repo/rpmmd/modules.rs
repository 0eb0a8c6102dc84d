//! `modules.yaml` → which packages belong to streams of modules, and what of it is offered.
//!
//! A module has streams (`nodejs:18`, `nodejs:20`) of the same packages, and at most one of them is active: the one that
//! the recipe enables, else the module's default. Packages of other streams are not offered, and neither are packages of
//! the names that active streams have, whatever repository they are in. Packages that no stream lists stay. Forms:
//! libmodulemd's yaml_specs (`modulemd` 1 and 2, `modulemd-defaults` 1); in doubt, dnf is right.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use crate::diag::{Diagnostic, Diagnostics, Source};
use crate::package::Family;
use crate::package::evr::print_evr;
use crate::repo::Offer;
use crate::spelling;
use crate::trust::Refused;
use crate::yaml::{self, Kind, Located, Value};

/// Largest `modules.yaml`, unpacked; el8's has 6 MB.
pub(super) const MODULES_MAX: u64 = 256 << 20;
/// Platforms are what a distribution is, and no choice.
const PLATFORM: &str = "platform";

/// What a repository says about modules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Modules {
    streams: Vec<Stream>,
    /// Module → stream, as often as it is said.
    defaults: BTreeMap<String, BTreeSet<String>>,
}

/// One build of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Stream {
    module: String,
    stream: String,
    /// One of these has to hold, if there are any: module → its streams that will do.
    needs: Vec<BTreeMap<String, Vec<String>>>,
    packages: Vec<Artifact>,
}

/// Name, version as [`print_evr`] has it, architecture.
type Artifact = (String, String, String);

/// Reads the documents; kinds that are about something else are left out. `name` is how errors call the file.
pub fn parse(name: &str, text: &str) -> Result<Modules> {
    let mut modules = Modules::default();
    for (line, document) in documents(text) {
        let source = Source::new(name, &document);
        let at = || format!("the document at line {line}");
        let value = yaml::parse(&source).map_err(|mistakes| {
            let first = mistakes.0.first().map(|mistake| mistake.title.clone()).unwrap_or_default();
            anyhow::Error::new(Refused::new("bad-modules", first)).context(at())
        })?;
        read(&value, &mut modules).with_context(at)?;
    }
    Ok(modules)
}

/// The documents of a stream, with the line at which each begins.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut documents: Vec<(usize, String)> = vec![(1, String::new())];
    for (index, line) in text.lines().enumerate() {
        match line.trim_end() {
            "---" | "..." => documents.push((index + 2, String::new())),
            _ => documents.last_mut().into_iter().for_each(|(_, document)| {
                document.push_str(line);
                document.push('\n');
            }),
        }
    }
    documents.retain(|(_, document)| !document.trim().is_empty());
    documents
}

fn read(document: &Value, modules: &mut Modules) -> Result<()> {
    let text = |value: Option<&Value>| value.and_then(Value::text).map(str::to_owned);
    let need = |value: Option<String>, what: &str| {
        value.filter(|it| !it.is_empty()).ok_or_else(|| Refused::new("bad-modules", format!("it has no {what}")))
    };
    let data = document.get("data");
    let field = |name: &str| data.and_then(|data| data.get(name));
    match text(document.get("document")).as_deref() {
        Some("modulemd") => {
            let packages = field("artifacts").and_then(|artifacts| artifacts.get("rpms"));
            let mut stream = Stream {
                module: need(text(field("name")), "name")?,
                stream: need(text(field("stream")), "stream")?,
                needs: needs(field("dependencies")),
                packages: Vec::new(),
            };
            for package in packages.map(Value::items).unwrap_or_default() {
                let package = package.text().unwrap_or_default();
                let Some(artifact) = artifact(package) else {
                    bail!(Refused::new("bad-modules", format!("`{}` is no package", package.escape_debug())));
                };
                // Sources, and other machines' packages, are not offered anyway, and their names mean nothing.
                stream.packages.extend((!matches!(artifact.2.as_str(), "src" | "nosrc")).then_some(artifact));
            }
            modules.streams.push(stream);
        }
        Some("modulemd-defaults") => {
            let module = need(text(field("module")), "module")?;
            if let Some(stream) = text(field("stream")) {
                modules.defaults.entry(module).or_default().insert(stream);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Of version 2 a list of alternatives, of version 1 a single one in which a module has one stream.
fn needs(dependencies: Option<&Value>) -> Vec<BTreeMap<String, Vec<String>>> {
    let one = |alternative: &Value| -> Option<BTreeMap<String, Vec<String>>> {
        let streams = |value: &Value| match &value.kind {
            Kind::List(items) => items.iter().filter_map(Value::text).map(str::to_owned).collect(),
            _ => value.text().map(str::to_owned).into_iter().collect(),
        };
        let modules = alternative.get("requires")?.entries().iter();
        Some(modules.map(|(module, value)| (module.text.clone(), streams(value))).collect())
    };
    match dependencies {
        Some(value) if !value.items().is_empty() => {
            value.items().iter().map(|it| one(it).unwrap_or_default()).collect()
        }
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// `name-epoch:version-release.arch`
fn artifact(text: &str) -> Option<Artifact> {
    let (rest, arch) = text.rsplit_once('.')?;
    let (rest, release) = rest.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let (epoch, version) = version.split_once(':').unwrap_or(("0", version));
    let version = print_evr(epoch.parse().ok()?, version, release);
    (!name.is_empty()).then(|| (name.to_owned(), version, arch.to_owned()))
}

/// Leaves out what inactive streams have, and what active ones stand in for. `enabled` are the recipe's words,
/// `nodejs:20`; one that no repository knows, or that needs a stream which is not active, is a mistake.
pub fn filter(offers: &mut Vec<Offer>, modules: &[&Modules], enabled: &[Located<String>]) -> Result<(), Diagnostics> {
    let streams = || modules.iter().flat_map(|modules| &modules.streams);
    if enabled.is_empty() && streams().next().is_none() {
        return Ok(());
    }
    let mut defaults: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, streams) in modules.iter().flat_map(|modules| &modules.defaults) {
        defaults.entry(module).or_default().extend(streams.iter().map(String::as_str));
    }
    // Repositories that contradict each other give no default.
    let agreed = defaults.into_iter().filter(|(_, streams)| streams.len() == 1);
    let mut active: BTreeMap<&str, &str> =
        agreed.flat_map(|(module, it)| it.into_iter().map(move |it| (module, it))).collect();
    let mut found = Diagnostics::default();
    for word in enabled {
        let (module, stream) = word.value.split_once(':').unwrap_or((&word.value, ""));
        if !streams().any(|other| (other.module.as_str(), other.stream.as_str()) == (module, stream)) {
            found.push(unknown(word, module, modules));
        }
        active.insert(module, stream);
    }
    let holds = |needs: &BTreeMap<String, Vec<String>>| {
        needs.iter().all(|(module, streams)| {
            let Some(stream) = active.get(module.as_str()) else { return module == PLATFORM };
            let refused = streams.iter().any(|it| it.strip_prefix('-') == Some(stream));
            let named = streams.iter().any(|it| it == stream) || streams.iter().all(|it| it.starts_with('-'));
            named && !refused
        })
    };
    let chosen = |stream: &&Stream| active.get(stream.module.as_str()) == Some(&stream.stream.as_str());
    let fits = |stream: &&Stream| stream.needs.is_empty() || stream.needs.iter().any(holds);
    for word in enabled {
        let same = |stream: &&Stream| word.value == format!("{}:{}", stream.module, stream.stream);
        let builds: Vec<&Stream> = streams().filter(same).collect();
        if let Some(first) = builds.first().filter(|_| !builds.iter().any(fits)) {
            found.push(unmet(word, first));
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    let shown: BTreeSet<&Artifact> = streams().filter(chosen).filter(fits).flat_map(|it| &it.packages).collect();
    let hidden: BTreeSet<&Artifact> = streams().flat_map(|it| &it.packages).filter(|it| !shown.contains(it)).collect();
    let names: BTreeSet<&str> = shown.iter().map(|(name, _, _)| name.as_str()).collect();
    offers.retain(|offer| {
        let package = (offer.id.name.clone(), offer.id.version.clone(), offer.id.arch.clone());
        let taken = || {
            let provided = offer.provides.iter().map(|provided| provided.name.as_str());
            provided.chain([offer.id.name.as_str()]).any(|name| names.contains(name))
        };
        offer.family != Family::Rpm || shown.contains(&package) || !(hidden.contains(&package) || taken())
    });
    Ok(())
}

fn unknown(word: &Located<String>, module: &str, modules: &[&Modules]) -> Diagnostic {
    let all = || modules.iter().flat_map(|modules| &modules.streams);
    let streams: BTreeSet<&str> = all().filter(|it| it.module == module).map(|it| it.stream.as_str()).collect();
    let help = if streams.is_empty() {
        let near = spelling::nearest(module, all().map(|it| it.module.as_str()).collect::<BTreeSet<_>>(), 3);
        match near.is_empty() {
            true => "the recipe's repositories have no modules: take the entry out".to_owned(),
            false => format!("nearest modules: {}", near.join(", ")),
        }
    } else {
        format!("`{module}` has the streams {}", streams.into_iter().collect::<Vec<_>>().join(", "))
    };
    Diagnostic::new("unknown-module", format!("no repository has the module stream `{}`", word.value))
        .at(&word.location, "not there")
        .help(help)
}

fn unmet(word: &Located<String>, build: &Stream) -> Diagnostic {
    let needs = build.needs.first().into_iter().flatten().filter(|(module, _)| *module != PLATFORM);
    let needs: Vec<String> = needs
        .map(|(module, streams)| {
            format!("{module}:{}", if streams.is_empty() { "*".to_owned() } else { streams.join("|") })
        })
        .collect();
    Diagnostic::new(
        "module-needs",
        format!("the module stream `{}` needs other streams that are not active", word.value),
    )
    .at(&word.location, "cannot be enabled alone")
    .help(format!("enable them too: {}", needs.join(", ")))
}

#[cfg(test)]
mod tests;
