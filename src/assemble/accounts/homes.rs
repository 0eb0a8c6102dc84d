//! Home directories of the recipe's users, with the keys that let them in.

use anyhow::Context;

use crate::assemble::root::Root;

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    for user in &root.inputs.recipe.users {
        // A user whom `accounts` refused has been reported.
        let Some(account) = root.accounts.users.get(&user.name).cloned() else { continue };
        let home = user.home.trim_end_matches('/');
        let making = || format!("making the home of `{}`", user.name);
        if !root.exists(home) || home.starts_with("/home/") {
            root.directory_with(home, 0o700, account.uid, account.gid).with_context(making)?;
        }
        if user.ssh_authorized_keys.is_empty() {
            continue;
        }
        let directory = format!("{home}/.ssh");
        let file = format!("{directory}/authorized_keys");
        let keys: String = user.ssh_authorized_keys.iter().map(|key| format!("{}\n", key.trim())).collect();
        root.directory_with(&directory, 0o700, account.uid, account.gid).with_context(making)?;
        root.file(&file, 0o600, keys).with_context(making)?;
        let path = root.path(&file)?;
        root.tree.update(&path, |inode| (inode.uid, inode.gid) = (account.uid, account.gid))?;
    }
    Ok(())
}
