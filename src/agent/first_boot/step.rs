//! What a first boot can do, as values: [`Step`], and a [`Plan`] of them, which people read before it is applied.

use std::fmt;

use crate::agent::secret::Secret;
use crate::image_info::Once;

/// One thing to do. Each can be done twice without harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    SetHostName(String),
    /// Replaces the file if it differs.
    WriteFile {
        path: String,
        content: Vec<u8>,
        mode: u32,
        owner: Owner,
    },
    /// Replaces the agent's own part of a text file that others write too.
    WriteBlock {
        path: String,
        lines: Vec<String>,
        mode: u32,
        owner: Owner,
    },
    MakeDirectory {
        path: String,
        mode: u32,
        owner: Owner,
    },
    Link {
        path: String,
        target: String,
    },
    Remove {
        path: String,
    },
    /// Replaces a file that only root may read, and leaves nothing of the old one.
    WriteSecret {
        path: String,
        content: Secret,
    },
    /// Removes such a file.
    Wipe {
        path: String,
    },
    AddUser {
        name: String,
        gecos: String,
        owner: Owner,
        home: String,
        shell: String,
    },
    JoinGroup {
        user: String,
        group: String,
    },
    Run {
        program: &'static str,
        arguments: Vec<&'static str>,
    },
    /// A program that a package's script left to the first boot.
    Once(Once),
    /// Always the last: from here on the metadata counts as applied.
    MarkApplied(Option<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl Owner {
    pub const ROOT: Owner = Owner { uid: 0, gid: 0 };
}

/// What has to be done, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// What is odd but no mistake: shown in the status.
    pub notes: Vec<String>,
}

/// Written into the marker of a node that has no metadata.
pub const NO_METADATA: &str = "no-metadata";

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::SetHostName(name) => write!(f, "set the host name to {name}"),
            Step::WriteFile { path, content, mode, owner } => {
                write!(f, "write {path} ({}, {mode:04o}, {owner})", counted(content.len(), "byte"))
            }
            Step::WriteBlock { path, lines, .. } if lines.is_empty() => write!(f, "leave nothing of ours in {path}"),
            Step::WriteBlock { path, lines, mode, owner } => {
                write!(f, "put {} of ours into {path} ({mode:04o}, {owner})", counted(lines.len(), "line"))
            }
            Step::MakeDirectory { path, mode, owner } => write!(f, "make the directory {path} ({mode:04o}, {owner})"),
            Step::Link { path, target } => write!(f, "link {path} to {target}"),
            Step::Remove { path } => write!(f, "remove {path}"),
            Step::WriteSecret { path, .. } => write!(f, "write {path} (secret, 0600, {})", Owner::ROOT),
            Step::Wipe { path } => write!(f, "wipe {path}"),
            Step::AddUser { name, owner, home, shell, .. } => {
                write!(f, "add the user {name} ({owner}, {home}, {shell})")
            }
            Step::JoinGroup { user, group } => write!(f, "make {user} a member of {group}"),
            Step::Run { program, arguments } => write!(f, "run {program} {}", arguments.join(" ")),
            // Of a shell's text the name that it was given.
            Step::Once(Once { arguments, .. }) if arguments.first().is_some_and(|first| first == "-c") => {
                write!(f, "run {}", arguments.get(2..).unwrap_or_default().join(" "))
            }
            Step::Once(Once { program, arguments, .. }) => write!(f, "run {program} {}", arguments.join(" ")),
            Step::MarkApplied(Some(id)) => write!(f, "mark {id} as applied"),
            Step::MarkApplied(None) => write!(f, "mark a node without metadata as set up"),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// One numbered line for each step, then the notes.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:2}. {step}", index + 1)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}
