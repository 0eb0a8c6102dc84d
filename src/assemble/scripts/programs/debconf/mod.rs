//! debconf: templates, answers, and the commands of confmodule.
//!
//! Questions are answered by the recipe or by their templates' defaults, as the noninteractive front end does it.

mod confmodule;
mod database;
mod programs;
mod protocol;
pub mod template;

use super::Row;
use crate::assemble::scripts::machine::Machine;
use crate::shell::{Bytes, Stop, World};
use database::Database;
use protocol::{Reply, Session};

/// What the functions of the sourced library call.
const PROGRAM: &str = "_nodesmith_debconf";

pub const ROWS: &[Row] = &[
    Row::native(PROGRAM, confmodule::command, "debconf's commands, answered from the recipe and the templates"),
    Row::native("debconf-communicate", programs::communicate, "debconf's commands from the standard input"),
    Row::native("debconf-set-selections", programs::set_selections, "answers for questions that come later"),
    Row::native("debconf-show", programs::show, "the questions of a package and their answers"),
    Row::native("debconf-escape", programs::escape, "values with escaped backslashes and newlines"),
    Row::native("debconf-loadtemplate", programs::load_template, "template files are loaded for a package"),
    Row::refuse("debconf", "a program that speaks debconf's protocol itself has nobody to talk to"),
    Row::nothing("dpkg-preconfigure", "every package's questions are asked before it is installed anyway"),
    Row::nothing("debconf-apt-progress", "nobody watches a progress bar while an image is built"),
    Row::refuse("debconf-copydb", "debconf's databases are not files while an image is built"),
    Row::refuse("dpkg-reconfigure", "a package that is configured again has no fresh installation's state"),
];

#[derive(Debug, Default)]
pub struct Debconf {
    database: Database,
    session: Session,
    /// Package and script that the session belongs to.
    script: (String, String),
}

impl Debconf {
    /// The recipe's answer to a question, whenever that question comes.
    pub fn preseed(&mut self, question: &str, value: &str) {
        self.database.answer(question.as_bytes(), value.as_bytes());
    }

    /// The recipe's answers to questions that no package has asked.
    pub fn unasked(&self) -> impl Iterator<Item = &str> {
        let unasked = self.database.answers.iter().filter(|(_, (_, asked))| !asked);
        unasked.filter_map(|(name, _)| std::str::from_utf8(name).ok())
    }

    /// Loads a package's templates, before its `config`. A file that debconf would refuse is a mistake; what stands
    /// before it is loaded.
    pub fn load_templates(&mut self, package: &str, text: &[u8]) -> Result<(), String> {
        let parsed = template::parse(text);
        for stanza in parsed.stanzas {
            self.database.load(package.as_bytes(), stanza);
        }
        parsed.mistake.map_or(Ok(()), Err)
    }

    /// Answers one line of the protocol: status and text; nothing to `STOP`.
    pub fn say(&mut self, line: &[u8]) -> Result<Option<(u8, Bytes)>, Stop> {
        let reply = protocol::answer(&mut self.database, &mut self.session, line)?;
        Ok(reply.map(|reply| (reply.status, reply.text.unwrap_or_default())))
    }

    /// Every script speaks for itself: what it asked without `GO`, and its capabilities, end with it.
    fn enter(&mut self, package: &str, script: &str) {
        if self.script.0 != package || self.script.1 != script {
            self.script = (package.to_owned(), script.to_owned());
            self.session = Session::of(owner(package));
        }
    }
}

fn owner(package: &str) -> Bytes {
    if package.is_empty() { b"unknown".to_vec() } else { package.as_bytes().to_vec() }
}

/// Sends a command for another program of the script that runs: status and text of the reply.
pub fn say(machine: &mut Machine, command: &str, words: &[&[u8]]) -> Result<(u8, Bytes), Stop> {
    let line = [&[command.as_bytes()], words].concat().join(&b' ');
    let reply = converse(machine, "debconf", &line)?;
    Ok(reply.map_or((0, Bytes::new()), |reply| {
        let text = reply.text.unwrap_or_default();
        (reply.status, if reply.status == 1 { protocol::unescape(&text) } else { text })
    }))
}

/// Sends one line to debconf for the script that runs.
fn converse(machine: &mut Machine, program: &str, line: &[u8]) -> Result<Option<Reply>, Stop> {
    machine.spend(5 + line.len() as u64 / 64)?;
    let running = &machine.running;
    machine.debconf.enter(&running.package, &running.script);
    let file = protocol::template_file(&machine.debconf.session, line);
    let Some((path, owner)) = file else {
        let Debconf { database, session, .. } = &mut machine.debconf;
        return protocol::answer(database, session, line);
    };
    let text = template_text(machine, &path)?;
    machine.spend(text.as_ref().map_or(0, |text| text.len() as u64 / 64))?;
    let Debconf { database, session, .. } = &mut machine.debconf;
    let owner = owner.unwrap_or_else(|| session.owner.clone());
    let reply = protocol::load(database, &owner, &path, text.as_deref());
    if reply.status == 100 {
        return Err(Stop::unsupported(program, format!("the template file `{}`", String::from_utf8_lossy(&path))));
    }
    Ok(Some(reply))
}

/// A template file of the tree, or of dpkg's database, which only is written at the end.
fn template_text(machine: &Machine, path: &[u8]) -> Result<Option<Bytes>, Stop> {
    let path = if path.starts_with(b"/") { path.to_vec() } else { [b"/", path].concat() };
    if let Some(member) = super::dpkg::control_member(machine, &path) {
        return Ok(Some(member.to_vec()));
    }
    Ok(machine.files.read(&path)?.ok())
}

/// Whether a command of confmodule has this name.
pub fn is_special(name: &[u8]) -> bool {
    name == PROGRAM.as_bytes()
}

/// The library's text in place of the one that debconf brings.
pub fn sourced(path: &[u8]) -> Option<&'static str> {
    match path {
        b"/usr/share/debconf/confmodule" | b"/usr/share/debconf/confmodule.sh" => Some(confmodule::TEXT),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
