//! `trap`. Nobody sends signals here: only `EXIT` ever runs.

use super::super::halt::{Halt, Outcome};
use super::super::{Bytes, Dialect, Shell, World};
use super::arguments::{count, requoted, shown, unsupported};

/// Names by number.
const SIGNALS: [&str; 32] = [
    "EXIT", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
    "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
    "IO", "PWR", "SYS",
];

fn signal(word: &[u8], dialect: Dialect) -> Option<&'static str> {
    if let Some(number) = count(word) {
        return SIGNALS.get(number).copied();
    }
    let upper = word.to_ascii_uppercase();
    let name = match upper.strip_prefix(b"SIG") {
        Some(name) if dialect == Dialect::Bash => name,
        _ => &upper,
    };
    SIGNALS.iter().copied().find(|known| known.as_bytes() == name)
}

pub(super) fn trap(shell: &mut Shell, world: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    let mut words = words.get(1..).unwrap_or_default();
    match words.first().map(Vec::as_slice) {
        None => return list(shell, world),
        Some(b"--") => words = words.get(1..).unwrap_or_default(),
        Some(b"-p") if shell.dialect == Dialect::Bash && words.len() == 1 => return list(shell, world),
        Some(option) if option.starts_with(b"-") && option.len() > 1 => return unsupported("trap", option),
        _ => {}
    }
    let Some(first) = words.first() else { return list(shell, world) };
    // A number first, or a signal alone: the traps are taken away.
    let resets = count(first).is_some() || words.len() == 1;
    let (action, names) = if resets { (None, words) } else { (Some(first), words.get(1..).unwrap_or_default()) };
    let action = action.filter(|action| action.as_slice() != b"-");
    let mut status = 0;
    for name in names {
        let Some(signal) = signal(name, shell.dialect) else {
            if shell.dialect == Dialect::Bash && matches!(name.as_slice(), b"ERR" | b"DEBUG" | b"RETURN") {
                return unsupported("trap", name);
            }
            let message = match shell.dialect {
                Dialect::Dash => format!("trap: {}: bad trap", shown(name)),
                Dialect::Bash => format!("trap: {}: invalid signal specification", shown(name)),
            };
            shell.complain(world, &message)?;
            status = 1;
            continue;
        };
        match action {
            Some(action) => shell.traps.insert(signal.into(), action.clone()),
            None => shell.traps.remove(signal.as_bytes()),
        };
    }
    if status != 0 && shell.dialect == Dialect::Bash {
        return Err(Halt::Error(status));
    }
    Ok(status)
}

fn list(shell: &mut Shell, world: &mut dyn World) -> Outcome<u8> {
    let mut text = Bytes::new();
    for signal in SIGNALS {
        let Some(action) = shell.traps.get(signal.as_bytes()) else { continue };
        let prefix = if shell.dialect == Dialect::Bash && signal != "EXIT" { "SIG" } else { "" };
        let prefix = if shell.dialect == Dialect::Bash { "" } else { prefix };
        text.extend_from_slice(b"trap -- ");
        text.extend(requoted(action, shell.dialect));
        text.extend_from_slice(format!(" {prefix}{signal}\n").as_bytes());
    }
    shell.out(world, &text)?;
    Ok(0)
}
