//! Scriptlets over a small root.

mod by_rpm;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use super::*;
use crate::arch::X86_64;
use crate::assemble::accounts::book::{Accounts, Group, User};
use crate::assemble::scripts::files::Files;
use crate::assemble::scripts::machine::PATH;
use crate::package::Family;
use crate::shell::{Dialect, Stream};
use crate::tree::{Content, Contents, Digest, Inode, Kind, Tree, TreePath};

struct Nothing;

impl Contents for Nothing {
    fn open(&self, digest: &Digest) -> std::io::Result<File> {
        Err(std::io::Error::other(format!("{digest}: everything is inline")))
    }
}

const EPOCH: i64 = 1_700_000_000;

/// A small root: paths with `/` behind them are directories, with `->` links, with `=` files.
fn tree(paths: &[&str]) -> Tree {
    let origin: crate::tree::Origin = Arc::from("test");
    let mut tree = Tree::new(EPOCH, &origin);
    for line in ["etc/", "bin/", "usr/", "usr/bin/", "proc/"].iter().chain(paths) {
        let (path, kind, mode) = if let Some((path, target)) = line.split_once("->") {
            (path, Kind::Symlink(target.into()), 0o777)
        } else if let Some((path, content)) = line.split_once('=') {
            (path, Kind::File(Content::inline(content.as_bytes().to_vec())), 0o644)
        } else if let Some(path) = line.strip_suffix('/') {
            (path, Kind::Directory, 0o755)
        } else {
            (*line, Kind::File(Content::inline(Vec::new())), 0o755)
        };
        let inode = Inode::new(kind, mode, EPOCH - 1, &origin);
        tree.insert(TreePath::parse(format!("/{path}").as_bytes()).unwrap(), inode).unwrap();
    }
    tree
}

/// What a scriptlet made.
#[derive(Debug)]
struct Ran {
    status: Result<u8, Stop>,
    output: String,
    log: String,
    /// Every path with what it is, without what was there before and is the same.
    paths: BTreeMap<String, String>,
}

fn show(tree: &Tree) -> BTreeMap<String, String> {
    let shown = |inode: &Inode| match &inode.kind {
        Kind::Directory => format!("d {:o}", inode.mode),
        Kind::File(content) => {
            let bytes = content.read(&Nothing).unwrap();
            format!("f {:o} {}", inode.mode, String::from_utf8_lossy(&bytes))
        }
        Kind::Symlink(target) => format!("l {}", String::from_utf8_lossy(target)),
        Kind::Fifo => format!("p {:o}", inode.mode),
        _ => "?".to_owned(),
    };
    let root = TreePath::root();
    tree.below(&root).map(|(path, _, inode)| (path.to_string(), shown(inode))).collect()
}

fn run_on(paths: &[&str], text: &str, arguments: &[&str], input: &str) -> Ran {
    run_bytes(paths, text.as_bytes(), arguments, input)
}

fn run_bytes(paths: &[&str], text: &[u8], arguments: &[&str], input: &str) -> Ran {
    let tree = tree(paths);
    let before = show(&tree);
    let files = Files::new(tree, &Nothing, EPOCH, Arc::from("script"));
    let mut accounts = Accounts::default();
    let user = |uid: u32, home: &str, shell: &str| User {
        uid,
        gid: uid,
        gecos: String::new(),
        home: home.into(),
        shell: shell.into(),
        person: false,
    };
    accounts.users.insert("root".into(), user(0, "/root", "/bin/bash"));
    accounts.users.insert("ceph".into(), user(167, "/var/lib/ceph", "/sbin/nologin"));
    accounts.groups.insert("root".into(), Group { gid: 0, members: Default::default() });
    accounts.groups.insert("ceph".into(), Group { gid: 167, members: ["ann".to_owned(), "bob".to_owned()].into() });
    let mut machine = Machine::new(files, accounts, Family::Rpm, &X86_64, &crate::assemble::scripts::programs::Table);
    machine.running.script = "%post".into();
    machine.running.package = "demo".into();
    machine.running.version = "1-1".into();
    machine.running.arch = "noarch".into();
    let arguments: Vec<Bytes> = arguments.iter().map(|word| word.as_bytes().to_vec()).collect();
    let mut shell = Shell::new(Dialect::Bash, b"", &arguments);
    shell.export(b"PATH", PATH);
    let (output, log) = (Stream::output(), Stream::output());
    shell.descriptors.insert(0, Stream::input(input.as_bytes().to_vec()));
    shell.descriptors.insert(1, output.clone());
    shell.descriptors.insert(2, log.clone());
    let status = run(&mut machine, &shell, text);
    let text = |handle: &crate::shell::Handle| String::from_utf8_lossy(&handle.borrow_mut().take()).into_owned();
    let mut paths = show(&machine.files.tree);
    for (path, shown) in before {
        if paths.get(&path) == Some(&shown) {
            paths.remove(&path);
        } else {
            paths.entry(path).or_insert_with(|| "gone".to_owned());
        }
    }
    Ran { status, output: text(&output), log: text(&log), paths }
}

fn output(text: &str) -> String {
    let ran = run_on(&[], text, &["1"], "");
    assert_eq!(ran.status, Ok(0), "{text}: {ran:?}");
    ran.output
}

/// What ends the run.
fn stop(text: &str) -> Stop {
    match run_on(&["bin/frob", "bin/sh"], text, &[], "") {
        Ran { status: Err(stop), .. } => stop,
        ran => panic!("{text}: {ran:?}"),
    }
}

#[test]
fn arguments_are_those_of_rpm() {
    let ran = run_on(&[], "print(arg[1], arg[2], math.type(arg[2]), arg[3], #arg)", &["1", "2"], "");
    assert_eq!(ran.output, "<lua>\t1\tinteger\t2\t3\n");
    assert_eq!(output("#!<lua>\nprint(arg[2] >= 1, debug_is_not_there)"), "true\tnil\n");
}

#[test]
fn failing_scriptlets_say_where() {
    let ran = run_on(&[], "\n\nerror('no')", &[], "");
    assert_eq!(
        (ran.status, ran.log.as_str()),
        (Ok(1), "error: lua script failed: [string \"%post(demo-1-1.noarch)\"]:3: no\n")
    );
    let ran = run_on(&[], "posix.mkdir({})", &[], "");
    assert!(ran.log.ends_with(":1: bad argument #1 to 'mkdir' (string expected, got table)\n"), "{ran:?}");
    let ran = run_on(&[], "error('FATAL: too old', 0)", &[], "");
    assert_eq!(ran.log, "error: lua script failed: FATAL: too old\n");
    let ran = run_on(&[], "nobody()", &[], "");
    assert!(ran.log.contains("attempt to call a nil value (global 'nobody')"), "{ran:?}");
}

#[test]
fn what_is_not_known_ends_the_run_whatever_holds_errors() {
    for (text, what) in [
        ("posix.foo()", "posix.foo"),
        ("\npcall(posix.getcwdx)", "posix.getcwdx"),
        ("pcall(function() posix.kill(1) end) print('on')", "posix.kill"),
        ("pcall(pcall, pcall, function() posix.kill(1) end) print('on')", "posix.kill"),
        ("xpcall(function() rpm.nope() end, function(e) while true do end end)", "rpm.nope"),
        ("if not pcall(io.tmpfile) then os.remove('/etc/x') end", "io.tmpfile"),
        ("io.popen('cat', 'w')", "io.popen for writing"),
        ("os.clock()", "os.clock"),
        ("debug.traceback()", "debug"),
        ("coroutine.wrap(print)()", "coroutine"),
        ("string.dump(print)", "string.dump"),
        ("math.random()", "math.random"),
        ("setmetatable({}, {__gc = print})", "setmetatable with __gc"),
        (
            "setmetatable({}, {__index = function() posix.nope() end}).x = 1; print(pcall(setmetatable({}, {__index = function() posix.nope() end}).y))",
            "posix.nope",
        ),
        ("for k in pairs({[{}] = 1, [print] = 2}) do end", "the order of keys that are tables or functions"),
        ("print(rpm.expand('%{dist}'))", "the macro `dist`"),
        ("print(string.format('%p', {}))", "string.format with %p"),
        ("x = 1 +", "[string \"%post(demo-1-1.noarch)\"]:1: unexpected symbol near <eof>"),
    ] {
        let found = stop(text);
        assert_eq!(found.kind, StopKind::Unsupported("lua".into(), what.into()), "{text}");
    }
    let found = stop("\nlocal function f()\n  return pcall(posix.nope)\nend\nf()");
    assert_eq!((found.line, found.command.as_str()), (Some(3), "return pcall(posix.nope)"));
    assert_eq!(stop("posix.uname('%n')").program(), Some("uname"));
    assert_eq!(stop("rpm.execute('/bin/frob')").line, Some(1));
    assert_eq!(stop("pcall(rpm.execute, '/bin/frob') while true do end").program(), Some("/bin/frob"));
    let found = stop("\nos.execute('true\\nfrobnicate || true')");
    assert_eq!((found.program(), found.line, found.command.as_str()), (Some("frobnicate"), Some(2), "frobnicate"));
}

#[test]
fn nothing_runs_or_grows_for_ever() {
    for text in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "pcall(function() while true do end end) print('on')",
        "local function f() return xpcall(f, f) end f() while true do end",
        "string.rep('', 1e18)",
        "string.rep('x', 1e9)",
        "local t = 'x' while true do t = t .. t end",
        "local t = 'x' while true do pcall(function() t = t .. t end) end",
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "table.move({}, 1, 1e15, 2)",
        "table.unpack({}, 1, 1e15) table.unpack({}, 1, 1e9)",
        "local t = setmetatable({}, {__len = function() return 1e15 end}) table.insert(t, 1, 'x')",
        "(('a'):rep(3000)):find(('.-'):rep(30) .. 'b')",
        "(('a'):rep(100000)):find(('a'):rep(50000) .. 'b', 1, true)",
        "local s = ('a'):rep(10000) for i = 1, 1e6 do s = s:gsub('a', 'aa') end",
        "while true do posix.getcwd() end",
        "while true do posix.fork() end",
        "local f = io.open('/etc/x', 'w') while true do f:write(('x'):rep(1000)) end",
        "local t = {} for i = 1, 1e9 do t[i] = io.open('/etc/x', 'w') end",
        "load(function() return ' ' end)",
        "rpm.define('aaa %bbb') rpm.define('bbb %aaa') rpm.expand('%aaa')",
        "rpm.define('aaa %bbb%bbb') rpm.define('bbb %ccc%ccc') rpm.define('ccc %aaa%aaa') rpm.expand('%aaa')",
        "while true do collectgarbage() end",
        "table.concat(setmetatable({}, {__index = function() return 'x' end}), '', 1, 1e15)",
    ] {
        let began = std::time::Instant::now();
        let found = stop(text);
        assert!(matches!(found.kind, StopKind::Limit(_) | StopKind::Unsupported(..)), "{text}: {found:?}");
        assert!(began.elapsed().as_secs() < 20, "{text}: {:?}", began.elapsed());
    }
}

#[test]
fn nothing_depends_on_chance() {
    let text = "local t = {b = 1, a = 2, 7, 8, [1.5] = 3, [true] = 4} for k, v in pairs(t) do io.write(tostring(k), '=', v, ' ') end\n\
                local k = next(t) while k do io.write(tostring(k), ' ') t[k] = nil k = next(t, k) end\n\
                print(next({}), tostring({}), tostring(print), tostring(io.stdout))";
    let expected = "1=7 1.5=3 2=8 a=2 b=1 true=4 1 1.5 2 a b true nil\ttable: 0x000000000001\tfunction: 0x000000000002\tfile (0x000000000001)\n";
    for _ in 0..3 {
        assert_eq!(output(text), expected);
    }
}

#[test]
fn a_fork_is_a_child_and_then_its_parent() {
    let text = "local n = 0\nio.write('before ')\nlocal f = io.open('/etc/log', 'a')\nf:write('once\\n')\n\
                posix.setenv('X', 'parent')\nn = n + 1\nlocal pid = posix.fork()\n\
                if pid == 0 then\n posix.setenv('X', 'child') posix.chdir('/usr') n = n + 10 io.write('child ', n, posix.getenv('X'), posix.getcwd(), ' ') os.exit(3)\n\
                elseif pid > 0 then\n print('parent', n, posix.getenv('X'), posix.getcwd(), posix.wait(pid) == pid, (posix.wait(pid))) end\nf:write('twice\\n')";
    let ran = run_on(&[], text, &[], "");
    assert_eq!(ran.output, "before child 11child/usr parent\t1\tparent\t/\ttrue\tnil\n", "{ran:?}");
    assert_eq!(ran.paths, [("/etc/log".to_owned(), "f 644 once\ntwice\n".to_owned())].into());
    // One that runs a program, several, and one within another.
    let text = "for i = 1, 3 do local pid = posix.fork() if pid == 0 then posix.exec('/usr/bin/helper', i) else posix.wait(pid) io.write('p', i, ' ') end end";
    let ran = run_on(
        &["bin/sh", "usr/bin/helper=#!/bin/sh\nprintf 'h%s ' \"$1\"\n"],
        &format!("posix.chmod('/usr/bin/helper', 755) {text}"),
        &[],
        "",
    );
    assert_eq!((ran.status, ran.output.as_str()), (Ok(0), "h1 p1 h2 p2 h3 p3 "), "{}", ran.log);
    let text = "if posix.fork() == 0 then if posix.fork() == 0 then io.write('a') os.exit() end io.write('b') os.exit(1) end io.write('c')";
    assert_eq!(run_on(&[], text, &[], "").output, "abc");
    // A child that goes on to the end ends there, and a failing one does not fail the scriptlet.
    let text = "if posix.fork() == 0 then error('child') end io.write('parent')";
    let ran = run_on(&[], text, &[], "");
    assert_eq!((ran.status, ran.output.as_str()), (Ok(0), "parent"));
    let text = "if posix.fork() == 0 then assert(posix.exec('/sbin/nothing')) end io.write('parent')";
    assert_eq!(run_on(&[], text, &[], "").output, "parent");
    for text in ["posix.exec('/bin/true')", "os.exit(0)", "posix.redirect2null(1)"] {
        let ran = run_on(&["bin/true"], text, &[], "");
        assert!(ran.status == Ok(1) && ran.log.contains("not permitted in this context"), "{ran:?}");
    }
    let text = "if posix.fork() == 0 then rpm.redirect2null(1) print('lost') os.exit(0) end print('kept')";
    assert_eq!(run_on(&[], text, &[], "").output, "kept\n");
}

#[test]
fn file_triggers_get_their_paths() {
    let text =
        "local f = rpm.next_file() while f do print(f) f = rpm.next_file() end print(rpm.next_file(), io.read())";
    assert_eq!(run_on(&[], text, &[], "/usr/sbin/a\n/usr/sbin/b c\n").output, "/usr/sbin/a\n/usr/sbin/b c\nnil\tnil\n");
}

#[test]
fn programs_and_their_statuses() {
    let helper = "usr/bin/helper=#!/bin/sh\nexit $1\n";
    let text = "posix.chmod('/usr/bin/helper', '0755')\nprint(rpm.execute('/usr/bin/helper', '0'))\nprint(rpm.execute('helper', 4))\n\
                print(rpm.execute('/usr/bin/none'))\nprint(rpm.execute('none'))\nprint(os.execute('helper 3'))\nprint(os.execute('exit 0'))\nprint(os.execute())";
    let ran = run_on(&["bin/sh", helper], text, &[], "");
    let expected = "0.0\nnil\texit code\t4.0\nnil\tNo such file or directory\t2.0\nnil\tNo such file or directory\t2.0\nnil\texit\t3\ntrue\texit\t0\ntrue\n";
    assert_eq!(ran.output, expected, "{ran:?}");
    let text = "print(rpm.execute('/bin/true'), rpm.execute('false')) rpm.execute('/usr/bin/echo', 'a b')";
    assert_eq!(
        run_on(&["bin/true", "usr/bin/false", "usr/bin/echo"], text, &[], "").output,
        "0.0\tnil\texit code\t1.0\na b\n"
    );
    // Before there is a shell.
    assert_eq!(output("print(os.execute('x')) print(os.execute())"), "nil\texit\t127\nfalse\n");
    let text = "posix.chmod('/usr/bin/say', 755) print(rpm.spawn({'say', 'a b'}, {stdout = '/etc/out', stderr = '/dev/null'}))";
    let ran = run_on(&["dev/", "bin/sh", "usr/bin/say=#!/bin/sh\necho \"$1\"\necho e >&2\n"], text, &[], "");
    assert_eq!(ran.paths.get("/etc/out").map(String::as_str), Some("f 644 a b\n"), "{ran:?}");
    assert_eq!(ran.output, "0.0\n");
}

#[test]
fn what_programs_say_and_modules_bring() {
    let text = "local p = io.popen('echo one; echo two; exit 3') print(p:read('l', 'a')) print(p:close()) print(io.popen('exit 0'):close())\n\
                local n, m = os.tmpname(), os.tmpname() print(n, m) os.remove(n) os.remove(m)";
    let ran = run_on(&["bin/sh", "tmp/"], text, &[], "");
    assert_eq!(ran.output, "one\ttwo\n\nnil\texit\t3\ntrue\texit\t0\n/tmp/lua_000000\t/tmp/lua_000001\n", "{ran:?}");
    assert_eq!(ran.paths, BTreeMap::new());
    let text = "print(require('posix') == posix, pcall(require, 'nope')) print(require('own').word, require('own') == require 'own', own_word)";
    let module = "usr/lib/rpm/lua/own.lua=own_word = ...\nreturn {word = 'w'}\n";
    let ran = run_on(&["usr/lib/", "usr/lib/rpm/", "usr/lib/rpm/lua/", module], text, &[], "");
    assert!(ran.output.ends_with("no file '/usr/lib/rpm/lua/nope.lua'\nw\ttrue\town\n"), "{ran:?}");
}

#[test]
fn accounts_and_the_system() {
    for (text, expected) in [
        (
            "print(posix.getpasswd('ceph', 'uid'), posix.getpasswd(167).name, posix.getpasswd().shell, posix.getpasswd('x'))",
            "167.0\tceph\t/bin/bash\tnil\n",
        ),
        (
            "local g = posix.getgroup('ceph') print(g.name, g.gid, g[1], g[2], #g, posix.getgroup(9))",
            "ceph\t167.0\tann\tbob\t2\tnil\n",
        ),
        ("print(posix.uname('%s %m %%'), posix.getprocessid('uid'), posix.getlogin())", "Linux x86_64 %\t0.0\tnil\n"),
        ("print(rpm.vercmp(posix.uname('%r'), '3.2.0') >= 0)", "true\n"),
        (
            "print(os.time(), os.date('%Y-%m-%d'), os.time({year = 2024, month = 2, day = 29}), os.date('*t', 0).year, os.getenv('PATH') ~= nil)",
            "1700000000\t2023-11-14\t1709208000\t1970\ttrue\n",
        ),
        (
            "print(rpm.expand('%{_sysconfdir}/x %_libdir %% 5%'), rpm.isdefined('_bindir')) rpm.define('foo %{_var1}') rpm.define('_var1 /v') print(rpm.expand('%foo'), macros.foo)",
            "/etc/x /usr/lib64 % 5%\ttrue\tfalse\n/v\t/v\n",
        ),
        (
            "print(rpm.ver('1:2-3') > rpm.ver('2-3'), tostring(rpm.ver(1, 2, 3)), rpm.ver('2').e, rpm.ver('1.0') == rpm.ver('1.0'))",
            "true\t1:2-3\tnil\ttrue\n",
        ),
        (
            "posix.mkdir('/etc/a.d') for _, n in ipairs({'x', 'y'}) do io.open('/etc/a.d/' .. n, 'w'):close() end print(table.concat(rpm.glob('/etc/*.d/*'), ' '), rpm.glob('/no*'), rpm.glob('/no*', 'c')[1])",
            "/etc/a.d/x /etc/a.d/y\t/no*\t/no*\n",
        ),
    ] {
        assert_eq!(output(text), expected, "{text}");
    }
}
