//! Random scripts: every loop ends, no function calls itself, nothing is said about what a message says.

use std::fmt::Write as _;

use nodesmith::shell::Dialect;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

struct Writer {
    random: StdRng,
    dialect: Dialect,
    text: String,
    /// Functions that are defined, and may be called from those that come later.
    functions: usize,
    traps: bool,
    in_function: bool,
    loops: usize,
    counters: usize,
}

/// The script of a number, always the same.
pub(super) fn script(seed: u64, dialect: Dialect) -> String {
    let mut writer = Writer {
        random: StdRng::seed_from_u64(seed),
        dialect,
        text: String::new(),
        functions: 0,
        traps: true,
        in_function: false,
        loops: 0,
        counters: 0,
    };
    writer.line("n=1; m=2");
    if writer.one_in(3) {
        writer.line("set -e");
    }
    if writer.one_in(8) {
        writer.line("set -u");
        // In a pipeline, an unset variable makes bash run the trap twice.
        writer.traps = dialect == Dialect::Dash;
    }
    let last = r#"printf '{%s}' "$?" "${a-unset}" "${b-unset}" "${c-unset}" "$#" "$*" "${IFS-unset}""#;
    let in_trap = writer.one_in(3) && writer.traps;
    if in_trap {
        writer.line(&format!("trap '{}' EXIT", last.replace('\'', "")));
    }
    for _ in 0..writer.random.gen_range(1..4) {
        writer.function();
    }
    for _ in 0..writer.random.gen_range(3..9) {
        writer.command(3);
    }
    if !in_trap {
        writer.line(last);
    }
    writer.text
}

const VARIABLES: [&str; 3] = ["a", "b", "c"];
const TEXTS: [&str; 26] = [
    "", "a", "b", "ab", "abcabc", "x y", " lead", "trail ", "a:b::c", ":", "*", "?", "[a]", "a*", "5", "-3", "007",
    "-n", "\\n", "a\\tb", "$a", "~", "a=b", "é", "  ", "x  y:z ",
];
const PATTERNS: [&str; 20] = [
    "*",
    "?",
    "a*",
    "*b",
    "*b*",
    "[ab]*",
    "[!a]*",
    "a",
    "\"*\"",
    "\\*",
    "''",
    "*:*",
    "*:",
    "[a-c]?*",
    "[[:alpha:]]*",
    "*[!c]",
    "$a",
    "\"$a\"",
    "*' '*",
    "[]x]*",
];

impl Writer {
    fn one_in(&mut self, count: u32) -> bool {
        self.random.gen_ratio(1, count)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.choose(&mut self.random).unwrap()
    }

    fn bash(&self) -> bool {
        self.dialect == Dialect::Bash
    }

    fn line(&mut self, text: &str) {
        for line in text.lines() {
            let _ = writeln!(self.text, "{line}");
        }
    }

    /// Lines of commands inside of something.
    fn block(&mut self, depth: usize) {
        self.line(":");
        for _ in 0..self.random.gen_range(1..4) {
            self.command(depth);
        }
    }

    /// Commands on lines of their own, as text.
    fn captured(&mut self, write: impl FnOnce(&mut Writer)) -> String {
        let outer = std::mem::take(&mut self.text);
        write(self);
        std::mem::replace(&mut self.text, outer)
    }

    fn quoted(&mut self) -> String {
        let text = self.pick(&TEXTS);
        format!("'{text}'")
    }

    fn variable(&mut self) -> &'static str {
        self.pick(&VARIABLES)
    }

    fn number(&mut self) -> String {
        match self.random.gen_range(0..6) {
            0 => "$#".into(),
            1 => format!("0x{:x}", self.random.gen_range(0..40)),
            2 => format!("0{:o}", self.random.gen_range(0..40)),
            _ => self.random.gen_range(0..20).to_string(),
        }
    }

    /// An expression over numbers and the variable `n`, which always is one.
    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 {
            return if self.one_in(3) { self.pick(&["n", "$n", "m"]).into() } else { self.number() };
        }
        let left = self.expression(depth - 1);
        match self.random.gen_range(0..10) {
            0 => format!("({left})"),
            1 => format!("{}{left}", self.pick(&["- ", "+ ", "!", "~"])),
            2 => {
                let (yes, no) = (self.expression(depth - 1), self.expression(depth - 1));
                format!("{left} ? {yes} : ({no})")
            }
            3 => format!("(n {} ({left}))", self.pick(&["=", "+=", "-=", "*=", "|=", "&=", "^="])),
            4 => format!("{left} {} {}", self.pick(&["/", "%"]), self.random.gen_range(1..9)),
            5 => format!("({left}) {} {}", self.pick(&["<<", ">>"]), self.random.gen_range(0..9)),
            _ => {
                let right = self.expression(depth - 1);
                let operators = ["+", "-", "*", "<", ">", "<=", ">=", "==", "!=", "&", "|", "^", "&&", "||"];
                format!("({left}) {} ({right})", self.pick(&operators))
            }
        }
    }

    fn operand(&mut self, depth: usize) -> String {
        match self.random.gen_range(0..5) {
            0 => "d e".into(),
            1 => String::new(),
            _ => self.word(depth),
        }
    }

    fn parameter(&mut self, depth: usize, inside: bool) -> String {
        let name = self.variable();
        let name = if self.one_in(6) { self.pick(&["1", "2", "9", "@", "*", "#"]) } else { name };
        let assigns = VARIABLES.contains(&name);
        match self.random.gen_range(0..16) {
            0..=4 => format!("${{{name}}}"),
            5 if name != "@" && name != "*" => format!("${{#{name}}}"),
            6..=9 if name != "#" => {
                let operator = self.pick(&["-", ":-", "+", ":+"]);
                // Quotes inside of quotes are nobody's business.
                let word = if inside { self.pick(&["q", "q r", "$b", ""]).into() } else { self.operand(depth) };
                format!("${{{name}{operator}{word}}}")
            }
            10 if assigns => {
                let word = if inside { "q r".into() } else { self.operand(depth) };
                format!("${{{name}{}{word}}}", self.pick(&["=", ":="]))
            }
            11 if self.bash() && assigns => match self.random.gen_range(0..5) {
                0 => format!("${{{name}{}}}", self.pick(&["^^", ",,", "^", ","])),
                1 => format!("${{{name}:{}}}", self.pick(&["0", "1", " -1", "2", "9"])),
                2 => format!("${{{name}:{}:{}}}", self.pick(&["0", "1", " -2"]), self.pick(&["0", "1", "2"])),
                _ => {
                    let pattern = self.pick(&PATTERNS);
                    format!(
                        "${{{name}{}{pattern}/{}}}",
                        self.pick(&["/", "//", "/#", "/%"]),
                        self.pick(&["", "Z", "$b"])
                    )
                }
            },
            _ if name != "@" && name != "*" && name != "#" => {
                format!("${{{name}{}{}}}", self.pick(&["#", "##", "%", "%%"]), self.pick(&PATTERNS))
            }
            _ => format!("${name}"),
        }
    }

    fn word(&mut self, depth: usize) -> String {
        match self.random.gen_range(0..16) {
            0 => self.pick(&["x", "y", "-", "1", "a:b", "a=b", "~x", "\\*", "a\\ b", "\\\\"]).into(),
            1 | 2 => self.quoted(),
            3 | 4 => format!("${}", self.variable()),
            5 | 6 => format!("\"${}\"", self.variable()),
            7 => self.parameter(depth.saturating_sub(1), false),
            8 => {
                let parameter = self.parameter(depth.saturating_sub(1), true);
                format!("\"{}{parameter}{}\"", self.pick(&["", "p ", "$c"]), self.pick(&["", " s", ":"]))
            }
            9 => self.pick(&["\"$@\"", "$@", "\"$*\"", "$*", "$#", "$?", "\"p$@s\"", "$1", "\"$2\""]).into(),
            10 if depth > 0 => {
                let inner = self.captured(|writer| writer.simple(depth - 1));
                let inner = inner.trim_end();
                if inner.contains(['`', '\\', '\n', '#']) || self.one_in(2) {
                    format!("$( {inner}\n)")
                } else {
                    format!("`{inner}`")
                }
            }
            11 if depth > 0 => {
                let inner = self.captured(|writer| writer.simple(depth - 1));
                format!("\"$( {}\n)\"", inner.trim_end())
            }
            12 => format!("$(({}))", self.expression(2)),
            13 => format!("{}{}", self.quoted(), self.quoted()),
            14 if depth > 0 => format!("{}{}", self.word(depth - 1), self.word(depth - 1)),
            _ => format!("\"{}\"", self.pick(&["a b", "", "x", " y ", "\\$a", "*", "\\\\n", "'"])),
        }
    }

    fn words(&mut self, depth: usize) -> String {
        let count = self.random.gen_range(0..4);
        (0..count).map(|_| format!(" {}", self.word(depth))).collect()
    }

    fn test(&mut self, depth: usize) -> String {
        let (left, right) = (self.word(depth.min(1)), self.word(depth.min(1)));
        match self.random.gen_range(0..12) {
            0 => format!("[ -n \"${}\" ]", self.variable()),
            1 => format!("[ -z \"{}\" ]", self.pick(&["$a", "", "x"])),
            2 => format!(
                "[ {} {} {} ]",
                self.number(),
                self.pick(&["-eq", "-ne", "-lt", "-ge", "-gt", "-le"]),
                self.number()
            ),
            3 => format!("[ {left} = {right} ]"),
            4 => format!("[ {left} != {right} ]"),
            5 => format!("[ {left} ]"),
            6 => format!("test {left} {right}"),
            7 => format!("[ ! \"${}\" = \"{}\" ]", self.variable(), self.pick(&["", "a", "5"])),
            8 => format!("[ {} \"${}\" ]", self.pick(&["-e", "-f", "-d", "-s", "!", "-n", "-z"]), self.variable()),
            9 => format!("[ \"$a\" = \"$b\" {} -n \"$c\" ]", self.pick(&["-a", "-o"])),
            10 if self.bash() => {
                let operator = self.pick(&["==", "!=", "="]);
                format!("[[ $a {operator} {} {} -n $b ]]", self.pick(&PATTERNS), self.pick(&["&&", "||"]))
            }
            _ => format!(
                "[ {} ]",
                self.pick(&["", "!", "-n", "a", "''", "= = =", "! ''", "-f", "\\( a \\)", "\\( '' \\)", "! ! a"])
            ),
        }
    }

    /// One command on one line, which writes or changes something.
    fn simple(&mut self, depth: usize) {
        let text = match self.random.gen_range(0..31) {
            0..=4 => format!("printf '[%s]'{}", self.words(depth)),
            5 => format!("echo{}", self.words(depth)),
            6 => format!("echo x{}", self.words(depth)),
            7..=9 => format!("{}={}", self.variable(), self.word(depth)),
            10 => format!("{}={} {}={}", self.variable(), self.word(depth), self.variable(), self.word(depth)),
            11 => self.pick(&["true", "false", ":", "! true", "! false", "(exit 3)", "false || false"]).into(),
            12 => format!("set --{}", self.words(depth)),
            13 => "[ $# -eq 0 ] || shift".into(),
            14 => format!("n={}; n=$(({}))", self.random.gen_range(0..9), self.expression(2)),
            15 => format!("echo $(({}))", self.expression(3)),
            16 => format!("unset {}", self.variable()),
            17 => self
                .pick(&["IFS=:", "IFS=' :'", "IFS=", "unset IFS", "IFS=' '", "IFS=' \t\n'", "IFS=a", "IFS=': '"])
                .into(),
            18 => self.test(depth),
            19 => {
                let test = self.test(depth);
                format!("{test} {} echo {}", self.pick(&["&&", "||"]), self.pick(&["yes", "$?", "\"$a\""]))
            }
            20 | 21 if self.functions > 0 => {
                let prefix = if self.one_in(5) { format!("{}=temp ", self.pick(&["a", "b"])) } else { String::new() };
                format!("{prefix}f{}{}", self.random.gen_range(0..self.functions), self.words(depth))
            }
            22 => format!("{}={} printf '<%s>' \"${}\"", self.variable(), self.word(depth), self.variable()),
            23 => self.printf(depth),
            24 => {
                let options = self.pick(&["", "-r "]);
                let names = self.pick(&["a", "a b", "a b c", "b c"]);
                let text = self.pick(&[
                    "one two three four",
                    "  lead  trail  ",
                    "a:b:c:d:",
                    "x\\ y z",
                    "back\\\\slash n",
                    ":a : b",
                    "a\\\nb c",
                    "",
                    "a  :",
                    "one:",
                    " : ",
                    "a b:c d",
                ]);
                let newline = self.pick(&["\n", ""]);
                format!(
                    "read {options}{names} <<'E'\n{text}\nE\nprintf '(%s)' \"$?\" \"$a\" \"$b\" \"$c\"{}",
                    newline.trim()
                )
            }
            25 => format!(
                "eval {}",
                self.pick(&[
                    "'a=1; b=\"$a x\"'",
                    "\"printf '%s.' \\$a \\$b\"",
                    "'false'",
                    "'echo \"$a\"; (exit 4)'",
                    "\"c='x y'\"",
                    "''",
                    "'for i in $a; do echo \"$i\"; done'",
                    "'eval \"echo \\\"\\$b\\\"\"'",
                ])
            ),
            26 => self.here_document(depth),
            27 => format!(
                "echo {} | {}",
                self.word(depth),
                self.pick(&[
                    "cat",
                    "while read x; do echo \"<$x>\"; done",
                    "{ read x y; echo \"$y-$x\"; }",
                    "(cat; echo $?)",
                    "cat | cat",
                    "read a",
                    "false",
                ])
            ),
            28 => self
                .pick(&[
                    "umask 027; umask",
                    "umask u=rwx,g=rx,o=; umask",
                    "umask -S",
                    "umask 22",
                    "command echo c",
                    "command -v echo",
                    "command -v if",
                    "type true",
                    "export c; b=2",
                    "export c=3",
                    "readonly d=1",
                    "echo \"$-\" >/dev/null",
                    "hash -r",
                    "(cd /; pwd)",
                    "wait",
                    "set -f",
                    "set +f",
                    "trap : INT",
                    "exec 3>&1; echo x >&3; exec 3>&-",
                    "local a || :",
                ])
                .into(),
            29 => format!("{}=${{{}}}", self.variable(), self.variable()),
            _ => format!("for v in{}; do printf '%s,' \"$v\"; done", self.words(depth)),
        };
        self.line(&text);
    }

    fn printf(&mut self, depth: usize) -> String {
        let format = self.pick(&[
            "%s|%s\\n",
            "%5s|%-5s|",
            "%d %s;",
            "%x-%o-%u ",
            "%c",
            "%b.",
            "%%%s",
            "%05d|",
            "%.2s|",
            "a\\tb\\101\\n",
            "%+d ",
            "%*s|",
            "%i\\n",
            "%X %#x %#o|",
            "% d",
            "%s\\\\%s",
            "%.3d|",
        ]);
        let words = if format.contains(['d', 'i', 'x', 'X', '*']) && !format.contains("\\tb") {
            let count = self.random.gen_range(0..4);
            (0..count).map(|_| format!(" {}", self.pick(&["1", "42", "-7", "0x1F", "010", "\"'a\"", "300"]))).collect()
        } else {
            self.words(depth)
        };
        format!("printf '{format}'{words}")
    }

    fn here_document(&mut self, depth: usize) -> String {
        let mark = self.pick(&["E", "'E'", "\\E"]);
        let command = self.pick(&["cat", "while read -r x; do echo \"<$x>\"; done", "{ read a; cat; }"]);
        let mut body = String::new();
        for _ in 0..self.random.gen_range(0..3) {
            let line = match self.random.gen_range(0..5) {
                // What it assigns is lost with the process that bash has for `cat`.
                0 => Some(self.parameter(depth.min(1), true)).filter(|text| !text.contains('=')).unwrap_or_default(),
                1 => {
                    Some(format!("$(({}))", self.expression(1))).filter(|text| !text.contains('=')).unwrap_or_default()
                }
                2 => "\"$a\" '$b' \\$c \\\\ \\x `echo in`".into(),
                3 => "tab\there  $(echo \"a  b\")".into(),
                _ => self.pick(&["plain", "", "  spaces  ", "\\\nx", "a\\\nEE", "$", "$*", "$@"]).into(),
            };
            body += &line;
            body.push('\n');
        }
        format!("{command} <<{mark}\n{body}E")
    }

    fn function(&mut self) {
        let name = self.functions;
        let open = self.pick(&["{", "{", "("]);
        self.line(&format!("f{name}() {open}"));
        let subshell = self.text.trim_end().ends_with('(');
        self.in_function = true;
        let loops = std::mem::take(&mut self.loops);
        if self.one_in(2) {
            let word = self.word(1);
            let name = self.variable();
            let text = self
                .pick(&["local NAME=WORD", "local NAME; NAME=WORD", "local NAME=$(false)", "local a b=WORD"])
                .to_owned();
            self.line(&text.replace("NAME", name).replace("WORD", &word));
        }
        self.block(2);
        if self.one_in(3) {
            let text = format!("return {}", self.pick(&["0", "3", "", "$?"]));
            self.line(&text);
        }
        self.loops = loops;
        self.in_function = false;
        self.line(if subshell { ")" } else { "}" });
        self.functions += 1;
    }

    fn condition(&mut self, depth: usize) -> String {
        let text = self.captured(|writer| {
            if writer.one_in(2) {
                let test = writer.test(depth);
                writer.line(&test);
            } else {
                writer.simple(depth);
            }
        });
        format!("{}\n", text.trim_end())
    }

    fn command(&mut self, depth: usize) {
        if depth == 0 {
            return self.simple(1);
        }
        match self.random.gen_range(0..34) {
            0 | 1 => {
                let condition = self.condition(1);
                let before = if condition.starts_with('!') { "" } else { self.pick(&["", "! ", "false || "]) };
                self.line(&format!("if {before}{condition}then"));
                self.block(depth - 1);
                if self.one_in(3) {
                    let condition = self.condition(0);
                    self.line(&format!("elif {condition}then"));
                    self.block(depth - 1);
                }
                if self.one_in(2) {
                    self.line("else");
                    self.block(depth - 1);
                }
                self.line("fi");
            }
            2 => {
                let words = self.words(1);
                self.line(&format!("for a in{words}; do"));
                self.loop_body(depth);
                let end = self.redirected("done");
                self.line(&end);
            }
            3 => {
                self.counters += 1;
                let name = format!("i{}", self.counters);
                let most = self.random.gen_range(1..4);
                let head = self.pick(&["while [ \"$NAME\" -lt MOST ]", "until [ \"$NAME\" -ge MOST ]"]);
                let head = head.replace("NAME", &name).replace("MOST", &most.to_string());
                self.line(&format!("{name}=0\n{head}; do\n {name}=$(({name}+1))"));
                self.loop_body(depth);
                let end = self.redirected("done");
                self.line(&end);
            }
            4 | 5 => {
                let word = self.word(1);
                self.line(&format!("case {word} in"));
                for _ in 0..self.random.gen_range(1..4) {
                    let (first, second) = (self.pick(&PATTERNS), self.pick(&PATTERNS));
                    let open = self.pick(&["", "("]);
                    let pattern = if self.one_in(2) { format!("{first} | {second}") } else { first.into() };
                    self.line(&format!("{open}{pattern})"));
                    self.block(depth - 1);
                    let end = if self.bash() && self.one_in(4) { self.pick(&[";&", ";;&"]) } else { ";;" };
                    self.line(end);
                }
                self.line("esac");
            }
            6 | 7 => {
                self.line("(");
                let loops = self.loops;
                if self.one_in(4) && self.traps {
                    self.line(" trap 'echo left $?' EXIT");
                }
                self.block(depth - 1);
                if self.one_in(4) {
                    self.line(" exit 5");
                }
                self.loops = loops;
                let end = self.redirected(")");
                let end = format!("{end}{}", self.pick(&["", "", " || echo failed $?", " && echo fine", " | cat"]));
                self.line(&end);
            }
            8 => {
                self.line("{");
                self.block(depth - 1);
                let end = self.redirected("}");
                let end = format!("{end}{}", self.pick(&["", "", " || echo failed $?", " && echo fine", " | cat"]));
                self.line(&end);
            }
            9 | 10 => {
                let left = self.condition(1);
                let right = self.condition(1);
                if !left.contains("<<") && !right.contains("<<") {
                    let joint = self.pick(&["&&", "||", ";", if right.starts_with('!') { ";" } else { "|" }]);
                    self.line(&format!("{} {joint} {}", left.trim_end(), right.trim_end()));
                }
            }
            11 if self.in_function => {
                let text = format!("{} && return {}", self.test(1), self.pick(&["", "4"]));
                self.line(&text);
            }
            12 if self.one_in(4) => {
                let text = format!("exit {}", self.pick(&["", "6", "$?"]));
                self.line(&text);
            }
            13 => {
                let text = self
                    .pick(&[
                        "echo to file >F",
                        "echo more >>F",
                        "cat <F",
                        "echo err 2>/dev/null >&2",
                        "echo x >F; echo y >>F; cat F",
                        "cat <nothing 2>/dev/null",
                        "echo both >F 2>&1; cat F",
                        "{ echo o; echo e >&2; } 2>/dev/null",
                        "exec 4<F; read a <&4; exec 4<&-",
                        "echo *",
                        "echo F*",
                        ": >F; echo F",
                        "{ echo e >&2; echo o; } 2>&1 >/dev/null | cat",
                        "echo lost >&- 2>/dev/null || :",
                        "set -C; echo x >F 2>/dev/null || echo not; set +C",
                        "while read l; do echo \"$l.\"; done <F",
                    ])
                    .replace('F', "file");
                self.line(&text);
            }
            14 => {
                let text = self.pick(&[
                    "trap 'echo trap $?' EXIT",
                    "trap - EXIT",
                    "trap '' EXIT",
                    "trap 'echo one; (exit 9)' 0",
                    "trap 'exit 8' EXIT",
                ]);
                let text = text.to_owned();
                if self.one_in(3) && self.traps {
                    self.line(&text);
                }
            }
            15 => {
                let letters = self.pick(&["ab:c", ":ab:c", "abc", "x:"]);
                let words = self.pick(&[
                    "-a -b foo -c rest",
                    "-abfoo",
                    "-x",
                    "-b",
                    "-a -- -c",
                    "rest -a",
                    "-ca",
                    "\"$@\"",
                    "-a '' -b",
                ]);
                self.line(&format!(
                    "OPTIND=1\nwhile getopts {letters} o {words} 2>/dev/null; do\n echo \"$o ${{OPTARG-none}}\"\ndone\necho $OPTIND"
                ));
            }
            16 => {
                let text = self.captured(|writer| writer.simple(1));
                let text = text.trim_end();
                if !text.contains('\n') {
                    self.line(&format!("{text} || echo or $?"));
                }
            }
            17 => {
                let text = self.pick(&["set -e", "set +e", "set +u", "set +e", "set -f; echo *; set +f"]);
                let text = text.to_owned();
                self.line(&text);
            }
            18 if self.bash() => {
                let text = self.pick(&[
                    "arr=(x 'y z' w); echo \"${#arr[@]}\" \"${arr[1]}\" \"${arr[@]}\"",
                    "arr=($a $b); printf '<%s>' \"${arr[@]}\"",
                    "arr=(1 2 3); arr[5]=6; arr+=(7); echo \"${!arr[@]} ${arr[*]}\"",
                    "((n = 3 + 4)); echo $n",
                    "((0)) || echo zero",
                    "echo {a,b}{1..3} x{,y}",
                    "a+=more; echo \"$a\"",
                    "cat <<< \"$a\"",
                    "echo $'a\\tb\\x41\\''",
                    "let n=2*3; echo $n",
                    "for ((i = 0; i < 3; i++)); do echo $i; done",
                    "b=name; name=value; echo ${!b}",
                    "echo \"${a:1:2}\" \"${@:2}\" \"${@:1:1}\"",
                    "function g { local a=in; echo $a; }; g; echo \"$a\"",
                    "echo x &>/dev/null",
                    "[[ -z $a && -n x ]] && echo both",
                ]);
                let text = text.to_owned();
                self.line(&text);
            }
            _ => self.simple(2),
        }
    }

    fn loop_body(&mut self, depth: usize) {
        self.loops += 1;
        self.block(depth - 1);
        if self.one_in(3) {
            let text = format!("{} && {}", self.test(1), self.pick(&["break", "continue", "break 2", "continue 2"]));
            self.line(&text);
            self.block(0);
        }
        self.loops -= 1;
    }

    fn redirected(&mut self, end: &str) -> String {
        match self.random.gen_range(0..8) {
            0 => {
                self.counters += 1;
                format!("{end} >out{0}; cat out{0}", self.counters)
            }
            1 => format!("{end} </dev/null"),
            2 => format!("{end} 2>/dev/null"),
            _ => end.into(),
        }
    }
}
