//! One name, several programs: the links that `update-alternatives` keeps.
//!
//! Every choice that scripts register counts if its target exists; the highest priority wins, the first of equals in
//! order of packages. Links go through `/etc/alternatives`, and the state file is written so that the tool itself works
//! on a node. State formats: dpkg's `alternatives` database, and chkconfig's, which is like it (alternatives(8)).

use std::collections::{BTreeMap, BTreeSet};

use super::root::Root;
use super::scripts::{Alternative, Effect};
use crate::package::Family;
use crate::tree::{Inode, Kind};

const STATE: &str = "/var/lib/dpkg/alternatives";
const STATE_OF_RPMS: &str = "/var/lib/alternatives";

pub(crate) fn link(root: &mut Root) -> anyhow::Result<()> {
    let mut groups: BTreeMap<String, Vec<Alternative>> = BTreeMap::new();
    for effect in &root.effects {
        if let Effect::Alternative(alternative) = effect
            && root.exists(&alternative.target)
        {
            groups.entry(alternative.name.clone()).or_default().push(alternative.clone());
        }
    }
    for (name, choices) in groups {
        let Some(best) = best(&choices) else { continue };
        put_link(root, &best.link, &name, &best.target)?;
        for slave in &best.slaves {
            if root.exists(&slave.target) {
                put_link(root, &slave.link, &slave.name, &slave.target)?;
            }
        }
        if root.base == Family::Rpm {
            root.file(&format!("{STATE_OF_RPMS}/{name}"), 0o644, state(&choices, Family::Rpm))?;
        } else if root.package("dpkg").is_some() {
            // The tool belongs to dpkg, which most nodes leave out.
            root.file(&format!("{STATE}/{name}"), 0o644, state(&choices, Family::Deb))?;
        }
    }
    Ok(())
}

fn best(choices: &[Alternative]) -> Option<&Alternative> {
    choices.iter().rev().max_by_key(|choice| choice.priority)
}

fn put_link(root: &mut Root, link: &str, name: &str, target: &str) -> anyhow::Result<()> {
    // A real program of that name stays, as `update-alternatives` leaves it.
    let at = root.path(link)?;
    if root.tree.get(&at).is_some_and(|inode: &Inode| !matches!(inode.kind, Kind::Symlink(_))) {
        return Ok(());
    }
    root.symlink(&format!("/etc/alternatives/{name}"), target)?;
    root.symlink(link, &format!("/etc/alternatives/{name}"))
}

/// Mode and link of the group, its slaves, an empty line; then each choice with its priority and its slaves' targets.
/// dpkg has an empty line at the end, chkconfig the family before the priority.
fn state(choices: &[Alternative], base: Family) -> String {
    let slaves: BTreeSet<(&str, &str)> = choices
        .iter()
        .flat_map(|choice| &choice.slaves)
        .map(|slave| (slave.name.as_str(), slave.link.as_str()))
        .collect();
    let mut lines = vec!["auto".to_owned(), choices.first().map(|choice| choice.link.clone()).unwrap_or_default()];
    lines.extend(slaves.iter().flat_map(|(name, link)| [(*name).to_owned(), (*link).to_owned()]));
    lines.push(String::new());
    let mut sorted: Vec<&Alternative> = choices.iter().collect();
    if base == Family::Deb {
        sorted.sort_by_key(|choice| &choice.target);
    }
    sorted.dedup_by_key(|choice| &choice.target);
    for choice in sorted {
        let family = choice.family.as_ref().map(|family| format!("@{family}@")).unwrap_or_default();
        lines.extend([choice.target.clone(), format!("{family}{}", choice.priority)]);
        for (name, _) in &slaves {
            let target = choice.slaves.iter().find(|slave| slave.name == *name).map(|slave| slave.target.clone());
            lines.push(target.unwrap_or_default());
        }
    }
    if base == Family::Deb {
        lines.push(String::new());
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::scripts::Slave;

    fn choice(target: &str, priority: i32) -> Alternative {
        Alternative {
            link: "/usr/sbin/x".into(),
            name: "x".into(),
            target: target.into(),
            priority,
            slaves: vec![],
            family: None,
        }
    }

    #[test]
    fn the_highest_priority_wins_and_the_first_of_equals() {
        let choices = [choice("/a", 10), choice("/b", 20), choice("/c", 20)];
        assert_eq!(best(&choices).unwrap().target, "/b");
    }

    #[test]
    fn the_state_lists_every_choice_with_its_slaves() {
        let mut first = choice("/usr/sbin/x-nft", 20);
        first.slaves.push(Slave { link: "/usr/sbin/xs".into(), name: "xs".into(), target: "/usr/sbin/xs-nft".into() });
        let mut choices = [first, choice("/usr/sbin/x-legacy", 10)];
        let text = state(&choices, Family::Deb);
        assert_eq!(
            text,
            "auto\n/usr/sbin/x\nxs\n/usr/sbin/xs\n\n/usr/sbin/x-legacy\n10\n\n/usr/sbin/x-nft\n20\n/usr/sbin/xs-nft\n\n"
        );
        choices[1].family = Some("old".into());
        assert_eq!(
            state(&choices, Family::Rpm),
            "auto\n/usr/sbin/x\nxs\n/usr/sbin/xs\n\n/usr/sbin/x-nft\n20\n/usr/sbin/xs-nft\n/usr/sbin/x-legacy\n@old@10\n\n"
        );
    }
}
