//! What an import on the node would trip over.

use crate::arch::Arch;

/// What is wrong with an archive: slug, what it is, what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) slug: &'static str,
    pub(super) title: String,
    pub(super) help: &'static str,
}

pub(super) fn damaged(title: impl Into<String>) -> Fault {
    Fault { slug: "image-damaged", title: title.into(), help: "make the archive again, and copy it as a whole" }
}

pub(super) fn unnamed() -> Fault {
    Fault {
        slug: "image-unnamed",
        title: "it holds an image without a full name".to_owned(),
        help: "give the image its name with registry and tag when you save it; a pod could not ask for it",
    }
}

pub(super) fn foreign(name: &str, os: &str, architecture: &str, node: &Arch) -> Fault {
    Fault {
        slug: "image-platform",
        title: format!("`{name}` is for {os}/{architecture}, the node is linux/{}", node.oci),
        help: "save the image for the node's platform",
    }
}
