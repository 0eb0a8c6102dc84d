//! What `update-alternatives` shows of a group.

use super::state::Group;
use crate::shell::Bytes;

fn shown(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// `--display`
pub(super) fn user(group: &Group, current: Option<&[u8]>) -> Bytes {
    let name = shown(&group.name);
    let mut text = format!("{name} - {} mode\n", if group.auto { "auto" } else { "manual" });
    text += &match group.best(current) {
        Some(best) => format!("  link best version is {}\n", shown(&best.target)),
        None => "  link best version not available\n".to_owned(),
    };
    text += &match current {
        Some(current) => format!("  link currently points to {}\n", shown(current)),
        None => "  link currently absent\n".to_owned(),
    };
    text += &format!("  link {name} is {}\n", shown(&group.link));
    for slave in &group.slaves {
        text += &format!("  slave {} is {}\n", shown(&slave.name), shown(&slave.link));
    }
    for choice in &group.choices {
        text += &format!("{} - priority {}\n", shown(&choice.target), choice.priority);
        for slave in &group.slaves {
            if let Some(file) = choice.slave(&slave.name) {
                text += &format!("  slave {}: {}\n", shown(&slave.name), shown(file));
            }
        }
    }
    text.into_bytes()
}

/// `--query`
pub(super) fn query(group: &Group, current: Option<&[u8]>) -> Bytes {
    let mut text = format!("Name: {}\nLink: {}\n", shown(&group.name), shown(&group.link));
    if !group.slaves.is_empty() {
        text += "Slaves:\n";
    }
    for slave in &group.slaves {
        text += &format!(" {} {}\n", shown(&slave.name), shown(&slave.link));
    }
    text += &format!("Status: {}\n", if group.auto { "auto" } else { "manual" });
    if let Some(best) = group.best(current) {
        text += &format!("Best: {}\n", shown(&best.target));
    }
    text += &format!("Value: {}\n", current.map_or("none".into(), shown));
    for choice in &group.choices {
        text += &format!("\nAlternative: {}\nPriority: {}\n", shown(&choice.target), choice.priority);
        if !group.slaves.is_empty() {
            text += "Slaves:\n";
        }
        for slave in &group.slaves {
            if let Some(file) = choice.slave(&slave.name) {
                text += &format!(" {} {}\n", shown(&slave.name), shown(file));
            }
        }
    }
    text.into_bytes()
}

/// `--list`
pub(super) fn targets(group: &Group) -> Bytes {
    group.choices.iter().flat_map(|choice| [choice.target.as_slice(), b"\n"].concat()).collect()
}
