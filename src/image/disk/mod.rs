//! The disk of a node: what lies on it, and where.

mod esp;
pub mod layout;

pub use self::esp::Esp;

use self::layout::DiskPlan;
use super::seal::Sealed;
use crate::diag::{Diagnostic, Diagnostics};
use crate::formats::grub::Core;
use crate::formats::sparse::Source;
use crate::recipe::Recipe;

/// Where everything lies on the disk. A partition that is too small is the recipe's mistake.
pub fn plan<'a>(
    recipe: &Recipe,
    esp: &'a Esp<'_>,
    grub: Option<&'a Core>,
    sealed: &'a Sealed,
) -> anyhow::Result<DiskPlan<'a>> {
    let request = layout::Request {
        image: format!("{} {}", recipe.name, recipe.version),
        arch: recipe.arch,
        esp_bytes: recipe.disk.esp,
        slot_bytes: recipe.disk.slot,
        var_min_bytes: recipe.disk.var_min,
        esp: esp.entries(),
        root: Source::File { file: &sealed.root, length: sealed.root_bytes },
        verity: Source::Bytes(&sealed.verity),
        root_hash: sealed.root_hash,
        epoch: recipe.epoch,
        grub,
    };
    layout::plan(request).map_err(|error| {
        let mistake = Diagnostic::new("disk-too-small", error.to_string()).help("make the partition larger in `disk:`");
        Diagnostics::from(mistake.at(&recipe.disk.location, "with these sizes")).into()
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::assemble::tests::World;
    use crate::formats::erofs;
    use crate::formats::gpt::Table;
    use crate::image::parts::Parts;
    use crate::package::{Family, FileEntry, FileKind, Owner, Package};
    use crate::tree::{Digest, TreePath};

    /// The partitions for a root of this size, and the paths on the ESP, where a tool brings the boot loader at `boot_loader`.
    fn planned(world: &World, boot_loader: &str, root_bytes: u64) -> anyhow::Result<(Table, Vec<String>)> {
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
        let esp = Esp::new(&parts, b"uki", None)?;
        let paths = esp.entries().iter().map(|entry| entry.path.to_owned()).collect();
        Ok((plan(&world.recipe, &esp, None, &sealed)?.table(), paths))
    }

    /// The partitions for a small root, and the paths on the ESP.
    pub(crate) fn plan_of(world: &World, boot_loader: &str) -> (Table, Vec<String>) {
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
