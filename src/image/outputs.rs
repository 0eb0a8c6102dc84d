//! Puts a build's files under their names, all or nothing.
//!
//! Files grow in `DIR/.NAME.unfinished/` and are renamed when all are complete. `SHA256SUMS` names a finished set: its
//! lines for this image go before the first rename and come back after the last, so whoever finds them finds files that
//! belong together, whenever the build was killed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest as _, Sha256};

use super::manifest::OutputFile;
use crate::tree::Digest;

/// Name of the list of digests.
const SUMS: &str = "SHA256SUMS";

/// The files of one image, while they are written.
#[derive(Debug)]
pub struct Outputs {
    directory: PathBuf,
    unfinished: PathBuf,
    /// The locked directory: keeps two builds into it apart.
    _lock: File,
    files: Vec<OutputFile>,
}

impl Outputs {
    /// Makes the directory and clears what a killed build left. Waits for another build into the same
    /// directory.
    pub fn begin(directory: &Path, name: &str) -> anyhow::Result<Outputs> {
        fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
        let lock = File::open(directory).with_context(|| format!("opening {}", directory.display()))?;
        lock.lock().with_context(|| format!("waiting for another build in {}", directory.display()))?;
        let unfinished = directory.join(format!(".{name}.unfinished"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).with_context(|| format!("clearing {}", unfinished.display()))?;
        }
        fs::create_dir(&unfinished).with_context(|| format!("creating {}", unfinished.display()))?;
        Ok(Outputs { directory: directory.to_owned(), unfinished, _lock: lock, files: Vec::new() })
    }

    /// A new file, for writing and reading.
    pub fn create(&self, name: &str) -> anyhow::Result<File> {
        let path = self.unfinished.join(name);
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        options.open(&path).with_context(|| format!("creating {}", path.display()))
    }

    /// A file without a name, for what is only needed on the way.
    pub fn scratch(&self, name: &str) -> anyhow::Result<File> {
        let file = self.create(name)?;
        fs::remove_file(self.unfinished.join(name)).context("unlinking a scratch file")?;
        Ok(file)
    }

    pub fn write(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        self.create(name)?.write_all(bytes).with_context(|| format!("writing {name}"))?;
        self.add(name)
    }

    /// Takes a created file into the set, with its digest.
    pub fn add(&mut self, name: &str) -> anyhow::Result<()> {
        let path = self.unfinished.join(name);
        let mut file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        file.sync_all().with_context(|| format!("syncing {}", path.display()))?;
        let size = file.metadata().with_context(|| format!("measuring {}", path.display()))?.len();
        let sha256 = digest(&mut file).with_context(|| format!("reading {}", path.display()))?;
        self.files.push(OutputFile { name: name.to_owned(), size, sha256 });
        Ok(())
    }

    pub fn files(&self) -> &[OutputFile] {
        &self.files
    }

    /// Gives every file its name.
    pub fn finish(self) -> anyhow::Result<Vec<PathBuf>> {
        let others = self.other_sums()?;
        self.replace_sums(&others)?;
        let mut paths = Vec::new();
        for file in &self.files {
            let path = self.directory.join(&file.name);
            fs::rename(self.unfinished.join(&file.name), &path)
                .with_context(|| format!("naming {}", path.display()))?;
            paths.push(path);
        }
        let mut sums = others;
        sums.extend(self.files.iter().map(|file| format!("{}  {}", file.sha256, file.name)));
        sums.sort_by(|a, b| a.get(66..).cmp(&b.get(66..)));
        self.replace_sums(&sums)?;
        fs::remove_dir(&self.unfinished).with_context(|| format!("removing {}", self.unfinished.display()))?;
        Ok(paths)
    }

    /// The lines of `SHA256SUMS` that speak of other images.
    fn other_sums(&self) -> anyhow::Result<Vec<String>> {
        let path = self.directory.join(SUMS);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let ours = |line: &str| self.files.iter().any(|file| line.get(66..) == Some(&file.name));
        Ok(text.lines().filter(|line| !ours(line)).map(str::to_owned).collect())
    }

    fn replace_sums(&self, lines: &[String]) -> anyhow::Result<()> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let unfinished = self.unfinished.join(SUMS);
        let path = self.directory.join(SUMS);
        fs::write(&unfinished, text).with_context(|| format!("writing {}", unfinished.display()))?;
        fs::rename(&unfinished, &path).with_context(|| format!("naming {}", path.display()))
    }
}

fn digest(file: &mut File) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Digest(hasher.finalize().into()));
        }
        hasher.update(&buffer[..read]);
    }
}
