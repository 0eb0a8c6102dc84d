//! setcap, getcap: capabilities of files in the tree.

use super::operands::at;
use super::quoting::plain;
use super::walk::{Event, Follow, Walk};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::file_capabilities::{ATTRIBUTE, Sets};
use crate::shell::{Bytes, Errno, Kind, Stop};

pub(super) fn setcap(call: &mut Call) -> Result<u8, Stop> {
    let mut words = call.words.iter();
    while let Some(word) = words.next() {
        let text = match word.as_slice() {
            b"-q" => continue,
            b"-r" => None,
            b"-" => Some(call.input()),
            option if option.starts_with(b"-") => {
                return call.unsupported(format!("the option {}", plain(option)));
            }
            text => Some(text.to_vec()),
        };
        let Some(file) = words.next() else { return call.unsupported("capabilities without a file") };
        let value = match text {
            None => None,
            Some(text) => match Sets::parse(&String::from_utf8_lossy(&text)) {
                Err(_) => return call.fail(1, "fatal error: Invalid argument\nusage: setcap (-r|-|<caps>) <filename>"),
                Ok(sets) => match sets.encode() {
                    None => return failed(call, file, Errno::Invalid),
                    value => value,
                },
            },
        };
        if let Err(errno) = store(call, file, value) {
            return failed(call, file, errno);
        }
    }
    Ok(0)
}

fn failed(call: &mut Call, file: &[u8], errno: Errno) -> Result<u8, Stop> {
    let file = String::from_utf8_lossy(file);
    let text = match errno {
        Errno::Invalid => format!("Invalid file '{file}' for capability operation"),
        errno => format!("Failed to set capabilities on file '{file}': {errno}"),
    };
    call.shell.error(call.machine, &text)?;
    Ok(1)
}

fn store(call: &mut Call, file: &[u8], value: Option<Bytes>) -> Result<(), Errno> {
    let path = at(call, file);
    if call.machine.files.is_later(&path) {
        return Ok(());
    }
    let facts = call.machine.files.status(&path, false)?;
    if facts.kind != Kind::File {
        return Err(Errno::Invalid);
    }
    call.machine.files.update(&path, false, |inode| match value {
        Some(value) => drop(inode.xattrs.insert(ATTRIBUTE.to_vec(), value)),
        None => drop(inode.xattrs.remove(ATTRIBUTE)),
    })
}

pub(super) fn getcap(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["r", "v"], true)?;
    let (recursive, everything) = (options.has("r"), options.has("v"));
    for word in &options.operands {
        let mut walk = Walk::new(call, word, Follow::Never);
        while let Some(event) = walk.next(call)? {
            if !recursive {
                walk.skip();
            }
            match event {
                Event::Enter(entry) => {
                    let inode = call.machine.files.inode(&entry.path, false);
                    let value = inode.and_then(|inode| inode.xattrs.get(ATTRIBUTE)).cloned();
                    match value.and_then(|value| Sets::decode(&value)) {
                        Some(sets) => {
                            call.out([&entry.shown, b" ".as_slice(), sets.shown().as_bytes(), b"\n"].concat())?;
                        }
                        None if everything => call.out([&entry.shown, b"\n".as_slice()].concat())?,
                        None => {}
                    }
                }
                Event::Failed(name, errno) => {
                    let text = format!("{} ({errno})", String::from_utf8_lossy(&name));
                    call.shell.error(call.machine, &text)?;
                }
                Event::Leave(_) | Event::Circle(_) => {}
            }
        }
    }
    Ok(0)
}
