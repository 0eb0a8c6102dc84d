//! What packages say about each other.

use std::cmp::Ordering;

/// Alternatives in the order written; one of them must be met.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dependency(pub Vec<Relation>);

/// `libc6 (>= 2.38)`; an architecture qualifier (`:any`) says nothing on a single-architecture node and is left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Relation {
    pub name: String,
    pub constraint: Option<(Operator, String)>,
}

/// A name that a package stands in for, with the version it counts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    pub name: String,
    pub version: Option<String>,
}

impl Provided {
    /// As RPMs say it, who may provide a range: that is no version to compare with, as if there were none.
    pub fn of(relation: Relation) -> Provided {
        let version = relation.constraint.filter(|(operator, _)| *operator == Operator::Equal);
        Provided { name: relation.name, version: version.map(|(_, version)| version) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Operator {
    /// Whether what compares so with what is asked for will do.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Greater => order.is_gt(),
        }
    }
}

/// What an RPM would like and does not need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeakDependencies {
    /// Packages that belong to it.
    pub recommends: Vec<Relation>,
    /// Packages that it prefers.
    pub suggests: Vec<Relation>,
    /// Packages that it belongs to.
    pub supplements: Vec<Relation>,
    /// Packages that would prefer it.
    pub enhances: Vec<Relation>,
}
