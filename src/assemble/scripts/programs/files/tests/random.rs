//! Command lines by chance: forms that scripts have, with whatever names are there.

use super::bench::{Bench, is_long, may_run, split};
use super::fixed::NODES;

/// Numbers from a seed, the same everywhere (Knuth's multiplier).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "e",
    "d",
    "d/x",
    "d/y",
    "d/sub",
    "d/sub/deep",
    "d/sub/up",
    "d/link",
    "d/z-hard",
    "d/out",
    "empty",
    "setgid",
    "to-a",
    "to-d",
    "to-to-a",
    "dangling",
    "dangling2",
    "pipe",
    "hard-a",
    "n",
    "m",
    "n/o",
    "empty/x",
    "setgid/y",
    "d/",
    "to-d/",
    "./a",
    "d/../b",
    "to-d/x",
    ".",
    "d/.hidden",
    "with*",
    "nothing",
    "n/",
    "'with space'",
];
const MODES: &[&str] = &[
    "644",
    "0755",
    "4755",
    "2755",
    "1777",
    "00700",
    "u+s",
    "g+s",
    "+t",
    "a+x",
    "go-w",
    "u=rwX,go=rX",
    "g=u",
    "o=",
    "=r",
    "+X",
    "u+w,g-x,o=u",
    "-w",
    "a-s",
    "600",
    "g+w,o-rwx",
    "ug+rw",
    "7",
    "u=s",
    "=",
];
const OWNERS: &[&str] = &["1", "1:2", ":2", "daemon:", "root:root", "daemon:bin", "bin", "0", "root.bin", ":"];

/// One program with options of its own and names after them.
fn line(chance: &mut Chance) -> String {
    let forms: &[(&str, &[&str], usize, usize)] = &[
        ("rm", &["-r", "-f", "-rf", "-v", "-d", "-rv"], 1, 3),
        ("rmdir", &["-p", "-v", "--ignore-fail-on-non-empty"], 1, 2),
        ("mkdir", &["-p", "-v", "-m MODE", "-p -m MODE"], 1, 2),
        (
            "cp",
            &[
                "-a",
                "-r",
                "-p",
                "-f",
                "-n",
                "-u",
                "-d",
                "-P",
                "-L",
                "-l",
                "-s",
                "-T",
                "-v",
                "-b",
                "-H",
                "--remove-destination",
                "--preserve=mode",
                "--preserve=all",
                "--no-preserve=mode",
                "-rT",
                "-af",
            ],
            2,
            3,
        ),
        ("mv", &["-f", "-n", "-u", "-T", "-v", "-b", "-vT"], 2, 3),
        ("ln", &["-s", "-sf", "-sfn", "-sn", "-f", "-sr", "-srf", "-sT", "-sfT", "-sb", "-v", "-L", "-P", "-sv"], 2, 3),
        (
            "install",
            &["-m MODE", "-d", "-D", "-o 1", "-g 2", "-p", "-T", "-v", "-b", "-d -m MODE", "-D -m MODE", "-C"],
            1,
            3,
        ),
        ("chmod", &["MODE", "-R MODE", "-v MODE", "-c MODE", "-f MODE", "--reference=NAME"], 1, 3),
        (
            "chown",
            &[
                "OWNER",
                "-R OWNER",
                "-h OWNER",
                "-Rh OWNER",
                "-RH OWNER",
                "-RL OWNER",
                "-v OWNER",
                "-f OWNER",
                "--from=0 OWNER",
                "--reference=NAME",
            ],
            1,
            3,
        ),
        ("chgrp", &["2", "-R bin", "-h 1", "-v 3", "--reference=NAME"], 1, 2),
        ("touch", &["-c", "-h", "-r b", "-d @5", "-m", "-a", ""], 1, 3),
        ("truncate", &["-s 0", "-s 3", "-s +2", "-c -s 0"], 1, 2),
        ("readlink", &["-f", "-e", "-m", "-n", ""], 1, 2),
        ("realpath", &["-e", "-m", "-s", "", "--relative-to=NAME"], 1, 2),
        (
            "find",
            &[
                "NAME -type f",
                "NAME -maxdepth 1",
                "-L NAME -type d",
                "NAME -perm -MODE",
                "NAME -name x*",
                "NAME -user 1",
                "NAME -empty",
                "NAME -depth",
                "NAME -perm /222 -type f",
                "NAME -type f -exec chmod MODE {} +",
                "NAME -type l -delete",
                "NAME -newer b -type f",
                "NAME ! -type d -links +1",
                "-H NAME -printf %p:%m:%u:%l:%y\\n",
                "NAME -mindepth 1 -delete",
            ],
            0,
            0,
        ),
        ("stat", &["-c %a:%u:%g:%F:%s:%h", "-L -c %a:%n", "-c %N"], 1, 2),
        ("ls", &["", "-A", "-d", "-l", "-ld", "-lA", "-1", "-F", "-R", "-S", "-r", "-n"], 1, 2),
        ("mkfifo", &["", "-m 600"], 1, 1),
        ("link", &[""], 2, 2),
        ("unlink", &[""], 1, 1),
        ("basename", &["", "-a"], 1, 2),
        ("dirname", &[""], 1, 2),
    ];
    let (program, options, fewest, most) = forms[chance.below(forms.len())];
    let mut text = program.to_owned();
    for _ in 0..1 + usize::from(
        chance.below(4) == 0
            && !["find", "truncate"].contains(&program)
            && program != "chmod"
            && !program.starts_with("ch"),
    ) {
        let option = chance.one(options);
        let option = option
            .replace("MODE", chance.one(MODES))
            .replace("OWNER", chance.one(OWNERS))
            .replace("NAME", chance.one(NAMES));
        text.push(' ');
        text.push_str(&option);
    }
    for _ in 0..fewest + chance.below(most - fewest + 1) {
        text.push(' ');
        text.push_str(chance.one(NAMES));
    }
    text
}

#[test]
fn command_lines_by_chance_do_what_the_real_programs_do() {
    if !may_run() {
        return crate::oracle::skip("root and GNU coreutils are missing");
    }
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (mut run, mut stopped, mut wrong) = (0, 0, Vec::new());
    let mut chance = Chance(number("FILES_SEED", 1));
    for _ in 0..number("FILES_TREES", if is_long() { 300 } else { 20 }) {
        let mut bench = Bench::new(NODES);
        bench.any_time = true;
        let mut history = Vec::new();
        for _ in 0..8 {
            let text = line(&mut chance);
            let umask = [0o022, 0o022, 0o077, 0o002][chance.below(4)];
            history.push(format!("umask {umask:03o} {text}"));
            let words = split(&text);
            match bench.compare_words(&words, umask, b"") {
                Ok(None) => run += 1,
                Ok(Some(difference)) => {
                    run += 1;
                    wrong.push(format!("## {}\n{difference}", history.join(" ; ")));
                    break;
                }
                Err(stop) => {
                    stopped += 1;
                    println!("{text}: {}", stop.kind);
                    break;
                }
            }
        }
    }
    println!("{run} command lines, {stopped} not supported");
    assert!(wrong.is_empty(), "{} of {run} differ:\n{}", wrong.len(), wrong.join("\n"));
}
