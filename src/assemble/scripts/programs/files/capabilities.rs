//! setcap, getcap: capabilities as the attribute that the kernel reads (`struct vfs_cap_data`, version 2).

use super::operands::at;
use super::quoting::plain;
use super::walk::{Event, Follow, Walk};
use crate::assemble::scripts::files::CAPABILITY;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::parse;
use crate::shell::{Bytes, Errno, Kind, Stop};

/// By their numbers in `linux/capability.h`.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
const VERSION_2: u32 = 0x0200_0000;
const VERSION_MASK: u32 = 0xff00_0000;
const EFFECTIVE: u32 = 1;

/// Three sets, a bit for each capability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sets {
    effective: u64,
    inheritable: u64,
    permitted: u64,
}

impl Sets {
    /// As cap_from_text(3) reads it: `cap_net_raw,cap_net_admin=ep cap_chown+i`.
    fn parse(text: &str) -> Option<Sets> {
        let mut sets = Sets::default();
        for clause in text.split_ascii_whitespace() {
            let start = clause.find(['=', '+', '-'])?;
            let (list, mut rest) = clause.split_at(start);
            let chosen = match list {
                "" if rest.starts_with('=') => all(),
                "" => return None,
                list => list.split(',').try_fold(0, |bits, name| Some(bits | number(name)?))?,
            };
            while let Some(operator) = rest.chars().next() {
                let flags = rest.get(1..)?;
                let end = flags.find(['=', '+', '-']).unwrap_or(flags.len());
                let (flags, next) = flags.split_at(end);
                sets.change(operator, flags, chosen)?;
                rest = next;
            }
        }
        Some(sets)
    }

    fn change(&mut self, operator: char, flags: &str, chosen: u64) -> Option<()> {
        if flags.is_empty() && operator != '=' {
            return None;
        }
        if operator == '=' {
            self.effective &= !chosen;
            self.inheritable &= !chosen;
            self.permitted &= !chosen;
        }
        for flag in flags.chars() {
            let set = match flag {
                'e' => &mut self.effective,
                'i' => &mut self.inheritable,
                'p' => &mut self.permitted,
                _ => return None,
            };
            *set = if operator == '-' { *set & !chosen } else { *set | chosen };
        }
        Some(())
    }

    /// What the kernel stores: one flag says that everything is effective. Nothing if it is only a part.
    fn encode(self) -> Option<Bytes> {
        let others = self.permitted | self.inheritable;
        if self.effective != 0 && others & !self.effective != 0 {
            return None;
        }
        let version = if self.effective == 0 { VERSION_2 } else { VERSION_2 | EFFECTIVE };
        let half = |set: u64, shift: u32| u32::try_from(set >> shift & 0xffff_ffff).unwrap_or_default();
        let words = [
            version,
            half(self.permitted, 0),
            half(self.inheritable, 0),
            half(self.permitted, 32),
            half(self.inheritable, 32),
        ];
        Some(words.iter().flat_map(|word| word.to_le_bytes()).collect())
    }

    fn decode(value: &[u8]) -> Option<Sets> {
        let word = |index: usize| {
            let bytes = value.get(index * 4..index * 4 + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let version = word(0)?;
        let upper = |index| if version & VERSION_MASK < VERSION_2 { Some(0) } else { word(index) };
        let permitted = u64::from(word(1)?) | u64::from(upper(3)?) << 32;
        let inheritable = u64::from(word(2)?) | u64::from(upper(4)?) << 32;
        let effective = if version & EFFECTIVE == 0 { 0 } else { permitted | inheritable };
        Some(Sets { effective, inheritable, permitted })
    }

    fn flags(self, bit: u64) -> [bool; 3] {
        [self.effective, self.inheritable, self.permitted].map(|set| set & bit != 0)
    }

    /// As cap_to_text(3) writes it: what most capabilities have first, then those that differ.
    fn shown(self) -> String {
        let states: Vec<usize> = (0..64).map(|at| number_of(self.flags(1 << at))).collect();
        let known = &states[..NAMES.len()];
        let count = |state: usize| known.iter().filter(|other| **other == state).count();
        let base = (0..8).rev().fold(7, |base, state| if count(state) >= count(base) { state } else { base });
        let mut clauses = Vec::new();
        if base != 0 {
            clauses.push(format!("={}", letters(base)));
        }
        for state in (0..8).rev().filter(|state| *state != base && count(*state) > 0) {
            let names: Vec<String> =
                (0..NAMES.len()).filter(|at| known[*at] == state).map(|at| format!("cap_{}", NAMES[at])).collect();
            let (more, less) = (state & !base, !state & base);
            let sign = if clauses.is_empty() { "=" } else { "+" };
            let more = if more == 0 { String::new() } else { format!("{sign}{}", letters(more)) };
            let less = if less == 0 { String::new() } else { format!("-{}", letters(less)) };
            clauses.push(format!("{}{more}{less}", names.join(",")));
        }
        if clauses.is_empty() { "=".to_owned() } else { clauses.join(" ") }
    }
}

/// Effective is 1, permitted 2, inheritable 4: the order in which states are told.
fn number_of([effective, inheritable, permitted]: [bool; 3]) -> usize {
    usize::from(effective) | usize::from(permitted) << 1 | usize::from(inheritable) << 2
}

fn letters(state: usize) -> String {
    let letters = [('e', 1), ('i', 4), ('p', 2)];
    letters.iter().filter(|(_, bit)| state & bit != 0).map(|(letter, _)| letter).collect()
}

fn all() -> u64 {
    (1 << NAMES.len()) - 1
}

fn number(name: &str) -> Option<u64> {
    let lower = name.to_ascii_lowercase();
    if lower == "all" {
        return Some(all());
    }
    if let Ok(number) = lower.parse::<u32>() {
        return 1u64.checked_shl(number).filter(|bit| bit & all() != 0);
    }
    let at = NAMES.iter().position(|known| lower.strip_prefix("cap_") == Some(known))?;
    Some(1 << at)
}

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
                None => return call.fail(1, "fatal error: Invalid argument\nusage: setcap (-r|-|<caps>) <filename>"),
                Some(sets) => match sets.encode() {
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
        Some(value) => drop(inode.xattrs.insert(CAPABILITY.to_vec(), value)),
        None => drop(inode.xattrs.remove(CAPABILITY)),
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
                    let value = inode.and_then(|inode| inode.xattrs.get(CAPABILITY)).cloned();
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
