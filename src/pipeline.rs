//! The whole build on one screen: each stage is a function from values to a value; read them in this order.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use crate::assemble::scripts::ScriptAccount;
use crate::assemble::{AgentFiles, Assembled, Inputs, assemble};
use crate::diag::Diagnostics;
use crate::image::command_line::command_line;
use crate::image::outputs::Outputs;
use crate::image::parts::Parts;
use crate::image::record::{self, Record};
use crate::image::seal::seal;
use crate::image::start::OfNode;
use crate::image::{bios, boot_files, disk, initrd, uki, writers};
use crate::lock::Lock;
use crate::recipe::kubernetes::coherence;
use crate::recipe::{Recipe, UnknownPrograms, check, load, print};
use crate::report::Watch;
use crate::store::Store;
use crate::store_key::StoreKey;
use crate::supply::{self, Access};
use crate::tree::Digest;
use crate::{checks, preload};

/// How to build: nothing here changes the bytes that come out.
#[derive(Debug, Clone)]
pub struct Options {
    pub out: PathBuf,
    pub store: PathBuf,
    /// Authenticates what the store derives; without one, nothing that an earlier run derived is believed.
    pub store_key: Option<StoreKey>,
    /// Beside the recipe, unless given.
    pub lock: Option<PathBuf>,
    /// A missing or stale lock is an error.
    pub locked: bool,
    pub offline: bool,
    pub threads: NonZeroUsize,
    /// The day that ends of kernel lines, keys, certificates and repositories are judged by, when there is something to
    /// judge.
    pub as_of: NaiveDate,
    /// In place of what the recipe says; the manifest has it.
    pub unknown_programs: Option<UnknownPrograms>,
}

/// Recipe → image files; their paths.
pub fn build(recipe_path: &Path, options: &Options, watch: &Watch) -> anyhow::Result<Vec<PathBuf>> {
    let (mut recipe, unlockable) = check::check_but_lock(&load::load(recipe_path)?, options.as_of)?;
    recipe.unknown_programs = options.unknown_programs.unwrap_or(recipe.unknown_programs);
    let store = open(options)?;
    let images = match recipe.images.is_empty() {
        true => Vec::new(),
        false => watch.stage("images", || preload::read(&recipe, &store))?,
    };
    let lock = watch.stage("lock", || locked(recipe_path, &recipe, unlockable, &store, options, watch))?;
    supply::unused_drops(&recipe, recipe_path, &lock).or(())?;
    coherence::after_lock(&recipe, &lock.versions()).or(())?;
    let packages = watch.stage("fetch", || supply::fetch(&recipe, &lock, &access(&store, options, watch)))?;
    let agent = AgentFiles::embedded(recipe.node_runtime());
    let (recipe, contents, agent) = (&recipe, &store, &agent);
    let inputs = Inputs { recipe, packages: &packages.root, contents, images: &images, agent };
    let Assembled { tree, scripts, kernel } = watch.stage("assemble", || assemble(&inputs))?;
    unknown_programs(&scripts, watch);
    let root = &packages.root;
    let subject = checks::Subject { recipe, tree: &tree, kernel: &kernel, contents, packages: root };
    watch.stage("check", || Ok(checks::run(&subject)?.or(())?))?;
    checks::notes(&subject)?.iter().for_each(|note| watch.line(&format!("note: {note}")));
    let mut outputs = Outputs::begin(&options.out, &recipe.name, watch)?;
    let scratch = outputs.scratch("root")?;
    let sealed = watch.stage("seal", || seal(recipe, &tree, &store, &store, options.threads, scratch))?;
    let parts = Parts { recipe, tree: &tree, kernel: &kernel, tools: &packages.tools, contents };
    let initrd = watch.stage("initrd", || initrd::make(&parts, agent, &store))?;
    let command_line = command_line(recipe, &sealed.root_hash);
    let uki = uki::make(&parts, &initrd, &command_line)?;
    let bios = bios::make(&parts, &initrd, &command_line)?;
    let esp = disk::Esp::new(&parts, &uki, bios.as_ref())?;
    let plan = disk::plan(recipe, &esp, bios.as_ref().map(|bios| &bios.core), &sealed)?;
    let start = OfNode { parts: &parts, initrd: &initrd, command_line: &command_line };
    let (name, version) = (&recipe.name, &recipe.version);
    let image = writers::Image { name, version, plan: &plan, epoch: recipe.epoch, start: &start };
    watch.stage("disks", || writers::write(&image, &recipe.outputs, options.threads, &mut outputs))?;
    boot_files::write(&parts, &initrd, &command_line, &uki, &mut outputs)?;
    let record = Record {
        recipe,
        lock_digest: Digest::of(lock.print()?),
        lock: serde_json::to_value(&lock)?,
        kernel: &kernel.release,
        command_line: &command_line,
        root_hash: sealed.root_hash,
        scripts: &scripts,
        images: &images,
        tree: &tree,
        agent_digest: agent.program.digest(),
        uki: &uki,
    };
    record::write(record, &mut outputs)?;
    outputs.finish()
}

fn open(options: &Options) -> anyhow::Result<Store> {
    match &options.store_key {
        Some(key) => Store::open_with(&options.store, key.clone()),
        None => Store::open(&options.store),
    }
}

/// Tells what nobody knew and the recipe let pass.
fn unknown_programs(scripts: &[ScriptAccount], watch: &Watch) {
    for script in scripts {
        for used in script.used.iter().filter(|used| used.what == "unknown") {
            let (program, name, package) = (&used.program, &script.script, &script.package);
            watch.line(&format!("note: `{program}` in `{name}` of {package} is not known, and did nothing"));
        }
    }
}

/// Recipe → lock file; its path. A lock that fits is kept unless `update`.
pub fn lock(recipe_path: &Path, options: &Options, update: bool, watch: &Watch) -> anyhow::Result<PathBuf> {
    let recipe = check::check_to_lock(&load::load(recipe_path)?, options.as_of)?;
    let store = open(options)?;
    let path = lock_path(recipe_path, options);
    // An update replaces even what is no lock any more; the mistakes in a damaged lock say to run it.
    let old = if update { None } else { crate::lock::read(&path)? };
    if !old.is_some_and(|lock| lock.fits(&print::package_inputs(&recipe))) {
        let new = watch.stage("resolve", || supply::lock(&recipe, &access(&store, options, watch)))?;
        coherence::after_lock(&recipe, &new.versions()).or(())?;
        crate::lock::write(&new, &path)?;
    }
    Ok(path)
}

fn access<'a>(store: &'a Store, options: &Options, watch: &'a Watch) -> Access<'a> {
    Access { store, offline: options.offline, as_of: options.as_of, progress: watch }
}

fn lock_path(recipe: &Path, options: &Options) -> PathBuf {
    options.lock.clone().unwrap_or_else(|| recipe.with_extension("lock"))
}

/// The lock to build from: the one there is if it fits the recipe, else a new one, unless `--locked` forbids that or
/// `unlockable` says why there can be none. A lock that fits gives the same bytes on every day and every machine: that
/// fixes of its kernel or the certificate have ended is worth a note, and the keyring is not needed.
fn locked(
    path: &Path,
    recipe: &Recipe,
    unlockable: Diagnostics,
    store: &Store,
    options: &Options,
    watch: &Watch,
) -> anyhow::Result<Lock> {
    let lock_path = lock_path(path, options);
    let old = crate::lock::read(&lock_path)?;
    let why = match old {
        Some(lock) if lock.fits(&print::package_inputs(recipe)) => {
            let ended = unlockable.0.iter().filter(|mistake| check::OF_TIME.contains(&mistake.slug));
            ended.for_each(|mistake| watch.line(&format!("note: {}", mistake.title)));
            return Ok(lock);
        }
        Some(_) => "does not fit the recipe any more",
        None => "does not exist",
    };
    anyhow::ensure!(
        !options.locked,
        "the lock {} {why}, and --locked forbids making one; run: nodesmith lock {}",
        lock_path.display(),
        path.display(),
    );
    unlockable.or(())?;
    watch.line(&format!("note: the lock {} {why}: locking first", lock_path.display()));
    let lock = supply::lock(recipe, &access(store, options, watch))?;
    crate::lock::write(&lock, &lock_path)?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "nodesmith: 1\nname: x\nkernel: {package: linux, line: \"5.10\"}\npackages: [e2fsprogs]\n\
                          repositories: {d: {apt: {mirror: \"http://127.0.0.1:9\", suite: s, keyring: gone.gpg}}}\n";

    /// A directory with this recipe in it, and the options to build it after its kernel line has ended.
    fn world(recipe: &str) -> (tempfile::TempDir, PathBuf, Options) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.yaml");
        std::fs::write(&path, recipe).unwrap();
        let options = Options {
            out: directory.path().join("out"),
            store: directory.path().join("store"),
            store_key: None,
            lock: None,
            locked: false,
            offline: true,
            threads: NonZeroUsize::MIN,
            as_of: NaiveDate::from_ymd_opt(2040, 1, 1).unwrap(),
            unknown_programs: None,
        };
        (directory, path, options)
    }

    #[test]
    fn a_lock_that_fits_outlives_the_kernel_line_and_needs_no_keyring() {
        let (_directory, path, options) = world(RECIPE);
        let (recipe, unlockable) = check::check_but_lock(&load::load(&path).unwrap(), options.as_of).unwrap();
        let slugs: Vec<&str> = unlockable.0.iter().map(|mistake| mistake.slug).collect();
        assert_eq!(slugs, ["ended-kernel-line", "keyring-missing"]);
        let store = Store::open(&options.store).unwrap();
        let locked = || locked(&path, &recipe, unlockable.clone(), &store, &options, &Watch::new());
        assert_eq!(locked().unwrap_err().downcast::<Diagnostics>().unwrap(), unlockable);
        let lock = Lock::new(&print::package_inputs(&recipe), vec![], vec![], vec![]);
        crate::lock::write(&lock, &path.with_extension("lock")).unwrap();
        assert_eq!(locked().unwrap(), lock);
        let (_directory, path, options) = world(&RECIPE.replace("name: x", "nam: x"));
        let mistakes = check::check_but_lock(&load::load(&path).unwrap(), options.as_of).unwrap_err();
        assert_eq!(mistakes.0.len(), 4, "{mistakes}");
    }

    #[test]
    fn an_update_replaces_what_is_no_lock_any_more() {
        let (directory, path, mut options) = world(&RECIPE.replace("5.10", "6.12"));
        std::fs::write(directory.path().join("gone.gpg"), "").unwrap();
        std::fs::write(path.with_extension("lock"), "<<<<<<< HEAD\n").unwrap();
        options.as_of = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let error = |update| lock(&path, &options, update, &Watch::new()).unwrap_err();
        assert!(error(false).to_string().contains("[lock-damaged]"));
        // It gets as far as the repository, which is not there.
        assert!(format!("{:#}", error(true)).contains("reading repository d"), "{:#}", error(true));
    }
}
