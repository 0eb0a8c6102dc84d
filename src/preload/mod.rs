//! Archives of container images that a node has from the start: checked here, given to the container runtime on the node.
//!
//! Takes the recipe's `images:` and gives one [`Archive`] each, whose bytes lie in the store. An archive is what
//! `docker save` writes (Docker Image Specification 1.2) or a tar of an OCI image layout (image-layout.md of 1.1), and
//! is read as containerd's importer reads it: where both are there, the layout counts. Everything that an import would
//! trip over on the node is a mistake here: a layer that is missing or has another digest, an image without a name,
//! one for another machine.

mod docker;
mod fault;
mod name;
mod oci;
mod tarball;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Seek;

use anyhow::Context;

use crate::arch::Arch;
use crate::diag::{Diagnostic, Diagnostics};
use crate::recipe::{ImageFile, Recipe};
use crate::store::Store;
use crate::tree::Digest;
use fault::{Fault, unnamed};
use tarball::Tarball;

/// A checked archive, in the store under its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// File name in the image.
    pub file: String,
    pub size: u64,
    pub digest: Digest,
    /// Full name (`registry.k8s.io/pause:3.10`) → digest that identifies the image: of its configuration in what
    /// `docker save` writes, of its manifest in an OCI layout.
    pub images: BTreeMap<String, Digest>,
}

/// Reads and checks every archive of the recipe. Mistakes of all of them come together, at the recipe's lines.
///
/// # Errors
/// [`Diagnostics`] for what is wrong with the archives; an archive that cannot be read, a store that cannot be written.
pub fn read(recipe: &Recipe, store: &Store) -> anyhow::Result<Vec<Archive>> {
    let mut found = Diagnostics::default();
    let mut archives = Vec::new();
    for file in &recipe.images {
        match archive(file, recipe.arch, store)
            .with_context(|| format!("reading the image archive {}", file.path.display()))?
        {
            Ok(archive) => archives.push((file, archive)),
            Err(fault) => found.push(
                Diagnostic::new(fault.slug, format!("{}: {}", file.name, fault.title))
                    .at(&file.location, "this archive")
                    .help(fault.help),
            ),
        }
    }
    one_meaning(&archives, &mut found);
    let archives: Vec<Archive> = archives.into_iter().map(|(_, archive)| archive).collect();
    if found.is_empty() {
        sandbox_image(recipe, &archives, &mut found);
    }
    Ok(found.or(archives)?)
}

fn archive(file: &ImageFile, node: &Arch, store: &Store) -> anyhow::Result<Result<Archive, Fault>> {
    let mut opened = File::open(&file.path).context("opening it")?;
    let size = opened.metadata().context("measuring it")?.len();
    let images = match Tarball::read(&mut opened).and_then(|tarball| images(&tarball, node)) {
        Err(fault) => return Ok(Err(fault)),
        Ok(images) => images,
    };
    opened.rewind().context("going back to its start")?;
    let digest = store.put_reader(&mut opened, size).context("storing it")?;
    Ok(Ok(Archive { file: file.name.clone(), size, digest, images }))
}

fn images(tarball: &Tarball, node: &Arch) -> Result<BTreeMap<String, Digest>, Fault> {
    let images = if tarball.has("oci-layout") {
        oci::images(tarball, node)?
    } else if tarball.has("manifest.json") {
        docker::images(tarball, node)?
    } else {
        return Err(Fault {
            slug: "not-an-image-archive",
            title: "a tar without manifest.json and without oci-layout".to_owned(),
            help: "write the archive with `docker save`, or as an OCI image layout in a tar",
        });
    };
    if images.is_empty() {
        return Err(unnamed());
    }
    Ok(images)
}

/// One name stands for one image, whichever archive is imported last.
fn one_meaning(archives: &[(&ImageFile, Archive)], found: &mut Diagnostics) {
    let mut first: BTreeMap<&str, (&ImageFile, &Digest)> = BTreeMap::new();
    for (file, archive) in archives {
        for (name, digest) in &archive.images {
            match first.get(name.as_str()) {
                Some((other, known)) if *known != digest => found.push(
                    Diagnostic::new("image-in-two", format!("two archives hold different images called `{name}`"))
                        .at(&file.location, "this one")
                        .related(&other.location, "and this one")
                        .help("keep one of the two"),
                ),
                _ => {
                    first.insert(name, (file, digest));
                }
            }
        }
    }
}

/// A node that cannot reach a registry starts no pod without it.
fn sandbox_image(recipe: &Recipe, archives: &[Archive], found: &mut Diagnostics) {
    let (Some(kubernetes), Some(runtime)) = (&recipe.kubernetes, &recipe.runtime) else { return };
    let has = |name: &str| archives.iter().any(|archive| archive.images.contains_key(name));
    if kubernetes.pull_sandbox_image || has(&runtime.sandbox_image) {
        return;
    }
    let names: Vec<&str> = archives.iter().flat_map(|archive| archive.images.keys().map(String::as_str)).collect();
    let mut mistake = Diagnostic::new("no-sandbox-image", format!("no archive holds `{}`", runtime.sandbox_image))
        .at(&kubernetes.location, "no pod starts without it");
    if let Some(first) = recipe.images.first() {
        mistake = mistake.related(&first.location, format!("the archives hold {}", names.join(", ")));
    }
    found.push(mistake.help("name its archive in `images:`, or set `sandbox-image` to one that is there"));
}

#[cfg(test)]
mod tests;
