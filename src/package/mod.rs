//! One vocabulary for both package families: what packages are, say about each other, and bring into the tree.

pub mod deb;
pub mod evr;
mod id;
mod relation;
pub mod rpm;
mod saved;
mod tarball;
mod unpacked;
pub mod version;

pub use id::{Family, PackageId};
pub use relation::{Dependency, Operator, Provided, Relation, WeakDependencies};
pub use unpacked::{FileEntry, FileKind, Owner, Package, Script};
