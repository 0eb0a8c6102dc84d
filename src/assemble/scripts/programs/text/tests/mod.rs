//! The filters against the real programs, and what no real program says.

mod behaviour;
mod bench;
mod lines;
mod random;
