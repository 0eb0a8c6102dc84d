//! What a person wrote in a maintainer script: the script less comments and generated blocks.

use crate::tree::Digest;

/// A line of a script, its number from 1, blanks at both ends cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) text: String,
}

/// A block that debhelper wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// `dh_installsystemd` of `# Automatically added by dh_installsystemd/13.24.2`.
    pub(super) tool: String,
    pub(super) lines: Vec<Line>,
}

/// Generated blocks and the lines between them. Lines of here-documents are kept as they are: a `#` there is text.
pub(super) fn split(script: &str) -> (Vec<Block>, Vec<Line>) {
    let mut blocks = Vec::new();
    let mut residue = Vec::new();
    let mut block: Option<Block> = None;
    let mut here_document: Option<String> = None;
    for (index, text) in script.lines().enumerate() {
        let line = Line { number: index + 1, text: text.trim().to_owned() };
        if let Some(end) = &here_document {
            if line.text == *end {
                here_document = None;
            }
            residue.push(Line { text: text.to_owned(), ..line });
            continue;
        }
        if let Some(tool) = line.text.strip_prefix("# Automatically added by ") {
            let tool = tool.split('/').next().unwrap_or_default().to_owned();
            blocks.extend(block.replace(Block { tool, lines: Vec::new() }));
        } else if line.text == "# End automatically added section" {
            blocks.extend(block.take());
        } else if line.text.is_empty() || line.text.starts_with('#') {
            continue;
        } else if let Some(block) = &mut block {
            block.lines.push(line);
        } else {
            here_document = here_document_end(&line.text);
            residue.push(line);
        }
    }
    // A block that never ends is not one that debhelper wrote.
    residue.extend(block.into_iter().flat_map(|block| block.lines));
    (blocks, residue)
}

/// All lines, comments and empty ones too: a quotation may reach over them.
pub(super) fn all(script: &str) -> Vec<Line> {
    let lines = script.lines().enumerate();
    lines.map(|(index, text)| Line { number: index + 1, text: text.trim().to_owned() }).collect()
}

/// The word that ends the here-document which `line` opens: `<<EOF`, `<< 'EOF'`, `<<-END`.
fn here_document_end(line: &str) -> Option<String> {
    let (_, after) = line.split_once("<<")?;
    let after = after.strip_prefix('-').unwrap_or(after).trim_start();
    let after = after.trim_start_matches(['\'', '"', '\\']);
    let word: String = after.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_').then_some(word)
}

/// SHA-256 of the residue, one line feed after each line.
pub(super) fn digest(residue: &[Line]) -> Digest {
    let lines: Vec<&str> = residue.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
    Digest::of(lines.concat())
}

/// Longest residue that can do nothing: a template has a few dozen lines.
const TEMPLATE_LINES: usize = 500;

/// Whether the residue does nothing: only `set -e`, and `if` and `case` around nothing, as debhelper's template
/// leaves them. An arm that refuses unknown arguments counts as nothing, since none come.
pub(super) fn is_empty(residue: &[Line]) -> bool {
    if residue.len() > TEMPLATE_LINES {
        return false;
    }
    let mut lines: Vec<&str> = residue.iter().map(|line| line.text.as_str()).collect();
    if lines.last() == Some(&"exit 0") {
        lines.pop();
    }
    lines.retain(|line| !(line.starts_with("set -") || line.starts_with("set +")) && *line != ":");
    while let Some((from, to)) = empty_construct(&lines) {
        lines.drain(from..to);
    }
    lines.is_empty()
}

/// The first range of lines that is a construct around nothing.
fn empty_construct(lines: &[&str]) -> Option<(usize, usize)> {
    for (index, line) in lines.iter().enumerate() {
        let next = |step: usize| lines.get(index + step).copied().unwrap_or_default();
        let opens_if = line.starts_with("if [ ") && line.ends_with("then");
        let opens_case = line.starts_with("case \"$1\" in");
        if (opens_if && next(1) == "fi") || (opens_case && next(1) == "esac") {
            return Some((index, index + 2));
        }
        if !is_pattern(line) {
            continue;
        }
        if line.ends_with(";;") && line.trim_end_matches(";;").trim_end().ends_with(')') {
            return Some((index, index + 1));
        }
        if next(1) == ";;" {
            return Some((index, index + 2));
        }
        let refuses = next(1).starts_with("echo ") && next(2).starts_with("exit ") && next(3) == ";;";
        if line.starts_with("*)") && refuses {
            return Some((index, index + 4));
        }
    }
    None
}

/// `configure|abort-upgrade)`, with or without `;;`.
fn is_pattern(line: &str) -> bool {
    let word = line.trim_end_matches(";;").trim_end();
    word.strip_suffix(')').is_some_and(|words| {
        words.trim_start_matches('(').chars().all(|letter| letter.is_alphanumeric() || "-|*_ ".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_generated_blocks_are_no_residue() {
        let script = "#!/bin/sh\nset -e\n# why\n# Automatically added by dh_x/13\nfoo\n\
                      # End automatically added section\ncat <<EOF\n# text\n\nEOF\n  true\n";
        let (blocks, residue) = split(script);
        assert_eq!(blocks.len(), 1);
        assert_eq!((blocks[0].tool.as_str(), blocks[0].lines[0].number), ("dh_x", 5));
        let texts: Vec<&str> = residue.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["set -e", "cat <<EOF", "# text", "", "EOF", "true"]);
    }

    #[test]
    fn the_template_around_nothing_is_empty() {
        let template = "set -e\ncase \"$1\" in\n  configure)\n  ;;\n  abort-upgrade|abort-remove) ;;\n  *)\n\
                        echo \"unknown\" >&2\nexit 1\n;;\nesac\nif [ \"$1\" = configure ]; then\nfi\nexit 0\n";
        assert!(is_empty(&split(template).1));
        assert!(!is_empty(&split(&"if [ x ]; then\nfi\n".repeat(251)).1), "nobody's template");
        assert!(!is_empty(&split("set -e\ncase \"$1\" in\nconfigure)\nadduser x\n;;\nesac\n").1));
        assert!(!is_empty(&split("if [ -e /x ]; then\nexit 0\nfi\n# Automatically added by dh_x\n").1));
    }
}
