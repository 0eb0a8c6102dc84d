//! Names of units: systemd.unit(5).

/// Endings of unit names that `[Install]` makes sense for; a name without one is a service.
const SUFFIXES: [&str; 8] = [".service", ".socket", ".timer", ".target", ".path", ".mount", ".automount", ".slice"];

/// Whether the name ends like a unit's.
pub(super) fn is_unit(name: &str) -> bool {
    SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// As `systemctl` completes it.
pub(super) fn full_name(name: &str) -> String {
    if is_unit(name) { name.to_owned() } else { format!("{name}.service") }
}

/// `getty@tty1.service` → `getty@.service` and `tty1`.
pub(super) fn template(unit: &str) -> Option<(String, &str)> {
    let (prefix, rest) = unit.split_once('@')?;
    let (instance, suffix) = rest.rsplit_once('.')?;
    Some((format!("{prefix}@.{suffix}"), instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_have_templates() {
        assert_eq!(template("getty@tty1.service"), Some(("getty@.service".into(), "tty1")));
        assert_eq!(template("a.service"), None);
        assert_eq!(full_name("chronyd"), "chronyd.service");
        assert_eq!(full_name("a.timer"), "a.timer");
    }
}
