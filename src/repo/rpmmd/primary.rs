//! `primary.xml`, unpacked: every package of a repository with its relations → [`Offer`]s.
//!
//! Streamed: a distribution's has 150 MB. Forms: createrepo_c is right in doubt; there is no specification.

use std::io::BufRead;

use anyhow::{Context, Error, Result, bail, ensure};

use super::Repository;
use crate::bounded::quote;
use crate::package::evr::{part_problem, print_evr};
use crate::package::rpm::Capabilities;
use crate::package::{Operator, PackageId, Provided, Relation};
use crate::repo::Offer;
use crate::repo::rpm_capabilities::{Place, fits, offer};
use crate::repo::rpmmd::xml::{Element, Xml, checksum, location};
use crate::trust::Refused;

/// Most relations of one package; kernels have 21,000.
const RELATIONS_MAX: usize = 1 << 20;
/// Most relations and files of a repository. Each takes a hundred bytes of memory, and may take twenty of the text.
const TOTAL_MAX: usize = 16 << 20;

/// The packages that fit the repository's architecture, in the file's order.
///
/// # Errors
/// The first element that is malformed or missing, with its package.
pub fn parse<R: BufRead>(text: R, repository: &Repository<'_>) -> Result<Vec<Offer>> {
    parse_within(text, repository, TOTAL_MAX)
}

/// The same for a repository of at most `most` relations and files.
pub(super) fn parse_within<R: BufRead>(text: R, repository: &Repository<'_>, most: usize) -> Result<Vec<Offer>> {
    let mut offers = Vec::new();
    let mut budget = Budget { left: most, most };
    let mut xml = Xml::new(text);
    let root = xml.root("metadata", "not-primary")?;
    let mut count: u64 = 0;
    while let Some(element) = xml.next()? {
        if element.name == "package" && xml.inside("metadata") {
            offers.extend(package(&mut xml, repository, &mut budget)?);
            count += 1;
        } else {
            xml.skip()?;
        }
    }
    // A part of a repository must not count as the whole.
    if let Some(said) = root.attribute("packages").filter(|said| said.parse() != Ok(count)) {
        let text = format!("it has {count} packages, and says that it has {}", quote(said));
        return Err(Refused::new("package-count", text)).with_context(|| xml.here());
    }
    Ok(offers)
}

/// How many relations and files there may still be.
struct Budget {
    left: usize,
    most: usize,
}

impl Budget {
    /// One more, where the package has `count` of the kind already.
    fn take(&mut self, count: usize) -> Result<()> {
        let many = |whose: &str, most: usize| {
            Refused::new("too-large", format!("{whose} more than {most} relations or files"))
        };
        ensure!(count < RELATIONS_MAX, many("it has", RELATIONS_MAX));
        self.left = self.left.checked_sub(1).ok_or_else(|| many("the repository has", self.most))?;
        Ok(())
    }
}

/// The package whose element was opened last; nothing if it is of another architecture, whatever else is said about it.
fn package<R: BufRead>(xml: &mut Xml<R>, repository: &Repository<'_>, budget: &mut Budget) -> Result<Option<Offer>> {
    let depth = xml.open.len();
    let (mut name, mut arch, mut version) = (String::new(), String::new(), None);
    let (mut path, mut size, mut sha256) = (None, None, None);
    let mut capabilities = Capabilities::default();
    let mut problem = Problem(None);
    let mut read = |xml: &mut Xml<R>, name: &mut String| -> Result<()> {
        while let Some(element) = xml.next_below(depth)? {
            match element.name.as_str() {
                "name" => *name = xml.text()?,
                "arch" => arch = xml.text()?,
                "version" => {
                    version = problem.note(evr(&element));
                    xml.skip()?;
                }
                "checksum" => sha256 = problem.note(checksum(&element, &xml.text()?)),
                "size" => {
                    let number = element.attribute("package").unwrap_or_default();
                    size = problem.note(number.parse::<u64>().context("its size"));
                    xml.skip()?;
                }
                "location" => {
                    let text = "packages at another base are not known (`xml:base`)";
                    if element.attribute("xml:base").is_some() {
                        problem.note::<()>(Err(Refused::new("other-base", text).into()));
                    }
                    path = location(&element);
                    xml.skip()?;
                }
                "format" => {}
                "rpm:requires" => capabilities.requires = relations(xml, budget, &mut problem)?,
                "rpm:conflicts" => capabilities.conflicts = relations(xml, budget, &mut problem)?,
                "rpm:obsoletes" => capabilities.obsoletes = relations(xml, budget, &mut problem)?,
                "rpm:recommends" => capabilities.weak.recommends = relations(xml, budget, &mut problem)?,
                "rpm:suggests" => capabilities.weak.suggests = relations(xml, budget, &mut problem)?,
                "rpm:supplements" => capabilities.weak.supplements = relations(xml, budget, &mut problem)?,
                "rpm:enhances" => capabilities.weak.enhances = relations(xml, budget, &mut problem)?,
                "rpm:provides" => {
                    capabilities.provides =
                        relations(xml, budget, &mut problem)?.into_iter().map(Provided::of).collect()
                }
                "file" => {
                    let path = xml.text()?;
                    budget.take(capabilities.files.len())?;
                    capabilities.files.push(path);
                }
                _ => xml.skip()?,
            }
        }
        Ok(())
    };
    let done = read(xml, &mut name);
    done.map_err(Refused::kind("bad-primary")).with_context(|| format!("package `{}`", quote(&name)))?;
    if !fits(&arch, repository.arch) {
        return Ok(None);
    }
    let complete = || -> Result<Offer> {
        problem.0.map_or(Ok(()), Err)?;
        ensure!(!name.is_empty(), "it has no name");
        let place = Place {
            repository: repository.name.to_owned(),
            path: path.context("it has no location")?,
            size: size.context("it has no size")?,
            sha256: sha256.context("it has no checksum")?,
        };
        let id = PackageId { name: name.clone(), version: version.context("it has no version")?, arch };
        offer(id, capabilities, place)
    };
    complete().map(Some).map_err(Refused::kind("bad-primary")).with_context(|| format!("package `{}`", quote(&name)))
}

/// The first thing that is wrong with a package. It counts only once its architecture is known to fit: repositories hold
/// packages that are nothing to this image, and may be odd.
struct Problem(Option<Error>);

impl Problem {
    fn note<T>(&mut self, found: Result<T>) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(error) => {
                self.0.get_or_insert(error);
                None
            }
        }
    }
}

fn evr(element: &Element) -> Result<String> {
    let part = |name: &str| element.attribute(name).unwrap_or_default();
    for part in [part("ver"), part("rel")] {
        if let Some(problem) = part_problem(part) {
            bail!("version or release `{}`: {problem}", quote(part));
        }
    }
    Ok(print_evr(epoch(element)?, part("ver"), part("rel")))
}

fn epoch(element: &Element) -> Result<u64> {
    let text = element.attribute("epoch").filter(|epoch| !epoch.is_empty()).unwrap_or("0");
    text.parse().with_context(|| format!("the epoch `{}`", quote(text)))
}

/// The entries of the list that was opened last.
fn relations<R: BufRead>(xml: &mut Xml<R>, budget: &mut Budget, problem: &mut Problem) -> Result<Vec<Relation>> {
    let depth = xml.open.len();
    let mut relations = Vec::new();
    while let Some(element) = xml.next_below(depth)? {
        if element.name == "rpm:entry" {
            budget.take(relations.len())?;
            relations.extend(problem.note(relation(&element)));
        }
        xml.skip()?;
    }
    Ok(relations)
}

fn relation(element: &Element) -> Result<Relation> {
    let name = element.attribute("name").context("a relation without a name")?.to_owned();
    let operator = match element.attribute("flags") {
        None => None,
        Some("LT") => Some(Operator::Less),
        Some("LE") => Some(Operator::LessOrEqual),
        Some("EQ") => Some(Operator::Equal),
        Some("GE") => Some(Operator::GreaterOrEqual),
        Some("GT") => Some(Operator::Greater),
        Some(other) => bail!("the relation to `{}` is `{}`", quote(&name), quote(other)),
    };
    let version = element.attribute("ver").unwrap_or_default();
    let release = element.attribute("rel").unwrap_or_default();
    let constraint = match operator.filter(|_| !version.is_empty()) {
        None => None,
        Some(operator) => Some((operator, print_evr(epoch(element)?, version, release))),
    };
    Ok(Relation { name, constraint })
}
