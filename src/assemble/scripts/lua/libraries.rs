//! The libraries that a scriptlet calls, by name.

use super::process::Process;
use super::values::{Answer, Arguments, Value, raise};
use super::{io, os, posix, rpm};

/// `posix.chmod` and its kin, with these values.
pub(super) fn call(process: &mut Process, function: &str, values: &[Value]) -> Answer {
    let (library, name) = function.split_once('.').unwrap_or(("", function));
    let arguments = Arguments { function: name, values };
    match library {
        "posix" => posix::call(process, &arguments),
        "rpm" => rpm::call(process, &arguments),
        "os" => os::call(process, &arguments),
        "io" => io::call(process, &arguments),
        _ => raise(format!("no function {function}")),
    }
}
