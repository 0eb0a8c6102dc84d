//! The labels of paths against libselinux, which `selabel_lookup` asks: with file contexts that are odd on purpose, and
//! with those of Debian's own policy.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use nodesmith::assemble::selinux::file_contexts::{FileContexts, Whose};

use crate::support::{oracle, run};

/// Letters of `ls -l`, and `st_mode` in decimal, which `selabel_lookup` takes.
const KINDS: [(char, &str); 7] =
    [('-', "32768"), ('d', "16384"), ('l', "40960"), ('c', "8192"), ('b', "24576"), ('p', "4096"), ('s', "49152")];

/// What all versions of libselinux read alike: 3.8 has another order of substitutions and of lines that are plain paths.
const ODD: &str = r"
# Comments, blank lines, words behind the third.
/.*	u:r:default_t:s0
  /	-d	u:r:root_t:s0	more
/[^/]+ -- u:r:top_t:s0
/a(/.*)? u:r:a_t:s0:c0.c1023
/a/b\.c u:r:exact_t:s0
/a/b\.c -d u:r:exact_dir_t:s0
/a/b.c -- u:r:wild_t:s0
/a/.*\.c u:r:later_t:s0
/a/x|/b/y u:r:either_t:s0
/a/z|/b/z$ u:r:ends_t:s0
/d/[^/]*\.so(\.[^/]*)* -l u:r:link_t:s0
/d/lib(64)?/.+ u:r:lib_t:s0
/d/colou?r u:r:colour_t:s0
/d/n[0-9]{2,3} u:r:number_t:s0
/d/p[[:digit:]_.-]+\+ u:r:digits_t:s0
/d/\d\w\s* u:r:class_t:s0
/d/\{x\} u:r:brace_t:s0
/d/\(y\)\[z\] -p u:r:paren_t:s0
/d/a/(b|c(d|e))/?.* u:r:nested_t:s0
/proc -d <<none>>
/proc/.* <<none>>
/proc/sys(/.*)? -s u:r:sys_t:s0
(/x)?/y/.* u:r:maybe_t:s0
/s/?x? u:r:slash_t:s0
^/caret/.*$ u:r:caret_t:s0
/home/[^/]+/.+ u:r:old_t:s0
/home/\.journal <<none>>
";
const HOMEDIRS: &str = "/home/[^/]+ -d u:r:home_t:s0\n/home/[^/]+/.+ u:r:user_t:s0\n/root(/.*)? u:r:admin_t:s0";
const LOCAL: &str = "/a/l\\.c u:r:mine_t:s0\n/home/me/.* u:r:me_t:s0\n/home/me/gone -- <<none>>\n";
const SUBSTITUTIONS: &str = "# from to\n/lib64 /d/lib64\n/jail /\n/bin /d\n\nalone\n";
const LOCAL_SUBSTITUTIONS: &str = "/mine /jail/home/me\n/a/sub /b\n";

/// The file contexts at this path with all that belongs to them.
fn read(path: &Path) -> FileContexts {
    let with = |suffix: &str| fs::read(format!("{}{suffix}", path.display())).unwrap_or_default();
    let mut contexts = FileContexts::default();
    for suffix in ["", ".homedirs", ".local"] {
        contexts.add(suffix, &with(suffix)).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    }
    contexts.add_substitutions(Whose::Distribution, &with(".subs_dist"));
    contexts.add_substitutions(Whose::Local, &with(".subs"));
    contexts
}

/// What libselinux answers; nothing where it has no context.
fn theirs(selabel_lookup: &Path, file: &Path, path: &str, mode: &str) -> Option<String> {
    let mut command = Command::new(selabel_lookup);
    let output = command.args(["-r", "-b", "file", "-t", mode, "-k", path, "-f"]).arg(file).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Some(text.trim().strip_prefix("Default context: ").expect("its answer").to_owned());
    }
    assert!(errors.contains("failed to find a valid context"), "{path}: {errors}");
    None
}

/// Asks both sides for every path and kind; the number of questions.
fn compare(file: &Path, questions: &[(String, usize)], selabel_lookup: &Path) -> usize {
    let contexts = read(file);
    let part = |questions: &[(String, usize)]| -> Vec<String> {
        let different = questions.iter().filter_map(|(path, kind)| {
            let (letter, mode) = KINDS[kind % KINDS.len()];
            let ours = contexts.lookup(path.as_bytes(), letter);
            let theirs = theirs(selabel_lookup, file, path, mode);
            (ours != theirs.as_deref()).then(|| format!("{letter} {path}: ours {ours:?}, libselinux {theirs:?}"))
        });
        different.collect()
    };
    let different: Vec<String> = thread::scope(|scope| {
        let parts: Vec<_> =
            questions.chunks(questions.len().div_ceil(4)).map(|it| scope.spawn(move || part(it))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    assert!(different.is_empty(), "{} of {}:\n{}", different.len(), questions.len(), different.join("\n"));
    questions.len()
}

#[test]
fn odd_lines_mean_what_they_mean_to_libselinux() {
    let Some(selabel_lookup) = oracle("selabel_lookup") else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file_contexts");
    fs::write(&file, ODD).unwrap();
    let others =
        [("homedirs", HOMEDIRS), ("local", LOCAL), ("subs_dist", SUBSTITUTIONS), ("subs", LOCAL_SUBSTITUTIONS)];
    for (suffix, text) in others {
        fs::write(directory.path().join(format!("file_contexts.{suffix}")), text).unwrap();
    }
    let paths = "/ /top /srv/x /a /a/q /a/b.c /a/bxc /a/l.c /a/deep/b.c /a/x /a/xyz /b/y /c/b/y /b/yz /a/zz /c/b/z /d/x.so /d/x.so.1 /d/xaso \
                 /d/lib/y /d/lib64/y /d/lib32/y /d/color /d/colour /d/colouur /d/n1 /d/n12 /d/n123 /d/n1234 /d/p1_.-+ /d/p+ /d/3x \
                 /d/33 /d/xx /d/{x} /d/(y)[z] /d/a/b /d/a/bb /d/a/cd/x /d/a/c /proc /proc/1 /proc/sys /proc/sys/x /y/1 /x/y/1 /xx/y/1 /s /sx /s/x \
                 /caret/x /caret /home /home/a /home/a/b /home/.journal /home/me/x /home/me/gone /root /root/.ssh /lib64 /lib64/y /lib641 \
                 /jail /jail/home/a/b /jail/jail/a /bin/x.so /mine /mine/x /a/sub /a/sub/y /alone";
    let questions: Vec<(String, usize)> = paths
        .split_whitespace()
        .chain(["/d/1x \n", "/a/\u{e9}", "/d/lib/\n"])
        .flat_map(|path| (0..KINDS.len()).map(|kind| (path.to_owned(), kind)))
        .collect();
    assert!(compare(&file, &questions, &selabel_lookup) > 400);
}

#[test]
fn debians_policy_gives_every_path_the_label_that_libselinux_gives_it() {
    let Some(selabel_lookup) = oracle("selabel_lookup") else { return };
    let printed = run(Command::new("ci/selinux-policy").arg("target/selinux-policy"));
    let file = Path::new(printed.trim());
    let text = fs::read_to_string(file).unwrap() + &fs::read_to_string(format!("{}.homedirs", file.display())).unwrap();
    let patterns: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(patterns.len() > 4000, "{}", patterns.len());
    // One path that fits, or nearly, for every second line, each time of another kind.
    let examples = patterns.iter().enumerate().filter(|(number, _)| number % 2 == 0);
    let mut questions: Vec<(String, usize)> = examples.map(|(number, line)| (example(line), number / 2)).collect();
    // And what a system has.
    let listed =
        run(Command::new("find").args(["/etc", "/usr/lib", "/usr/share", "/var/lib", "-xdev", "-printf", "%y %p\\n"]));
    let real = listed.lines().filter(|line| line.is_ascii()).step_by(listed.lines().count() / 600);
    questions.extend(real.filter_map(|line| {
        let (kind, path) = line.split_once(' ')?;
        let letter = if kind == "f" { "-" } else { kind };
        Some((path.to_owned(), KINDS.iter().position(|(known, _)| letter.starts_with(*known))?))
    }));
    assert!(compare(file, &questions, &selabel_lookup) > 2500);
}

/// A path in the sense of a pattern, roughly: the first of alternatives, one of a set, what may be missing is there.
fn example(pattern: &str) -> String {
    let mut path = String::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => path.extend(letters.next()),
            '.' if matches!(letters.peek(), Some('*' | '+')) => path.push_str("any"),
            '.' => path.push('a'),
            '[' => {
                let set: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                path.push(if set.starts_with('^') {
                    'n'
                } else {
                    set.trim_start_matches([':', '[']).chars().next().unwrap_or('n')
                });
            }
            '|' => {
                let mut depth = 0;
                while let Some(letter) = letters.next_if(|letter| *letter != ')' || depth > 0) {
                    depth += i32::from(letter == '(') - i32::from(letter == ')');
                }
            }
            '{' => drop(letters.by_ref().take_while(|letter| *letter != '}').count()),
            '(' | ')' | '?' | '*' | '+' | '^' | '$' => {}
            letter => path.push(letter),
        }
    }
    path
}
