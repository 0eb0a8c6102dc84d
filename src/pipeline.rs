//! The whole build on one screen. Each stage is a function from values to a value; read them in this order.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::NaiveDate;

use crate::assemble::{self, Assembled, Inputs};
use crate::image::{self, Parts, initrd, outputs::Outputs, seal::seal};
use crate::lock::{self, Lock};
use crate::package::{self, Package};
use crate::recipe::{Recipe, check, load};
use crate::repo::fetch::{Fetcher, Network, Progress};
use crate::repo::store::Store;
use crate::report::Watch;
use crate::{checks, repo, resolve};

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

/// Recipe → image files.
pub fn build(recipe_path: &Path, options: &Options, watch: &Watch) -> anyhow::Result<Vec<PathBuf>> {
    let recipe = recipe(recipe_path, options.as_of)?;
    let store = Store::open(&options.store)?;
    let lock = watch.stage("packages", || locked(&recipe, recipe_path, &store, options, watch))?;
    let packages = watch.stage("fetch", || fetch(&recipe, &lock, &store, options, watch))?;
    let agent = image::agent();
    let inputs = Inputs::new(&recipe, &packages.root, &store, &agent);
    let Assembled { tree, scripts, kernel } = watch.stage("assemble", || assemble::assemble(&inputs))?;
    checks::run(&recipe, &tree, &kernel, &store)?;
    let mut outputs = Outputs::begin(&options.out, &recipe.name)?;
    let scratch = outputs.scratch("root")?;
    let sealed = watch.stage("seal", || seal(&recipe, &tree, &store, &store, options.threads, scratch))?;
    let initrd = watch.stage("initrd", || initrd::of(&recipe, &tree, &kernel, &store, &agent))?;
    let command_line = image::command_line(&recipe, &sealed.root_hash)?;
    let parts = Parts { recipe: &recipe, kernel: &kernel, tree: &tree, tools: &packages.tools, store: &store };
    let uki = image::uki(&parts, &initrd, &command_line)?;
    let plan = image::plan(&parts, &sealed, &uki)?;
    watch.stage("write", || image::write(&parts, &plan, &sealed, &uki, options.threads, &mut outputs))?;
    image::record(&parts, &lock, &scripts, &sealed, &initrd, &uki, &command_line, &mut outputs)?;
    outputs.finish()
}
