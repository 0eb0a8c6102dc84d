use std::collections::BTreeMap;

use super::*;
use crate::diag::{Location, Source};
use crate::package::{FileEntry, FileKind, Owner};
use crate::tree::TreePath;

fn package(name: &str, scripts: &[(&str, &str)]) -> Package {
    Package {
        id: PackageId { name: name.into(), version: "1.0".into(), arch: "amd64".into() },
        family: Default::default(),
        control: vec![],
        files: vec![],
        scripts: scripts
            .iter()
            .map(|(name, text)| Script { name: (*name).into(), text: text.as_bytes().to_vec() })
            .collect(),
        members: BTreeMap::new(),
    }
}

#[test]
fn the_shipped_table_is_readable_and_each_entry_says_one_thing() {
    let mut seen = std::collections::BTreeSet::new();
    for entry in table::entries() {
        let name = format!("{} {}", entry.package, entry.script);
        assert!(entry.nothing.is_some() == entry.effects.is_empty(), "{name}: effects or `nothing`");
        assert!(Digest::parse(&entry.sha256).is_some(), "{name}");
        assert!(entry.lines.split_whitespace().all(|line| line.len() == 8), "{name}");
        assert!(seen.insert((&entry.package, &entry.script, &entry.sha256)), "{name} twice");
        for effect in &entry.effects {
            if let Effect::Step(step) = effect {
                assert!(crate::assemble::STEPS.iter().any(|known| known.name == step), "{name}: no step {step}");
            }
        }
    }
}

#[test]
fn scripts_that_run_at_removal_need_no_account() {
    let package = package("x", &[("postrm", "rm -rf /etc/x")]);
    let accounted = account(&[&package], &[]);
    assert_eq!(accounted.accounts[0].outcome, Outcome::NotRun);
    assert!(accounted.mistakes.is_empty());
}

#[test]
fn an_unknown_script_is_named_with_its_first_line() {
    let package = package("x", &[("postinst", "#!/bin/sh\nset -e\n\nadduser --system x\n")]);
    let accounted = account(&[&package], &[]);
    let text = accounted.mistakes.to_string();
    assert!(
        text.starts_with("nobody accounts for `postinst` of x 1.0, from line 4: `adduser --system x` [unknown-script]"),
        "{text}"
    );
}

#[test]
fn the_help_for_an_unknown_script_is_what_a_recipe_takes() {
    let package = package("x", &[("postinst", "adduser --system x\n")]);
    let text = account(&[&package], &[]).mistakes.to_string();
    let entry = text.split('`').find(|part| part.starts_with("accept-scripts:")).unwrap();
    let value = crate::yaml::parse(&Source::new("r.yaml", entry)).unwrap();
    let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let found = crate::recipe::check::check(&value, day).unwrap_err();
    // What else a recipe needs is missing, and nothing more.
    assert!(found.0.iter().all(|mistake| mistake.slug == "missing-key"), "{found}");
}

#[test]
fn a_recipe_can_answer_for_a_script_and_only_for_one_that_exists() {
    let source = Source::new("r.yaml", "x");
    let location = Location::new(&source, 0..1);
    let accept = |script: &str| AcceptedScript {
        package: "x".into(),
        script: script.into(),
        reason: "read it".into(),
        location: location.clone(),
    };
    let package = package("x", &[("postinst", "adduser --system x\n")]);
    let accounted = account(&[&package], &[accept("postinst"), accept("config")]);
    assert_eq!(accounted.accounts[0].outcome, Outcome::Accepted("read it".into()));
    assert_eq!(
        accounted.mistakes.to_string(),
        "r.yaml:1:1: `x` has no script `config` [no-such-script]; take this entry out"
    );
}

#[test]
fn a_trigger_that_nobody_knows_is_a_mistake() {
    let mut known = package("a", &[]);
    known.members.insert("triggers".into(), b"# c\nactivate-noawait ldconfig\n".to_vec());
    let mut unknown = package("b", &[]);
    unknown.members.insert("triggers".into(), b"activate update-everything\ninterest x\n".to_vec());
    let accounted = account(&[&unknown, &known], &[]);
    assert_eq!(accounted.accounts.len(), 2);
    assert!(accounted.mistakes.to_string().contains("`update-everything`"));
}

#[test]
fn a_changed_script_is_shown_by_its_new_lines() {
    let entry = table::entries().iter().find(|entry| entry.package == "openssl").unwrap();
    assert_eq!(entry.script, "postinst");
    let package = package("openssl", &[("postinst", "set -e\nrm -rf /etc/ssl\n")]);
    let text = account(&[&package], &[]).mistakes.to_string();
    assert!(text.contains(&format!("version {} is known: this one has 2 new lines and lost", entry.version)), "{text}");
    assert!(text.contains("line 2: rm -rf /etc/ssl"), "{text}");
}

fn rpm(scripts: &[(&str, &str)]) -> Package {
    Package { family: Family::Rpm, ..package("kubelet", scripts) }
}

/// It brings empty files, and directories where a path ends with a slash.
fn with_files(package: Package, paths: &[&str]) -> Package {
    let root = Owner { name: "root".into(), id: 0 };
    let entry = |path: &&str| FileEntry {
        path: TreePath::parse(path.trim_end_matches('/')).unwrap(),
        kind: match path.ends_with('/') {
            true => FileKind::Directory,
            false => FileKind::File { digest: Digest::of(""), size: 0 },
        },
        mode: 0o755,
        user: root.clone(),
        group: root.clone(),
        mtime: 0,
        xattrs: BTreeMap::new(),
    };
    Package { files: paths.iter().map(entry).collect(), ..package }
}

#[test]
fn what_rpms_macros_wrote_is_generated_and_removals_do_not_run() {
    let post = "\nif [ $1 -eq 1 ] ; then \n        # Initial installation \n        systemctl --no-reload preset kubelet.service || : \nfi \n";
    let preun = "systemctl --no-reload disable --now kubelet.service";
    let package =
        rpm(&[("%post", post), ("%preun", preun), ("%posttrans", "#!/sbin/ldconfig\n"), ("%pre", "exit 0\n")]);
    let accounted = account(&[&package], &[]);
    assert!(accounted.mistakes.is_empty(), "{}", accounted.mistakes);
    assert_eq!(accounted.effects, [Effect::Preset("kubelet.service".into())]);
    let outcomes: Vec<String> = accounted.accounts.iter().map(|it| format!("{} {}", it.script, it.outcome)).collect();
    assert_eq!(
        outcomes,
        [
            "%post preset kubelet.service",
            "%posttrans nothing to do on a fresh image",
            "%pre nothing to do on a fresh image",
            "%preun not run on a fresh image",
        ]
    );
}

#[test]
fn hand_written_scriptlets_lua_and_triggers_are_refused_unless_accepted() {
    let source = Source::new("r.yaml", "x");
    let texts = [
        ("%pretrans", "#!<lua>\nposix.mkdir('/x')\n", "from line 1: `#!<lua>`"),
        ("%post", "#!/usr/bin/perl\n", "from line 1: `#!/usr/bin/perl`"),
        ("%post", "/sbin/ldconfig\nusermod -L x\n", "from line 2: `usermod -L x`"),
        ("%posttrans", "#!/sbin/ldconfig\nrm -r /\n", "from line 1"),
        ("%triggerin", "# on kubelet\nusermod -L x\n", "from line 1: `# on kubelet`"),
        ("%transfiletriggerin", "# on /usr/lib\n#!<lua>\nx()\n", "from line 1"),
    ];
    for (script, text, words) in texts {
        let package = with_files(rpm(&[(script, text)]), &["/usr/lib/x"]);
        let mistakes = account(&[&package], &[]).mistakes.to_string();
        assert!(mistakes.contains(&format!("`{script}` of kubelet 1.0, {words}")), "{mistakes}");
        let accept = AcceptedScript {
            package: "kubelet".into(),
            script: script.into(),
            reason: "read it".into(),
            location: Location::new(&source, 0..1),
        };
        let accounted = account(&[&package], &[accept]);
        assert!(accounted.mistakes.is_empty());
        assert_eq!(accounted.accounts[0].outcome, Outcome::Accepted("read it".into()));
    }
}

#[test]
fn effects_come_in_the_order_in_which_scripts_run() {
    let one = rpm(&[
        ("%post", "chown nobody:nobody /opt/z\n"),
        ("%posttrans", "touch /opt/z/last\n"),
        ("%pre", "mkdir -p /opt/z\n"),
        ("%pretrans", "#!<lua>\nposix.mkdir(\"/usr\")\n"),
    ]);
    let effects: Vec<String> = account(&[&one], &[]).effects.iter().map(Effect::to_string).collect();
    assert_eq!(effects, ["directory /usr first", "directory /opt/z", "/opt/z nobody:nobody", "file /opt/z/last"]);
}

#[test]
fn one_trigger_of_several_is_accepted_by_what_sets_it_off() {
    let source = Source::new("r.yaml", "x");
    let package = rpm(&[
        ("%transfiletriggerin", "# on /usr/lib/systemd/system\nusermod -L a\n"),
        ("%transfiletriggerin", "# on /usr/lib/sysusers.d\nusermod -L b\n"),
    ]);
    let package = with_files(package, &["/usr/lib/systemd/system/x.service", "/usr/lib/sysusers.d/x.conf"]);
    let accept = |script: &str| AcceptedScript {
        package: "kubelet".into(),
        script: script.into(),
        reason: "read it".into(),
        location: Location::new(&source, 0..1),
    };
    let mistakes = |accepted: &[AcceptedScript]| account(&[&package], accepted).mistakes.to_string();
    let one = mistakes(&[accept("%transfiletriggerin /usr/lib/systemd/system")]);
    assert!(
        !one.contains("usermod -L a")
            && one.contains("accept-scripts: {kubelet: {\"%transfiletriggerin /usr/lib/sysusers.d\""),
        "{one}"
    );
    let bare = mistakes(&[accept("%transfiletriggerin")]);
    assert!(
        bare.contains("has 2 scripts `%transfiletriggerin`") && bare.contains("# on /usr/lib/systemd/system"),
        "{bare}"
    );
    let both = ["%transfiletriggerin /usr/lib/systemd/system", "%transfiletriggerin /usr/lib/sysusers.d"].map(accept);
    assert_eq!(mistakes(&both), "");
}

/// What becomes of the scripts of the first package in an image with the others.
fn outcomes(packages: &[Package]) -> Vec<String> {
    let all: Vec<&Package> = packages.iter().collect();
    let accounted = account(&all, &[]);
    let first = accounted.accounts.iter().filter(|account| account.package == packages[0].id);
    let known = first.map(|account| account.outcome.to_string());
    let refused = accounted.mistakes.0.iter().map(|mistake| mistake.to_string());
    known.chain(refused).collect()
}

fn outcome_of(script: &str, text: &str) -> String {
    outcomes(&[with_files(rpm(&[(script, text)]), &["/usr/bin/own", "/var/lib/own/"])]).join("; ")
}

const NOTHING: &str = "nothing to do on a fresh image";

#[test]
fn what_older_versions_left_is_not_there() {
    for (script, text) in [
        // A service that a file of an older version enabled.
        (
            "%pre",
            "if [ -f \"/usr/lib/systemd/system/x.target.wants/y.service\" ] ; then\nsystemctl enable y.service || :\nfi",
        ),
        (
            "%post",
            "test -f /etc/sysconfig/old && \\\n  grep -q '^A=' /etc/sysconfig/old && \\\n  echo \"B yes\" >> /etc/new.conf && \\\n  rm /etc/sysconfig/old || :",
        ),
        (
            "%post",
            "if test -a /usr/libexec/helper; then\ngrep -qi 'a$' /etc/x.conf 2> /dev/null || \\\n echo -e '\\n# B.\\nc' >> \\\n /etc/x.conf\n\
                   for f in /var/lib/x/*; do\nsed 's|.*|a &|' < $f > /run/x/\"${f##*a.}.b\"\ndone 2> /dev/null\nfi",
        ),
        ("%post", "mv /var/lib/random-seed /var/lib/systemd/random-seed &>/dev/null"),
        (
            "%post",
            "for I in /etc/x.tab /etc/x.tab.old \\\n /etc/x/x.tab; do\n\n\tif [ -f \"$I\" ]; then\n\t\tmv \"$I\" /run/x/ || :\n\tfi\ndone",
        ),
        ("%pre", "for f in man apropos; do\n [ -L /usr/bin/$f ] || rm -f /usr/bin/$f >/dev/null 2>&1 || :\ndone"),
        ("%post", "if ls /usr/lib/systemd/libshared-24[0-6].so &>/dev/null; then\n echo upgrade\n exit 1\nfi"),
        ("%post", "if [ -d /proc/bus/mckinley ]\nthen\nmv /etc/a.new /etc/a\nfi\n"),
        ("%posttrans", "[ -d /run/systemd/system ] || exit 0\nrpm -qa | sort | { while read -r a; do rm $a; done }"),
        (
            "%posttrans",
            "set -eu\nA=/boot/efi/EFI/x\nB=/boot/efi\nif ! mountpoint -q ${B}; then\n exit 0\nfi\ncat << E > ${A}/x\nE\n",
        ),
        ("%post", "if [ -e /run/daemon.pid ]; then\n/usr/sbin/daemon -R || echo no\nfi"),
        (
            "%post",
            "if [ ! -s /etc/selinux/config ]; then\necho \"\n# A comment of several lines; it's long.\n\n#     x - y\nSELINUX=enforcing\n\n\" > \
                   /etc/selinux/config\n ln -sf ../selinux/config /etc/sysconfig/selinux\n restorecon /etc/selinux/config || :\nelse\n . /etc/selinux/config\nfi\nexit 0",
        ),
        (
            "%posttrans",
            "if [ ! -f /run/ostree-booted ] && [ $1 == 1 -o $1 == 2 ]; then\n kdumpctl _reset-crashkernel-after-update\n :\nfi",
        ),
        (
            "%posttrans",
            "if [ $1 == 1 ] ; then\n/usr/bin/authselect select local --force --nobackup &> /dev/null\n exit 0\nfi\nfind / -exec rm {} +",
        ),
        ("%pre", "if [ ! -d /var/lib/old/ -a -f /var/lib/old.status ]; then\nrm -rf /etc\nfi"),
    ] {
        assert_eq!(outcome_of(script, text), NOTHING, "{text}");
    }
}

#[test]
fn what_may_be_there_is_asked_for_in_vain() {
    let refused = |script: &str, text: &str| {
        let outcome = outcome_of(script, text);
        assert!(outcome.contains("unknown-script"), "{text}: {outcome}");
    };
    // Its own file, what the script made itself, what programs make, a directory of other packages' files.
    refused("%post", "if [ -f /usr/bin/own ]; then\nrm -rf /etc\nfi");
    refused("%post", "touch /etc/x\nif [ -f /etc/x ]; then\nrm -rf /etc\nfi");
    refused("%post", "if [ -f /etc/passwd ]; then\nrm -rf /etc\nfi");
    refused("%post", "if [ -d /usr/bin ]; then\nrm -rf /etc\nfi");
    refused("%post", "[ -e /var/lib/rpm-state/x ] || exit 0\nrm -rf /etc");
    refused("%post", "if [ ! -e /etc/nobody ]; then\nrm -rf /etc\nfi");
    refused("%post", "rm -f /usr/bin/own");
    refused("%post", "rm -rf /etc/nobody/../passwd");
    refused("%post", "echo \"a\nb\" > /etc/x");
    refused("%post", "echo \"a\n\"; rm -rf /etc\necho \"b\"");
    refused("%post", "true # \\\nrm -rf /etc");
    refused("%post", "echo \"$(echo \"it's\")\"\nrm -rf /etc\necho 'x'");
    refused("%post", "echo \"$(echo \"it's\")\" # x\nrm -rf /etc\necho 'x'");
    refused("%post", "for i in a b; do\nif [ $i = b ]; then\nrm -rf /etc\nfi\ndone");
    refused("%post", "X=1\nexport X=2\nif [ $X = 2 ]; then\nrm -rf /etc\nfi");
    refused("%post", "cat /etc/passwd | tee /etc/x");
    refused("%post", "touch /run/x\nif [ -f /run/x ]; then\nrm -rf /etc\nfi");
    refused("%post", "systemd-sysusers --replace=/usr/lib/sysusers.d/x.conf - <<E || rm -rf /etc || :\nu x\nE");
    refused("%post", "if [ -f /etc/named ]; then\nrm -rf /etc\nelse\nrm -rf /usr\nfi");
    // Another script of the package may make it.
    let both = rpm(&[("%pre", "touch /opt/x"), ("%post", "[ -f /opt/x ] && rm -rf /etc")]);
    assert!(outcomes(&[both]).join("").contains("unknown-script"));
    // Another package's script makes it.
    let asks = rpm(&[("%post", "if [ -f /etc/made ]; then\nrm -rf /etc\nfi")]);
    let makes = Package { family: Family::Rpm, ..package("zz", &[("%post", "touch /etc/made")]) };
    assert!(outcomes(&[asks.clone(), makes])[0].contains("unknown-script"));
    // A directory on the way is another package's link.
    assert_eq!(outcomes(&[asks]), [NOTHING]);
}

#[test]
fn conditions_that_hold_have_effects() {
    for (script, text, outcome) in [
        (
            "%post",
            "if [ ! -L /etc/mtab ]; then\nln -sf ../proc/self/mounts /etc/mtab || :\nfi",
            "link /etc/mtab → ../proc/self/mounts",
        ),
        ("%post", "[ -e /var/spool/x ] || touch /var/spool/x 2>/dev/null || :", "file /var/spool/x"),
        ("%post", "[ -e /var/lib/own ] || touch /var/lib/own/x", NOTHING),
        ("%post", "if [ -d /var/lib/own ]; then\nsystemctl preset a.service\nfi", "preset a.service"),
        ("%post", "[ -w /var ] && mkdir -p /var/log/journal", "directory /var/log/journal"),
        (
            "%post",
            "systemctl preset a{b,-c}.service d-{e,f}.socket || :",
            "preset ab.service, preset a-c.service, preset d-e.socket, preset d-f.socket",
        ),
        (
            "%post",
            "for t in a \\\n b; do\nupdate-alternatives --install /usr/bin/$t $t /usr/bin/$t-x 10\ndone",
            "alternative a → /usr/bin/a-x, alternative b → /usr/bin/b-x",
        ),
        ("%post", "if ! grep -q \"^docker:\" /etc/group; then\n groupadd --system docker\nfi", "account g docker -"),
        (
            "%pre",
            "getent group p > /dev/null || groupadd -fg 27 p &&\ngetent passwd p > /dev/null || \\\n useradd -u 27 -g p -d / -s /bin/false p",
            "account g p 27, account u p 27 \"\" / /bin/false",
        ),
        (
            "%pre",
            "systemd-sysusers --replace=/usr/lib/sysusers.d/x.conf - <<SYSTEMD_INLINE_EOF || :\n# c\nu x - \"X y\" /\n\nm x z\nSYSTEMD_INLINE_EOF\n",
            "account u x - \"X y\" /, account m x z",
        ),
        (
            "%post",
            "systemd-tmpfiles --replace=/usr/lib/tmpfiles.d/x.conf --create - <<SYSTEMD_INLINE_EOF || :\nd /run/x\nSYSTEMD_INLINE_EOF\n",
            "tmpfiles of x.conf, at boot",
        ),
        ("%post", "if [ $1 -eq 1 ]; then\n chown -v root:sys /var/lib/own\nfi", "/var/lib/own root:sys"),
        (
            "%post",
            "if [ \"$1\" = 1 ]; then\nif [ ! -f /etc/shells ]; then\necho \"/usr/bin/zsh\" > /etc/shells\nelse\n\
                   grep -q \"^/usr/bin/zsh$\" /etc/shells || echo \"/usr/bin/zsh\" >> /etc/shells\nfi\nfi",
            "login shell /usr/bin/zsh",
        ),
        ("%triggerin", "# on kubelet\ntouch /etc/x.conf\n", "file /etc/x.conf"),
        (
            "%triggerin",
            "# on kubelet > 0.2.2-2.0\nif systemctl -q is-enabled r.socket\nthen\n systemctl reenable r.socket >/dev/null 2>&1 || :\nfi\n\
                        if [ ! -d /var/lib/own ]\nthen\n rm -rf /etc\nfi\n",
            NOTHING,
        ),
    ] {
        assert_eq!(outcome_of(script, text), outcome, "{text}");
    }
}

#[test]
fn triggers_that_nothing_sets_off_do_not_run() {
    for on in ["nobody", "kubelet < 0.5", "nobody, kubelet = 2", "kubelet > 1.0"] {
        assert_eq!(outcome_of("%triggerin", &format!("# on {on}\nrm -rf /etc\n")), "not run on a fresh image", "{on}");
    }
    for on in ["/usr/lib/x", "/bin", "/usr/bin/owned"] {
        assert_eq!(outcome_of("%transfiletriggerin", &format!("# on {on}\nrm -rf /etc\n")), "not run on a fresh image");
    }
    for (script, on) in
        [("%triggerin", "a kubelet >= 1.0"), ("%transfiletriggerin", "/x /usr/bi"), ("%filetriggerin", "/usr/bin/ow")]
    {
        assert!(outcome_of(script, &format!("# on {on}\nrm -rf /etc\n")).contains("unknown-script"), "{on}");
    }
}
