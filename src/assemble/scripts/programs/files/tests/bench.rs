//! One tree on disk and the same as a value, and command lines run in both.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::arch::X86_64;
use crate::assemble::accounts::book::{Accounts, Group, User};
use crate::assemble::scripts::files::Files;
use crate::assemble::scripts::machine::Machine;
use crate::package::Family;
use crate::shell::{Bytes, Dialect, Shell, Stop, Stream, World};
use crate::tree::{Content, Contents, Digest, Inode, Kind, Origin, Tree, TreePath};

pub(super) const EPOCH: i64 = 2_000_000_000;

/// Everything is inline.
struct Nowhere;

impl Contents for Nowhere {
    fn open(&self, _: &Digest) -> std::io::Result<fs::File> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// What a command line came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: u8,
    pub(super) output: Bytes,
    pub(super) errors: Bytes,
    pub(super) tree: String,
}

pub(super) struct Bench {
    pub(super) directory: tempfile::TempDir,
    machine: Machine<'static>,
    shell: Shell,
    started: i64,
    /// Whether times that are shown are not looked at: those of directories change by what is put into them.
    pub(super) any_time: bool,
}

/// The tree on disk, made once.
static TEMPLATE: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();

/// Name, what, mode, user, group; a link's mode is its target.
pub(super) type Node = (&'static str, &'static str, u16, u32, u32);

impl Bench {
    /// The tree on disk and as a value, and the accounts of this machine.
    pub(super) fn new(nodes: &[Node]) -> Bench {
        let bench = Bench::with(nodes, accounts());
        let template = TEMPLATE.get_or_init(|| template(nodes));
        let from = template.path().join(".");
        run_quietly("cp", &["-a".as_ref(), from.as_os_str(), bench.directory.path().as_os_str()]);
        bench
    }

    /// Only the value, and the accounts that every Debian has.
    pub(super) fn of_values(nodes: &[Node]) -> Bench {
        let mut accounts = Accounts::default();
        for (name, id) in [("root", 0), ("daemon", 1), ("bin", 2), ("sys", 3), ("adm", 4)] {
            let (gecos, home, shell) = (String::new(), "/".to_owned(), "/bin/sh".to_owned());
            accounts.users.insert(name.to_owned(), User { uid: id, gid: id, gecos, home, shell, person: false });
            accounts.groups.insert(name.to_owned(), Group { gid: id, members: Default::default() });
        }
        Bench::with(nodes, accounts)
    }

    fn with(nodes: &[Node], accounts: Accounts) -> Bench {
        let directory = tempfile::Builder::new().prefix("files-").tempdir_in("/tmp").unwrap();
        let origin = Origin::from("test");
        let tree = Tree::new(EPOCH, &origin);
        let files = Files::new(tree, &Nowhere, EPOCH, origin);
        let mut machine =
            Machine::new(files, accounts, Family::Deb, &X86_64, &crate::assemble::scripts::programs::Table);
        let top = directory.path().as_os_str().as_bytes().to_vec();
        machine.files.make_directories(&top, 0o700).unwrap();
        machine.files.update(b"/tmp", true, |inode| inode.mode = 0o1777).unwrap();
        machine.files.update(&top, true, |inode| inode.mode = 0o755).unwrap();
        let mut shell = Shell::new(Dialect::Dash, b"test", &[]);
        shell.directory = top;
        shell.export(b"PATH", b"/usr/sbin:/usr/bin:/sbin:/bin".to_vec());
        let started = fs::metadata(directory.path()).unwrap().mtime() - 5;
        let mut bench = Bench { directory, machine, shell, started, any_time: false };
        for (node, time) in nodes.iter().zip(times()) {
            bench.add(node, time);
        }
        bench
    }

    pub(super) fn inode(&self, name: &str) -> &Inode {
        self.machine.files.inode(&self.shell.absolute(name.as_bytes()), false).unwrap()
    }

    fn add(&mut self, (name, what, mode, uid, gid): &Node, time: i64) {
        let path = self.shell.absolute(name.as_bytes());
        let (kind, rest) = what.split_at(1);
        let node = match kind {
            "d" => Kind::Directory,
            "f" => Kind::File(Content::inline(rest.as_bytes().to_vec())),
            "l" => Kind::Symlink(rest.as_bytes().to_vec()),
            "p" => Kind::Fifo,
            _ => {
                self.machine.files.hard_link(&self.shell.absolute(rest.as_bytes()), &path).unwrap();
                return;
            }
        };
        let mode = if matches!(node, Kind::Symlink(_)) { 0o777 } else { *mode };
        let mut inode = Inode::new(node, mode, time, &Origin::from("test"));
        (inode.uid, inode.gid) = (*uid, *gid);
        self.machine.files.put_inode(&path, inode).unwrap();
    }

    /// Runs the real program.
    pub(super) fn really(&self, words: &[Bytes], umask: u16, input: &[u8]) -> Outcome {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", &format!("{umask:03o}")]);
        command.args(words.iter().map(|word| std::ffi::OsStr::from_bytes(word)));
        command.env_clear().envs([("LC_ALL", "C"), ("TZ", "UTC"), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")]);
        command.current_dir(self.directory.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let status = u8::try_from(output.status.code().unwrap_or(255)).unwrap();
        let tree = self.real_tree();
        Outcome { status, output: output.stdout, errors: output.stderr, tree }
    }

    /// Runs ours.
    pub(super) fn ours(&mut self, words: &[Bytes], umask: u16, input: &[u8]) -> Result<Outcome, Stop> {
        let (out, err) = (Stream::output(), Stream::output());
        self.machine.begin(Default::default(), BTreeMap::new());
        self.shell.umask = umask;
        self.shell.descriptors.insert(0, Stream::input(input.to_vec()));
        self.shell.descriptors.insert(1, out.clone());
        self.shell.descriptors.insert(2, err.clone());
        let status = self.machine.run(&mut self.shell, words)?;
        let (output, errors) = (out.borrow_mut().take(), err.borrow_mut().take());
        Ok(Outcome { status, output, errors, tree: self.our_tree() })
    }

    /// Runs a line in both; nothing if they agree, else what differs. `Err`: ours does not do it.
    pub(super) fn compare(&mut self, line: &str, umask: u16) -> Result<Option<String>, Stop> {
        self.compare_words(&split(line), umask, b"")
    }

    pub(super) fn compare_words(&mut self, words: &[Bytes], umask: u16, input: &[u8]) -> Result<Option<String>, Stop> {
        let ours = self.ours(words, umask, input)?;
        let mut really = self.really(words, umask, input);
        let mut ours = ours;
        for output in [&mut ours.output, &mut really.output, &mut ours.errors, &mut really.errors] {
            *output = sorted(&timeless(output, self.any_time));
        }
        let mut differences = String::new();
        if ours.status != really.status {
            writeln!(differences, "status {} not {}", ours.status, really.status).unwrap();
        }
        for (what, ours, really) in [("output", &ours.output, &really.output), ("errors", &ours.errors, &really.errors)]
        {
            if ours != really {
                let (ours, really) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(really));
                writeln!(differences, "{what}: ours\n{ours}really\n{really}").unwrap();
            }
        }
        for (sign, one, other) in [('+', &ours.tree, &really.tree), ('-', &really.tree, &ours.tree)] {
            let there: std::collections::BTreeSet<&str> = other.lines().collect();
            for line in one.lines().filter(|line| !there.contains(line)) {
                writeln!(differences, "tree {sign} {line}").unwrap();
            }
        }
        Ok(Some(differences).filter(|differences| !differences.is_empty()))
    }

    fn real_tree(&self) -> String {
        let mut text = String::new();
        let mut names = BTreeMap::new();
        let mut paths = vec![PathBuf::new()];
        let mut all = Vec::new();
        while let Some(path) = paths.pop() {
            let real = self.directory.path().join(&path);
            if fs::symlink_metadata(&real).unwrap().is_dir() {
                for entry in fs::read_dir(&real).unwrap() {
                    paths.push(path.join(entry.unwrap().file_name()));
                }
            }
            all.push(path);
        }
        all.sort_by_key(|path| TreePath::parse(path.as_os_str().as_bytes()).unwrap());
        for path in all.iter().skip(1) {
            let real = self.directory.path().join(path);
            let facts = fs::symlink_metadata(&real).unwrap();
            let kind = facts.file_type();
            let what = if kind.is_dir() {
                "d".to_owned()
            } else if kind.is_symlink() {
                format!("l {:?}", fs::read_link(&real).unwrap().into_os_string().into_vec().escape_ascii().to_string())
            } else if kind.is_file() {
                format!("f {:?}", fs::read(&real).unwrap().escape_ascii().to_string())
            } else {
                format!("special {:o} {}", facts.mode() & 0o170_000, facts.rdev())
            };
            let now = (self.started..self.started + 3600).contains(&facts.mtime());
            let time = if now { EPOCH } else { facts.mtime() };
            let first = names.entry(facts.ino()).or_insert_with(|| path.clone()).clone();
            let owner = (facts.uid(), facts.gid());
            line(&mut text, path, &what, facts.mode() & 0o7777, owner, time, kind.is_dir(), &first);
        }
        text
    }

    fn our_tree(&self) -> String {
        let mut text = String::new();
        let mut names = BTreeMap::new();
        let top = TreePath::parse(&self.shell.directory).unwrap();
        for (path, id, inode) in self.machine.files.tree.below(&top).skip(1) {
            let below = &path.as_bytes()[top.as_bytes().len() + 1..];
            let below = Path::new(std::ffi::OsStr::from_bytes(below)).to_owned();
            let what = match &inode.kind {
                Kind::Directory => "d".to_owned(),
                Kind::Symlink(target) => format!("l {:?}", target.escape_ascii().to_string()),
                Kind::File(content) => {
                    format!("f {:?}", content.read(&Nowhere).unwrap().escape_ascii().to_string())
                }
                Kind::Fifo => "special 10000 0".to_owned(),
                Kind::CharDevice { major, minor } => format!("special 20000 {}", major * 256 + minor),
                Kind::BlockDevice { major, minor } => format!("special 60000 {}", major * 256 + minor),
            };
            let first = names.entry(id).or_insert_with(|| below.clone()).clone();
            let owner = (inode.uid, inode.gid);
            let is_directory = inode.kind == Kind::Directory;
            line(&mut text, &below, &what, inode.mode.into(), owner, inode.mtime, is_directory, &first);
        }
        text
    }
}

#[expect(clippy::too_many_arguments)]
fn line(
    text: &mut String,
    path: &Path,
    what: &str,
    mode: u32,
    (uid, gid): (u32, u32),
    time: i64,
    is_directory: bool,
    first: &Path,
) {
    let path = path.as_os_str().as_bytes().escape_ascii();
    let same = first.as_os_str().as_bytes().escape_ascii();
    // A directory's time changes with its entries, which an image does not follow.
    let time = if is_directory { 0 } else { time };
    writeln!(text, "{path} {what} {mode:o} {uid}:{gid} {time} ={same}").unwrap();
}

fn sorted(text: &[u8]) -> Bytes {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| matches!(byte, b'\n' | 0)).collect();
    lines.sort_unstable();
    lines.concat()
}

/// Without the present, and how long something took.
fn timeless(text: &[u8], any: bool) -> Bytes {
    let year = if any { "| [0-9]{4}" } else { "" };
    let now = regex::bytes::Regex::new(&format!("[A-Z][a-z]{{2}} [ 0-9][0-9] ([0-9]{{2}}:[0-9]{{2}}{year})")).unwrap();
    let took = regex::bytes::Regex::new(" bytes .*copied,.*").unwrap();
    let text = now.replace_all(text, b"NOW".as_slice());
    took.replace_all(&text, b"TOOK".as_slice()).into_owned()
}

/// Old times, each another.
fn times() -> impl Iterator<Item = i64> {
    (1_000_000_000..).step_by(100_000)
}

fn template(nodes: &[Node]) -> tempfile::TempDir {
    let template = tempfile::Builder::new().prefix("template-").tempdir_in("/tmp").unwrap();
    for (node, time) in nodes.iter().zip(times()) {
        add_really(template.path(), node, time);
    }
    // Entries have changed the times of their directories.
    for ((name, what, ..), time) in nodes.iter().zip(times()) {
        if what.starts_with('d') {
            let name = template.path().join(name);
            run_quietly("touch", &["-d".as_ref(), format!("@{time}").as_ref(), name.as_os_str()]);
        }
    }
    template
}

fn add_really(directory: &Path, (name, what, mode, uid, gid): &Node, time: i64) {
    let real = directory.join(name);
    let (kind, rest) = what.split_at(1);
    match kind {
        "d" => fs::create_dir(&real).unwrap(),
        "f" => fs::write(&real, rest).unwrap(),
        "l" => std::os::unix::fs::symlink(rest, &real).unwrap(),
        "p" => run_quietly("mkfifo", &[real.as_os_str()]),
        _ => return fs::hard_link(directory.join(rest), &real).unwrap(),
    }
    std::os::unix::fs::lchown(&real, Some(*uid), Some(*gid)).unwrap();
    if kind != "l" {
        fs::set_permissions(&real, fs::Permissions::from_mode((*mode).into())).unwrap();
    }
    run_quietly("touch", &["-h".as_ref(), "-d".as_ref(), format!("@{time}").as_ref(), real.as_os_str()]);
}

fn run_quietly(program: &str, arguments: &[&std::ffi::OsStr]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success());
}

/// Words between blanks; what stands between apostrophes is one, `\n` in it a newline.
pub(super) fn split(line: &str) -> Vec<Bytes> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words.into_iter().map(|word| word.replace("\\n", "\n").replace("\\;", ";").into_bytes()).collect()
}

/// The accounts of this machine, which the real programs ask.
fn accounts() -> Accounts {
    let mut accounts = Accounts::default();
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    for line in fs::read_to_string("/etc/passwd").unwrap().lines() {
        let fields = fields(line);
        let (uid, gid) = (fields[2].parse().unwrap(), fields[3].parse().unwrap());
        let (gecos, home, shell) = (fields[4].clone(), fields[5].clone(), fields[6].clone());
        accounts.users.insert(fields[0].clone(), User { uid, gid, gecos, home, shell, person: false });
    }
    for line in fs::read_to_string("/etc/group").unwrap().lines() {
        let fields = fields(line);
        accounts
            .groups
            .insert(fields[0].clone(), Group { gid: fields[2].parse().unwrap(), members: Default::default() });
    }
    accounts
}

/// Whether everything is compared, as `ci/long` wants it.
pub(super) fn is_long() -> bool {
    std::env::var_os("NODESMITH_LONG").is_some()
}

/// Whether the real programs may do everything here.
pub(super) fn may_run() -> bool {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let gnu = Command::new("cp").arg("--version").output().is_ok_and(|output| output.stdout.starts_with(b"cp (GNU"));
    root && gnu
}
