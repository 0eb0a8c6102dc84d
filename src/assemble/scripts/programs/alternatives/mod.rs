//! update-alternatives and Red Hat's alternatives: one name, several programs.

mod debian;
mod display;
mod red_hat;
mod relink;
mod state;

use std::collections::BTreeMap;

use super::Row;
use crate::package::Family;
use crate::shell::Bytes;
pub use state::{Choice, Group, Slave};

const ABOUT: &str = "links and state of the group as the tool makes them; choices that are pruned go at the end";

pub const ROWS: &[Row] = &[
    Row::native("update-alternatives", debian::program, ABOUT).of(Family::Deb),
    Row::native("update-alternatives", red_hat::program, ABOUT).of(Family::Rpm),
    Row::native("alternatives", red_hat::program, ABOUT).of(Family::Rpm),
];

/// The groups that scripts have made, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Alternatives {
    groups: BTreeMap<Bytes, Group>,
}

impl Alternatives {
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    fn keep(&mut self, group: Group) {
        self.groups.insert(group.name.clone(), group);
    }

    fn forget(&mut self, name: &[u8]) {
        self.groups.remove(name);
    }
}

#[cfg(test)]
mod tests;
