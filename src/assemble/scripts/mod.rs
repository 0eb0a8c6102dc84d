//! Maintainer scripts: every one is accounted for, none is executed.
//!
//! On a fresh root only `preinst install`, `config` and `postinst configure` would run, and the triggers they set off.
//! The blocks that debhelper writes are parsed ([`generated`]). What is left of a script, its [`residue`], is either
//! nothing, or looked up in the shipped [`table`], which says what it would have changed on a fresh root, or why
//! nothing. A script that is neither is a mistake that names its first line that nobody accounts for, unless the
//! recipe accepts the script by name.
//!
//! Of an RPM it is `%pretrans`, `%pre`, `%post`, `%posttrans` and triggers. What macros wrote is known by its lines
//! ([`rpm_macros`], [`rpm_lua`]). A trigger is known without asking what sets it off if all it does is done for the
//! whole image anyway; everything else is only known from the table.

mod answers;
mod generated;
mod image;
mod residue;
mod rpm_accounts;
mod rpm_commands;
mod rpm_conditions;
mod rpm_lua;
mod rpm_lua_calls;
mod rpm_macros;
mod shell;
mod table;
mod triggers;
mod words;

use std::fmt;

use serde::Deserialize;

use image::{Image, View};

use crate::diag::{Diagnostic, Diagnostics};
use crate::package::{Family, Package, PackageId, Script};
use crate::recipe::AcceptedScript;
use crate::tree::Digest;

/// What a script would have changed on a fresh root; `effects::apply` and the steps named in `Step` do it.
///
/// The names are the words of the shipped table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// `systemctl enable` of a unit.
    Enable(String),
    /// `systemctl preset` of a unit: enabled unless the image's presets say otherwise.
    Preset(String),
    /// `systemctl preset-all` of `system` or `user` units.
    PresetAll(String),
    /// An account as a line of sysusers.d(5).
    Account(String),
    /// A directory and a link that have to be there before the first file is unpacked.
    SkeletonDirectory(String),
    SkeletonLink {
        path: String,
        target: String,
    },
    /// Unit files shipped in `sysusers.d`: `accounts` reads them all.
    Sysusers(String),
    /// A file of `tmpfiles.d`: read at every boot by `systemd-tmpfiles-setup.service`, nothing to do here.
    Tmpfiles(String),
    Alternative(Alternative),
    Owner(OwnerEffect),
    /// A system group made with `addgroup --system`.
    SystemGroup(String),
    SystemUser(SystemUser),
    Directory(DirectoryEffect),
    Symlink {
        path: String,
        target: String,
    },
    /// A file copied with its mode, unless the target is there already.
    Copy {
        from: String,
        to: String,
    },
    /// A file with this text, mode 0644, unless it is there already.
    File {
        path: String,
        text: String,
    },
    /// A line of `/etc/shells`, if there is such a program.
    LoginShell(String),
    /// A step of the assembly that does what the script does for itself.
    Step(String),
}

/// One choice for a name, as `update-alternatives --install` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    pub link: String,
    pub name: String,
    pub target: String,
    pub priority: i32,
    #[serde(default)]
    pub slaves: Vec<Slave>,
    /// Choices of one family are taken together; only chkconfig's `alternatives` knows it.
    #[serde(default)]
    pub family: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slave {
    pub link: String,
    pub name: String,
    pub target: String,
}

/// Owner and mode of a path, octal as in `chmod`; what is not said stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerEffect {
    pub path: String,
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub mode: Option<String>,
    /// Everything below it too.
    #[serde(default)]
    pub recursive: bool,
}

/// A system user made with `adduser --system`, which has no shell; its group too, if that is named like it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemUser {
    pub name: String,
    pub group: String,
    pub home: String,
    #[serde(default)]
    pub comment: String,
}

/// A directory; one that is there keeps its owner and mode.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryEffect {
    pub path: String,
    #[serde(default = "root_name")]
    pub group: String,
    #[serde(default = "directory_mode")]
    pub mode: String,
}

fn root_name() -> String {
    "root".to_owned()
}

fn directory_mode() -> String {
    "0755".to_owned()
}

impl Effect {
    /// The path that it makes.
    fn made(&self) -> Option<&str> {
        match self {
            Effect::Directory(DirectoryEffect { path, .. })
            | Effect::Symlink { path, .. }
            | Effect::Copy { to: path, .. }
            | Effect::File { path, .. }
            | Effect::SkeletonDirectory(path)
            | Effect::SkeletonLink { path, .. } => Some(path),
            Effect::Alternative(alternative) => Some(&alternative.link),
            _ => None,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::Enable(unit) => write!(f, "enable {unit}"),
            Effect::Preset(unit) => write!(f, "preset {unit}"),
            Effect::PresetAll(scope) => write!(f, "preset all {scope} units"),
            Effect::Account(line) => write!(f, "account {line}"),
            Effect::SkeletonDirectory(path) => write!(f, "directory {path} first"),
            Effect::SkeletonLink { path, target } => write!(f, "link {path} → {target} first"),
            Effect::Sysusers(file) => write!(f, "accounts of {file}"),
            Effect::Tmpfiles(file) => write!(f, "tmpfiles of {file}, at boot"),
            Effect::Alternative(alternative) => write!(f, "alternative {} → {}", alternative.name, alternative.target),
            Effect::Owner(OwnerEffect { path, user, group, mode, recursive }) => {
                write!(f, "{path}{}", if *recursive { " and below" } else { "" })?;
                if user.is_some() || group.is_some() {
                    write!(f, " {}:{}", user.as_deref().unwrap_or_default(), group.as_deref().unwrap_or_default())?;
                }
                mode.iter().try_for_each(|mode| write!(f, " {mode}"))
            }
            Effect::SystemGroup(group) => write!(f, "group {group}"),
            Effect::SystemUser(user) => write!(f, "user {}", user.name),
            Effect::Directory(directory) => write!(f, "directory {}", directory.path),
            Effect::Symlink { path, target } => write!(f, "link {path} → {target}"),
            Effect::Copy { from, to } => write!(f, "{to} from {from}"),
            Effect::File { path, .. } => write!(f, "file {path}"),
            Effect::LoginShell(path) => write!(f, "login shell {path}"),
            Effect::Step(step) => write!(f, "step {step}"),
        }
    }
}

/// One script, or one trigger declaration, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptAccount {
    pub package: PackageId,
    pub script: String,
    /// Of the script's whole text.
    pub sha256: Digest,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It runs only when a package is removed or replaced.
    NotRun,
    /// Only generated blocks, with these effects.
    Generated(Vec<Effect>),
    /// The table knows it; effects of generated blocks included.
    Known(Vec<Effect>),
    /// The table knows why it changes nothing.
    Nothing(String),
    /// The recipe's author answers for it; its generated blocks were applied.
    Accepted(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, effects: &[Effect]| {
            let texts: Vec<String> = effects.iter().map(Effect::to_string).collect();
            f.write_str(&texts.join(", "))
        };
        match self {
            Outcome::NotRun => f.write_str("not run on a fresh image"),
            Outcome::Generated(effects) if effects.is_empty() => f.write_str("nothing to do on a fresh image"),
            Outcome::Generated(effects) | Outcome::Known(effects) => list(f, effects),
            Outcome::Nothing(reason) => write!(f, "no effect: {reason}"),
            Outcome::Accepted(reason) => write!(f, "accepted by the recipe: {reason}"),
        }
    }
}

/// What [`account`] gives.
#[derive(Debug, Default)]
pub struct Accounted {
    pub accounts: Vec<ScriptAccount>,
    /// In the order in which their scripts run: by phase of the transaction, then by package.
    pub effects: Vec<Effect>,
    pub mistakes: Diagnostics,
}

/// Accounts for the scripts and triggers of `packages`, which are taken in order of their ids.
pub fn account(packages: &[&Package], accepted: &[AcceptedScript]) -> Accounted {
    let mut packages = packages.to_vec();
    packages.sort_by_key(|package| &package.id);
    let mut accounted = Accounted::default();
    let mut effects = Vec::new();
    let image = Image::of(&packages);
    for (index, package) in packages.iter().enumerate() {
        let mut scripts: Vec<&Script> = package.scripts.iter().collect();
        scripts.sort_by_key(|script| &script.name);
        for script in scripts {
            let found = account_script(&image, index, script, accepted, &mut accounted);
            effects.extend(found.into_iter().map(|effect| (phase(&script.name), effect)));
        }
        if let Some(text) = package.members.get("triggers") {
            account_triggers(package, text, &mut accounted);
        }
    }
    effects.sort_by_key(|(phase, _)| *phase);
    accounted.effects = effects.into_iter().map(|(_, effect)| effect).collect();
    for accept in accepted {
        let package = packages.iter().find(|package| package.id.name == accept.package);
        let scripts = package.map(|package| package.scripts.as_slice()).unwrap_or_default();
        let kind: Vec<&Script> = scripts.iter().filter(|script| script.name == accept.script).collect();
        let mistake = match (scripts.iter().any(|script| is_meant(script, accept, scripts)), kind.as_slice()) {
            (true, _) => continue,
            (false, []) => {
                Diagnostic::new("no-such-script", format!("`{}` has no script `{}`", accept.package, accept.script))
                    .at(&accept.location, "accepts a script that is not there")
                    .help("take this entry out")
            }
            (false, several) => {
                let names: Vec<String> = several.iter().map(|script| format!("`{}`", full_name(script))).collect();
                let title = format!("`{}` has {} scripts `{}`", accept.package, several.len(), accept.script);
                Diagnostic::new("no-such-script", title)
                    .at(&accept.location, "one of them is meant")
                    .help(format!("say which: {}", names.join(", ")))
            }
        };
        accounted.mistakes.push(mistake);
    }
    accounted
}

/// When a script runs among those of its transaction: `%pretrans` of all packages comes first, `%posttrans` last.
fn phase(script: &str) -> u8 {
    match script {
        "%pretrans" => 0,
        "%pre" | "preinst" => 1,
        "%posttrans" => 3,
        _ => 2,
    }
}

/// A script's name, and of a trigger what sets it off: `%transfiletriggerin /usr/lib/systemd/system`.
fn full_name(script: &Script) -> String {
    let text = String::from_utf8_lossy(&script.text);
    let on = text.lines().next().and_then(|line| line.strip_prefix("# on "));
    match on.filter(|_| script.name.contains("trigger")) {
        Some(on) => format!("{} {}", script.name, on.trim()),
        None => script.name.clone(),
    }
}

/// Whether a recipe's entry is about `script`: by its full name, or by its kind if that is the only one.
fn is_meant(script: &Script, accept: &AcceptedScript, scripts: &[Script]) -> bool {
    let only = || scripts.iter().filter(|other| other.name == script.name).count() == 1;
    accept.script == full_name(script) || accept.script == script.name && only()
}

/// The effects of one script.
fn account_script(
    image: &Image,
    index: usize,
    script: &Script,
    accepted: &[AcceptedScript],
    accounted: &mut Accounted,
) -> Vec<Effect> {
    let package = image.package(index);
    let meant = |accept: &&AcceptedScript| is_meant(script, accept, &package.scripts);
    let accept = accepted.iter().filter(|accept| accept.package == package.id.name).find(meant);
    match outcome(image, index, script, accept) {
        Ok((outcome, effects)) => {
            let sha256 = Digest::of(&script.text);
            let script = script.name.clone();
            accounted.accounts.push(ScriptAccount { package: package.id.clone(), script, sha256, outcome });
            effects
        }
        Err(mistakes) => {
            accounted.mistakes.0.extend(mistakes.0);
            Vec::new()
        }
    }
}

/// Scripts that run only when a package is removed, replaced or verified.
pub(super) const REMOVAL: [&str; 13] = [
    "prerm",
    "postrm",
    "%preun",
    "%postun",
    "%preuntrans",
    "%postuntrans",
    "%verify",
    "%triggerun",
    "%triggerpostun",
    "%filetriggerun",
    "%filetriggerpostun",
    "%transfiletriggerun",
    "%transfiletriggerpostun",
];

/// What becomes of a script, and the effects to apply.
fn outcome(
    image: &Image,
    index: usize,
    script: &Script,
    accept: Option<&AcceptedScript>,
) -> Result<(Outcome, Vec<Effect>), Diagnostics> {
    let package = image.package(index);
    let text = String::from_utf8_lossy(&script.text);
    let removal = REMOVAL.contains(&script.name.as_str());
    if removal || package.family == Family::Rpm && triggers::sets_off(image, &script.name, &text) == Some(false) {
        return Ok((Outcome::NotRun, Vec::new()));
    }
    let (blocks, mut residue) = residue::split(&text);
    let mut effects = Vec::new();
    if package.family == Family::Rpm {
        let read = |view| rpm_script(&script.name, &text, residue.clone(), view);
        let Some((found, rest)) = read(image.during(index, &script.name)) else {
            return Ok((Outcome::Generated(Vec::new()), Vec::new()));
        };
        // What the table knows was read without an image around it.
        let entry = read(View::unknown()).filter(|(_, rest)| !rest.is_empty()).filter(|(_, rest)| {
            let found = table::lookup(&package.id.name, &script.name, rest);
            matches!(found, table::Found::Effects(_) | table::Found::Nothing(_))
        });
        (effects, residue) = if rest.is_empty() { (found, rest) } else { entry.unwrap_or((found, rest)) };
    }
    let mut unknown = None;
    for block in &blocks {
        match generated::effects(block) {
            Ok(found) => effects.extend(found),
            Err(line) => unknown = unknown.or(Some(line)),
        }
    }
    let found = table::lookup(&package.id.name, &script.name, &residue);
    if unknown.is_none() {
        if residue::is_empty(&residue) {
            return Ok((Outcome::Generated(effects.clone()), effects));
        }
        match found {
            table::Found::Effects(known) => {
                effects.extend(known);
                return Ok((Outcome::Known(effects.clone()), effects));
            }
            table::Found::Nothing(_) if !effects.is_empty() => return Ok((Outcome::Known(effects.clone()), effects)),
            table::Found::Nothing(reason) => return Ok((Outcome::Nothing(reason), effects)),
            table::Found::Other(_) | table::Found::Unknown => {}
        }
    }
    if let Some(accept) = accept {
        return Ok((Outcome::Accepted(accept.reason.clone()), effects));
    }
    // Where to start reading: what is new against a known version, else the first line that does something.
    let new = if let table::Found::Other(difference) = &found { difference.new.first() } else { None };
    let acting = residue.iter().find(|line| !line.text.starts_with("set "));
    let first = unknown.or_else(|| new.or(acting).map(|line| (line.number, line.text.clone())));
    Err(unknown_script(package, script, first, found).into())
}

/// The effects of an RPM's script and the lines that nobody knows; nothing if it is only an interpreter that does
/// nothing here.
fn rpm_script(
    name: &str,
    text: &str,
    residue: Vec<residue::Line>,
    view: View,
) -> Option<(Vec<Effect>, Vec<residue::Line>)> {
    let trigger = name.contains("trigger");
    // A trigger's first line says what sets it off.
    let (on, body) = if trigger { text.split_once('\n').unwrap_or((text, "")) } else { ("", text) };
    let interpreter = body.lines().next().and_then(|line| line.strip_prefix("#!")).unwrap_or("/bin/sh");
    let program = interpreter.split(' ').next().unwrap_or_default();
    let (effects, mut rest) = match program {
        "/sbin/ldconfig" | "/usr/sbin/ldconfig" | "/bin/true" | "/usr/bin/true" if residue.is_empty() => return None,
        "/bin/sh" | "/bin/bash" | "/usr/bin/sh" | "/usr/bin/bash" => rpm_macros::split(&residue::all(text), view),
        "<lua>" => rpm_lua::split(&residue, name == "%pretrans", view),
        _ => (Vec::new(), residue.clone()),
    };
    let shell = program.ends_with("sh");
    if rest.is_empty() && (shell || program == "<lua>") {
        return Some((effects, rest));
    }
    if trigger {
        rest = residue;
        rest.insert(0, residue::Line { number: 1, text: on.to_owned() });
    }
    if !shell {
        // Something that may do anything without a single line.
        rest.insert(0, residue::Line { number: 1, text: format!("#!{interpreter}") });
    }
    Some((if trigger { Vec::new() } else { effects }, rest))
}

fn unknown_script(
    package: &Package,
    script: &Script,
    first: Option<(usize, String)>,
    found: table::Found,
) -> Diagnostic {
    let PackageId { name, version, .. } = &package.id;
    let (line, text) = first.unwrap_or_default();
    let title = format!("nobody accounts for `{}` of {name} {version}, from line {line}: `{text}`", script.name);
    let mut diagnostic = Diagnostic::new("unknown-script", title);
    if let table::Found::Other(difference) = found {
        diagnostic = diagnostic.help(difference.to_string());
    }
    let name_of_script = full_name(script);
    // A percent sign and a colon are YAML's own.
    let quote = if name_of_script.starts_with('%') { "\"" } else { "" };
    diagnostic.help(format!(
        "read it; if a fresh image needs nothing of it, accept it: \
         `accept-scripts: {{{name}: {{{quote}{name_of_script}{quote}: \"why it needs nothing of it\"}}}}`"
    ))
}

/// Triggers that a package sets off by name, and why nothing has to follow on a fresh image.
const TRIGGERS: [(&str, &str); 3] = [
    ("ldconfig", "libraries lie in the directories that the loader searches by itself"),
    ("update-initramfs", "the initrd is made by the builder"),
    ("update-ca-certificates", "the step `certificates` bundles them all"),
];

/// `interest` lines say what a package's own postinst reacts to, and that script is accounted for. `activate` lines
/// set something off.
fn account_triggers(package: &Package, text: &[u8], accounted: &mut Accounted) {
    let mut reasons = Vec::new();
    for line in String::from_utf8_lossy(text).lines() {
        let mut words = line.split_whitespace();
        let (Some(verb), Some(name)) = (words.next(), words.next()) else { continue };
        if !verb.starts_with("activate") {
            continue;
        }
        match TRIGGERS.iter().find(|(known, _)| *known == name) {
            Some((_, reason)) => reasons.push(format!("`{name}`: {reason}")),
            None => accounted.mistakes.push(
                Diagnostic::new("unknown-trigger", format!("{} sets off an unknown trigger: `{name}`", package.id))
                    .help("leave the package out, or report this to the makers of nodesmith"),
            ),
        }
    }
    let reason = if reasons.is_empty() { "it only waits for others".to_owned() } else { reasons.join("; ") };
    accounted.accounts.push(ScriptAccount {
        package: package.id.clone(),
        script: "triggers".to_owned(),
        sha256: Digest::of(text),
        outcome: Outcome::Nothing(reason),
    });
}

#[cfg(test)]
mod tests;
