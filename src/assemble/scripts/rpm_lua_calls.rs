//! What functions a scriptlet in Lua can call at all, whatever it makes of them.
//!
//! `%pretrans` runs before anything is installed. Where every function that a script names only asks, removes or renames,
//! it does nothing on an empty disk, in whatever order it calls them. Lua 5.4, §3.1 and §3.3.6; rpm's docs/manual/lua.md.

use super::residue::Line;

/// Functions of the libraries that can write or run something are in none of these.
const POSIX: [&str; 10] =
    ["access", "chmod", "chown", "files", "getenv", "readlink", "rmdir", "stat", "uname", "unlink"];
const OS: [&str; 6] = ["date", "getenv", "remove", "rename", "time", "tmpname"];
const RPM: [&str; 2] = ["expand", "vercmp"];
/// Whole libraries, and plain functions.
const LIBRARIES: [&str; 3] = ["string", "table", "math"];
const FUNCTIONS: [&str; 9] = ["ipairs", "next", "pairs", "print", "select", "tonumber", "tostring", "type", "error"];
/// Methods of texts and of files that are read.
const METHODS: [&str; 12] =
    ["byte", "close", "find", "format", "gmatch", "gsub", "len", "lines", "lower", "match", "sub", "upper"];
/// Names through which everything else can be reached.
const REACHING: [&str; 14] = [
    "_ENV",
    "_G",
    "debug",
    "dofile",
    "getmetatable",
    "io",
    "load",
    "loadfile",
    "loadstring",
    "package",
    "pcall",
    "rawget",
    "require",
    "setmetatable",
];
const KEYWORDS: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    /// Whether there is a percent sign in it.
    Text {
        percent: bool,
    },
    Sign(char),
}

pub(super) fn only_asks_or_removes(lines: &[Line]) -> bool {
    let Some(tokens) = tokens(lines) else { return false };
    let name = |at: usize| match tokens.get(at) {
        Some(Token::Name(name)) => Some(name.as_str()),
        _ => None,
    };
    let sign = |at: usize| match tokens.get(at) {
        Some(Token::Sign(sign)) => Some(*sign),
        _ => None,
    };
    for at in 0..tokens.len() {
        let before = at.checked_sub(1).and_then(sign);
        let called = matches!(tokens.get(at + 1), Some(Token::Text { .. } | Token::Sign('(' | '{')));
        let Some(word) = name(at) else {
            // What a bracket gives, or another call, is not known by a name.
            let again = matches!(sign(at), Some(')' | ']')) && matches!(tokens.get(at + 1), Some(Token::Text { .. }));
            if again || sign(at) == Some(']') && sign(at + 1) == Some('(') {
                return false;
            }
            continue;
        };
        let library: Option<&[&str]> = match word {
            "posix" => Some(&POSIX),
            "os" => Some(&OS),
            "rpm" => Some(&RPM),
            _ => None,
        };
        let known = match (before, library) {
            (Some('.'), _) => {
                let owner = at.checked_sub(2).and_then(name).unwrap_or_default();
                let of_library = ["posix", "os", "rpm"].contains(&owner) || LIBRARIES.contains(&owner);
                !called || of_library
            }
            (Some(':'), _) => !called || METHODS.contains(&word),
            // A macro can run programs.
            (_, Some(_)) if name(at + 2) == Some("expand") => {
                plain_text(tokens.get(at + 4)) && sign(at + 5) == Some(')')
            }
            (_, Some(functions)) => sign(at + 1) == Some('.') && name(at + 2).is_some_and(|it| functions.contains(&it)),
            _ if LIBRARIES.contains(&word) => sign(at + 1) == Some('.') && name(at + 2) != Some("dump"),
            _ if REACHING.contains(&word) => false,
            _ => !called || FUNCTIONS.contains(&word) || KEYWORDS.contains(&word),
        };
        if !known {
            return false;
        }
    }
    true
}

fn plain_text(token: Option<&Token>) -> bool {
    matches!(token, Some(Token::Text { percent: false }))
}

/// Nothing if the text is more than plain words, texts of one line and signs.
fn tokens(lines: &[Line]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    for line in lines {
        let mut rest = line.text.as_str();
        while let Some(letter) = rest.chars().next() {
            let after = &rest[letter.len_utf8()..];
            rest = match letter {
                '-' if after.starts_with("-[") => return None,
                '-' if after.starts_with('-') => "",
                '"' | '\'' => {
                    let left = text_end(after, letter)?;
                    let percent = after[..after.len() - left.len()].contains('%');
                    tokens.push(Token::Text { percent });
                    left
                }
                _ if letter.is_ascii_alphanumeric() || letter == '_' => {
                    let length = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
                    let (name, left) = rest.split_at(length.unwrap_or(rest.len()));
                    tokens.push(Token::Name(name.to_owned()));
                    left
                }
                '[' if after.starts_with(['[', '=']) => return None,
                _ if letter.is_whitespace() => after,
                _ => {
                    tokens.push(Token::Sign(letter));
                    after
                }
            };
        }
    }
    Some(tokens)
}

/// What follows a text whose first mark was read.
fn text_end(text: &str, mark: char) -> Option<&str> {
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next()?;
        } else if letter == mark {
            return Some(&text[at + mark.len_utf8()..]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> bool {
        let lines = text.lines().enumerate().map(|(at, line)| Line { number: at + 1, text: line.trim().to_owned() });
        only_asks_or_removes(&lines.collect::<Vec<_>>())
    }

    #[test]
    fn what_moves_old_things_away_does_nothing_on_an_empty_disk() {
        for text in [
            "path = \"/usr/share/x\"\nst = posix.stat(path)\nif st and st.type == \"directory\" then\n\
             status = os.rename(path, path .. \".rpmmoved\")\nif not status then\nsuffix = 0\nwhile not status do\n\
             suffix = suffix + 1\nstatus = os.rename(path .. \".rpmmoved\", path .. \".rpmmoved.\" .. suffix)\nend\n\
             os.rename(path, path .. \".rpmmoved\")\nend\nend",
            "local old = {\"a.conf\", \"b.conf\"}\nlocal target = posix.readlink(\"/etc/x\")\nfor k,v in ipairs(old) do\n\
             if target == v then\nposix.unlink(\"/etc/x\")\nbreak\nend\nend",
        ] {
            assert!(of(text), "{text}");
        }
    }

    #[test]
    fn nothing_that_writes_or_runs_can_be_reached() {
        for text in [
            "posix.mkdir(\"/x\")",
            "posix.symlink(\"a\", \"/x\")",
            "os.execute(\"rm -rf /\")",
            "f = posix.mkdir\nf(\"/x\")",
            "p = posix\np.mkdir(\"/x\")",
            "posix[\"mkdir\"](\"/x\")",
            "x = {posix}",
            "io.open(\"/etc/x\", \"w\")",
            "load(\"x\")()",
            "_G.os.execute(\"x\")",
            "_ENV[\"o\" .. \"s\"].execute(\"x\")",
            "rpm.execute(\"x\")",
            "rpm.expand(\"%(rm -rf /)\")",
            "rpm.expand(x)",
            "f:write(\"x\")",
            "require \"posix\"",
            "function f() end\nf()",
            "string.dump(x)",
            "(\"x\"):rep(9):write(\"x\")",
            "--[[ x ]]",
            "x = [[\nposix.stat(\"/\")]]",
        ] {
            assert!(!of(text), "{text}");
        }
    }
}
