//! Single commands of shell scripts as words, with what becomes of their output and their failure taken off.
//!
//! Anything of the shell that is more than words, quotation marks and redirections to nowhere is not read at all.

use std::collections::BTreeMap;

use super::residue::Line;

/// What follows a command and changes nothing but its output or the exit status of the script.
const ENDS: [&str; 20] = [
    "|| exit $?",
    "|| :",
    "||:",
    "|| true",
    "||true",
    "|| exit 0",
    "; exit 0",
    ";",
    ">/dev/null",
    "> /dev/null",
    "2>/dev/null",
    "2> /dev/null",
    "&>/dev/null",
    "&> /dev/null",
    ">&/dev/null",
    ">& /dev/null",
    "2>&1",
    "1>/dev/null",
    ">&2",
    "2>dev/null",
];

/// `text` less such ends.
pub(super) fn plain(text: &str) -> &str {
    let mut rest = text.trim();
    // Of two that fit the longer one: `2>/dev/null` ends with `>/dev/null`.
    while let Some(end) = ENDS.iter().filter(|end| rest.ends_with(**end)).max_by_key(|end| end.len()) {
        rest = rest.strip_suffix(end).unwrap_or(rest).trim_end();
    }
    rest
}

/// The words of one command; `None` if it is more than that.
pub(super) fn words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut inside) = (Vec::new(), None::<String>, None);
    for letter in plain(command).chars() {
        match (inside, letter) {
            (Some(quote), _) if letter == quote => inside = None,
            (Some('"'), '$' | '`' | '\\') => return None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                inside = Some(letter);
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '|' | '&' | ';' | '<' | '>' | '$' | '`' | '(' | ')' | '\\' | '*' | '?' | '#') => return None,
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    (inside.is_none() && !words.is_empty()).then_some(words)
}

/// A program's name without the directory that it is called in.
pub(super) fn program(path: &str) -> &str {
    let directories = ["/usr/lib/systemd/", "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/libexec/"];
    directories.iter().find_map(|directory| path.strip_prefix(directory)).unwrap_or(path)
}

/// Lines with their continuations in one: after a backslash, and after an operator that wants a right side.
pub(super) fn joined(lines: &[Line]) -> Vec<Line> {
    let mut joined: Vec<Line> = Vec::new();
    let mut open = false;
    for line in lines {
        if let Some(last) = joined.last_mut().filter(|last| line.text == "then" && last.text.starts_with("if ")) {
            last.text = format!("{}; then", last.text.trim_end_matches(';'));
            continue;
        }
        let text = line.text.strip_suffix('\\').unwrap_or(&line.text).trim_end();
        match joined.last_mut().filter(|_| open) {
            Some(last) => last.text = format!("{} {}", last.text, text.trim_start()),
            None => joined.push(Line { number: line.number, text: text.to_owned() }),
        }
        open = line.text.ends_with('\\') || text.ends_with("||") || text.ends_with("&&");
    }
    joined
}

/// `NAME=VALUE` of plain text.
pub(super) fn assignment(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let value = value.trim_matches('"');
    let of =
        |text: &str, more: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter));
    (!name.is_empty() && of(name, "_") && !value.is_empty() && of(value, "/._-")).then_some((name, value))
}

/// `text` with the variables known in it.
pub(super) fn expanded(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut plain = text.to_owned();
    // The longer name first: `$pfx6` is not `$pfx` and a 6.
    for (name, value) in variables.iter().rev() {
        plain = plain.replace(&format!("${{{name}}}"), value);
        let mut from = 0;
        while let Some(at) = plain[from..].find(&format!("${name}")).map(|at| at + from) {
            let end = at + 1 + name.len();
            let longer = plain[end..].starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
            if longer {
                from = end;
            } else {
                plain.replace_range(at..end, value);
                from = at + value.len();
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_its_words() {
        let of = |text: &str| words(text).unwrap_or_default().join("|");
        assert_eq!(
            of("useradd -c \"a b\" -d '/x y' --shell=/bin/sh n >/dev/null 2>&1 || :"),
            "useradd|-c|a b|-d|/x y|--shell=/bin/sh|n"
        );
        assert_eq!(of("a '' b ; exit 0"), "a||b");
        for text in ["a; b", "a | b", "a $B", "a \"$B\"", "a `b`", "a > /etc/x", "a *", "a 'b", "a & b", "(a)"] {
            assert_eq!(words(text), None, "{text}");
        }
    }

    #[test]
    fn variables_are_the_longest_that_fit() {
        let variables = [("pfx", "/a"), ("pfx6", "/b")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(expanded("$pfx6 $pfx-x ${pfx}6 $pfxs", &variables), "/b /a-x /a6 $pfxs");
        assert_eq!(assignment("pfx=/usr/sbin/x"), Some(("pfx", "/usr/sbin/x")));
        for text in ["a=`b`", "a=$(b)", "a b=c", "a=b c", "=b", "a="] {
            assert_eq!(assignment(text), None);
        }
    }
}
