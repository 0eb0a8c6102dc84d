//! The programs against the real ones: the same command lines in the same small tree, on disk and as a value.

mod bench;
mod corpus;
mod fixed;
mod lists;
mod random;
