//! Whether what services of PAM include is there: a service that includes a missing file lets nobody in.
//!
//! Names are looked for where libpam does: pam.conf(5), `/etc/pam.d` and then the vendor's `/usr/lib/pam.d`.

use super::finding::Findings;
use super::subject::Subject;
use crate::assemble::login::service;
use crate::bounded::quote;
use crate::tree::TreePath;

const DIRECTORIES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

pub(super) fn check(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        for (path, _, inode) in subject.tree.children(&TreePath::parse(directory)?) {
            for name in service::includes(&subject.text(&path.to_string())?) {
                let places = match name.starts_with('/') {
                    true => vec![name.clone()],
                    false => DIRECTORIES.iter().map(|directory| format!("{directory}/{name}")).collect(),
                };
                let mut there = false;
                for place in &places {
                    there |= TreePath::parse(place).is_ok() && subject.lookup(place)?.is_some();
                }
                if !there {
                    let name = quote(&name);
                    found
                        .push(format!("`{path}` from {} includes `{name}`, which nothing brings", inode.origin).into());
                }
            }
        }
    }
    Ok(found)
}
