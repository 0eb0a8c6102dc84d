//! What files hold: bytes named by their SHA-256, kept in memory only when they are small and ours.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::hex;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub fn of(bytes: impl AsRef<[u8]>) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// Parses 64 hexadecimal digits of either case.
    pub fn parse(text: &str) -> Option<Digest> {
        hex::decode(text).map(Digest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not a SHA-256")))
    }
}

/// The bytes of a regular file.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Written by the builder itself: small.
    Inline(Arc<[u8]>),
    /// In the store under this digest.
    Stored { digest: Digest, size: u64 },
}

impl Content {
    pub fn inline(bytes: impl Into<Vec<u8>>) -> Content {
        Content::Inline(bytes.into().into())
    }

    pub fn size(&self) -> u64 {
        match self {
            Content::Inline(bytes) => bytes.len() as u64,
            Content::Stored { size, .. } => *size,
        }
    }

    pub fn digest(&self) -> Digest {
        match self {
            Content::Inline(bytes) => Digest::of(bytes),
            Content::Stored { digest, .. } => *digest,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes sha256:{}", self.size(), self.digest())
    }
}

/// Where stored contents are read from: the store in a build, a map in a test.
pub trait Contents: Sync {
    /// Opens the file that holds exactly the bytes with this digest.
    fn open(&self, digest: &Digest) -> io::Result<File>;

    /// Takes bytes that turned out to be other ones out of the store, if it can be filled again.
    fn forget(&self, _: &Digest) {}
}

/// The error for `found` under the name of `digest`: a file may be damaged and keep its size, by a power cut on some
/// file systems or by a bad disk. The next build then unpacks it anew.
pub fn damaged(contents: &dyn Contents, digest: &Digest, found: &Digest) -> io::Error {
    contents.forget(digest);
    let problem = format!("the store had other bytes under sha256:{digest}, with sha256:{found}");
    io::Error::new(io::ErrorKind::InvalidData, format!("{problem}; they were taken out: run the build again"))
}

/// A content opened for reading at any offset, by any thread.
#[derive(Debug)]
pub enum Opened {
    Inline(Arc<[u8]>),
    File(File),
}

impl Content {
    pub fn open(&self, contents: &dyn Contents) -> io::Result<Opened> {
        Ok(match self {
            Content::Inline(bytes) => Opened::Inline(bytes.clone()),
            Content::Stored { digest, .. } => Opened::File(contents.open(digest)?),
        })
    }

    /// The whole content in memory: for files that the builder interprets (units, modules, certificates).
    pub fn read(&self, contents: &dyn Contents) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.size()).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.open(contents)?.read_exact_at(&mut bytes, 0)?;
        if let Content::Stored { digest, .. } = self {
            let found = Digest::of(&bytes);
            if found != *digest {
                return Err(damaged(contents, digest, &found));
            }
        }
        Ok(bytes)
    }
}

impl Opened {
    /// Fills `buffer` from `offset`; an error if the content ends before.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Opened::File(file) => file.read_exact_at(buffer, offset),
            Opened::Inline(bytes) => {
                let start = usize::try_from(offset).map_err(io::Error::other)?;
                let part = start.checked_add(buffer.len()).and_then(|end| bytes.get(start..end));
                buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}
