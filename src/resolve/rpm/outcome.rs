//! What looking for packages comes to.

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// In order of numbers.
    Chosen(Vec<u32>),
    Impossible,
    /// Too hard to say.
    Unknown,
}
