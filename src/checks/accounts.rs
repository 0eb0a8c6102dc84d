//! Whether the accounts of the image fit its files and its recipe, and nobody has a password.

use std::collections::BTreeSet;

use super::finding::{Finding, Findings};
use super::subject::Subject;

pub(super) fn passwords(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    for (path, letters) in [("/etc/shadow", "!*"), ("/etc/passwd", "x!*")] {
        for fields in subject.accounts(path)? {
            let password = fields.get(1).map_or("", String::as_str);
            if !password.starts_with(|letter| letters.contains(letter)) {
                let what = if password.is_empty() { "needs no password" } else { "has a password" };
                found.push(format!("`{}` {what} in `{path}`", fields[0]).into());
            }
        }
    }
    Ok(found)
}

pub(super) fn owners(subject: &Subject) -> Findings {
    let ids = |path: &str| -> anyhow::Result<BTreeSet<u32>> {
        Ok(subject.accounts(path)?.iter().filter_map(|fields| fields.get(2)?.parse().ok()).collect())
    };
    let (users, groups) = (ids("/etc/passwd")?, ids("/etc/group")?);
    let strange =
        subject.tree.iter().filter(|(_, _, inode)| !users.contains(&inode.uid) || !groups.contains(&inode.gid));
    Ok(strange
        .map(|(path, _, inode)| {
            format!("`{path}` from {} belongs to {}:{}, whom nobody is", inode.origin, inode.uid, inode.gid).into()
        })
        .collect())
}

pub(super) fn shells(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    for user in &subject.recipe.users {
        if subject.lookup(&user.shell)?.is_none() {
            let text = format!("`{}` cannot log in: no package brings the shell `{}`", user.name, user.shell);
            found.push(Finding::at(text, &user.location));
        }
    }
    Ok(found)
}
