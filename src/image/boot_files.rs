//! What a boot from the network, or without a boot loader, is given: kernel, initrd and command line as files, and the
//! UKI that has all of them.

use anyhow::Context;

use super::initrd::archive::Initrd;
use super::outputs::Outputs;
use super::parts::Parts;

/// Writes them.
pub fn write(
    parts: &Parts<'_>,
    initrd: &Initrd,
    command_line: &str,
    uki: &[u8],
    outputs: &mut Outputs,
) -> anyhow::Result<()> {
    let kernel = parts.kernel.image.read(parts.contents).context("reading the kernel")?;
    outputs.write("vmlinuz", &kernel)?;
    outputs.write("initrd", &initrd.bytes)?;
    outputs.write("cmdline", format!("{command_line}\n").as_bytes())?;
    outputs.write("efi", uki)
}
