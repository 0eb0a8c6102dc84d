//! Scripts of made-up packages on made-up roots; the programs have tests of their own.

use crate::assemble::tests::{World, location};
use crate::diag::Diagnostics;
use crate::package::{Family, Script};
use crate::recipe::{AcceptedScript, UnknownPrograms};
use crate::tree::Kind;

fn script(name: &str, text: &str) -> Script {
    Script { name: name.into(), text: text.as_bytes().to_vec() }
}

fn told(world: &World) -> Diagnostics {
    world.assemble().unwrap_err().downcast::<Diagnostics>().unwrap()
}

#[test]
fn an_unknown_program_is_never_an_exit_status() {
    for text in [
        "frobnicate --all || true",
        "if frobnicate --all; then :; fi",
        "x=$(frobnicate --all) || :",
        "! frobnicate --all",
        "frobnicate --all | cat",
        "f() { frobnicate --all; }; f || true",
        "eval 'frobnicate --all' || true",
        "trap 'frobnicate --all' EXIT",
    ] {
        let mut world = World::new();
        world.package("p", &[]).scripts.push(script("postinst", &format!("#!/bin/sh\n{text}\n")));
        let mistakes = told(&world);
        assert_eq!(mistakes.0[0].slug, "unknown-program", "{text}: {mistakes}");
        assert!(mistakes.0[0].title.contains("`frobnicate` is not known: `postinst` of p 1.0, line 2"), "{mistakes}");
    }
}

#[test]
fn all_unknown_programs_of_a_build_come_together_by_program() {
    let mut world = World::new();
    world.package("a", &[]).scripts.push(script("postinst", "#!/bin/sh\nzeta\n"));
    world.package("b", &[]).scripts.push(script("postinst", "#!/bin/sh\nalpha\n"));
    world.package("c", &[]).scripts.push(script("preinst", "#!/bin/sh\nzeta\n"));
    let mistakes = told(&world);
    let titles: Vec<&str> = mistakes.0.iter().map(|mistake| mistake.title.split(": ").next().unwrap()).collect();
    assert_eq!(titles.len(), 3);
    assert!(titles[0].contains("alpha") && titles[1].contains("zeta") && titles[2].contains("zeta"), "{titles:?}");
    // Only the first of a program helps.
    assert_eq!(mistakes.0.iter().map(|mistake| mistake.help.len()).collect::<Vec<_>>(), [2, 2, 0]);
}

#[test]
fn a_recipe_accepts_a_program_of_a_script_and_only_there() {
    let mut world = World::new();
    world.package("a", &[]).scripts.push(script("postinst", "#!/bin/sh\nset -e\nzeta\ntouch /etc/made\n"));
    let accept = |package: &str, script: &str| AcceptedScript {
        package: package.into(),
        script: script.into(),
        program: Some("zeta".into()),
        reason: "read it".into(),
        location: location(),
    };
    world.recipe.accept_scripts = vec![accept("a", "postinst")];
    let tree = world.assemble().unwrap().tree;
    assert_eq!(world.text(&tree, "/etc/made"), "");
    world.recipe.accept_scripts = vec![accept("a", "preinst"), accept("b", "postinst")];
    let slugs: Vec<&str> = told(&world).0.iter().map(|mistake| mistake.slug).collect();
    assert_eq!(slugs, ["no-such-script", "no-such-script", "unknown-program"]);
}

#[test]
fn unknown_programs_that_are_noted_do_nothing_and_stand_in_the_account() {
    let mut world = World::new();
    world.package("a", &[]).scripts.push(script("postinst", "#!/bin/sh\nzeta\ntouch /etc/made\n"));
    world.recipe.unknown_programs = UnknownPrograms::Note;
    let scripts = world.assemble().unwrap().scripts;
    assert_eq!((scripts[0].used[0].program.as_str(), scripts[0].used[0].what), ("zeta", "unknown"));
}

#[test]
fn scripts_run_in_dpkgs_order_and_see_what_is_there_at_their_time() {
    let mut world = World::new();
    let order = "/etc/order";
    let log = |what: &str| format!("#!/bin/sh\necho {what} $1 >>{order}\n");
    let needed = world.package("zz", &[("/usr/share/zz", "")]);
    needed.scripts = vec![
        script("config", &log("zz-config")),
        script("preinst", &format!("#!/bin/sh\n[ ! -e /usr/share/zz ]\necho zz-preinst $1 >>{order}\n")),
        script("postinst", &format!("#!/bin/sh\nset -e\n[ -e /usr/share/aa ]\necho zz-postinst $1 $2. >>{order}\n")),
        script("prerm", "#!/bin/sh\nexit 1\n"),
    ];
    needed.members.insert("triggers".into(), b"interest-noawait /usr/share/aa\ninterest called\n".to_vec());
    let needing = world.package("aa", &[("/usr/share/aa", "")]);
    needing.control.push(("Depends".into(), "nothing | zz (>= 1)".into()));
    needing.scripts = vec![script("postinst", "#!/bin/sh\ndpkg-trigger called\necho aa-postinst >>/etc/order\n")];
    let tree = world.assemble().unwrap().tree;
    assert_eq!(
        world.text(&tree, order),
        "zz-config configure\nzz-preinst install\nzz-postinst configure .\naa-postinst\nzz-postinst triggered /usr/share/aa called.\n"
    );
}

#[test]
fn a_script_that_fails_is_told_with_its_last_words() {
    let mut world = World::new();
    world.package("a", &[]).scripts.push(script("postinst", "#!/bin/sh\necho why >&2\nexit 3\n"));
    let mistakes = told(&world);
    assert!(
        mistakes.to_string().starts_with("`postinst` of a 1.0 ended with status 3: why [script-failed]"),
        "{mistakes}"
    );
}

#[test]
fn rpms_run_pre_before_their_files_and_post_behind_them() {
    let mut world = World::new();
    for package in &mut world.packages {
        package.family = Family::Rpm;
    }
    let package = world.package("zz", &[("/opt/zz", "")]);
    package.family = Family::Rpm;
    package.scripts = vec![
        script("%pretrans", "#!<lua>\nf = io.open('/order', 'a') f:write('pretrans\\n') f:close()\n"),
        script("%pre", "[[ -e /opt/zz ]] || echo pre $1 >>/order\n"),
        script("%post", "[[ -e /opt/zz ]] && echo post $1 >>/order\n"),
        script("%posttrans", "#!<expand> /bin/sh\necho posttrans%{?_lib:} >>%{_sysconfdir}/../order\nfalse\n"),
        script("%transfiletriggerin", "# on /opt\ncat >>/order\n"),
    ];
    let assembled = world.interpret();
    assert_eq!(world.text(&assembled.tree, "/order"), "pretrans\npre 1\npost 1\nposttrans\n/opt/zz\n");
    let failed = assembled.scripts.iter().find(|script| script.script == "%posttrans").unwrap();
    assert!(failed.outcome.to_string().starts_with("interpreted; it ended with status 1"), "{:?}", failed.outcome);
}

#[test]
fn a_number_that_a_scriptlet_fixes_wins_over_an_open_line() {
    let mut world = World::new();
    for package in &mut world.packages {
        package.family = Family::Rpm;
    }
    let package = world.package("systemd", &[("/usr/lib/sysusers.d/basic.conf", "g kvm -\ng systemd-journal -\n")]);
    package.family = Family::Rpm;
    package.scripts = vec![script("%pre", "getent group kvm &>/dev/null || groupadd -r -g 36 kvm &>/dev/null || :\n")];
    let tree = world.interpret().tree;
    let groups = world.text(&tree, "/etc/group");
    assert!(groups.contains("\nkvm:x:36:\n"), "{groups}");
}

#[test]
fn what_a_script_leaves_in_run_and_tmp_is_in_no_image() {
    let mut world = World::new();
    let text = "#!/bin/sh\nset -e\nmkdir -p /run/a /tmp/b\necho x >/run/a/x\ncp /run/a/x /etc/x\n";
    world.package("a", &[]).scripts.push(script("postinst", text));
    let tree = world.assemble().unwrap().tree;
    assert_eq!(world.text(&tree, "/etc/x"), "x\n");
    let left = |path: &str| {
        tree.get(&crate::tree::TreePath::parse(path).unwrap())
            .is_some_and(|inode| inode.kind != Kind::Directory || path.len() > 4)
    };
    assert!(!left("/run/a") && !left("/tmp/b"));
}

#[test]
fn three_thousand_nested_ifs_are_a_mistake() {
    let mut world = World::new();
    let text = format!("#!/bin/sh\n{}{}", "if true; then\n".repeat(3000), "fi\n".repeat(3000));
    world.package("a", &[]).scripts.push(script("postinst", &text));
    let slug = told(&world).0[0].slug;
    assert!(["script-syntax", "script-limit"].contains(&slug), "{slug}");
}

#[test]
fn a_loop_without_an_end_is_a_mistake() {
    let mut world = World::new();
    world.package("a", &[]).scripts.push(script("postinst", "#!/bin/sh\nwhile :; do :; done\n"));
    assert_eq!(told(&world).0[0].slug, "script-limit");
}

/// What a build says of a script that makes a secret: the mistake's slug and title, or nothing.
fn with_secret(text: &str) -> Option<(&'static str, String)> {
    let mut world = World::new();
    let programs =
        ["/usr/bin/pwgen", "/usr/bin/uuidgen", "/usr/bin/hostname", "/usr/bin/openssl"].map(|path| (path, ""));
    let files = &mut world.package("p", &programs).files;
    files.iter_mut().for_each(|file| file.mode = 0o755);
    world.package("q", &[]).scripts.push(script("postinst", &format!("#!/bin/sh\nset -e\np=$(pwgen 12 1)\n{text}\n")));
    let result = world.assemble();
    result.err().map(|error| error.downcast::<Diagnostics>().unwrap().0.remove(0)).map(|it| (it.slug, it.title))
}

#[test]
fn what_a_node_makes_for_itself_is_never_cut_nor_digested_into_an_image() {
    for text in [
        "echo \"password=$p\" >/etc/q.conf",
        "echo \"$p $p\" >/var/lib/q; cp /var/lib/q /etc/q",
        "[ -n \"$p\" ]; [ ${#p} -gt 8 ]",
        "echo $p >/tmp/q; sed -i s/x/y/ /tmp/q; mv /tmp/q /etc/q",
        "echo $p | md5sum >/tmp/q",
        "hostname | cut -c1-8 >/etc/q",
    ] {
        assert_eq!(with_secret(text), None, "{text}");
    }
    for (text, where_it_is) in [
        ("echo $p | cut -c1-8 >/etc/q", "`/etc/q`"),
        ("echo \"${p#?}\" >/etc/q", "`/etc/q`"),
        ("echo $p | md5sum >/etc/q", "`/etc/q`"),
        ("echo $p >/etc/q; sha256sum /etc/q >/etc/q.sum", "`/etc/q.sum`"),
        ("echo $p | tr a-z A-Z >/etc/q", "`/etc/q`"),
        ("uuidgen | tr -d 0 >/etc/q", "`/etc/q`"),
        ("mkdir /etc/$p", "`/etc/nodesmith0"),
        ("ln -s $p /etc/q", "`/etc/q`"),
        ("case $p in [a-m]*) touch /etc/q;; esac", "`/etc/q`"),
        ("usermod -c $p root", "accounts"),
        ("openssl genrsa -passout pass:$p -out /etc/q.key", "first boot"),
        ("case $p in [n-z]*) exit 1;; esac", "ended with status 1"),
        ("case $p in [a-m]*) exit 1;; esac", "how scripts end"),
    ] {
        let (slug, title) = with_secret(text).unwrap_or_else(|| panic!("nothing is said of {text}"));
        assert!(title.contains(where_it_is), "{text}: {title}");
        assert_eq!(slug == "secret-in-image", !title.contains("ended with"), "{text}: {title}");
    }
    let (slug, title) = with_secret("mkdir -p /usr/share/q; echo $p >/usr/share/q/secret").unwrap();
    assert_eq!((slug, title.contains("/usr/share/q/secret")), ("first-boot-read-only", true), "{title}");
    let (slug, title) = with_secret("rm /usr/bin/pwgen; echo $p >/etc/q").unwrap();
    assert_eq!((slug, title.contains("`/usr/bin/pwgen`")), ("first-boot-program", true), "{title}");
}
