//! Recipes: from files to what a node image is to hold, with every default filled in.
//!
//! `load` reads a file and what it extends, `shape` knows which keys there are, `check` gives the types of `checked`
//! and collects every mistake. After `check` nothing can fail because of the recipe's shape.

pub mod check;
mod checked;
pub mod hardware;
pub mod kernels;
pub mod kubernetes;
pub mod load;
pub mod output;
pub mod print;
mod read;
mod repositories;
mod repository;
mod secure_boot;
pub mod shape;

pub use checked::{
    AcceptedScript, Compression, Disk, Dropped, ImageFile, Iso, Kernel, Modules, Overlay, PackageRequest, Recipe,
    RuntimeSettings, SecureBoot, Selinux, Services, UnknownPrograms, User,
};
pub use repository::{
    AptRepository, DEFAULT_PRIORITY, KeySource, Mirror, Repository, RepositoryKind, RpmRepository, RpmSource,
};
