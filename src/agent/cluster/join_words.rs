//! The rules for single words of a join: each function takes a word as a person wrote it and gives the checked value,
//! or why it is none (lower case, no full stop, without the word itself: it may be a secret).
//!
//! Sources: kubeadm's API reference (token and hash forms), Kubernetes' documentation on names, labels and taints,
//! kubelet's `--node-labels` (which labels a node may give itself).

use serde::{Deserialize, Serialize};

use crate::agent::dns_name;
use crate::agent::secret::Secret;

/// A bootstrap token: `[a-z0-9]{6}.[a-z0-9]{16}`.
pub fn token(text: &str) -> Result<Secret, String> {
    let part =
        |part: &str, length: usize| part.len() == length && part.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9'));
    match text.split_once('.') {
        Some((id, secret)) if part(id, 6) && part(secret, 16) => Ok(Secret::new(text)),
        _ => Err("it has not the form of 6 and 16 lower-case letters or digits with a `.` between them".to_owned()),
    }
}

/// `sha256:` and 64 hexadecimal digits; made lower-case.
pub fn ca_cert_hash(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("sha256:").ok_or("it does not start with `sha256:`")?;
    if digits.len() != 64 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err("it does not have 64 hexadecimal digits after `sha256:`".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

/// Up to 63 letters, digits, `-`, `_`, `.`, starting and ending with a letter or digit.
fn is_plain(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= 63
        && edge(name.chars().next())
        && edge(name.chars().next_back())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn qualified(key: &str) -> Result<(), String> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            dns_name::check(prefix).map_err(|why| format!("what stands before `/` is not a domain: {why}"))?;
            name
        }
        None => key,
    };
    if is_plain(name) {
        Ok(())
    } else {
        Err("a key is 1 to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends".to_owned())
    }
}

/// Labels with a domain of Kubernetes that a node may give itself, beside those of [`OPEN_DOMAINS`].
const NODE_LABELS: &[&str] = &[
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.kubernetes.io/region",
    "failure-domain.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/instance-type",
    "kubernetes.io/os",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];
const OPEN_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

pub fn label_key(key: &str) -> Result<(), String> {
    qualified(key)?;
    let inside = |domain: &str, outer: &str| {
        domain == outer || domain.strip_suffix(outer).is_some_and(|rest| rest.ends_with('.'))
    };
    let Some((domain, _)) = key.split_once('/') else { return Ok(()) };
    let reserved = ["kubernetes.io", "k8s.io"].iter().any(|outer| inside(domain, outer));
    if reserved && !OPEN_DOMAINS.iter().any(|open| inside(domain, open)) && !NODE_LABELS.contains(&key) {
        return Err("a node may not give itself this label, the kubelet would not start: set it with `kubectl`".into());
    }
    Ok(())
}

/// The value of a label or taint, which may be empty.
pub fn label_value(value: &str) -> Result<(), String> {
    if value.is_empty() || is_plain(value) {
        return Ok(());
    }
    Err("a value is empty, or up to 63 letters, digits, `-`, `_` and `.` with a letter or digit at both ends".into())
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    pub key: String,
    pub value: String,
    pub effect: String,
}

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// `KEY=VALUE:EFFECT` or `KEY:EFFECT`.
pub fn taint(text: &str) -> Result<Taint, String> {
    let (front, effect) = text.rsplit_once(':').ok_or("it has no effect, as in `key=value:NoSchedule`")?;
    if !EFFECTS.contains(&effect) {
        return Err(format!("its effect is none of {}", EFFECTS.join(", ")));
    }
    let (key, value) = front.split_once('=').unwrap_or((front, ""));
    qualified(key)?;
    label_value(value)?;
    Ok(Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() })
}

/// Arguments of the kubelet that the image or another key decides, and who does.
const OWNED: &[(&str, &str)] = &[
    ("bootstrap-kubeconfig", "kubeadm sets it"),
    ("cert-dir", "the agent looks for the node's certificate in its usual place"),
    ("cgroup-driver", "the image sets it, the same for the container runtime"),
    ("config", "kubeadm sets it"),
    ("container-runtime", "the image sets it"),
    ("container-runtime-endpoint", "the image sets it"),
    ("healthz-bind-address", "the agent asks the kubelet there whether it is well"),
    ("healthz-port", "the agent asks the kubelet there whether it is well"),
    ("hostname-override", "use `node-name`"),
    ("image-service-endpoint", "the image sets it"),
    ("kubeconfig", "kubeadm sets it"),
    ("node-labels", "use `labels`"),
    ("pod-infra-container-image", "the image sets it"),
    ("register-with-taints", "use `taints`"),
    ("root-dir", "the agent and kubeadm know only the usual place"),
];

/// The name of a kubelet argument, without its dashes.
pub fn extra_argument(name: &str) -> Result<(), String> {
    if name.starts_with('-') {
        return Err("the name stands without its dashes".to_owned());
    }
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
        return Err("a name is lower-case letters, digits and `-`".to_owned());
    }
    match OWNED.iter().find(|(owned, _)| *owned == name) {
        Some((_, owner)) => Err((*owner).to_owned()),
        None => Ok(()),
    }
}

/// The value of a kubelet argument. kubeadm puts all arguments into one line of an environment file, which systemd
/// cuts at blanks.
pub fn extra_argument_value(value: &str) -> Result<(), String> {
    let breaks = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\' | '$' | '%');
    match value.chars().find(|c| breaks(*c)) {
        Some(wrong) => {
            Err(format!("it has `{}`, which the kubelet's environment file cannot carry", wrong.escape_debug()))
        }
        None => Ok(()),
    }
}

/// The name of a preflight check: `Swap`, `FileExisting-socat`, `FileContent--proc-sys-net-ipv4-ip_forward`.
pub fn preflight_check(name: &str) -> Result<(), String> {
    if name.eq_ignore_ascii_case("all") {
        return Err("name the checks: with `all` nobody would learn what is wrong".to_owned());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(());
    }
    Err("a check's name is letters, digits, `-`, `_` and `.`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_but(good: &[&str], bad: &[&str], check: impl Fn(&str) -> bool) {
        for word in good {
            assert!(check(word), "{word} is refused");
        }
        for word in bad {
            assert!(!check(word), "{word:?} is accepted");
        }
    }

    #[test]
    fn tokens_and_hashes_have_their_form() {
        let bad = ["abcdef.0123456789abcde", "ABCDEF.0123456789abcdef", "abcdef0123456789abcdef", "", "a.b.c"];
        all_but(&["abcdef.0123456789abcdef"], &bad, |word| token(word).is_ok());
        let digits = "0".repeat(64);
        let (good, upper) = (format!("sha256:{digits}"), format!("sha256:{}", "A".repeat(64)));
        let bad = [digits.as_str(), "sha256:00", "sha1:00", &format!("sha256:{}", "g".repeat(64))];
        all_but(&[&good, &upper], &bad, |word| ca_cert_hash(word).is_ok());
        assert_eq!(ca_cert_hash(&upper).unwrap(), format!("sha256:{}", "a".repeat(64)));
    }

    #[test]
    fn a_node_gives_itself_only_labels_that_the_kubelet_takes() {
        let good = [
            "a",
            "example.org/zone",
            "node.kubernetes.io/kind",
            "topology.kubernetes.io/zone",
            "x.kubelet.kubernetes.io/y",
        ];
        let bad =
            ["", "-a", "a b", "/a", "a/b/c", "node-role.kubernetes.io/worker", "k8s.io/a", "E/a", &"a".repeat(64)];
        all_but(&good, &bad, |word| label_key(word).is_ok());
        all_but(&["", "a.b_c-d", "1"], &["-", "a/b", "a b", &"a".repeat(64)], |word| label_value(word).is_ok());
    }

    #[test]
    fn taints_have_a_key_and_an_effect() {
        let good = ["k=v:NoSchedule", "k:NoExecute", "example.org/k=:PreferNoSchedule"];
        all_but(&good, &["k=v", "k=v:noschedule", ":NoSchedule", "k=a b:NoSchedule", "k=v:"], |word| {
            taint(word).is_ok()
        });
        let parts = |taint: Taint| (taint.key, taint.value, taint.effect);
        assert_eq!(parts(taint("k=v:NoSchedule").unwrap()), ("k".into(), "v".into(), "NoSchedule".into()));
    }

    #[test]
    fn arguments_that_others_own_are_refused() {
        let bad = ["--v", "cgroup-driver", "node-labels", "hostname-override", "V", "", "a_b"];
        all_but(&["v", "max-pods", "feature-gates"], &bad, |word| extra_argument(word).is_ok());
        all_but(&["", "2", "A=true,B=false"], &["a b", "\"", "$HOME", "a\n"], |word| {
            extra_argument_value(word).is_ok()
        });
        let good = ["Swap", "FileContent--proc-sys-net-ipv4-ip_forward"];
        all_but(&good, &["all", "ALL", "", "a b"], |word| preflight_check(word).is_ok());
    }
}
