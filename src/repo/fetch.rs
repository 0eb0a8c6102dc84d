//! Downloads into the store: the only code that uses the network.
//!
//! A download grows in `partial/DIGEST.part` under a file lock, so that two builds that want one file share the work, and
//! an interrupted one goes on where it stopped. Nothing counts before its size and SHA-256 are right. Failures that may
//! pass (a lost connection, a server that is busy) are tried again with growing pauses; a file that is gone or wrong, or
//! that lies on this machine and cannot be read, is asked of the next URL. Servers see a plain client: `http:`, `https:`
//! and `file:` URLs, HTTP/1.1 ranges (RFC 9110).

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use sha2::{Digest as _, Sha256};

use super::url::{file_path, server, shown};
use crate::progress::Progress;
use crate::store::Store;
use crate::tree::Digest;
use crate::trust::Refused;

/// Files fetched at once: enough to hide round trips, few enough for a mirror's per-client limit.
const PARALLEL: usize = 4;
const CHUNK: usize = 1 << 17;
/// Time for a connection, for an answer, and for each further piece of the body.
const PATIENCE: Duration = Duration::from_secs(30);
/// What `ci/fresh` knows a server by that is not there: a name that nobody knows, or no connection.
const NO_ANSWER: &str = "the server does not answer";

/// How the network may be used.
#[derive(Debug, Clone)]
pub struct Network {
    /// Only the store and `file:` URLs are used.
    pub offline: bool,
    /// Proxy for `http:` URLs, as apt's configuration gives it; without one, the environment's (`http_proxy`, …).
    pub proxy: Option<String>,
    /// Tries of one URL without any progress.
    pub tries: u32,
    /// Pause before the second try; doubled before each further one.
    pub pause: Duration,
    /// Plain `http:` is refused, as a URL and where a server sends us to it.
    pub https_only: bool,
}

impl Default for Network {
    fn default() -> Network {
        Network { offline: false, proxy: None, tries: 4, pause: Duration::from_secs(1), https_only: false }
    }
}

/// A file whose digest is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// How messages call it: `bash 5.2.37-2 from repository debian`.
    pub what: String,
    /// Places of the same file, in order of preference.
    pub urls: Vec<String>,
    pub size: u64,
    pub digest: Digest,
    /// What to do when no server has it any more.
    pub if_gone: &'static str,
}

/// A place that has no such file. Found in the chain of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone(String);

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Gone {}

/// The network and the store it fills.
#[derive(Debug)]
pub struct Fetcher<'a> {
    store: &'a Store,
    network: Network,
    /// Made when it is first needed: it loads the system's certificates and starts a thread.
    client: OnceLock<Client>,
    /// Servers that failed until patience ended: they are asked last from then on, or a dead mirror would cost its
    /// time for every package.
    failing: Mutex<BTreeSet<String>>,
}

/// Why a try failed.
enum Failure {
    /// May be different the next time.
    Passing(Error),
    /// This URL has no such file.
    Gone(Error),
    /// This URL has another file, or none that can be read.
    Wrong(Error),
    /// Our side: no further try can help.
    Local(Error),
}

impl Failure {
    /// Of a file of this machine there is no better answer a second later.
    fn of(self, url: &str) -> Failure {
        match self {
            Failure::Passing(error) if url.starts_with("file:") => Failure::Wrong(error),
            other => other,
        }
    }
}

impl<'a> Fetcher<'a> {
    pub fn new(store: &'a Store, network: Network) -> Fetcher<'a> {
        Fetcher { store, network, client: OnceLock::new(), failing: Mutex::default() }
    }

    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// Sees to it that the store has each of these files, complete and right. The error is that of the first file in
    /// the list that could not be had.
    pub fn blobs(&self, wanted: &[Wanted], progress: &dyn Progress) -> Result<()> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let failed: Mutex<Vec<(usize, Error)>> = Mutex::default();
        thread::scope(|scope| {
            for _ in 0..PARALLEL.min(wanted.len()) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(wanted) = wanted.get(index) else { return };
                        if let Err(error) = self.blob(wanted, progress) {
                            // Offline, the list of everything that is missing is what helps.
                            stop.store(!self.network.offline, Ordering::Relaxed);
                            failed.lock().expect("no thread panics with the lock").push((index, error));
                        }
                    }
                });
            }
        });
        let mut failed = failed.into_inner().expect("no thread panics with the lock");
        failed.sort_by_key(|(index, _)| *index);
        let more = failed.len().saturating_sub(1);
        match failed.into_iter().next() {
            None => Ok(()),
            Some((_, error)) if more > 0 => Err(error.context(format!("{} files cannot be had; the first", more + 1))),
            Some((_, error)) => Err(error),
        }
    }

    /// Sees to it that the store has this file, complete and right.
    pub fn blob(&self, wanted: &Wanted, progress: &dyn Progress) -> Result<()> {
        let fetching = || format!("fetching {}", wanted.what);
        if self.present(wanted)? {
            return Ok(());
        }
        let mut part = self.lock_part(wanted, progress).with_context(fetching)?;
        // Another build may have finished it while this one waited for the lock.
        if self.present(wanted)? {
            return part.discard().with_context(fetching);
        }
        let mut refusals = Vec::new();
        let mut gone = true;
        let mut urls: Vec<&String> = wanted.urls.iter().collect();
        urls.sort_by_key(|url| self.failing().contains(&server(url)));
        for url in urls {
            match self.try_url(url, wanted, &mut part, progress) {
                Ok(()) => {
                    remove(&part.validator).with_context(fetching)?;
                    return self.store.adopt(&part.path, &wanted.digest).with_context(fetching);
                }
                Err(Failure::Local(error)) => return Err(error.context(fetching())),
                Err(failure) => {
                    gone &= matches!(failure, Failure::Gone(_));
                    if matches!(failure, Failure::Passing(_)) {
                        self.failing().insert(server(url));
                    }
                    let (Failure::Passing(error) | Failure::Gone(error) | Failure::Wrong(error)) = failure else {
                        continue;
                    };
                    refusals.push(error.context(shown(url)));
                }
            }
        }
        if part.length().with_context(fetching)? == 0 {
            part.discard().with_context(fetching)?;
        }
        let if_gone = if gone && !refusals.is_empty() && !wanted.if_gone.is_empty() { wanted.if_gone } else { "" };
        let last = refusals.pop().ok_or_else(|| anyhow!("no URL is known for it"));
        let error = last.unwrap_or_else(|none| none);
        let others: String = refusals.iter().map(|refusal| format!("; {refusal:#}")).collect();
        let error = if others.is_empty() { error } else { anyhow!("{error:#}{others}") };
        let error = if if_gone.is_empty() { error } else { anyhow!("{error:#}; {if_gone}") };
        Err(error.context(fetching()))
    }

    /// A file whose digest nothing tells (a repository's signed entry point): at most `limit` bytes. Offline, what was
    /// fetched last time.
    pub fn text(&self, what: &str, url: &str, limit: u64, progress: &dyn Progress) -> Result<Vec<u8>> {
        let fetching = || format!("fetching {what}: {}", shown(url));
        let key = Digest::of(url);
        if self.network.offline && !url.starts_with("file:") {
            let kept = self.store.copy(&key)?;
            return kept.with_context(|| format!("offline, and the store has no {what}: {}", shown(url)));
        }
        let mut tries = 0;
        let bytes = loop {
            tries += 1;
            match self.text_once(url, limit) {
                Ok(bytes) => break bytes,
                Err(Failure::Passing(error)) if tries < self.network.tries => self.pause(tries, what, &error, progress),
                Err(Failure::Passing(error) | Failure::Gone(error) | Failure::Wrong(error) | Failure::Local(error)) => {
                    return Err(error.context(fetching()));
                }
            }
        };
        self.store.put_copy(&key, &bytes)?;
        Ok(bytes)
    }

    fn text_once(&self, url: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let mut body: Box<dyn Read> = match file_path(url) {
            Some(path) => Box::new(open_file(&path)?),
            None => Box::new(self.get(url, 0, None)?),
        };
        let read = body.by_ref().take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| Failure::Passing(plain(error)).of(url))?;
        match bytes.len() as u64 > limit {
            true => {
                Err(Failure::Wrong(Refused::new("too-large", format!("the file has more than {limit} bytes")).into()))
            }
            false => Ok(bytes),
        }
    }

    fn failing(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.failing.lock().expect("no thread panics with the lock")
    }

    fn present(&self, wanted: &Wanted) -> Result<bool> {
        Ok(self.store.has(&wanted.digest, wanted.size) && self.store.verified(&wanted.digest)?.is_some())
    }

    fn lock_part(&self, wanted: &Wanted, progress: &dyn Progress) -> Result<Part> {
        let path = self.store.partial_path(&wanted.digest, "part");
        loop {
            let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
            let file = file.with_context(|| format!("opening {}", path.display()))?;
            if file.try_lock().is_err() {
                progress.note(&format!("waiting for another build that fetches {}", wanted.what));
                file.lock().with_context(|| format!("locking {}", path.display()))?;
            }
            // Whoever had the lock may have moved or removed the file; then it is not the one with this name.
            let ours = file.metadata().with_context(|| format!("reading {}", path.display()))?;
            if fs::metadata(&path).is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())) {
                let validator = self.store.partial_path(&wanted.digest, "validator");
                return Ok(Part { path, validator, file });
            }
        }
    }

    fn try_url(&self, url: &str, wanted: &Wanted, part: &mut Part, progress: &dyn Progress) -> Result<(), Failure> {
        let mut tries = 0;
        let mut longest = 0;
        loop {
            tries += 1;
            let error = match self.once(url, wanted, part, progress) {
                Err(Failure::Passing(error)) => error,
                other => return other,
            };
            let length = part.length().map_err(Failure::Local)?;
            if length > longest {
                (longest, tries) = (length, 1);
            }
            if tries >= self.network.tries {
                return Err(Failure::Passing(error));
            }
            self.pause(tries, &wanted.what, &error, progress);
        }
    }

    /// One request, going on where the part ends.
    fn once(&self, url: &str, wanted: &Wanted, part: &mut Part, progress: &dyn Progress) -> Result<(), Failure> {
        let mut hasher = Sha256::new();
        let mut done = part.resume(wanted.size, &mut hasher).map_err(Failure::Local)?;
        let resumed = done > 0;
        if done < wanted.size || wanted.size == 0 {
            if let Some(path) = file_path(url) {
                let mut file = open_file(&path)?;
                file.seek(SeekFrom::Start(done)).map_err(|error| Failure::Passing(plain(error)).of(url))?;
                let copied = self.copy(&mut file, done, wanted, part, &mut hasher, progress);
                done = copied.map_err(|failure| failure.of(url))?;
            } else {
                if self.network.offline {
                    let text = format!("offline, and the store {} does not have it", self.store.dir().display());
                    return Err(Failure::Local(anyhow!("{text} (sha256 {})", wanted.digest)));
                }
                let mut response = self.get(url, done, part.validator())?;
                if done > 0 && !continues(&response, done) {
                    done = 0;
                    hasher = Sha256::new();
                    part.clear().map_err(Failure::Local)?;
                }
                part.set_validator(&response).map_err(Failure::Local)?;
                done = self.copy(&mut response, done, wanted, part, &mut hasher, progress)?;
            }
        }
        if done < wanted.size {
            let text = format!("the file ends after {done} of {} bytes", wanted.size);
            return Err(Failure::Passing(Refused::new("cut-off", text).into()).of(url));
        }
        let found = Digest(hasher.finalize().into());
        if found == wanted.digest {
            return Ok(());
        }
        part.clear().map_err(Failure::Local)?;
        let text = format!("the file has sha256 {found} instead of {}", wanted.digest);
        let error = Error::new(Refused::new("wrong-digest", text));
        // The wrong half may be the old one.
        Err(if resumed { Failure::Passing(error) } else { Failure::Wrong(error) })
    }

    /// Appends what `body` has to the part; how many bytes are there then.
    fn copy(
        &self,
        body: &mut dyn Read,
        mut done: u64,
        wanted: &Wanted,
        part: &mut Part,
        hasher: &mut Sha256,
        progress: &dyn Progress,
    ) -> Result<u64, Failure> {
        let mut chunk = vec![0; CHUNK];
        loop {
            progress.bytes(&wanted.what, done, wanted.size);
            let count = match body.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let text = format!("the connection broke after {done} of {} bytes", wanted.size);
                    return Err(Failure::Passing(plain(error).context(text)));
                }
                Ok(0) => return Ok(done),
                Ok(count) => count,
            };
            if done + count as u64 > wanted.size {
                part.clear().map_err(Failure::Local)?;
                let text = format!("the file has more than the {} bytes expected", wanted.size);
                return Err(Failure::Wrong(Refused::new("wrong-size", text).into()));
            }
            hasher.update(&chunk[..count]);
            let written = part.file.write_all(&chunk[..count]);
            written.with_context(|| format!("writing {}", part.path.display())).map_err(Failure::Local)?;
            done += count as u64;
        }
    }

    fn get(&self, url: &str, offset: u64, validator: Option<String>) -> Result<Response, Failure> {
        if self.network.https_only && !url.starts_with("https:") {
            let text = "it comes by plain http, and nothing else vouches for it";
            return Err(Failure::Gone(Refused::new("plain-http", text).into()));
        }
        let client = self.client().map_err(Failure::Local)?;
        let mut request = client.get(url);
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
            if let Some(validator) = validator {
                request = request.header(IF_RANGE, validator);
            }
        }
        let response = request.send().map_err(|error| match (error.is_builder(), error.is_connect()) {
            (true, _) => Failure::Gone(error.without_url().into()),
            (false, true) => Failure::Passing(Error::new(error.without_url()).context(NO_ANSWER)),
            (false, false) => Failure::Passing(error.without_url().into()),
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = format!("the server answers {status}");
        let absent = [StatusCode::NOT_FOUND, StatusCode::GONE].contains(&status);
        let error = if absent { Error::new(Gone(text)) } else { anyhow!(text) };
        let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS, StatusCode::RANGE_NOT_SATISFIABLE];
        let passing = status.is_server_error() || busy.contains(&status);
        Err(if passing { Failure::Passing(error) } else { Failure::Gone(error) })
    }

    fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let agent = concat!("nodesmith/", env!("CARGO_PKG_VERSION"));
        let mut builder = Client::builder().user_agent(agent).connect_timeout(PATIENCE).timeout(PATIENCE);
        builder = builder.https_only(self.network.https_only);
        if let Some(proxy) = &self.network.proxy {
            let proxy = reqwest::Proxy::http(proxy).map_err(reqwest::Error::without_url);
            builder = builder.proxy(proxy.context("using the proxy of apt's configuration")?);
        }
        let client = builder.build().context("preparing the HTTP client")?;
        Ok(self.client.get_or_init(|| client))
    }

    fn pause(&self, tries: u32, what: &str, error: &Error, progress: &dyn Progress) {
        let pause = self.network.pause.saturating_mul(1 << (tries - 1).min(6));
        progress.note(&format!("{what}: {error:#}; trying again in {} s", pause.as_secs()));
        thread::sleep(pause);
    }
}

/// A download under way, locked.
struct Part {
    path: std::path::PathBuf,
    validator: std::path::PathBuf,
    file: File,
}

impl Part {
    /// Reads what is there into `hasher` and stands at its end; nothing counts if it is more than the whole.
    fn resume(&mut self, size: u64, hasher: &mut Sha256) -> Result<u64> {
        let mut length = self.length()?;
        if length > size {
            self.clear()?;
            length = 0;
        }
        let reading = || format!("reading {}", self.path.display());
        self.file.seek(SeekFrom::Start(0)).with_context(reading)?;
        io::copy(&mut (&self.file).take(length), hasher).with_context(reading)
    }

    fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().with_context(|| format!("reading {}", self.path.display()))?.len())
    }

    fn clear(&mut self) -> Result<()> {
        let clearing = || format!("emptying {}", self.path.display());
        self.file.set_len(0).with_context(clearing)?;
        self.file.seek(SeekFrom::Start(0)).with_context(clearing)?;
        Ok(())
    }

    fn discard(&self) -> Result<()> {
        remove(&self.validator)?;
        remove(&self.path)
    }

    /// What the server called the version that the part is of.
    fn validator(&self) -> Option<String> {
        fs::read_to_string(&self.validator).ok().filter(|text| !text.is_empty())
    }

    fn set_validator(&self, response: &Response) -> Result<()> {
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        // RFC 9110 13.1.5: only a strong entity tag may stand in If-Range.
        let tag = header(ETAG).filter(|tag| !tag.starts_with("W/"));
        match tag.or_else(|| header(LAST_MODIFIED)) {
            Some(validator) => fs::write(&self.validator, validator),
            None => return remove(&self.validator),
        }
        .with_context(|| format!("writing {}", self.validator.display()))
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("removing {}", path.display())),
    }
}

/// Whether the answer holds the bytes from `offset` on, and not the whole file again.
fn continues(response: &Response, offset: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    response.status() == StatusCode::PARTIAL_CONTENT
        && range.is_some_and(|range| range.starts_with(&format!("bytes {offset}-")))
}

fn open_file(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::Gone(Gone(error.to_string()).into()),
        _ => Failure::Wrong(error.into()),
    })
}

/// An error of the HTTP client's reader, without the URL that it likes to add: it may hold a password.
fn plain(error: io::Error) -> Error {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => error.without_url().into(),
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests;
