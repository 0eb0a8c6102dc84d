//! mawk or gawk: whose ways a program has.

use crate::assemble::scripts::programs::call::Call;
use crate::package::Family;

/// Where the two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Mawk,
    Gawk,
}

/// By its own name, or by what the name leads to in the tree.
pub(super) fn dialect(call: &Call) -> Dialect {
    let leads_to_gawk = || {
        let path = call.machine.files.resolve(b"/usr/bin/awk", true);
        path.is_ok_and(|path| path.name() == b"gawk")
    };
    match (call.name, call.machine.family) {
        ("mawk", _) => Dialect::Mawk,
        ("gawk", _) | (_, Family::Rpm) => Dialect::Gawk,
        _ if leads_to_gawk() => Dialect::Gawk,
        _ => Dialect::Mawk,
    }
}
