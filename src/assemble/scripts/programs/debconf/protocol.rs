//! The commands of debconf's protocol (debconf-devel(7)), as its noninteractive front end answers them.
//!
//! A command is one line of words, its reply a status and a text. Nothing is ever asked: `INPUT` says 30, and `GO` gives
//! each question that was to be asked the answer of the recipe or its default.

use super::database::{Database, Question, flag};
use super::template::{self, is_space};
use crate::shell::{Bytes, Stop};

const BAD: u8 = 10;
const SYNTAX: u8 = 20;
const SKIPPED: u8 = 30;
const INTERNAL: u8 = 100;

/// What one script and debconf have said to each other.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The package whose script it is.
    pub owner: Bytes,
    /// The script said `CAPB escape`: backslashes and newlines are escaped in what follows.
    escapes: bool,
    /// Questions that wait for `GO`.
    waiting: Vec<Bytes>,
    /// `PROGRESS START` came.
    progress: bool,
}

impl Session {
    pub(super) fn of(owner: Bytes) -> Session {
        Session { owner, ..Session::default() }
    }
}

/// Status and text. A reply without a text is its status alone, with an empty one a status and a space.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub status: u8,
    pub text: Option<Bytes>,
}

impl Reply {
    fn new(status: u8, text: impl Into<Bytes>) -> Reply {
        Reply { status, text: Some(text.into()) }
    }

    fn done() -> Reply {
        Reply { status: 0, text: None }
    }

    /// The line that goes over the wire, cut at the first newline.
    pub(super) fn line(&self) -> Bytes {
        let mut line = self.status.to_string().into_bytes();
        if let Some(text) = &self.text {
            line.push(b' ');
            line.extend(text.iter().take_while(|byte| **byte != b'\n'));
        }
        line
    }
}

type Answer = Result<Reply, Reply>;

/// Whether a line asks for a file of templates: its path, and whose they are.
pub(super) fn template_file(session: &Session, line: &[u8]) -> Option<(Bytes, Option<Bytes>)> {
    let mut words = words(session, line).into_iter();
    let command = words.next()?;
    if !command.eq_ignore_ascii_case(b"x_loadtemplatefile") {
        return None;
    }
    let (path, owner, more) = (words.next()?, words.next(), words.next());
    more.is_none().then_some((path, owner))
}

/// Loads a file of templates; its text is nothing if it is not there.
pub(super) fn load(database: &mut Database, owner: &[u8], path: &[u8], text: Option<&[u8]>) -> Reply {
    let Some(text) = text else {
        let path = String::from_utf8_lossy(path);
        return Reply::new(BAD, format!("failed to open {path}: No such file or directory"));
    };
    let parsed = template::parse(text);
    for stanza in parsed.stanzas {
        database.load(owner, stanza);
    }
    match parsed.mistake {
        Some(mistake) => Reply::new(INTERNAL, mistake),
        None => Reply::done(),
    }
}

/// Answers one line. `STOP` has no reply.
pub(super) fn answer(database: &mut Database, session: &mut Session, line: &[u8]) -> Result<Option<Reply>, Stop> {
    let words = words(session, line);
    let Some((command, words)) = words.split_first() else {
        let line = String::from_utf8_lossy(line);
        return Ok(Some(Reply::new(SYNTAX, format!("Bad line \"{line}\" received from confmodule."))));
    };
    let command = String::from_utf8_lossy(command).to_ascii_lowercase();
    if command == "stop" {
        return Ok(None);
    }
    let answer = match command.as_str() {
        "metaget" => metaget(database, session, words)?,
        "input" => input(database, session, words)?,
        "progress" => progress(database, session, words)?,
        "register" => register(database, session, words)?,
        "go" if words.is_empty() => Ok(go(database, session)?),
        "go" => Err(wrong_number()),
        _ => simple(database, session, &command, words).unwrap_or_else(|| {
            let line = String::from_utf8_lossy(line);
            Err(Reply::new(
                SYNTAX,
                format!("Unsupported command \"{command}\" (full line was \"{line}\") received from confmodule."),
            ))
        }),
    };
    Ok(Some(answer.unwrap_or_else(|reply| reply)))
}

/// Commands that cannot end the run; nothing if there is no such command.
fn simple(database: &mut Database, session: &mut Session, command: &str, words: &[Bytes]) -> Option<Answer> {
    Some(match command {
        "version" => version(words),
        "capb" => {
            session.escapes = words.iter().any(|word| word == b"escape");
            Ok(Reply::new(0, "multiselect escape "))
        }
        "title" | "beginblock" | "endblock" => Ok(Reply::done()),
        "settitle" => exactly(words, 1).and_then(|()| quoted(database, &words[0])).map(|()| Reply::done()),
        "info" => info(database, words),
        "clear" => exactly(words, 0).map(|()| {
            session.waiting.clear();
            Reply::done()
        }),
        "get" => get(database, session, words),
        "set" => set(database, words),
        "reset" => reset(database, words),
        "subst" => subst(database, words),
        "fget" => fget(database, words),
        "fset" => fset(database, words),
        "unregister" => unregister(database, session, words),
        "purge" => exactly(words, 0).map(|()| {
            let names: Vec<Bytes> = database.questions.keys().cloned().collect();
            names.iter().for_each(|name| database.disown(name, &session.owner));
            Reply::done()
        }),
        "data" => data(database, session, words),
        "visible" => exactly(words, 2).and_then(|()| find(database, &words[1])).map(|_| Reply::new(0, "true")),
        "exist" => exactly(words, 1).map(|()| Reply::new(0, flag(database.questions.contains_key(&words[0])))),
        // With a path it was done by `load` before.
        "x_loadtemplatefile" => Err(wrong_number()),
        _ => return None,
    })
}

fn words(session: &Session, line: &[u8]) -> Vec<Bytes> {
    if session.escapes {
        return unescaped_words(line);
    }
    let words = line.split(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    words.map(<[u8]>::to_vec).collect()
}

/// Words in which a backslash takes the next character as it is, and `\n` is a newline.
fn unescaped_words(line: &[u8]) -> Vec<Bytes> {
    let mut words = Vec::new();
    let mut word = Bytes::new();
    let mut rest = line;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [next, behind @ ..]) if *next != b'\n' => {
                word.push(if *next == b'n' { b'\n' } else { *next });
                rest = behind;
            }
            (byte, _) if is_space(*byte) => {
                words.push(std::mem::take(&mut word));
                let text = after.iter().position(|byte| !is_space(*byte)).unwrap_or(after.len());
                rest = &after[text..];
            }
            (byte, _) => word.push(*byte),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Backslashes and newlines as `CAPB escape` has them.
pub(super) fn escape(text: &[u8]) -> Bytes {
    let mut escaped = Bytes::with_capacity(text.len());
    for byte in text {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            byte => escaped.push(*byte),
        }
    }
    escaped
}

pub(super) fn unescape(text: &[u8]) -> Bytes {
    let mut plain = Bytes::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [next, behind @ ..]) if *next != b'\n' => {
                plain.push(if *next == b'n' { b'\n' } else { *next });
                rest = behind;
            }
            (byte, _) => plain.push(*byte),
        }
    }
    plain
}

fn wrong_number() -> Reply {
    Reply::new(SYNTAX, "Incorrect number of arguments")
}

fn exactly(words: &[Bytes], number: usize) -> Result<(), Reply> {
    if words.len() == number { Ok(()) } else { Err(wrong_number()) }
}

fn at_least(words: &[Bytes], number: usize) -> Result<(), Reply> {
    if words.len() >= number { Ok(()) } else { Err(wrong_number()) }
}

fn find<'d>(database: &'d Database, name: &[u8]) -> Result<&'d Question, Reply> {
    database.questions.get(name).ok_or_else(|| absent(name))
}

fn find_mut<'d>(database: &'d mut Database, name: &[u8]) -> Result<&'d mut Question, Reply> {
    database.questions.get_mut(name).ok_or_else(|| absent(name))
}

fn absent(name: &[u8]) -> Reply {
    Reply::new(BAD, [name, b" doesn't exist"].concat())
}

/// Some commands put the name into quotes when it is missing.
fn quoted(database: &Database, name: &[u8]) -> Result<(), Reply> {
    let missing = || Reply::new(BAD, [b"\"", name, b"\" doesn't exist"].concat());
    database.questions.contains_key(name).then_some(()).ok_or_else(missing)
}

/// The number at the beginning of a word, as Perl reads it: nothing there is zero.
fn number(word: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(word);
    let text = text.trim_start();
    let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let mut end = usize::from(text.starts_with(['-', '+']));
    end += digits(&text[end..]);
    if text[end..].starts_with('.') {
        end += 1 + digits(&text[end + 1..]);
    }
    text[..end].parse().unwrap_or(0.0)
}

fn version(words: &[Bytes]) -> Answer {
    let shown = |word: &Bytes| String::from_utf8_lossy(word).into_owned();
    match words {
        [] => {}
        [word] if number(word).trunc() < 2.0 => {
            return Err(Reply::new(SKIPPED, format!("Version too low ({})", shown(word))));
        }
        [word] if number(word).trunc() > 2.0 => {
            return Err(Reply::new(SKIPPED, format!("Version too high ({})", shown(word))));
        }
        [_] => {}
        _ => return Err(wrong_number()),
    }
    Ok(Reply::new(0, "2.0"))
}

fn info(database: &Database, words: &[Bytes]) -> Answer {
    match words {
        [] => {}
        [name] => quoted(database, name)?,
        _ => return Err(wrong_number()),
    }
    Ok(Reply::done())
}

/// Whether the front end has an element for questions of this kind; the first letter may be a capital. A question whose
/// template has lost its fields has none, and is asked like a string.
fn is_asked(kind: &[u8]) -> bool {
    let kinds = ["", "boolean", "error", "multiselect", "note", "password", "progress", "select", "string", "text"];
    let mut kind = kind.to_vec();
    if let Some(first) = kind.first_mut() {
        first.make_ascii_lowercase();
    }
    kinds.iter().any(|known| known.as_bytes() == kind)
}

fn input(database: &Database, session: &mut Session, words: &[Bytes]) -> Result<Answer, Stop> {
    let [priority, name] = words else { return Ok(Err(wrong_number())) };
    let Some(question) = database.questions.get(name) else {
        return Ok(quoted(database, name).map(|()| Reply::done()));
    };
    if !["low", "medium", "high", "critical"].iter().any(|known| known.as_bytes() == priority) {
        let priority = String::from_utf8_lossy(priority);
        return Ok(Err(Reply::new(SYNTAX, format!("\"{priority}\" is not a valid priority"))));
    }
    let kind = database.kind(question);
    if !is_asked(&kind) {
        let (name, kind) = (String::from_utf8_lossy(name), String::from_utf8_lossy(&kind));
        return Err(Stop::unsupported("debconf", format!("INPUT of `{name}`, a question of the type `{kind}`")));
    }
    if !session.waiting.contains(name) {
        session.waiting.push(name.clone());
    }
    Ok(Ok(Reply::new(SKIPPED, "question skipped")))
}

/// Every question that waits gets the value that nobody changed; of a list its first choice if it has none of them.
fn go(database: &mut Database, session: &mut Session) -> Result<Reply, Stop> {
    for name in std::mem::take(&mut session.waiting) {
        let Some(question) = database.questions.get(&name) else { continue };
        let value = match database.kind(question).to_ascii_lowercase().as_slice() {
            b"error" | b"text" => Bytes::new(),
            b"select" => {
                let (value, choices) = (database.value(question), database.choices(question)?);
                if choices.contains(&value) { value } else { choices.into_iter().next().unwrap_or_default() }
            }
            _ => database.value(question),
        };
        if let Some(question) = database.questions.get_mut(&name) {
            question.value = Some(value);
        }
    }
    Ok(Reply::new(0, "ok"))
}

fn get(database: &Database, session: &Session, words: &[Bytes]) -> Answer {
    exactly(words, 1)?;
    let value = database.value(find(database, &words[0])?);
    Ok(said(session, value))
}

/// A value, escaped where the script can take that.
fn said(session: &Session, value: Bytes) -> Reply {
    if session.escapes { Reply::new(1, escape(&value)) } else { Reply::new(0, value) }
}

fn set(database: &mut Database, words: &[Bytes]) -> Answer {
    at_least(words, 1)?;
    find_mut(database, &words[0])?.value = Some(words[1..].join(&b' '));
    Ok(Reply::new(0, "value set"))
}

fn reset(database: &mut Database, words: &[Bytes]) -> Answer {
    exactly(words, 1)?;
    let default = database.template_field(&find(database, &words[0])?.template, b"default");
    let question = find_mut(database, &words[0])?;
    question.value = Some(default);
    question.flags.insert(b"seen".to_vec(), flag(false));
    Ok(Reply::done())
}

fn subst(database: &mut Database, words: &[Bytes]) -> Answer {
    at_least(words, 2)?;
    find_mut(database, &words[0])?.variables.insert(words[1].clone(), words[2..].join(&b' '));
    Ok(Reply::done())
}

/// `isdefault` is the old name of the opposite of `seen`.
fn fget(database: &Database, words: &[Bytes]) -> Answer {
    exactly(words, 2)?;
    let question = find(database, &words[0])?;
    let value = |name: &[u8]| question.flags.get(name).cloned().unwrap_or_else(|| flag(false));
    Ok(Reply::new(0, if words[1] == b"isdefault" { flag(value(b"seen") != b"true") } else { value(&words[1]) }))
}

fn fset(database: &mut Database, words: &[Bytes]) -> Answer {
    at_least(words, 3)?;
    let question = find_mut(database, &words[0])?;
    let value = words[2..].join(&b' ');
    if words[1] == b"isdefault" {
        question.flags.insert(b"seen".to_vec(), flag(value != b"true"));
        return fget(database, &words[..2]);
    }
    question.flags.insert(words[1].clone(), value.clone());
    Ok(Reply::new(0, value))
}

fn register(database: &mut Database, session: &Session, words: &[Bytes]) -> Result<Answer, Stop> {
    let [template, name] = words else { return Ok(Err(wrong_number())) };
    // debconf looks for a question of the template's name.
    let Some(question) = database.questions.get(template) else {
        return Ok(Err(Reply::new(BAD, [b"No such template, \"", template.as_slice(), b"\""].concat())));
    };
    if database.kind(question).is_empty() && !database.questions.contains_key(name) {
        let template = String::from_utf8_lossy(template);
        return Err(Stop::unsupported("debconf", format!("REGISTER of a question by `{template}`, which has no type")));
    }
    database.register(template, name, &session.owner);
    Ok(Ok(Reply::done()))
}

fn unregister(database: &mut Database, session: &Session, words: &[Bytes]) -> Answer {
    exactly(words, 1)?;
    find(database, &words[0])?;
    if session.waiting.contains(&words[0]) {
        return Err(Reply::new(BAD, [words[0].as_slice(), b" is busy, cannot unregister right now"].concat()));
    }
    database.disown(&words[0], &session.owner);
    Ok(Reply::done())
}

/// Fields of which debconf's own objects make something else than a text.
const NO_FIELDS: [&[u8]; 12] = [
    b"new",
    b"get",
    b"iterator",
    b"choices_split",
    b"value_split",
    b"variable",
    b"flag",
    b"addowner",
    b"removeowner",
    b"fields",
    b"priority",
    b"stringify",
];

fn metaget(database: &Database, session: &Session, words: &[Bytes]) -> Result<Answer, Stop> {
    let [name, field] = words else { return Ok(Err(wrong_number())) };
    let question = match find(database, name) {
        Ok(question) => question,
        Err(reply) => return Ok(Err(reply)),
    };
    let field = field.to_ascii_lowercase();
    if NO_FIELDS.contains(&field.as_slice()) {
        return Err(Stop::unsupported("debconf", format!("METAGET of `{}`", String::from_utf8_lossy(&field))));
    }
    Ok(Ok(said(session, database.question_field(name, question, &field)?)))
}

/// Nobody sees a bar: the arguments are checked, and that it was started.
fn progress(database: &Database, session: &mut Session, words: &[Bytes]) -> Result<Answer, Stop> {
    let Some((command, words)) = words.split_first() else { return Ok(Err(wrong_number())) };
    let command = command.to_ascii_lowercase();
    let checked = match command.as_slice() {
        b"start" => exactly(words, 3).and_then(|()| {
            let shown = |word: &Bytes| String::from_utf8_lossy(word).into_owned();
            if number(&words[0]) > number(&words[1]) {
                let text = format!("min ({}) > max ({})", shown(&words[0]), shown(&words[1]));
                return Err(Reply::new(SYNTAX, text));
            }
            find(database, &words[2]).map(|_| session.progress = true)
        }),
        b"set" | b"step" => exactly(words, 1),
        b"info" => exactly(words, 1).and_then(|()| find(database, &words[0]).map(|_| ())),
        b"stop" => exactly(words, 0),
        _ => Err(Reply::new(SYNTAX, "Unknown subcommand")),
    };
    if let Err(reply) = checked {
        return Ok(Err(reply));
    }
    if !session.progress {
        return Err(Stop::unsupported("debconf", "PROGRESS before PROGRESS START"));
    }
    session.progress = command != b"stop";
    Ok(Ok(Reply::new(0, "OK")))
}

/// `DATA` makes a template field by field.
fn data(database: &mut Database, session: &Session, words: &[Bytes]) -> Answer {
    at_least(words, 3)?;
    let (name, item) = (&words[0], &words[1]);
    let value = unescape_data(&words[2..].join(&b' '));
    match (database.templates.contains_key(name), item == b"type") {
        (false, false) => {
            let item = String::from_utf8_lossy(item);
            Err(Reply::new(BAD, format!("Template data field '{item}' received before type field")))
        }
        (true, true) => Err(Reply::new(BAD, "Template type already set")),
        (known, _) => {
            if !known {
                database.declare(name, &session.owner);
            }
            let template = database.templates.entry(name.clone()).or_default();
            template.fields.insert(item.clone(), value);
            Ok(Reply::done())
        }
    }
}

/// Only `\n`, `\"` and `\\` are escapes here.
fn unescape_data(text: &[u8]) -> Bytes {
    let mut plain = Bytes::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [next @ (b'n' | b'"' | b'\\'), behind @ ..]) => {
                plain.push(if *next == b'n' { b'\n' } else { *next });
                rest = behind;
            }
            (byte, _) => plain.push(*byte),
        }
    }
    plain
}
