//! Scriptlets in rpm's built-in Lua, as far as they are one of three plain things.
//!
//! `filesystem` lays its directories and links before anything else is unpacked; systemd's triggers and glibc fork to
//! run one program; and much is only for a running system. Statements are known a line at a time, and anything else is
//! left to the table. Functions: rpm's docs/manual/lua.md.

use super::image::View;
use super::residue::Line;
use super::shell::{Argument, NESTING};
use super::{Effect, rpm_commands, rpm_lua_calls, rpm_macros, shell};

/// The effects of the statements that are known, and the other lines. `early` is `%pretrans`, before every file.
pub(super) fn split(lines: &[Line], early: bool, view: View) -> (Vec<Effect>, Vec<Line>) {
    let comment = |text: &str| text.starts_with("--") && !text.starts_with("--[");
    let lines: Vec<Line> = lines.iter().filter(|line| !comment(&line.text)).cloned().collect();
    // Comments and texts over several lines: what looks like a statement may be none.
    if lines.iter().any(|line| line.text.contains("[[") || line.text.contains("[=")) {
        return (Vec::new(), lines);
    }
    // Since Fedora 42 a trigger makes links in /usr/sbin as long as that is no link itself.
    let texts: Vec<&str> = lines.iter().take(SBIN.len()).map(|line| line.text.as_str()).collect();
    if texts == SBIN && !view.is_directory("/usr/sbin") {
        return (Vec::new(), Vec::new());
    }
    let (effects, rest) = nested(&lines, early, 0);
    // Nothing is there yet that could be read, moved or removed.
    if early && rpm_lua_calls::only_asks_or_removes(&rest) {
        return (effects, Vec::new());
    }
    (effects, rest)
}

const SBIN: [&str; 4] = ["st = posix.stat(\"/usr/sbin\")", "if not st or st.type == \"link\" then", "return", "end"];

fn nested(lines: &[Line], early: bool, nesting: usize) -> (Vec<Effect>, Vec<Line>) {
    let (mut effects, mut rest) = (Vec::new(), Vec::new());
    let mut index = 0;
    let mut depth = 0_usize;
    while let Some(line) = lines.get(index) {
        let known = if depth == 0 { statement(&lines[..index], &lines[index..], early, nesting) } else { None };
        if let Some((found, length)) = known {
            effects.extend(found);
            index += length;
            continue;
        }
        depth = depth_after(depth, &line.text);
        rest.push(line.clone());
        index += 1;
    }
    (effects, rest)
}

/// How many blocks are open after a line, if `depth` were before it.
fn depth_after(depth: usize, text: &str) -> usize {
    let first = text.split([' ', '(']).next().unwrap_or_default();
    let opens = matches!(first, "if" | "for" | "while" | "function" | "repeat" | "do")
        || text.starts_with("local function ")
        || text.contains("function(")
        || text.contains("function (");
    let closes = text.split([' ', ')', ';']).any(|word| word == "end") || text.starts_with("until ");
    match (opens, closes) {
        (true, false) => depth + 1,
        (false, true) => depth.saturating_sub(1),
        _ => depth,
    }
}

fn statement(before: &[Line], lines: &[Line], early: bool, nesting: usize) -> Option<(Vec<Effect>, usize)> {
    let text = |index: usize| lines.get(index).map(|line| line.text.as_str());
    let first = text(0)?;
    if let Some(arguments) = call(first, "posix.mkdir") {
        let [path] = arguments.as_slice() else { return None };
        let path = path.trim_end_matches('/').to_owned();
        return early.then(|| (vec![Effect::SkeletonDirectory(path)], 1));
    }
    if let Some(arguments) = call(first, "posix.symlink") {
        let [target, path] = arguments.as_slice() else { return None };
        let (path, target) = (path.clone(), target.clone());
        let link = if early { Effect::SkeletonLink { path, target } } else { Effect::Symlink { path, target } };
        return Some((vec![link], 1));
    }
    // The package brings the directory with its mode.
    if first.starts_with("posix.chmod(\"") && early && first.ends_with(')') {
        return Some((Vec::new(), 1));
    }
    // A link where there is to be a directory: not on a fresh disk.
    let asks = first.starts_with("st = posix.stat(\"") && first.ends_with("\")");
    let link = text(1) == Some("if st and st.type == \"link\" then");
    if asks && link && text(2).is_some_and(|line| line.starts_with("os.remove(\"")) && text(3) == Some("end") {
        return Some((Vec::new(), 4));
    }
    if first == "return 0" && lines.len() == 1 {
        return Some((Vec::new(), 1));
    }
    // The number of versions that are there after the installation is 1.
    if first.starts_with("if ") && is_upgrade(lines) {
        return Some((Vec::new(), block(lines)?));
    }
    // Before the first package nothing is there.
    if early && asks_for_a_path(first, before) {
        return Some((Vec::new(), block(lines)?));
    }
    // systemd does not run where images are made, and a macro of another architecture's was written out.
    if first == "if posix.access(\"/run/systemd/system\") then" || compares_two_others(first) {
        return Some((Vec::new(), block(lines)?));
    }
    // Whether the program is there does not matter where what it does does not.
    if first.starts_with("if posix.access") && first.ends_with("\"x\") then") {
        let length = block(lines)?;
        if nesting >= NESTING {
            return None;
        }
        let (effects, rest) = nested(&lines[1..length - 1], early, nesting + 1);
        return (effects.is_empty() && rest.is_empty()).then_some((effects, length));
    }
    // glibc looks at the kernel that it is installed under, which is not the image's.
    let looks = first.starts_with("required = '") && text(1) == Some("rel = posix.uname(\"%r\")");
    let fails = text(3).is_some_and(|line| line.starts_with("error(\"FATAL: kernel too old\""));
    if looks && text(2) == Some("if rpm.vercmp(rel, required) < 0 then") && fails && text(4) == Some("end") {
        return Some((Vec::new(), 5));
    }
    let forks = first.trim_start_matches("local ") == "pid = posix.fork()"
        && text(1) == Some("if pid == 0 then")
        && text(3) == Some("elseif pid > 0 then")
        && text(4) == Some("posix.wait(pid)")
        && text(5) == Some("end");
    if forks {
        let line = text(2)?;
        let inner = line.strip_prefix("assert(").and_then(|line| line.strip_suffix(')')).unwrap_or(line);
        return Some((program(&call(inner, "posix.exec")?)?, 6));
    }
    if let Some(arguments) = call(first, "os.execute") {
        let [text] = arguments.as_slice() else { return None };
        let (effects, rest) = rpm_macros::split(&[Line { number: 1, text: text.clone() }], View::unknown());
        return (rest.is_empty() && effects.iter().all(rpm_commands::done_by_steps)).then_some((effects, 1));
    }
    for function in ["rpm.execute", "posix.exec"] {
        if let Some(arguments) = call(first, function) {
            return Some((program(&arguments)?, 1));
        }
    }
    None
}

/// `if arg[2] >= 2 then`, `if tonumber(arg[2]) > 1 and …` over one or more lines.
fn is_upgrade(lines: &[Line]) -> bool {
    let end = lines.iter().take(4).position(|line| line.text.split_whitespace().last() == Some("then"));
    let Some(end) = end else { return false };
    let texts: Vec<&str> = lines[..=end].iter().flat_map(|line| line.text.split_whitespace()).collect();
    let condition = texts.join(" ");
    let Some(condition) = condition.strip_prefix("if ").and_then(|it| it.strip_suffix(" then")) else { return false };
    let asked = ["tonumber(arg[2])", "tonumber (arg[2])", "arg[2]"].iter().find_map(|it| condition.strip_prefix(it));
    let Some(rest) = asked.map(str::trim_start) else { return false };
    let rest = ["== 2", ">= 2", "> 1"].iter().find_map(|it| rest.strip_prefix(it));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" and ") && !rest.contains(" or "))
}

/// `if posix.access("/etc/x") then`, or with a variable that `script` gives such a path.
fn asks_for_a_path(line: &str, script: &[Line]) -> bool {
    let Some(asked) = line.strip_prefix("if ").and_then(|line| line.strip_suffix(" then")) else { return false };
    let functions = ["posix.access", "posix.stat", "posix.readlink"];
    let Some(arguments) = functions.iter().find_map(|function| asked.strip_prefix(function)) else { return false };
    let Some(path) = arguments.trim_start().strip_prefix('(').and_then(|it| it.strip_suffix(')')) else { return false };
    // Below directories that other packages make before the first file.
    let deep = |text: &str| {
        let texts = text.split('"').skip(1).step_by(2);
        texts.into_iter().any(|text| text.starts_with('/') && text.matches('/').count() > 1)
    };
    if path.starts_with('"') {
        return deep(path) && call(asked, asked.split(['(', ' ']).next().unwrap_or_default()).is_some();
    }
    let assigned = |line: &Line| {
        let line = line.text.trim_start_matches("local ");
        line.split_once(" = ").is_some_and(|(name, value)| name == path && deep(value))
    };
    script.iter().any(assigned)
}

/// How many lines the block has that `lines` begin with; nothing if it does not end or has an `else` of its own.
fn block(lines: &[Line]) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, line) in lines.iter().enumerate() {
        let otherwise = |word: &str| word == "else" || word == "elseif";
        if depth == 1 && line.text.split(|letter: char| !letter.is_alphanumeric()).any(otherwise) {
            return None;
        }
        depth = depth_after(depth, &line.text);
        if depth == 0 {
            return Some(index + 1);
        }
    }
    None
}

/// `if "x86_64" == "riscv64" then`
fn compares_two_others(line: &str) -> bool {
    let texts = line.strip_prefix("if \"").and_then(|line| line.strip_suffix("\" then")?.split_once("\" == \""));
    texts.is_some_and(|(one, other)| one != other && !one.contains('"') && !other.contains('"'))
}

fn program(words: &[String]) -> Option<Vec<Effect>> {
    let (program, arguments) = words.split_first()?;
    let argument = |text: &String| Argument { text: text.clone(), certain: true, harmless: true, pattern: false };
    let arguments: Vec<Argument> = arguments.iter().map(argument).collect();
    let effects = rpm_commands::command(shell::program(program), &arguments, View::unknown())?;
    effects.iter().all(rpm_commands::done_by_steps).then_some(effects)
}

/// The texts that `function` is called with, if that is all of the line.
fn call(line: &str, function: &str) -> Option<Vec<String>> {
    let arguments = line.strip_prefix(function)?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    let text = |argument: &str| -> Option<String> {
        let argument = argument.trim();
        let inner = argument.strip_prefix('"').and_then(|argument| argument.strip_suffix('"'))?;
        (!inner.contains(['"', '\\'])).then(|| inner.to_owned())
    };
    arguments.split(',').map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, early: bool) -> (Vec<Effect>, usize) {
        let lines: Vec<Line> = text
            .lines()
            .enumerate()
            .map(|(index, line)| Line { number: index + 1, text: line.trim().to_owned() })
            .filter(|line| !line.text.is_empty())
            .collect();
        let (effects, rest) = split(&lines, early, View::unknown());
        (effects, rest.len())
    }

    #[test]
    fn the_skeleton_of_filesystem_is_laid_early() {
        let text = "--# why\nposix.mkdir(\"/usr\")\nposix.mkdir(\"/usr/lib/debug/\")\nposix.symlink(\"usr/bin\", \"/bin\")\n\
                    posix.chmod(\"/proc\", 0555)\nst = posix.stat(\"/media\")\n\
                    if st and st.type == \"link\" then\n  os.remove(\"/media\")\nend\n";
        let (effects, rest) = of(text, true);
        let directory = |path: &str| Effect::SkeletonDirectory(path.into());
        let link = Effect::SkeletonLink { path: "/bin".into(), target: "usr/bin".into() };
        assert_eq!((effects, rest), (vec![directory("/usr"), directory("/usr/lib/debug"), link], 0));
        assert_eq!(of("posix.mkdir(\"/x\")\n", false).1, 1);
    }

    #[test]
    fn programs_that_only_a_running_system_or_a_cache_needs_are_no_effect() {
        for text in [
            "if posix.access(\"/run/systemd/system\") then\npid = posix.fork()\nif pid == 0 then\n\
             assert(posix.exec(\"/usr/bin/anything\"))\nelseif pid > 0 then\nposix.wait(pid)\nend\nend",
            "pid = posix.fork()\nif pid == 0 then\nassert(posix.exec(\"/usr/bin/systemd-sysusers\"))\nelseif pid > 0 then\n\
             posix.wait(pid)\nend",
            "os.execute(\"/usr/sbin/ldconfig\")",
            "if \"x86_64\" == \"riscv64\" then\nposix.symlink(\".\", \"/x\")\nend\nreturn 0",
            "if posix.access (\"/usr/sbin/restorecon\", \"x\") then\nrpm.execute(\"/usr/sbin/restorecon\", \"/var\")\nend",
            "required = '3.2.0'\nrel = posix.uname(\"%r\")\nif rpm.vercmp(rel, required) < 0 then\n\
             error(\"FATAL: kernel too old\", 0)\nend",
        ] {
            assert_eq!(of(text, false), (vec![], 0), "{text}");
        }
    }

    #[test]
    fn upgrades_and_old_files_are_nothing_on_an_empty_disk() {
        for (text, early) in [
            (
                "st = posix.stat(\"/proc\")\nif st and st.mode ~= 0555 then\n  posix.chmod(\"/proc\", 0555)\nend\nreturn 0",
                true,
            ),
            (
                "if tonumber(arg[2]) >= 2\n   and posix.access(\"/usr/bin/systemctl\", \"x\")\nthen\nlocal pid = posix.fork()\nend",
                false,
            ),
            ("if arg[2] == 2 then\nx()\nend", false),
            ("if posix.access(\"/etc/a/config\") then\nlocal f = io.open(\"/etc/a/config\", \"w\")\nend", true),
            (
                "local d = \"/etc\"\nlocal a = d .. \"/a/config\"\nos.remove(a)\nif posix.stat(a) then\nlocal f = assert(io.open(a, \"w\"), \"no\" .. a)\nend",
                true,
            ),
            (
                "st = posix.stat(\"/usr/sbin\")\nif not st or st.type == \"link\" then\nreturn\nend\na = rpm.next_file()\nposix.symlink(a, a)",
                true,
            ),
        ] {
            let lines = text.lines().enumerate().map(|(at, line)| Line { number: at + 1, text: line.trim().into() });
            let image = super::super::image::Image::default();
            let found = split(&lines.collect::<Vec<_>>(), early, image.during(0, "%pretrans"));
            assert_eq!(found, (vec![], vec![]), "{text}");
        }
        for text in
            ["if arg[2] == 1 then\nx()\nend", "if arg[2] >= 2 or a then\nx()\nend", "if posix.stat(a) then\nx()\nend"]
        {
            assert_eq!(of(text, true).1, 3, "{text}");
        }
    }

    #[test]
    fn blocks_that_lie_too_deep_are_left() {
        let deep = |depth: usize| {
            of(&format!("{}{}", "if posix.access(\"/x\", \"x\") then\n".repeat(depth), "end\n".repeat(depth)), false).1
        };
        assert_eq!((deep(NESTING), deep(NESTING + 1), deep(5_000)), (0, 2 * NESTING + 2, 10_000));
    }

    #[test]
    fn other_programs_and_other_statements_are_left() {
        for (text, left) in [
            ("os.execute(\"rm -rf /etc\")", 1),
            ("os.execute(command)", 1),
            ("if arg[2] == 1 then\nposix.mkdir(\"/x\")\nend", 3),
            ("posix.mkdir(path)", 1),
            ("if posix.access(\"/run/systemd/system\") then\nx()\nelse\ny()\nend", 5),
            ("if posix.access(\"/run/systemd/system\") then\nx()\n", 2),
            ("if posix.access(\"/x\", \"x\") then\nx()\nend", 3),
            ("if \"x86_64\" == \"x86_64\" then\nx()\nend", 3),
            ("return 0\nx()", 2),
            ("--[[\nposix.symlink(\"usr/evil\", \"/evil\")\n--]]", 2),
            ("x = [==[\nposix.mkdir(\"/x\")\n]==]", 3),
            ("if posix.access(\"/run/systemd/system\") then\nx() else\nposix.mkdir(\"/x\")\nend", 4),
            // A block in one line does not end the one around it.
            ("if f then\nif a then b() end\nposix.mkdir(\"/x\")\nend", 4),
        ] {
            assert_eq!(of(text, true).1, left, "{text}");
        }
    }
}
