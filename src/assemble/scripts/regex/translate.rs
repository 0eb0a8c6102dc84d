//! [`Node`] → the syntax of the `regex` crate: what it can search for, it searches much faster than a trial would.

use std::fmt::Write;

use super::syntax::{Node, Place, Set};

/// Nothing if the pattern has what the crate has not.
pub(super) fn translate(node: &Node) -> Option<String> {
    let has_not =
        |node: &Node| matches!(node, Node::Back(_) | Node::Look { .. } | Node::Keep | Node::At(Place::LastLineEnd));
    if node.any(&has_not) {
        return None;
    }
    let mut text = String::new();
    write(node, &mut text).ok()?;
    Some(text)
}

fn write(node: &Node, text: &mut String) -> std::fmt::Result {
    match node {
        Node::Byte(set) => write_set(set, text),
        Node::At(place) => text.write_str(match place {
            Place::TextStart => r"\A",
            Place::TextEnd | Place::LastLineEnd => r"\z",
            Place::LineStart => "(?m:^)",
            Place::LineEnd => "(?m:$)",
            Place::WordEdge => r"\b",
            Place::NotWordEdge => r"\B",
            Place::WordStart => r"\b{start}",
            Place::WordEnd => r"\b{end}",
            Place::NoWordBefore => r"\b{start-half}",
            Place::NoWordAfter => r"\b{end-half}",
        }),
        Node::Sequence(nodes) => nodes.iter().try_for_each(|node| write(node, text)),
        Node::Choice(nodes) => {
            text.push_str("(?:");
            for (index, node) in nodes.iter().enumerate() {
                if index > 0 {
                    text.push('|');
                }
                write(node, text)?;
            }
            text.push(')');
            Ok(())
        }
        Node::Group(_, node) => {
            text.push('(');
            write(node, text)?;
            text.push(')');
            Ok(())
        }
        Node::Repeat { node, least, most, lazy } => {
            text.push_str("(?:");
            write(node, text)?;
            let most = most.map(|most| most.to_string()).unwrap_or_default();
            write!(text, "){{{least},{most}}}{}", if *lazy { "?" } else { "" })
        }
        Node::Empty | Node::Back(_) | Node::Look { .. } | Node::Keep => Ok(()),
    }
}

fn write_set(set: &Set, text: &mut String) -> std::fmt::Result {
    if *set == Set::ANY {
        return text.write_str("(?s:.)");
    }
    let bytes: Vec<u8> = set.bytes().collect();
    if bytes.is_empty() {
        // Nothing is in this class.
        return text.write_str(r"[^\x00-\xff]");
    }
    text.push('[');
    for run in bytes.chunk_by(|before, after| *after == before + 1) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            write!(text, r"\x{first:02x}-\x{last:02x}")?;
        }
    }
    text.push(']');
    Ok(())
}
