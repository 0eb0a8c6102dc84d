//! What an RPM's header says about other packages: requires, provides, conflicts, obsoletes.
//!
//! Names are capabilities: packages, `libc.so.6()(64bit)`, paths, `config(kubelet) = 1.20.2-1`. Whatever has no
//! definite meaning yet stays in as a name that nothing has; rich dependencies are read by `rich`.
//! Meaning: rpm-dependencies(7); flags: rpm's docs/manual/tags.md.

use anyhow::{Context, Result, ensure};

use super::files;
use super::header::Header;
use crate::package::{Operator, Provided, Relation, WeakDependencies};
use crate::tree::path::escape;
use crate::trust::Refused;

const REQUIRES: [u32; 3] = [1049, 1050, 1048];
const PROVIDES: [u32; 3] = [1047, 1113, 1112];
const CONFLICTS: [u32; 3] = [1054, 1055, 1053];
const OBSOLETES: [u32; 3] = [1090, 1115, 1114];
const RECOMMENDS: [u32; 3] = [5046, 5047, 5048];
const SUGGESTS: [u32; 3] = [5049, 5050, 5051];
const SUPPLEMENTS: [u32; 3] = [5052, 5053, 5054];
const ENHANCES: [u32; 3] = [5055, 5056, 5057];

const LESS: u64 = 2;
const GREATER: u64 = 4;
const EQUAL: u64 = 8;
/// Of a requirement that may go unmet, as before there was `Recommends`.
const MISSING_OK: u64 = 1 << 19;

/// Features of the package format (`rpmlib(…)` requirements) that this reader has.
pub const RPMLIB_FEATURES: &[&str] = &[
    "rpmlib(BuiltinLuaScripts)",
    "rpmlib(CaretInVersions)",
    "rpmlib(CompressedFileNames)",
    "rpmlib(ConcurrentAccess)",
    "rpmlib(DynamicBuildRequires)",
    "rpmlib(ExplicitPackageProvide)",
    "rpmlib(FileCaps)",
    "rpmlib(FileDigests)",
    "rpmlib(HeaderLoadSortsTags)",
    "rpmlib(LargeFiles)",
    "rpmlib(PartialHardlinkSets)",
    "rpmlib(PayloadFilesHavePrefix)",
    "rpmlib(PayloadIsBzip2)",
    "rpmlib(PayloadIsLzma)",
    "rpmlib(PayloadIsXz)",
    "rpmlib(PayloadIsZstd)",
    "rpmlib(RichDependencies)",
    "rpmlib(ScriptletExpansion)",
    "rpmlib(ScriptletInterpreterArgs)",
    "rpmlib(TildeInVersions)",
    "rpmlib(VersionedDependencies)",
];

/// What a package has to do with others, in the order of its header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub requires: Vec<Relation>,
    pub provides: Vec<Provided>,
    pub conflicts: Vec<Relation>,
    /// Names of packages, never of what packages provide.
    pub obsoletes: Vec<Relation>,
    pub weak: WeakDependencies,
    /// Paths that it brings; of a repository's index perhaps not all.
    pub files: Vec<String>,
}

/// The requirement of a feature of rpm that this reader does not have.
pub(super) fn unknown_feature(requires: &[Relation]) -> Option<&str> {
    let features = requires.iter().map(|relation| relation.name.as_str()).filter(|name| name.starts_with("rpmlib("));
    features.into_iter().find(|name| !RPMLIB_FEATURES.contains(name))
}

pub(super) fn read(header: &Header) -> Result<Capabilities> {
    let list = |tags| relations(header, tags).map_err(Refused::kind("bad-header"));
    let bare = |list: Vec<(Relation, u64)>| -> Vec<Relation> { list.into_iter().map(|(it, _)| it).collect() };
    let mut requires = list(REQUIRES)?;
    requires.retain(|(_, flags)| flags & MISSING_OK == 0);
    Ok(Capabilities {
        requires: bare(requires),
        provides: bare(list(PROVIDES)?).into_iter().map(Provided::of).collect(),
        conflicts: bare(list(CONFLICTS)?),
        obsoletes: bare(list(OBSOLETES)?),
        weak: WeakDependencies {
            recommends: bare(list(RECOMMENDS)?),
            suggests: bare(list(SUGGESTS)?),
            supplements: bare(list(SUPPLEMENTS)?),
            enhances: bare(list(ENHANCES)?),
        },
        // Nobody requires a path that is not UTF-8.
        files: files::paths(header)?.into_iter().filter_map(|path| String::from_utf8(path).ok()).collect(),
    })
}

fn relations(header: &Header, [names, versions, flags]: [u32; 3]) -> Result<Vec<(Relation, u64)>> {
    let (names, versions, flags) = (header.strings(names)?, header.strings(versions)?, header.numbers(flags)?);
    let whole = versions.len() == names.len() && flags.len() == names.len();
    ensure!(whole, "the lists of what it requires or provides differ in length");
    let mut relations = Vec::new();
    for ((name, version), flags) in names.into_iter().zip(versions).zip(flags) {
        let text = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).map(str::to_owned);
            text.with_context(|| format!("the capability `{}` is not UTF-8", escape(bytes)))
        };
        let constraint = operator(flags).zip(Some(text(version)?).filter(|version| !version.is_empty()));
        relations.push((Relation { name: text(name)?, constraint }, flags));
    }
    Ok(relations)
}

fn operator(flags: u64) -> Option<Operator> {
    match flags & (LESS | GREATER | EQUAL) {
        LESS => Some(Operator::Less),
        GREATER => Some(Operator::Greater),
        EQUAL => Some(Operator::Equal),
        it if it == LESS | EQUAL => Some(Operator::LessOrEqual),
        it if it == GREATER | EQUAL => Some(Operator::GreaterOrEqual),
        _ => None,
    }
}

/// `iptables >= 1.4.21`
pub fn print(relation: &Relation) -> String {
    let Some((operator, version)) = &relation.constraint else { return relation.name.clone() };
    let sign = match operator {
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Equal => "=",
        Operator::GreaterOrEqual => ">=",
        Operator::Greater => ">",
    };
    format!("{} {sign} {version}", relation.name)
}
