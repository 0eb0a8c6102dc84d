//! What `primary.xml` says, kept in the store so that it is parsed only once.
//!
//! Under the digest of the (packed) file and the architecture, as derived data: damage is noticed there. Every text stands
//! once, since kernels of many versions provide the same symbols; everything else is numbers, seven bits a byte, the low
//! ones first. Whoever changes the form or what is read from `primary.xml` raises the number in [`kind`].

use std::collections::HashMap;

use super::Repository;
use crate::package::rpm::RPMLIB_FEATURES;
use crate::package::{Dependency, Family, Operator, PackageId, Provided, Relation, WeakDependencies};
use crate::repo::Offer;
use crate::store::Store;
use crate::tree::Digest;

/// What the packages of this architecture have been kept as.
fn kind(arch: &str) -> String {
    // What is left out of the relations depends on the features of rpm that this program has.
    format!("rpm-index-3-{}-{arch}", RPMLIB_FEATURES.len())
}

/// The packages of the `primary.xml` with this digest; nothing if they are not kept, or damaged.
pub(super) fn load(store: &Store, primary: &Digest, repository: &Repository<'_>) -> Option<Vec<Offer>> {
    // A cache that cannot be read costs time, not correctness.
    let bytes = store.derived(&kind(repository.arch), primary).ok().flatten()?;
    decode(&bytes, repository.name)
}

/// Keeps them; whether that was possible does not matter.
pub(super) fn keep(store: &Store, primary: &Digest, repository: &Repository<'_>, offers: &[Offer]) {
    if let Some(bytes) = encode(offers) {
        let _ = store.put_derived(&kind(repository.arch), primary, &bytes);
    }
}

#[derive(Default)]
struct Writer<'a> {
    // Only looked up, never walked: its order reaches nothing.
    numbers: HashMap<&'a str, u64>,
    texts: Vec<&'a str>,
    bytes: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push((number & 0x7f) as u8);
    }

    fn length(&mut self, length: usize) {
        self.number(u64::try_from(length).expect("lengths have at most 64 bits"));
    }

    fn text(&mut self, text: &'a str) {
        let next = u64::try_from(self.texts.len()).expect("lengths have at most 64 bits");
        let number = *self.numbers.entry(text).or_insert(next);
        if number == next {
            self.texts.push(text);
        }
        self.number(number);
    }

    fn relations<'r: 'a>(&mut self, count: usize, relations: impl Iterator<Item = &'r Relation>) {
        self.length(count);
        for relation in relations {
            self.text(&relation.name);
            match &relation.constraint {
                None => self.number(0),
                Some((operator, version)) => {
                    self.number(operator_number(*operator));
                    self.text(version);
                }
            }
        }
    }
}

fn operator_number(operator: Operator) -> u64 {
    match operator {
        Operator::Less => 1,
        Operator::LessOrEqual => 2,
        Operator::Equal => 3,
        Operator::GreaterOrEqual => 4,
        Operator::Greater => 5,
    }
}

/// Nothing if an offer has something that RPMs do not have.
fn encode(offers: &[Offer]) -> Option<Vec<u8>> {
    let mut body = Writer::default();
    body.length(offers.len());
    for offer in offers {
        let plain = offer.family == Family::Rpm && offer.depends.iter().all(|Dependency(any)| any.len() == 1);
        if !plain {
            return None;
        }
        for text in [&offer.id.name, &offer.id.version, &offer.id.arch, &offer.path] {
            body.text(text);
        }
        body.number(offer.size);
        body.bytes.extend(offer.sha256.0);
        body.relations(offer.depends.len(), offer.depends.iter().flat_map(|Dependency(any)| any));
        let WeakDependencies { recommends, suggests, supplements, enhances } = &offer.weak;
        for list in [&offer.conflicts, &offer.obsoletes, recommends, suggests, supplements, enhances] {
            body.relations(list.len(), list.iter());
        }
        body.length(offer.provides.len());
        for provided in &offer.provides {
            body.text(&provided.name);
            match &provided.version {
                None => body.number(0),
                Some(version) => {
                    body.number(1);
                    body.text(version);
                }
            }
        }
    }
    let mut whole = Writer::default();
    whole.length(body.texts.len());
    for text in &body.texts {
        whole.length(text.len());
        whole.bytes.extend(text.bytes());
    }
    whole.bytes.extend(body.bytes);
    Some(whole.bytes)
}

struct Reader<'a> {
    bytes: &'a [u8],
    texts: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number of things, each of which takes a byte at least.
    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|length| *length <= self.bytes.len())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<String> {
        let number = usize::try_from(self.number()?).ok()?;
        self.texts.get(number).map(|text| (*text).to_owned())
    }

    fn relations(&mut self) -> Option<Vec<Relation>> {
        let count = self.length()?;
        let mut relations = Vec::with_capacity(count);
        for _ in 0..count {
            let name = self.text()?;
            let operator = match self.number()? {
                0 => None,
                1 => Some(Operator::Less),
                2 => Some(Operator::LessOrEqual),
                3 => Some(Operator::Equal),
                4 => Some(Operator::GreaterOrEqual),
                5 => Some(Operator::Greater),
                _ => return None,
            };
            let constraint = match operator {
                None => None,
                Some(operator) => Some((operator, self.text()?)),
            };
            relations.push(Relation { name, constraint });
        }
        Some(relations)
    }

    fn provides(&mut self) -> Option<Vec<Provided>> {
        let count = self.length()?;
        let mut provides = Vec::with_capacity(count);
        for _ in 0..count {
            let name = self.text()?;
            let version = match self.number()? {
                0 => None,
                1 => Some(self.text()?),
                _ => return None,
            };
            provides.push(Provided { name, version });
        }
        Some(provides)
    }

    fn offer(&mut self, repository: &str) -> Option<Offer> {
        Some(Offer {
            id: PackageId { name: self.text()?, version: self.text()?, arch: self.text()? },
            family: Family::Rpm,
            repository: repository.to_owned(),
            path: self.text()?,
            size: self.number()?,
            sha256: Digest(self.take(32)?.try_into().ok()?),
            essential: false,
            priority: 3,
            depends: self.relations()?.into_iter().map(|relation| Dependency(vec![relation])).collect(),
            conflicts: self.relations()?,
            obsoletes: self.relations()?,
            weak: WeakDependencies {
                recommends: self.relations()?,
                suggests: self.relations()?,
                supplements: self.relations()?,
                enhances: self.relations()?,
            },
            provides: self.provides()?,
        })
    }
}

fn decode(bytes: &[u8], repository: &str) -> Option<Vec<Offer>> {
    let mut reader = Reader { bytes, texts: Vec::new() };
    for _ in 0..reader.length()? {
        let length = reader.length()?;
        let text = std::str::from_utf8(reader.take(length)?).ok()?;
        reader.texts.push(text);
    }
    let count = reader.length()?;
    let offers: Vec<Offer> = (0..count).map(|_| reader.offer(repository)).collect::<Option<_>>()?;
    reader.bytes.is_empty().then_some(offers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers() -> Vec<Offer> {
        let relation = |name: &str, constraint: Option<(Operator, &str)>| Relation {
            name: name.to_owned(),
            constraint: constraint.map(|(operator, version)| (operator, version.to_owned())),
        };
        let provided =
            |name: &str, version: Option<&str>| Provided { name: name.to_owned(), version: version.map(str::to_owned) };
        let offer = |name: &str, size: u64| Offer {
            id: PackageId { name: name.into(), version: "1:2~3^4-5".into(), arch: "noarch".into() },
            family: Family::Rpm,
            repository: "base".into(),
            path: format!("Packages/{name}.rpm"),
            size,
            sha256: Digest::of(name),
            essential: false,
            priority: 3,
            depends: vec![
                Dependency(vec![relation("(a if b)", None)]),
                Dependency(vec![relation("c", Some((Operator::Less, "1")))]),
            ],
            conflicts: vec![relation("d", Some((Operator::Equal, "2")))],
            obsoletes: vec![relation("e", Some((Operator::LessOrEqual, "3")))],
            provides: vec![provided("kernel(x)", Some("0x12345678")), provided("/usr/bin/é", None), provided("", None)],
            weak: WeakDependencies {
                recommends: vec![relation("f", Some((Operator::Greater, "4")))],
                suggests: vec![relation("g", Some((Operator::GreaterOrEqual, "5")))],
                supplements: vec![relation("h", None)],
                enhances: vec![relation("i", None)],
            },
        };
        vec![offer("one", 0), offer("two", u64::MAX), offer("three", 300)]
    }

    #[test]
    fn what_is_kept_comes_back() {
        let bytes = encode(&offers()).unwrap();
        assert_eq!(decode(&bytes, "base").unwrap(), offers());
        assert_eq!(decode(&encode(&[]).unwrap(), "base").unwrap(), []);
        // Texts that packages share stand once.
        let once = bytes.windows(9).filter(|window| window == b"kernel(x)").count();
        assert_eq!(once, 1);
        let mut deb = offers();
        deb[1].depends[0].0.clear();
        assert_eq!(encode(&deb), None);
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_nothing() {
        let bytes = encode(&offers()).unwrap();
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end], "base"), None, "{end}");
        }
        assert_eq!(decode(&[bytes.as_slice(), b"\0"].concat(), "base"), None);
        // Whatever it is, it is no panic.
        for place in 0..bytes.len() {
            for value in [0, 0x7f, 0x80, 0xff] {
                let mut wrong = bytes.clone();
                wrong[place] = value;
                let _ = decode(&wrong, "base");
            }
        }
    }
}
