//! Plugins of the container network interface: network add-ons put theirs into [`PLUGINS`], which is writable on a node;
//! plugins of packages lie in `/usr/lib/cni` and are linked there, since runtimes may know one directory only.

use crate::assemble::root::Root;

pub(super) const PLUGINS: &str = "/opt/cni/bin";
pub(super) const CONFIGURATION: &str = "/etc/cni/net.d";
const PACKAGED: &str = "/usr/lib/cni";

pub(super) fn write(root: &mut Root) -> anyhow::Result<()> {
    root.directory(CONFIGURATION)?;
    root.directory(PLUGINS)?;
    let Some((directory, _)) = root.lookup(PACKAGED) else { return Ok(()) };
    let plugins: Vec<String> =
        root.tree.children(&directory).map(|(path, _, _)| String::from_utf8_lossy(path.name()).into_owned()).collect();
    for plugin in plugins {
        // kubernetes-cni ships its plugins in the place itself.
        let path = format!("{PLUGINS}/{plugin}");
        if !root.exists(&path) {
            root.symlink(&path, &format!("{PACKAGED}/{plugin}"))?;
        }
    }
    Ok(())
}
