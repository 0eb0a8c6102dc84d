//! The differences that follow from the table of programs: each with the programs that must have been used for it.

use std::collections::BTreeSet;

use super::Facts;

pub(crate) struct Difference<'d> {
    pub(crate) package: &'d str,
    pub(crate) path: &'d str,
    /// Nothing: untouched; `Some(None)`: removed.
    pub(crate) theirs: Option<&'d Option<Facts>>,
    pub(crate) ours: Option<&'d Option<Facts>>,
    pub(crate) their_text: Option<String>,
    pub(crate) our_text: Option<String>,
}

/// Differences that may have a class.
#[derive(PartialEq)]
enum Side {
    /// The real script changes the path, and here it stays as it was.
    Left,
    Any,
}

struct Class {
    name: &'static str,
    side: Side,
    /// One of these must have been used; any script may have the difference if there is none.
    programs: &'static [&'static str],
    /// Patterns; one that begins with a package's name is for that package only.
    paths: &'static [&'static str],
}

const CLASSES: &[Class] = &[
    Class {
        name: "debconf's database is kept in memory",
        side: Side::Left,
        programs: &[],
        paths: &["/var/cache/debconf/*"],
    },
    Class {
        name: "units are enabled when all scripts have run: deb-systemd-helper, systemctl",
        side: Side::Left,
        programs: &[],
        paths: &[
            "/var/lib/systemd/deb-systemd-helper-*",
            "/var/lib/systemd/deb-systemd-user-helper-*",
            "/etc/systemd/system/*",
            "/etc/systemd/user/*",
        ],
    },
    Class {
        name: "the files of accounts have no copies and no locks of shadow's",
        side: Side::Left,
        programs: &[],
        paths: &[
            "/etc/passwd-",
            "/etc/shadow-",
            "/etc/group-",
            "/etc/gshadow-",
            "/etc/subuid-",
            "/etc/subgid-",
            "/run/adduser",
            "/etc/.pwd.lock",
        ],
    },
    Class {
        name: "what /run, /dev and /tmp have is not in an image",
        side: Side::Any,
        programs: &[],
        paths: &["/run/*", "/dev/*", "/tmp/*", "/var/tmp/*"],
    },
    Class {
        name: "diversions, statoverrides and triggers are kept in memory",
        side: Side::Left,
        programs: &[],
        paths: &["/var/lib/dpkg/diversions*", "/var/lib/dpkg/statoverride*", "/var/lib/dpkg/triggers/*"],
    },
    Class {
        name: "update-alternatives keeps no log",
        side: Side::Left,
        programs: &[],
        paths: &["/var/log/alternatives.log"],
    },
    Class {
        name: "the image's init is systemd: update-rc.d",
        side: Side::Left,
        programs: &["update-rc.d"],
        paths: &["/etc/rc?.d/*"],
    },
    Class {
        name: "Python makes its byte code when it runs",
        side: Side::Left,
        programs: &["py3compile"],
        paths: &["*/__pycache__", "*/__pycache__/*"],
    },
    Class {
        name: "the build writes the linker's cache: ldconfig",
        side: Side::Left,
        programs: &["ldconfig"],
        paths: &["/etc/ld.so.cache", "/var/cache/ldconfig/*"],
    },
    Class {
        name: "the build writes PAM's stacks: pam-auth-update",
        side: Side::Left,
        programs: &["pam-auth-update"],
        paths: &["/etc/pam.d/common-*", "/var/lib/pam/*"],
    },
    Class {
        name: "access control lists are set at boot: systemd-tmpfiles",
        side: Side::Any,
        programs: &["systemd-tmpfiles"],
        paths: &["systemd:/var/log/journal"],
    },
    Class {
        name: "made at boot: systemd-tmpfiles",
        side: Side::Left,
        programs: &["systemd-tmpfiles"],
        paths: &["/var/lib/*", "/var/cache/*", "/var/log/*", "/var/spool/*", "/root/.ssh", "/etc/*"],
    },
    Class {
        name: "made earlier: all packages are unpacked before the first is configured",
        side: Side::Any,
        programs: &[],
        paths: &["/etc/php/*/conf.d/*", "/var/lib/php/modules/*"],
    },
    Class {
        name: "kept by ucf as it keeps its records without debconf's library, which takes its IFS",
        side: Side::Any,
        programs: &[],
        paths: &["/var/lib/ucf/hashfile.?", "/var/lib/ucf/registry.?"],
    },
    Class {
        name: "each node makes its own at its first boot",
        side: Side::Left,
        programs: &[
            "mungekey",
            "ssh-keygen",
            "make-ssl-cert",
            "openssl",
            "xrdp-keygen",
            "certtool",
            "nsd-control-setup",
        ],
        paths: &[
            "/etc/munge/munge.key",
            "/etc/ssh/ssh_host_*",
            "/etc/ssl/*",
            "/etc/xrdp/*",
            "/etc/*.key",
            "/etc/*.pem",
        ],
    },
    Class {
        name: "catalogs of XML are made when they are used: update-xmlcatalog",
        side: Side::Left,
        programs: &["update-xmlcatalog"],
        paths: &["/etc/xml/*", "/var/lib/xml-core/*"],
    },
    Class {
        name: "the recipe says the locale: update-locale",
        side: Side::Left,
        programs: &["update-locale"],
        paths: &["/etc/locale.conf", "/etc/default/locale"],
    },
    Class {
        name: "the console is set up at boot: setupcon",
        side: Side::Left,
        programs: &["setupcon"],
        paths: &["/etc/console-setup/cached_*"],
    },
    Class {
        name: "modules of desktop programs",
        side: Side::Any,
        programs: &["gdk-pixbuf-query-loaders", "/usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders"],
        paths: &["/usr/lib/*/loaders.cache"],
    },
    Class {
        name: "the recorder's policy-rc.d ends runit-helper early",
        side: Side::Any,
        programs: &[],
        paths: &["/etc/runit/runsvdir/*", "/etc/sv/*/supervise"],
    },
    Class {
        name: "nothing runs while an image is built",
        side: Side::Left,
        programs: &["getcert"],
        paths: &["/var/lib/certmonger/*"],
    },
    Class {
        name: "nothing runs while an image is built",
        side: Side::Left,
        programs: &["proftpd"],
        paths: &["/var/log/proftpd/*"],
    },
    Class {
        name: "sets are the node's: ipset",
        side: Side::Left,
        programs: &["ipset"],
        paths: &["/etc/iptables/ipsets"],
    },
    Class {
        name: "indexes of dictionaries: update-dictcommon-hunspell",
        side: Side::Left,
        programs: &["update-dictcommon-hunspell"],
        paths: &["/var/cache/dictionaries-common/*"],
    },
    Class {
        name: "repositories are set up when it is first used: flatpak",
        side: Side::Left,
        programs: &["flatpak"],
        paths: &["/var/lib/flatpak", "/var/lib/flatpak/*"],
    },
    Class {
        name: "what only a node knows: the package asks for its domain",
        side: Side::Any,
        programs: &["dnsdomainname"],
        paths: &["/var/cache/openafs-client/*"],
    },
    Class { name: "numbers come from names", side: Side::Any, programs: &[], paths: &["/etc/authbind/byuid/*"] },
    Class {
        name: "the image's first accounts are there before any script",
        side: Side::Left,
        programs: &[],
        paths: &["base-passwd:/etc", "base-passwd:/etc/*"],
    },
    Class {
        name: "minsysusers keeps quotes and another shell",
        side: Side::Any,
        programs: &[],
        paths: &["runit:/etc/passwd"],
    },
    Class {
        name: "made earlier: all packages are unpacked before the first is configured",
        side: Side::Any,
        programs: &[],
        paths: &["munin:/var/cache/munin/www", "ghostscript:/var/lib/ghostscript/fonts/*"],
    },
    Class {
        name: "the order within a circle of needs",
        side: Side::Any,
        programs: &[],
        paths: &["dovecot-*:/var/lib/ucf/*"],
    },
];

/// Why this difference is as it should be.
pub(crate) fn class(difference: &Difference, used: &BTreeSet<String>) -> Option<&'static str> {
    let of = |facts: Option<&Option<Facts>>| facts.and_then(Option::as_ref).map(|facts| facts[..3].to_vec());
    // Kind, mode and owner.
    let (their_facts, our_facts) = (of(difference.theirs), of(difference.ours));
    if let (Some(theirs), Some(ours)) = (&difference.their_text, &difference.our_text)
        && let (Some(theirs), Some(ours)) = (without_numbers(difference.path, theirs), without_numbers(difference.path, ours))
        // systemd-sysusers begins the secret files where nothing has made them; an image always has them.
        && (theirs == ours && their_facts == our_facts || difference.path.ends_with("shadow") && theirs.is_subset(&ours))
    {
        return Some("the same accounts: numbers come from names, and no day is known");
    }
    if (their_facts.is_none() || their_facts == our_facts)
        && difference.our_text.as_ref().is_some_and(|text| text.contains("nodesmith0first0boot"))
    {
        return Some("what only a node knows has a mark in its place");
    }
    let is_left = difference.theirs.is_some() && difference.ours.is_none();
    let whole = format!("{}:{}", difference.package, difference.path);
    let matches = |pattern: &str| {
        let text = if pattern.starts_with(['/', '*']) { difference.path } else { &whole };
        nodesmith::shell::matches(pattern.as_bytes(), text.as_bytes())
    };
    let fits = |class: &&Class| {
        (class.side == Side::Any || is_left)
            && (class.programs.is_empty() || class.programs.iter().any(|program| used.contains(*program)))
            && class.paths.iter().any(|pattern| matches(pattern))
    };
    CLASSES.iter().find(fits).map(|class| class.name)
}

/// The lines of a file of accounts, sorted, with what does not depend on numbers.
fn without_numbers(path: &str, text: &str) -> Option<BTreeSet<Vec<String>>> {
    let kept: &[usize] = match path {
        "/etc/passwd" => &[0, 4, 5, 6],
        "/etc/group" | "/etc/gshadow" => &[0, 3],
        "/etc/shadow" => &[0],
        _ => return None,
    };
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        kept.iter().map(|field| fields.get(*field).copied().unwrap_or_default().to_owned()).collect()
    };
    Some(text.lines().map(line).collect())
}
