//! What the conditions of RPMs' scripts say on a fresh root: `[`, and questions for files and units.

use super::answers;
use super::image::{Kind, View};
use super::shell::{Argument, program};

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    True,
    False,
    /// A question that the builder cannot answer.
    Unknown,
    /// A command that works, as far as anybody knows.
    Works,
    /// Whether there is an account: what follows makes it unless it is there, as a line of sysusers.d does.
    Account,
    NoAccount,
}

impl Status {
    pub(super) fn inverse(self) -> Status {
        match self {
            Status::True => Status::False,
            Status::False => Status::True,
            Status::Account => Status::NoAccount,
            Status::NoAccount => Status::Account,
            Status::Unknown | Status::Works => Status::Unknown,
        }
    }
}

/// What only a running systemd makes.
const RUNNING: [&str; 2] = ["/run/systemd/system", "/run/systemd"];
/// What `systemd` itself brings, whose macros ask for it.
const SYSTEMD: [&str; 3] = ["/usr/lib/systemd/systemd-update-helper", "/usr/bin/systemctl", "/bin/systemctl"];

fn known(holds: bool) -> Status {
    if holds { Status::True } else { Status::False }
}

/// What `[` says (POSIX.1-2017, `test`).
pub(super) fn test(arguments: &[Argument], view: View) -> Status {
    let text = |argument: &Argument| argument.certain.then(|| argument.text.clone());
    let texts: Vec<Option<String>> = arguments.iter().map(text).collect();
    let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    if texts.len() > 4 {
        return joined(arguments, &texts, view);
    }
    match texts.as_slice() {
        [Some("!"), next, ..] if *next != Some("!") => test(&arguments[1..], view).inverse(),
        [Some("-d" | "-e"), Some(path)] if RUNNING.contains(path) => Status::False,
        [Some("-x" | "-e" | "-f"), Some(path)] if SYSTEMD.contains(path) => Status::True,
        // It is not where the whole system is one image that somebody else made.
        [Some("-w"), Some("/var" | "/etc" | "/usr")] => Status::True,
        [Some("-z"), Some(text)] => known(text.is_empty()),
        [Some("-n"), Some(text)] => known(!text.is_empty()),
        [Some(question), Some(path)] if question.len() == 2 && question.starts_with('-') => file(question, path, view),
        [Some(one), Some("=" | "=="), Some(other)] => known(one == other),
        [Some(one), Some("!="), Some(other)] => known(one != other),
        [Some(one), Some(operator), Some(other)] => {
            let (Ok(one), Ok(other)) = (one.parse::<i64>(), other.parse::<i64>()) else { return Status::Unknown };
            match *operator {
                "-eq" => known(one == other),
                "-ne" => known(one != other),
                "-gt" => known(one > other),
                "-ge" => known(one >= other),
                "-lt" => known(one < other),
                "-le" => known(one <= other),
                _ => Status::Unknown,
            }
        }
        _ => Status::Unknown,
    }
}

/// `A -a B -o C`, without parentheses.
fn joined(arguments: &[Argument], texts: &[Option<&str>], view: View) -> Status {
    for (word, decisive) in [("-o", Status::True), ("-a", Status::False)] {
        // The first word may be `-a FILE`.
        let at = (1..texts.len().saturating_sub(1)).find(|at| texts[*at] == Some(word));
        let Some(at) = at else { continue };
        let (one, other) = (test(&arguments[..at], view), test(&arguments[at + 1..], view));
        return match (one, other) {
            (one, other) if one == decisive || other == decisive => decisive,
            (Status::True | Status::False, other) => other,
            (one, Status::True | Status::False) => one,
            _ => Status::Unknown,
        };
    }
    Status::Unknown
}

fn file(question: &str, path: &str, view: View) -> Status {
    let Some(found) = view.at(path) else { return Status::Unknown };
    let Some(kind) = found else {
        return if "abcdefghkprsuwxGLOS".contains(&question[1..]) { Status::False } else { Status::Unknown };
    };
    match (question, kind) {
        ("-L" | "-h", Kind::Directory | Kind::File { .. }) => Status::False,
        ("-L" | "-h", Kind::Link) => Status::True,
        ("-a" | "-e" | "-r", Kind::Directory | Kind::File { .. }) => Status::True,
        ("-f", kind @ (Kind::Directory | Kind::File { .. })) => known(kind != Kind::Directory),
        ("-d", kind @ (Kind::Directory | Kind::File { .. })) => known(kind == Kind::Directory),
        ("-x", Kind::File { executable, .. }) => known(executable),
        ("-s", Kind::File { empty, .. }) => known(!empty),
        _ => Status::Unknown,
    }
}

/// What a program says that is only asked; nothing if it is none.
pub(super) fn question(path: &str, arguments: &[Argument], view: View) -> Option<Status> {
    let words: Vec<&str> = arguments.iter().map(|argument| argument.text.as_str()).collect();
    let named = |argument: &Argument| argument.certain && argument.text.starts_with('/');
    match program(path) {
        // None is in force where images are made.
        "selinuxenabled" => return Some(Status::False),
        // No boot loader's partition is mounted there.
        "mountpoint" => {
            let boot = arguments.last().is_some_and(|last| named(last) && last.text.starts_with("/boot"));
            return Some(if boot { Status::False } else { Status::Unknown });
        }
        // Whether there is an account of a name.
        "grep" if words.last().is_some_and(|last| ["/etc/passwd", "/etc/group"].contains(last)) => {
            return Some(Status::Account);
        }
        "ls" => {
            let mut files = arguments.iter().filter(|argument| !argument.text.starts_with('-')).peekable();
            let none = |file: &Argument| file.pattern && view.none_fits(&file.text);
            if files.peek().is_some() && files.all(none) {
                return Some(Status::False);
            }
        }
        // There are no lines in a file that is not there.
        "grep" | "egrep" | "fgrep" if arguments.len() > 1 => {
            let absent = |file: &Argument| named(file) && view.at(&file.text) == Some(None);
            // With several files, or the pattern alone, another one counts.
            let single =
                arguments[..arguments.len() - 1].iter().filter(|word| !word.text.starts_with('-')).count() == 1;
            if single && arguments.last().is_some_and(absent) {
                return Some(Status::False);
            }
        }
        _ => {}
    }
    // A word that is not known may be an option.
    let certain = arguments.iter().all(|argument| argument.certain || argument.pattern);
    let asks = answers::is_question(path, &words);
    let options = !matches!(program(path), "sort" | "uniq" | "rpm" | "systemctl" | "command");
    (asks && (certain || options)).then_some(Status::Unknown)
}
