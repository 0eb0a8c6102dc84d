//! Packages of a distribution with the closures that they are tried in: what `ci/scripts-corpus` leaves.
//!
//! `packages.tsv`: name, version, path of the deb from the directory above; `closures-all.json`: name → what has to be
//! installed for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::NaiveDate;
use nodesmith::assemble::scripts::Probe;
use nodesmith::assemble::{AgentFiles, Inputs, Interpreted, interpret};
use nodesmith::package::{Family, FileEntry, FileKind, Owner, Package, PackageId, deb};
use nodesmith::recipe::{Recipe, check, load};
use nodesmith::store::Store;
use nodesmith::tree::{Content, TreePath};
use rayon::prelude::*;

/// Scripts of a fresh installation.
const FRESH: [&str; 3] = ["config", "preinst", "postinst"];

pub(crate) struct Corpus {
    pub(crate) store: Store,
    pub(crate) closures: BTreeMap<String, Vec<String>>,
    debs: BTreeMap<String, PathBuf>,
    packages: BTreeMap<String, Package>,
    recipe: Recipe,
}

impl Corpus {
    /// The corpus of `directory`, its packages in the store at `store`.
    pub(crate) fn open(store: &Path, directory: &Path) -> Result<Corpus> {
        let above = directory.parent().unwrap_or(Path::new("."));
        let table = std::fs::read_to_string(directory.join("packages.tsv"))?;
        let rows = table.lines().filter_map(|line| {
            let mut fields = line.split('\t');
            let (name, path) = (fields.next()?, fields.nth(1)?);
            Some((name.to_owned(), above.join(path)))
        });
        let debs = rows.filter(|(_, path)| path.is_file()).collect();
        let closures = serde_json::from_str(&std::fs::read_to_string(directory.join("closures-all.json"))?)?;
        Ok(Corpus { store: Store::open(store)?, closures, debs, packages: BTreeMap::new(), recipe: recipe()? })
    }

    /// Unpacks `names` and all that they need; the names that have scripts of a fresh installation.
    pub(crate) fn unpack(&mut self, names: &[String]) -> Result<Vec<String>> {
        let known: Vec<&String> = names.iter().filter(|name| self.closures.contains_key(*name)).collect();
        let wanted: BTreeSet<&String> =
            known.iter().flat_map(|name| &self.closures[*name]).chain(known.iter().copied()).collect();
        self.packages = wanted
            .par_iter()
            .filter_map(|name| Some((name, self.debs.get(*name)?)))
            .map(|(name, path)| {
                let mut file = std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
                Ok(((*name).clone(), deb::unpack(&mut file, name, &self.store)?))
            })
            .collect::<Result<_>>()?;
        let fresh = |package: &Package| package.scripts.iter().any(|script| FRESH.contains(&script.name.as_str()));
        Ok(known.into_iter().filter(|name| self.packages.get(*name).is_some_and(fresh)).cloned().collect())
    }

    /// Interprets the scripts of `name` and of its closure.
    pub(crate) fn interpret(&self, name: &str, probe: Probe) -> Result<Interpreted> {
        let closure = self.closures[name].iter().map(String::as_str);
        let names: BTreeSet<&str> = closure.chain([name]).collect();
        let mut all: Vec<Package> = names.iter().filter_map(|name| self.packages.get(*name).cloned()).collect();
        all.push(kernel()?);
        let agent = AgentFiles { program: Content::inline("agent"), units: vec![] };
        let inputs = Inputs { recipe: &self.recipe, packages: &all, contents: &self.store, images: &[], agent: &agent };
        interpret(&inputs, probe).with_context(|| format!("interpreting {name}"))
    }
}

/// A recipe of nothing in particular.
fn recipe() -> Result<Recipe> {
    let directory = tempfile::tempdir()?;
    let (path, keyring) = (directory.path().join("interpret.yaml"), directory.path().join("keyring.gpg"));
    std::fs::write(&keyring, "")?;
    std::fs::write(
        &path,
        format!(
            "nodesmith: 1\nname: interpret\nversion: \"1\"\narch: x86_64\nkernel: {{package: linux, line: \"6.12\"}}\n\
             packages: [e2fsprogs]\nrepositories: {{debian: {{apt: {{mirror: host, suite: trixie, keyring: {}}}}}}}\n",
            keyring.display()
        ),
    )?;
    let day = NaiveDate::from_ymd_opt(2026, 1, 1).context("a day")?;
    Ok(check::check(&load::load(&path)?, day)?)
}

/// Every image has a kernel.
fn kernel() -> Result<Package> {
    let owner = Owner { name: "root".into(), id: 0 };
    let image = FileEntry {
        path: TreePath::parse("/boot/vmlinuz-6.12.0-interpret")?,
        kind: FileKind::Fifo,
        mode: 0o644,
        user: owner.clone(),
        group: owner,
        mtime: 0,
        xattrs: BTreeMap::new(),
    };
    let id = PackageId { name: "linux-image-interpret".into(), version: "1".into(), arch: "amd64".into() };
    let (control, scripts, members) = Default::default();
    Ok(Package { id, family: Family::Deb, control, files: vec![image], scripts, members })
}
