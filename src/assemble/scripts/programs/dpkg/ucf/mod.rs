//! ucf: configuration files that scripts handle as dpkg handles those of packages.

mod records;
mod registry;
mod settings;
#[cfg(test)]
mod tests;
mod update;

pub(super) use registry::{query, register};
pub(super) use update::program;
