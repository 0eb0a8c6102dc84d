//! The same calls, searches and scriptlets given to rpm itself.

use std::collections::BTreeMap;

use super::{Nothing, Ran, run_on, show, tree};
use crate::tree::{Kind, TreePath};

/// The same in rpm's own Lua, in a directory that holds the same files: what it printed, and what is there then.
fn by_rpm(paths: &[&str], text: &str) -> Option<(String, BTreeMap<String, String>)> {
    let program = crate::oracle::oracle("rpmlua")?;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    lay(paths, &root);
    let script = directory.path().join("script");
    std::fs::write(&script, text).unwrap();
    let script =
        std::process::Command::new(program).arg(script).current_dir(&root).env("LC_ALL", "C").output().unwrap();
    let output = String::from_utf8_lossy(&script.stdout).into_owned() + &String::from_utf8_lossy(&script.stderr);
    Some((output, look(&root)))
}

/// Runs `text` here and there; false if there is no rpm.
fn agrees(paths: &[&str], text: &str) -> bool {
    let Some((output, found)) = by_rpm(paths, text) else { return false };
    let ran = run_on(paths, text, &[], "");
    assert_eq!(ran.status, Ok(0), "{text}\n{ran:?}");
    // In protected calls rpm's Lua names functions with their library.
    let output =
        ["posix", "rpm", "io", "os"].iter().fold(output, |text, of| text.replace(&format!("to '{of}."), "to '"));
    for (index, (ours, theirs)) in ran.output.lines().zip(output.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {index} of what this prints:\n{text}");
    }
    assert_eq!(ran.output, output, "{text}");
    assert_eq!(after(paths, &ran), found, "{text}");
    true
}

const START: [&str; 9] = [
    "etc/shells=/bin/sh\n/bin/dash\n",
    "etc/empty",
    "etc/text=one\ntwo\n\nlast",
    "lib->usr/lib",
    "usr/lib/",
    "dangling->no/where",
    "loop->loop",
    "d/",
    "d/full=x",
];

#[test]
fn calls_give_what_rpm_gives() {
    for text in [
        "print(posix.mkdir('new')) print(posix.mkdir('new')) print(posix.mkdir('no/new')) print(posix.mkdir('etc/text/x')) print(posix.mkdir(''))",
        "print(posix.access('etc'), posix.access('etc/text', 'x'), posix.access('etc/empty', 'x r'), posix.access('dangling'), posix.access('loop'), pcall(posix.access, 'etc', 'q'))",
        "print(posix.chmod('etc/text', 0600)) print(posix.chmod('lib', 'u+s,g-x')) print(posix.chmod('dangling', 755)) print(pcall(posix.chmod, 'etc', 'zz'))",
        "print(posix.stat('lib', 'type'), posix.stat('etc/text', 'size'), posix.stat('etc/text', 'mode'), posix.stat('nope')) print(pcall(posix.stat, 'etc', 'colour')) print(posix.stat('etc/text').type, posix.stat('usr/lib', '_mode'))",
        "print(posix.umask()) print(posix.umask(0750)) posix.mkdir('m') io.open('f', 'w'):close() print(posix.umask('ug-w')) print(posix.umask('zz')) print(posix.umask())",
        "print(posix.symlink('a', 'l')) print(posix.symlink('a', 'l')) print(posix.symlink('', 'k')) print(posix.readlink('l'), posix.readlink('etc'))",
        "print(posix.link('etc/text', 'again')) print(posix.link('etc', 'x')) print(posix.stat('again', 'nlink')) io.open('again', 'a'):write('more'):close()",
        "print(posix.rmdir('d')) print(posix.rmdir('etc/text')) print(posix.unlink('d/full'), posix.rmdir('d')) print(posix.unlink('etc')) print(posix.unlink('dangling'))",
        "print(posix.chdir('usr/lib')) print(posix.stat('../../etc').type) print(posix.mkdir('here')) print(posix.chdir('nope')) print(posix.chdir('../../etc/text')) print(posix.mkdir('../there'))",
        "print(os.remove('etc/empty')) print(os.remove('d')) print(os.remove('nope')) os.remove('d/full') print(os.remove('d'))",
        "print(os.rename('etc/text', 'moved')) print(os.rename('d', 'usr/d')) print(os.rename('usr', 'usr/x')) print(os.rename('nope', 'y')) print(os.rename('moved', 'etc')) posix.mkdir('e') print(os.rename('e', 'moved')) print(os.rename('etc', 'usr/d'))",
        "print(io.open('nope')) print(io.open('etc', 'w')) print(pcall(io.open, 'x', 'q')) print(io.open('etc/text/x', 'w')) print(io.type(io.open('etc')), io.type(io.stdout), io.type(1), type(io.stdout))",
        "for line in io.lines('etc/text') do io.write('[', line, ']') end local f = io.open('etc/text') print(f:read('L', 3, 'l', 'a', 'a', 'l')) print(f:seek('set', 1), f:read(2), f:seek(), f:seek('end')) print(f:read(0), f:read(1)) print(f:close()) print(pcall(f.read, f)) print(io.type(f))",
        "local f = io.open('etc/shells', 'a+') print(f:read('*all')) f:write('/bin/zsh', '\\n', 5, ' ', 1.5, '\\n') f:seek('set') print(f:read('a')) f:close() f = io.open('etc/shells', 'r+') f:write('XX') f:seek('set', 4) print(f:read()) f:close()",
        "local f = io.open('w', 'w+') f:write('hello'):seek('set', 10) f:write('x') f:seek('set') print(#f:read('a')) print(io.open('w', 'r'):write('x')) local a = io.open('w', 'a') print(a:read()) a:close()",
        "print(pcall(io.write, {})) print(select('#', io.open('w', 'w'):write()))",
        "local t = {} for f in posix.files('etc') do t[#t + 1] = f end table.sort(t) print(table.concat(t, ' ')) t = posix.dir('d') table.sort(t) print(table.concat(t, ' ')) print(posix.files('nope')) print(posix.dir('etc/text'))",
        "print(posix.setenv('A', 'b'), posix.getenv('A'), posix.setenv('A', 'c', false), posix.getenv('A'), posix.putenv('A=d'), os.getenv('A')) print(posix.unsetenv('A')) print(posix.getenv('A')) print(posix.setenv('', 'x'))",
        "print(posix.errno() ~= nil) posix.stat('nope') print(posix.errno()) print(posix.wait()) print(posix.utime('etc/text', 5, 7), posix.stat('etc/text', 'mtime')) print(posix.utime('nope'))",
        "print(posix.chown('etc/text', 5, 6), posix.stat('etc/text', 'uid'), posix.stat('etc/text', 'gid')) print(posix.chown('etc/text', 'no such', 'no such'), posix.stat('etc/text', 'uid')) posix.chmod('etc/text', 6755) posix.chown('etc/text', 0, 0) print(posix.stat('etc/text', 'mode')) posix.chmod('d', 6755) posix.chown('d', 1) print(posix.stat('d', 'mode'))",
        "print(posix.mkfifo('p'), posix.stat('p', 'type'), posix.stat('p', 'mode'))",
        "print(os.time({year = 2020, month = 14, day = -3, hour = 0}), os.date('!%c %x %p %j', 86399), os.difftime(5, 3), os.setlocale())",
        "print(rpm.vercmp('1.0', '2.0'), rpm.vercmp('2:1', '1:2'), rpm.vercmp('1.0~rc1', '1.0')) print(pcall(rpm.vercmp, '', '1')) print(rpm.b64encode('hello world, this is a text that needs more than one line of letters'), rpm.b64decode('aGVsbG8='))",
        "print(pcall(posix.exec, 'x')) print(pcall(os.exit, 1)) print(posix.ctermid(), posix.getlogin())",
        "local pid = posix.fork() if pid == 0 then io.write('child ') posix.mkdir('made') os.exit(0) end posix.wait(pid) io.write('parent ', posix.stat('made', 'type'), '\\n')",
        "print(posix.readlink(1), posix.mkdir(5), posix.mkdir(1.5))",
    ] {
        if !agrees(&START, text) {
            return;
        }
    }
}

/// Calls that are drawn, each of which prints what it gives.
fn drawn(random: &mut impl rand::Rng) -> String {
    let mut text = "local function say(what, ...) io.write(what, ' ') print(...) end\n".to_owned();
    let path = |random: &mut dyn rand::RngCore| {
        let names = [
            "etc",
            "etc/text",
            "etc/empty",
            "lib",
            "usr/lib/x",
            "lib/x",
            "dangling",
            "loop",
            "d",
            "d/full",
            "new",
            "new/a",
            "etc/../d",
            "no/where",
            "d/",
            "",
        ];
        names[rand::Rng::gen_range(random, 0..names.len())]
    };
    for number in 0..30 {
        let (one, other) = (path(random), path(random));
        let call = match random.gen_range(0..22) {
            0 | 1 => format!("posix.mkdir('{one}')"),
            2 => format!("posix.symlink('{}', '{other}')", one.trim_end_matches('/')),
            3 => format!("posix.link('{one}', '{other}')"),
            4 => format!("posix.rmdir('{one}')"),
            5 => format!("posix.unlink('{one}')"),
            6 => format!("os.remove('{one}')"),
            7..=9 => format!("os.rename('{one}', '{other}')"),
            10 => format!("posix.stat('{one}', 'type')"),
            11 => format!("posix.stat('{one}', 'mode')"),
            12 => format!("posix.readlink('{one}')"),
            13 => format!("posix.access('{one}', 'x')"),
            14 => format!(
                "posix.chmod('{one}', '{}')",
                ["755", "u+s", "go-r", "rwxr-x--x", "a=r", "4711"][random.gen_range(0..6)]
            ),
            15 => format!("posix.chown('{one}', {}, {})", random.gen_range(0..3), random.gen_range(0..3)),
            16 => format!("#(posix.dir('{one}') or '')"),
            17 => format!(
                "(function() local f, m, n = io.open('{one}', 'w') if f then f:write('{other}', {number}, '\\n') f:close() return 1 end return m, n end)()"
            ),
            18 => format!(
                "(function() local f, m, n = io.open('{one}', 'a+') if f then f:write('+') f:seek('set') m = f:read('a') f:close() end return m, n end)()"
            ),
            19 => format!(
                "(function() local f, m, n = io.open('{one}') if f then m, n = f:read() f:close() end return m, n end)()"
            ),
            20 => format!("posix.chdir('{one}') == 0 and posix.chdir('..') == 0"),
            _ => format!("posix.stat('{one}', 'uid'), (posix.stat('{one}', 'gid'))"),
        };
        text.push_str(&format!("say({number}, {call})\n"));
    }
    text
}

#[test]
fn drawn_calls_give_what_rpm_gives() {
    use rand::SeedableRng;
    let many = if std::env::var_os("NODESMITH_LONG").is_some() { 2_000 } else { 60 };
    let mut random = rand::rngs::StdRng::seed_from_u64(9);
    for _ in 0..many {
        if !agrees(&START, &drawn(&mut random)) {
            return;
        }
    }
}

/// A search that is drawn.
fn search(random: &mut impl rand::Rng) -> String {
    const PARTS: [&str; 28] = [
        "a", "b", ".", "%a", "%d", "%s", "%w", "%W", "[ab]", "[^a]", "[a-c%d]", "[]]", "[^]a]", "%.", "%%", "(", ")",
        "()", "^", "$", "%b()", "%f[%w]", "%1", "*", "+", "-", "?", "[",
    ];
    const LETTERS: [&str; 11] = ["a", "b", "c", "1", " ", "(", ")", "]", ".", "%", "é"];
    let pattern: String = (0..random.gen_range(1..7)).map(|_| PARTS[random.gen_range(0..PARTS.len())]).collect();
    let subject: String = (0..random.gen_range(0..9)).map(|_| LETTERS[random.gen_range(0..LETTERS.len())]).collect();
    let from = random.gen_range(-4..7);
    let by = ["x", "<%0>", "%1%1", "%2", "%", "%%", "-"][random.gen_range(0..7)];
    match random.gen_range(0..7) {
        0 => format!("try(string.find, '{subject}', '{pattern}', {from})\n"),
        1 => format!("try(string.find, '{subject}', '{pattern}', {from}, true)\n"),
        2 => format!("try(string.match, '{subject}', '{pattern}', {from})\n"),
        3 => format!("try(string.gsub, '{subject}', '{pattern}', '{by}')\n"),
        4 => format!("try(string.gsub, '{subject}', '{pattern}', '{by}', {from})\n"),
        5 => format!(
            "try(string.gsub, '{subject}', '{pattern}', \
             function(a, b) if a ~= 'b' then return tostring(a) .. tostring(b) end end)\n"
        ),
        _ => format!(
            "try(function(s, p) local r = {{}} for a, b in s:gmatch(p) do r[#r + 1] = tostring(a) .. ':' .. tostring(b) end \
             return table.concat(r, ',') end, '{subject}', '{pattern}')\n"
        ),
    }
}

#[test]
fn texts_are_searched_as_by_rpm() {
    use rand::SeedableRng;
    let mut random = rand::rngs::StdRng::seed_from_u64(5);
    let many = if std::env::var_os("NODESMITH_LONG").is_some() { 500 } else { 20 };
    for _ in 0..many {
        let mut text =
            "local function try(f, ...) io.write(tostring(select(2, ...)), ' ') print(pcall(f, ...)) end\n".to_owned();
        (0..200).for_each(|_| text.push_str(&search(&mut random)));
        let Some((theirs, _)) = by_rpm(&[], &text) else { return };
        let theirs = theirs.replace(" in replacement string", "");
        let ran = run_on(&[], &text, &[], "");
        assert_eq!(ran.status, Ok(0), "{}", ran.log);
        // Where an error is raised shows whose function it was.
        let bare = |line: &str| {
            let line = line.replace("string.", "").replace(" in replacement string", "");
            line.rfind(": ").map_or(line.clone(), |at| line[at..].to_owned())
        };
        for ((script, ours), theirs) in text.lines().skip(1).zip(ran.output.lines()).zip(theirs.lines()) {
            assert_eq!(bare(ours), bare(theirs), "{script}\n{ours}\n{theirs}");
        }
        assert_eq!(ran.output.lines().count(), theirs.lines().count());
    }
}

/// Scriptlets in the manner of those that distributions ship: what there is before, the text, what rpm leaves.
const SCRIPTLETS: [(&str, &[&str], &str); 11] = [
    (
        "filesystem lays its skeleton",
        &[],
        "for _, d in ipairs({'/usr', '/usr/lib', '/usr/lib/debug/', '/usr/lib64', '/proc', '/run', '/var'}) do posix.mkdir(d) end\n\
         posix.symlink('usr/bin', '/bin2') posix.symlink('usr/lib64', '/lib64') posix.symlink('../run', '/var/run')\n\
         posix.chmod('/proc', 0555) local st = posix.stat('/media') if st and st.type == 'link' then os.remove('/media') end return 0",
    ),
    (
        "a directory makes room for a link",
        &["usr/share/", "usr/share/x/", "usr/share/x/old=1", "usr/share/x.rpmmoved/", "usr/share/x.rpmmoved/a"],
        "local path = '/usr/share/x' local st = posix.stat(path)\n\
         if st and st.type == 'directory' then local done = os.rename(path, path .. '.rpmmoved')\n\
         if not done then local n = 0 while not done do n = n + 1 done = os.rename(path .. '.rpmmoved', path .. '.rpmmoved.' .. n) end\n\
         os.rename(path, path .. '.rpmmoved') end end",
    ),
    (
        "a link makes room for a directory",
        &["usr/share/", "usr/share/y->x", "usr/share/z/"],
        "for _, path in ipairs({'/usr/share/y', '/usr/share/z'}) do local st = posix.stat(path) if st and st.type == 'link' then os.remove(path) end end",
    ),
    (
        "bash adds itself",
        &["etc/shells=/bin/sh\n"],
        "local nl, sh, bash = '\\n', '/bin/sh\\n', '/bin/bash\\n' local f = io.open('/etc/shells', 'a+')\n\
         if f then local all = nl .. f:read('*all') .. nl if not all:find(nl .. sh) then f:write(sh) end\n\
         if not all:find(nl .. bash) then f:write(bash) end f:close() end",
    ),
    (
        "the C library removes old copies and completes its configuration",
        &[
            "usr/lib64/",
            "usr/lib64/tls/",
            "usr/lib64/tls/libc-2.17.so",
            "usr/lib64/tls/libm.so.6",
            "usr/lib64/tls/other.so",
            "etc/ld.so.conf=/opt/lib\n# x",
        ],
        "local names = {'c', 'm'} local patterns = {} for i = 1, #names do\n\
         patterns[#patterns + 1] = 'lib' .. names[i] .. '%-[2-9]%.[0-9]+%.so$' patterns[#patterns + 1] = 'lib' .. names[i] .. '%.so%.[0-9]+$' end\n\
         for _, dir in ipairs({'/usr/lib64/tls', '/usr/lib64/none'}) do if posix.access(dir) then for file in posix.files(dir) do\n\
         for _, pattern in ipairs(patterns) do if string.match(file, pattern) ~= nil then os.remove(dir .. '/' .. file) end end end end end\n\
         local conf, new, there = '/etc/ld.so.conf', '/etc/new.ld.so.conf', false\n\
         if posix.access(conf) then for line in io.lines(conf) do if line:match('^include ld.so.conf.d/%*%.conf$') ~= nil then there = true end end\n\
         if not there then local f = io.open(new, 'w') f:write('include ld.so.conf.d/*.conf\\n') for line in io.lines(conf) do f:write(line .. '\\n') end\n\
         f:close() if os.rename(new, conf) == nil then io.stdout:write('Error\\n') end end end",
    ),
    (
        "a marker's time and a child",
        &["usr/lib64/", "usr/lib64/modules"],
        "if posix.utime('/usr/lib64/modules') == 0 then local pid = posix.fork() if pid == 0 then posix.mkdir('/usr/child') os.exit(0)\n\
         elseif pid > 0 then posix.wait(pid) posix.mkdir('/usr/parent') end end if posix.utime('/none') == 0 then posix.mkdir('/usr/none') end",
    ),
    (
        "policies are linked",
        &[
            "usr/share/",
            "usr/share/p/",
            "usr/share/p/DEFAULT/",
            "usr/share/p/DEFAULT/a.txt",
            "usr/share/p/DEFAULT/b.txt",
            "etc/p/",
            "etc/p/b.config->old",
        ],
        "if not posix.access('/etc/p/config') then local policy = 'DEFAULT' local f = io.open('/proc/none', 'r') if f then f:close() end\n\
         f = io.open('/etc/p/config', 'w') if f then f:write(policy .. '\\n') f:close() end\n\
         for name in posix.files('/usr/share/p/' .. policy) do if name ~= '.' and name ~= '..' then\n\
         local to = '/etc/p/' .. name:gsub('.*/', ''):gsub('%..*', '') .. '.config' posix.unlink(to) posix.symlink('/usr/share/p/' .. policy .. '/' .. name, to) end end end",
    ),
    (
        "a hard link is restored",
        &["usr/lib/", "usr/lib/archive.real=1", "usr/lib/archive=2", "usr/lib/archive.rpmsave"],
        "local a, r = '/usr/lib/archive', '/usr/lib/archive.real' local sa, sr = posix.stat(a), posix.stat(r)\n\
         if sa ~= nil and sr ~= nil and (sa.ino ~= sr.ino or sa.dev ~= sr.dev) then posix.unlink(a) sa = nil end\n\
         if sa == nil then posix.link(r, a) end if posix.access(a .. '.rpmsave') then posix.unlink(a .. '.rpmsave') end\n\
         sa, sr = posix.stat(a), posix.stat(r) if sa.ino == sr.ino and sa.dev == sr.dev then posix.mkdir('/same') end",
    ),
    (
        "leftovers go, and the number of versions counts",
        &["etc/passwd.rpmnew", "etc/group.rpmnew", "etc/shadow"],
        "for i, name in ipairs({'passwd', 'shadow', 'group', 'gshadow'}) do os.remove('/etc/' .. name .. '.rpmnew') end\n\
         if arg[2] == 1 then posix.mkdir('/first') end if tonumber(arg[2]) >= 2 then posix.mkdir('/second') end\n\
         if type(rpm.execute) == 'function' and not posix.access('/usr/bin/nothing', 'x') then posix.mkdir('/third') end\n\
         posix.mkdir('/arguments' .. #arg .. arg[1]:gsub('%W', ''))",
    ),
    (
        "a failing one leaves what it did before",
        &[],
        "posix.mkdir('/before') local ok, message = pcall(error, {}) assert(not ok) error('now') posix.mkdir('/after')",
    ),
    (
        "a directory of links is merged",
        &[
            "usr/sbin/",
            "usr/bin/a=1",
            "usr/sbin/a->../bin/a",
            "usr/sbin/b->../bin/b",
            "usr/local/",
            "usr/local/sbin/",
            "usr/local/sbin/c=1",
        ],
        "for _, path in ipairs({'/usr/sbin', '/usr/local/sbin'}) do local st = posix.stat(path) if st and st.type == 'directory' then\n\
         local good, items = true, {} for entry in posix.files(path) do local v = path .. '/' .. entry\n\
         if entry ~= '.' and entry ~= '..' then items[#items + 1] = v st = posix.stat(v)\n\
         if not st or st.type ~= 'link' or posix.readlink(v) ~= '../bin/' .. v:match('^.+/(.+)$') then good = false break end end end\n\
         if good then for _, v in pairs(items) do os.remove(v) end os.remove(path) posix.symlink('bin', path) end end end",
    ),
];

/// Puts a tree where rpm can work on it.
fn lay(paths: &[&str], root: &std::path::Path) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    std::fs::create_dir(root).unwrap();
    for (path, _, inode) in tree(paths).below(&TreePath::root()).filter(|(path, ..)| !path.is_root()) {
        let at = root.join(path.to_string().trim_start_matches('/'));
        match &inode.kind {
            Kind::Directory => std::fs::create_dir(&at).unwrap(),
            Kind::Symlink(target) => symlink(String::from_utf8_lossy(target).as_ref(), &at).unwrap(),
            Kind::File(content) => std::fs::write(&at, content.read(&Nothing).unwrap()).unwrap(),
            _ => {}
        }
        if !matches!(inode.kind, Kind::Symlink(_)) {
            std::fs::set_permissions(&at, std::fs::Permissions::from_mode(inode.mode.into())).unwrap();
        }
    }
}

/// What is below a directory.
fn look(root: &std::path::Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(place) = todo.pop() {
        for entry in std::fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("/{}", path.strip_prefix(root).unwrap().display());
            let facts = path.symlink_metadata().unwrap();
            let mode = facts.permissions().mode() & 0o7777;
            let shown = if facts.is_dir() {
                todo.push(path);
                format!("d {mode:o}")
            } else if facts.is_symlink() {
                format!("l {}", std::fs::read_link(&path).unwrap().display())
            } else if facts.is_file() {
                format!("f {mode:o} {}", String::from_utf8_lossy(&std::fs::read(&path).unwrap()))
            } else {
                format!("p {mode:o}")
            };
            found.insert(name, shown);
        }
    }
    found
}

/// The tree after a run.
fn after(paths: &[&str], ran: &Ran) -> BTreeMap<String, String> {
    let mut all = show(&tree(paths));
    all.remove("/");
    for (path, shown) in &ran.paths {
        if shown == "gone" {
            all.remove(path)
        } else {
            all.insert(path.clone(), shown.clone())
        };
    }
    all
}

#[test]
fn scriptlets_leave_what_rpm_leaves() {
    use std::process::Command;
    let (Some(build), Some(rpm)) = (crate::oracle::oracle("rpmbuild"), crate::oracle::oracle("rpm")) else { return };
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let mut spec =
        "Name: demo\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n".to_owned();
    for (index, (_, _, text)) in SCRIPTLETS.iter().enumerate() {
        let text = text.replace('%', "%%");
        spec += &format!(
            "%package p{index}\nSummary: x\n%description p{index}\nx\n%files p{index}\n%post p{index} -p <lua>\n{text}\n"
        );
    }
    std::fs::write(place("demo.spec"), spec).unwrap();
    let top = format!("_topdir {}", directory.path().display());
    let built = Command::new(build).args(["-bb", "--define", &top]).arg(place("demo.spec")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    for (index, (what, paths, text)) in SCRIPTLETS.into_iter().enumerate() {
        let root = place(&format!("root{index}"));
        lay(paths, &root);
        let package = place(&format!("RPMS/noarch/demo-p{index}-1-1.noarch.rpm"));
        let mut install = Command::new(&rpm);
        install.args(["--nodeps", "--noplugins", "--define", "_dbpath /rpmdb", "-i", "--root"]).arg(&root).arg(package);
        let installed = install.output().unwrap();
        let said = String::from_utf8_lossy(&installed.stderr).into_owned();
        if said.contains("Operation not permitted") {
            return crate::oracle::skip("rpm --root needs root");
        }
        let mut theirs = look(&root);
        theirs.retain(|path, _| !path.starts_with("/rpmdb"));
        let ran = run_on(paths, text, &["1"], "");
        assert_eq!(after(paths, &ran), theirs, "{what}: {ran:?} {said}");
        assert_eq!(ran.status, Ok(u8::from(said.contains("lua script failed"))), "{what}: {ran:?} {said}");
    }
}
