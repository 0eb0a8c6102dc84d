//! Puts a build's files under their names, all or nothing.
//!
//! Files grow in `DIR/.NAME.unfinished/` and are renamed when all are complete. `SHA256SUMS` names a finished set: its
//! lines for this image go before the first rename and come back after the last, so whoever finds them finds files that
//! belong together, whenever the build was killed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::progress::Progress;
use crate::recipe::output::OUTPUTS;
use crate::tree::Digest;

/// Name of the list of digests.
const SUMS: &str = "SHA256SUMS";
/// What the names of the files end in that every build leaves; the others are those of [`OUTPUTS`].
const ALWAYS: [&str; 5] = ["vmlinuz", "initrd", "cmdline", "efi", "manifest.json"];

/// A finished output file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    pub name: String,
    pub size: u64,
    pub sha256: Digest,
}

/// The files of one image, while they are written.
#[derive(Debug)]
pub struct Outputs {
    directory: PathBuf,
    /// The image's name.
    name: String,
    unfinished: PathBuf,
    /// The locked directory: keeps two builds into it apart.
    _lock: File,
    files: Vec<OutputFile>,
}

impl Outputs {
    /// Makes the directory and clears what a killed build left. Waits for another build into the same
    /// directory, and says so.
    pub fn begin(directory: &Path, name: &str, progress: &dyn Progress) -> anyhow::Result<Outputs> {
        fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
        let lock = File::open(directory).with_context(|| format!("opening {}", directory.display()))?;
        if lock.try_lock().is_err() {
            progress.note(&format!("waiting for another build in {}", directory.display()));
            lock.lock().with_context(|| format!("waiting for another build in {}", directory.display()))?;
        }
        let unfinished = directory.join(format!(".{name}.unfinished"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).with_context(|| format!("clearing {}", unfinished.display()))?;
        }
        fs::create_dir(&unfinished).with_context(|| format!("creating {}", unfinished.display()))?;
        let name = name.to_owned();
        Ok(Outputs { directory: directory.to_owned(), name, unfinished, _lock: lock, files: Vec::new() })
    }

    /// A new file, for writing and reading. What is not added goes at the end.
    pub fn create(&self, ending: &str) -> anyhow::Result<File> {
        self.open(&self.file_name(ending))
    }

    fn open(&self, name: &str) -> anyhow::Result<File> {
        let path = self.unfinished.join(name);
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        options.open(&path).with_context(|| format!("creating {}", path.display()))
    }

    /// A file without a name, for what is only needed on the way.
    pub fn scratch(&self, name: &str) -> anyhow::Result<File> {
        let file = self.open(name)?;
        fs::remove_file(self.unfinished.join(name)).context("unlinking a scratch file")?;
        Ok(file)
    }

    pub fn write(&mut self, ending: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.create(ending)?.write_all(bytes);
        written.with_context(|| format!("writing {}", self.file_name(ending)))?;
        self.add(ending)
    }

    /// Takes a created file into the set, with its digest.
    pub fn add(&mut self, ending: &str) -> anyhow::Result<()> {
        let name = self.file_name(ending);
        let path = self.unfinished.join(&name);
        let mut file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        file.sync_all().with_context(|| format!("syncing {}", path.display()))?;
        let size = file.metadata().with_context(|| format!("measuring {}", path.display()))?.len();
        let sha256 = digest(&mut file).with_context(|| format!("reading {}", path.display()))?;
        self.files.push(OutputFile { name, size, sha256 });
        Ok(())
    }

    pub fn files(&self) -> &[OutputFile] {
        &self.files
    }

    /// Gives every file its name, and removes files of an earlier build that this one does not make.
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
        for name in self.names().filter(|name| !self.files.iter().any(|file| file.name == *name)) {
            let path = self.directory.join(name);
            if path.exists() {
                fs::remove_file(&path).with_context(|| format!("removing {} of an earlier build", path.display()))?;
            }
        }
        let mut sums = others;
        sums.extend(self.files.iter().map(|file| format!("{}  {}", file.sha256, file.name)));
        sums.sort_by(|a, b| a.get(66..).cmp(&b.get(66..)));
        self.replace_sums(&sums)?;
        fs::remove_dir_all(&self.unfinished).with_context(|| format!("removing {}", self.unfinished.display()))?;
        Ok(paths)
    }

    /// Every name that a file of this image may have, whether or not its recipe asks for it.
    fn names(&self) -> impl Iterator<Item = String> {
        let asked = OUTPUTS.iter().flat_map(|output| output.endings);
        asked.chain(&ALWAYS).map(|ending| self.file_name(ending))
    }

    fn file_name(&self, ending: &str) -> String {
        format!("{}.{ending}", self.name)
    }

    /// The lines of `SHA256SUMS` that speak of other images.
    fn other_sums(&self) -> anyhow::Result<Vec<String>> {
        let path = self.directory.join(SUMS);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let ours = |line: &str| self.names().any(|name| line.get(66..) == Some(&name));
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

/// A build that fails leaves nothing: what it had written may be what filled the disk.
impl Drop for Outputs {
    fn drop(&mut self) {
        // After `finish` there is nothing to remove; and a failure here would hide the one that led here.
        let _ = fs::remove_dir_all(&self.unfinished);
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn build(directory: &Path, name: &str, endings: &[&str]) {
        let mut outputs = Outputs::begin(directory, name, &()).unwrap();
        for ending in endings {
            outputs.write(ending, ending.as_bytes()).unwrap();
        }
        // Needed on the way only.
        outputs.create("cmdline").unwrap();
        outputs.finish().unwrap();
    }

    #[test]
    fn what_an_image_no_longer_has_goes_with_its_line() {
        let place = tempfile::tempdir().unwrap();
        build(place.path(), "x", &["raw", "qcow2", "efi"]);
        build(place.path(), "x.y", &["raw"]);
        build(place.path(), "x", &["raw", "efi"]);
        assert_eq!(names(place.path()), ["SHA256SUMS", "x.efi", "x.raw", "x.y.raw"]);
        let sums = fs::read_to_string(place.path().join(SUMS)).unwrap();
        let listed: Vec<&str> = sums.lines().filter_map(|line| line.get(66..)).collect();
        assert_eq!(listed, ["x.efi", "x.raw", "x.y.raw"]);
    }

    #[test]
    fn a_build_that_fails_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let mut outputs = Outputs::begin(place.path(), "x", &()).unwrap();
        outputs.write("raw", b"half").unwrap();
        drop(outputs);
        assert!(names(place.path()).is_empty(), "{:?}", names(place.path()));
    }

    #[derive(Debug, Default)]
    struct Notes(Mutex<Vec<String>>, Mutex<Option<Outputs>>);

    impl Progress for Notes {
        fn bytes(&self, _: &str, _: u64, _: u64) {}

        fn note(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
            // The other build ends once somebody has been told that it is waited for.
            self.1.lock().unwrap().take();
        }
    }

    #[test]
    fn waiting_for_another_build_is_announced() {
        let place = tempfile::tempdir().unwrap();
        let notes = Notes::default();
        *notes.1.lock().unwrap() = Some(Outputs::begin(place.path(), "x", &notes).unwrap());
        assert!(notes.0.lock().unwrap().is_empty());
        Outputs::begin(place.path(), "x", &notes).unwrap();
        let notes = notes.0.lock().unwrap();
        assert!(notes.len() == 1 && notes[0].starts_with("waiting for another build in "), "{notes:?}");
    }
}
