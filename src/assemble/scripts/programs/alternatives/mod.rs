//! update-alternatives and Red Hat's alternatives: one name, several programs.

mod debian;
mod display;
mod end;
mod red_hat;
mod relink;
pub mod state;

use super::row::Row;
use crate::package::Family;
pub use state::{Alternatives, Choice, Group, Slave};

const ABOUT: &str = "links and state of the group as the tool makes them; choices that are pruned go at the end";

pub const ROWS: &[Row] = &[
    Row::native("update-alternatives", debian::program, ABOUT).of(Family::Deb),
    Row::native("update-alternatives", red_hat::program, ABOUT).of(Family::Rpm),
    Row::native("alternatives", red_hat::program, ABOUT).of(Family::Rpm),
];

#[cfg(test)]
mod tests;
