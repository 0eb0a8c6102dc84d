//! `nodesmith lock` and `nodesmith build`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use chrono::NaiveDate;
use clap::Args;

use super::day::day;
use crate::pipeline::{self, Options};
use crate::recipe::UnknownPrograms;
use crate::report::{self, Watch};
use crate::store_key::StoreKey;

/// Fix every package of a recipe to an exact version and digest
///
/// Writes RECIPE's name with the ending `.lock` beside it. A build reads only the lock and the store, so the same lock
/// gives the same bytes.
#[derive(Debug, Args)]
#[command(after_help = "Example: nodesmith lock recipes/quickstart.yaml --update")]
pub(super) struct LockArguments {
    /// The recipe
    recipe: PathBuf,
    #[command(flatten)]
    shared: Shared,
    /// Resolve again even if the lock fits the recipe
    #[arg(long)]
    update: bool,
}

/// Build an image from a recipe
///
/// Needs no root, no container, no loop device, no KVM and no other program. Without a lock, or with one that no longer
/// fits the recipe, it locks first and says so.
#[derive(Debug, Args)]
#[command(after_help = "Example: nodesmith build recipes/quickstart.yaml --out out")]
pub(super) struct Build {
    /// The recipe
    recipe: PathBuf,
    /// Directory for the image's files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    shared: Shared,
    /// Fail instead of locking when the lock is missing or does not fit the recipe
    #[arg(long)]
    locked: bool,
    /// What becomes of programs of scripts that nobody knows: overrides the recipe's `unknown-programs`
    #[arg(long, value_name = "stop|note", value_parser = ["stop", "note"])]
    unknown_programs: Option<String>,
    /// Threads that compress, default one a processor; no influence on the bytes
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
struct Shared {
    /// Directory for downloads and cached work, default $XDG_CACHE_HOME/nodesmith
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// File with the key that authenticates cached work, made when it is missing, default
    /// $XDG_STATE_HOME/nodesmith/store-key; keep it out of the store
    #[arg(long, value_name = "FILE")]
    store_key: Option<PathBuf>,
    /// The lock file, default beside the recipe
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Use only what the store has
    #[arg(long)]
    offline: bool,
    /// Judge dates (ends of kernel lines, keys, repositories) as of this day instead of today; a lock that fits is
    /// built whatever they say
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<NaiveDate>,
}

pub(super) fn lock(arguments: &LockArguments) -> anyhow::Result<ExitCode> {
    let options = options(&arguments.shared, PathBuf::new(), false, None)?;
    let watch = Watch::new();
    let path = pipeline::lock(&arguments.recipe, &options, arguments.update, &watch)?;
    watch.line(&format!("locked: {}", path.display()));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn build(arguments: &Build) -> anyhow::Result<ExitCode> {
    let mut options = options(&arguments.shared, arguments.out.clone(), arguments.locked, arguments.threads)?;
    options.unknown_programs = arguments.unknown_programs.as_deref().and_then(UnknownPrograms::parse);
    let watch = Watch::new();
    let paths = pipeline::build(&arguments.recipe, &options, &watch)?;
    drop(watch);
    for path in paths {
        report::say(&path.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

fn options(shared: &Shared, out: PathBuf, locked: bool, threads: Option<NonZeroUsize>) -> anyhow::Result<Options> {
    let store = match &shared.store {
        Some(store) => store.clone(),
        None => default_store()?,
    };
    let threads = threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    Ok(Options {
        out,
        store,
        store_key: store_key(shared.store_key.as_deref())?,
        lock: shared.lock.clone(),
        locked,
        offline: shared.offline,
        threads,
        as_of: day(shared.as_of),
        unknown_programs: None,
    })
}

fn default_store() -> anyhow::Result<PathBuf> {
    let cache = home("XDG_CACHE_HOME", ".cache");
    Ok(cache.ok_or_else(|| anyhow!("neither XDG_CACHE_HOME nor HOME is set; give --store DIR"))?.join("nodesmith"))
}

/// The key in the file that was asked for; else that of the user, or none where there is no place for one.
fn store_key(path: Option<&Path>) -> anyhow::Result<Option<StoreKey>> {
    if let Some(path) = path {
        return StoreKey::at(path).map(Some);
    }
    let Some(state) = home("XDG_STATE_HOME", ".local/state") else { return Ok(None) };
    match StoreKey::at(&state.join("nodesmith/store-key")) {
        Ok(key) => Ok(Some(key)),
        Err(error) => {
            report::say(&format!("note: work of earlier builds is not used: {error:#}"));
            Ok(None)
        }
    }
}

/// The directory that the XDG Base Directory Specification means.
fn home(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}
