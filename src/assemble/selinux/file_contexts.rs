//! SELinux's file contexts: the label that the image's own policy gives to a path.
//!
//! Takes the texts of `file_contexts`, `.homedirs`, `.local` and of the substitutions `.subs_dist` and `.subs`, answers
//! the context of a path and kind as `selabel_lookup` does. Format: selabel_file(5). Which of several lines counts is
//! libselinux's rule (`label_file.c`): the last one without metacharacters, else the last pattern. Patterns are PCRE
//! there and the crate regex here; one that the two could read differently is refused.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Bytes;

use regex::bytes::{Regex, RegexBuilder};

use crate::diag::{Diagnostic, Diagnostics, Location, Source};

/// In place of a context: these paths keep what they have.
const NONE: &str = "<<none>>";
/// File types as the format has them, after their dash.
const KINDS: &str = "-dcbslp";

/// Bytes that a compiled pattern may take; those of real policies take a few thousand.
const PATTERN_MAX: usize = 1 << 20;

/// Every line of a policy's file contexts.
#[derive(Debug, Default)]
pub struct FileContexts {
    /// Lines without metacharacters, by the path they name, in order.
    exact: BTreeMap<Vec<u8>, Vec<Rule>>,
    /// The others, by the bytes with which all their paths begin: few of thousands are left to try for one path.
    patterns: BTreeMap<Vec<u8>, Vec<Pattern>>,
    pattern_count: usize,
    distribution: Vec<Substitution>,
    local: Vec<Substitution>,
}

#[derive(Debug)]
struct Rule {
    /// As `ls -l` shows it; nothing fits all.
    kind: Option<char>,
    /// Nothing for [`NONE`].
    context: Option<String>,
}

#[derive(Debug)]
struct Pattern {
    /// Position among all patterns: the greatest that fits counts.
    number: usize,
    regex: Regex,
    rule: Rule,
}

/// Paths at and below `from` are looked up as if they were at and below `to`.
#[derive(Debug)]
struct Substitution {
    from: Vec<u8>,
    to: Vec<u8>,
}

/// Whose substitutions a file holds. The local ones come first, and what they give goes through the distribution's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Distribution,
    Local,
}

impl FileContexts {
    /// Adds the lines of a file, which count more than those that are there. `name` is the file's path in the image.
    ///
    /// # Errors
    /// Every line that cannot be read (`bad-file-context`), at its place.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Diagnostics> {
        let source = Source::new(name, String::from_utf8_lossy(bytes));
        let mut found = Diagnostics::default();
        let mut start = 0;
        for line in source.text.split_inclusive('\n') {
            let text = line.trim();
            if let Err(why) = self.add_line(text) {
                let start = start + line.len() - line.trim_start().len();
                let location = Location::new(&source, start..start + text.len());
                found.push(
                    Diagnostic::new("bad-file-context", format!("a line of `{name}` cannot be read"))
                        .at(&location, why)
                        .help("correct it by an overlay, or leave `selinux` out"),
                );
            }
            start += line.len();
        }
        found.or(())
    }

    fn add_line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        // What follows the third word has no meaning.
        let words: Vec<&str> = line.split_ascii_whitespace().take(3).collect();
        let (pattern, kind, context) = match words[..] {
            [pattern, context] => (pattern, None, context),
            [pattern, kind, context] => (pattern, Some(kind), context),
            _ => return Err("a pattern without a context".to_owned()),
        };
        if !words.iter().all(|word| word.is_ascii()) {
            return Err("not only ASCII".to_owned());
        }
        let kind = match kind.map(|kind| kind.strip_prefix('-').unwrap_or_default().parse::<char>()) {
            None => None,
            Some(Ok(letter)) if KINDS.contains(letter) => Some(letter),
            Some(_) => return Err("the second word is none of `--`, `-d`, `-c`, `-b`, `-s`, `-l`, `-p`".to_owned()),
        };
        // User, role and type; policies with levels have a range as well, which has colons of its own.
        let parts = context.splitn(4, ':');
        let printable = context.bytes().all(|byte| byte.is_ascii_graphic());
        if context != NONE && (!printable || parts.clone().count() < 3 || parts.clone().any(str::is_empty)) {
            return Err(format!("`{}` is no context", context.escape_debug()));
        }
        let rule = Rule { kind, context: (context != NONE).then(|| context.to_owned()) };
        let Start { bytes, whole } = start(pattern)?;
        if whole {
            self.exact.entry(bytes).or_default().push(rule);
            return Ok(());
        }
        // Anchored as libselinux does it, without a group around the pattern.
        let anchored = format!("^{pattern}$");
        let mut regex = RegexBuilder::new(&anchored);
        let regex = regex.unicode(false).dot_matches_new_line(true).size_limit(PATTERN_MAX).build();
        let regex = regex.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
            // The last line of a drawing.
            error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        })?;
        let number = self.pattern_count;
        self.pattern_count += 1;
        self.patterns.entry(bytes).or_default().push(Pattern { number, regex, rule });
        Ok(())
    }

    /// Adds the lines of a file of substitutions: two paths each. Others mean nothing, as to libselinux.
    pub fn add_substitutions(&mut self, whose: Whose, bytes: &[u8]) {
        let list = match whose {
            Whose::Distribution => &mut self.distribution,
            Whose::Local => &mut self.local,
        };
        for line in bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.starts_with(b"#")) {
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            if let (Some(from), Some(to)) = (words.next(), words.next()) {
                list.push(Substitution { from: from.to_vec(), to: to.to_vec() });
            }
        }
    }

    /// The context of a path from the root (`/` for the root itself) whose kind has this letter in `ls -l`; nothing
    /// where the policy wants none or has no line.
    pub fn lookup(&self, path: &[u8], kind: char) -> Option<&str> {
        let local = substituted(&self.local, path);
        let path = local.as_deref().unwrap_or(path);
        let distribution = substituted(&self.distribution, path);
        let path = distribution.as_deref().unwrap_or(path);
        let fits = |rule: &Rule| rule.kind.is_none_or(|wanted| wanted == kind);
        if let Some(rule) = self.exact.get(path).and_then(|rules| rules.iter().rfind(|rule| fits(rule))) {
            return rule.context.as_deref();
        }
        let starts = (0..=path.len()).filter_map(|length| self.patterns.get(&path[..length]));
        let mut possible: Vec<&Pattern> = starts.flatten().filter(|pattern| fits(&pattern.rule)).collect();
        possible.sort_unstable_by_key(|pattern| Reverse(pattern.number));
        possible.into_iter().find(|pattern| pattern.regex.is_match(path))?.rule.context.as_deref()
    }
}

/// The path that the last fitting substitution makes of `path`, if one fits.
fn substituted(list: &[Substitution], path: &[u8]) -> Option<Vec<u8>> {
    list.iter().rev().find_map(|Substitution { from, to }| {
        let rest = path.strip_prefix(from.as_slice())?;
        match rest.first() {
            None => Some(to.clone()),
            // No second slash after the root's.
            Some(b'/') if to == b"/" => Some(rest.to_vec()),
            Some(b'/') => Some([to, rest].concat()),
            Some(_) => None,
        }
    })
}

/// What every path that a pattern fits begins with, unescaped.
#[derive(Debug, PartialEq, Eq)]
struct Start {
    bytes: Vec<u8>,
    /// Nothing else is in the pattern: it is the path itself.
    whole: bool,
}

/// Reads a pattern as far as it is a plain path.
///
/// # Errors
/// It says other things to PCRE than to the crate regex: a set in brackets with what would be an operator there, or an
/// angle bracket with a backslash.
fn start(pattern: &str) -> Result<Start, String> {
    let mut start = Start { bytes: Vec::new(), whole: true };
    let mut depth = 0_usize;
    let mut alternatives = false;
    let mut letters = pattern.bytes().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            b'\\' => match letters.next() {
                None => return Err("a backslash at the end".to_owned()),
                Some(b'<' | b'>') => return Err("an angle bracket with a backslash".to_owned()),
                // A class such as `\d`.
                Some(next) if next.is_ascii_alphanumeric() => start.whole = false,
                Some(next) => start.push(next),
            },
            b'?' | b'*' | b'+' | b'{' => {
                // The letter before may be missing in a path.
                if start.whole {
                    start.bytes.pop();
                }
                start.whole = false;
            }
            b'[' => {
                start.whole = false;
                skip_set(&mut letters)?;
            }
            b'.' | b'^' | b'$' | b']' | b'}' => start.whole = false,
            b'(' => {
                start.whole = false;
                depth += 1;
            }
            b')' => {
                start.whole = false;
                depth = depth.saturating_sub(1);
            }
            b'|' => {
                start.whole = false;
                alternatives |= depth == 0;
            }
            _ => start.push(letter),
        }
    }
    if alternatives {
        start.bytes.clear();
    }
    let stem = stem(pattern);
    if !start.whole && start.bytes.len() < stem.len() {
        start.bytes = stem.as_bytes().to_vec();
    }
    Ok(start)
}

/// The directory in the root, with its slash, under which libselinux files a pattern: paths elsewhere are not tried,
/// though an alternative or a slash that may be missing would fit them.
fn stem(pattern: &str) -> &str {
    let end = pattern.bytes().skip(1).position(|letter| letter == b'/').map_or(0, |at| at + 2);
    let plain = |stem: &&str| !stem.contains(['\\', '.', '^', '$', '?', '*', '+', '|', '[', '(', '{']);
    pattern.get(..end).filter(plain).unwrap_or_default()
}

impl Start {
    fn push(&mut self, letter: u8) {
        if self.whole {
            self.bytes.push(letter);
        }
    }
}

/// Goes behind the bracket that closes a set.
fn skip_set(letters: &mut Peekable<Bytes>) -> Result<(), String> {
    let refused = |what: &str| Err(format!("`{what}` in a set in brackets is not read alike everywhere"));
    letters.next_if_eq(&b'^');
    // A bracket right at the start closes nothing.
    let mut before = letters.next_if_eq(&b']');
    while let Some(letter) = letters.next() {
        match letter {
            b']' => return Ok(()),
            b'\\' => drop(letters.next()),
            // A class such as `[:digit:]`.
            b'[' if letters.peek() == Some(&b':') => while letters.next().is_some_and(|letter| letter != b']') {},
            b'[' => return refused("["),
            b'&' | b'-' | b'~' if before == Some(letter) => {
                return refused(&String::from_utf8_lossy(&[letter, letter]));
            }
            _ => {}
        }
        before = Some(letter);
    }
    // Without an end: the compiler says so.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXTS: &str = "\
# The whole system
/.*\t\tsystem_u:object_r:default_t:s0
/\t-d\tsystem_u:object_r:root_t:s0 words behind the third
/etc(/.*)?\tsystem_u:object_r:etc_t:s0
/etc/shadow.*\t--\tsystem_u:object_r:shadow_t:s0
/usr/lib(/.*)?   system_u:object_r:lib_t:s0
/usr/lib(64)?/ld-[^/]*\\.so(\\.[^/]*)*\t--\tsystem_u:object_r:ld_so_t:s0
/usr/bin/ba\\.sh\tsystem_u:object_r:shell_exec_t:s0
/usr/bin/.*\tsystem_u:object_r:bin_t:s0
/proc/.*\t<<none>>
/dev/[^/]*\t-c\tsystem_u:object_r:device_t:s0:c0.c1023
/dev/[^/]*\t-b\tsystem_u:object_r:disk_t:s0

/a/x|/b/y\tsystem_u:object_r:either_t
";

    fn contexts() -> FileContexts {
        let mut contexts = FileContexts::default();
        contexts.add("file_contexts", CONTEXTS.as_bytes()).unwrap();
        contexts
    }

    /// The type of a context, `none` where there is none.
    fn kind_of(contexts: &FileContexts, path: &str, kind: char) -> String {
        let context = contexts.lookup(path.as_bytes(), kind);
        context.map_or("none", |context| context.split(':').nth(2).unwrap()).to_owned()
    }

    #[test]
    fn the_last_line_that_fits_counts_and_one_without_metacharacters_before_all() {
        let contexts = contexts();
        let kind_of = |path: &str, kind| kind_of(&contexts, path, kind);
        assert_eq!(kind_of("/", 'd'), "root_t");
        assert_eq!(kind_of("/srv/x", '-'), "default_t");
        assert_eq!((kind_of("/etc", 'd'), kind_of("/etc/a/b", 'l')), ("etc_t".into(), "etc_t".into()));
        assert_eq!((kind_of("/etc/shadow-", '-'), kind_of("/etc/shadow", 'd')), ("shadow_t".into(), "etc_t".into()));
        // The later pattern `/usr/bin/.*` fits too.
        assert_eq!(
            (kind_of("/usr/bin/ba.sh", '-'), kind_of("/usr/bin/baxsh", '-')),
            ("shell_exec_t".into(), "bin_t".into())
        );
        assert_eq!(
            (kind_of("/usr/lib64/ld-2.so.1", '-'), kind_of("/usr/lib64", 'd')),
            ("ld_so_t".into(), "default_t".into())
        );
        assert_eq!((kind_of("/dev/x", 'c'), kind_of("/dev/x", 'b')), ("device_t".into(), "disk_t".into()));
        assert_eq!((kind_of("/proc/1", 'd'), kind_of("/proc", 'd')), ("none".into(), "default_t".into()));
        assert_eq!(contexts.lookup(b"/dev/x", 'c'), Some("system_u:object_r:device_t:s0:c0.c1023"));
        // Anchored without a group: each side of the bar at one end only.
        assert_eq!(kind_of("/a/xy", '-'), "either_t");
        assert_eq!((kind_of("/a/c/b/y", '-'), kind_of("/a/c/b/yz", '-')), ("either_t".into(), "default_t".into()));
        // But never where libselinux does not look.
        assert_eq!(kind_of("/b/y", '-'), "default_t");
        assert_eq!(kind_of("/etc/\u{fffd}\n", '-'), "etc_t");
        assert_eq!(contexts.lookup(b"/etc/\xff\xfe", '-'), Some("system_u:object_r:etc_t:s0"));
    }

    #[test]
    fn a_later_file_counts_more() {
        let mut contexts = contexts();
        let local = b"/usr/bin/ba\\.sh u:r:mine_t\n/etc/shadow.* <<none>>\n/srv -d u:r:srv_t";
        contexts.add("file_contexts.local", local).unwrap();
        assert_eq!(kind_of(&contexts, "/usr/bin/ba.sh", '-'), "mine_t");
        assert_eq!(kind_of(&contexts, "/etc/shadow", '-'), "none");
        assert_eq!(
            (kind_of(&contexts, "/srv", 'd'), kind_of(&contexts, "/srv", '-')),
            ("srv_t".into(), "default_t".into())
        );
    }

    #[test]
    fn substitutions_change_whole_names_and_local_ones_come_first() {
        let mut contexts = contexts();
        let distribution = b"# from to\n/lib /usr/lib\n/chroot /\n/bin /usr/bin\nalone\n/twice /proc\n/twice /etc\n";
        contexts.add_substitutions(Whose::Distribution, distribution);
        contexts.add_substitutions(Whose::Local, b"/mine /bin\n");
        let kind_of = |path: &str| kind_of(&contexts, path, '-');
        assert_eq!(
            (kind_of("/lib/x"), kind_of("/lib"), kind_of("/lib64/x")),
            ("lib_t".into(), "lib_t".into(), "default_t".into())
        );
        assert_eq!((kind_of("/chroot/etc/x"), kind_of("/mine/ba.sh")), ("etc_t".into(), "shell_exec_t".into()));
        assert_eq!(contexts.lookup(b"/chroot", 'd'), Some("system_u:object_r:root_t:s0"));
        assert_eq!(kind_of("/twice/x"), "etc_t");
    }

    #[test]
    fn patterns_are_found_by_what_every_path_of_theirs_begins_with() {
        let begins = |pattern: &str| start(pattern).map(|it| (String::from_utf8(it.bytes).unwrap(), it.whole)).unwrap();
        assert_eq!(begins("/usr/lib\\.d\\-x"), ("/usr/lib.d-x".into(), true));
        assert_eq!(begins("/usr/libs?/x"), ("/usr/lib".into(), false));
        assert_eq!(begins("/usr/li{0,1}b"), ("/usr/l".into(), false));
        assert_eq!(begins("/opt/(a|b)[|)]x|/c"), ("/opt/".into(), false));
        assert_eq!((begins("/opt|/c"), begins("/opt/?x")), ((String::new(), false), ("/opt/".into(), false)));
        assert_eq!(begins("/opt/(a|b)[](|[:digit:]]x"), ("/opt/".into(), false));
        assert_eq!(begins("/x\\d*"), ("/x".into(), false));
    }

    #[test]
    fn every_line_that_cannot_be_read_is_shown_at_its_place() {
        let bad = "/ok u:r:t\n/alone\n/x -q u:r:t\n/x -- u:r\n  /x(  u:r:t\n/(?=x) u:r:t\n/[a&&b] u:r:t\n/[[a] u:r:t\n\
                   /a\\< u:r:t\n/a\\ u:r:t\n/\u{e9} u:r:t\n/x --- u:r:t\n/y{99999} u:r:t";
        let mistakes = FileContexts::default().add("/etc/fc", bad.as_bytes()).unwrap_err();
        let shown: Vec<String> = mistakes
            .0
            .iter()
            .map(|mistake| {
                assert_eq!(mistake.slug, "bad-file-context");
                let (location, why) = mistake.location.as_ref().unwrap();
                format!("{location} {why}")
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }
}
