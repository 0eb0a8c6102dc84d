//! The content-addressed cache that builds read from.
//!
//! ```text
//! STORE/blobs/ab/abcdef…            bytes named by their SHA-256: packages, and the files unpacked from them
//! STORE/derived/KIND/ab/abcdef…     what was computed from a blob, with the mark of the store's key in the first line
//! STORE/copies/ab/abcdef…           texts by the digest of their URL, with their own checksum; whoever reads one judges it
//! STORE/partial/abcdef….part        downloads under way (`repo/fetch.rs`)
//! STORE/tmp/                        files that are not finished; emptied when no other process uses the store
//! ```
//!
//! A file gets its final name only when it is complete, so that a killed build leaves nothing a later one trusts, and
//! two builds may use one store at once: both write the same bytes under the same name. Modes do not depend on the
//! umask. Nothing is synced to the disk: after a power cut a file may be short, which the size check finds, or
//! hold zeros, which whoever reads it finds; then it is forgotten, and unpacked anew by the next build.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::formats::form_cache::FormCache;
use crate::store_key::StoreKey;
use crate::tree::{Contents, Digest};

/// Contents up to this size are hashed in memory first, and not written at all when the store has them: most files of
/// a package are smaller, and a second unpacking of the same bytes then writes nothing.
const HASHED_FIRST_MAX: u64 = 1 << 20;
/// Bytes moved at once when a content is streamed.
const CHUNK: usize = 1 << 17;
const DERIVED_MAGIC: &str = "nodesmith-derived 2";
const COPY_MAGIC: &str = "nodesmith-copy 1";

/// See the module's description.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    key: StoreKey,
    /// Held shared while the store is open: whoever gets it exclusively may empty `tmp/`.
    _users: File,
}

impl Store {
    /// Opens the store at `dir`, making it if there is none. Nothing that another process derived is believed.
    pub fn open(dir: &Path) -> Result<Store> {
        Store::open_with(dir, StoreKey::ephemeral()?)
    }

    /// The same, and what was derived under this key is believed.
    pub fn open_with(dir: &Path, key: StoreKey) -> Result<Store> {
        let opening = || format!("opening the store {}", dir.display());
        for part in ["blobs", "derived", "copies", "partial", "tmp"] {
            make_dir(&dir.join(part)).with_context(opening)?;
        }
        let users = File::options().create(true).truncate(false).write(true).open(dir.join("users.lock"));
        let users = users.with_context(opening)?;
        // Failing to get the lock means that another process is at work, and its unfinished files must stay.
        if users.try_lock().is_ok() {
            empty_dir(&dir.join("tmp")).with_context(opening)?;
            users.unlock().with_context(opening)?;
        }
        users.lock_shared().with_context(opening)?;
        Ok(Store { dir: dir.to_owned(), key, _users: users })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the blob with this digest lies, whether or not it is there.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.dir.join("blobs").join(&name[..2]).join(name)
    }

    pub(super) fn partial_path(&self, digest: &Digest, suffix: &str) -> PathBuf {
        self.dir.join("partial").join(format!("{digest}.{suffix}"))
    }

    /// Whether a blob of this digest and size is there. The size is what a power cut damages; contents are compared
    /// only by [`Store::verified`].
    pub fn has(&self, digest: &Digest, size: u64) -> bool {
        fs::metadata(self.blob_path(digest)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
    }

    /// The blob, read through and found to be right. One that is not is removed, and counts as absent.
    pub fn verified(&self, digest: &Digest) -> Result<Option<File>> {
        let path = self.blob_path(digest);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.with_context(|| format!("opening {}", path.display()))?,
        };
        let found = digest_of_file(&file).with_context(|| format!("reading {}", path.display()))?.0;
        if found == *digest {
            return Ok(Some(file));
        }
        fs::remove_file(&path).with_context(|| format!("removing the damaged {}", path.display()))?;
        Ok(None)
    }

    /// Stores bytes that are in memory.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if !self.has(&digest, bytes.len() as u64) {
            let mut file = self.temporary()?;
            file.write_all(bytes).with_context(|| format!("writing {}", file.path().display()))?;
            self.keep(file, &self.blob_path(&digest))?;
        }
        Ok(digest)
    }

    /// Stores exactly `size` bytes of `reader`, computing the digest on the way.
    pub fn put_reader(&self, reader: &mut dyn Read, size: u64) -> Result<Digest> {
        if size <= HASHED_FIRST_MAX {
            let mut bytes = Vec::new();
            reader.take(size).read_to_end(&mut bytes)?;
            ensure!(bytes.len() as u64 == size, "the data ends after {} of {size} bytes", bytes.len());
            return self.put(&bytes);
        }
        let mut file = self.temporary()?;
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        let mut left = size;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let count = match reader.read(&mut chunk[..want]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            ensure!(count > 0, "the data ends after {} of {size} bytes", size - left);
            hasher.update(&chunk[..count]);
            file.write_all(&chunk[..count]).with_context(|| format!("writing {}", file.path().display()))?;
            left -= count as u64;
        }
        let digest = Digest(hasher.finalize().into());
        if !self.has(&digest, size) {
            self.keep(file, &self.blob_path(&digest))?;
        }
        Ok(digest)
    }

    /// What was kept with [`Store::put_derived`] under this store's key; `None` if it was not, or is damaged.
    pub fn derived(&self, kind: &str, of: &Digest) -> Result<Option<Vec<u8>>> {
        let header = |payload: &[u8]| self.derived_header(kind, of, payload);
        read_marked(&self.derived_path(kind, of), &header)
    }

    /// Keeps something computed from the blob, or the other thing, that `of` names. Its form's version belongs into
    /// `kind` (`deb-1`), which is one path component.
    pub fn put_derived(&self, kind: &str, of: &Digest, payload: &[u8]) -> Result<()> {
        self.put_marked(&self.derived_path(kind, of), &self.derived_header(kind, of, payload), payload)
    }

    fn derived_header(&self, kind: &str, of: &Digest, payload: &[u8]) -> String {
        format!("{DERIVED_MAGIC} {}", self.key.mark(kind, of, payload))
    }

    /// The copy of what an address last gave: what a signature or a digest vouches for, or nobody.
    pub fn copy(&self, address: &Digest) -> Result<Option<Vec<u8>>> {
        read_marked(&self.copy_path(address), &copy_header)
    }

    pub fn put_copy(&self, address: &Digest, text: &[u8]) -> Result<()> {
        self.put_marked(&self.copy_path(address), &copy_header(text), text)
    }

    fn put_marked(&self, path: &Path, header: &str, payload: &[u8]) -> Result<()> {
        let mut file = self.temporary()?;
        let written = writeln!(file, "{header}").and_then(|()| file.write_all(payload));
        written.with_context(|| format!("writing {}", file.path().display()))?;
        self.keep(file, path)
    }

    /// A finished download becomes a blob. The caller has verified it and holds its lock.
    pub(super) fn adopt(&self, part: &Path, digest: &Digest) -> Result<()> {
        let path = self.blob_path(digest);
        let adopting = || format!("moving {} to {}", part.display(), path.display());
        fs::set_permissions(part, Permissions::from_mode(0o644)).with_context(adopting)?;
        make_dir(path.parent().expect("a blob has a directory")).with_context(adopting)?;
        fs::rename(part, &path).with_context(adopting)
    }

    fn derived_path(&self, kind: &str, key: &Digest) -> PathBuf {
        let name = key.to_string();
        self.dir.join("derived").join(kind).join(&name[..2]).join(name)
    }

    fn copy_path(&self, address: &Digest) -> PathBuf {
        let name = address.to_string();
        self.dir.join("copies").join(&name[..2]).join(name)
    }

    fn temporary(&self) -> Result<NamedTempFile> {
        let dir = self.dir.join("tmp");
        NamedTempFile::new_in(&dir).with_context(|| format!("creating a file in {}", dir.display()))
    }

    fn keep(&self, file: NamedTempFile, path: &Path) -> Result<()> {
        let keeping = || format!("writing {}", path.display());
        file.as_file().set_permissions(Permissions::from_mode(0o644)).with_context(keeping)?;
        make_dir(path.parent().expect("files of the store lie in directories of it")).with_context(keeping)?;
        file.persist(path).map_err(|refused| refused.error).with_context(keeping)?;
        Ok(())
    }
}

impl Contents for Store {
    fn open(&self, digest: &Digest) -> io::Result<File> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(|error| io::Error::new(error.kind(), format!("opening {}: {error}", path.display())))
    }

    fn forget(&self, digest: &Digest) {
        // What cannot be removed is found damaged again.
        let _ = fs::remove_file(self.blob_path(digest));
    }
}

/// Compressed forms of files, kept in the store. The writer verifies what it gets back.
impl FormCache for Store {
    fn get(&self, key: &Digest) -> Option<Vec<u8>> {
        // A cache that cannot be read costs time, not correctness.
        self.derived("forms", key).ok().flatten()
    }

    fn put(&self, key: &Digest, form: &[u8]) -> io::Result<()> {
        self.put_derived("forms", key, form).map_err(|error| io::Error::other(format!("{error:#}")))
    }
}

/// Digest and length of what is left in a reader.
pub(crate) fn digest_of_file(mut file: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let size = io::copy(&mut file, &mut hasher)?;
    Ok((Digest(hasher.finalize().into()), size))
}

fn copy_header(text: &[u8]) -> String {
    format!("{COPY_MAGIC} {}", Digest::of(text))
}

/// The bytes behind a first line that is as it should be; `None` for anything else.
fn read_marked(path: &Path, header: &dyn Fn(&[u8]) -> String) -> Result<Option<Vec<u8>>> {
    let mut bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.with_context(|| format!("reading {}", path.display()))?,
    };
    let Some(line_end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    if bytes[..line_end] != *header(&bytes[line_end + 1..]).as_bytes() {
        return Ok(None);
    }
    bytes.drain(..=line_end);
    Ok(Some(bytes))
}

/// Makes a directory and its parents; new ones are 0755 whatever the umask.
fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dir(parent)?;
    }
    match fs::create_dir(dir) {
        // Another thread or process was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        made => made.and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o755))),
    }
}

fn empty_dir(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("a/b")).unwrap();
        (dir, store)
    }

    #[test]
    fn what_is_put_can_be_read_and_is_named_by_its_digest() {
        let (_dir, store) = store();
        let big = vec![7; usize::try_from(HASHED_FIRST_MAX).unwrap() + 3];
        for bytes in [b"".as_slice(), b"small", &big] {
            let digest = store.put_reader(&mut &*bytes, bytes.len() as u64).unwrap();
            assert_eq!(digest, Digest::of(bytes));
            assert_eq!(fs::read(store.blob_path(&digest)).unwrap(), bytes);
            let mode = fs::metadata(store.blob_path(&digest)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o644);
            assert!(store.verified(&digest).unwrap().is_some());
        }
        assert_eq!(fs::read_dir(store.dir().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_reader_that_ends_early_stores_nothing() {
        let (_dir, store) = store();
        let error = store.put_reader(&mut b"abc".as_slice(), 5).unwrap_err();
        assert_eq!(error.to_string(), "the data ends after 3 of 5 bytes");
        let error = store.put_reader(&mut b"abc".as_slice(), HASHED_FIRST_MAX + 1).unwrap_err();
        assert_eq!(error.to_string(), "the data ends after 3 of 1048577 bytes");
        assert_eq!(fs::read_dir(store.dir().join("blobs")).unwrap().count(), 0);
    }

    #[test]
    fn damaged_blobs_count_as_absent_and_are_replaced() {
        let (_dir, store) = store();
        let digest = store.put(b"right").unwrap();
        fs::write(store.blob_path(&digest), "wrong").unwrap();
        assert!(store.has(&digest, 5));
        assert!(store.verified(&digest).unwrap().is_none());
        assert!(!store.has(&digest, 5));
        store.put(b"right").unwrap();
        fs::write(store.blob_path(&digest), "ri").unwrap();
        store.put(b"right").unwrap();
        assert!(store.verified(&digest).unwrap().is_some());
    }

    #[test]
    fn damaged_derived_data_counts_as_absent() {
        let (_dir, store) = store();
        let key = Digest::of("key");
        assert_eq!(store.derived("test-1", &key).unwrap(), None);
        store.put_derived("test-1", &key, b"payload\n").unwrap();
        assert_eq!(store.derived("test-1", &key).unwrap().unwrap(), b"payload\n");
        assert_eq!(store.derived("test-2", &key).unwrap(), None);
        let path = store.derived_path("test-1", &key);
        let bytes = fs::read(&path).unwrap();
        for end in [0, 10, bytes.len() - 1] {
            fs::write(&path, &bytes[..end]).unwrap();
            assert_eq!(store.derived("test-1", &key).unwrap(), None);
        }
    }

    #[test]
    fn what_somebody_without_the_key_puts_into_the_store_counts_as_absent() {
        let (_dir, store) = store();
        let of = Digest::of("blob");
        store.put_derived("test-1", &of, b"payload").unwrap();
        let path = store.derived_path("test-1", &of);
        // A checksum is no mark, nor is that of another blob, of another kind, or of another key.
        fs::write(&path, format!("{DERIVED_MAGIC} {}\nchanged", Digest::of("changed"))).unwrap();
        assert_eq!(store.derived("test-1", &of).unwrap(), None);
        store.put_derived("test-1", &Digest::of("other"), b"other").unwrap();
        fs::copy(store.derived_path("test-1", &Digest::of("other")), &path).unwrap();
        assert_eq!(store.derived("test-1", &of).unwrap(), None);
        store.put_derived("test-2", &of, b"other").unwrap();
        fs::copy(store.derived_path("test-2", &of), &path).unwrap();
        assert_eq!(store.derived("test-1", &of).unwrap(), None);
        let stranger = Store::open(store.dir()).unwrap();
        stranger.put_derived("test-1", &of, b"payload").unwrap();
        assert_eq!(store.derived("test-1", &of).unwrap(), None);
        store.put_derived("test-1", &of, b"payload").unwrap();
        assert_eq!(store.derived("test-1", &of).unwrap().unwrap(), b"payload");
    }

    #[test]
    fn copies_are_for_everybody() {
        let (_dir, store) = store();
        let address = Digest::of("https://x/InRelease");
        store.put_copy(&address, b"text").unwrap();
        let other = Store::open(store.dir()).unwrap();
        assert_eq!(other.copy(&address).unwrap().unwrap(), b"text");
        fs::write(store.copy_path(&address), "text").unwrap();
        assert_eq!(other.copy(&address).unwrap(), None);
    }

    #[test]
    fn unfinished_files_go_when_nobody_else_uses_the_store() {
        let (_dir, first) = store();
        let left = first.dir().join("tmp/left-over");
        fs::write(&left, "").unwrap();
        let second = Store::open(first.dir()).unwrap();
        assert!(left.exists());
        let dir = first.dir().to_owned();
        drop((first, second));
        Store::open(&dir).unwrap();
        assert!(!left.exists());
    }
}
