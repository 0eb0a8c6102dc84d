//! What the agent tells people: lines on the console that start with `nodeinit:`, and the same in the log: the
//! kernel's in the initrd, the unit's later.
//!
//! Takes finished sentences, gives nothing back: when even the console cannot be written there is nobody left to tell,
//! so these functions cannot fail.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;

/// Kernel log priority: facility daemon (3), severity debug (7), so that a console that shows the kernel log does not
/// show the line twice.
const KMSG_QUIET: u8 = 3 << 3 | 7;
/// Facility daemon, severity error: shown on every console of the kernel, also with `quiet`.
const KMSG_ERROR: u8 = 3 << 3 | 3;

/// Tells how things go.
pub fn say(text: &str) {
    emit(text, KMSG_QUIET);
}

/// Tells why something went wrong.
pub fn complain(text: &str) {
    emit(text, KMSG_ERROR);
}

/// Only for the unit's log: details that would bury the console.
pub fn log(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn emit(text: &str, priority: u8) {
    for line in text.lines() {
        // `\r` because the console may still be in raw mode this early; a failing write has no other place to go.
        let _ = write_line("/dev/console", &format!("nodeinit: {line}\r\n"));
        if std::process::id() == 1 {
            let _ = write_line("/dev/kmsg", &format!("<{priority}>nodeinit: {line}\n"));
        } else {
            // A service's own log: `systemctl status` shows it.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

/// One `write`, never blocking: a serial line without a reader must not stop the boot.
fn write_line(path: &str, line: &str) -> std::io::Result<()> {
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().write(true).custom_flags(flags).open(path)?.write_all(line.as_bytes())
}
