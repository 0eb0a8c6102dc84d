//! A `.deb` → [`Package`].
//!
//! A deb is an `ar` archive of three members: `debian-binary`, `control.tar` and `data.tar`, the last two compressed
//! each in its own way (deb(5); in doubt, dpkg-deb is right). Files go to the store as they are unpacked, so memory
//! stays flat; the list of what was unpacked is kept there too, and a second build does not decompress anything.
//! Every error names the package, the member and the byte.

pub(crate) mod control;
pub(crate) mod relations;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

use super::{Family, Package, PackageId, Script, saved, tarball};
use crate::store::Store;
use crate::tree::path::escape;
use crate::tree::{Digest, TreePath};

/// The largest package of Debian 13 unpacks to less than 6 GiB, in less than 200,000 files.
const DATA_LIMITS: tarball::Limits = tarball::Limits { bytes: 16 << 30, entries: 2_000_000 };
/// Control parts are scripts and lists of checksums.
const CONTROL_LIMITS: tarball::Limits = tarball::Limits { bytes: 64 << 20, entries: 10_000 };
/// `xz -9` needs 65 MiB; more is not a package's.
const XZ_MEMORY: u64 = 256 << 20;
/// Members of the control part that dpkg runs.
const SCRIPTS: [&str; 5] = ["config", "preinst", "postinst", "prerm", "postrm"];
/// Kind under which unpacked packages are kept in the store; changes with `saved.rs` and with what is read here.
const KEPT: &str = "deb-2";

/// What the store keeps of a package that was unpacked before, if all its files are still there.
pub fn unpacked(store: &Store, digest: &Digest) -> Result<Option<Package>> {
    saved::kept(store, KEPT, digest)
}

/// Unpacks a deb that is the blob `digest` of the store, unless that was done before. `named` is how errors call it.
pub fn load(store: &Store, digest: &Digest, named: &str) -> Result<Package> {
    if let Some(package) = unpacked(store, digest)? {
        return Ok(package);
    }
    let path = store.blob_path(digest);
    let file = File::open(&path).with_context(|| format!("opening {named}: {}", path.display()))?;
    let package = unpack(&mut BufReader::with_capacity(1 << 16, file), named, store)?;
    store.put_derived(KEPT, digest, &saved::encode(&package))?;
    Ok(package)
}

/// Unpacks a deb from a reader, its files into the store.
pub fn unpack(deb: &mut dyn Read, named: &str, store: &Store) -> Result<Package> {
    read(deb, store, DATA_LIMITS).with_context(|| format!("unpacking {named}"))
}

fn read(deb: &mut dyn Read, store: &Store, limits: tarball::Limits) -> Result<Package> {
    let mut magic = [0; 8];
    deb.read_exact(&mut magic).context("at byte 0: the file has no 8 bytes")?;
    ensure!(magic == *b"!<arch>\n", "at byte 0: this is not a deb, which starts with `!<arch>`");
    let mut offset = magic.len() as u64;
    let mut control = None;
    let mut first = true;
    loop {
        let Some(member) = next_member(deb, offset)? else {
            bail!("at byte {offset}: the file ends before the member `{}`", missing(first, control.is_none()));
        };
        let at = || format!("{} at byte {offset}", escape(member.name.as_bytes()));
        let mut body = deb.take(member.size);
        let mut data = None;
        match (member.name.as_str(), &mut control) {
            ("debian-binary", _) if first => {
                let mut text = String::new();
                body.by_ref().take(64).read_to_string(&mut text).with_context(at)?;
                let text = text.trim_end();
                ensure!(text.starts_with("2."), "{}: format `{}` is not known, only 2", at(), escape(text.as_bytes()));
            }
            (_, _) if first => bail!("{}: the first member must be `debian-binary`", at()),
            (name, control @ None) if name.starts_with("control.tar") => {
                *control = Some(read_control(&mut body, &name["control.tar".len()..]).with_context(at)?);
            }
            (name, Some(_)) if name.starts_with("data.tar") => {
                let mut sink = |_: &TreePath, contents: &mut dyn Read, size: u64| store.put_reader(contents, size);
                let stream = decompress(&mut body, &name["data.tar".len()..]).with_context(at)?;
                data = Some(tarball::read(stream, limits, &mut sink).with_context(at)?);
            }
            // deb(5): names with an underscore are for later formats and may be skipped.
            (name, _) if name.starts_with('_') => {}
            _ => bail!("{}: the member `{}` should come here", at(), missing(false, control.is_none())),
        }
        std::io::copy(&mut body, &mut std::io::sink()).with_context(at)?;
        let left = body.limit();
        ensure!(left == 0, "{}: the file ends {left} bytes before this member does", at());
        if let (Some(files), Some(control)) = (data, control.take_if(|_| member.name.starts_with("data.tar"))) {
            return Ok(Package { files, ..control });
        }
        if member.size % 2 == 1 {
            deb.read_exact(&mut [0]).with_context(|| format!("{}: the file ends after this member", at()))?;
        }
        offset += 60 + member.size + member.size % 2;
        first = false;
    }
}

fn missing(first: bool, no_control: bool) -> &'static str {
    match (first, no_control) {
        (true, _) => "debian-binary",
        (_, true) => "control.tar",
        (_, false) => "data.tar",
    }
}

struct Member {
    name: String,
    size: u64,
}

/// The next 60-byte header, whose fields are text padded with spaces: name 16, time 12, owner 6, group 6, mode 8,
/// size 10, and the two bytes that end it.
fn next_member(deb: &mut dyn Read, offset: u64) -> Result<Option<Member>> {
    let mut header = Vec::new();
    deb.take(60).read_to_end(&mut header).with_context(|| format!("at byte {offset}"))?;
    if header.is_empty() {
        return Ok(None);
    }
    ensure!(header.len() == 60, "at byte {offset}: the file ends in the header of a member");
    ensure!(header.ends_with(b"`\n"), "at byte {offset}: this is not the header of a member");
    let field = |from: usize, to: usize| std::str::from_utf8(&header[from..to]).map(str::trim_end);
    let name = field(0, 16).with_context(|| format!("at byte {offset}: the name of a member"))?;
    let size = field(48, 58).with_context(|| format!("at byte {offset}: the size of a member"))?;
    // The field's ten digits bound the size, so sums of it cannot overflow.
    let size = size.parse().with_context(|| format!("at byte {offset}: the size `{}`", escape(size.as_bytes())))?;
    Ok(Some(Member { name: name.strip_suffix('/').unwrap_or(name).to_owned(), size }))
}

fn decompress<'a>(body: &'a mut dyn Read, suffix: &str) -> Result<Box<dyn Read + 'a>> {
    Ok(match suffix {
        "" => Box::new(body),
        ".gz" => Box::new(GzDecoder::new(body)),
        ".xz" => Box::new(XzDecoder::new_stream(body, Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?)),
        ".zst" => Box::new(zstd::stream::read::Decoder::new(body)?),
        _ => bail!("the compression `{}` is not known, only .gz, .xz and .zst", escape(suffix.as_bytes())),
    })
}

/// Everything but the files.
fn read_control(body: &mut dyn Read, suffix: &str) -> Result<Package> {
    let mut contents = BTreeMap::new();
    let mut sink = |path: &TreePath, data: &mut dyn Read, size: u64| {
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes)?;
        ensure!(bytes.len() as u64 == size, "the data ends after {} of {size} bytes", bytes.len());
        let digest = Digest::of(&bytes);
        contents.insert(String::from_utf8_lossy(path.name()).into_owned(), bytes);
        Ok(digest)
    };
    tarball::read(decompress(body, suffix)?, CONTROL_LIMITS, &mut sink)?;
    let stanza = contents.remove("control").context("the file `control` is missing")?;
    let control = control::parse(&stanza).context("reading `control`")?;
    let field = |name: &str| {
        let value = control.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
        value.filter(|value| !value.is_empty()).with_context(|| format!("`control` has no field `{name}`"))
    };
    let id = PackageId { name: field("Package")?, version: field("Version")?, arch: field("Architecture")? };
    let script = |name: &&str| contents.remove(*name).map(|text| Script { name: (*name).to_owned(), text });
    let scripts = SCRIPTS.iter().filter_map(script).collect();
    Ok(Package { id, family: Family::Deb, control, files: Vec::new(), scripts, members: contents })
}

#[cfg(test)]
pub(crate) mod tests;
