use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::diag::{Location, Source};
use crate::package::rpm::{Rich, is_rich};
use crate::package::{Family, PackageId, Provided, Relation, WeakDependencies};
use crate::repo::Offer;
use crate::resolve::sorted;
use crate::resolve::versions::meets;
use crate::tree::Digest;

/// `name version; kind: relation, …`; kinds are requires, conflicts, obsoletes, provides.
fn offer(line: &str) -> Offer {
    let mut parts = line.split(';').map(str::trim);
    let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
    let mut offer = Offer {
        id: PackageId { name: name.into(), version: version.into(), arch: "x86_64".into() },
        family: Family::Rpm,
        repository: "test".into(),
        path: String::new(),
        size: 0,
        sha256: Digest::of(line),
        essential: false,
        priority: 3,
        depends: Vec::new(),
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        provides: Vec::new(),
        weak: WeakDependencies::default(),
    };
    for part in parts.filter(|part| !part.is_empty()) {
        let (kind, list) = part.split_once(": ").unwrap();
        let relations: Vec<Relation> = list.split(", ").map(relation).collect();
        match kind {
            "requires" => offer.depends = relations.into_iter().map(|it| Dependency(vec![it])).collect(),
            "conflicts" => offer.conflicts = relations,
            "obsoletes" => offer.obsoletes = relations,
            "recommends" => offer.weak.recommends = relations,
            "provides" => {
                let provided = |it: Relation| Provided { name: it.name, version: it.constraint.map(|it| it.1) };
                offer.provides = relations.into_iter().map(provided).collect();
            }
            other => panic!("{other}"),
        }
    }
    offer
}

fn relation(text: &str) -> Relation {
    match Rich::parse(&format!("({text})")) {
        Some(Rich::Relation(relation)) if !is_rich(text) => relation,
        _ => Relation { name: text.to_owned(), constraint: None },
    }
}

fn request(name: &str) -> PackageRequest {
    let source = Source::new("r.yaml", name);
    PackageRequest { name: name.into(), version: None, location: Location::new(&source, 0..name.len()) }
}

fn solve_knowing(lines: &str, names: &[&str], owners: &Owners) -> Result<(String, BTreeSet<String>), Diagnostics> {
    let index = Index { offers: lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(offer).collect() };
    let requests: Vec<PackageRequest> = names.iter().map(|name| request(name)).collect();
    let choice = choose(&requests.iter().collect::<Vec<_>>(), &index, &BTreeMap::new(), false, owners)?;
    let shown = sorted(choice.offers, &index).into_iter().map(|it| index.offers[it].id.to_string());
    Ok((shown.collect::<Vec<_>>().join(", "), choice.unknown))
}

fn solve(lines: &str, names: &[&str]) -> Result<String, Diagnostics> {
    solve_knowing(lines, names, &Owners::default()).map(|(shown, _)| shown)
}

#[test]
fn a_renamed_package_is_found_by_its_old_name_unless_a_version_is_asked_for() {
    let lines = "old 1-1\nold 2-1\nnew 5-1; obsoletes: old < 3";
    assert_eq!(solve(lines, &["old"]).unwrap(), "new 5-1");
    assert_eq!(solve(lines, &["new", "old"]).unwrap(), "new 5-1");
    let index = Index { offers: lines.lines().map(offer).collect() };
    let pinned = PackageRequest { version: Some("1".into()), ..request("old") };
    let choice = choose(&[&pinned], &index, &BTreeMap::new(), false, &Owners::default()).unwrap();
    assert_eq!(choice.offers, [0]);
}

#[test]
fn file_lists_are_asked_only_for_paths_of_what_is_chosen() {
    let lines = "a 1-1; requires: /opt/x\nb 1-1\nc 1-1; requires: either\nd 1-1; provides: either\ne 1-1; provides: either; requires: /opt/y";
    let none = Owners::default();
    assert_eq!(solve_knowing(lines, &["c"], &none).unwrap(), ("c 1-1, d 1-1".to_owned(), BTreeSet::new()));
    assert_eq!(solve_knowing(lines, &["a"], &none).unwrap().1, ["/opt/x".to_owned()].into_iter().collect());
    let mut owners = Owners { known: ["/opt/x".to_owned()].into_iter().collect(), paths: BTreeMap::new() };
    let error = solve_knowing(lines, &["a"], &owners).unwrap_err();
    assert!(error.0[0].help[0].contains("/opt/x"), "{error}");
    owners.paths.insert(Digest::of("b 1-1"), vec!["/opt/x".to_owned()]);
    assert_eq!(solve_knowing(lines, &["a"], &owners).unwrap(), ("a 1-1, b 1-1".to_owned(), BTreeSet::new()));
}

#[test]
fn what_nobody_could_decide_is_no_contradiction() {
    let asked = request("a");
    let slug = |impossible| refusal(&[&asked], None, impossible).slug;
    assert_eq!((slug(false), slug(true)), ("undecided", "unsatisfiable"));
}

/// The places that a refusal blames, and what it says.
fn why(lines: &str, names: &[&str]) -> String {
    let error = solve(lines, names).unwrap_err();
    let [mistake] = error.0.as_slice() else { panic!("{error}") };
    assert_eq!(mistake.slug, "unsatisfiable");
    let places = mistake.location.iter().chain(&mistake.related);
    let places: Vec<&str> = places.map(|(location, _)| location.source.text.as_str()).collect();
    format!("{}\n{}", places.join(", "), mistake.help.join("\n"))
}

#[test]
fn why_there_is_nothing_is_said_with_the_whole_chain() {
    let lines = "app 1-1; requires: lib >= 2\nlib 1-1\nlib 2-1; requires: (ssl or tls)\n\
                 other 1-1; conflicts: lib\nrich 1-1; requires: (lib if app)\nssl2 1-1";
    insta::assert_snapshot!(why(lines, &["ssl2", "app", "other"]));
    insta::assert_snapshot!(why(lines, &["ssl2", "lib", "other"]));
}

#[test]
fn a_relation_with_a_condition_is_explained_by_the_chain_that_makes_it_matter() {
    // Each of several reasons, and what brings the condition about.
    let lines = "a 2-1; requires: (c if b), needs-b\nneeds-b 1-1; requires: b\nb 1-1\nc 1-1; conflicts: a";
    insta::assert_snapshot!(why(lines, &["a"]));
    // Nobody provides what the condition asks for.
    let lines = "a 1-1; requires: (x if (b and d))\nb 1-1\ne 1-1; requires: d\nd 1-1";
    insta::assert_snapshot!(why(lines, &["a", "b", "e"]));
    // The condition leads on into a package that cannot be had.
    let lines = "a 1-1; requires: (plugin if server else client)\nserver 1-1\nplugin 1-1; requires: nowhere\nplugin 2-1; requires: nowhere\nclient 1-1";
    insta::assert_snapshot!(why(lines, &["a", "server"]));
    // A conflict with a condition brings in what it takes not to hold.
    let lines = "a 1-1; conflicts: (b if c)\nb 1-1\nc 1-1; requires: b";
    insta::assert_snapshot!(why(lines, &["a"]));
    let lines = "a 1-1; conflicts: (b and c)\nb 1-1\nc 1-1";
    insta::assert_snapshot!(why(lines, &["a", "b", "c"]));
}

#[test]
fn versions_share_a_line_and_rivals_obsoletes_and_circles_are_told() {
    let many: String = (1..20).map(|it| format!("app {it}-1; requires: lib < 1\n")).collect();
    insta::assert_snapshot!(why(&format!("{many}lib 1-1"), &["app"]));
    let lines = "lib 5-1\nlib 6-1\nc 1-1; requires: lib = 5\nd 1-1; requires: lib = 6";
    insta::assert_snapshot!(why(lines, &["c", "d"]));
    let lines = "new 2-1; obsoletes: old\nold 1-1\nuser 1-1; requires: old";
    insta::assert_snapshot!(why(lines, &["new", "user"]));
    // They need each other: told once.
    let lines = "x 1-1; requires: cap\na 1-1; provides: cap; requires: b, d\nb 1-1; provides: cap; requires: a, e\n\
                 d 1-1; conflicts: e\ne 1-1";
    insta::assert_snapshot!(why(lines, &["x"]));
    let lines = "self 1-1; provides: only-one; conflicts: only-one\nself-too 1-1; provides: only-one";
    insta::assert_snapshot!(why(lines, &["self", "self-too"]));
}

#[test]
fn a_rich_dependency_with_too_many_literals_is_given_up_and_one_below_that_is_not() {
    // A clause of 2000 literals for each of 2000 parts, which is given up; and one just as large that is not.
    let providers: String = (0..2000).map(|it| format!("p{it} 1-1; provides: p\n")).collect();
    let parts = |count: usize| vec!["p"; count].join(" and ");
    let lines = format!("{providers}bomb 1-1; requires: ({})\nfine 1-1; requires: ({})", parts(2000), parts(400));
    assert!(why(&lines, &["bomb"]).contains("for which no candidates were found"));
    assert_eq!(solve(&lines, &["fine"]).unwrap(), "fine 1-1, p0 1-1");
    // The same with few clauses: one that stands beside each.
    let few = |count: usize| (0..count).map(|it| format!("p{it}")).collect::<Vec<_>>().join(" and ");
    let lines =
        format!("{providers}bomb 1-1; requires: (p or ({}))\nfine 1-1; requires: (p or ({}))", few(600), few(300));
    assert!(why(&lines, &["bomb"]).contains("for which no candidates were found"));
    assert_eq!(solve(&lines, &["fine"]).unwrap(), "fine 1-1, p0 1-1");
}

#[test]
fn kernels_stand_side_by_side_and_others_do_not() {
    let lines = "kernel 5-1\nkernel 6-1\na 1-1; requires: kernel = 5\nb 1-1; requires: kernel = 6\n\
                 lib 5-1\nlib 6-1\nc 1-1; requires: lib = 5\nd 1-1; requires: lib = 6";
    assert_eq!(solve(lines, &["kernel"]).unwrap(), "kernel 6-1");
    assert_eq!(solve(lines, &["a", "b"]).unwrap(), "a 1-1, b 1-1, kernel 5-1, kernel 6-1");
    assert!(solve(lines, &["c", "d"]).is_err());
}

#[test]
fn a_conflict_with_a_condition_brings_what_it_takes_not_to_hold() {
    let lines = "a 1-1; conflicts: (b if c)\nb 1-1\nc 1-1\nd 1-1; conflicts: (d if d)";
    assert_eq!(solve(lines, &["a"]).unwrap(), "a 1-1, c 1-1");
    assert!(solve(lines, &["a", "b"]).is_err());
    // What comes so has relations of its own.
    assert!(solve(&lines.replace("c 1-1", "c 1-1; requires: b"), &["a"]).is_err());
}

/// Whether a relation holds in a set of packages, straight from what the words mean.
fn naive(relation: &Relation, offers: &[Offer], set: u32) -> bool {
    match Rich::parse(&relation.name).filter(|_| is_rich(&relation.name)) {
        None => (0..offers.len()).any(|it| set >> it & 1 == 1 && is(&offers[it], relation)),
        Some(rich) => naive_rich(&rich, offers, set),
    }
}

fn naive_rich(rich: &Rich, offers: &[Offer], set: u32) -> bool {
    let holds = |part: &Rich| naive_rich(part, offers, set);
    let otherwise = |part: &Option<Box<Rich>>, default| part.as_ref().map_or(default, |part| holds(part));
    match rich {
        Rich::Relation(relation) => naive(relation, offers, set),
        Rich::All(parts) => parts.iter().all(holds),
        Rich::Any(parts) => parts.iter().any(holds),
        Rich::If { what, condition, otherwise: other } => {
            if holds(condition) {
                holds(what)
            } else {
                otherwise(other, true)
            }
        }
        Rich::Unless { what, condition, otherwise: other } => {
            if holds(condition) {
                otherwise(other, false)
            } else {
                holds(what)
            }
        }
        Rich::With(_) | Rich::Without(_) => (0..offers.len()).any(|it| set >> it & 1 == 1 && one_is(&offers[it], rich)),
    }
}

fn one_is(offer: &Offer, rich: &Rich) -> bool {
    match rich {
        Rich::Relation(relation) => is(offer, relation),
        Rich::With(parts) => parts.iter().all(|part| one_is(offer, part)),
        Rich::Without(both) => one_is(offer, &both[0]) && !one_is(offer, &both[1]),
        other => panic!("{other:?}"),
    }
}

fn is(offer: &Offer, relation: &Relation) -> bool {
    let meets = |version: Option<&str>| meets(Family::Rpm, version, relation, Family::Rpm);
    offer.id.name == relation.name && meets(Some(&offer.id.version))
        || offer.provides.iter().any(|it| it.name == relation.name && meets(it.version.as_deref()))
}

/// Whether the set can be installed.
fn stands(offers: &[Offer], set: u32) -> bool {
    let inside = || (0..offers.len()).filter(|it| set >> it & 1 == 1);
    inside().all(|it| {
        let offer = &offers[it];
        let others = set & !(1 << it);
        let depends = offer.depends.iter().all(|Dependency(any)| naive(&any[0], offers, set));
        let conflicts = offer.conflicts.iter().any(|relation| match is_rich(&relation.name) {
            false => naive(relation, offers, others),
            true => naive(relation, offers, set),
        });
        let obsoletes = offer.obsoletes.iter().any(|relation| {
            inside().any(|other| {
                other != it
                    && offers[other].id.name == relation.name
                    && meets(Family::Rpm, Some(&offers[other].id.version), relation, Family::Rpm)
            })
        });
        let twice = inside().any(|other| other != it && offers[other].id.name == offer.id.name);
        depends && !conflicts && !obsoletes && !twice
    })
}

fn relation_text() -> impl Strategy<Value = String> {
    let simple = || {
        ("[a-e]", prop_oneof![Just(""), Just(" = 1"), Just(" >= 2"), Just(" < 2")]).prop_map(|(name, rest)| name + rest)
    };
    prop_oneof![
        5 => simple(),
        1 => (simple(), simple()).prop_map(|(a, b)| format!("({a} or {b})")),
        1 => (simple(), simple()).prop_map(|(a, b)| format!("({a} and {b})")),
        1 => (simple(), simple()).prop_map(|(a, b)| format!("({a} if {b})")),
        1 => (simple(), simple(), simple()).prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
        1 => (simple(), simple()).prop_map(|(a, b)| format!("({a} unless {b})")),
        1 => (simple(), simple(), simple()).prop_map(|(a, b, c)| format!("({a} unless ({b} or {c}))")),
        1 => (simple(), simple()).prop_map(|(a, b)| format!("({a} with {b})")),
        1 => (simple(), simple()).prop_map(|(a, b)| format!("({a} without {b})")),
    ]
}

fn offer_text() -> impl Strategy<Value = String> {
    let list = |kind: &'static str, most: usize| {
        prop::collection::vec(relation_text(), 0..=most).prop_map(move |relations| match relations.is_empty() {
            true => String::new(),
            false => format!("; {kind}: {}", relations.join(", ")),
        })
    };
    let rest = (list("requires", 2), list("conflicts", 1));
    let plain = prop_oneof![3 => Just(String::new()), 1 => "; obsoletes: [a-e]", 1 => "; provides: [a-e]( = [12])?"];
    ("[a-e] [123]-1", rest, plain)
        .prop_map(|(head, (requires, conflicts), plain)| head + &requires + &conflicts + &plain)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_choice_stands_and_none_is_missed(lines in prop::collection::vec(offer_text(), 1..9), weak in any::<bool>()) {
        let index = Index { offers: lines.iter().map(|line| offer(line)).collect() };
        // What a rich conflict with itself means is nobody's question.
        let with_itself = |it: &Offer| {
            let rich = it.conflicts.iter().filter_map(|conflict| Rich::parse(&conflict.name));
            rich.into_iter().any(|rich| rich.relations().into_iter().any(|relation| is(it, relation)))
        };
        prop_assume!(!index.offers.iter().any(with_itself));
        let owners = Owners::default();
        let pool = Pool::new(&index.offers, &BTreeMap::new(), &owners);
        let wanted: Vec<u32> = (0..number(index.offers.len())).filter(|it| pool.offer(*it).id.name == pool.offer(0).id.name).collect();
        let asked = |set: &u32| wanted.iter().any(|it| set >> it & 1 == 1);
        let possible = (0..1_u32 << index.offers.len()).filter(asked).any(|set| stands(&index.offers, set));
        let judged = judge::judge(&pool, std::slice::from_ref(&wanted));
        prop_assert_eq!(matches!(judged, Outcome::Chosen(_)), possible, "resolvo: {:?}", judged);
        let explained = explain::explain(&pool, &[("asked".to_owned(), wanted.clone())]);
        prop_assert_eq!(explained.map(|it| it.requests), (!possible).then(|| vec![0]));
        match search(&pool, std::slice::from_ref(&wanted), weak) {
            Outcome::Chosen(chosen) => {
                let set = chosen.iter().fold(0, |set, it| set | 1 << it);
                prop_assert!(asked(&set) && stands(&index.offers, set), "{:?}", chosen);
            }
            Outcome::Impossible => prop_assert!(!possible),
            Outcome::Unknown => prop_assert!(false, "given up"),
        }
    }
}
