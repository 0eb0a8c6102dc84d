//! The PAM stack that services of Red Hat's systems include: `system-auth` and its siblings, which no package brings.
//!
//! Since Fedora 36 they are ghosts of `authselect-libs`, whose scriptlet would run `authselect select`. Here the
//! templates of a profile are rendered as authselect-profiles(5) says, without any feature, into `/etc/authselect`,
//! with links from `/etc/pam.d`. `nsswitch.conf` is not taken from the profile: a node names its own sources (`etc`).
//! Where there are no templates, what services include gets a stack of pam_unix alone.

use std::collections::BTreeSet;

use super::service;
use crate::assemble::root::Root;
use crate::tree::TreePath;

const PROFILES: &str = "/usr/share/authselect/default";
/// The first one that is there is taken: nodes have no accounts but their own.
const PREFERRED: [&str; 3] = ["local", "minimal", "sssd"];
/// What authselect makes in any case; a profile without a template leaves it empty.
const FILES: [&str; 5] = ["system-auth", "password-auth", "fingerprint-auth", "smartcard-auth", "postlogin"];
const SERVICES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

const UNIX: &str = "\
auth     required   pam_env.so
auth     sufficient pam_unix.so
auth     required   pam_deny.so
account  required   pam_unix.so
password sufficient pam_unix.so shadow
password required   pam_deny.so
session  required   pam_limits.so
-session optional   pam_systemd.so
session  required   pam_unix.so
";
/// Nobody shows a finger or a card to a node.
const NOBODY: &str = "auth     required   pam_deny.so\n";
/// It follows another stack, which has decided already.
const AFTER_LOGIN: &str = "session  optional   pam_umask.so silent\n";

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    if exists(root, FILES[0]) {
        return Ok(());
    }
    let profile = PREFERRED.iter().find(|profile| root.exists(&format!("{PROFILES}/{profile}/{}", FILES[0])));
    let Some(profile) = profile else { return write_unix(root) };
    for name in FILES {
        let template = root.read_text(&format!("{PROFILES}/{profile}/{name}"))?.unwrap_or_default();
        let text = format!("# authselect's profile {profile} without features.\n\n{}", render(&template));
        root.file(&format!("/etc/authselect/{name}"), 0o644, text)?;
        root.symlink(&format!("/etc/pam.d/{name}"), &format!("/etc/authselect/{name}"))?;
    }
    // The name of the profile, then a line for each feature.
    root.file("/etc/authselect/authselect.conf", 0o644, format!("{profile}\n\n"))
}

fn exists(root: &Root, name: &str) -> bool {
    SERVICES.iter().any(|directory| root.exists(&format!("{directory}/{name}")))
}

/// Makes what a service includes and nobody brings.
fn write_unix(root: &mut Root) -> anyhow::Result<()> {
    let mut included = BTreeSet::new();
    for directory in SERVICES {
        let Some((directory, _)) = root.lookup(directory) else { continue };
        let paths: Vec<TreePath> = root.tree.children(&directory).map(|(path, _, _)| path.clone()).collect();
        for path in paths {
            included.extend(service::includes(&root.read_text(&path.to_string())?.unwrap_or_default()));
        }
    }
    for name in FILES.into_iter().filter(|name| included.contains(*name) && !exists(root, name)).collect::<Vec<_>>() {
        let stack = match name {
            "system-auth" | "password-auth" => UNIX,
            "postlogin" => AFTER_LOGIN,
            _ => NOBODY,
        };
        root.file(&format!("/etc/pam.d/{name}"), 0o644, stack)?;
    }
    Ok(())
}

/// A template with every feature off.
fn render(template: &str) -> String {
    let mut text = String::new();
    for line in template.lines() {
        match render_line(line) {
            Line::Kept(line) => {
                text.push_str(line.trim_end());
                text.push('\n');
            }
            Line::Left => {}
            Line::Last => break,
        }
    }
    text
}

enum Line {
    Kept(String),
    Left,
    /// Nothing of it and after it.
    Last,
}

fn render_line(line: &str) -> Line {
    let (mut text, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((operator, condition, after)) = after.split_once('}').and_then(|(inner, after)| {
            let (operator, condition) = operator(inner)?;
            Some((operator, condition, after))
        }) else {
            // A brace like others.
            text.push('{');
            rest = after;
            continue;
        };
        rest = after;
        match (operator, condition) {
            ("include", Condition { holds: false, .. }) | ("exclude", Condition { holds: true, .. }) => {
                return Line::Left;
            }
            ("continue", Condition { holds, .. }) => return if holds { Line::Left } else { Line::Last },
            ("stop", Condition { holds, .. }) => return if holds { Line::Last } else { Line::Left },
            (_, Condition { value, .. }) => text.push_str(value),
        }
    }
    text.push_str(rest);
    Line::Kept(text)
}

struct Condition<'a> {
    holds: bool,
    /// What `if` puts in the operator's place.
    value: &'a str,
}

/// `include if "x"`, `if "x":yes|no` → the operator's first word, and what it comes to.
fn operator(inner: &str) -> Option<(&str, Condition<'_>)> {
    if let Some(rest) = inner.strip_prefix("if ") {
        let (condition, values) = rest.split_once(':')?;
        let (yes, no) = values.split_once('|').unwrap_or((values, ""));
        let holds = evaluate(condition)?;
        return Some(("if", Condition { holds, value: if holds { yes } else { no } }));
    }
    if inner.starts_with("imply ") {
        return Some(("imply", Condition { holds: false, value: "" }));
    }
    let (operator, condition) = inner.split_once(" if ")?;
    let known = ["include", "exclude", "continue", "stop"].contains(&operator);
    known.then_some((operator, Condition { holds: evaluate(condition)?, value: "" }))
}

/// Whether an expression of features, `and`, `or`, `not` and parentheses holds where there are no features. It is read
/// from left to right, as authselect does; nothing if it is not one.
fn evaluate(expression: &str) -> Option<bool> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '(' | ')' => 1,
            '"' => 2 + rest[1..].find('"')?,
            _ => rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(end);
        // A letter that begins no token would stay for ever.
        if token.is_empty() {
            return None;
        }
        tokens.push(token);
        rest = after.trim_start();
    }
    // Of every open parenthesis: what stands before it, and the operator between.
    let (mut value, mut operator, mut negated) = (None, "or", false);
    let mut open: Vec<(Option<bool>, &str, bool)> = Vec::new();
    for token in tokens {
        let operand = match token {
            "and" | "or" if value.is_some() => {
                operator = token;
                continue;
            }
            "not" => {
                negated = !negated;
                continue;
            }
            "(" => {
                open.push((value, operator, negated));
                (value, operator, negated) = (None, "or", false);
                continue;
            }
            ")" => {
                let inside = value?;
                (value, operator, negated) = open.pop()?;
                inside
            }
            feature if feature.starts_with('"') => false,
            _ => return None,
        } != std::mem::take(&mut negated);
        let before: bool = value.unwrap_or(operator == "and");
        value = Some(if operator == "and" { before && operand } else { before || operand });
    }
    value.filter(|_| open.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::tests::World;

    #[test]
    fn templates_are_rendered_with_every_feature_off() {
        let template = "auth a {include if \"x\"}\nauth b {exclude if \"x\"}\nauth c {if not \"x\":nullok} end\n\
                        auth d {if \"x\":yes|no}{if \"x\" or not \"y\":z}\n{imply \"a\" if \"b\"}\n{stop if \"x\"}\n\
                        auth {e\n{continue if \"x\"}\nauth f\n";
        assert_eq!(render(template), "auth b\nauth c nullok end\nauth d noz\n\nauth {e\n");
        assert_eq!(render("a\n{stop if not \"x\"}\nb\n"), "a\n");
        assert_eq!(render("a\n{continue if not \"x\"}\nb\n"), "a\nb\n");
    }

    #[test]
    fn expressions_are_read_from_left_to_right() {
        for (expression, value) in [
            ("\"a\"", Some(false)),
            ("not \"a\"", Some(true)),
            ("not \"a\" or \"b\" and \"c\"", Some(false)),
            ("not \"a\" and (\"b\" or not \"c\")", Some(true)),
            ("not (\"a\" or not \"b\")", Some(false)),
            ("\"a\" \"", None),
            ("(\"a\"", None),
            ("\"a\")", None),
            ("", None),
            ("and \"a\"", None),
            ("-", None),
        ] {
            assert_eq!(evaluate(expression), value, "{expression}");
        }
    }

    #[test]
    fn a_profile_becomes_the_stack_that_services_include() {
        let mut world = World::new();
        let at = |profile: &str, name: &str| format!("{PROFILES}/{profile}/{name}");
        let sssd = (at("sssd", "system-auth"), "auth sss\n");
        let local = (at("local", "system-auth"), "auth unix {if not \"x\":nullok}\nauth x {include if \"x\"}\n");
        let login = ("/etc/pam.d/login".to_owned(), "auth include system-auth\n");
        let files = [sssd, local, login];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        world.package("authselect-libs", &files);
        let tree = world.assemble().unwrap().tree;
        assert!(world.text(&tree, "/etc/authselect/system-auth").ends_with("\n\nauth unix nullok\n"));
        assert!(world.text(&tree, "/etc/authselect/smartcard-auth").starts_with('#'));
        assert_eq!(world.text(&tree, "/etc/authselect/authselect.conf"), "local\n\n");
        let link = &tree.get(&TreePath::parse("/etc/pam.d/system-auth").unwrap()).unwrap().kind;
        assert_eq!(*link, crate::tree::Kind::Symlink(b"/etc/authselect/system-auth".to_vec()));
        // Who brings the stack keeps it.
        world.package("pam", &[("/etc/pam.d/system-auth", "mine\n")]);
        let tree = world.assemble().unwrap().tree;
        assert_eq!(world.text(&tree, "/etc/pam.d/system-auth"), "mine\n");
        assert!(tree.get(&TreePath::parse("/etc/authselect").unwrap()).is_none());
    }

    #[test]
    fn without_templates_what_is_included_is_made() {
        let mut world = World::new();
        world.package(
            "login",
            &[("/etc/pam.d/login", "-auth substack system-auth\nsession include \\\n postlogin # x\n")],
        );
        let tree = world.assemble().unwrap().tree;
        assert!(world.text(&tree, "/etc/pam.d/system-auth").contains("pam_unix.so"));
        assert_eq!(world.text(&tree, "/etc/pam.d/postlogin"), AFTER_LOGIN);
        assert!(tree.get(&TreePath::parse("/etc/pam.d/password-auth").unwrap()).is_none());
    }
}
