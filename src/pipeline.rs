//! The whole build on one screen: each stage is a function from values to a value; read them in this order.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use crate::assemble::{Assembled, Inputs, assemble};
use crate::image::node::{self, Files, Parts};
use crate::image::outputs::Outputs;
use crate::image::seal::seal;
use crate::lock::Lock;
use crate::recipe::kubernetes::coherence;
use crate::recipe::{Recipe, check, load, print};
use crate::repo::store::Store;
use crate::report::Watch;
use crate::tree::Digest;
use crate::{checks, preload, supply};

/// How to build: nothing here changes the bytes that come out.
#[derive(Debug, Clone)]
pub struct Options {
    pub out: PathBuf,
    pub store: PathBuf,
    /// Beside the recipe, unless given.
    pub lock: Option<PathBuf>,
    /// A missing or stale lock is an error.
    pub locked: bool,
    pub offline: bool,
    pub threads: NonZeroUsize,
    /// The day that ends of kernel lines, keys and repositories are judged by, when there is something to judge.
    pub as_of: NaiveDate,
}

/// Recipe → image files; their paths.
pub fn build(recipe_path: &Path, options: &Options, watch: &Watch) -> anyhow::Result<Vec<PathBuf>> {
    let recipe = recipe(recipe_path, options.as_of)?;
    let store = Store::open(&options.store)?;
    let images = match recipe.images.is_empty() {
        true => Vec::new(),
        false => watch.stage("images", || preload::read(&recipe, &store))?,
    };
    let lock = watch.stage("lock", || locked(recipe_path, &recipe, &store, options, watch))?;
    coherence::after_lock(&recipe, &lock.packages).or(())?;
    let packages = watch.stage("fetch", || supply::fetch(&recipe, &lock, &store, options.offline, watch))?;
    let agent = node::agent();
    let base_directory = Path::new("");
    let (recipe, contents, agent) = (&recipe, &store, &agent);
    let inputs = Inputs { recipe, packages: &packages.root, contents, images: &images, base_directory, agent };
    let Assembled { tree, scripts, kernel } = watch.stage("assemble", || assemble(&inputs))?;
    let root = &packages.root;
    let subject = checks::Subject { recipe, tree: &tree, kernel: &kernel, contents, packages: root };
    watch.stage("check", || Ok(checks::run(&subject)?.or(())?))?;
    let mut outputs = Outputs::begin(&options.out, &recipe.name)?;
    let scratch = outputs.scratch("root")?;
    let sealed = watch.stage("seal", || seal(recipe, &tree, &store, &store, options.threads, scratch))?;
    let parts = Parts { recipe, tree: &tree, kernel: &kernel, tools: &packages.tools, contents };
    let initrd = watch.stage("initrd", || node::initrd(&parts, agent))?;
    let command_line = node::command_line(recipe, &sealed.root_hash);
    let uki = node::uki(&parts, &initrd, &command_line)?;
    let plan = node::plan(&parts, &sealed, &uki)?;
    watch.stage("disks", || node::write_disks(&parts, &plan, &sealed, &uki, options.threads, &mut outputs))?;
    let lock_digest = Digest::of(lock.print()?);
    let lock = serde_json::to_value(&lock)?;
    let (initrd, uki, command_line, scripts) = (&initrd, uki.as_slice(), command_line.as_str(), scripts.as_slice());
    let files = Files { initrd, uki, command_line, scripts, images: &images, lock, lock_digest };
    node::write_files(&parts, &sealed, &files, &mut outputs)?;
    outputs.finish()
}

/// Recipe → lock file; its path. A lock that fits is kept unless `update`.
pub fn lock(recipe_path: &Path, options: &Options, update: bool, watch: &Watch) -> anyhow::Result<PathBuf> {
    let recipe = recipe(recipe_path, options.as_of)?;
    let store = Store::open(&options.store)?;
    let path = lock_path(recipe_path, options);
    let old = crate::lock::read(&path)?.filter(|lock| !update && lock.fits(&print::package_inputs(&recipe)));
    if old.is_none() {
        let new = watch.stage("resolve", || supply::lock(&recipe, &store, options.offline, options.as_of, watch))?;
        coherence::after_lock(&recipe, &new.packages).or(())?;
        crate::lock::write(&new, &path)?;
    }
    Ok(path)
}

fn recipe(path: &Path, as_of: NaiveDate) -> anyhow::Result<Recipe> {
    Ok(check::check(&load::load(path)?, as_of)?)
}

fn lock_path(recipe: &Path, options: &Options) -> PathBuf {
    options.lock.clone().unwrap_or_else(|| recipe.with_extension("lock"))
}

/// The lock to build from: the one there is if it fits the recipe, else a new one, unless `--locked` forbids that.
fn locked(path: &Path, recipe: &Recipe, store: &Store, options: &Options, watch: &Watch) -> anyhow::Result<Lock> {
    let lock_path = lock_path(path, options);
    let old = crate::lock::read(&lock_path)?;
    let why = match old {
        Some(lock) if lock.fits(&print::package_inputs(recipe)) => return Ok(lock),
        Some(_) => "does not fit the recipe any more",
        None => "does not exist",
    };
    anyhow::ensure!(
        !options.locked,
        "the lock {} {why}, and --locked forbids making one; run: nodesmith lock {}",
        lock_path.display(),
        path.display(),
    );
    watch.line(&format!("note: the lock {} {why}: locking first", lock_path.display()));
    let lock = supply::lock(recipe, store, options.offline, options.as_of, watch)?;
    crate::lock::write(&lock, &lock_path)?;
    Ok(lock)
}
