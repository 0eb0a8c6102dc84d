//! mkfifo, mknod, mountpoint.

use super::complaints::{complain, hint};
use super::modes::Mode;
use super::operands::{at, status};
use super::quoting::{named, plain, quoted};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{Options, parse};
use crate::shell::Stop;
use crate::tree;

/// What mountpoint(1) ends with where nothing is mounted.
const NO_MOUNT_POINT: u8 = 32;

/// The mode that was asked for, and whether it is set after the node is made.
fn mode(call: &Call, options: &Options) -> Result<u16, String> {
    let umask = call.shell.umask;
    match options.value("m") {
        None => Ok(0o666 & !umask),
        Some(text) => match Mode::parse(text) {
            None => Err(format!("invalid mode {}", named(text))),
            Some(mode) => match mode.apply(0o666, false, umask) {
                mode if mode & !0o777 != 0 => Err("mode must specify only file permission bits".to_owned()),
                mode => Ok(mode),
            },
        },
    }
}

pub(super) fn mkfifo(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["m|mode=", "Z", "context?"], true)?;
    if options.operands.is_empty() {
        return hint(call, "missing operand");
    }
    let mode = match mode(call, &options) {
        Ok(mode) => mode,
        Err(problem) => return call.fail(1, problem),
    };
    let mut failed = false;
    for word in &options.operands {
        if let Err(errno) = call.machine.files.make(&at(call, word), tree::Kind::Fifo, mode) {
            complain(call, &mut failed, format!("cannot create fifo {}: {errno}", quoted(word)))?;
        }
    }
    Ok(failed.into())
}

pub(super) fn mknod(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["m|mode=", "Z", "context?"], true)?;
    let mode = match mode(call, &options) {
        Ok(mode) => mode,
        Err(problem) => return call.fail(1, problem),
    };
    let number = |text: &[u8]| -> Option<u32> {
        let text = std::str::from_utf8(text).ok()?;
        match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None if text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
            None => text.parse().ok(),
        }
    };
    let (name, kind) = match options.operands.as_slice() {
        [name, kind] if kind == b"p" => (name, tree::Kind::Fifo),
        [name, kind, major, minor] => match (kind.as_slice(), number(major), number(minor)) {
            (b"c" | b"u", Some(major), Some(minor)) => (name, tree::Kind::CharDevice { major, minor }),
            (b"b", Some(major), Some(minor)) => (name, tree::Kind::BlockDevice { major, minor }),
            _ => return call.unsupported("these operands"),
        },
        _ => return call.unsupported("these operands"),
    };
    match call.machine.files.make(&at(call, name), kind, mode) {
        Ok(_) => Ok(0),
        Err(errno) => call.fail(1, format!("{}: {errno}", plain(name))),
    }
}

/// One file system with room for whatever asks, in blocks of 1 KiB.
pub(super) fn df(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["P|portability", "k", "output=", "a|all"], true)?;
    match options.text("output").as_deref() {
        Some("avail") => call.out("     Avail\n1073741824\n")?,
        None => call.out(
            "Filesystem     1024-blocks Used  Available Capacity Mounted on\n\
             /dev/root       1073741824    0 1073741824       0% /\n",
        )?,
        Some(_) => return call.unsupported("other columns than `avail`"),
    }
    Ok(0)
}

pub(super) fn mountpoint(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["q|quiet", "nofollow"], true)?;
    let [word] = options.operands.as_slice() else { return call.unsupported("anything but one path") };
    let quiet = options.has("q");
    if let Err(errno) = status(call, word, true) {
        if !quiet {
            call.error(format!("{}: {errno}", String::from_utf8_lossy(word)))?;
        }
        return Ok(1);
    }
    let resolved = call.machine.files.resolve(&at(call, word), true);
    let mounted = resolved.is_ok_and(|path| path.is_root() || path.as_bytes() == b"/proc");
    if !quiet {
        let not = if mounted { "" } else { "not " };
        call.out([word, format!(" is {not}a mountpoint\n").as_bytes()].concat())?;
    }
    Ok(if mounted { 0 } else { NO_MOUNT_POINT })
}
