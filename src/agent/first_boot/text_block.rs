//! The agent's own lines in a text file that others write too: a block between two marks.

/// The first line of a block.
pub const BLOCK_START: &str = "# begin nodeinit";
const BLOCK_END: &str = "# end nodeinit";

/// The text with the agent's block replaced, or added at the end, or taken out if there is nothing in it.
pub fn with_block(old: &str, lines: &[String]) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in old.lines() {
        match line {
            BLOCK_START => inside = true,
            BLOCK_END => inside = false,
            _ if inside => {}
            _ => {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    if lines.is_empty() { kept } else { format!("{kept}{BLOCK_START}\n{}\n{BLOCK_END}\n", lines.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_added_replaced_and_taken_out() {
        let with = |old: &str, lines: &[&str]| {
            with_block(old, &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
        };
        let first = with("a\nb", &["x"]);
        assert_eq!(first, "a\nb\n# begin nodeinit\nx\n# end nodeinit\n");
        assert_eq!(with(&first, &["y", "z"]), "a\nb\n# begin nodeinit\ny\nz\n# end nodeinit\n");
        assert_eq!(with(&first, &[]), "a\nb\n");
    }
}
