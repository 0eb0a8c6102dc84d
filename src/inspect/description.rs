//! What is told of an image: a value, whose text is for people and whose JSON, by serde, for programs.

use serde::Serialize;

use super::boot_files::{EfiProgram, Initrd};
use super::disk::Disk;
use super::root::Root;

/// An image.
#[derive(Debug, Serialize)]
pub struct Description {
    /// The file around the disk, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    #[serde(flatten)]
    pub content: Described,
}

/// A file around a disk.
#[derive(Debug, Serialize)]
pub struct Container {
    /// Its format.
    pub kind: &'static str,
    /// What it says of itself.
    pub text: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Described {
    Disk(Box<Disk>),
    Root(Box<Root>),
    EfiProgram(EfiProgram),
    Initrd(Initrd),
    Untold(Untold),
}

/// What is in a container and is not described.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Untold {
    /// No disk.
    Unknown,
    Unread {
        #[serde(skip)]
        why: String,
    },
}

impl Description {
    /// For people.
    pub fn text(&self) -> String {
        let content = match &self.content {
            Described::Disk(disk) => disk.text(),
            Described::Root(root) => root.text(),
            Described::EfiProgram(program) => program.text(),
            Described::Initrd(initrd) => initrd.text(),
            Described::Untold(Untold::Unknown) => "content: not a disk with a GPT\n".to_owned(),
            Described::Untold(Untold::Unread { why }) => format!("content not read: {why}\n"),
        };
        match &self.container {
            Some(Container { kind, text }) => format!("{kind}\n{text}\n{content}"),
            None => content,
        }
    }

    /// Whether nothing is wrong with it: the root is the one that the kernel's command line names, and has the files of
    /// the manifest it was compared with; what is signed is as it was signed.
    pub fn is_sound(&self) -> bool {
        match &self.content {
            Described::Disk(disk) => disk.is_sound(),
            Described::Root(root) => root.is_sound(),
            Described::EfiProgram(program) => program.signatures.are_sound(),
            Described::Initrd(_) | Described::Untold(_) => true,
        }
    }
}

impl From<Described> for Description {
    fn from(content: Described) -> Description {
        Description { container: None, content }
    }
}
