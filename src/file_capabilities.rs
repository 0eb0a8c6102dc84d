//! Capabilities of files: the text that people and packages write, and the attribute that the kernel reads.
//!
//! `cap_net_admin,cap_net_raw=ep`, `= cap_net_raw+ep`: clauses of names and of what to do with the three sets, as
//! cap_from_text(3) reads them. The value is the kernel's `struct vfs_cap_data` (linux/capability.h).

/// The extended attribute.
pub const ATTRIBUTE: &[u8] = b"security.capability";
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
pub struct Sets {
    effective: u64,
    inheritable: u64,
    permitted: u64,
}

impl Sets {
    /// As cap_from_text(3) reads it; an error says which word is wrong.
    pub fn parse(text: &str) -> Result<Sets, String> {
        let mut sets = Sets::default();
        for clause in text.split_ascii_whitespace() {
            let start = clause.find(['=', '+', '-']).ok_or_else(|| format!("`{clause}` does nothing"))?;
            let (list, mut rest) = clause.split_at(start);
            let chosen = match list {
                "" if rest.starts_with('=') => all(),
                "" => return Err(format!("`{clause}` names no capability")),
                list => list.split(',').try_fold(0, |bits, name| {
                    let bit = number(name).ok_or_else(|| format!("`{name}` is no capability"))?;
                    Ok::<_, String>(bits | bit)
                })?,
            };
            while let Some(operator) = rest.chars().next() {
                let flags = &rest[1..];
                let end = flags.find(['=', '+', '-']).unwrap_or(flags.len());
                sets.change(operator, &flags[..end], chosen).map_err(|problem| format!("`{clause}`: {problem}"))?;
                rest = &flags[end..];
            }
        }
        Ok(sets)
    }

    /// Whether they grant nothing.
    pub fn is_empty(self) -> bool {
        self == Sets::default()
    }

    fn change(&mut self, operator: char, flags: &str, chosen: u64) -> Result<(), String> {
        if flags.is_empty() && operator != '=' {
            return Err(format!("`{operator}` is followed by none of e i p"));
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
                _ => return Err(format!("`{flag}` is none of e i p")),
            };
            *set = if operator == '-' { *set & !chosen } else { *set | chosen };
        }
        Ok(())
    }

    /// What the kernel stores: one flag says that everything is effective. `None` if it is only a part.
    pub fn encode(self) -> Option<Vec<u8>> {
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

    pub fn decode(value: &[u8]) -> Option<Sets> {
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
    pub fn shown(self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_what_setcap_writes() {
        // The first as `setcap cap_net_admin,cap_net_raw=ep` of libcap 2.66 leaves it, read with getfattr.
        let known = "0100000200300000000000000000000000000000";
        let hex = |text: &str| crate::hex::encode(&Sets::parse(text).unwrap().encode().unwrap());
        assert_eq!(hex("cap_net_admin,cap_net_raw=ep"), known);
        assert_eq!(hex("= cap_net_admin+ep cap_net_raw+ep"), known);
        assert_eq!(hex("CAP_NET_RAW,cap_net_admin+p cap_net_raw,cap_net_admin+e"), known);
        assert_eq!(hex("cap_bpf=i"), "0000000200000000000000000000000080000000");
        for nothing in ["=", "", "cap_bpf=ep cap_bpf-ep"] {
            assert!(Sets::parse(nothing).unwrap().is_empty(), "{nothing}");
        }
        assert_eq!(Sets::parse("cap_bpf=ep cap_kill=p").unwrap().encode(), None);
    }

    #[test]
    fn what_is_no_capability_is_named() {
        for (text, word) in [
            ("cap_fly=ep", "cap_fly"),
            ("net_raw=ep", "net_raw"),
            ("cap_bpf", "nothing"),
            ("cap_bpf=x", "`x`"),
            ("cap_bpf=ü", "`ü`"),
            ("+ep", "no capability"),
            ("cap_bpf+", "none of e i p"),
        ] {
            let error = Sets::parse(text).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
