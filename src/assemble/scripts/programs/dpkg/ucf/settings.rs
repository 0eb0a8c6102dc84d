//! What ucf is set to: by `/etc/ucf.conf`, the environment and options.

use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

/// Settings of `/etc/ucf.conf`, a file of shell assignments.
pub(super) type Settings = Vec<(String, Bytes)>;

pub(super) fn settings(call: &Call) -> Result<Settings, Stop> {
    let text = call.machine.files.read(b"/etc/ucf.conf")?.unwrap_or_default();
    let mut found = Settings::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let text = std::str::from_utf8(line).unwrap_or_default();
        let assignment = text.split_once('=').and_then(|(name, value)| {
            let quoted = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark);
            let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "/_-.".contains(letter);
            let is_name = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            (is_name && value.chars().all(plain)).then(|| (name.to_owned(), value.as_bytes().to_vec()))
        });
        match assignment {
            Some(assignment) => found.push(assignment),
            None => return call.unsupported(format!("the line `{text}` of /etc/ucf.conf")),
        }
    }
    Ok(found)
}

/// What the environment or else `/etc/ucf.conf` sets, if it is not empty.
pub(super) fn setting(call: &Call, settings: &Settings, variable: &str, name: &str) -> Option<Bytes> {
    let environment = call.shell.environment().get(variable.as_bytes()).cloned();
    let of_file = || settings.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    environment.filter(|value| !value.is_empty()).or_else(of_file).filter(|value| !value.is_empty())
}

pub(super) fn states(call: &Call, given: &options::Options, settings: &Settings) -> Bytes {
    let states = given.value("state-dir").filter(|states| !states.is_empty()).cloned();
    let states = states.or_else(|| setting(call, settings, "UCF_STATE_DIR", "conf_state_dir"));
    call.path(&states.unwrap_or_else(|| b"/var/lib/ucf".to_vec()))
}

/// Long options may have a single hyphen, as `getopt -a` takes them.
pub(super) fn with_two_hyphens(words: &[Bytes], long: &[&str]) -> Vec<Bytes> {
    let double = |word: &Bytes| {
        let name = word.strip_prefix(b"-").filter(|name| name.len() > 1)?;
        let name = name.split(|byte| *byte == b'=').next()?;
        long.iter().any(|known| known.as_bytes() == name).then(|| [b"-".as_slice(), word].concat())
    };
    words.iter().map(|word| double(word).unwrap_or_else(|| word.clone())).collect()
}
