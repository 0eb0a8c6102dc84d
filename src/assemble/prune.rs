//! What a node has no use for: documentation, translations, sources of databases that are not built, init scripts.
//!
//! The list is the trial's, which booted without them. Copyright files go with the rest of `/usr/share/doc`: the
//! manifest names every package and version they can be read from.

use super::root::Root;

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
    "/usr/lib/x86_64-linux-gnu/gconv",
    "/usr/lib/aarch64-linux-gnu/gconv",
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
    for path in PRUNED {
        root.remove(path)?;
    }
    Ok(())
}
