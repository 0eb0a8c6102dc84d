//! Which packages of a repository count: its recipe may take only some of them, and leave others out.
//!
//! Patterns are compared with names: `*` stands for anything, `?` for one character; recipes cannot write brackets.

use super::Offer;
use crate::glob;

/// Leaves the offers whose names one of `only` fits, if there are any of those, and none of `exclude`.
pub fn pick<P: AsRef<str>>(offers: &mut Vec<Offer>, only: &[P], exclude: &[P]) {
    let fits = |patterns: &[P], name: &str| {
        patterns.iter().any(|pattern| glob::matches(pattern.as_ref().as_bytes(), name.as_bytes()))
    };
    if only.is_empty() && exclude.is_empty() {
        return;
    }
    offers.retain(|offer| (only.is_empty() || fits(only, &offer.id.name)) && !fits(exclude, &offer.id.name));
}
