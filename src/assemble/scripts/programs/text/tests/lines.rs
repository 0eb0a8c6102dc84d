//! Command lines as scripts have them, and those at the edges, on several inputs. `NODESMITH_LONG=1` takes all inputs
//! for each, otherwise it is one in turn.

use super::bench::{FileList, difference, words};
use crate::oracle;

fn long() -> bool {
    std::env::var("NODESMITH_LONG").as_deref() == Ok("1")
}

/// Runs all lines of a list; `programs` are those that the first word stands for.
fn agree(lines: &str, programs: fn(&str) -> &'static [&'static str], inputs: &[&[u8]], files: FileList, most: usize) {
    let (mut count, mut wrong) = (0, Vec::new());
    for (index, line) in lines.lines().filter(|line| !line.is_empty()).enumerate() {
        let mut line = words(line);
        let name = String::from_utf8_lossy(&line[0]).into_owned();
        for program in programs(&name).iter().copied().chain(programs(&name).is_empty().then_some(name.as_str())) {
            line[0] = program.as_bytes().to_vec();
            for (turn, input) in inputs.iter().enumerate() {
                if long() || turn == index % inputs.len() {
                    count += 1;
                    wrong.extend(difference(&line, input, files));
                }
            }
        }
    }
    println!("{count} command lines");
    assert!(wrong.len() <= most, "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn itself(_: &str) -> &'static [&'static str] {
    &[]
}

fn there(tools: &[&str]) -> bool {
    tools.iter().all(|tool| oracle::oracle(tool).is_some())
}

#[test]
fn grep_finds_what_the_real_one_finds() {
    const TEXT: &[u8] = b"apple\nBanana\ncherry pie\n\nfoo.bar\nfoo bar\n  indented\n# comment\nkey=value\n\
        key = other value\nroot:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\naaa\nabab\nab\\c\n\
        [section]\na*b\n$HOME\nword words wordy\nlast";
    const FILES: FileList = &[
        ("a.txt", b"one\ntwo\nthree\nfour\nfive\nsix\nseven\n"),
        ("b.txt", b"two\nTwo\ntwo two\n"),
        ("empty", b""),
        ("bin", b"abc\0def\nfoo\n"),
        ("pats", b"foo\ntw\n"),
        ("dir/x.conf", b"foo=1\nbar=2\n"),
        ("dir/sub/y.txt", b"foo\nbaz two\n"),
    ];
    if there(&["grep", "egrep", "fgrep"]) {
        agree(include_str!("grep.txt"), itself, &[TEXT], FILES, 0);
    }
}

#[test]
fn sed_edits_as_the_real_one_does() {
    const INPUTS: &[&[u8]] = &[
        b"hello world\nfoo bar\nfoo=baz\n\nlast line\n",
        b"a\nb\nc\nd\ne\nf\ng",
        b"",
        b"/usr/lib/x:/etc/passwd\n  lead\ttab\n#c\nkey=\"v\"\nFoo fOO foo\naXbXc\n",
    ];
    const FILES: FileList = &[
        ("a.txt", b"one\ntwo\nthree\nfour\nfive\n"),
        ("b.txt", b"alpha\nbeta"),
        ("empty", b""),
        ("s.sed", b"# a comment\ns/o/0/g\n/two/d\n"),
        ("n.sed", b"#n\np\n"),
        ("conf", b"# Config\nPORT=80\n#LISTEN=yes\nNAME=\"x y\"\n\n[main]\nkey = value\n"),
    ];
    if there(&["sed"]) {
        agree(include_str!("sed.txt"), itself, INPUTS, FILES, 0);
    }
}

fn both_awks(name: &str) -> &'static [&'static str] {
    if name == "awk" { &["mawk", "gawk"] } else { &[] }
}

#[test]
fn awk_does_what_mawk_and_gawk_do() {
    const INPUTS: &[&[u8]] = &[
        b"hello world\nfoo bar baz\n\n  lead  space \n10 20 30\n3 abc 1e2\n",
        b"a,b,c\n1,2,3\nkey=value\n\"quoted\"",
        b"",
    ];
    const FILES: FileList = &[
        (
            "passwd",
            b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
                nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
        ),
        ("two", b"b 2\na 1\nc 3\n"),
        ("nums", b"1 2 3\n4 5 6\n7 8 9\n"),
        ("p.awk", b"# prog\nBEGIN { n = 0 }\n{ n += NF }\nEND { print n }\n"),
        ("paras", b"\n\na b\nc\n\n\nd e\nf\n"),
        ("empty", b""),
    ];
    if there(&["mawk", "gawk"]) {
        agree(include_str!("awk.txt"), both_awks, INPUTS, FILES, 0);
    }
}

#[test]
fn filters_do_what_the_real_ones_do() {
    const INPUTS: &[&[u8]] = &[
        b"hello  world\nfoo bar\nfoo bar\n\na:b:c\nlast line $HOME ${HOME}x $NOPE $1",
        b"",
        b"one\n",
        b"b c\na b\n\tc\td\n10\n9\n'x y' z\\ w\nABC abc\n",
    ];
    let files = files();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    if there(&["sort", "diff", "xargs", "hexdump", "envsubst", "iconv"]) {
        agree(include_str!("filters.txt"), itself, INPUTS, &files, 0);
    }
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let long: Vec<String> = (0..60).map(|number| format!("line {}\n", number % 7 * number)).collect();
    let mut other = long.clone();
    other.remove(5);
    other.insert(20, "new\n".to_owned());
    other[40] = "changed\n".to_owned();
    other[41] = "changed 2\n".to_owned();
    other.push("more\n".to_owned());
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("a.txt", text("one\ntwo\nthree\nfour\nfive\n")),
        ("a2.txt", text("one\ntwo\nthree\nfour\n")),
        ("a3.txt", text("zero\none\ntwo\n3\nfour\nfive\nsix\n")),
        ("b.txt", text("alpha\nbeta")),
        ("b2.txt", text("alpha\nbeta\n")),
        ("empty", text("")),
        ("bin", b"a\0\xff\x80b\n\x01\x7f".to_vec()),
        ("nul", b"b\nx\0a\0c\0".to_vec()),
        ("tabs", b"a\tb\tc\n\tx  y\nq\x01\x7f\x80\n".to_vec()),
        ("colon", text("root:x:0:0\nbin:y:10:2\nsys:z:9:3\nnocolon\n:::\n")),
        ("conf", text("# c\n\n\nA=1=2\nB=3\n\n")),
        ("dup", text("a x\na x\nB y\nb y\nc x\na x\nA x\n")),
        ("nums", text("10\n9\n-1\n 5\n1.5\n1.50\nabc\n\n1e2\n2K\n1M\n007\n7\n-0\n0\n+3\n,2\n")),
        ("nums2", text("a 10\nb 9\nc 10\nd -3\ne\nf 2.5\n")),
        ("pad", text("   b\n a\n  c  d\n        e\n\tf\n a b\n")),
        (
            "vers",
            text(
                "1.10\n1.9\n1.2~rc1\n1.2\n1.2-1\n1.2a\nfoo-1.tar.gz\nfoo-10.tar.gz\nfoo-1.2.tar.gz\n\n.a\n..\n.\nabc\n\
                 linux-image-5.10.0-9\nlinux-image-5.10.0-10\n01\n1\n1.0\n",
            ),
        ),
        ("sorted", text("a\nb\nc\nd\n")),
        ("sorted2", text("b\nc\ne\n")),
        ("months", text("MAR\njan\nFeb\nfoo\nDEC\n")),
        ("j1", text("a 1\nb 2\nc 3\ne 5\n")),
        ("j2", text("a x\nb y\nb z\nd w\n")),
        ("j1c", text("a:1\nb:2\n")),
        ("j2c", text("a:x\nb:y:q\n")),
        ("md5s", text("37a9f6fd7ae5cf8bb6ed2b3eb3b2f1b5  a.txt\nd41d8cd98f00b204e9800998ecf8427e  empty\n")),
        (
            "badmd5",
            text(
                "d41d8cd98f00b204e9800998ecf8427e  empty\nd41d8cd98f00b204e9800998ecf8427e  a.txt\n\
                 d41d8cd98f00b204e9800998ecf8427e  missing\nrubbish\n",
            ),
        ),
        ("we\\ird", text("x")),
        ("big", (0..300_u32).map(|at| if at < 100 { 65 } else { at.to_le_bytes()[0] }).collect()),
        ("b64", text("aGVsbG8gd29y\nbGQK\n")),
        ("b64junk", text("aGVs!bG8=\n")),
        ("files", text("a.txt b.txt\ncolon\n")),
        ("quoted", text("'a b' c\\ d \"e f\"\n  g h  \n\ni\n")),
        ("long1", long.concat().into_bytes()),
        ("long2", other.concat().into_bytes()),
    ]
}
