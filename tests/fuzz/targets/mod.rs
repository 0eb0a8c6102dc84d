//! The fuzz targets: one function a parser, from bytes that nobody vouches for to nothing.
//!
//! A target returns, whatever the bytes are; it panics if the parser does, or if what the parser accepted is not what
//! it should be (what a writer makes of it must be read as the same). libFuzzer runs them (`fuzz_targets/`), and
//! `tests/it/fuzz.rs` runs them on stable over the files in `corpus/TARGET`.

mod archives;
mod disks;
mod fetching;
mod network;
mod programs;
mod texts;

/// The name of a corpus, and what runs over it.
pub(crate) type Target = (&'static str, fn(&[u8]));

pub(crate) const TARGETS: &[Target] = &[
    ("authenticode", programs::authenticode),
    ("awk", programs::awk),
    ("cmdline", texts::cmdline),
    ("control", archives::control),
    ("cpio", archives::cpio),
    ("deb", archives::deb),
    ("debconf", programs::debconf),
    ("dhcp", network::dhcp),
    ("dhcp-answer", fetching::dhcp),
    ("efi-variable", programs::efi_variable),
    ("erofs", disks::erofs),
    ("expansion", programs::expansion),
    ("fat", disks::fat),
    ("file-contexts", texts::file_contexts),
    ("gpt", disks::gpt),
    ("http", network::http),
    ("http-head", fetching::http_head),
    ("images", archives::images),
    ("inrelease", texts::inrelease),
    ("keyring", texts::keyring),
    ("lock", texts::lock),
    ("lua", programs::lua),
    ("metalink", texts::metalink),
    ("microcode", archives::microcode),
    ("mirrorlist", texts::mirrorlist),
    ("module", programs::module),
    ("modules", texts::modules),
    ("netdisk", disks::netdisk),
    ("nocloud", texts::nocloud),
    ("packages", texts::packages),
    ("pe", programs::pe),
    ("primary", texts::primary),
    ("qcow2", disks::qcow2),
    ("recipe", texts::recipe),
    ("release", texts::release),
    ("repomd", texts::repomd),
    ("rpm", archives::rpm),
    ("script", programs::script),
    ("sed", programs::sed),
    ("seed", disks::seed),
    ("signature", texts::signature),
    ("tarball", archives::tarball),
    ("tftp", network::tftp),
    ("unit", programs::unit),
    ("verity", disks::verity),
    ("vhd", disks::vhd),
    ("vhdx", disks::vhdx),
    ("vmdk", disks::vmdk),
    ("volume", disks::volume),
];
