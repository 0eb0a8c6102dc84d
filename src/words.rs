//! What single words of a recipe or of a node's metadata may look like: a table of rules, each with its slug.

use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::ssh_key;
use crate::yaml::{Located, Value};

/// One kind of word.
#[derive(Debug)]
pub struct Rule {
    pub slug: &'static str,
    /// `a package name`: completes "is not …".
    pub noun: &'static str,
    /// What is allowed, for the help line.
    pub allowed: &'static str,
    holds: fn(&str) -> bool,
}

/// The text, with a mistake noted if it breaks the rule.
pub fn check(rule: &Rule, (text, location): (&str, &Location), found: &mut Diagnostics) -> String {
    if !(rule.holds)(text) {
        found.push(
            Diagnostic::new(rule.slug, format!("`{}` is not {}", text.escape_debug(), rule.noun))
                .at(location, format!("not {}", rule.noun))
                .help(rule.allowed),
        );
    }
    text.to_owned()
}

/// The scalar behind a key, with a mistake noted if it breaks the rule.
pub fn read(rule: &Rule, value: Option<&Value>, found: &mut Diagnostics) -> Option<Located<String>> {
    let word = value?.located()?;
    check(rule, (&word.value, &word.location), found);
    Some(word)
}

fn made_of(text: &str, punctuation: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c))
}

fn lower(text: &str, punctuation: &str) -> bool {
    made_of(text, punctuation) && !text.contains(|c: char| c.is_ascii_uppercase())
}

fn starts_alphanumeric(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn no_control(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

fn normal_path(text: &str) -> bool {
    let mut names = text.split('/').skip(1);
    text.starts_with('/') && no_control(text) && names.all(|name| !matches!(name, "" | "." | ".."))
}

pub const NAME: Rule = Rule {
    slug: "bad-name",
    noun: "a name",
    allowed: "names are lower case letters, digits and `-` `_` `.`, 64 at most, beginning with a letter or digit",
    holds: |text| lower(text, "-_.") && starts_alphanumeric(text) && text.len() <= 64,
};

pub const VERSION: Rule = Rule {
    slug: "bad-version",
    noun: "a version",
    allowed: "versions are letters, digits and `-` `_` `.` `+` `~`",
    holds: |text| made_of(text, "-_.+~") && text.len() <= 64,
};

pub const PACKAGE: Rule = Rule {
    slug: "bad-package-name",
    noun: "a package name",
    allowed: "package names are letters, digits and `+` `-` `.` `_`, without spaces",
    holds: |text| made_of(text, "+-._") && starts_alphanumeric(text),
};

pub const PACKAGE_PATTERN: Rule = Rule {
    slug: "bad-package-pattern",
    noun: "a pattern of package names",
    allowed: "letters, digits and `+` `-` `.` `_` of package names, with `*` for anything and `?` for one character",
    holds: |text| made_of(text, "+-._*?") && !text.is_empty(),
};

pub const PACKAGE_VERSION: Rule = Rule {
    slug: "bad-package-version",
    noun: "a package version",
    allowed: "write the whole version as the repository has it, such as 1.7.24~ds1-6",
    holds: |text| made_of(text, ".+-~:^_") && starts_alphanumeric(text),
};

pub const SUITE: Rule = Rule {
    slug: "bad-suite",
    noun: "a suite",
    allowed: "a suite or code name, such as trixie or trixie-updates",
    holds: |text| made_of(text, "-_./") && starts_alphanumeric(text) && !text.contains(".."),
};

pub const URL: Rule = Rule {
    slug: "bad-url",
    noun: "a URL",
    allowed: "a URL begins with https://, http:// or file:/// and holds no spaces, quotes, backslashes or passwords",
    holds: |text| {
        let rest = ["https://", "http://", "file:///"].iter().find_map(|scheme| text.strip_prefix(scheme));
        rest.is_some_and(|rest| !rest.is_empty() && no_control(rest) && !rest.contains([' ', '@', '"', '\\']))
    },
};

pub const MODULE_STREAM: Rule = Rule {
    slug: "bad-module-stream",
    noun: "a stream of a module",
    allowed: "module and stream with a colon between them, such as nodejs:20; profiles are not known",
    holds: |text| {
        let parts: Vec<&str> = text.split(':').collect();
        parts.len() == 2 && parts.iter().all(|part| made_of(part, "+-._") && starts_alphanumeric(part))
    },
};

pub const FINGERPRINT: Rule = Rule {
    slug: "bad-fingerprint",
    noun: "the fingerprint of a key",
    allowed: "40 hexadecimal digits (64 of a version 6 key), spaces between them or not: gpg --show-keys FILE",
    holds: |text| {
        let digits: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
        matches!(digits.len(), 40 | 64) && digits.iter().all(char::is_ascii_hexdigit)
    },
};

pub const CMDLINE: Rule = Rule {
    slug: "bad-cmdline-word",
    noun: "one word of a kernel command line",
    allowed: "one list item a word; quotes keep spaces: `dyndbg=\"file x +p\"`",
    holds: |text| {
        let quotes = text.matches('"').count();
        no_control(text) && quotes % 2 == 0 && (quotes > 0 || !text.contains(' ')) && text.is_ascii()
    },
};

/// The part of a command line's word that iPXE takes for its own (<https://ipxe.org/scripting>): it knows no quotes, and
/// nothing that keeps it from doing so.
pub fn ipxes_own(word: &str) -> Option<&str> {
    let is_own = |part: &&str| {
        matches!(*part, "&&" | "||" | ";") || part.contains("${") || part.starts_with('#') || part.ends_with('\\')
    };
    word.split_whitespace().find(is_own)
}

pub const MODULE: Rule = Rule {
    slug: "bad-module-name",
    noun: "a kernel module's name",
    allowed: "module names are letters, digits, `-` and `_`, without .ko",
    holds: |text| made_of(text, "-_"),
};

pub const SYSCTL: Rule = Rule {
    slug: "bad-sysctl",
    noun: "the name of a kernel setting",
    allowed: "names as in net.ipv4.ip_forward: parts joined by dots",
    holds: |text| {
        made_of(text, "-_./*")
            && text.contains('.')
            && !text.starts_with('.')
            && text.split(['.', '/']).all(|it| !it.is_empty())
    },
};

pub const SYSCTL_VALUE: Rule = Rule {
    slug: "bad-sysctl-value",
    noun: "the value of a kernel setting",
    allowed: "values are one line, without `#` or `;`",
    holds: |text| no_control(&text.replace('\t', " ")) && !text.contains(['#', ';']),
};

pub const ONE_LINE: Rule =
    Rule { slug: "not-one-line", noun: "one line of text", allowed: "write it in one line", holds: no_control };

pub const REGISTRY: Rule = Rule {
    slug: "bad-registry",
    noun: "a registry",
    allowed: "a host with an optional port, such as registry.k8s.io, or `_default`",
    holds: |text| made_of(text, "-._:") && !text.contains(".."),
};

pub const IMAGE: Rule = Rule {
    slug: "bad-image",
    noun: "a container image",
    allowed: "an image with its registry and a tag or digest, such as registry.k8s.io/pause:3.10",
    holds: |text| {
        let last = text.rsplit('/').next().unwrap_or_default();
        made_of(text, "-._:/@") && text.contains('/') && last.contains([':', '@'])
    },
};

pub const UNIT: Rule = Rule {
    slug: "bad-unit",
    noun: "a systemd unit",
    allowed: "units have a suffix: name.service, name.socket, name.timer, …",
    holds: |text| {
        const SUFFIXES: &[&str] =
            &["service", "socket", "timer", "target", "mount", "automount", "path", "slice", "swap"];
        let (name, suffix) = text.rsplit_once('.').unwrap_or_default();
        made_of(name, "-_.:@\\") && SUFFIXES.contains(&suffix)
    },
};

pub const ACCOUNT: Rule = Rule {
    slug: "bad-account",
    noun: "the name of a user or group",
    allowed: "lower case letters, digits, `-` and `_`, 31 at most, beginning with a letter or `_`",
    holds: |text| {
        lower(text, "-_") && text.len() <= 31 && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
    },
};

pub const PATH: Rule = Rule {
    slug: "bad-path",
    noun: "an absolute path",
    allowed: "an absolute path without `.`, `..` and `:`",
    holds: |text| normal_path(text) && !text.contains(':'),
};

pub const FILE: Rule = Rule {
    slug: "bad-path",
    noun: "a path for a file",
    allowed: "an absolute path without `.` and `..`",
    holds: |text| normal_path(text) && text.len() < 4096,
};

pub const WRITABLE: Rule = Rule {
    slug: "bad-writable",
    noun: "a directory that can be made writable",
    allowed: "an absolute path outside /usr, /etc, /var, /proc, /sys, /dev, /run and /boot",
    holds: |text| {
        let taken = ["usr", "etc", "var", "proc", "sys", "dev", "run", "boot", "bin", "sbin", "lib", "lib64"];
        normal_path(text) && !taken.contains(&text.split('/').nth(1).unwrap_or_default())
    },
};

pub const SSH_KEY: Rule = Rule {
    slug: "bad-ssh-key",
    noun: "a public SSH key",
    allowed: "the line of a .pub file: `ssh-ed25519 AAAA… comment`",
    // The node's own rule: metadata brings keys as well.
    holds: |text| no_control(text) && ssh_key::check(text).is_ok(),
};

pub const TIMEZONE: Rule = Rule {
    slug: "bad-timezone",
    noun: "a time zone",
    allowed: "a name below /usr/share/zoneinfo, such as UTC or Europe/Berlin",
    holds: |text| made_of(text, "-_+/") && text.split('/').all(|part| !part.is_empty()),
};

pub const LOCALE: Rule = Rule {
    slug: "bad-locale",
    noun: "a locale",
    allowed: "a locale such as C.UTF-8 or en_US.UTF-8",
    holds: |text| made_of(text, "-_.@"),
};

/// `512MiB` → bytes.
pub fn size(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let (digits, shift) = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))?;
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_stays_inside_quotes() {
        assert!((URL.holds)("https://mirror.example:5000/v2?x=1"));
        assert!(!(URL.holds)("https://mirror.example/\"]\nroot = \"/"));
        assert!(!(URL.holds)("https://mirror.example/\\"));
    }

    #[test]
    fn a_key_that_the_node_refuses_is_no_key() {
        assert!((SSH_KEY.holds)(ssh_key::tests::KEY));
        assert!(!(SSH_KEY.holds)("ssh-ed25519 AAAAC3Nza admin"));
    }
}
