//! The programs around debconf's database that scripts may call.

use super::conversation::{converse, template_text};
use super::database::flag;
use super::{protocol, template};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

/// `debconf-communicate [PACKAGE]`: commands in, replies out; the status is that of the last one.
pub(super) fn communicate(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, &["default-priority", "frontend|f=", "priority|p=", "terse"], true)?;
    let mut status = 127;
    if let Some(owner) = given.operands.first() {
        let running = &call.machine.running;
        call.machine.debconf.enter(&running.package, &running.script);
        call.machine.debconf.session.owner = owner.clone();
    }
    for line in lines(&call.input()) {
        let reply = converse(call.machine, call.name, line)?;
        status = reply.as_ref().map_or(0, |reply| reply.status);
        let mut line = reply.map(|reply| reply.line()).unwrap_or_default();
        line.push(b'\n');
        call.out(line)?;
    }
    Ok(status)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

const KINDS: [&str; 9] = ["select", "boolean", "string", "multiselect", "note", "password", "text", "title", "seen"];

/// `debconf-set-selections [-c] [-u] [FILE…]`: a line is owner, question, type and answer.
pub(super) fn set_selections(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, &["verbose|v", "checkonly|c", "unseen|u"], true)?;
    if given.has("unseen") {
        return call.unsupported("answers that do not count as given (`-u`)");
    }
    let mut text = Bytes::new();
    for file in &given.operands {
        match call.machine.files.read(&call.path(file))? {
            Ok(read) => text.extend(read),
            Err(errno) => call.error(format!("{}: {errno}", String::from_utf8_lossy(file)))?,
        }
    }
    if given.operands.is_empty() {
        text = call.input();
    }
    let mut status = 0;
    for line in selections(&text) {
        match selection(&line) {
            None => {}
            Some(Err(mistake)) => status = call.fail(1, mistake)?,
            Some(Ok(_)) if given.has("checkonly") => {}
            Some(Ok((question, kind, value))) if kind == b"seen" => {
                let Some(question) = call.machine.debconf.database.questions.get_mut(&question) else {
                    status =
                        call.fail(1, format!("Cannot find a question for {}", String::from_utf8_lossy(&question)))?;
                    continue;
                };
                question.flags.insert(kind, value);
            }
            Some(Ok((question, _, value))) => call.machine.debconf.database.answer(&question, &value),
        }
    }
    Ok(status)
}

/// Lines; one that ends with a backslash goes on.
fn selections(text: &[u8]) -> Vec<Bytes> {
    let mut all = Vec::new();
    let mut open = None;
    for line in lines(text) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut whole: Bytes = open.take().unwrap_or_default();
        match line.strip_suffix(b"\\") {
            Some(part) => {
                whole.extend_from_slice(part);
                open = Some(whole);
            }
            None => {
                whole.extend_from_slice(line);
                all.push(whole);
            }
        }
    }
    all.extend(open);
    all
}

type Selection = (Bytes, Bytes, Bytes);

fn selection(line: &[u8]) -> Option<Result<Selection, String>> {
    let mut rest = line;
    let mut word = || {
        let start = rest.iter().position(|byte| !template::is_space(*byte))?;
        let text = &rest[start..];
        let end = text.iter().position(|byte| template::is_space(*byte)).unwrap_or(text.len());
        rest = &text[end..];
        Some(text[..end].to_vec())
    };
    let owner = word()?;
    if owner.starts_with(b"#") {
        return None;
    }
    let (Some(question), Some(kind)) = (word(), word()) else {
        return Some(Err(format!("parse error: `{}`", String::from_utf8_lossy(line))));
    };
    if !KINDS.iter().any(|known| known.as_bytes() == kind) {
        return None;
    }
    let value = rest.get(1..).unwrap_or_default().to_vec();
    Some(Ok((question, kind, value)))
}

/// `debconf-show PACKAGE…`
pub(super) fn show(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, &[], true)?;
    if given.operands.is_empty() {
        return call.fail(1, "a package name is missing");
    }
    let database = &call.machine.debconf.database;
    let mut text = Bytes::new();
    for (name, question) in &database.questions {
        if !question.owners.iter().any(|owner| given.operands.contains(owner)) {
            continue;
        }
        let seen = question.flags.get(b"seen".as_slice()) == Some(&flag(true));
        text.extend_from_slice(if seen { b"* " } else { b"  " });
        text.extend_from_slice(name);
        text.push(b':');
        let value = database.value(question);
        if database.kind(question) == b"password" {
            text.extend_from_slice(b" (password omitted)");
        } else if !value.is_empty() {
            text.push(b' ');
            text.extend_from_slice(&value);
        }
        text.push(b'\n');
    }
    call.out(text)?;
    Ok(0)
}

/// `debconf-escape -e` and `-u`.
pub(super) fn escape(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, &["escape|e", "unescape|u"], true)?;
    if given.has("escape") == given.has("unescape") {
        return call.fail(1, "exactly one of -e and -u must be used");
    }
    if !given.operands.is_empty() {
        return call.unsupported("files instead of the standard input");
    }
    let input = call.input();
    call.out(if given.has("escape") { protocol::escape(&input) } else { protocol::unescape(&input) })?;
    Ok(0)
}

/// `debconf-loadtemplate OWNER FILE…`
pub(super) fn load_template(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, &[], true)?;
    let Some((owner, files)) = given.operands.split_first().filter(|(_, files)| !files.is_empty()) else {
        return call.fail(1, "an owner and a file are missing");
    };
    for file in files {
        let path = call.path(file);
        let text = template_text(call.machine, &path)?;
        let reply = protocol::load(&mut call.machine.debconf.database, owner, file, text.as_deref());
        if reply.status != 0 {
            return call.fail(1, String::from_utf8_lossy(&reply.line()));
        }
    }
    Ok(0)
}
