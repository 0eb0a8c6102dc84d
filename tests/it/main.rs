//! The integration tests, one binary: what other people's tools say about what we write.
//!
//! * `erofs`: `fsck.erofs` of erofs-utils unpacks our images to the tree they were made of.
//! * `import`: a directory of this machine as a tree, for comparisons.

mod erofs;
mod import;
