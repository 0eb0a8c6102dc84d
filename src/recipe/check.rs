//! A merged recipe value → [`Recipe`]; every mistake is collected, none stops the others.
//!
//! `shape` has looked at keys and kinds before; here is what the values mean. Dates (ends of kernel lines,
//! of certificates) are judged by the day given, never by a clock read here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{NaiveDate, NaiveTime};

use super::hardware::{HARDWARE, Hardware};
use super::kubernetes::{coherence, section};
use super::output::{self, Output};
use super::read::{checked_list, entries, same_package, text, texts};
use super::repositories::repositories;
use super::secure_boot;
use super::shape::RECIPE;
use super::{
    AcceptedScript, Compression, Disk, Dropped, ImageFile, Iso, Kernel, Modules, Overlay, PackageRequest, Recipe,
    RuntimeSettings, Selinux, Services, UnknownPrograms, User, kernels,
};
use crate::arch::{self, Arch};
use crate::contract;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::formats::grub;
use crate::image_info::MetadataTrust;
use crate::install_choice::{self, Choice};
use crate::runtime::RUNTIMES;
use crate::shape;
use crate::spelling::suggest;
use crate::var_filesystem::VarFilesystem;
use crate::words;
use crate::yaml::{Located, Value};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Mistakes that time and place make, not the author: making a lock needs a living kernel line, certificate and the
/// keyring, building from one does not.
const PASSING: &[&str] = &[ENDED, secure_boot::EXPIRED, "keyring-missing"];
/// Those of time alone.
pub const OF_TIME: &[&str] = &[ENDED, secure_boot::EXPIRED];
const ENDED: &str = "ended-kernel-line";

/// Checks the value that `load` gave. `today` decides which kernel lines and certificates have ended.
pub fn check(value: &Value, today: NaiveDate) -> Result<Recipe, Diagnostics> {
    let (recipe, found) = read(value, today);
    found.or(recipe)
}

/// As [`check`], for a lock: it is made where nobody has the key that signs.
pub fn check_to_lock(value: &Value, today: NaiveDate) -> Result<Recipe, Diagnostics> {
    let (recipe, mut found) = read(value, today);
    found.0.retain(|mistake| mistake.slug != secure_boot::KEY_MISSING);
    found.or(recipe)
}

/// As [`check`], but what stands only in the way of a new lock comes beside the recipe.
pub fn check_but_lock(value: &Value, today: NaiveDate) -> Result<(Recipe, Diagnostics), Diagnostics> {
    let (recipe, found) = read(value, today);
    let passing = found.0.iter().all(|mistake| PASSING.contains(&mistake.slug));
    if passing { Ok((recipe, found)) } else { Err(found) }
}

fn read(value: &Value, today: NaiveDate) -> (Recipe, Diagnostics) {
    let mut found = Diagnostics::default();
    shape::conform(value, &RECIPE, "the recipe", &mut found);
    let f = &mut found;
    let hardware = hardware(value);
    ipxe(value, f);
    let kernel = kernel(value, today, &hardware, f);
    let mut packages = packages(value, f);
    let kubernetes = section::read(value, &mut packages, f);
    let mut recipe = Recipe {
        name: text(value, "name").map(|it| words::check(&words::NAME, it, f)).unwrap_or_default(),
        version: text(value, "version").map_or_else(|| "0".to_owned(), |it| words::check(&words::VERSION, it, f)),
        arch: value.get("arch").and_then(Value::text).and_then(Arch::parse).unwrap_or(arch::ARCHES[0]),
        epoch: epoch(value, f),
        repositories: repositories(value, f),
        drop: drop_list(value, &packages, f),
        packages,
        weak_dependencies: weak_dependencies(value, f),
        accept_scripts: accepted_scripts(value, f),
        unknown_programs: unknown_programs(value),
        metadata: value.get("metadata").and_then(Value::text).and_then(MetadataTrust::parse).unwrap_or_default(),
        debconf: debconf(value),
        sysctl: sysctl(value, f),
        modules: modules(value, f),
        runtime: runtime(value, f),
        kubernetes,
        images: images(value, f),
        services: services(value, f),
        users: users(value, f),
        system_ids: system_ids(value, f),
        overlays: overlays(value, f),
        timezone: text(value, "timezone")
            .map(|it| Located { value: words::check(&words::TIMEZONE, it, f), location: it.1.clone() }),
        locale: text(value, "locale").map_or_else(|| "C.UTF-8".to_owned(), |it| words::check(&words::LOCALE, it, f)),
        selinux: text(value, "selinux")
            .and_then(|(word, location)| Some(Located { value: Selinux::parse(word)?, location: location.clone() })),
        writable: wrientries(value, f),
        disk: disk(value, f),
        compression: compression(value, &kernel.line, f),
        bios: bios(value, f),
        secure_boot: secure_boot::read(value, today, f),
        outputs: outputs(value),
        hardware,
        iso: iso(value, f),
        kernel,
    };
    formatter_is_there(value, &recipe, f);
    coherence::check(value, &recipe, f);
    coherence::derive(value, &mut recipe);
    (recipe, found)
}

fn weak_dependencies(value: &Value, found: &mut Diagnostics) -> bool {
    let Some(flag) = value.get("weak-dependencies").filter(|flag| flag.flag() == Some(true)) else { return false };
    if let Some((key, _)) = entries(value.get("repositories")).find(|(_, repository)| repository.get("apt").is_some()) {
        found.push(
            Diagnostic::new("weak-debs", "weak dependencies are followed only where every package is an RPM")
                .at(&flag.location, "cannot be followed")
                .related(&key.location, "Debian packages")
                .help("take it out, and list the recommended packages that the image should have"),
        );
    }
    true
}

fn epoch(value: &Value, found: &mut Diagnostics) -> i64 {
    let default = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
    let day = text(value, "epoch").map_or(default, |(text, location)| match text.parse::<NaiveDate>() {
        Ok(day) => day,
        Err(_) => {
            found.push(
                Diagnostic::new("bad-date", format!("`{text}` is not a date"))
                    .at(location, "not a day of the calendar")
                    .help("write it as YYYY-MM-DD"),
            );
            default
        }
    });
    day.and_time(NaiveTime::MIN).and_utc().timestamp()
}

fn package_request(text: &str, location: &Location, found: &mut Diagnostics) -> PackageRequest {
    let (name, version) = match text.split_once('=') {
        Some((name, version)) => (name, Some(words::check(&words::PACKAGE_VERSION, (version, location), found))),
        None => (text, None),
    };
    PackageRequest { name: words::check(&words::PACKAGE, (name, location), found), version, location: location.clone() }
}

fn packages(value: &Value, found: &mut Diagnostics) -> Vec<PackageRequest> {
    let mut packages: Vec<PackageRequest> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (text, location) in texts(value.get("packages")) {
        let request = package_request(text, location, found);
        let place = *places.entry(request.name.clone()).or_insert(packages.len());
        match packages.get_mut(place) {
            None => packages.push(request),
            Some(other) => same_package(other, request, found),
        }
    }
    packages
}

fn reason(package: &str, reason: &str, location: &Location, found: &mut Diagnostics) -> String {
    if reason.split_whitespace().count() < 2 {
        found.push(
            Diagnostic::new("no-reason", format!("`{package}` has no reason"))
                .at(location, "too short to be one")
                .help("say in a few words why the image is right without it"),
        );
    }
    reason.to_owned()
}

fn drop_list(value: &Value, packages: &[PackageRequest], found: &mut Diagnostics) -> Vec<Dropped> {
    let mut dropped = Vec::new();
    for (key, value) in entries(value.get("drop")) {
        if let Some(request) = packages.iter().find(|request| request.name == key.text) {
            found.push(
                Diagnostic::new("drop-requested", format!("`{}` is both asked for and dropped", key.text))
                    .at(&key.location, "dropped here")
                    .related(&request.location, "asked for here")
                    .help("remove one of the two"),
            );
        }
        let name = words::check(&words::PACKAGE, (&key.text, &key.location), found);
        let Some(text) = value.text() else { continue };
        let reason = reason(&name, text, &value.location, found);
        dropped.push(Dropped { name, reason, location: key.location.clone() });
    }
    dropped
}

fn accepted_scripts(value: &Value, found: &mut Diagnostics) -> Vec<AcceptedScript> {
    const SCRIPTS: &[&str] = &[
        "preinst",
        "postinst",
        "prerm",
        "postrm",
        "config",
        "%pretrans",
        "%pre",
        "%post",
        "%posttrans",
        "%triggerprein",
        "%triggerin",
        "%filetriggerin",
        "%transfiletriggerin",
    ];
    let mut accepted = Vec::new();
    for (package, scripts) in entries(value.get("accept-scripts")) {
        for (script, why) in entries(Some(scripts)) {
            // A trigger may be followed by what sets it off.
            let kind = script.text.split(' ').next().unwrap_or_default();
            if !SCRIPTS.contains(&kind) || kind != script.text && !kind.contains("trigger") {
                found.push(
                    Diagnostic::new("unknown-script-name", format!("`{}` is not a maintainer script", script.text))
                        .at(&script.location, "not one")
                        .help(suggest(&script.text, SCRIPTS)),
                );
            }
            let package_name = words::check(&words::PACKAGE, (&package.text, &package.location), found);
            let mut accept = |program: Option<&str>, text: &str, place: &Location, at: &Location| {
                accepted.push(AcceptedScript {
                    package: package_name.clone(),
                    script: script.text.clone(),
                    program: program.map(str::to_owned),
                    reason: reason(&package.text, text, place, found),
                    location: at.clone(),
                });
            };
            if let Some(text) = why.text() {
                accept(None, text, &why.location, &script.location);
            }
            for (program, why) in entries(Some(why)) {
                if let Some(text) = why.text() {
                    accept(Some(&program.text), text, &why.location, &program.location);
                }
            }
        }
    }
    accepted
}

fn unknown_programs(value: &Value) -> UnknownPrograms {
    let word = value.get("unknown-programs").and_then(Value::text);
    word.and_then(UnknownPrograms::parse).unwrap_or_default()
}

/// Questions are named with their packages, so that a reader knows whose they are; templates may be shared.
fn debconf(value: &Value) -> BTreeMap<String, String> {
    let questions = entries(value.get("debconf")).flat_map(|(_, questions)| entries(Some(questions)));
    questions.filter_map(|(question, answer)| Some((question.text.clone(), answer.text()?.to_owned()))).collect()
}

/// Bytes that a kernel keeps of its command line (2047), less what the builder's own words and the hardware's consoles take
/// at most.
const CMDLINE_MAX: usize = 2047 - CMDLINE_OWN_BYTES;
pub const CMDLINE_OWN_BYTES: usize = 255;
/// Words of the kernel command line that the builder and the agent own.
/// Behind `--` stand init's.
const OWN_CMDLINE: &[&str] = &["roothash", "root", "init", "ro", "rw", "rootfstype", "initrd", "--"];
/// Bytes that an image from the network has more: the addresses of its netdisk and metadata, and a digest.
const CMDLINE_PXE_BYTES: usize = 512;
/// Bytes that an installer has more, besides the disk that it takes.
const CMDLINE_ISO_BYTES: usize = 180;

fn kernel(value: &Value, today: NaiveDate, hardware: &[Located<&'static Hardware>], found: &mut Diagnostics) -> Kernel {
    let section = value.get("kernel");
    let package = section.and_then(|kernel| text(kernel, "package")).map(|(text, at)| package_request(text, at, found));
    let line = section.and_then(|kernel| text(kernel, "line")).map(|(line, location)| {
        let accepted = section.is_some_and(|kernel| text(kernel, "accept-eol").is_some());
        judge_line(line, location, today, accepted, found);
        (line.to_owned(), location.clone())
    });
    let (line, line_location) = line.unwrap_or_else(|| (String::new(), value.location.clone()));
    let words = section.and_then(|kernel| kernel.get("cmdline"));
    let bytes: usize = texts(words).map(|(word, _)| word.len() + 1).sum();
    let most = CMDLINE_MAX - added_by_outputs(value);
    if let Some(words) = words.filter(|_| bytes > most) {
        found.push(
            Diagnostic::new("cmdline-too-long", format!("the kernel's command line gets {bytes} bytes from here"))
                .at(&words.location, format!("{most} at most"))
                .help("a kernel cuts off what is longer: put settings into `sysctl:` or `modules:`"),
        );
    }
    let named = texts(words).any(|(word, _)| word.starts_with("console="));
    let consoles = hardware.last().map(|kind| kind.value.consoles).filter(|_| !named).unwrap_or_default();
    let cmdline = texts(words).map(|(word, location)| {
        let key = word.split('=').next().unwrap_or(word);
        let is_own = key.starts_with("nodesmith.") && key != contract::CMDLINE_INSTALL_OVERWRITE;
        if OWN_CMDLINE.contains(&key) || is_own {
            found.push(
                Diagnostic::new("owned-cmdline", format!("`{key}` on the kernel command line belongs to the builder"))
                    .at(location, "set by the build")
                    .help(
                        "remove it: the root is always the image's own verity device, and init has no words of its own",
                    ),
            );
        }
        words::check(&words::CMDLINE, (word, location), found)
    });
    Kernel {
        cmdline: consoles.iter().map(|console| format!("console={console}")).chain(cmdline).collect(),
        initrd_modules: checked_list(section.and_then(|kernel| kernel.get("initrd-modules")), &words::MODULE, found),
        package: package.unwrap_or_else(|| PackageRequest {
            name: String::new(),
            version: None,
            location: value.location.clone(),
        }),
        line,
        line_location,
    }
}

/// Bytes that the command line of an output has more than the node's on its disk, at most.
fn added_by_outputs(value: &Value) -> usize {
    let has = |wanted: &Output| texts(value.get("outputs")).any(|(word, _)| word == wanted.word);
    let install = value.get("iso").and_then(|iso| text(iso, "install")).map_or(0, |(text, _)| text.len());
    let iso = if has(&output::ISO) { CMDLINE_ISO_BYTES + install } else { 0 };
    // What is too long for any line is a mistake of its own.
    iso.max(if has(&output::PXE) { CMDLINE_PXE_BYTES } else { 0 }).min(CMDLINE_MAX)
}

/// Words that iPXE would not hand to the kernel.
fn ipxe(value: &Value, found: &mut Diagnostics) {
    let Some((_, asked)) = texts(value.get("outputs")).find(|(word, _)| *word == output::PXE.word) else { return };
    for (word, location) in texts(value.get("kernel").and_then(|kernel| kernel.get("cmdline"))) {
        if let Some(word) = words::ipxes_own(word) {
            found.push(
                Diagnostic::new("cmdline-ipxe", format!("iPXE takes `{word}` for its own and does not hand it on"))
                    .at(location, "changed on its way to the kernel")
                    .related(asked, "iPXE starts the kernel from the network")
                    .help("leave it out or write it in another way: iPXE knows no quotes"),
            );
        }
    }
}

/// Whether a BIOS is to start the node too. Its boot loader hands over fewer words than firmware does.
fn bios(value: &Value, found: &mut Diagnostics) -> bool {
    let Some(asked) = value.get("bios").filter(|flag| flag.flag() == Some(true)) else { return false };
    for (word, location) in texts(value.get("kernel").and_then(|kernel| kernel.get("cmdline"))) {
        if let Err(why) = grub::argument(word) {
            found.push(
                Diagnostic::new("cmdline-bios", why.to_string())
                    .at(location, "changed on its way to the kernel")
                    .related(&asked.location, "GRUB starts the kernel on a BIOS")
                    .help("write it without: quotes around a whole word or a whole value are fine"),
            );
        }
    }
    true
}

/// The kinds that are named, each once; the first of the table where there is none.
fn hardware(value: &Value) -> Vec<Located<&'static Hardware>> {
    let named: Vec<(&str, &Location)> = texts(value.get("hardware")).collect();
    let place = |kind: &Hardware| named.iter().find(|(word, _)| *word == kind.word).map(|(_, location)| *location);
    let asked: Vec<_> = HARDWARE.into_iter().filter_map(|kind| Some(Located::new(kind, place(kind)?))).collect();
    if asked.is_empty() { vec![Located::new(HARDWARE[0], &value.location)] } else { asked }
}

fn judge_line(line: &str, location: &Location, today: NaiveDate, accepted: bool, found: &mut Diagnostics) {
    let maintained = kernels::maintained(today);
    let choose = format!("maintained long-term lines: {}", maintained.join(", "));
    match kernels::find(line) {
        None => found.push(
            Diagnostic::new("unknown-kernel-line", format!("`{line}` is not a long-term kernel line"))
                .at(location, "not one")
                .help(choose),
        ),
        Some(known) if known.ended(today) && !accepted => {
            let (year, month) = known.ends;
            found.push(
                Diagnostic::new(ENDED, format!("kernel {line} gets no more fixes since {year}-{month:02}"))
                    .at(location, "ended")
                    .help(choose)
                    .help("or say why it may be used: `accept-eol: REASON` beside the line"),
            );
        }
        Some(_) => {}
    }
}

fn sysctl(value: &Value, found: &mut Diagnostics) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (key, value) in entries(value.get("sysctl")) {
        let name = words::check(&words::SYSCTL, (&key.text, &key.location), found);
        let Some(text) = value.text() else { continue };
        settings.insert(name, words::check(&words::SYSCTL_VALUE, (text, &value.location), found));
    }
    settings
}

fn modules(value: &Value, found: &mut Diagnostics) -> Modules {
    let Some(section) = value.get("modules") else { return Modules::default() };
    let load = checked_list(section.get("load"), &words::MODULE, found);
    let blacklist = checked_list(section.get("blacklist"), &words::MODULE, found);
    for blocked in &blacklist {
        if let Some(loaded) = load.iter().find(|loaded| loaded.value == blocked.value) {
            found.push(
                Diagnostic::new(
                    "load-blacklisted",
                    format!("module `{}` is both loaded and blacklisted", blocked.value),
                )
                .at(&blocked.location, "blacklisted here")
                .related(&loaded.location, "loaded here")
                .help("remove one of the two"),
            );
        }
    }
    let mut options = BTreeMap::new();
    for (key, value) in entries(section.get("options")) {
        let name = words::check(&words::MODULE, (&key.text, &key.location), found);
        let Some(text) = value.text() else { continue };
        options.insert(name, words::check(&words::ONE_LINE, (text, &value.location), found));
    }
    Modules { load, options, blacklist: blacklist.into_iter().map(|module| module.value).collect() }
}

fn runtime(value: &Value, found: &mut Diagnostics) -> Option<RuntimeSettings> {
    let named = value.get("runtime")?;
    let (runtime, section) = RUNTIMES.iter().find_map(|runtime| Some((*runtime, named.get(runtime.name)?)))?;
    let flag = section.get("systemd-cgroup").and_then(Value::flag).unwrap_or(true);
    let mut mirrors = BTreeMap::new();
    for (registry, urls) in entries(section.get("mirrors")) {
        let urls = checked_list(Some(urls), &words::URL, found);
        let registry = words::check(&words::REGISTRY, (&registry.text, &registry.location), found);
        mirrors.insert(registry, urls.into_iter().map(|url| url.value).collect());
    }
    let image = text(section, "sandbox-image").map(|it| words::check(&words::IMAGE, it, found));
    Some(RuntimeSettings {
        runtime,
        systemd_cgroup: flag,
        sandbox_image: image.unwrap_or_else(|| "registry.k8s.io/pause:3.10".to_owned()),
        mirrors,
        location: section.location.clone(),
    })
}

fn services(value: &Value, found: &mut Diagnostics) -> Services {
    let Some(section) = value.get("services") else { return Services::default() };
    let mut list = |key| checked_list(section.get(key), &words::UNIT, found);
    let services = Services { enable: list("enable"), disable: list("disable"), mask: list("mask") };
    for (name, other) in [("disabled", &services.disable), ("masked", &services.mask)] {
        for unit in &services.enable {
            if let Some(against) = other.iter().find(|against| against.value == unit.value) {
                found.push(
                    Diagnostic::new("enable-against", format!("`{}` is both enabled and {name}", unit.value))
                        .at(&against.location, format!("{name} here"))
                        .related(&unit.location, "enabled here")
                        .help("remove one of the two"),
                );
            }
        }
    }
    services
}

fn users(value: &Value, found: &mut Diagnostics) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    for (key, value) in entries(value.get("users")) {
        let uid = text(value, "uid").and_then(|(text, location)| {
            let uid = text.parse().ok().filter(|uid| key.text == "root" && *uid == 0 || (1000..60_000).contains(uid));
            if uid.is_none() {
                found.push(
                    Diagnostic::new("bad-uid", format!("`{text}` is not a user id for people"))
                        .at(location, "out of range")
                        .help("user ids of people are 1000 to 59999"),
                );
            }
            uid
        });
        if let Some(other) = users.iter().find(|other| uid.is_some() && other.uid == uid) {
            found.push(
                Diagnostic::new("uid-taken", format!("`{}` and `{}` have the same user id", other.name, key.text))
                    .at(&key.location, "this one")
                    .related(&other.location, "and this one")
                    .help("give one of them another `uid`"),
            );
        }
        let list = |key, rule, found: &mut Diagnostics| {
            checked_list(value.get(key), rule, found).into_iter().map(|it| it.value).collect()
        };
        let path = |key, found: &mut Diagnostics| text(value, key).map(|it| words::check(&words::PATH, it, found));
        let home = if key.text == "root" { "/root".to_owned() } else { format!("/home/{}", key.text) };
        users.push(User {
            uid,
            groups: list("groups", &words::ACCOUNT, found),
            shell: path("shell", found).unwrap_or_else(|| "/bin/bash".to_owned()),
            home: path("home", found).unwrap_or(home),
            ssh_authorized_keys: list("ssh-authorized-keys", &words::SSH_KEY, found),
            name: words::check(&words::ACCOUNT, (&key.text, &key.location), found),
            location: key.location.clone(),
        });
    }
    users
}

fn system_ids(value: &Value, found: &mut Diagnostics) -> BTreeMap<String, u32> {
    let mut ids: BTreeMap<String, u32> = BTreeMap::new();
    for (key, value) in entries(value.get("system-ids")) {
        let name = words::check(&words::ACCOUNT, (&key.text, &key.location), found);
        let Some(text) = value.text() else { continue };
        match text.parse().ok().filter(|id| (100..1000).contains(id) && !ids.values().any(|taken| taken == id)) {
            Some(id) => drop(ids.insert(name, id)),
            None => found.push(
                Diagnostic::new("bad-system-id", format!("`{text}` is not a number for `{name}`"))
                    .at(&value.location, "out of range, or taken by another name here")
                    .help("system accounts have numbers of their own from 100 to 999"),
            ),
        }
    }
    ids
}

fn overlays(value: &Value, found: &mut Diagnostics) -> Vec<Overlay> {
    checked_list(value.get("overlays"), &words::ONE_LINE, found)
        .into_iter()
        .map(|overlay| {
            let directory = PathBuf::from(&overlay.value);
            if !directory.is_dir() {
                found.push(
                    Diagnostic::new("overlay-missing", format!("there is no overlay directory `{}`", overlay.value))
                        .at(&overlay.location, "not a directory")
                        .help("overlay paths are relative to the recipe that has them"),
                );
            }
            // What people see must not depend on where the checkout lies.
            let name =
                directory.file_name().map_or_else(|| overlay.value.clone(), |it| it.to_string_lossy().into_owned());
            Overlay { directory, name, location: overlay.location }
        })
        .collect()
}

fn images(value: &Value, found: &mut Diagnostics) -> Vec<ImageFile> {
    let mut images: Vec<ImageFile> = Vec::new();
    for Located { value, location } in checked_list(value.get("images"), &words::ONE_LINE, found) {
        let path = PathBuf::from(&value);
        if !path.is_file() {
            found.push(
                Diagnostic::new("image-missing", format!("there is no image archive `{value}`"))
                    .at(&location, "not a file")
                    .help("paths of images are relative to the recipe that has them"),
            );
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let image = ImageFile { name: format!("{name}.tar"), path, location };
        if let Some(other) = images.iter().find(|other| other.name == image.name) {
            found.push(
                Diagnostic::new("image-name-taken", format!("two image archives are called `{}`", image.name))
                    .at(&image.location, "this one")
                    .related(&other.location, "and this one")
                    .help("the node has them in one directory: rename one"),
            );
        }
        images.push(image);
    }
    images
}

fn wrientries(value: &Value, found: &mut Diagnostics) -> Vec<String> {
    checked_list(value.get("writable"), &words::WRITABLE, found).into_iter().map(|path| path.value).collect()
}

fn size(section: Option<&Value>, key: &str, default: u64, least: u64, found: &mut Diagnostics) -> u64 {
    let Some((text, location)) = section.and_then(|section| text(section, key)) else { return default };
    match words::size(text) {
        Some(bytes) if bytes % MIB == 0 && bytes >= least => bytes,
        Some(bytes) if bytes % MIB == 0 => {
            found.push(
                Diagnostic::new("too-small", format!("`{key}` of {text} is too small"))
                    .at(location, format!("at least {}MiB", least / MIB))
                    .help("a partition cannot grow later without moving the next one: be generous"),
            );
            default
        }
        _ => {
            found.push(
                Diagnostic::new("bad-size", format!("`{text}` is not a size of a partition"))
                    .at(location, "not a size")
                    .help("a whole number of MiB, GiB or TiB, such as 512MiB"),
            );
            default
        }
    }
}

fn disk(value: &Value, found: &mut Diagnostics) -> Disk {
    let section = value.get("disk");
    let var = section.and_then(|disk| disk.get("var"));
    let named = var.and_then(|var| text(var, "filesystem")).and_then(|(word, _)| VarFilesystem::named(word));
    Disk {
        location: section.map_or(&value.location, |section| &section.location).clone(),
        // Room for two UKIs with their initrds; FAT32 itself needs 33 MiB.
        esp: size(section, "esp", 512 * MIB, 64 * MIB, found),
        slot: size(section, "slot", 2 * GIB, 64 * MIB, found),
        var: named.unwrap_or(VarFilesystem::DEFAULT),
        // mkfs.xfs refuses less than 300 MiB.
        var_min: size(var, "minimum", 2 * GIB, 320 * MIB, found),
    }
}

fn compression(value: &Value, line: &str, found: &mut Diagnostics) -> Compression {
    let section = value.get("filesystem");
    let reads_zstd = kernels::number(line).is_none_or(|number| number >= kernels::ZSTD_FROM);
    let asked = section.and_then(|it| text(it, "compression"));
    if let Some(("zstd", location)) = asked.filter(|_| !reads_zstd) {
        found.push(
            Diagnostic::new("codec-too-new", format!("kernel {line} cannot read EROFS compressed with zstd"))
                .at(location, "needs kernel 6.10 or later")
                .help("use `compression: lz4hc`, or leave it out"),
        );
    }
    let zstd = asked.map_or(reads_zstd, |(text, _)| text == "zstd");
    let (default, greatest) = if zstd { (3, 19) } else { (9, 12) };
    let level = section.and_then(|it| text(it, "level")).map_or(default, |(text, location)| {
        text.parse().ok().filter(|level| (1..=greatest).contains(level)).unwrap_or_else(|| {
            found.push(
                Diagnostic::new("bad-level", format!("`{text}` is not a compression level"))
                    .at(location, format!("1 to {greatest}"))
                    .help("leave it out for the default"),
            );
            default
        })
    });
    if zstd { Compression::Zstd { level } } else { Compression::Lz4hc { level } }
}

fn outputs(value: &Value) -> Vec<&'static Output> {
    let words: Vec<&str> = texts(value.get("outputs")).map(|(text, _)| text).collect();
    output::asked(&output::OUTPUTS, &words)
}

fn iso(value: &Value, found: &mut Diagnostics) -> Iso {
    let key = |key| value.get("iso").and_then(|section| text(section, key));
    let install = key("install").map_or(install_choice::ONLY.to_owned(), |(text, location)| {
        // What the installer itself would say, who would say it on its console.
        let bad = |it: char| it.is_whitespace() || it.is_control() || matches!(it, '"' | '\'' | '\\');
        let known = match text.contains(bad) {
            true => Err(format!("`{text}` has blanks or quotes, which the kernel command line would not keep")),
            false => Choice::parse(text).map_err(|error| format!("{error:#}")),
        };
        if let Err(why) = known {
            let mistake = Diagnostic::new("bad-install-disk", why).at(location, "names no disk");
            found.push(mistake.help("write it like `smallest`, `serial=S3Z8` or `size>=20G,smallest`"));
        }
        text.to_owned()
    });
    let metadata = key("metadata").map(|(text, location)| {
        let directory = PathBuf::from(text);
        if !directory.is_dir() {
            let title = format!("there is no metadata directory `{text}`");
            let mistake = Diagnostic::new("installer-metadata-missing", title).at(location, "not a directory");
            found.push(mistake.help("its path is relative to the recipe that has it"));
        }
        directory
    });
    Iso { install, metadata }
}

/// The node formats `/var` itself, with the image's own program.
fn formatter_is_there(value: &Value, recipe: &Recipe, found: &mut Diagnostics) {
    let VarFilesystem { package, word: filesystem, .. } = *recipe.disk.var;
    if recipe.packages.iter().any(|request| request.name == package) {
        return;
    }
    if let Some(dropped) = recipe.drop.iter().find(|dropped| dropped.name == package) {
        found.push(
            Diagnostic::new("formatter-dropped", format!("`{package}` is dropped, but the node formats /var with it"))
                .at(&dropped.location, "dropped here")
                .help(format!("/var is {filesystem}: keep `{package}`")),
        );
    } else if let Some(packages) = value.get("packages") {
        found.push(
            Diagnostic::new(
                "formatter-missing",
                format!("the node formats /var as {filesystem}, but has no `{package}`"),
            )
            .at(&packages.location, "not in this list")
            .help(format!("add `{package}` to packages")),
        );
    }
}
