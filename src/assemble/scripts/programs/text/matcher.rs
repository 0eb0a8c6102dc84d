//! What several filters do with regular expressions.

use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::regex::{Extent, Flavour, Reading, Regex};
use crate::shell::Stop;

/// The same pattern, unless it has something that is not done: then the run ends here, not where it would be used.
pub(super) fn supported(call: &Call, regex: Regex) -> Result<Regex, Stop> {
    match regex.refusal() {
        Some(why) => call.unsupported(why),
        None => Ok(regex),
    }
}

/// Whether a name matches a glob: `*`, `?`, brackets, backslashes.
pub(super) fn glob(glob: &[u8], name: &[u8]) -> bool {
    let mut pattern = Vec::new();
    let mut bytes = glob.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' => pattern.extend(b".*"),
            b'?' => pattern.push(b'.'),
            b'[' => {
                pattern.push(b'[');
                if bytes.next_if_eq(&b'!').is_some() {
                    pattern.push(b'^');
                }
                pattern.extend(bytes.next_if_eq(&b']'));
                for inner in bytes.by_ref() {
                    pattern.push(inner);
                    if inner == b']' {
                        break;
                    }
                }
            }
            b'\\' => pattern.extend([b'\\', bytes.next().unwrap_or(b'\\')]),
            byte if byte.is_ascii_alphanumeric() => pattern.push(byte),
            byte => pattern.extend([b'\\', byte]),
        }
    }
    let reading = Reading { extent: Extent::WholeText, ..Reading::new(Flavour::Extended, false) };
    let regex = Regex::any_of(&[&pattern], reading);
    regex.is_ok_and(|regex| regex.is_match(name).unwrap_or(false))
}
