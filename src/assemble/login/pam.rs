//! `/etc/pam.d/common-*`: what `pam-auth-update` makes of the profiles that packages bring.
//!
//! Profiles lie in `/usr/share/pam-configs` (pam-auth-update(8)); those with `Default: yes` are in, by falling
//! priority, then by file name. Their modules fill the templates in `/usr/share/pam`: the `Primary` ones, of which
//! the first that succeeds ends the block, then the `Additional` ones. `success=end` becomes the number of lines to
//! jump over: what is left of the block, and the template's `pam_deny` behind it.

use std::collections::BTreeMap;

use crate::assemble::root::Root;

/// Name in the templates' variables, name of the profile field, output file.
const TYPES: [(&str, &str, &str); 5] = [
    ("auth", "Auth", "common-auth"),
    ("account", "Account", "common-account"),
    ("password", "Password", "common-password"),
    ("session", "Session", "common-session"),
    ("session_nonint", "Session", "common-session-noninteractive"),
];

#[derive(Debug)]
struct Profile {
    file: String,
    priority: i32,
    fields: BTreeMap<String, Vec<String>>,
}

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    let files = root.drop_ins(&["/usr/share/pam-configs"], "")?;
    let mut profiles: Vec<Profile> = files
        .iter()
        .map(|(name, text)| profile(name, &String::from_utf8_lossy(text)))
        .filter(|profile| profile.first("Default") == "yes")
        .collect();
    profiles.sort_by_key(|profile| (-profile.priority, profile.file.clone()));
    for (variable, field, file) in TYPES {
        let Some(template) = root.read_text(&format!("/usr/share/pam/{file}"))? else { continue };
        let interactive = variable != "session_nonint";
        let text = fill(&template, variable, field, &profiles, interactive);
        root.file(&format!("/etc/pam.d/{file}"), 0o644, text)?;
    }
    if root.exists("/etc/pam.d") && !root.exists("/etc/security/opasswd") {
        // Old password hashes would go here: nobody else may read it.
        root.file("/etc/security/opasswd", 0o600, "")?;
    }
    Ok(())
}

fn profile(file: &str, text: &str) -> Profile {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with([' ', '\t']) {
            fields.entry(current.clone()).or_default().push(line.trim().to_owned());
        } else if let Some((name, value)) = line.split_once(':') {
            current = name.to_owned();
            let value = value.trim();
            fields.insert(current.clone(), if value.is_empty() { vec![] } else { vec![value.to_owned()] });
        }
    }
    let priority = fields.get("Priority").and_then(|value| value.first()?.parse().ok()).unwrap_or_default();
    Profile { file: file.to_owned(), priority, fields }
}

impl Profile {
    fn first(&self, field: &str) -> &str {
        self.fields.get(field).and_then(|lines| lines.first()).map_or("", String::as_str)
    }
}

fn fill(template: &str, variable: &str, field: &str, profiles: &[Profile], interactive: bool) -> String {
    let of_kind = |kind: &str| -> Vec<&Profile> {
        let wanted = |profile: &&Profile| {
            profile.first(&format!("{field}-Type")) == kind
                && (interactive || profile.first("Session-Interactive-Only") != "yes")
        };
        profiles.iter().filter(wanted).collect()
    };
    let word = variable.split('_').next().unwrap_or(variable);
    let primary = modules(&of_kind("Primary"), field, word, 1);
    // A session without a primary module must not end at the template's pam_deny.
    let primary = if primary.is_empty() { format!("{word}\t[default=1]\t\t\tpam_permit.so\n") } else { primary };
    let additional = modules(&of_kind("Additional"), field, word, 0);
    let mut text = String::new();
    for line in template.lines() {
        match line.trim().strip_prefix('$') {
            Some(name) if name == format!("{variable}_primary") => text.push_str(&primary),
            Some(name) if name == format!("{variable}_additional") => text.push_str(&additional),
            _ => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

/// The profiles' module lines; `behind` lines of the template follow the block and are jumped over too.
fn modules(profiles: &[&Profile], field: &str, word: &str, behind: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for profile in profiles {
        let initial = profile.fields.get(&format!("{field}-Initial")).filter(|_| lines.is_empty());
        lines.extend(initial.or(profile.fields.get(field)).into_iter().flatten().cloned());
    }
    let count = lines.len();
    let jumped = |(index, line): (usize, String)| {
        let jump = count - index - 1 + behind;
        format!("{word}\t{}\n", line.replace("=end", &format!("={jump}")))
    };
    lines.into_iter().enumerate().map(jumped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIX: &str = "Name: Unix\nDefault: yes\nPriority: 256\nAuth-Type: Primary\nAuth:\n\
                        \t[success=end default=ignore]\tpam_unix.so try_first_pass\nAuth-Initial:\n\
                        \t[success=end default=ignore]\tpam_unix.so\nSession-Type: Additional\nSession:\n\
                        \trequired\tpam_unix.so\n";

    #[test]
    fn success_jumps_over_the_rest_of_the_block_and_the_refusal() {
        let profiles = [profile("unix", UNIX), profile("other", UNIX)];
        let text = fill(
            "# c\n$auth_primary\nauth\trequisite\tpam_deny.so\n$auth_additional\n",
            "auth",
            "Auth",
            &profiles,
            true,
        );
        assert_eq!(
            text,
            "# c\nauth\t[success=2 default=ignore]\tpam_unix.so\n\
             auth\t[success=1 default=ignore]\tpam_unix.so try_first_pass\nauth\trequisite\tpam_deny.so\n"
        );
    }

    #[test]
    fn sessions_without_a_primary_module_are_let_through() {
        let systemd = "Default: yes\nSession-Interactive-Only: yes\nSession-Type: Additional\nSession:\n\
                       \toptional\tpam_systemd.so\n";
        let profiles = [profile("unix", UNIX), profile("systemd", systemd)];
        let template = "$session_nonint_primary\n$session_nonint_additional\n";
        let text = fill(template, "session_nonint", "Session", &profiles, false);
        assert_eq!(text, "session\t[default=1]\t\t\tpam_permit.so\nsession\trequired\tpam_unix.so\n");
        let text = fill("$session_additional\n", "session", "Session", &profiles, true);
        assert_eq!(text, "session\trequired\tpam_unix.so\nsession\toptional\tpam_systemd.so\n");
    }
}
