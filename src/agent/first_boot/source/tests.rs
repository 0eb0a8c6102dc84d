//! Toy sources beside each other: who is asked, when, and what becomes of the answer.

use std::cell::RefCell;

use super::*;
use crate::agent::first_boot::config_of;
use crate::agent::first_boot::metadata::{META_DATA, Origin, USER_DATA, text};

thread_local! {
    /// Who was asked, in order; and after how many questions the volume is there.
    static ASKED: RefCell<(Vec<&'static str>, usize)> = const { RefCell::new((Vec::new(), usize::MAX)) };
}

fn toy(name: &'static str, only: Option<&str>) -> Option<Metadata> {
    ASKED.with_borrow_mut(|(asked, _)| asked.push(name));
    let brought = |(name, words): (&'static str, &str)| (name, text(name, words.into(), "toy").unwrap());
    let texts = [(META_DATA, "instance-id: i-9\n"), (USER_DATA, "#cloud-config\ntimezone: UTC\n")].map(brought).into();
    let origin = Origin { name: name.to_owned(), place: name.to_owned() };
    only.is_none_or(|only| only == name).then_some(Metadata { origin, texts })
}

/// The one behind the network stands first: the table's order counts among those that are asked together.
const TOYS: &[Source] = &[
    Source { name: "http", needs_network: true, find: |only| Ok(toy("http", only)) },
    Source {
        name: "volume",
        needs_network: false,
        find: |only| {
            let found = toy("volume", only);
            Ok(found.filter(|_| ASKED.with_borrow(|(asked, attached)| asked.len() > *attached)))
        },
    },
    Source { name: "firmware", needs_network: false, find: |_| Ok(toy("firmware", Some("elsewhere"))) },
];

/// Where metadata was found, and who was asked for it; there are three looks at most.
fn asked(attached: usize, only: Option<&str>) -> (Option<Metadata>, String) {
    ASKED.set((Vec::new(), attached));
    let mut looks = 1..3;
    let found = find_in(TOYS, only, || looks.next().is_some()).unwrap();
    (found, ASKED.take().0.join(" "))
}

#[test]
fn a_source_behind_the_network_is_asked_only_when_the_others_have_nothing() {
    let (found, who) = asked(usize::MAX, None);
    assert_eq!(who, "volume firmware volume firmware volume firmware http");
    let found = found.unwrap();
    assert_eq!(found.origin.name, "http");
    // What it brought is read like everybody's.
    let config = config_of(Some(&found)).unwrap();
    assert_eq!((config.instance_id.as_deref(), config.timezone.unwrap().value.as_str()), (Some("i-9"), "UTC"));
    let (found, who) = asked(2, None);
    assert_eq!((found.unwrap().origin.name.as_str(), who.as_str()), ("volume", "volume firmware volume"));
}

#[test]
fn metadata_of_another_place_does_not_count_in_any_source() {
    assert_eq!(asked(0, Some("http")).0.unwrap().origin.name, "http");
    assert_eq!(asked(0, Some("volume")).1, "volume");
    assert_eq!(asked(0, Some("nowhere")).0, None);
}

#[test]
fn sources_have_names_of_their_own() {
    let names: std::collections::BTreeSet<&str> = SOURCES.iter().map(|source| source.name).collect();
    assert_eq!(names.len(), SOURCES.len());
}
