//! What is said about an image, and how much.

use serde_json::Value;

/// An image described for people and for programs.
#[derive(Debug)]
pub struct Description {
    pub text: String,
    pub json: Value,
    /// Whether the root is the one that the kernel's command line names; nothing where there is no such root.
    pub verified: Option<bool>,
}

/// What to say of the files of a root.
#[derive(Debug, Clone, Copy)]
pub enum Listing<'a> {
    None,
    /// All of them; with the manifest of the image's build, also who brought each, which images themselves do not say.
    Files(Option<&'a Value>),
}
