//! What kubeadm's output means: done, a mistake that stays until somebody mends it, or a failure worth another try.
//! Pure; the output has no secrets any more when it comes here.
//!
//! kubeadm's exit status tells little (the phases wrap their errors, which turns each into 1), so its words decide.
//! They were read in kubeadm 1.20.2 and compared with later sources. What nobody knows is tried again: a node that
//! gives up for a reason that passes needs a person, one that tries in vain only says so.

use super::kubeadm::Ended;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    Done,
    Mistake(Mistake),
    /// Why, in one line.
    Again(String),
}

/// A final mistake. Which value it is about becomes a place by [`super::request::Places`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub about: About,
    pub slug: &'static str,
    pub title: String,
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Join,
    Endpoint,
    Token,
    CaCertHashes,
    IgnorePreflightErrors,
}

/// Words that make an error final: all of them in its line, in lower case.
struct Final {
    words: &'static [&'static str],
    about: About,
    slug: &'static str,
    help: &'static str,
}

const FINAL: &[Final] = &[
    Final {
        words: &["none of the public keys", "are pinned"],
        about: About::CaCertHashes,
        slug: "ca-cert-hash",
        help: "`kubeadm token create --print-join-command` on the control plane shows the right hash; \
               if it is the one given, somebody else answers at this endpoint",
    },
    Final {
        words: &["failed to verify jws signature"],
        about: About::Token,
        slug: "token-secret",
        help: "the cluster knows the token's first half, but its second half is another one",
    },
    Final {
        words: &["was not of the form"],
        about: About::Token,
        slug: "token-form",
        help: "kubeadm does not take this token",
    },
    Final {
        words: &["there is no kubeconfig key in the cluster-info"],
        about: About::Endpoint,
        slug: "no-token-bootstrap",
        help: "this cluster was not made by kubeadm, or not for joining with tokens",
    },
    Final {
        words: &["only supports deploying clusters with the control plane version"],
        about: About::Endpoint,
        slug: "cluster-version",
        help: "the image's Kubernetes is too new for this cluster",
    },
    Final {
        words: &["your configuration file uses an old api spec"],
        about: About::Join,
        slug: "kubeadm-api",
        help: "the image says the wrong `kubeadm-api` for its kubeadm: build it anew",
    },
    Final {
        words: &["no kind \"joinconfiguration\" is registered for version"],
        about: About::Join,
        slug: "kubeadm-api",
        help: "the image says the wrong `kubeadm-api` for its kubeadm: build it anew",
    },
];

/// Failures that are explained better than by kubeadm's own words.
const EXPLAINED: &[(&[&str], &str)] = &[
    (
        &["could not find a jws signature"],
        "the cluster does not know the token (yet): it has expired, or is still to be made",
    ),
    (
        &["token id", "is invalid for this cluster"],
        "the cluster does not know the token (yet): it has expired, or is still to be made",
    ),
    (&["unauthorized"], "the cluster does not accept the token (any more)"),
    (
        &["certificate has expired or is not yet valid"],
        "a certificate is not valid at this node's time: is its clock right?",
    ),
    (&["already exists in the cluster"], "the cluster has a ready node of this name"),
];

/// Preflight checks that only somebody's hand can make pass; a name that ends in `-` stands for all that start so.
const FINAL_CHECKS: &[&str] = &[
    "DirAvailable-",
    "FileAvailable-",
    "FileContent-",
    "FileExisting-",
    "IsPrivilegedUser",
    "KubeletVersion",
    "KubernetesVersion",
    "Mem",
    "NumCPU",
    "Swap",
    "SystemVerification",
];

/// kubeadm's exit status for a configuration that it does not take.
const VALIDATION: i32 = 3;

/// `phase` is its name.
pub fn judge(phase: &str, ended: &Ended) -> Judgement {
    if ended.code == Some(0) {
        return Judgement::Done;
    }
    let checks = failed_checks(&ended.output);
    if let Some((name, why)) = checks.iter().find(|(name, _)| is_final_check(name)) {
        let others = match checks.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        return Judgement::Mistake(Mistake {
            about: About::IgnorePreflightErrors,
            slug: "preflight",
            title: format!("kubeadm's preflight check `{name}` fails: {why}{others}"),
            help: "mend the image's recipe, or name the check in `ignore-preflight-errors`",
        });
    }
    let reason = match (checks.first(), ended.code) {
        (Some((name, why)), _) => format!("preflight check `{name}`: {why}"),
        (None, None) => format!("kubeadm did not end in time; its last words: {}", reason(&ended.output)),
        (None, Some(_)) => reason(&ended.output),
    };
    let output = ended.output.to_lowercase();
    let in_one_line = |words: &[&str]| output.lines().any(|line| words.iter().all(|word| line.contains(word)));
    if let Some(found) = FINAL.iter().find(|known| in_one_line(known.words)) {
        return Judgement::Mistake(Mistake { about: found.about, slug: found.slug, title: reason, help: found.help });
    }
    if ended.code == Some(VALIDATION) {
        let help = "kubeadm does not take the configuration made from these values";
        return Judgement::Mistake(Mistake { about: About::Join, slug: "kubeadm-configuration", title: reason, help });
    }
    let explained = EXPLAINED.iter().find(|(words, _)| in_one_line(words)).map(|(_, text)| *text);
    Judgement::Again(match explained {
        Some(text) => format!("{text} ({phase}: {reason})"),
        None => format!("{phase}: {reason}"),
    })
}

fn is_final_check(name: &str) -> bool {
    FINAL_CHECKS.iter().any(|known| *known == name || known.ends_with('-') && name.starts_with(known))
}

/// Lines of the form `[ERROR NAME]: why`.
fn failed_checks(output: &str) -> Vec<(&str, &str)> {
    let check = |line: &'_ str| -> Option<(usize, usize)> {
        let start = line.find("[ERROR ")? + "[ERROR ".len();
        let length = line[start..].find("]: ")?;
        Some((start, start + length))
    };
    output
        .lines()
        .filter_map(|line| check(line).map(|(start, end)| (&line[start..end], line[end + "]: ".len()..].trim())))
        .collect()
}

/// As much of a reason as fits into a status line.
const LONGEST_REASON: usize = 400;

/// The line that says why: the last `error…` one, without kubeadm's frame; else the last line.
fn reason(output: &str) -> String {
    let lines =
        || output.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("To see the stack"));
    let line = lines().rfind(|line| line.starts_with("error")).or_else(|| lines().next_back()).unwrap_or("no output");
    let line = match line.strip_prefix("error execution phase ").and_then(|rest| rest.split_once(": ")) {
        Some((_, rest)) => rest,
        None => line.strip_prefix("error: ").unwrap_or(line),
    };
    line.chars().take(LONGEST_REASON).collect()
}

/// `user-data:LINE:COLUMN: title [slug]; help`, as all mistakes of metadata are shown.
impl Mistake {
    pub fn shown(&self, places: &super::request::Places) -> String {
        let place = match self.about {
            About::Join => &places.join,
            About::Endpoint => &places.endpoint,
            About::Token => &places.token,
            About::CaCertHashes => &places.ca_cert_hashes,
            About::IgnorePreflightErrors => &places.ignore_preflight_errors,
        };
        format!("{place}: {} [{}]; {}", self.title, self.slug, self.help)
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::request;
    use super::*;

    fn judged(code: Option<i32>, output: &str) -> String {
        match judge("preflight", &Ended { code, output: output.to_owned() }) {
            Judgement::Done => "done".to_owned(),
            Judgement::Mistake(mistake) => mistake.shown(&request().places),
            Judgement::Again(why) => format!("again: {why}"),
        }
    }

    const STACK: &str = "\nTo see the stack trace of this error execute with --v=5 or higher\n";

    #[test]
    fn a_wrong_hash_is_final_and_stands_at_its_place() {
        let output = format!(
            "[preflight] Running pre-flight checks\nerror execution phase preflight: couldn't validate the identity of \
             the API Server: cluster CA found in cluster-info ConfigMap is invalid: none of the public keys \
             \"sha256:ab\" are pinned{STACK}"
        );
        insta::assert_snapshot!(judged(Some(1), &output), @r#"
        user-data:6:21: couldn't validate the identity of the API Server: cluster CA found in cluster-info ConfigMap is invalid: none of the public keys "sha256:ab" are pinned [ca-cert-hash]; `kubeadm token create --print-join-command` on the control plane shows the right hash; if it is the one given, somebody else answers at this endpoint
        "#);
        assert_eq!(judged(Some(0), &output), "done");
    }

    #[test]
    fn a_check_that_cannot_pass_is_final_and_one_that_can_is_not() {
        let output = |lines: &str| {
            format!(
                "\t[WARNING Hostname]: hostname \"n1\" could not be reached\nerror execution phase preflight: [preflight] \
                     Some fatal errors occurred:\n{lines}[preflight] If you know what you are doing, you can make a \
                     check non-fatal with `--ignore-preflight-errors=...`{STACK}"
            )
        };
        let missing = "\t[ERROR FileExisting-crictl]: crictl not found in system path\n";
        let runtime = "\t[ERROR CRI]: container runtime is not running: output: x, error: exit status 1\n";
        insta::assert_snapshot!(judged(Some(1), &output(&format!("{runtime}{missing}"))), @"user-data:3:3: kubeadm's preflight check `FileExisting-crictl` fails: crictl not found in system path (and 1 more) [preflight]; mend the image's recipe, or name the check in `ignore-preflight-errors`");
        insta::assert_snapshot!(judged(Some(1), &output(runtime)), @"again: preflight: preflight check `CRI`: container runtime is not running: output: x, error: exit status 1");
    }

    #[test]
    fn failures_of_the_world_are_tried_again_with_their_words() {
        let again = |error: &str| judged(Some(1), &format!("error execution phase preflight: {error}{STACK}"));
        insta::assert_snapshot!([
            again("couldn't validate the identity of the API Server: Get \"https://10.0.2.2:6443/api\": dial tcp \
                   10.0.2.2:6443: connect: connection refused"),
            again("couldn't validate the identity of the API Server: could not find a JWS signature in the \
                   cluster-info ConfigMap for token ID \"abcdef\""),
            again("unable to fetch the kubeadm-config ConfigMap: failed to get config map: Unauthorized"),
            again("a Node with name \"n1\" and status \"Ready\" already exists in the cluster. You must delete it"),
            judged(None, "[kubelet-start] Waiting for the kubelet to perform the TLS Bootstrap...\n"),
            judged(Some(1), ""),
        ].join("\n"), @r#"
        again: preflight: couldn't validate the identity of the API Server: Get "https://10.0.2.2:6443/api": dial tcp 10.0.2.2:6443: connect: connection refused
        again: the cluster does not know the token (yet): it has expired, or is still to be made (preflight: couldn't validate the identity of the API Server: could not find a JWS signature in the cluster-info ConfigMap for token ID "abcdef")
        again: the cluster does not accept the token (any more) (preflight: unable to fetch the kubeadm-config ConfigMap: failed to get config map: Unauthorized)
        again: the cluster has a ready node of this name (preflight: a Node with name "n1" and status "Ready" already exists in the cluster. You must delete it)
        again: preflight: kubeadm did not end in time; its last words: [kubelet-start] Waiting for the kubelet to perform the TLS Bootstrap...
        again: preflight: no output
        "#);
    }

    #[test]
    fn all_words_that_are_final_end_in_their_mistake() {
        for known in FINAL {
            let told = judged(Some(1), &format!("error execution phase preflight: {}\n", known.words.join(" … ")));
            assert!(told.contains(&format!(" [{}]; {}", known.slug, known.help)), "{told}");
        }
        let slugs: Vec<&str> = FINAL.iter().map(|known| known.slug).collect();
        let expected = ["ca-cert-hash", "token-secret", "token-form", "no-token-bootstrap", "cluster-version"];
        assert!(slugs.starts_with(&expected), "{slugs:?}");
    }

    #[test]
    fn what_kubeadm_does_not_read_is_final() {
        insta::assert_snapshot!([
            judged(Some(1), "error execution phase preflight: failed to verify JWS signature of received cluster info \
                             object, can't trust this API Server\n"),
            judged(Some(3), "nodeRegistration.taints: Invalid value: \"x\"\n"),
            judged(Some(1), "this version of kubeadm only supports deploying clusters with the control plane version \
                             >= 1.19.0. Current version: v1.18.0\n"),
        ].join("\n"), @r#"
        user-data:5:12: failed to verify JWS signature of received cluster info object, can't trust this API Server [token-secret]; the cluster knows the token's first half, but its second half is another one
        user-data:3:3: nodeRegistration.taints: Invalid value: "x" [kubeadm-configuration]; kubeadm does not take the configuration made from these values
        user-data:4:15: this version of kubeadm only supports deploying clusters with the control plane version >= 1.19.0. Current version: v1.18.0 [cluster-version]; the image's Kubernetes is too new for this cluster
        "#);
    }
}
