//! How coreutils say that something failed, or that they are called in a wrong way.

use crate::assemble::scripts::programs::call::Call;
use crate::shell::Stop;

/// Says that something failed, and remembers it for the exit status.
pub(super) fn complain(call: &mut Call, failed: &mut bool, text: impl std::fmt::Display) -> Result<(), Stop> {
    *failed = true;
    call.error(text)
}

pub(super) fn hint(call: &mut Call, text: impl std::fmt::Display) -> Result<u8, Stop> {
    let name = call.name;
    call.fail(1, format!("{text}\nTry '{name} --help' for more information."))
}
