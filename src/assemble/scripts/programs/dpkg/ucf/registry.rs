//! `ucfr` and `ucfq`: whose configuration files are whose.

use super::records::{failed, first_words, lines_without, rewrite, rotate};
use super::settings::{Settings, settings, states, with_two_hyphens};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::dpkg::md5sum::md5sum;
use crate::assemble::scripts::programs::dpkg::{realpath, state};
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

/// `ucfr [--force] [--purge] PACKAGE FILE`
pub(crate) fn register(call: &mut Call) -> Result<u8, Stop> {
    let words = with_two_hyphens(call.words, &["debug", "DEBUG", "force", "purge", "verbose", "state-dir"]);
    let known = &["debug|DEBUG|d|D?", "force|f", "purge|p", "verbose|v", "state-dir="];
    let given = options::parse(
        &Call { machine: call.machine, shell: call.shell, name: call.name, words: &words },
        known,
        true,
    )?;
    let [package, path] = given.operands.as_slice() else {
        return call.fail(3, format!("*** ERROR: Need exactly two arguments, got {}", given.operands.len()));
    };
    if package.is_empty() || path.is_empty() {
        return call.fail(1, "Unable to determine The Package name or file");
    }
    let Some(real) = realpath::resolve(&call.machine.files, &call.path(path)) else {
        return call.fail(1, "Unable to determine The (real) Configuration file");
    };
    let settings = settings(call)?;
    let states = states(call, &given, &settings);
    let record = [states.as_slice(), b"/registry"].concat();
    let umask = call.shell.umask;
    let made = call.machine.files.make_directories(&states, 0o777 & !umask);
    let made = made.and_then(|()| match call.machine.files.exists(&record) {
        true => Ok(()),
        false => call.machine.files.put(&record, Bytes::new(), 0o666 & !umask),
    });
    if let Err(errno) = made {
        return failed(call, 1, &record, errno);
    }
    let text = match call.machine.files.read(&record)? {
        Ok(text) => text,
        Err(errno) => return failed(call, 1, &record, errno),
    };
    let owners = first_words(&text, &real);
    if owners.len() > 1 {
        let status = u8::try_from(owners.len()).unwrap_or(u8::MAX);
        return call.fail(status, format!("Corrupt registry: Duplicate entries for {}", String::from_utf8_lossy(path)));
    }
    let owner = owners.into_iter().next();
    let mut kept = lines_without(&text, &real);
    if given.has("purge") {
        let Some(owner) = owner else { return Ok(0) };
        if owner != *package {
            let (owner, package) = (String::from_utf8_lossy(&owner), String::from_utf8_lossy(package));
            call.error(format!("Association belongs to {owner}, not {package}"))?;
            if !given.has("force") {
                return call.fail(5, "Aborting");
            }
        }
    } else {
        match owner {
            Some(owner) if owner == *package => return Ok(0),
            Some(_) if call.machine.dpkg.diversions.concerning(&state::normal(path)).is_some() => return Ok(0),
            Some(owner) if !given.has("force") => {
                let (owner, package) = (String::from_utf8_lossy(&owner), String::from_utf8_lossy(package));
                let file = String::from_utf8_lossy(&real);
                call.error(format!("Attempt from package {package}  to take {file} away from package {owner}"))?;
                return call.fail(4, "Aborting.");
            }
            _ => {}
        }
        kept.extend([package.as_slice(), b" \t ", &real, b"\n"].concat());
    }
    if let Err(errno) = rotate(call, &record, false)? {
        return failed(call, 1, &record, errno);
    }
    match rewrite(call, &record, kept) {
        Ok(()) => Ok(0),
        Err(errno) => failed(call, 1, &record, errno),
    }
}

/// `ucfq --with-colons FILE|PACKAGE…`: file, package, whether it is there, whether it was changed.
pub(crate) fn query(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, &["with-colons|w", "state-dir=", "verbose|v"], true)?;
    if !given.has("with-colons") {
        return call.unsupported("tables for people (without `--with-colons`)");
    }
    let settings = Settings::new();
    let states = states(call, &given, &settings);
    let registry = pairs(&call.machine.files.read(&[states.as_slice(), b"/registry"].concat())?.unwrap_or_default());
    let sums = pairs(&call.machine.files.read(&[states.as_slice(), b"/hashfile"].concat())?.unwrap_or_default());
    let mut files: Vec<Bytes> = Vec::new();
    for word in &given.operands {
        if !word.contains(&b'/') {
            files.extend(registry.iter().filter(|(package, _)| package == word).map(|(_, file)| file.clone()));
        } else if word.starts_with(b"/") {
            files.push(word.clone());
        } else {
            call.error(format!(
                "Need a fully qualified path name for config file \"{}\"",
                String::from_utf8_lossy(word)
            ))?;
            return Ok(0);
        }
    }
    files.sort();
    files.dedup();
    for file in files {
        let there = call.machine.files.exists(&file);
        let package = registry.iter().rev().find(|(_, known)| *known == file).map(|(package, _)| package.clone());
        let sum = sums.iter().rev().find(|(_, known)| *known == file).map(|(sum, _)| sum.clone());
        let now = if there { call.machine.files.read(&file)?.ok().map(|text| md5sum(&text)) } else { None };
        let changed = match (sum, now) {
            (Some(sum), Some(now)) if sum == now.as_bytes() => "No",
            (Some(_), Some(_)) => "Yes",
            _ => "",
        };
        let real = realpath::resolve(&call.machine.files, &file).filter(|_| there).unwrap_or(file);
        let package = package.unwrap_or_default();
        let there = if there { "Yes" } else { "" };
        call.out([real.as_slice(), b":", &package, b":", there.as_bytes(), b":", changed.as_bytes(), b"\n"].concat())?;
    }
    Ok(0)
}

/// Lines of two words.
fn pairs(text: &[u8]) -> Vec<(Bytes, Bytes)> {
    let words = |line: &[u8]| -> Option<(Bytes, Bytes)> {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let pair = (words.next()?.to_vec(), words.next()?.to_vec());
        words.next().is_none().then_some(pair)
    };
    text.split(|byte| *byte == b'\n').filter_map(words).collect()
}
