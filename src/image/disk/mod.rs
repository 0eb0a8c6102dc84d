//! The disk of a node, and the images of it that a build leaves.

mod esp;
pub mod layout;

use std::num::NonZeroUsize;

use anyhow::Context;

use self::esp::Esp;
use self::layout::{DiskPlan, Fills};
use super::outputs::Outputs;
use super::parts::Parts;
use super::seal::Sealed;
use crate::diag::{Diagnostic, Diagnostics};
use crate::formats::qcow2;
use crate::formats::sparse::Source;
use crate::recipe::Output;

/// Where everything lies on the disk. A partition that is too small is the recipe's mistake.
pub fn plan(parts: &Parts<'_>, sealed: &Sealed, uki: &[u8]) -> anyhow::Result<DiskPlan> {
    let recipe = parts.recipe;
    let request = layout::Request {
        image: &format!("{} {}", recipe.name, recipe.version),
        arch: recipe.arch,
        esp_bytes: recipe.disk.esp,
        slot_bytes: recipe.disk.slot,
        var_min_bytes: recipe.disk.var_min,
        esp_content_bytes: Esp::new(parts, uki)?.content_bytes(),
        root_bytes: sealed.root_bytes,
        verity_bytes: u64::try_from(sealed.verity.len())?,
        root_hash: sealed.root_hash,
        epoch: recipe.epoch,
    };
    layout::plan(&request).map_err(|error| {
        let mistake = Diagnostic::new("disk-too-small", error.to_string()).help("make the partition larger in `disk:`");
        Diagnostics::from(mistake.at(&recipe.disk.location, "with these sizes")).into()
    })
}

/// Writes the disk images that the recipe asks for.
pub fn write(
    parts: &Parts<'_>,
    plan: &DiskPlan,
    sealed: &Sealed,
    uki: &[u8],
    threads: NonZeroUsize,
    outputs: &mut Outputs,
) -> anyhow::Result<()> {
    let name = &parts.recipe.name;
    let esp = Esp::new(parts, uki)?;
    let raw_name = format!("{name}.raw");
    let wanted = &parts.recipe.outputs;
    let raw = if wanted.contains(&Output::Raw) { outputs.create(&raw_name)? } else { outputs.scratch(&raw_name)? };
    let root = Source::File { file: &sealed.root, length: sealed.root_bytes };
    plan.write(&Fills { esp: &esp.entries(), root, verity: Source::Bytes(&sealed.verity) }, &raw)?;
    if wanted.contains(&Output::Qcow2) {
        let qcow2_name = format!("{name}.qcow2");
        let file = outputs.create(&qcow2_name)?;
        qcow2::write(&raw, plan.image_bytes(), file, qcow2::Codec::default(), threads.get())
            .context("writing qcow2")?;
        outputs.add(&qcow2_name)?;
    }
    if wanted.contains(&Output::Raw) {
        outputs.add(&raw_name)?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::assemble::tests::World;
    use crate::formats::erofs;
    use crate::package::{Family, FileEntry, FileKind, Owner, Package};
    use crate::tree::{Digest, TreePath};

    /// The plan for a root of this size, and the paths on the ESP, where a tool brings the boot loader at `boot_loader`.
    fn planned(world: &World, boot_loader: &str, root_bytes: u64) -> anyhow::Result<(DiskPlan, Vec<String>)> {
        let assembled = world.assemble().unwrap();
        let mut tool = assembled.kernel.package.clone();
        tool.name = "systemd-boot-efi".into();
        let digest = world.store.put(b"loader").unwrap();
        let owner = Owner { name: "root".into(), id: 0 };
        let file = FileEntry {
            path: TreePath::parse(boot_loader).unwrap(),
            kind: FileKind::File { digest, size: 6 },
            mode: 0o644,
            user: owner.clone(),
            group: owner,
            mtime: 0,
            xattrs: Default::default(),
        };
        let tools = [Package {
            id: tool,
            family: Family::Deb,
            control: vec![],
            files: vec![file],
            scripts: vec![],
            members: Default::default(),
        }];
        let contents = &world.store;
        let parts =
            Parts { recipe: &world.recipe, tree: &assembled.tree, kernel: &assembled.kernel, tools: &tools, contents };
        let sealed = Sealed {
            root: tempfile::tempfile().unwrap(),
            root_bytes,
            verity: vec![],
            root_hash: Digest([0; 32]),
            summary: erofs::Summary { bytes: root_bytes, inodes: 0, content_bytes: 0, cached_files: 0 },
        };
        let paths = Esp::new(&parts, b"uki")?.entries().map(|entry| entry.path.to_owned()).to_vec();
        Ok((plan(&parts, &sealed, b"uki")?, paths))
    }

    /// The plan for a small root, and the paths on the ESP.
    pub(crate) fn plan_of(world: &World, boot_loader: &str) -> (DiskPlan, Vec<String>) {
        planned(world, boot_loader, 1 << 20).unwrap()
    }

    #[test]
    fn a_disk_that_is_too_small_is_shown_where_its_sizes_are() {
        let world = World::new();
        let error = planned(&world, "/usr/lib/systemd/boot/efi/systemd-bootx64.efi", 1 << 50).unwrap_err();
        let mistakes = error.downcast_ref::<Diagnostics>().unwrap();
        let location = &mistakes.0[0].location.as_ref().unwrap().0;
        assert_eq!((mistakes.0[0].slug, location), ("disk-too-small", &world.recipe.disk.location));
    }
}
