//! The recipe's sysctls and modules as configuration files of the node.
//!
//! They go to `/usr/lib`, where `/etc` can still override them by file name (sysctl.d(5), modules-load.d(5),
//! modprobe.d(5)). Modules that containers need are loaded before sysctls are set, or `net.bridge.*` does not exist
//! yet: `systemd-sysctl.service` runs after `systemd-modules-load.service`.

use crate::assemble::root::Root;

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    let recipe = root.inputs.recipe;
    let sysctls: Vec<String> = recipe.sysctl.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    if !sysctls.is_empty() {
        root.file("/usr/lib/sysctl.d/90-nodesmith.conf", 0o644, sysctls.concat())?;
    }
    let modules: Vec<String> = recipe.modules.load.iter().map(|name| format!("{}\n", name.value)).collect();
    if !modules.is_empty() {
        root.file("/usr/lib/modules-load.d/nodesmith.conf", 0o644, modules.concat())?;
    }
    let options = recipe.modules.options.iter().map(|(name, options)| format!("options {name} {options}\n"));
    let blacklist = recipe.modules.blacklist.iter().map(|name| format!("blacklist {name}\n"));
    let lines: Vec<String> = options.chain(blacklist).collect();
    if !lines.is_empty() {
        root.file("/usr/lib/modprobe.d/nodesmith.conf", 0o644, lines.concat())?;
    }
    Ok(())
}
