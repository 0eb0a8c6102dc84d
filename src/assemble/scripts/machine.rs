//! The machine that scripts run on: a root while it is made, as the shell's [`World`].
//!
//! An answer may depend on the tree, the recipe and the fixed facts written down here and in [`files`](super::files):
//! nothing of the host, no clock, no chance.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::marks::{self, Mark};
use super::programs::alternatives::state::Alternatives;
use super::programs::debconf::state::Debconf;
use super::programs::dpkg::state::Dpkg;
use super::regex::{Flavour, Regex};
use super::results::{FirstBoot, UnitRequest, Used};
use crate::arch::Arch;
use crate::assemble::accounts::book::Accounts;
use crate::package::{Family, Package};
use crate::shell::{
    Bytes, Dialect, Errno, Facts, FileId, Handle, How, Kind, Shell, Stop, StopKind, Stream, World, handle,
};

/// Steps of work that one script may take.
const STEPS: u64 = 5_000_000;
/// Scripts and programs that start each other.
const DEPTH: usize = 40;
/// Where programs are looked for, as dpkg and rpm set it.
pub const PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How far a package has come, in dpkg's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    NotInstalled,
    Unpacked,
    HalfConfigured,
    Installed,
}

/// A package of the image, and how far it is.
#[derive(Debug, Clone, Copy)]
pub struct Installed<'a> {
    pub package: &'a Package,
    pub status: Status,
}

/// The script that is running.
#[derive(Debug, Clone, Default)]
pub struct Running {
    pub package: String,
    pub version: String,
    pub arch: String,
    /// `postinst`, `%pre`
    pub script: String,
}

/// The table of programs, as far as the machine asks it: it stands above the machine, since programs change its state.
pub trait Programs {
    /// Runs the program of this name; nothing if the table has none.
    fn run(
        &self,
        machine: &mut Machine,
        shell: &mut Shell,
        name: &str,
        arguments: &[Bytes],
    ) -> Option<Result<u8, Stop>>;

    /// Whether it is done here even if the shell has a function or a built-in of that name.
    fn is_special(&self, name: &[u8]) -> bool;

    /// Our own text in place of a file that scripts source.
    fn sourced(&self, path: &[u8]) -> Option<&'static str>;
}

pub struct Machine<'a> {
    pub files: Files<'a>,
    pub accounts: Accounts,
    /// Whose conventions the root follows.
    pub family: Family,
    pub arch: &'static Arch,
    programs: &'static dyn Programs,
    /// Of the image's kernel, as `uname -r` will say it.
    pub kernel_release: Option<String>,
    /// All packages of the image, in the order in which they are installed.
    pub packages: Vec<Installed<'a>>,
    pub running: Running,
    pub dpkg: Dpkg,
    pub debconf: Debconf,
    pub alternatives: Alternatives,
    pub units: Vec<UnitRequest>,
    pub first_boot: Vec<FirstBoot>,
    /// Marks that programs have printed in place of what only a node knows.
    pub marks: Vec<Mark>,
    /// Whether marks are spelled in the other way: see [`twin`](super::twin).
    pub is_twin: bool,
    /// What the running script used.
    pub used: BTreeSet<Used>,
    /// Programs of the running script that the recipe's author answers for, with the reason: they do nothing.
    pub accepted: BTreeMap<String, String>,
    /// Whether an unknown program is only told, and does nothing.
    pub unknown_is_noted: bool,
    /// For tests: this program is not known.
    pub without: Option<String>,
    pub steps: u64,
    /// Steps that each script may take.
    pub limit: u64,
    depth: usize,
    /// For tests: the programs that the running script itself called.
    pub calls: Option<Vec<Vec<Bytes>>>,
    /// `/etc/passwd` and `/etc/group` as they were written last.
    written: Option<(String, String)>,
    /// The next number for a name that is to be new (`mktemp`).
    pub serial: u64,
}

impl std::fmt::Debug for Machine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Machine at {:?}", self.running)
    }
}

impl<'a> Machine<'a> {
    pub fn new(
        files: Files<'a>,
        accounts: Accounts,
        family: Family,
        arch: &'static Arch,
        programs: &'static dyn Programs,
    ) -> Machine<'a> {
        Machine {
            files,
            accounts,
            family,
            arch,
            programs,
            kernel_release: None,
            packages: Vec::new(),
            running: Running::default(),
            dpkg: Dpkg::default(),
            debconf: Debconf::default(),
            alternatives: Alternatives::default(),
            units: Vec::new(),
            first_boot: Vec::new(),
            marks: Vec::new(),
            is_twin: false,
            used: BTreeSet::new(),
            accepted: BTreeMap::new(),
            unknown_is_noted: false,
            without: None,
            steps: STEPS,
            limit: STEPS,
            depth: 0,
            calls: None,
            written: None,
            serial: 0,
        }
    }

    /// Before each script: nothing used, nothing changed, all steps left.
    pub fn begin(&mut self, running: Running, accepted: BTreeMap<String, String>) {
        self.running = running;
        self.accepted = accepted;
        self.used.clear();
        self.files.changes.clear();
        self.steps = self.limit;
        self.depth = 0;
        self.calls.iter_mut().for_each(Vec::clear);
    }

    pub fn dialect(&self) -> Dialect {
        match self.family {
            Family::Deb => Dialect::Dash,
            Family::Rpm => Dialect::Bash,
        }
    }

    pub fn package(&self, name: &str) -> Option<&Installed<'a>> {
        self.packages.iter().find(|installed| installed.package.id.name == name)
    }

    pub fn note(&mut self, program: &str, what: &'static str, reason: impl Into<String>) {
        self.used.insert(Used { program: program.to_owned(), what, reason: reason.into() });
    }

    /// Writes the account files as the book has them.
    pub fn write_accounts(&mut self) -> Result<(), Stop> {
        let texts = self.accounts.texts((self.files.epoch / 86_400).max(1));
        let secret = if self.family == Family::Rpm { 0 } else { 0o640 };
        let shadow = self.accounts.gid("shadow").unwrap_or_default();
        let files = [
            ("passwd", &texts.passwd),
            ("group", &texts.group),
            ("shadow", &texts.shadow),
            ("gshadow", &texts.gshadow),
        ];
        for (name, text) in files {
            let path = format!("/etc/{name}");
            let mode = if name.ends_with("shadow") { secret } else { 0o644 };
            // Without /etc nobody can ask either.
            if self.files.put(path.as_bytes(), text.clone().into_bytes(), mode).is_ok() && mode != 0o644 {
                let _: Result<(), Errno> = self.files.update(path.as_bytes(), true, |inode| inode.gid = shadow);
            }
        }
        self.written = Some((texts.passwd, texts.group));
        Ok(())
    }

    /// Takes over what a script wrote into the account files by itself.
    pub fn read_accounts(&mut self) -> Result<(), Stop> {
        let Some((passwd, group)) = &self.written else { return Ok(()) };
        let read = |path: &[u8]| Ok(self.files.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        let (Ok(new_passwd), Ok(new_group)) = (read(b"/etc/passwd")?, read(b"/etc/group")?) else {
            return Ok(());
        };
        if new_passwd != *passwd || new_group != *group {
            self.accounts.read_back(&new_passwd, &new_group);
            self.written = Some((new_passwd, new_group));
        }
        Ok(())
    }

    /// A mark in place of what `program` prints on a node: a word that survives being cut and compared.
    pub fn mark(&mut self, program: &str, arguments: &[String], is_secret: bool) -> String {
        let word = marks::word(self.marks.len(), self.is_twin && is_secret);
        // By its whole path, unless the image has no such program, which is told then.
        let found = self.find(program.as_bytes(), PATH).ok().flatten();
        let program = found.map_or(program.to_owned(), |path| String::from_utf8_lossy(&path).into_owned());
        let (arguments, package) = (arguments.to_vec(), self.running.package.clone());
        let wanted = FirstBoot { program, arguments, makes: Vec::new(), fills: None, package };
        self.marks.push(Mark { word: word.clone(), is_secret, wanted, script: self.running.script.clone() });
        word
    }

    /// Notes the files that hold a mark, after a script has run.
    pub fn find_marks(&mut self) -> Result<(), Stop> {
        if self.marks.is_empty() {
            return Ok(());
        }
        let paths: Vec<crate::tree::TreePath> = self.files.changes.keys().cloned().collect();
        for path in paths {
            let Ok(bytes) = self.files.read(path.as_bytes())? else { continue };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            for Mark { word, wanted, .. } in self.marks.iter().filter(|mark| text.contains(mark.word.as_str())) {
                let fills = Some((path.to_string(), word.clone()));
                let wanted = FirstBoot { fills, ..wanted.clone() };
                if !self.first_boot.contains(&wanted) {
                    self.first_boot.push(wanted);
                }
            }
        }
        Ok(())
    }

    /// Runs a shell text in a shell of its own with the descriptors, environment and directory of `shell`.
    pub fn run_text(
        &mut self,
        shell: &Shell,
        dialect: Dialect,
        name: &[u8],
        arguments: &[Bytes],
        text: &[u8],
    ) -> Result<u8, Stop> {
        let mut inner = Shell::new(dialect, name, arguments);
        for (name, value) in shell.environment() {
            inner.export(&name, value);
        }
        inner.descriptors = shell
            .descriptors
            .iter()
            .filter(|(number, _)| **number < 10)
            .map(|(number, handle)| (*number, handle.clone()))
            .collect();
        inner.directory = shell.directory.clone();
        inner.umask = shell.umask;
        self.deeper(|machine| inner.run(machine, text))
    }

    fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        if self.depth >= DEPTH {
            return Err(Stop::limit(format!("{DEPTH} programs that start each other")));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    /// The base name by which the table knows a program, if `word` is a plain name or a path to where programs lie.
    fn table_name(&self, word: &[u8]) -> Option<String> {
        let word = std::str::from_utf8(word).ok()?;
        let name = match word.rsplit_once('/') {
            None => word,
            Some(("/bin" | "/sbin" | "/usr/bin" | "/usr/sbin", name)) => name,
            // Helpers that are known by their whole path.
            Some(_) => word,
        };
        Some(name.to_owned()).filter(|name| self.without.as_ref() != Some(name))
    }

    fn run_program(&mut self, shell: &mut Shell, words: &[Bytes]) -> Result<u8, Stop> {
        let Some((word, arguments)) = words.split_first() else { return Ok(0) };
        let shown = String::from_utf8_lossy(word).into_owned();
        let name = self.table_name(word);
        let base = shown.rsplit('/').next().unwrap_or(&shown).to_owned();
        let accepted =
            [Some(&base), name.as_ref(), Some(&shown)].into_iter().flatten().find_map(|name| self.accepted.get(name));
        if let Some(reason) = accepted.cloned() {
            self.note(&base, "accepted", reason);
            return Ok(0);
        }
        let programs = self.programs;
        if let Some(ended) = name.as_deref().and_then(|name| programs.run(self, shell, name, arguments)) {
            return ended;
        }
        // A shell text that stands in the tree.
        let path = match word.contains(&b'/') {
            true => Some(shell.absolute(word)),
            false => self.find(word, shell.get(b"PATH").map_or(PATH, Vec::as_slice))?,
        };
        if let Some(path) = path.filter(|_| self.without.as_deref() != Some(base.as_str()))
            && let Ok(text) = self.files.read(&path)?
            && let Some(dialect) = interpreter(&text, self.dialect())
        {
            return self.run_text(shell, dialect, &path, arguments, &text);
        }
        if self.unknown_is_noted {
            self.note(&base, "unknown", "nobody knows what it does: it did nothing");
            return Ok(0);
        }
        Err(Stop::new(StopKind::UnknownProgram(shown)))
    }
}

/// The dialect of a text whose first line names a shell; nothing if it names something else, or is no text.
pub fn interpreter(text: &[u8], own: Dialect) -> Option<Dialect> {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line.strip_prefix(b"#!")?).ok()?;
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let first = words.next()?;
    match if first == "env" { words.next()? } else { first } {
        "sh" => Some(own),
        "dash" => Some(Dialect::Dash),
        "bash" => Some(Dialect::Bash),
        _ => None,
    }
}

impl World for Machine<'_> {
    fn open(&mut self, path: &[u8], how: How, umask: u16) -> Result<Result<Handle, Errno>, Stop> {
        let mode = 0o666 & !umask;
        if let Some(Facts { kind: Kind::CharDevice, .. }) = self.files.facts(path, true)
            && self.files.inode(path, true).is_none()
        {
            return Ok(match (path.rsplit(|byte| *byte == b'/').next(), how) {
                (Some(b"tty"), _) => Err(Errno::NoDevice),
                (Some(b"null"), _) | (Some(b"console" | b"zero" | b"full"), How::Write | How::Append) => {
                    Ok(handle(Stream::Null))
                }
                (_, How::Write | How::Append | How::WriteNew) => Ok(handle(Stream::Null)),
                _ => match self.files.read(path)? {
                    Ok(bytes) => Ok(Stream::input(bytes)),
                    Err(errno) => Err(errno),
                },
            });
        }
        if matches!(how, How::Write | How::Append | How::WriteNew) && self.files.is_later(path) {
            return Ok(Ok(handle(Stream::Null)));
        }
        let opened = match how {
            How::Read => return Ok(self.files.read(path)?.map(Stream::input)),
            How::Write => self.files.open_to_write(path, mode, true, false),
            How::WriteNew => self.files.open_to_write(path, mode, true, true),
            How::Append | How::Both => self.files.open_to_write(path, mode, false, false),
        };
        let file = match opened {
            Ok(file) => file,
            Err(errno) => return Ok(Err(errno)),
        };
        let stream = match how {
            How::Append => Stream::File { file, at: None },
            How::Both => match self.files.read(path)? {
                Ok(bytes) => Stream::Both { file, bytes: bytes.into(), at: 0 },
                Err(errno) => return Ok(Err(errno)),
            },
            _ => Stream::File { file, at: Some(0) },
        };
        Ok(Ok(handle(stream)))
    }

    fn write(&mut self, file: FileId, at: Option<u64>, bytes: &[u8]) -> Result<(), Stop> {
        self.spend(1 + bytes.len() as u64 / 64)?;
        self.files.write(file, at, bytes)
    }

    fn facts(&mut self, path: &[u8], follow: bool) -> Result<Option<Facts>, Stop> {
        Ok(self.files.facts(path, follow))
    }

    fn names(&mut self, path: &[u8]) -> Result<Option<Vec<Bytes>>, Stop> {
        let names = self.files.list(path).ok();
        self.spend(1 + names.as_ref().map_or(0, |names| names.len() as u64))?;
        Ok(names)
    }

    fn target(&mut self, path: &[u8]) -> Result<Option<Bytes>, Stop> {
        Ok(self.files.target(path).ok())
    }

    fn directory(&mut self, path: &[u8]) -> Result<Result<Bytes, Errno>, Stop> {
        Ok(match self.files.find(path, true) {
            Ok((path, id)) if self.files.tree.inode(id).kind == crate::tree::Kind::Directory => {
                Ok(if path.is_root() { b"/".to_vec() } else { path.as_bytes().to_vec() })
            }
            Ok(_) => Err(Errno::NotDirectory),
            Err(errno) => Err(errno),
        })
    }

    fn source(&mut self, path: &[u8]) -> Result<Result<Bytes, Errno>, Stop> {
        if let Some(text) = self.programs.sourced(path) {
            return Ok(Ok(text.as_bytes().to_vec()));
        }
        self.files.read(path)
    }

    fn find(&mut self, name: &[u8], path: &[u8]) -> Result<Option<Bytes>, Stop> {
        let runs = |files: &Files, path: &[u8]| {
            files.facts(path, true).is_some_and(|facts| facts.kind == Kind::File && facts.mode & 0o111 != 0)
        };
        if name.contains(&b'/') {
            return Ok(Some(name.to_vec()).filter(|name| runs(&self.files, name)));
        }
        let places = path.split(|byte| *byte == b':').map(|place| [place, b"/", name].concat());
        Ok(places.into_iter().find(|path| runs(&self.files, path)))
    }

    fn is_special(&mut self, name: &[u8]) -> bool {
        self.programs.is_special(name)
    }

    fn run(&mut self, shell: &mut Shell, words: &[Bytes]) -> Result<u8, Stop> {
        self.spend(20)?;
        let is_special = words.first().is_some_and(|name| self.programs.is_special(name));
        if let Some(calls) = self.calls.as_mut().filter(|_| self.depth == 0 && !is_special) {
            calls.push(words.to_vec());
        }
        self.deeper(|machine| machine.run_program(shell, words))
    }

    fn search(&mut self, expression: &[u8], text: &[u8]) -> Result<Option<Vec<Bytes>>, Stop> {
        let regex = Regex::new(expression, Flavour::Extended, false)
            .map_err(|problem| Stop::unsupported("", format!("the expression behind `=~`: {problem}")))?;
        let found = regex.find_at(text, 0)?;
        let part = |span: &Option<(usize, usize)>| {
            span.and_then(|(start, end)| text.get(start..end)).unwrap_or_default().to_vec()
        };
        Ok(found.map(|captures| captures.iter().map(part).collect()))
    }

    fn spend(&mut self, steps: u64) -> Result<(), Stop> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(Stop::limit(format!("more than {} steps", self.limit))),
        }
    }
}
