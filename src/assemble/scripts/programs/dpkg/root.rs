//! The one root and database that dpkg's programs work on.

use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::Options;
use crate::shell::Stop;

/// Another root or database than the image's own is nothing that scripts have.
pub(super) fn only_the_root(call: &Call, given: &Options) -> Result<(), Stop> {
    let own = |name: &str, value: &[u8]| match name {
        "root" | "instdir" => [b"".as_slice(), b"/"].contains(&value),
        "admindir" => value == b"/var/lib/dpkg",
        _ => true,
    };
    match given.given.iter().find(|(name, value)| !own(name, value)) {
        Some((name, value)) => call.unsupported(format!("`--{name}` {}", String::from_utf8_lossy(value))),
        None => Ok(()),
    }
}
