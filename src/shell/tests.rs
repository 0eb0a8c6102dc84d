//! What scripts write and how they end, where no real shell is asked.

use super::testing::{Memory, fuzz, run, run_in};
use super::{Dialect, Stop, StopKind, parse_only};

const BOTH: [Dialect; 2] = [Dialect::Dash, Dialect::Bash];

fn writes(dialect: Dialect, script: &str, expected: &str) {
    let ran = run(dialect, script.as_bytes());
    let out = String::from_utf8_lossy(&ran.out).into_owned();
    assert_eq!(out, expected, "{script}\n{:?} {}", ran.result, String::from_utf8_lossy(&ran.error));
}

fn both_write(script: &str, expected: &str) {
    BOTH.iter().for_each(|dialect| writes(*dialect, script, expected));
}

fn stop(dialect: Dialect, script: &str) -> Stop {
    run(dialect, script.as_bytes()).result.expect_err(script)
}

#[test]
fn commands_run_and_exit() {
    both_write("echo a; exit 3; echo b", "a\n");
    for dialect in BOTH {
        assert_eq!(run(dialect, b"exit 3").result, Ok(3));
        assert_eq!(run(dialect, b"false").result, Ok(1));
        assert_eq!(run(dialect, b"").result, Ok(0));
        assert_eq!(run(dialect, b"set -e; false; exit 7").result, Ok(1));
        assert_eq!(run(dialect, b"trap 'exit 5' EXIT; exit 4").result, Ok(5));
    }
}

#[test]
fn what_follows_an_exit_is_not_read() {
    both_write("echo a\nexit 0\n)garbage ((( if\n", "a\n");
}

#[test]
fn a_mistake_of_the_text_stops_where_it_is_reached() {
    for dialect in BOTH {
        let ran = run(dialect, b"echo a\necho b\nif true; done\n");
        assert_eq!(ran.out, b"a\nb\n");
        let stop = ran.result.expect_err("no shell");
        assert!(matches!(stop.kind, StopKind::Syntax(_)));
        assert_eq!(stop.line, Some(3));
    }
}

#[test]
fn a_stop_names_the_line_and_the_command_and_nothing_catches_it() {
    for dialect in BOTH {
        let stop = stop(dialect, "f() {\n  unheard of || true\n}\nif f; then :; fi || true\n");
        assert_eq!(stop.kind, StopKind::UnknownProgram("unheard".into()));
        assert_eq!(stop.line, Some(2));
        assert_eq!(stop.command, "unheard of");
    }
    let stop = stop(Dialect::Dash, "x=$(true; ( unheard\n ) | cat) || true; trap 'echo never' EXIT");
    assert_eq!((stop.line, stop.command.as_str()), (Some(1), "unheard"));
}

#[test]
fn what_is_not_done_is_no_status() {
    for script in ["read -x a || true", "set -o strange || :", "ulimit -n || :", "alias 'a=b | c' || :", "cd -q / || :"]
    {
        let kind = stop(Dialect::Dash, script).kind;
        assert!(matches!(kind, StopKind::Unsupported(..)), "{script}: {kind:?}");
    }
    for script in ["echo $RANDOM || :", "cat <(echo) || :", "[[ a =~ b ]] || :", "echo ${x@Q} || :", "pushd / || :"] {
        let kind = stop(Dialect::Bash, script).kind;
        assert!(matches!(kind, StopKind::Unsupported(..)), "{script}: {kind:?}");
    }
}

#[test]
fn quotes_inside_of_expansions() {
    both_write(r#"echo "${x:-"a  b"}" "${x:-'q'}" ${x:-'q  r'} "${x:-\}}" ${x:-a\}b}"#, "a  b 'q' q  r } a}b\n");
    both_write(r#"x='a*b'; echo "${x%'*'*}" "${x%\**}" "${x#*"*"}" "${x#a"${y:-*}"}""#, "a a b b\n");
    both_write(r#"echo "`echo "a  b"`" "`echo \"c  d\"`" `echo '\$x' \\\\`"#, "a  b c  d $x \\\n");
    both_write("x=1; echo $((x + ${y:-2} * $(echo 3)))", "7\n");
    both_write("echo a#b '#' # c\n: # ' \"\necho d", "a#b #\nd\n");
    both_write("echo a\\\nb \"c\\\nd\" 'e\\\nf'; ec\\\nho g", "ab cd e\\\nf\ng\n");
}

#[test]
fn fields() {
    both_write("x='a b'; for i in $x\"$x\"$x; do echo \"<$i>\"; done", "<a>\n<ba ba>\n<b>\n");
    both_write("IFS=:; x=a::b:; for i in $x; do echo \"<$i>\"; done", "<a>\n<>\n<b>\n");
    both_write("set -- a 'b c'; for i in x\"$@\"y; do echo \"<$i>\"; done", "<xa>\n<b cy>\n");
    both_write("set --; for i in \"$@\" $* \"\" '' $x; do echo \"<$i>\"; done", "<>\n<>\n");
}

#[test]
fn aliases_count_from_the_next_line_on() {
    // As dash and bash in its sh mode do it.
    both_write(
        "alias say='echo -' false='echo hi'; false || echo none\nx=$(say 3); echo \"$x\"\nfalse say\n\
         \\false || echo quoted\nfor i in 1; do say $i | cat; done\nunalias false\nfalse || echo gone",
        "none\n- 3\nhi say\nquoted\n- 1\ngone\n",
    );
}

#[test]
fn pathnames() {
    for dialect in BOTH {
        let mut memory = Memory::new(10_000);
        for path in ["/tmp/b", "/tmp/a", "/tmp/.hidden", "/tmp/c d", "/etc/x.conf"] {
            memory.add(path.as_bytes(), b"");
        }
        memory.add_directory(b"/tmp/dir");
        memory.add(b"/tmp/dir/f", b"");
        memory.add_link(b"/tmp/dangling", b"/nowhere");
        let script = b"echo * [ab] '*' \\* *\"*\" */f /etc/*.conf /*c/x* .h* d*g no* dir/[!g]\nset -f; echo *";
        let ran = run_in(&mut memory, dialect, script, &[]);
        let expected = "a b c d dangling dir a b * * ** dir/f /etc/x.conf /etc/x.conf .hidden dangling no* dir/f\n*\n";
        assert_eq!(String::from_utf8_lossy(&ran.out), expected, "{:?}", ran.result);
    }
}

#[test]
fn redirections() {
    both_write("echo a >f; echo b >>f; cat f; cat <f >g; cat g", "a\nb\na\nb\n");
    both_write("exec 3>f; echo x >&3; echo y >&3; exec 3>&-; cat f", "x\ny\n");
    both_write("{ echo o; echo e >&2; } 2>&1 >/dev/null | cat", "e\n");
    both_write("echo gone >/dev/null; echo here >/dev/stdout; echo err >/dev/stderr", "here\n");
    both_write("cat <<-E\n\ta $((1 + 1))\n\t\tb\n\tE\ncat <<'E'\n$x \\\nE\n", "a 2\nb\n$x \\\n");
    both_write("(cat <<A; cat <<B) | cat\na\nA\nb\nB\n", "a\nb\n");
    both_write("x=$(cat <<E\na)\nE\n); echo \"$x\"", "a)\n");
    both_write("true </dev/tty || echo none", "none\n");
    both_write("echo a >f; while read -r x; do read y; echo \"$x$y\"; done <<E\n1\n2\n3\n4\nE\n", "12\n34\n");
    writes(Dialect::Bash, "echo a &>f; echo b &>>f; cat f; cat <<<\"$(echo c)\"", "a\nb\nc\n");
}

#[test]
fn one_open_file_has_one_position() {
    both_write("exec 4<<E\n1\n2\n3\nE\nread a <&4; (read b <&4); read c <&4; echo $a$b$c", "13\n");
    both_write("exec 5>f; echo a >&5; (echo b >&5); echo c >&5; cat f", "a\nb\nc\n");
}

#[test]
fn functions_and_locals() {
    both_write("f() { local x=in; g; echo $x; }; g() { x=changed; }; x=out; f; echo $x", "changed\nout\n");
    both_write("f() { echo $# $1; shift; echo \"$*\"; return 3; }; f a b c; echo $? $#", "3 a\nb c\n3 0\n");
    both_write("f() { f() { echo new; }; echo old; }; f; f", "old\nnew\n");
    both_write("f() (x=1; exit 4); f; echo $? ${x-unset}", "4 unset\n");
    both_write("echo() { printf '[%s]' \"$@\"; }; echo a; command echo b; unset -f echo; echo c", "[a]b\nc\n");
}

#[test]
fn bash_only() {
    writes(
        Dialect::Bash,
        "a=(x 'y z'); a+=(w); a[5]=v; echo ${#a[@]} \"${a[1]}\" ${!a[@]} \"${a[*]}\"",
        "4 y z 0 1 2 5 x y z w v\n",
    );
    writes(
        Dialect::Bash,
        "x=hello; echo ${x^} ${x^^} ${x//l/L} ${x/l} ${x:1:3} ${x: -2}",
        "Hello HELLO heLLo helo ell lo\n",
    );
    writes(
        Dialect::Bash,
        "echo {a,b}{1..3} {3..1} {01..03} {a,{b,c}} {x} {}",
        "a1 a2 a3 b1 b2 b3 3 2 1 01 02 03 a b c {x} {}\n",
    );
    writes(Dialect::Bash, "[[ abc == a* && -n x && ! ( a == b ) && 2 -lt 10 && a < b ]] && echo yes", "yes\n");
    writes(Dialect::Bash, "for ((i = 0; i < 3; i++)); do echo -n $i; done; ((i == 3)) && echo", "012\n");
    writes(Dialect::Bash, "case a in a) echo 1;& b) echo 2;;& a) echo 3;; esac", "1\n2\n3\n");
    writes(
        Dialect::Bash,
        "f() { declare -r x=1; local -a y=(1 2); echo $x ${y[1]}; }; f; echo ${x-gone}",
        "1 2\ngone\n",
    );
    writes(
        Dialect::Bash,
        "n=name; name=v; echo ${!n}; printf -v q '%03d' 7; echo $q; printf '%q\\n' 'a b'",
        "v\n007\na\\ b\n",
    );
    writes(Dialect::Bash, "read -a w <<< 'a b c'; echo ${w[2]}; mapfile -t l < <(echo x) || :", "c\n");
}

#[test]
fn dash_is_no_bash() {
    writes(Dialect::Dash, "echo {a,b} $'x'; echo 'a\\tb'; echo -e c", "{a,b} $x\na\tb\n-e c\n");
    assert_eq!(run(Dialect::Dash, b"x=abc; echo ${x/a/b}; echo no").result, Ok(2));
    assert_eq!(run(Dialect::Dash, b"[ a == a ]").result, Ok(2));
    assert!(matches!(stop(Dialect::Dash, "[[ a ]]").kind, StopKind::UnknownProgram(_)));
    assert!(parse_only(b"a=(b)", Dialect::Dash).is_err());
}

#[test]
fn another_directory_is_another_place_for_files() {
    both_write(
        "cd /etc; echo a >f; cd ..; cat etc/f; pwd; cd etc/../tmp; pwd; cd - >/dev/null; echo $PWD",
        "a\n/\n/tmp\n/\n",
    );
}

#[test]
fn sourced_files() {
    for dialect in BOTH {
        let mut memory = Memory::new(10_000);
        memory.add(b"/tmp/lib", b"x=$1; f() { echo \"f $x\"; }\nreturn 4\nexit 9\n");
        let ran = run_in(&mut memory, dialect, b". ./lib; echo $?; f", &[b"arg".to_vec()]);
        assert_eq!(String::from_utf8_lossy(&ran.out), "4\nf arg\n", "{:?}", ran.result);
    }
}

/// `text` around itself so many times.
fn nested(open: &str, middle: &str, close: &str, times: usize) -> String {
    format!("{}{middle}{}", open.repeat(times), close.repeat(times))
}

#[test]
fn what_is_nested_too_deeply_is_a_mistake() {
    let shapes = [
        ("if :; then ", ":", "; fi"),
        ("( ", ":", " )"),
        ("{ ", ":", "; }"),
        ("case a in a) ", ":", ";; esac"),
        ("until ! :; do ", "break 99", "; done"),
        ("for i in 1; do ", ":", "; done"),
        ("echo $( ", ":", " )"),
        ("echo \"$( ", ":", " )\""),
        ("f() { ", ":", "; }"),
        ("if :; then :; else ", ":", "; fi"),
    ];
    for dialect in BOTH {
        for (open, middle, close) in shapes {
            let stop = stop(dialect, &nested(open, middle, close, 3_000));
            assert!(matches!(stop.kind, StopKind::Limit(_)), "{open}: {stop:?}");
            let ran = run(dialect, nested(open, middle, close, 12).as_bytes());
            assert!(ran.result.is_ok(), "{open}: {:?}", ran.result);
        }
        for (open, close) in [("${x:-", "}"), ("$((", "))"), ("\"${x:-", "}\"")] {
            let stop = stop(dialect, &format!("echo {}", nested(open, "1", close, 3_000)));
            assert!(matches!(stop.kind, StopKind::Limit(_)), "{open}: {stop:?}");
        }
        for script in [
            "f() { f; }; f",
            "f() { if :; then x=$(f); fi; }; f",
            "x='eval \"$x\"'; eval \"$x\"",
            "f() { (f) | cat; }; f",
            "f() { trap f EXIT; (f); }; f",
        ] {
            let stop = stop(dialect, script);
            assert!(matches!(stop.kind, StopKind::Limit(_)), "{script}: {stop:?}");
        }
        let stop = stop(dialect, &format!("echo $(({}))", nested("(", "1", ")", 3_000)));
        assert!(matches!(stop.kind, StopKind::Limit(_)), "{stop:?}");
        let stop = self::stop(dialect, &format!("[ {}a ]", "! ".repeat(3_000)));
        assert!(matches!(stop.kind, StopKind::Limit(_)), "{stop:?}");
    }
}

#[test]
fn long_is_not_deep() {
    for dialect in BOTH {
        for script in [
            format!(":{}", " && :".repeat(5_000)),
            format!("echo $((1{})) >/dev/null", " + 1".repeat(5_000)),
            format!("if false; then :; {}fi", "elif false; then :; ".repeat(3_000)),
            format!("[ a {}]", "-a a ".repeat(3_000)),
            ":\n".repeat(10_000),
        ] {
            let ran = run(dialect, script.as_bytes());
            assert_eq!(ran.result, Ok(0), "{script:.40}");
        }
    }
}

#[test]
fn everything_ends() {
    for dialect in BOTH {
        for script in [
            "while :; do :; done",
            "until false; do x=$x$x$x.; done",
            "for i in $(while :; do echo x; done); do :; done",
            "f() { while :; do echo; done; }; f | cat",
            "x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; case $x in *a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b) ;; esac; while :; do x=$x$x; done",
        ] {
            let stop = stop(dialect, script);
            assert!(matches!(stop.kind, StopKind::Limit(_)), "{script}: {stop:?}");
        }
    }
}

#[test]
fn any_bytes_end_in_a_result() {
    // Pieces of syntax in an order that a simple generator makes up.
    let pieces: Vec<&[u8]> = [
        "if ",
        "then ",
        "fi\n",
        "(",
        ")",
        "{ ",
        "}",
        "$(",
        "${",
        "$((",
        "))",
        "`",
        "\"",
        "'",
        "\\",
        "\n",
        ";",
        ";;",
        "&",
        "|",
        "&&",
        "<<E\n",
        "E\n",
        "<",
        ">",
        ">&",
        "case a in ",
        "esac ",
        "for x in ",
        "do ",
        "done\n",
        "while ",
        "x=",
        "$x",
        "${x#*",
        "a*[",
        "]",
        "[[ ",
        " ]]",
        "((",
        "echo ",
        "read x ",
        "eval ",
        "f() ",
        "f\n",
        "trap ",
        "EXIT\n",
        "\0",
        "\u{e9}",
        "$'",
        "=(",
        "!",
        "-",
        ":-",
        "/",
        "@",
        "set -e ",
        "shift ",
        "local x",
        ". ./one ",
        "exec ",
        "printf %s%5d ",
        "getopts a: x ",
        "test ",
        "1",
        "0x",
        "~",
        "{a,b}",
        "{1..9}",
    ]
    .iter()
    .map(|piece| piece.as_bytes())
    .collect();
    let mut state = 1_u64;
    for _ in 0..3_000 {
        let mut script = Vec::new();
        for _ in 0..(state >> 40) % 24 + 1 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = usize::try_from(state >> 33).unwrap_or_default() % pieces.len();
            script.extend_from_slice(pieces[number]);
        }
        fuzz(&script);
    }
}
