//! Whether the container runtime is there, and configured as the recipe says.

use super::finding::{Finding, Findings};
use super::subject::{Subject, missing};
use crate::recipe::RuntimeSettings;
use crate::runtime::Engine;

pub(super) fn check(subject: &Subject) -> Findings {
    let Some(settings) = &subject.recipe.runtime else { return Ok(vec![]) };
    let mut found = Vec::new();
    for places in settings.runtime.programs {
        let absent = missing(subject, places)?;
        if absent.len() == places.len() {
            found.extend(absent.into_iter().next_back());
        }
    }
    let text = subject.text(settings.runtime.configuration)?;
    found.extend(match settings.runtime.engine {
        Engine::Containerd => containerd(settings, &text),
    });
    Ok(found)
}

/// What is wrong with containerd's configuration.
fn containerd(wanted: &RuntimeSettings, text: &str) -> Vec<Finding> {
    let path = wanted.runtime.configuration;
    let mut found = Vec::new();
    let settings = settings(text);
    let says = |keys: &[&str], value: &str| settings.iter().any(|(key, said)| keys.contains(&&**key) && said == value);
    if !says(&["SystemdCgroup"], &wanted.systemd_cgroup.to_string()) {
        let text = format!("`{path}` does not say `SystemdCgroup = {}`", wanted.systemd_cgroup);
        found.push(Finding::at(text, &wanted.location));
    }
    // containerd 1.x and 2.x.
    if !says(&["sandbox_image", "sandbox"], &wanted.sandbox_image) {
        let text = format!("`{path}` does not name the sandbox image {}", wanted.sandbox_image);
        found.push(Finding::at(text, &wanted.location));
    }
    found
}

/// What a TOML text sets: the last part of each key and its value, strings without their quotes, as far as both stand
/// on one line, in inline tables too. A comment sets nothing.
fn settings(text: &str) -> Vec<(String, String)> {
    text.lines().flat_map(pieces).filter_map(|piece| setting(&piece)).collect()
}

/// A line without its comment, in parts that each hold one assignment.
fn pieces(line: &str) -> Vec<String> {
    let (mut pieces, mut piece, mut quote) = (Vec::new(), String::new(), None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '#') => break,
            (None, ',' | '{' | '}') => {
                pieces.push(std::mem::take(&mut piece));
                continue;
            }
            (None, '"' | '\'') => quote = Some(letter),
            (Some(end), letter) if letter == end => quote = None,
            _ => {}
        }
        piece.push(letter);
        if (quote, letter) == (Some('"'), '\\') {
            piece.extend(letters.next());
        }
    }
    pieces.push(piece);
    pieces
}

fn setting(piece: &str) -> Option<(String, String)> {
    let (key, value) = piece.split_once('=')?;
    let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    Some((bare(key.rsplit('.').next().unwrap_or(key)), bare(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::tests::{World, location};
    use crate::checks::tests::put_from;

    fn found(config: &str) -> Vec<String> {
        let mut world = World::new();
        let mut assembled = world.assemble().unwrap();
        for program in ["containerd", "runc"] {
            put_from(&mut assembled.tree, &format!("/usr/bin/{program}"), "elf", "test");
        }
        put_from(&mut assembled.tree, "/etc/containerd/config.toml", config, "overlay site");
        world.recipe.runtime = Some(RuntimeSettings {
            runtime: Default::default(),
            sandbox_image: "k8s/pause:3.1".to_owned(),
            systemd_cgroup: true,
            mirrors: Default::default(),
            location: location(),
        });
        let (recipe, tree, contents, kernel) = (&world.recipe, &assembled.tree, &world.store, &assembled.kernel);
        let findings = check(&Subject { recipe, tree, contents, kernel, packages: &[] }).unwrap();
        findings.into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn what_the_file_says_counts_and_not_what_it_mentions() {
        let cgroup = "`/etc/containerd/config.toml` does not say `SystemdCgroup = true`";
        let sandbox = "`/etc/containerd/config.toml` does not name the sandbox image k8s/pause:3.1";
        assert_eq!(found("[a.options]\n  SystemdCgroup = true\n[b]\nsandbox_image = \"k8s/pause:3.1\"\n"), [""; 0]);
        let inline = "[a]\noptions = {x = 1, SystemdCgroup=true} # here\npinned.'sandbox' = 'k8s/pause:3.1'\n";
        assert_eq!(found(inline), [""; 0]);
        let comment = "# SystemdCgroup = true\nx = \"# SystemdCgroup = true\"\n# sandbox = \"k8s/pause:3.1\"\n";
        assert_eq!(found(comment), [cgroup, sandbox]);
        let other = "SystemdCgroup = false\nsandbox = \"k8s/pause:3.10\"\n";
        assert_eq!(found(other), [cgroup, sandbox]);
    }
}
