//! Programs that only answer: what they print may be unknown, but running them changes nothing.

use super::residue::Line;
use super::rpm_commands::substitutes;
use super::shell::{Command, List, Statements, program};

/// Those that write nowhere but to their output, whatever their words are.
const PROGRAMS: [&str; 34] = [
    "arch",
    "basename",
    "cat",
    "cmp",
    "cut",
    "dirname",
    "egrep",
    "expr",
    "fgrep",
    "getenforce",
    "getent",
    "grep",
    "head",
    "id",
    "ls",
    "lsmod",
    "matchpathcon",
    "nproc",
    "paste",
    "pgrep",
    "pidof",
    "readlink",
    "realpath",
    "seq",
    "sestatus",
    "sha256sum",
    "sha512sum",
    "sleep",
    "stat",
    "systemd-detect-virt",
    "tail",
    "tr",
    "uname",
    "wc",
];
/// Verbs of systemctl that ask.
const VERBS: [&str; 7] = ["is-active", "is-enabled", "is-failed", "list-unit-files", "list-units", "show", "status"];

/// Whether a program with these words as written only answers.
pub(super) fn is_question(path: &str, words: &[&str]) -> bool {
    match program(path) {
        "command" => matches!(words, ["-v" | "-V", _]),
        "which" | "type" | "hash" => words.iter().all(|word| !word.starts_with('-')),
        "sort" | "uniq" => {
            let letter = |letter: char| letter.is_ascii_digit() || "-nrukbcdfgVh,.".contains(letter);
            words.iter().all(|word| word.starts_with('-') && !word.starts_with("--") && word.chars().all(letter))
        }
        "sed" => words.split_last().is_some_and(|(command, options)| {
            let plain = |word: &&str| ["-n", "-r", "-E", "-e"].contains(word);
            options.iter().all(plain) && substitutes(command.trim_matches('\''))
        }),
        // Macros and `--pipe` run programs.
        "rpm" => {
            let query = words.first().is_some_and(|word| word.starts_with("-q") && word.len() < 4);
            let plain = |word: &&str| {
                !["--pipe", "--define", "--eval", "--load", "-D", "-E"].iter().any(|it| word.starts_with(it))
            };
            query && words.iter().all(plain)
        }
        "systemctl" => {
            let verb = words.iter().find(|word| !["-q", "--quiet", "--user", "--global"].contains(word));
            verb.is_some_and(|verb| VERBS.contains(verb))
        }
        name => PROGRAMS.contains(&name),
    }
}

/// Whether a command line, as it stands between `$(` and `)`, asks only.
pub(super) fn only(text: &str) -> bool {
    // Questions in questions are rare, and would have to be counted.
    if text.contains("$(") || text.contains('`') || text.contains('\n') {
        return false;
    }
    let mut statements = Statements::of(&[Line { number: 1, text: text.trim().to_owned() }]);
    let Some((statement, ..)) = statements.next() else { return false };
    statements.unread().is_none() && asks(&vec![statement])
}

fn asks(list: &List) -> bool {
    let pipelines = list.iter().flat_map(|it| std::iter::once(&it.first).chain(it.rest.iter().map(|(_, next)| next)));
    pipelines.flat_map(|pipeline| &pipeline.commands).all(|command| {
        let words = command.raw();
        let echoes = |name: &str| ["echo", "true", ":"].contains(&name);
        matches!(command, Command::Simple { .. })
            && words.split_first().is_some_and(|(name, rest)| echoes(name) || is_question(name, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_that_write_nowhere_are_questions() {
        for text in [
            "uname -r",
            "readlink -e $a$b",
            "cat /etc/group 2>/dev/null | cut -d: -f1 | sort -u",
            "grep -q a /etc/x || echo no",
            "systemctl is-enabled x.service",
            "rpm -q --qf '%{VERSION}' glibc",
            "readlink /etc/nsswitch.conf || echo /etc/nsswitch.conf",
        ] {
            assert!(only(text), "{text}");
        }
        for text in [
            "rm -rf /etc",
            "cat /etc/x > /etc/y",
            "uname; rm x",
            "uname | tee /etc/x",
            "sort -o /etc/x /etc/y",
            "cat x | sort --output=/etc/x",
            "rpm -E '%(rm -rf /etc)'",
            "rpm -q --pipe 'sh' x",
            "systemctl -t is-active disable x",
            "sed -n 's/a/b/w /etc/x'",
            "systemctl enable x",
            "rpm -e x",
            "cat $(rm -rf /etc)",
            "cat a &",
            "",
        ] {
            assert!(!only(text), "{text}");
        }
    }
}
