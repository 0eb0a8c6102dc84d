//! `ucf NEW DESTINATION`: what becomes of a configuration file, as ucf(1) decides it without anybody to ask.

use super::records::{copy, failed, first_word, first_words, is_link, lines_without, rewrite, rotate};
use super::settings::{Settings, setting, settings, states, with_two_hyphens};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::debconf::conversation;
use crate::assemble::scripts::programs::dpkg::md5sum::md5sum;
use crate::assemble::scripts::programs::dpkg::{realpath, state};
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

const OPTIONS: &[options::Known] = &[
    "src-dir|s=",
    "sum-file=",
    "dest-dir=",
    "debug|DEBUG|d|D?",
    "package|P=",
    "purge|p",
    "verbose|v",
    "three-way",
    "debconf-ok",
    "debconf-template=",
    "state-dir=",
    "Z",
];
const LONG: &[&str] = &[
    "src-dir",
    "sum-file",
    "dest-dir",
    "debug",
    "DEBUG",
    "package",
    "purge",
    "verbose",
    "three-way",
    "debconf-ok",
    "debconf-template",
    "state-dir",
];

/// A file up to this size is kept for later merges without `--three-way` too.
const SMALL: u64 = 25_600;
/// A sum that no file has.
const NO_SUM: &[u8] = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What the administrator wants where a file was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    Old,
    New,
    Ask,
}

/// One run.
struct Update {
    new: Bytes,
    destination: Bytes,
    states: Bytes,
    three_way: bool,
    force: Option<Force>,
    /// A file that somebody removed is made again.
    force_missing: bool,
    /// The sum of the version that was installed last.
    last: Bytes,
    /// Whether debconf may ask, and its question.
    may_ask: bool,
    template: Option<Bytes>,
    /// Sums of old versions: a directory, or a file.
    old_sums: (Bytes, Bytes),
}

pub(crate) fn program(call: &mut Call) -> Result<u8, Stop> {
    let words = with_two_hyphens(call.words, LONG);
    let given = options::parse(
        &Call { machine: call.machine, shell: call.shell, name: call.name, words: &words },
        OPTIONS,
        true,
    )?;
    let settings = settings(call)?;
    if given.has("purge") {
        return purge(call, &given, &settings);
    }
    let [new, destination] = given.operands.as_slice() else {
        return call.fail(2, format!("*** ERROR: Need exactly two arguments, got {}", given.operands.len()));
    };
    let new_path = call.path(new);
    if !call.machine.files.exists(&new_path) {
        return call.fail(1, format!("Error: The new file {} does not exist!", String::from_utf8_lossy(new)));
    }
    let Some(new) = realpath::resolve(&call.machine.files, &new_path) else {
        return call.fail(1, "Unable to determine The new file");
    };
    let Some(destination) = destination_of(call, destination, &given)? else { return Ok(2) };
    if [&new, &destination].iter().any(|path| path.iter().any(|byte| b"|&\\[*^$\n".contains(byte))) {
        return call.unsupported("a path with characters that mean something to sed");
    }
    let states = states(call, &given, &settings);
    let Some((force, force_missing)) = forces(call, &settings)? else { return Ok(1) };
    let cache = [states.as_slice(), b"/cache"].concat();
    if !call.machine.files.is_directory(&cache)
        && let Err(errno) = call.machine.files.make_directories(&cache, 0o777 & !call.shell.umask)
    {
        return failed(call, 1, &cache, errno);
    }
    let record = call.machine.files.read(&record(&states))?.unwrap_or_default();
    let mut update = Update {
        last: first_words(&record, &destination).join(&b'\n'),
        old_sums: old_sums(call, &given, &settings, &new),
        three_way: given.has("three-way"),
        template: given.value("debconf-template").cloned(),
        may_ask: may_ask(call, &given)?,
        new,
        destination,
        states,
        force,
        force_missing,
    };
    update.run(call)
}

fn record(states: &[u8]) -> Bytes {
    [states, b"/hashfile"].concat()
}

/// The real path of the destination if it is there, and where a diversion leads.
fn destination_of(call: &mut Call, word: &[u8], given: &options::Options) -> Result<Option<Bytes>, Stop> {
    let path = call.path(word);
    let there = call.machine.files.exists(&path);
    let found = if there { realpath::resolve(&call.machine.files, &path) } else { Some(word.to_vec()) };
    let Some(found) = found.filter(|found| found.starts_with(b"/")) else {
        call.error(format!("filename \"{}\" is not absolute", String::from_utf8_lossy(word)))?;
        return Ok(None);
    };
    let known = state::normal(&found);
    let diversions = &call.machine.dpkg.diversions;
    let package = given.text("package");
    let diverted =
        diversions.concerning(&known).is_some_and(|(.., by)| package.as_deref() != Some(by.unwrap_or("LOCAL")));
    let target = diversions.to(&known).filter(|_| diverted).map(|(to, _)| to.to_vec());
    Ok(Some(target.unwrap_or(found)))
}

/// Where the sums of old versions are looked for.
fn old_sums(call: &Call, given: &options::Options, settings: &Settings, new: &[u8]) -> (Bytes, Bytes) {
    let slash = new.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let (directory, name) = (&new[..slash], &new[slash + 1..]);
    let source = given.value("src-dir").filter(|source| !source.is_empty()).cloned();
    let source = source.or_else(|| setting(call, settings, "UCF_SOURCE_DIR", "conf_source_dir"));
    let source = source.map_or_else(|| directory.to_vec(), |source| call.path(&source));
    let file = given.value("sum-file").filter(|file| !file.is_empty()).cloned();
    let file = file.or_else(|| setting(call, settings, "UCF_OLD_MDSUM_FILE", "conf_old_mdsum_file"));
    let file = file.map(|file| call.path(&file));
    let beside = |ending: &[u8]| [source.as_slice(), b"/", name, ending].concat();
    (beside(b".md5sum.d"), file.unwrap_or_else(|| beside(b".md5sum")))
}

/// What is forced, and whether missing files are; nothing if the settings contradict each other.
fn forces(call: &mut Call, settings: &Settings) -> Result<Option<(Option<Force>, bool)>, Stop> {
    let set = |call: &Call, variable: &str, name: &str| setting(call, settings, variable, name).is_some();
    let old = set(call, "UCF_FORCE_CONFFOLD", "conf_force_conffold");
    let new = set(call, "UCF_FORCE_CONFFNEW", "conf_force_conffnew");
    let mut missing = set(call, "UCF_FORCE_CONFFMISS", "conf_force_conffmiss");
    if old && new {
        call.error("Error: Only one of force_conffold and force_conffnew should be set")?;
        return Ok(None);
    }
    let mut force = if old { Some(Force::Old) } else { new.then_some(Force::New) };
    let forced = call.shell.environment().get(b"DPKG_FORCE".as_slice()).cloned().unwrap_or_default();
    for word in forced.split(|byte| *byte == b',') {
        match word {
            b"confmiss" => missing = true,
            b"confold" => force = Some(Force::Old),
            b"confnew" => force = Some(Force::New),
            b"confdef" => {
                force = None;
                break;
            }
            b"confask" => {
                force = Some(Force::Ask);
                break;
            }
            _ => {}
        }
    }
    Ok(Some((force, missing)))
}

/// Whether debconf may ask: in a script that talks to debconf already only if it allows that.
fn may_ask(call: &mut Call, given: &options::Options) -> Result<bool, Stop> {
    let variable = |call: &Call, name: &[u8]| call.shell.environment().get(name).cloned().unwrap_or_default();
    let running = match variable(call, b"DEBCONF_ALREADY_RUNNING").as_slice() {
        b"" => !variable(call, b"DEBIAN_HAS_FRONTEND").is_empty(),
        said => said == b"YES",
    };
    let allowed = match variable(call, b"DEBCONF_OK").as_slice() {
        _ if given.has("debconf-ok") => true,
        b"" => !running,
        said => said == b"YES",
    };
    if running && !allowed {
        call.out("*** WARNING: ucf was run from a maintainer script that uses debconf, but without --debconf-ok\n")?;
    }
    Ok(allowed && call.machine.files.exists(b"/usr/share/debconf/confmodule"))
}

fn purge(call: &mut Call, given: &options::Options, settings: &Settings) -> Result<u8, Stop> {
    let [destination] = given.operands.as_slice() else {
        return call
            .fail(2, format!("*** ERROR: Need exactly one argument when purging, got {}", given.operands.len()));
    };
    let Some(destination) = destination_of(call, destination, given)? else { return Ok(2) };
    if forces(call, settings)?.is_none() {
        return Ok(1);
    }
    let states = states(call, given, settings);
    let cache = [states.as_slice(), b"/cache"].concat();
    if !call.machine.files.is_directory(&cache)
        && let Err(errno) = call.machine.files.make_directories(&cache, 0o777 & !call.shell.umask)
    {
        return failed(call, 1, &cache, errno);
    }
    let record = record(&states);
    if let Err(errno) = rotate(call, &record, true)? {
        return failed(call, 1, &record, errno);
    }
    if let Ok(text) = call.machine.files.read(&record)?
        && let Err(errno) = rewrite(call, &record, lines_without(&text, &destination))
    {
        return failed(call, 1, &record, errno);
    }
    let cached = cached(&states, &destination);
    if call.machine.files.exists(&cached)
        && let Err(errno) = call.machine.files.remove(&cached)
    {
        return failed(call, 1, &cached, errno);
    }
    Ok(0)
}

/// Where the last version is kept: its path with colons for slashes.
fn cached(states: &[u8], destination: &[u8]) -> Bytes {
    let name: Bytes = destination.iter().map(|byte| if *byte == b'/' { b':' } else { *byte }).collect();
    [states, b"/cache/", name.as_slice()].concat()
}

impl Update {
    fn run(&mut self, call: &mut Call) -> Result<u8, Stop> {
        let Some(new_sum) = sum(call, &self.new)? else { return call.fail(1, "the new file cannot be read") };
        let shown = String::from_utf8_lossy(&self.destination).into_owned();
        let mut anew = false;
        let mut there = if call.machine.files.exists(&self.destination) {
            let Some(sum) = sum(call, &self.destination)? else {
                return call.fail(1, format!("{shown} cannot be read"));
            };
            if self.last.is_empty() {
                if self.is_old_version(call, &sum)? {
                    return if self.force == Some(Force::Old) {
                        self.put_beside(call)
                    } else {
                        self.replace(call, false)
                    };
                }
                match self.default_sum(call)? {
                    Some(default) => (self.last, anew) = (default, true),
                    None => self.last = NO_SUM.to_vec(),
                }
            }
            sum
        } else if self.last.is_empty() {
            tell(call, format!("\nCreating config file {shown} with new version"))?;
            return self.replace(call, false);
        } else if self.force_missing {
            tell(call, format!("\nRecreating deleted config file {shown} with new version, as asked"))?;
            return self.replace(call, false);
        } else if self.last == new_sum {
            tell(call, format!("Not replacing deleted config file {shown}"))?;
            Bytes::new()
        } else if self.force == Some(Force::Old) {
            return Ok(0);
        } else {
            NO_SUM.to_vec()
        };
        if self.last == new_sum {
            if self.force != Some(Force::Ask) {
                return if anew { self.remember(call) } else { Ok(0) };
            }
            there = NO_SUM.to_vec();
        }
        if there == self.last {
            if self.force == Some(Force::Old) {
                return self.put_beside(call);
            }
            tell(call, format!("Replacing config file {shown} with new version"))?;
            return self.replace(call, false);
        }
        match self.force {
            Some(Force::New) => {
                tell(call, format!("Replacing config file {shown} with new version\nsince you asked for it."))?;
                self.replace(call, false)
            }
            Some(Force::Old) => self.put_beside(call),
            _ if new_sum == there => self.remember(call),
            _ => self.ask(call),
        }
    }

    /// Whether the package knows the sum of what is there: it is an old version that nobody has changed.
    fn is_old_version(&self, call: &Call, sum: &[u8]) -> Result<bool, Stop> {
        let (directory, file) = &self.old_sums;
        if call.machine.files.is_directory(directory) {
            for name in call.machine.files.list(directory).unwrap_or_default() {
                if name.starts_with(b".") {
                    continue;
                }
                let text = call.machine.files.read(&[directory, b"/".as_slice(), &name].concat())?.unwrap_or_default();
                if words_of(&text) == sum {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let text = call.machine.files.read(file)?.unwrap_or_default();
        Ok(text.split(|byte| *byte == b'\n').any(|line| line.starts_with(sum)))
    }

    /// The sum that the package takes for the last version where nobody knows it.
    fn default_sum(&self, call: &Call) -> Result<Option<Bytes>, Stop> {
        let (directory, file) = &self.old_sums;
        let sum = if call.machine.files.is_directory(directory) {
            let default = [directory, b"/default".as_slice()].concat();
            words_of(&call.machine.files.read(&default)?.unwrap_or_default())
        } else {
            first_words(&call.machine.files.read(file)?.unwrap_or_default(), b"default").join(&b'\n')
        };
        Ok(Some(sum).filter(|sum| !sum.is_empty()))
    }

    /// Asks debconf, which takes the answer of the recipe's author or the default: to keep what is there.
    fn ask(&mut self, call: &mut Call) -> Result<u8, Stop> {
        if !self.may_ask {
            return call.fail(2, "Need debconf to interact");
        }
        load_templates(call)?;
        let cached = cached(&self.states, &self.destination);
        let template: &[u8] = match &self.template {
            Some(template) => template,
            None if self.three_way && call.machine.files.exists(&cached) => b"ucf/changeprompt_threeway",
            None => b"ucf/changeprompt",
        };
        let name = self.destination.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        for (command, words) in [
            ("FSET", &[template, b"seen", b"false"][..]),
            ("RESET", &[template]),
            ("SUBST", &[template, b"FILE", &self.destination]),
            ("SUBST", &[template, b"NEW", &self.new]),
            ("SUBST", &[template, b"BASENAME", name]),
        ] {
            let (status, _) = conversation::say(call.machine, command, words)?;
            if status != 0 {
                return Ok(status);
            }
        }
        conversation::say(call.machine, "INPUT", &[b"critical", template])?;
        conversation::say(call.machine, "GO", &[])?;
        let (status, answer) = conversation::say(call.machine, "GET", &[template])?;
        match answer.as_slice() {
            _ if status > 1 => Ok(status),
            b"install_new" | b"y" | b"Y" | b"i" | b"I" => self.replace(call, true),
            b"keep_current" | b"n" | b"N" | b"o" | b"O" | b"" => self.put_beside(call),
            answer => call.unsupported(format!("the answer `{}`", String::from_utf8_lossy(answer))),
        }
    }

    /// Puts the new version in place; a file that is there keeps its mode and owner.
    fn replace(&self, call: &mut Call, keep_old: bool) -> Result<u8, Stop> {
        let mut real = self.destination.clone();
        if is_link(&call.machine.files, &real) {
            match call.machine.files.resolve(&real, true) {
                Ok(path) => real = path.as_bytes().to_vec(),
                Err(_) => {
                    tell(call, format!("{} is a broken symlink!", String::from_utf8_lossy(&real)))?;
                    if let Err(errno) = call.machine.files.remove(&real) {
                        return failed(call, 1, &real, errno);
                    }
                }
            }
        }
        let there = call.machine.files.exists(&real);
        if there && keep_old {
            let old = [real.as_slice(), b".ucf-old"].concat();
            if let Err(errno) = copy(call, &real.clone(), &old, true)? {
                return failed(call, 1, &old, errno);
            }
        }
        match copy(call, &self.new, &real, !there)? {
            Ok(()) => self.remember(call),
            Err(errno) => failed(call, 1, &real, errno),
        }
    }

    /// Leaves the file as it is, and puts the new version beside it.
    fn put_beside(&self, call: &mut Call) -> Result<u8, Stop> {
        let status = self.remember(call)?;
        if status != 0 {
            return Ok(status);
        }
        let beside = [self.destination.as_slice(), b".ucf-dist"].concat();
        match copy(call, &self.new, &beside, true)? {
            Ok(()) => Ok(0),
            Err(errno) => failed(call, 1, &beside, errno),
        }
    }

    /// Records the sum of the new version, and keeps a copy.
    fn remember(&self, call: &mut Call) -> Result<u8, Stop> {
        let record = record(&self.states);
        if let Err(errno) = rotate(call, &record, true)? {
            return failed(call, 1, &record, errno);
        }
        let old = call.machine.files.read(&record)?.ok();
        let mut text = lines_without(old.as_deref().unwrap_or_default(), &self.destination);
        let sum = sum(call, &self.new)?.unwrap_or_default();
        text.extend([sum.as_slice(), b"  ", &self.destination, b"\n"].concat());
        let mode = 0o666 & !call.shell.umask;
        let written = match old {
            Some(_) => rewrite(call, &record, text),
            None => call.machine.files.put(&record, text, mode),
        };
        if let Err(errno) = written {
            return failed(call, 1, &record, errno);
        }
        let size = call.machine.files.facts(&self.new, true).map_or(0, |facts| facts.size);
        if self.three_way || size < SMALL {
            let cached = cached(&self.states, &self.destination);
            if let Err(errno) = copy(call, &self.new, &cached, true)? {
                return failed(call, 1, &cached, errno);
            }
        }
        Ok(0)
    }
}

fn tell(call: &mut Call, text: String) -> Result<(), Stop> {
    call.shell.error(call.machine, &text)
}

fn sum(call: &Call, path: &[u8]) -> Result<Option<Bytes>, Stop> {
    let text = call.machine.files.read(path)?;
    Ok(text.ok().map(|text| md5sum(&text).into_bytes()))
}

/// The first word of every line.
fn words_of(text: &[u8]) -> Bytes {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|byte| *byte == b'\n').map(first_word).collect::<Vec<_>>().join(&b'\n')
}

/// ucf's own templates, of the package ucf.
fn load_templates(call: &mut Call) -> Result<(), Stop> {
    let templates = call.machine.package("ucf").and_then(|ucf| ucf.package.members.get("templates"));
    match templates.map(|text| call.machine.debconf.load_templates("ucf", text)) {
        Some(Err(mistake)) => call.unsupported(format!("its templates: {mistake}")),
        _ => Ok(()),
    }
}
