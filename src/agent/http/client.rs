//! Whoever asks web servers: finds them, follows redirects, and tells what is worth another attempt.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};

use super::connection::{self, Answer};
use super::patience::Patience;
use super::url::Url;
use crate::agent::dns::Resolver;
use crate::agent::resolve;

const REDIRECTS_MAX: usize = 5;

/// Asks the same name servers for all servers.
#[derive(Debug, Clone)]
pub struct Client {
    pub resolver: Resolver,
    /// How long nothing may come before it is given up.
    pub patience: Duration,
}

/// Why there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Another attempt may do better.
    Passing(String),
    /// The server has none.
    Missing,
    /// It ends before the byte that was asked for.
    TooShort,
    Final(String),
}

impl Client {
    /// The answer with the file, or with what it has from this byte on: its head says which.
    ///
    /// # Errors
    /// Everything but 200 and 206, and a part that begins elsewhere.
    pub fn open(&self, url: &Url, from: Option<u64>) -> Result<Answer, Failure> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.ask(&url, from).map_err(Failure::Passing)?;
            let status = answer.head.status;
            match status {
                200 => return Ok(answer),
                206 if from.is_some() && answer.head.first == from => return Ok(answer),
                206 => return Err(Failure::Final("the server sends another part than was asked for".to_owned())),
                301 | 302 | 303 | 307 | 308 => {
                    let location = answer.head.location.as_deref().unwrap_or_default();
                    url = url.join(location).map_err(|why| {
                        Failure::Final(format!("it is redirected to `{}`: {why}", location.escape_debug()))
                    })?;
                }
                404 | 410 => return Err(Failure::Missing),
                416 => return Err(Failure::TooShort),
                408 | 425 | 429 | 500.. => return Err(Failure::Passing(format!("the server answers {status}"))),
                _ => return Err(Failure::Final(format!("the server answers {status}"))),
            }
        }
        Err(Failure::Final(format!("it is redirected more than {REDIRECTS_MAX} times")))
    }

    fn ask(&self, url: &Url, from: Option<u64>) -> Result<Answer, String> {
        let addresses = match url.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) if self.resolver.servers.is_empty() => {
                return Err(format!("no name server is known that could be asked for {}", url.host));
            }
            Err(_) => resolve::ask_all(&self.resolver, &url.host)?,
        };
        let mut last = String::new();
        for address in addresses {
            match connection::get(SocketAddr::new(address, url.port), url, from) {
                Ok(answer) => return Ok(answer),
                Err(why) => last = format!("{address}: {why}"),
            }
        }
        Err(last)
    }

    /// A small file as a whole; nothing if the server has none.
    ///
    /// # Errors
    /// It has more than `most` bytes, or the patience has ended.
    pub fn whole(&self, url: &Url, most: u64) -> Result<Option<Vec<u8>>> {
        let what = format!("fetching {url}");
        let mut patience = Patience::new(self.patience);
        loop {
            let why = match self.open(url, None) {
                Err(Failure::Missing) => return Ok(None),
                Err(Failure::TooShort) => bail!("{what}: the server gives no whole file"),
                Err(Failure::Final(why)) => bail!("{what}: {why}"),
                Err(Failure::Passing(why)) => why,
                Ok(mut answer) => {
                    answer.limit(self.patience);
                    let mut bytes = Vec::new();
                    match answer.take(most.saturating_add(1)).read_to_end(&mut bytes) {
                        Ok(_) if bytes.len() as u64 > most => bail!("{what}: it has more than {most} bytes"),
                        Ok(_) => return Ok(Some(bytes)),
                        Err(error) => connection::told(&error),
                    }
                }
            };
            patience.wait(&what, &why)?;
        }
    }
}
