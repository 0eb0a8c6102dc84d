//! The artefacts of a node image, from its parts: which modules the initrd needs, what the command line says, what lies
//! on the ESP, and the files that a build leaves.

use std::num::NonZeroUsize;

use anyhow::{Context, anyhow};
use serde_json::Value;

use super::disk::{self, DiskPlan};
use super::initrd::{self, Initrd, Module};
use super::manifest::{self, Record};
use super::outputs::Outputs;
use super::seal::Sealed;
use super::uki;
use crate::assemble::modules::load::{WantedModule, modules_with_dependencies};
use crate::assemble::scripts::ScriptAccount;
use crate::assemble::{AgentFiles, KernelFiles};
use crate::contract;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::formats::fat;
use crate::formats::qcow2;
use crate::formats::sparse::Source;
use crate::package::{FileKind, Package};
use crate::preload::Archive;
use crate::recipe::{Output, Recipe, Selinux, VarFilesystem};
use crate::tree::{Content, Contents, Digest, Kind, Tree, TreePath};

/// Disks and machines that every image must start on, besides what the root itself needs. Names that a kernel has
/// built in, or does not have at all, are passed over.
const HARDWARE: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "virtio_console",
    "nvme",
    "ahci",
    "sd_mod",
    "hv_vmbus",
    "hv_storvsc",
    "vmw_pvscsi",
    "mptspi",
    "mpt3sas",
    "megaraid_sas",
    "smartpqi",
    "hpsa",
    "ata_piix",
    "usb_storage",
    "uas",
    "mmc_block",
    "virtio_mmio",
    "xen-blkfront",
];
/// What the root is made of; an image without one of them does not start.
const NEEDED: &[&str] = &["dm-verity", "erofs", "overlay"];

/// Where systemd's packages put the EFI programs.
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const BOOT_LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
/// Longer menus only cost time where nobody watches; a key held at power-on still shows the menu.
const LOADER_CONF: &[u8] = b"timeout 0\nconsole-mode keep\neditor no\n";

/// What the artefacts are made from.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    pub recipe: &'a Recipe,
    pub tree: &'a Tree,
    pub kernel: &'a KernelFiles,
    /// Packages that are only needed for the build: systemd's EFI programs.
    pub tools: &'a [Package],
    pub contents: &'a dyn Contents,
}

impl std::fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parts of {}", self.recipe.name)
    }
}

/// The agent that `build.rs` built.
pub fn agent() -> AgentFiles {
    const PROGRAM: &[u8] = include_bytes!(env!("NODEINIT"));
    AgentFiles {
        program: Content::inline(PROGRAM),
        units: crate::agent::units::UNITS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
    }
}

/// The initrd: the agent, and the modules it needs to reach the root.
pub fn initrd(parts: &Parts<'_>, agent: &AgentFiles) -> anyhow::Result<Initrd> {
    let filesystem = match parts.recipe.disk.var {
        VarFilesystem::Ext4 => "ext4",
        VarFilesystem::Xfs => "xfs",
    };
    let wanted = |name: &str, location: Option<&Location>, required| WantedModule {
        name: name.to_owned(),
        location: location.cloned(),
        required,
    };
    let kernel = Some(&parts.recipe.kernel.package.location);
    let mut modules: Vec<WantedModule> = HARDWARE.iter().map(|name| wanted(name, None, false)).collect();
    modules.extend(NEEDED.iter().copied().chain([filesystem]).map(|name| wanted(name, kernel, true)));
    let asked = parts.recipe.kernel.initrd_modules.iter();
    modules.extend(asked.map(|module| wanted(&module.value, Some(&module.location), true)));
    let modules = modules_with_dependencies(parts.tree, parts.contents, &parts.kernel.release, &modules)?;
    let names: Vec<String> = modules.iter().map(|module| format!("{}.ko", module.name)).collect();
    let modules: Vec<Module<'_>> =
        names.iter().zip(&modules).map(|(name, module)| Module { name, elf: &module.elf }).collect();
    let reads_zstd = parts.kernel.config.lines().any(|line| line == "CONFIG_RD_ZSTD=y");
    let compression = if reads_zstd { initrd::Compression::Zstd } else { initrd::Compression::Gzip };
    let program = agent.program.read(parts.contents).context("reading the agent")?;
    initrd::build(&program, &modules, parts.recipe.epoch, compression).context("making the initrd")
}

/// The kernel command line: what the agent must know, then what the recipe adds.
pub fn command_line(recipe: &Recipe, root_hash: &Digest) -> String {
    let filesystem = match recipe.disk.var {
        VarFilesystem::Ext4 => "ext4",
        VarFilesystem::Xfs => "xfs",
    };
    let var_first_lba = disk::var_first_lba(recipe.disk.esp, recipe.disk.slot);
    let mut words = vec![
        format!("{}={root_hash}", contract::CMDLINE_ROOT_HASH),
        format!("{}={var_first_lba}", contract::CMDLINE_VAR_START),
        format!("{}={filesystem}", contract::CMDLINE_VAR_FS),
        format!("{}={}", contract::CMDLINE_VAR_MIN, recipe.disk.var_min),
        "panic=10".to_owned(),
    ];
    // Debian's kernels start AppArmor instead of SELinux unless they are told; the second word stands above the node's
    // /etc/selinux/config, which can be changed there.
    let selinux: &[&str] = match recipe.selinux_mode() {
        Selinux::Disabled => &[],
        Selinux::Permissive => &["security=selinux"],
        Selinux::Enforcing => &["security=selinux", "enforcing=1"],
    };
    words.extend(selinux.iter().map(|word| (*word).to_owned()));
    words.extend(recipe.kernel.cmdline.iter().cloned());
    words.join(" ")
}

/// The unified kernel image.
pub fn uki(parts: &Parts<'_>, initrd: &Initrd, command_line: &str) -> anyhow::Result<Vec<u8>> {
    let stub = tool(parts, STUB)?;
    let kernel = parts.kernel.image.read(parts.contents).context("reading the kernel")?;
    let os_release = os_release(parts)?;
    let uki = uki::assemble(&uki::Parts {
        stub: &stub,
        kernel: &kernel,
        initrd: &initrd.bytes,
        command_line,
        os_release: &os_release,
        kernel_release: &parts.kernel.release,
    });
    uki.context("making the unified kernel image")
}

fn os_release(parts: &Parts<'_>) -> anyhow::Result<String> {
    let path = TreePath::parse("/usr/lib/os-release").context("reading the path of os-release")?;
    match parts.tree.get(&path).map(|inode| &inode.kind) {
        Some(Kind::File(content)) => {
            let bytes = content.read(parts.contents).context("reading /usr/lib/os-release of the root")?;
            String::from_utf8(bytes).context("reading /usr/lib/os-release of the root")
        }
        _ => Err(anyhow!("the root has no /usr/lib/os-release: no package brings the distribution's base files")),
    }
}

/// A file of a build-only package.
fn tool(parts: &Parts<'_>, path: &str) -> anyhow::Result<Vec<u8>> {
    let wanted = TreePath::parse(path).context("reading the path of a tool")?;
    for package in parts.tools {
        for file in package.files.iter().filter(|file| file.path == wanted) {
            if let FileKind::File { digest, size } = file.kind {
                let content = Content::Stored { digest, size };
                return content.read(parts.contents).with_context(|| format!("reading {path} of {}", package.id));
            }
        }
    }
    let names: Vec<String> = parts.tools.iter().map(|package| package.id.to_string()).collect();
    Err(anyhow!("none of the build's tools ({}) has {path}", names.join(", ")))
}

/// Where everything lies on the disk. A partition that is too small is the recipe's mistake.
pub fn plan(parts: &Parts<'_>, sealed: &Sealed, uki: &[u8]) -> anyhow::Result<DiskPlan> {
    let recipe = parts.recipe;
    let boot_loader = tool(parts, BOOT_LOADER)?;
    let content = uki.len() + 2 * boot_loader.len() + LOADER_CONF.len();
    let request = disk::Request {
        image: &format!("{} {}", recipe.name, recipe.version),
        esp_bytes: recipe.disk.esp,
        slot_bytes: recipe.disk.slot,
        var_min_bytes: recipe.disk.var_min,
        esp_content_bytes: u64::try_from(content)?,
        root_bytes: sealed.root_bytes,
        verity_bytes: u64::try_from(sealed.verity.len())?,
        root_hash: sealed.root_hash,
        epoch: recipe.epoch,
    };
    disk::plan(&request).map_err(|error| {
        let mistake = Diagnostic::new("disk-too-small", error.to_string()).help("make the partition larger in `disk:`");
        Diagnostics::from(mistake.at(&recipe.disk.location, "with these sizes")).into()
    })
}

/// Writes the disk images that the recipe asks for.
pub fn write_disks(
    parts: &Parts<'_>,
    plan: &DiskPlan,
    sealed: &Sealed,
    uki: &[u8],
    threads: NonZeroUsize,
    outputs: &mut Outputs,
) -> anyhow::Result<()> {
    let name = &parts.recipe.name;
    let boot_loader = tool(parts, BOOT_LOADER)?;
    let uki_path = format!("EFI/Linux/{name}+3.efi");
    let entry = |path, bytes| fat::Entry { path, source: Source::Bytes(bytes) };
    let esp = [
        entry("EFI/BOOT/BOOTX64.EFI", boot_loader.as_slice()),
        entry("EFI/systemd/systemd-bootx64.efi", boot_loader.as_slice()),
        entry("loader/loader.conf", LOADER_CONF),
        entry(&uki_path, uki),
    ];
    let raw_name = format!("{name}.raw");
    let wanted = &parts.recipe.outputs;
    let raw = if wanted.contains(&Output::Raw) { outputs.create(&raw_name)? } else { outputs.scratch(&raw_name)? };
    let root = Source::File { file: &sealed.root, length: sealed.root_bytes };
    plan.write(&disk::Parts { esp: &esp, root, verity: Source::Bytes(&sealed.verity) }, &raw)?;
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

/// What [`write_files`] writes besides the disks.
#[derive(Debug)]
pub struct Files<'a> {
    pub initrd: &'a Initrd,
    pub uki: &'a [u8],
    pub command_line: &'a str,
    pub scripts: &'a [ScriptAccount],
    pub images: &'a [Archive],
    pub lock: Value,
    pub lock_digest: Digest,
    pub agent_digest: Digest,
}

/// Writes kernel, initrd, command line, UKI, and last the manifest, which names all of them.
pub fn write_files(parts: &Parts<'_>, sealed: &Sealed, files: &Files<'_>, outputs: &mut Outputs) -> anyhow::Result<()> {
    let name = &parts.recipe.name;
    let kernel = parts.kernel.image.read(parts.contents).context("reading the kernel")?;
    outputs.write(&format!("{name}.vmlinuz"), &kernel)?;
    outputs.write(&format!("{name}.initrd"), &files.initrd.bytes)?;
    outputs.write(&format!("{name}.cmdline"), format!("{}\n", files.command_line).as_bytes())?;
    outputs.write(&format!("{name}.efi"), files.uki)?;
    let record = Record {
        recipe: parts.recipe,
        lock: files.lock.clone(),
        lock_digest: files.lock_digest,
        kernel: &parts.kernel.release,
        command_line: files.command_line,
        root_hash: sealed.root_hash,
        scripts: files.scripts,
        images: files.images,
        tree: parts.tree,
        outputs: outputs.files(),
        agent_digest: files.agent_digest,
    };
    let manifest = serde_json::to_string_pretty(&manifest::manifest(&record)).context("writing the manifest")?;
    outputs.write(&format!("{name}.manifest.json"), format!("{manifest}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::tests::World;
    use crate::recipe::check::CMDLINE_OWN_BYTES;
    use crate::yaml::Located;

    #[test]
    fn the_builders_own_words_leave_the_command_line_the_room_that_recipes_count_on() {
        let mut recipe = World::new().recipe;
        recipe.kernel.cmdline.clear();
        (recipe.disk.slot, recipe.disk.var_min) = (1 << 45, u64::MAX);
        let location = recipe.disk.location.clone();
        recipe.selinux = Some(Located { value: Selinux::Enforcing, location });
        let own = command_line(&recipe, &Digest([0xff; 32]));
        assert!(own.len() <= CMDLINE_OWN_BYTES, "{} bytes", own.len());
        assert!(own.ends_with(" panic=10 security=selinux enforcing=1"), "{own}");
        recipe.selinux = None;
        assert!(command_line(&recipe, &Digest([0xff; 32])).ends_with(" panic=10"));
    }

    #[test]
    fn a_disk_that_is_too_small_is_shown_where_its_sizes_are() {
        let world = World::new();
        let assembled = world.assemble().unwrap();
        let mut tool = assembled.kernel.package.clone();
        tool.name = "systemd-boot-efi".into();
        let digest = world.store.put(b"loader").unwrap();
        let owner = crate::package::Owner { name: "root".into(), id: 0 };
        let file = crate::package::FileEntry {
            path: TreePath::parse(BOOT_LOADER).unwrap(),
            kind: FileKind::File { digest, size: 6 },
            mode: 0o644,
            user: owner.clone(),
            group: owner,
            mtime: 0,
            xattrs: Default::default(),
        };
        let tools = [Package {
            id: tool,
            family: crate::package::Family::Deb,
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
            root_bytes: 1 << 50,
            verity: vec![],
            root_hash: Digest([0; 32]),
            summary: crate::formats::erofs::Summary { bytes: 1 << 50, inodes: 0, content_bytes: 0, cached_files: 0 },
        };
        let error = plan(&parts, &sealed, b"uki").unwrap_err();
        let mistakes = error.downcast_ref::<Diagnostics>().unwrap();
        let location = &mistakes.0[0].location.as_ref().unwrap().0;
        assert_eq!((mistakes.0[0].slug, location), ("disk-too-small", &world.recipe.disk.location));
    }
}
