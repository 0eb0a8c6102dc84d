//! What filters do to a tree, and what ends a run.

use super::bench::{machine_with, run_in};
use crate::assemble::scripts::files::Change;
use crate::assemble::scripts::machine::Machine;
use crate::package::Family;
use crate::shell::{Stop, StopKind};
use crate::tree::TreePath;

/// A machine whose root has one file, `/etc/conf`, not root's.
fn machine() -> Machine<'static> {
    let mut machine = machine_with(Family::Deb, &[("etc/conf", b"# comment\nPORT=80\nNAME=x\n")]);
    let owned = machine.files.update(b"/etc/conf", true, |inode| (inode.uid, inode.gid, inode.mode) = (3, 4, 0o640));
    owned.unwrap();
    machine
}

fn run(machine: &mut Machine, words: &[&str], input: &str) -> Result<(u8, String), Stop> {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let (status, output, _) = run_in(machine, &words, input.as_bytes())?;
    Ok((status, String::from_utf8_lossy(&output).into_owned()))
}

fn filtered(words: &[&str], input: &str) -> (u8, String) {
    run(&mut machine(), words, input).unwrap()
}

fn text(machine: &Machine, path: &str) -> String {
    String::from_utf8(machine.files.read(path.as_bytes()).unwrap().unwrap()).unwrap()
}

#[test]
fn filters_filter() {
    let cases: &[(&[&str], &str, &str)] = &[
        (&["grep", "-n", "b"], "a\nb\nab\n", "2:b\n3:ab\n"),
        (&["grep", "-oE", "a|ab"], "ab\n", "ab\n"),
        (&["sed", "-e", r"s/\(.*\)=\(.*\)/\2=\1/;2q"], "a=b\nc=d\ne\n", "b=a\nd=c\n"),
        (&["sed", "-n", r"/^\(.\).*\1$/p"], "abca\nabc\n", "abca\n"),
        (&["awk", "-F:", r#"$3 > 9 { printf "%s-%d\n", $1, $3 } END { print NR }"#], "a:b:10\nb:c:9\n", "a-10\n2\n"),
        (&["sort", "-t:", "-k2,2n", "-u"], "a:10\nb:9\nc:10\n", "b:9\na:10\n"),
        (&["cut", "-d", " ", "-f", "2-"], "a b c\nd\n", "b c\nd\n"),
        (&["tr", "-cs", "a-z", r"\n"], "ab, cd", "ab\ncd"),
        (&["tail", "-n", "+2"], "a\nb\nc\n", "b\nc\n"),
        (&["uniq", "-c"], "a\na\nb\n", "      2 a\n      1 b\n"),
        (&["md5sum"], "", "d41d8cd98f00b204e9800998ecf8427e  -\n"),
        (&["sha1sum"], "abc", "a9993e364706816aba3e25717850c26c9cd0d89d  -\n"),
        (&["base64", "-d"], "aGk=\n", "hi"),
        (&["expr", "/usr/lib/x", ":", r".*/\(.*\)"], "", "x\n"),
        (&["seq", "-s,", "3"], "", "1,2,3\n"),
        (&["xargs", "-n1", "grep", "-c", "="], "/etc/conf /etc/conf", "2\n2\n"),
    ];
    for (words, input, output) in cases {
        assert_eq!(filtered(words, input), (0, (*output).to_owned()), "{words:?}");
    }
}

/// Debian 13's mawk, where that of Debian 12 differs: whole numbers, repetitions in patterns.
#[test]
fn mawk_is_that_of_debian_13() {
    let cases = [
        (
            "BEGIN { print 2^31, 2^53, 1e18, -2^31, 1/0 }",
            "2147483648 9007199254740992 1000000000000000000 -2147483648 +inf\n",
        ),
        ("BEGIN { print \"aab\" ~ /^a{2}b$/, \"0x1f\" + 0 }", "1 0\n"),
    ];
    for (program, output) in cases {
        assert_eq!(filtered(&["mawk", program], ""), (0, output.to_owned()), "{program}");
    }
}

/// GNU's sed puts a new file in the place of the old one, with its mode and owner, and in the place of a link too.
#[test]
fn sed_edits_in_place_as_it_does_on_a_disk() {
    let mut machine = machine();
    machine.files.make_link(b"conf", b"/etc/link").unwrap();
    let before = machine.files.facts(b"/etc/conf", true).unwrap();
    machine.files.changes.clear();
    assert_eq!(run(&mut machine, &["sed", "-i.bak", "s/80/81/", "/etc/conf"], "").unwrap(), (0, String::new()));
    let after = machine.files.facts(b"/etc/conf", true).unwrap();
    assert_eq!((after.mode, after.uid, after.gid), (0o640, 3, 4));
    assert_ne!(after.inode, before.inode);
    assert_eq!(machine.files.facts(b"/etc/conf.bak", true).unwrap().inode, before.inode);
    assert_eq!(text(&machine, "/etc/conf"), "# comment\nPORT=81\nNAME=x\n");
    let changed = machine.files.changes.get(&TreePath::parse("/etc/conf").unwrap());
    assert_eq!(changed, Some(&Change::Changed));
    run(&mut machine, &["sed", "-i", "1d", "/etc/link"], "").unwrap();
    assert!(machine.files.target(b"/etc/link").is_err());
    assert_eq!(text(&machine, "/etc/conf").lines().count(), 3);
    assert_eq!(text(&machine, "/etc/link").lines().count(), 2);
}

/// What only the first boot makes can be changed by nobody before.
#[test]
fn what_is_made_later_is_left_alone() {
    let mut machine = machine();
    let path = TreePath::parse("/etc/key").unwrap();
    machine.files.later.insert(path.clone(), "ssh-keygen".to_owned());
    for words in [&["sed", "-i", "s/a/b/", "/etc/key"][..], &["tee", "/etc/key"], &["sort", "-o", "/etc/key"]] {
        assert_eq!(run(&mut machine, words, "x\n").unwrap().0, 0, "{words:?}");
        assert!(machine.files.tree.get(&path).is_none(), "{words:?}");
    }
}

/// Nothing that is not supported becomes an exit status.
#[test]
fn what_is_not_done_ends_the_run() {
    let cases: &[&[&str]] = &[
        &["grep", "--unknown", "x"],
        &["grep", "-P", "a(?>b)", "/etc/conf"],
        &["sed", "s/x/date/e", "/etc/conf"],
        &["sed", "1e date", "/etc/conf"],
        &["awk", "BEGIN { print rand() }"],
        &["awk", "BEGIN { unknown(1) }"],
        &["tail", "-f", "/etc/conf"],
        &["sort", "-R", "/etc/conf"],
        &["bc"],
    ];
    for words in cases {
        let stop = run(&mut machine(), words, "").unwrap_err();
        let told = matches!(stop.kind, StopKind::Unsupported(..) | StopKind::Refused(..));
        assert!(told, "{words:?}: {}", stop.kind);
    }
}

/// Programs that never end, and those that need more memory than there is, are stopped.
#[test]
fn work_is_bounded() {
    let cases: &[&[&str]] = &[
        &["sed", ":a;s/^/xx/;ba", "/etc/conf"],
        &["sed", ":a;s/.*/&&/;ta", "/etc/conf"],
        &["awk", "BEGIN { while (1) x++ }"],
        &["awk", "BEGIN { s = \"x\"; while (1) s = s s }"],
        &["awk", "BEGIN { while (1) a[i++] = i }"],
        &["awk", "function f() { return f() } BEGIN { f() }"],
        &["awk", "BEGIN { $1000000000 = 1 }"],
        &["awk", "BEGIN { printf \"%999999999d\", 1 }"],
        &["seq", "1000000000"],
        &["grep", "-E", r"(x+x+)+y\1", "/etc/long"],
    ];
    for words in cases {
        let mut machine = machine();
        machine.steps = 500_000;
        machine.files.put(b"/etc/long", vec![b'x'; 2000], 0o644).unwrap();
        let stop = run(&mut machine, words, "").unwrap_err();
        assert!(matches!(stop.kind, StopKind::Limit(_)), "{words:?}: {}", stop.kind);
    }
}

/// The longest match, and the groups of the C library.
#[test]
fn patterns_match_as_in_posix() {
    use crate::assemble::scripts::regex::{Flavour, Regex};
    let cases: &[(&str, &str, &[&str])] = &[
        ("a|ab|abc", "xabcd", &["abc"]),
        ("(a|ab)(c|bcd)?", "abcd", &["abcd", "a", "bcd"]),
        ("a*(ab)?", "aab", &["aab", "ab"]),
        ("(.)(.)\\2\\1", "xabbay", &["abba", "a", "b"]),
        ("^[[:alpha:]_][[:alnum:]_]*", "a_1-", &["a_1"]),
        (r"\<b\w+", "ab bc", &["bc"]),
    ];
    for (pattern, text, wanted) in cases {
        let regex = Regex::new(pattern.as_bytes(), Flavour::Extended, false).unwrap();
        let captures = regex.find_at(text.as_bytes(), 0).unwrap().unwrap();
        let found: Vec<&str> = captures.iter().map(|span| span.map_or("-", |(start, end)| &text[start..end])).collect();
        assert_eq!(found, *wanted, "{pattern} on {text}");
    }
    assert_eq!(Regex::new(b"a(", Flavour::Extended, false).unwrap_err(), "Unmatched ( or \\(");
    let deep = [b"(".repeat(5000), b")".repeat(5000)].concat();
    assert!(Regex::new(&deep, Flavour::Extended, false).unwrap().refusal().is_some());
}
