//! The Unified Kernel Image (UAPI Unified Kernel Image Specification): systemd's EFI stub with the kernel, the initrd
//! and the command line in sections.
//!
//! Gives the bytes of `EFI/Linux/NAME+3.efi`. The command line in it is the one that counts: with it the root hash is
//! part of what is signed.

use std::fmt;

use anyhow::{Context, anyhow};

use super::initrd::archive::Initrd;
use super::parts::Parts;
use crate::formats::pe::{self, NewSection, PeError};
use crate::tree::{Kind, TreePath};

/// Longest command line that a kernel keeps: `COMMAND_LINE_SIZE` is 2048 on x86 and arm64, with the NUL.
const COMMAND_LINE_MAX: usize = 2047;

/// The unified kernel image of a node, signed if the recipe says so.
pub fn make(parts: &Parts<'_>, initrd: &Initrd, command_line: &str) -> anyhow::Result<Vec<u8>> {
    // Where systemd's packages put it.
    let stub = parts.tool(&format!("/usr/lib/systemd/boot/efi/linux{}.efi.stub", parts.recipe.arch.efi))?;
    let kernel = parts.kernel.image.read(parts.contents).context("reading the kernel")?;
    let os_release = os_release(parts)?;
    let uki = assemble(&Sections {
        stub: &stub,
        kernel: &kernel,
        initrd: &initrd.bytes,
        command_line,
        os_release: &os_release,
        kernel_release: &parts.kernel.release,
    });
    parts.signed("the unified kernel image", uki.context("making the unified kernel image")?)
}

fn os_release(parts: &Parts<'_>) -> anyhow::Result<String> {
    let path = TreePath::parse("/usr/lib/os-release").context("reading the path of os-release")?;
    match parts.tree.get(&path).map(|inode| &inode.kind) {
        Some(Kind::File(content)) => {
            let bytes = content.read(parts.contents).context("reading /usr/lib/os-release of the root")?;
            String::from_utf8(bytes).context("reading /usr/lib/os-release of the root")
        }
        _ => Err(anyhow!("the root has no /usr/lib/os-release: no package brings the distribution's base files")),
    }
}

/// What the sections of a UKI hold.
#[derive(Debug, Clone, Copy)]
pub struct Sections<'a> {
    /// systemd's `linuxx64.efi.stub` or the like.
    pub stub: &'a [u8],
    pub kernel: &'a [u8],
    pub initrd: &'a [u8],
    pub command_line: &'a str,
    /// The root's os-release: boot menus show its `PRETTY_NAME` and order by its version.
    pub os_release: &'a str,
    /// The kernel's release: `uname -r`.
    pub kernel_release: &'a str,
}

/// Why there is no UKI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UkiError {
    CommandLineTooLong {
        bytes: usize,
    },
    /// A control character in the command line or the kernel's release.
    BadText {
        section: &'static str,
    },
    /// The stub or the kernel is not what it should be, or they do not go together.
    Stub(PeError),
    Kernel(PeError),
}

impl fmt::Display for UkiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UkiError::CommandLineTooLong { bytes } => {
                write!(f, "the kernel command line has {bytes} bytes; the kernel keeps {COMMAND_LINE_MAX}")
            }
            UkiError::BadText { section } => write!(f, "the text for `{section}` holds a control character"),
            UkiError::Stub(error) => write!(f, "adding sections to the EFI stub: {error}"),
            UkiError::Kernel(error) => write!(f, "the kernel cannot be started by EFI: {error}"),
        }
    }
}

impl std::error::Error for UkiError {}

/// The UKI with these sections.
pub fn assemble(sections: &Sections<'_>) -> Result<Vec<u8>, UkiError> {
    if sections.command_line.len() > COMMAND_LINE_MAX {
        return Err(UkiError::CommandLineTooLong { bytes: sections.command_line.len() });
    }
    for (section, text) in [(".cmdline", sections.command_line), (".uname", sections.kernel_release)] {
        if text.chars().any(char::is_control) {
            return Err(UkiError::BadText { section });
        }
    }
    pe::sections(sections.kernel).map_err(UkiError::Kernel)?;
    // The kernel last: in memory it may take more than its file, and nothing comes after it.
    let named = [
        (".osrel", sections.os_release.as_bytes()),
        (".cmdline", sections.command_line.as_bytes()),
        (".uname", sections.kernel_release.as_bytes()),
        (".initrd", sections.initrd),
        (".linux", sections.kernel),
    ];
    pe::append(sections.stub, &named.map(|(name, content)| NewSection { name, content })).map_err(UkiError::Stub)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::pe::tests::stub;

    fn sections<'a>(stub: &'a [u8], command_line: &'a str) -> Sections<'a> {
        Sections {
            stub,
            kernel: stub,
            initrd: b"initrd",
            command_line,
            os_release: "ID=worker\n",
            kernel_release: "6.12.1",
        }
    }

    #[test]
    fn a_uki_has_the_parts_as_sections() {
        let stub = stub(0x400);
        let uki = assemble(&sections(&stub, "console=ttyS0 roothash=00")).unwrap();
        insta::assert_snapshot!(pe::dump(&uki).unwrap(), @r"
        .text    address 0x00004000 size       291 file 0x00000400       512 flags 40000040
        .sdmagic address 0x00005000 size       291 file 0x00000600       512 flags 40000040
        .osrel   address 0x00006000 size        10 file 0x00000800       512 flags 40000040
        .cmdline address 0x00007000 size        25 file 0x00000a00       512 flags 40000040
        .uname   address 0x00008000 size         6 file 0x00000c00       512 flags 40000040
        .initrd  address 0x00009000 size         6 file 0x00000e00       512 flags 40000040
        .linux   address 0x0000a000 size      2071 file 0x00001000      2560 flags 40000040
        ");
        assert_eq!(pe::content(&uki, ".cmdline").unwrap(), Some(b"console=ttyS0 roothash=00".as_slice()));
        assert_eq!(pe::content(&uki, ".linux").unwrap(), Some(stub.as_slice()));
    }

    #[test]
    fn parts_that_do_not_work_are_refused() {
        let stub = stub(0x400);
        let error = |sections: Sections<'_>| assemble(&sections).unwrap_err().to_string();
        let long = "x".repeat(2048);
        assert!(error(sections(&stub, &long)).contains("has 2048 bytes; the kernel keeps 2047"));
        assert_eq!(error(sections(&stub, "a\nb")), "the text for `.cmdline` holds a control character");
        assert!(
            error(Sections { kernel: b"\x7fELF", ..sections(&stub, "a") }).starts_with("the kernel cannot be started")
        );
        assert!(
            error(Sections { stub: b"\x7fELF", ..sections(&stub, "a") }).starts_with("adding sections to the EFI stub")
        );
    }
}
