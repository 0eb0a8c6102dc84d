//! `dpkg-trigger`: what is to be done once, after all packages are there.

use super::root::only_the_root;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::Stop;

const OPTIONS: &[options::Known] =
    &["check-supported", "by-package=", "await", "no-await", "no-act", "admindir=", "root="];

pub(super) fn program(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, OPTIONS, false)?;
    only_the_root(call, &given)?;
    if given.has("check-supported") {
        return match given.operands.as_slice() {
            [] => Ok(0),
            _ => call.fail(2, "error: --check-supported takes no arguments"),
        };
    }
    let [name] = given.operands.as_slice() else {
        return call.fail(2, "error: takes one argument, the trigger name");
    };
    if let Some(problem) = problem(name) {
        let name = String::from_utf8_lossy(name);
        return call.fail(2, format!("error: invalid trigger name '{name}': {problem}"));
    }
    // Who waits for whom does not matter: triggers are processed when every package is configured.
    if !given.has("no-act") {
        call.machine.dpkg.activated.insert(String::from_utf8_lossy(name).into_owned());
    }
    Ok(0)
}

pub(super) fn problem(name: &[u8]) -> Option<String> {
    if name.is_empty() {
        return Some("empty trigger names are not permitted".to_owned());
    }
    let printable = name.iter().all(u8::is_ascii_graphic);
    (!printable).then(|| "trigger name contains invalid character".to_owned())
}
