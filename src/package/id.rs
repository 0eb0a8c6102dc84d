//! Which package one is: its name, its version, and the kind of packages that it is of.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{evr, version};

/// Name, full version (deb: `[epoch:]upstream[-revision]`; rpm: EVR) and architecture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageId {
    pub name: String,
    pub version: String,
    pub arch: String,
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The kind of packages that one is of; it decides how versions compare and what scripts mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    #[default]
    Deb,
    Rpm,
}

impl Family {
    /// Which of two versions of the family is newer.
    pub fn compare(self, a: &str, b: &str) -> Ordering {
        match self {
            Family::Deb => version::compare_versions(a, b),
            Family::Rpm => evr::compare_evr(a, b),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Deb => "deb",
            Family::Rpm => "rpm",
        })
    }
}
