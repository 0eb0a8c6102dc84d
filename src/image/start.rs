//! Starting a node from elsewhere than its disk: its own kernel and initrd, with more words on the command line.

use std::fmt;

use super::initrd::archive::Initrd;
use super::parts::Parts;
use super::uki;

/// What outputs that start a node are made from.
pub trait Start: fmt::Debug {
    /// The one that the node has on its disk.
    fn command_line(&self) -> &str;

    /// A unified kernel image with this command line.
    fn uki(&self, command_line: &str) -> anyhow::Result<Vec<u8>>;
}

/// A recipe's own.
#[derive(Debug, Clone, Copy)]
pub struct OfNode<'a> {
    pub parts: &'a Parts<'a>,
    pub initrd: &'a Initrd,
    pub command_line: &'a str,
}

impl Start for OfNode<'_> {
    fn command_line(&self) -> &str {
        self.command_line
    }

    fn uki(&self, command_line: &str) -> anyhow::Result<Vec<u8>> {
        uki::make(self.parts, self.initrd, command_line)
    }
}
