//! What scripts are called: in full, and by an entry of a recipe that is about one.

use crate::package::Script;
use crate::recipe::AcceptedScript;

/// Scripts that run only when a package is removed, replaced or verified.
pub(crate) const REMOVAL: [&str; 13] = [
    "prerm",
    "postrm",
    "%preun",
    "%postun",
    "%preuntrans",
    "%postuntrans",
    "%verify",
    "%triggerun",
    "%triggerpostun",
    "%filetriggerun",
    "%filetriggerpostun",
    "%transfiletriggerun",
    "%transfiletriggerpostun",
];

/// A script's name, and of a trigger what sets it off: `%transfiletriggerin /usr/lib/systemd/system`.
pub(crate) fn full_name(script: &Script) -> String {
    let text = String::from_utf8_lossy(&script.text);
    let on = text.lines().next().and_then(|line| line.strip_prefix("# on "));
    match on.filter(|_| script.name.contains("trigger")) {
        Some(on) => format!("{} {}", script.name, on.trim()),
        None => script.name.clone(),
    }
}

/// Whether a recipe's entry is about `script`: by its full name, or by its kind if that is the only one.
pub(crate) fn is_meant(script: &Script, accept: &AcceptedScript, scripts: &[Script]) -> bool {
    let only = || scripts.iter().filter(|other| other.name == script.name).count() == 1;
    accept.script == full_name(script) || accept.script == script.name && only()
}
