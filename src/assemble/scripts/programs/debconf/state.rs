//! What debconf knows while scripts run: questions with their answers, and the session of the script that talks to it.

use super::database::Database;
use super::protocol::{self, Session};
use super::template;
use crate::shell::{Bytes, Stop};

#[derive(Debug, Default)]
pub struct Debconf {
    pub(super) database: Database,
    pub(super) session: Session,
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
    pub(super) fn enter(&mut self, package: &str, script: &str) {
        if self.script.0 != package || self.script.1 != script {
            self.script = (package.to_owned(), script.to_owned());
            self.session = Session::of(owner(package));
        }
    }
}

fn owner(package: &str) -> Bytes {
    if package.is_empty() { b"unknown".to_vec() } else { package.as_bytes().to_vec() }
}
