//! What a node has no use for: documentation, translations, sources of databases that are not built, init scripts.
//!
//! The list is the trial's, which booted without them. Copyright files go with the rest of `/usr/share/doc`: the
//! manifest names every package and version they can be read from. Links that led into what goes, go too.

use super::root::Root;
use crate::tree::{Kind, TreePath};

/// `MULTIARCH` is the name of the architecture's own directory.
const PRUNED: &[&str] = &[
    "/usr/share/doc",
    "/usr/share/man",
    "/usr/share/info",
    "/usr/share/locale",
    "/usr/share/lintian",
    "/usr/share/bug",
    "/usr/share/apport",
    "/usr/share/bash-completion",
    "/usr/share/zsh",
    "/usr/share/fish",
    "/usr/share/doc-base",
    "/usr/share/menu",
    "/usr/share/metainfo",
    "/usr/share/pixmaps",
    "/usr/share/gcc",
    "/usr/share/gdb",
    "/usr/share/debconf",
    "/usr/share/initramfs-tools",
    "/etc/initramfs-tools",
    // Conversions between other encodings than UTF-8 and its kin, which libc has built in.
    "/usr/lib/MULTIARCH/gconv",
    "/usr/lib64/gconv",
    // hwdb.bin and the message catalogue are not compiled.
    "/usr/lib/udev/hwdb.d",
    "/usr/lib/systemd/catalog",
    // Merges Debian's account masters on upgrades, by way of debconf.
    "/usr/sbin/update-passwd",
    // Links by which debuggers find RPMs' symbols, and texts of licences like the ones in /usr/share/doc.
    "/usr/lib/.build-id",
    "/usr/share/licenses",
    // Makes initrds.
    "/usr/lib/dracut",
    // The boot loader goes to the ESP from the tools, not from here.
    "/usr/lib/systemd/boot",
    // Boot without systemd.
    "/etc/init.d",
    "/etc/rc0.d",
    "/etc/rc1.d",
    "/etc/rc2.d",
    "/etc/rc3.d",
    "/etc/rc4.d",
    "/etc/rc5.d",
    "/etc/rc6.d",
    "/etc/rcS.d",
    "/etc/sv",
    "/etc/runit",
    "/usr/share/runit",
    "/var/log/runit",
    "/etc/update-motd.d",
    "/var/cache/debconf",
];

pub(crate) fn prune(root: &mut Root) -> anyhow::Result<()> {
    let links = whole_links(root);
    for path in PRUNED {
        root.remove(&path.replace("MULTIARCH", root.inputs.recipe.arch.multiarch))?;
    }
    // What led nowhere before is the package's own matter.
    let broken: Vec<&TreePath> = links.iter().filter(|link| !is_whole(root, link)).collect();
    for link in broken {
        root.tree.remove_all(link);
    }
    Ok(())
}

/// Every link that leads to something.
fn whole_links(root: &Root) -> Vec<TreePath> {
    let links = root.tree.iter().filter(|(_, _, inode)| matches!(inode.kind, Kind::Symlink(_)));
    links.map(|(path, _, _)| path.clone()).filter(|path| is_whole(root, path)).collect()
}

fn is_whole(root: &Root, link: &TreePath) -> bool {
    root.tree.resolve(link, &root.origin).is_ok_and(|path| root.tree.get(&path).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::tests::World;
    use crate::package::{FileEntry, FileKind};

    #[test]
    fn links_into_what_is_pruned_go_with_it_and_no_others() {
        let mut world = World::new();
        let unit = "/usr/lib/dracut/modules.d/98dracut-systemd/dracut-cmdline.service";
        let package = world.package("dracut", &[(unit, "[Service]\n"), ("/usr/lib/systemd/system/", "")]);
        let directory = package.files.last().unwrap().clone();
        let links = [
            ("dracut-cmdline.service", "../../dracut/modules.d/98dracut-systemd/dracut-cmdline.service"),
            // By way of the link above.
            ("initrd.target.wants/dracut-cmdline.service", "../dracut-cmdline.service"),
            ("kept.service", "/etc/base.conf"),
            // Nothing was there before.
            ("gone.service", "../../dracut/gone.service"),
        ];
        for (path, target) in links {
            package.files.push(FileEntry {
                path: TreePath::parse(format!("/usr/lib/systemd/system/{path}")).unwrap(),
                kind: FileKind::Symlink { target: target.into() },
                ..directory.clone()
            });
        }
        let tree = world.assemble().unwrap().tree;
        let there = links
            .map(|(path, _)| tree.get(&TreePath::parse(format!("/usr/lib/systemd/system/{path}")).unwrap()).is_some());
        assert_eq!(there, [false, false, true, true]);
    }
}
