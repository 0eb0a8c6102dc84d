//! File capabilities: the text that RPM headers have → the value of `security.capability`.
//!
//! `cap_net_admin,cap_net_raw=ep`, `= cap_net_raw+ep`: clauses of names and of what to do with the three sets, as
//! cap_from_text(3) reads them. The value is version 2 of the kernel's `struct vfs_cap_data` (linux/capability.h).

use anyhow::{Context, Result, bail, ensure};

/// In the order of their numbers.
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
/// `VFS_CAP_REVISION_2`
const REVISION: u32 = 0x0200_0000;

/// The attribute's value; `None` if the text grants nothing.
pub(super) fn attribute(text: &str) -> Result<Option<[u8; 20]>> {
    let [mut effective, mut inheritable, mut permitted] = [0_u64; 3];
    for clause in text.split_whitespace() {
        let operators = clause.find(['=', '+', '-']).with_context(|| format!("`{clause}` does nothing"))?;
        let (names, mut rest) = clause.split_at(operators);
        let named = mask(names)?;
        while let Some(operator) = rest.chars().next() {
            ensure!("=+-".contains(operator), "`{clause}`: `{operator}` is none of = + -");
            let end = rest[1..].find(['=', '+', '-']).map_or(rest.len(), |end| end + 1);
            let letters = &rest[1..end];
            rest = &rest[end..];
            for (letter, set) in [('e', &mut effective), ('i', &mut inheritable), ('p', &mut permitted)] {
                let listed = letters.contains(letter);
                match operator {
                    '=' if listed => *set |= named,
                    '=' => *set &= !named,
                    '+' if listed => *set |= named,
                    '-' if listed => *set &= !named,
                    _ => {}
                }
            }
            if let Some(letter) = letters.chars().find(|letter| !"eip".contains(*letter)) {
                bail!("`{clause}`: `{letter}` is none of e i p");
            }
        }
    }
    if permitted | inheritable | effective == 0 {
        return Ok(None);
    }
    // The file system keeps one bit for all of the effective set.
    ensure!(effective == 0 || effective == permitted | inheritable, "`{text}` makes only a part effective");
    let halves = |set: u64| {
        let bytes = set.to_le_bytes();
        let half = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        [half(0), half(4)]
    };
    let [permitted_low, permitted_high] = halves(permitted);
    let [inheritable_low, inheritable_high] = halves(inheritable);
    let magic = (REVISION | u32::from(effective != 0)).to_le_bytes();
    let words = [magic, permitted_low, inheritable_low, permitted_high, inheritable_high].concat();
    Ok(words.try_into().ok())
}

fn mask(names: &str) -> Result<u64> {
    if names.is_empty() || names.eq_ignore_ascii_case("all") {
        return Ok((1 << NAMES.len()) - 1);
    }
    let mut mask = 0;
    for name in names.split(',') {
        let lower = name.to_ascii_lowercase();
        let bare = lower.strip_prefix("cap_").unwrap_or(&lower);
        let number = NAMES.iter().position(|known| *known == bare);
        mask |= 1_u64 << number.with_context(|| format!("`{name}` is no capability"))?;
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_what_setcap_writes() {
        // The first as `setcap cap_net_admin,cap_net_raw=ep` of libcap 2.66 leaves it, read with getfattr.
        let known = "0100000200300000000000000000000000000000";
        let hex = |text: &str| -> Option<String> {
            attribute(text).unwrap().map(|value| value.iter().map(|byte| format!("{byte:02x}")).collect())
        };
        assert_eq!(hex("cap_net_admin,cap_net_raw=ep").as_deref(), Some(known));
        assert_eq!(hex("= cap_net_admin+ep cap_net_raw+ep").as_deref(), Some(known));
        assert_eq!(hex("CAP_NET_RAW,net_admin+p cap_net_raw,cap_net_admin+e").as_deref(), Some(known));
        assert_eq!(hex("cap_bpf=i").as_deref(), Some("0000000200000000000000000000000080000000"));
        assert_eq!(hex("="), None);
        assert_eq!(hex(""), None);
        assert_eq!(hex("cap_bpf=ep cap_bpf-ep"), None);
    }

    #[test]
    fn what_is_no_capability_is_named() {
        for (text, word) in [
            ("cap_fly=ep", "cap_fly"),
            ("cap_bpf", "nothing"),
            ("cap_bpf=x", "`x`"),
            ("cap_bpf=ep cap_kill=p", "only a part"),
        ] {
            let error = attribute(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
