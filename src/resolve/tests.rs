use super::*;
use crate::diag::{Location, Source};
use crate::package::{Dependency, Operator, PackageId, Provided, Relation};
use crate::repo::Offer;
use crate::tree::Digest;

/// One line an offer: `name version [essential] [rpm] => dep | other >= 2, dep; conflicts: x << 1; provides: v = 1`.
pub(super) fn index(text: &str) -> Index {
    let offers = text.lines().filter(|line| !line.trim().is_empty()).map(offer).collect();
    Index { offers }
}

fn offer(line: &str) -> Offer {
    let mut parts = line.split(';').map(str::trim);
    let (head, depends) = parts.next().unwrap().split_once("=>").unwrap_or((line.split(';').next().unwrap(), ""));
    let words: Vec<&str> = head.split_whitespace().collect();
    let mut offer = Offer {
        id: PackageId { name: words[0].into(), version: words[1].into(), arch: "amd64".into() },
        family: if words.contains(&"rpm") { Family::Rpm } else { Family::Deb },
        repository: "test".into(),
        path: String::new(),
        size: 0,
        sha256: Digest::of(line),
        essential: words.contains(&"essential"),
        priority: 3,
        depends: list(depends).map(|text| Dependency(text.split('|').map(relation).collect())).collect(),
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        provides: Vec::new(),
        weak: Default::default(),
    };
    for part in parts {
        let (kind, rest) = part.split_once(':').unwrap();
        match kind {
            "conflicts" => offer.conflicts = list(rest).map(relation).collect(),
            "obsoletes" => offer.obsoletes = list(rest).map(relation).collect(),
            "provides" => {
                let provided =
                    |relation: Relation| Provided { name: relation.name, version: relation.constraint.map(|it| it.1) };
                offer.provides = list(rest).map(|text| provided(relation(text))).collect();
            }
            other => panic!("{other}"),
        }
    }
    offer
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|text| !text.is_empty())
}

fn relation(text: &str) -> Relation {
    let words: Vec<&str> = text.split_whitespace().collect();
    let operator = |sign: &str| match sign {
        "<<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        "=" => Operator::Equal,
        ">=" => Operator::GreaterOrEqual,
        _ => Operator::Greater,
    };
    let constraint = (words.len() == 3).then(|| (operator(words[1]), words[2].to_owned()));
    Relation { name: words[0].to_owned(), constraint }
}

pub(super) fn request(text: &str) -> PackageRequest {
    let (name, version) = text.split_once('=').map_or((text, None), |(name, version)| (name, Some(version.to_owned())));
    let source = Source::new("r.yaml", text);
    PackageRequest { name: name.into(), version, location: Location::new(&source, 0..text.len()) }
}

fn solve(offers: &str, requests: &[&str]) -> Result<String, Diagnostics> {
    let index = index(offers);
    let requests: Vec<PackageRequest> = requests.iter().map(|text| request(text)).collect();
    let chosen = resolve(&requests.iter().collect::<Vec<_>>(), &index)?;
    Ok(chosen.iter().map(|it| index.offers[*it].id.to_string()).collect::<Vec<_>>().join(", "))
}

#[test]
fn the_newest_versions_of_everything_needed_and_everything_essential() {
    let offers = "a 1 => b >= 1\n a 2 => b >= 2\n b 1\n b 2\n c 1 essential => d\n d 1\n e 1";
    assert_eq!(solve(offers, &["a"]).unwrap(), "a 2, b 2, c 1, d 1");
    assert_eq!(solve(offers, &["a=1"]).unwrap(), "a 1, b 2, c 1, d 1");
}

#[test]
fn alternatives_go_by_their_order_unless_another_is_there_anyway() {
    let offers = "a 1 => x | y\n x 1\n y 1";
    assert_eq!(solve(offers, &["a"]).unwrap(), "a 1, x 1");
    assert_eq!(solve(offers, &["a", "y"]).unwrap(), "a 1, y 1");
}

#[test]
fn a_real_package_comes_before_one_that_stands_in_and_versions_of_provisions_count() {
    let offers =
        "a 1 => mta\n exim 1 ; provides: mta\n b 1 => lib >= 2\n lib2 1 ; provides: lib = 2\n lib3 1 ; provides: lib";
    assert_eq!(solve(offers, &["a"]).unwrap(), "a 1, exim 1");
    assert_eq!(solve(offers, &["b"]).unwrap(), "b 1, lib2 1");
}

#[test]
fn conflicts_choose_another_way_or_are_explained_at_the_requests() {
    let offers = "a 1 => x | y\n x 1\n y 1\n b 1 ; conflicts: x";
    assert_eq!(solve(offers, &["a", "b"]).unwrap(), "a 1, b 1, y 1");
    let mistakes = solve("a 1 => x >= 2\n x 1\n x 2\n b 1 ; conflicts: x >= 2", &["a", "b"]).unwrap_err();
    assert_eq!(mistakes.0[0].slug, "unsatisfiable");
    let text = &mistakes.0[0].help[0];
    assert!(text.contains('a') && text.contains("x"), "{text}");
    let missing = solve("a 1 => nothing >= 2", &["a"]).unwrap_err();
    assert!(missing.0[0].help[0].contains("nothing"), "{missing}");
}

#[test]
fn unknown_names_and_versions_show_what_there_is() {
    let offers = "containerd 1.7\n containerd 1.6\n runc 1";
    let mistakes = solve(offers, &["contanerd", "runc=2"]).unwrap_err();
    let slugs: Vec<&str> = mistakes.0.iter().map(|mistake| mistake.slug).collect();
    assert_eq!(slugs, ["unknown-package", "unknown-version"]);
    assert!(mistakes.0[0].help[0].contains("nearest names: containerd"), "{mistakes}");
    assert!(mistakes.0[1].help[0].contains("offered: 1"), "{mistakes}");
}

#[test]
fn a_choice_is_made_when_it_is_met_and_not_taken_back() {
    // apt meets `stack` before `b`: it takes the first stand-in, and then `b` all the same.
    let offers = "tool 1 => common, b\ncommon 1 => stack\na 1; provides: stack\nb 1; provides: stack";
    assert_eq!(solve(offers, &["tool"]).unwrap(), "a 1, b 1, common 1, tool 1");
    // What is asked for is there before any dependency is looked at.
    assert_eq!(solve(offers, &["tool", "b"]).unwrap(), "b 1, common 1, tool 1");
}

#[test]
fn the_solver_finds_what_the_walk_misses() {
    // The walk takes `a`, and cannot go back when `late` turns out to conflict with it.
    let offers = "tool 1 => stack, late\nlate 1 => x\nx 1; conflicts: a\na 1; provides: stack\nb 1; provides: stack";
    assert_eq!(solve(offers, &["tool"]).unwrap(), "b 1, late 1, tool 1, x 1");
}

#[test]
fn who_asks_for_a_package_gets_no_stand_in() {
    let offers = "real 1\nother 2; provides: real; conflicts: real";
    assert_eq!(solve(offers, &["real"]).unwrap(), "real 1");
    assert_eq!(solve(offers, &["real", "other"]).unwrap_err().0[0].slug, "unsatisfiable");
}

#[test]
fn the_release_of_an_rpm_may_be_left_out_and_wrong_pins_show_what_there_is() {
    let offers = "kubelet 1.20.2-150500.1.1 rpm\nkubelet 1.20.2-150500.2.1 rpm\nkubelet 1.20.1-1 rpm\ndeb 1.2-3";
    assert_eq!(solve(offers, &["kubelet=1.20.2"]).unwrap(), "kubelet 1.20.2-150500.2.1");
    assert_eq!(solve(offers, &["kubelet=1.20.2-150500.1.1"]).unwrap(), "kubelet 1.20.2-150500.1.1");
    assert_eq!(solve(offers, &["kubelet=0:1.20.1"]).unwrap(), "kubelet 1.20.1-1");
    let mistakes = solve(offers, &["kubelet=1.20.3"]).unwrap_err();
    assert_eq!(mistakes.0[0].slug, "unknown-version");
    assert!(mistakes.0[0].help[0].contains("1.20.2-150500.2.1, 1.20.2-150500.1.1, 1.20.1-1"), "{mistakes}");
    // A deb's version is asked for whole, as apt wants it.
    assert_eq!(solve(offers, &["deb=1.2"]).unwrap_err().0[0].slug, "unknown-version");
    let many: String = (0..40).map(|patch| format!("kubelet 1.20.{patch}-1 rpm\n")).collect();
    let mistakes = solve(&many, &["kubelet=1.20.41-1"]).unwrap_err();
    assert!(mistakes.0[0].help[0].starts_with("nearest versions on offer: 1.20."), "{mistakes}");
}

#[test]
fn an_rpm_finds_what_it_needs_among_debs_and_no_deb_among_rpms() {
    let offers = "kubelet 1-1 rpm => iptables >= 1.4.21, util = 2.41, cni >= 1\ncni 1.2-1 rpm\ncni 0.9-1 rpm\n\
                  iptables 3:1.8.11-2\nutil 7:2.41-5";
    assert_eq!(solve(offers, &["kubelet"]).unwrap(), "cni 1.2-1, iptables 3:1.8.11-2, kubelet 1-1, util 7:2.41-5");
    let old = offers.replace("1.8.11", "1.4.20");
    assert!(solve(&old, &["kubelet"]).unwrap_err().0[0].help[0].contains("iptables"), "{old}");
    let deb = "a 1 => cni\ncni 1-1 rpm; provides: cni";
    assert_eq!(solve(deb, &["a"]).unwrap_err().0[0].slug, "unsatisfiable");
    // Both brought: who needs it decides, and who asks has to.
    let both = "cni 1-1 rpm\ncni 0.9-1\na 1 => cni\nb 1-1 rpm => cni";
    assert_eq!(solve(both, &["a"]).unwrap(), "a 1, cni 0.9-1");
    assert_eq!(solve(both, &["b"]).unwrap(), "b 1-1, cni 1-1");
    let mistakes = solve(both, &["cni"]).unwrap_err();
    assert_eq!(mistakes.0[0].slug, "two-families");
    assert!(mistakes.0[0].help[0].contains("0.9-1 from test, or 1-1 from test"), "{mistakes}");
    assert_eq!(solve(both, &["cni=1"]).unwrap(), "cni 1-1");
}

#[test]
fn paths_are_met_by_rpms_put_off_beside_debs_and_missed_without() {
    let offers = "a 1-1 rpm => /usr/bin/x\nx 1-1 rpm; provides: /usr/bin/x";
    assert_eq!(solve(offers, &["a"]).unwrap(), "a 1-1, x 1-1");
    let mixed = "a 1-1 rpm => /bin/sh\nbash 5 essential";
    assert_eq!(solve(mixed, &["a"]).unwrap(), "a 1-1, bash 5");
    let alone = solve("a 1-1 rpm => /bin/sh\nbash 5-1 rpm", &["a"]).unwrap_err();
    assert!(alone.0[0].help[0].contains("/bin/sh"), "{alone}");
}

#[test]
fn provisions_and_obsoletes_of_rpms_are_rpms() {
    // One without a version meets every version; of several dnf takes the first name.
    let offers = "a 1-1 rpm => lib >= 2\nlonger 1-1 rpm; provides: lib\nshort 1-1 rpm; provides: lib\n\
                  zz 1-1 rpm; provides: lib = 1";
    assert_eq!(solve(offers, &["a"]).unwrap(), "a 1-1, longer 1-1");
    // What is obsoleted is a package of that name, not what provides it.
    let offers = "new 2-1 rpm; obsoletes: old << 2\nold 1-1 rpm\nother 1-1 rpm; provides: old = 1";
    assert_eq!(solve(offers, &["new", "other"]).unwrap(), "new 2-1, other 1-1");
    // Who asks for the old one means the new one, unless by its version.
    assert_eq!(solve(offers, &["new", "old"]).unwrap(), "new 2-1");
    assert_eq!(solve(offers, &["new", "old=1"]).unwrap_err().0[0].slug, "unsatisfiable");
    let newer = offers.replace("old 1-1", "old 2-1");
    assert_eq!(solve(&newer, &["new", "old"]).unwrap(), "new 2-1, old 2-1");
}

#[test]
fn packages_that_need_each_other_and_cannot_be_had_are_explained_in_the_end() {
    let offers = "x 1 => cap\na 1 => b, d; provides: cap\nb 1 => a, e; provides: cap\nd 1; conflicts: e\ne 1";
    let mistakes = solve(offers, &["x"]).unwrap_err();
    assert_eq!(mistakes.0[0].slug, "unsatisfiable");
    assert!(mistakes.0[0].help[0].len() < 20_000, "{}", mistakes.0[0].help[0].len());
}
