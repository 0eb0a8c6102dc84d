//! Packages in the root: their files, their alternatives, and what rpm knows of them.

pub(super) mod alternatives;
pub(super) mod rpm_database;
pub(super) mod unpack;
