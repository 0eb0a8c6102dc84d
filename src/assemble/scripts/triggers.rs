//! Whether a trigger of an RPM is set off: its first line says by what.
//!
//! `%triggerin` waits for packages by name and version, file triggers wait for files below directories. What is set
//! off runs once after everything is installed, or for each package; on a fresh root that is the same.

use super::image::Image;
use crate::package::evr::compare_to_wanted;

const OPERATORS: [&str; 5] = ["<", "<=", "=", ">=", ">"];

/// Nothing if it is no trigger.
pub(super) fn sets_off(image: &Image, script: &str, text: &str) -> Option<bool> {
    if !script.contains("trigger") {
        return None;
    }
    let on = text.lines().next()?.strip_prefix("# on ")?;
    let words: Vec<&str> =
        on.split(|letter: char| letter.is_whitespace() || letter == ',').filter(|it| !it.is_empty()).collect();
    if script.contains("filetrigger") {
        return Some(words.iter().any(|prefix| image.brings(prefix)));
    }
    let mut rest = words.as_slice();
    while let [name, after @ ..] = rest {
        let (condition, next) = match after {
            [operator, version, next @ ..] if OPERATORS.contains(operator) => (Some((*operator, *version)), next),
            next => (None, next),
        };
        let fits = |evr: &str| match condition {
            None => true,
            Some((operator, version)) => {
                let order = compare_to_wanted(evr, version);
                operator.contains('<') && order.is_lt()
                    || operator.contains('>') && order.is_gt()
                    || operator.contains('=') && order.is_eq()
            }
        };
        if image.named(name).any(|package| fits(&package.id.version)) {
            return Some(true);
        }
        rest = next;
    }
    Some(false)
}
