//! A file on a web server, read at any place; cheap where one read follows the other, and kept up over breaks.

use std::io::Read as _;

use anyhow::{Result, bail};

use super::client::{Client, Failure};
use super::connection::{self, Answer};
use super::patience::Patience;
use super::url::Url;

/// Bytes that are read and forgotten at once, where a server gives no parts of files.
const SKIP_BYTES: usize = 64 << 10;

/// The file, and the answer that is being read.
#[derive(Debug)]
pub struct RemoteFile {
    client: Client,
    url: Url,
    /// With the place of its next byte.
    answer: Option<(u64, Answer)>,
}

impl RemoteFile {
    /// Asks for nothing yet.
    pub fn new(client: Client, url: Url) -> RemoteFile {
        RemoteFile { client, url, answer: None }
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Fills the buffer with what the file has from `at` on. A connection that breaks is made anew at the byte that is
    /// missing.
    ///
    /// # Errors
    /// There is no such file or it is shorter; nothing came for as long as the client has patience.
    pub fn read_exact_at(&mut self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let what = format!("fetching {}", self.url);
        let mut patience = Patience::new(self.client.patience);
        let mut filled = 0;
        while filled < buffer.len() {
            let why = match self.read_some(at.saturating_add(filled as u64), &mut buffer[filled..]) {
                Ok(read) => {
                    filled += read;
                    patience.renew();
                    continue;
                }
                Err(Failure::Passing(why)) => why,
                Err(Failure::TooShort) => bail!("{what}: it ends before byte {}", at.saturating_add(filled as u64)),
                Err(Failure::Missing) => bail!("{what}: the server has no such file"),
                Err(Failure::Final(why)) => bail!("{what}: {why}"),
            };
            self.answer = None;
            patience.wait(&what, &why)?;
        }
        Ok(())
    }

    /// At least one byte.
    fn read_some(&mut self, at: u64, buffer: &mut [u8]) -> Result<usize, Failure> {
        let (place, answer) = match self.answer.take_if(|(place, _)| *place == at) {
            Some(open) => self.answer.insert(open),
            None => self.answer.insert((at, self.open(at)?)),
        };
        let read = answer.read(buffer).map_err(|error| Failure::Passing(connection::told(&error)))?;
        if read == 0 {
            // One that is whole ends where the file does; else the next answer tells.
            return Err(match answer.head.status {
                200 => Failure::TooShort,
                _ => Failure::Passing(format!("the answer ends at byte {at}")),
            });
        }
        *place += read as u64;
        Ok(read)
    }

    fn open(&self, at: u64) -> Result<Answer, Failure> {
        let mut answer = self.client.open(&self.url, Some(at))?;
        let mut skip = if answer.head.status == 200 { at } else { 0 };
        let mut scratch = vec![0; SKIP_BYTES];
        while skip > 0 {
            let most = usize::try_from(skip).unwrap_or(usize::MAX).min(scratch.len());
            match answer.read(&mut scratch[..most]).map_err(|error| Failure::Passing(connection::told(&error)))? {
                0 => return Err(Failure::TooShort),
                read => skip -= read as u64,
            }
        }
        Ok(answer)
    }
}
