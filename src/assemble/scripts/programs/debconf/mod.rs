//! debconf: templates, answers, and the commands of confmodule.
//!
//! Questions are answered by the recipe or by their templates' defaults, as the noninteractive front end does it.

mod confmodule;
pub(super) mod conversation;
mod database;
mod programs;
mod protocol;
pub mod state;
pub mod template;

use super::row::Row;
use confmodule::PROGRAM;
pub use state::Debconf;

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
