//! `dpkg-realpath`: a path with every link followed, of which nothing has to be there.

use super::root::only_the_root;
use crate::assemble::scripts::files::Files;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

/// Links that are followed in one path.
const LINKS: usize = 25;

pub(super) fn program(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, &["zero|z", "instdir=", "root="], true)?;
    only_the_root(call, &given)?;
    let Some(path) = given.operands.last().filter(|path| !path.is_empty()) else {
        return call.fail(1, "error: missing pathname");
    };
    let Some(mut real) = resolve(&call.machine.files, &call.path(path)) else {
        return call.fail(1, "error: too many levels of symbolic links");
    };
    real.push(if given.has("zero") { 0 } else { b'\n' });
    call.out(real)?;
    Ok(0)
}

/// Nothing if links lead to each other without end.
pub(super) fn resolve(files: &Files, path: &[u8]) -> Option<Bytes> {
    let mut todo: Vec<Bytes> = path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect();
    let mut done = Bytes::new();
    let mut links = 0;
    while let Some(name) = todo.pop() {
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => done.truncate(done.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
            name => {
                let next = [done.as_slice(), b"/", name].concat();
                let Ok(target) = files.target(&next) else {
                    done = next;
                    continue;
                };
                links += 1;
                if links > LINKS {
                    return None;
                }
                if target.starts_with(b"/") {
                    done.clear();
                }
                todo.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
            }
        }
    }
    Some(if done.is_empty() { b"/".to_vec() } else { done })
}
