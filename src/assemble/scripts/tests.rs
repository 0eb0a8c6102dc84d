use std::collections::BTreeMap;

use super::*;
use crate::diag::{Location, Source};

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
        ("%triggerin", "# on glibc\nusermod -L x\n", "from line 1: `# on glibc`"),
        ("%transfiletriggerin", "# on /usr/lib\n#!<lua>\nx()\n", "from line 1"),
    ];
    for (script, text, words) in texts {
        let package = rpm(&[(script, text)]);
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
