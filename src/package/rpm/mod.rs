//! An `.rpm` → [`Package`].
//!
//! An RPM is a lead, a header with signatures and digests, the main header, and a compressed cpio archive. The main
//! header is believed once a signature of a pinned key over it is good; it has the digest of the payload and of every
//! file, so everything else follows from it. Signatures over header and payload together (rpm 3) count where there is no
//! other. Without a keyring nothing has to be signed: the recipe says so (`signatures: none`).
//! Files go to the store as they are unpacked, and the list of what was unpacked is kept there too.
//! Formats: rpm's docs/manual/format.md; in doubt, `rpm` is right. Every error names the package and a byte or a key.

mod files;
mod header;
mod installed;
mod payload;
mod relations;
mod rich;
mod scripts;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use pgp::crypto::hash::HashAlgorithm;

use super::evr::print_evr;
use super::{Family, FileEntry, FileKind, Package, PackageId, saved};
use crate::base64;
use crate::hex;
use crate::store::{Store, digest_of_file};
use crate::tree::Digest;
use crate::trust::{Keyring, Message, Refusal, Refused, Weakness};
use files::{Kind, Listed};
pub use header::SOURCE_PACKAGE;
use header::{Header, Heads};
pub use installed::{INDEXES, Installed, Key, installed};
pub use relations::{Capabilities, RPMLIB_FEATURES, print};
pub use rich::{Rich, is_rich};

/// The largest RPM of Fedora unpacks to less than 8 GiB.
const PAYLOAD_MAX: u64 = 16 << 30;
/// Kind under which unpacked packages are kept in the store; changes with `saved.rs` and with what is read here.
const KEPT: &str = "rpm-5";
/// The field of [`Package::control`] with the fingerprint of the key that signed the package.
pub const SIGNER: &str = "Signer";
/// The fields of [`Package::control`] with what the package requires, one requirement each.
pub const REQUIRES: &str = "Requires";
/// The fields of [`Package::control`] with what the package provides, by name; paths that it brings are not named.
pub const PROVIDES: &str = "Provides";
/// The fields of [`Package::control`] with the accounts that the package provides: `user(etcd) = BASE64`, `group(etcd)`.
pub const ACCOUNT: &str = "Account";

/// What a package says about itself before anything of it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    pub id: PackageId,
    pub capabilities: Capabilities,
}

/// Reads the headers of an RPM, for the index of a directory. Neither digests nor signatures are looked at.
pub fn describe(path: &Path) -> Result<Description> {
    let reading = || format!("reading {}", path.display());
    let file = File::open(path).with_context(reading)?;
    let heads = header::read(&mut BufReader::with_capacity(1 << 16, file)).with_context(reading)?;
    let description = || -> Result<Description> {
        Ok(Description { id: id(&heads.main)?, capabilities: relations::read(&heads.main)? })
    };
    description().with_context(reading)
}

/// The fingerprint of the key of `keyring` that signed the RPM in blob `digest`, empty without a keyring; its headers'
/// and its payload's digests are checked on the way, and that it is the package `expected`.
pub fn signer(
    store: &Store,
    digest: &Digest,
    named: &str,
    expected: &PackageId,
    keyring: Option<&Keyring>,
) -> Result<String> {
    let mut rpm = open(store, digest)?;
    let heads = header::read(&mut rpm).with_context(|| format!("reading {named}"))?;
    let Verified { signer, .. } = verify(&mut rpm, &heads, keyring).with_context(|| format!("verifying {named}"))?;
    is_expected(&id(&heads.main)?, expected).with_context(|| format!("verifying {named}"))?;
    check_payload(&mut rpm, &heads).with_context(|| format!("verifying {named}"))?;
    Ok(signer)
}

/// What the store keeps of a package that was unpacked before, if all its files are still there and its signature was
/// found to be of one of these keys (of none: was not looked at).
pub fn unpacked(store: &Store, digest: &Digest, signers: &[String]) -> Result<Option<Package>> {
    let package = saved::kept(store, KEPT, digest)?;
    let signer = |package: &Package| package.control.iter().find(|(name, _)| name == SIGNER).map(|(_, it)| it.clone());
    Ok(package.filter(|package| match signer(package).filter(|signer| !signer.is_empty()) {
        Some(signer) => signers.contains(&signer),
        None => signers.is_empty(),
    }))
}

/// Unpacks an RPM that is the blob `digest` of the store, unless that was done before for one of the keyring's keys.
/// `named` is how errors call it; another package than `expected` is refused, whoever signed it.
pub fn load(
    store: &Store,
    digest: &Digest,
    named: &str,
    expected: &PackageId,
    keyring: Option<&Keyring>,
) -> Result<Package> {
    let signers = keyring.map(Keyring::fingerprints).unwrap_or_default();
    let package = match unpacked(store, digest, &signers)? {
        Some(package) if still_counts(&package, keyring) => package,
        _ => {
            let (package, whole) = unpack_and_tell(&mut open(store, digest)?, named, keyring, store)?;
            // What is kept has no payload, so that such a signature could not be looked at again.
            if !whole {
                store.put_derived(KEPT, digest, &saved::encode(&package))?;
            }
            package
        }
    };
    is_expected(&package.id, expected).with_context(|| format!("verifying {named}"))?;
    Ok(package)
}

/// Whether the signature of a package that was unpacked before still counts: its key may have been revoked since.
fn still_counts(package: &Package, keyring: Option<&Keyring>) -> bool {
    let Some(keyring) = keyring else { return true };
    let signer = || -> Result<(String, i64)> {
        let kept = |member: &str| -> Result<Header> {
            let bytes = package.members.get(member).context("it was not kept")?;
            header::read_header(&mut bytes.as_slice(), 0, member, header::STORE_MAX)
        };
        let (main, signature) = (kept(installed::HEADER)?, kept(installed::SIGNATURE_HEADER)?);
        Ok(keyring.verify_detached(&main.bytes, &signatures_of_header(&signature)?)?)
    };
    signer().is_ok()
}

/// A good signature says who made a package, not which one was asked for: an index that nobody signs could offer an old
/// version under the name of a new one.
fn is_expected(found: &PackageId, expected: &PackageId) -> Result<()> {
    let text = || format!("it is {found} ({}), not {expected} ({})", found.arch, expected.arch);
    ensure!(found == expected, Refused::new("other-package", text()));
    Ok(())
}

fn open(store: &Store, digest: &Digest) -> Result<BufReader<File>> {
    let path = store.blob_path(digest);
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Unpacks an RPM, its files into the store.
pub fn unpack<R: Read + Seek>(rpm: &mut R, named: &str, keyring: Option<&Keyring>, store: &Store) -> Result<Package> {
    Ok(unpack_and_tell(rpm, named, keyring, store)?.0)
}

/// Also whether the signature that counts is one over header and payload together.
fn unpack_and_tell<R: Read + Seek>(
    rpm: &mut R,
    named: &str,
    keyring: Option<&Keyring>,
    store: &Store,
) -> Result<(Package, bool)> {
    let heads = header::read(rpm).with_context(|| format!("reading {named}"))?;
    let Verified { signer, whole } = verify(rpm, &heads, keyring).with_context(|| format!("verifying {named}"))?;
    let unpacking = || format!("unpacking {named}");
    let hashed = check_payload(rpm, &heads).with_context(unpacking)?;
    let main = &heads.main;
    let mut package = package(main, signer).with_context(unpacking)?;
    // A digest of a file says something only about what nothing better covers.
    let covered = whole || hashed || keyring.is_none();
    let forgiven = |weak: Weakness| keyring.is_some_and(|keyring| keyring.forgives(weak));
    let believed = |algorithm: HashAlgorithm| match algorithm {
        HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512 => true,
        HashAlgorithm::Md5 => covered || forgiven(Weakness::Md5),
        HashAlgorithm::Sha1 => covered || forgiven(Weakness::Sha1),
        _ => covered,
    };
    let listed = files::list(main, &believed).with_context(unpacking)?;
    let configuration: Vec<String> =
        listed.iter().filter(|file| file.config && !file.ghost).map(|file| format!("{}\n", file.path)).collect();
    if !configuration.is_empty() {
        package.members.insert("conffiles".to_owned(), configuration.concat().into_bytes());
    }
    // For rpm's own database.
    package.members.insert(installed::HEADER.to_owned(), main.bytes.clone());
    package.members.insert(installed::SIGNATURE_HEADER.to_owned(), heads.signature.bytes.clone());
    let form = main.text(PAYLOAD_FORMAT).with_context(unpacking)?.unwrap_or("cpio");
    let read = || -> Result<BTreeMap<payload::Key, Digest>> {
        let text = || format!("the payload's form `{}` is not known, only cpio", form.escape_debug());
        ensure!(form == "cpio", Refused::new("unknown-payload", text()));
        rpm.seek(SeekFrom::Start(heads.payload))?;
        let compressor = main.text(PAYLOAD_COMPRESSOR)?.unwrap_or_default();
        payload::read(payload::decompress(Box::new(rpm), compressor)?, &listed, PAYLOAD_MAX, store)
    };
    let contents = read().with_context(unpacking)?;
    package.files = entries(&listed, &contents).with_context(unpacking)?;
    Ok((package, whole))
}

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const SUMMARY: u32 = 1004;
const LICENSE: u32 = 1014;
const ARCH: u32 = 1022;
const SOURCE_RPM: u32 = 1044;
const PAYLOAD_FORMAT: u32 = 1124;
const PAYLOAD_COMPRESSOR: u32 = 1125;
const PAYLOAD_DIGEST: u32 = 5092;
const PAYLOAD_DIGEST_ALGORITHM: u32 = 5093;

fn id(header: &Header) -> Result<PackageId> {
    ensure!(header.has(SOURCE_RPM), Refused::new(SOURCE_PACKAGE, "this is a source package"));
    let (name, version, release) = (header.need(NAME)?, header.need(VERSION)?, header.need(RELEASE)?);
    for part in [version, release] {
        if let Some(problem) = super::evr::part_problem(part) {
            bail!(Refused::new("bad-header", format!("version or release `{}`: {problem}", part.escape_debug())));
        }
    }
    let epoch = header.number(EPOCH)?.unwrap_or(0);
    let version = print_evr(epoch, version, release);
    Ok(PackageId { name: name.to_owned(), version, arch: header.need(ARCH)?.to_owned() })
}

/// Everything but the files.
fn package(header: &Header, signer: String) -> Result<Package> {
    let mut control = vec![(SIGNER.to_owned(), signer)];
    for (name, tag) in [("Summary", SUMMARY), ("License", LICENSE), ("Source", SOURCE_RPM)] {
        // Summaries in other encodings than UTF-8 exist, and matter to nobody here.
        let text = header.strings(tag)?.first().map(|text| String::from_utf8_lossy(text).into_owned());
        control.extend(text.map(|text| (name.to_owned(), text)));
    }
    let capabilities = relations::read(header)?;
    if let Some(feature) = relations::unknown_feature(&capabilities.requires) {
        let text = format!("it needs `{feature}`, which is a feature of rpm that is not implemented here");
        bail!(Refused::new("rpm-feature", text));
    }
    let requires = capabilities.requires.iter().map(|relation| (REQUIRES.to_owned(), relations::print(relation)));
    control.extend(requires);
    control.extend(capabilities.provides.iter().map(|provided| (PROVIDES.to_owned(), provided.name.clone())));
    let account = |name: &str| ["user(", "group(", "groupmember("].iter().any(|start| name.starts_with(start));
    for provided in capabilities.provides.iter().filter(|provided| account(&provided.name)) {
        let version = provided.version.as_ref().map(|version| format!(" = {version}")).unwrap_or_default();
        control.push((ACCOUNT.to_owned(), format!("{}{version}", provided.name)));
    }
    let (id, scripts) = (id(header)?, scripts::read(header)?);
    Ok(Package { id, family: Family::Rpm, control, files: Vec::new(), scripts, members: BTreeMap::new() })
}

const SIGNATURE_RSA: u32 = 268;
const SIGNATURE_DSA: u32 = 267;
const SIGNATURE_SHA256: u32 = 273;
/// Digests from before rpm 4.14: SHA-1 of the header, MD5 of header and payload.
const SIGNATURE_SHA1: u32 = 269;
const SIGNATURE_MD5: u32 = 1004;
const SIGNATURE_OPENPGP: u32 = 278;
/// Over header and payload together, RSA and DSA: rpm 3's only form, which rpm 4 wrote too until 2023.
const SIGNATURES_OF_WHOLE: [u32; 2] = [1002, 1005];

/// Who vouches for a package.
struct Verified {
    /// Fingerprint of the key that made a good signature, empty without a keyring.
    signer: String,
    /// Whether that signature is over the payload as well.
    whole: bool,
}

/// The main header against its digest and its signatures. Keys are judged at the time of the signature: packages outlive
/// the keys that signed them.
fn verify<R: Read + Seek>(rpm: &mut R, heads: &Heads, keyring: Option<&Keyring>) -> Result<Verified> {
    let (main, signature) = (&heads.main, &heads.signature);
    if let Some(said) = signature.text(SIGNATURE_SHA256)? {
        let found = Digest::of(&main.bytes).to_string();
        let text = || format!("at byte {}: the header's digest is {found}, not {said}", main.offset);
        ensure!(said == found, Refused::new("header-digest", text()));
    } else if let Some(said) = signature.text(SIGNATURE_SHA1)? {
        // Against accidents only: where nothing is signed, an old package has nothing else.
        let found = hex::encode(&HashAlgorithm::Sha1.digest(&main.bytes)?);
        let text = || format!("at byte {}: the header's SHA-1 is {found}, not {}", main.offset, said.escape_debug());
        ensure!(said == found, Refused::new("header-digest", text()));
    }
    let Some(keyring) = keyring else { return Ok(Verified { signer: String::new(), whole: false }) };
    let signatures = signatures_of_header(signature)?;
    let of_header = match signatures.is_empty() {
        true => Err(Refusal::NoSignature { why: "the package is not signed".to_owned() }),
        false => keyring.verify_detached(&main.bytes, &signatures),
    };
    let refusal = match of_header {
        Ok((signer, _)) => return Ok(Verified { signer, whole: false }),
        Err(refusal) => refusal,
    };
    let mut of_whole = Vec::new();
    for tag in SIGNATURES_OF_WHOLE {
        of_whole.extend(signature.binary(tag)?.map(<[u8]>::to_vec));
    }
    if of_whole.is_empty() {
        return Err(refusal.into());
    }
    let verified = keyring.verify_message(&mut Tail { rpm, start: main.offset }, &of_whole);
    // What is wrong with the signature that is there says more than that the other one is not.
    let (signer, _) = verified.map_err(|other| if signatures.is_empty() { other } else { refusal })?;
    Ok(Verified { signer, whole: true })
}

fn signatures_of_header(signature: &Header) -> Result<Vec<Vec<u8>>> {
    // One that is not even base64 is one that is not known.
    let texts = signature.texts(SIGNATURE_OPENPGP)?;
    let mut signatures: Vec<Vec<u8>> = texts.into_iter().filter_map(|text| base64::decode(text).ok()).collect();
    // Whatever the algorithm is: EdDSA and ECDSA are found where DSA was meant to be.
    for tag in [SIGNATURE_RSA, SIGNATURE_DSA] {
        signatures.extend(signature.binary(tag)?.map(<[u8]>::to_vec));
    }
    Ok(signatures)
}

/// A file from a byte on.
struct Tail<'a, R> {
    rpm: &'a mut R,
    start: u64,
}

impl<R: Read> Read for Tail<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.rpm.read(buffer)
    }
}

impl<R: Read + Seek> Message for Tail<'_, R> {
    fn rewind(&mut self) -> io::Result<()> {
        self.rpm.seek(SeekFrom::Start(self.start)).map(|_| ())
    }
}

const SIGNATURE_SIZE: u32 = 1000;
const SIGNATURE_LONG_SIZE: u32 = 270;

/// The payload's length and digest, before anything of it is decompressed. Gives whether there is a digest.
fn check_payload<R: Read + Seek>(rpm: &mut R, heads: &Heads) -> Result<bool> {
    rpm.seek(SeekFrom::Start(heads.payload))?;
    let (found, length) = digest_of_file(&mut *rpm).context("reading the payload")?;
    let said = match heads.signature.number(SIGNATURE_LONG_SIZE)? {
        Some(size) => Some(size),
        None => heads.signature.number(SIGNATURE_SIZE)?,
    };
    // Of header and payload.
    let whole = said.and_then(|size| size.checked_sub(heads.main.bytes.len() as u64));
    if let Some(whole) = whole.filter(|whole| *whole > length) {
        let end = heads.payload + length;
        let text = format!("the file ends at byte {end}, {} bytes before the payload does", whole - length);
        bail!(Refused::new("payload-cut-off", text));
    }
    let algorithm = heads.main.number(PAYLOAD_DIGEST_ALGORITHM)?.unwrap_or(8);
    let Some(said) = heads.main.text(PAYLOAD_DIGEST)?.filter(|_| algorithm == 8) else {
        check_md5(rpm, heads)?;
        return Ok(false);
    };
    let found = found.to_string();
    let text = || format!("at byte {}: the payload's digest is {found}, not {said}", heads.payload);
    ensure!(said == found, Refused::new("payload-digest", text()));
    Ok(true)
}

/// Header and payload against the digest that packages had before their payloads had their own: it tells damage, and
/// is no reason to believe anything.
fn check_md5<R: Read + Seek>(rpm: &mut R, heads: &Heads) -> Result<()> {
    let Some(said) = heads.signature.binary(SIGNATURE_MD5)? else { return Ok(()) };
    rpm.seek(SeekFrom::Start(heads.main.offset))?;
    let mut hasher = HashAlgorithm::Md5.new_hasher()?;
    let mut chunk = vec![0; 1 << 16];
    loop {
        match rpm.read(&mut chunk).context("reading the payload")? {
            0 => break,
            count => hasher.update(&chunk[..count]),
        }
    }
    let (found, said) = (hex::encode(&hasher.finalize()), hex::encode(said));
    let text = || format!("at byte {}: the MD5 of header and payload is {found}, not {said}", heads.main.offset);
    ensure!(said == found, Refused::new("payload-digest", text()));
    Ok(())
}

/// The files as they are to be made: no ghosts, the first name of hard links as the file.
fn entries(listed: &[Listed], contents: &BTreeMap<payload::Key, Digest>) -> Result<Vec<FileEntry>> {
    // First and last name of every file with contents.
    let mut names: BTreeMap<_, (&Listed, &Listed)> = BTreeMap::new();
    for file in listed.iter().filter(|file| !file.ghost) {
        if let Kind::File(Some(said)) = &file.kind {
            names.entry((file.inode, said)).and_modify(|(_, last)| *last = file).or_insert((file, file));
        }
    }
    let mut entries = Vec::new();
    for file in listed.iter().filter(|file| !file.ghost) {
        let mut says = file;
        let kind = match &file.kind {
            Kind::Directory => FileKind::Directory,
            Kind::Symlink(target) => FileKind::Symlink { target: target.clone() },
            Kind::Fifo => FileKind::Fifo,
            Kind::Device => continue,
            Kind::File(said) => {
                let said = said.as_ref().with_context(|| format!("`{}` has no digest", file.path))?;
                let digest = *contents.get(&payload::key(file, said)).with_context(|| format!("`{}`", file.path))?;
                let (first, last) = names[&(file.inode, said)];
                if first.path == file.path {
                    // rpm sets mode and owner of each name after the other: the last one decides about the file.
                    says = last;
                    FileKind::File { digest, size: file.size }
                } else {
                    FileKind::Hardlink { to: first.path.clone() }
                }
            }
        };
        entries.push(FileEntry {
            path: file.path.clone(),
            kind,
            mode: says.mode,
            user: says.user.clone(),
            group: says.group.clone(),
            mtime: says.mtime,
            xattrs: says.xattrs.clone(),
        });
    }
    Ok(entries)
}

#[cfg(test)]
pub(crate) mod tests;
