//! The steps for the cluster: the join request, the proxy's drop-ins, the mirrors of registries, trusted authorities.
//!
//! Formats: systemd.exec (`Environment=`), and [`registry_mirrors`]. What an earlier run wrote and this metadata does
//! not ask for goes.

use super::planner::{Planner, SYSTEMCTL};
use crate::agent::cluster::endpoint::Endpoint;
use crate::agent::cluster::request::{Cluster, Places, Request};
use crate::agent::first_boot::config::{Join, Kubernetes, Mirror, NodeConfig, Proxy};
use crate::agent::first_boot::paths::{OURS, connecting, proxy_drop_ins};
use crate::agent::first_boot::step::{Owner, Step};
use crate::agent::secret::Secret;
use crate::contract;
use crate::registry_mirrors;

impl Planner<'_> {
    pub fn cluster(&mut self, config: &NodeConfig, host: &str) {
        let before = self.plan.steps.len();
        self.certificates(&config.certificates);
        let kubernetes = config.kubernetes.as_ref();
        if let Some(kubernetes) = kubernetes.filter(|_| self.facts.kubernetes.is_none()) {
            let help = "add `kubernetes: {version: …}` to its recipe".to_owned();
            return self.mistake("no-kubernetes", "the image has no Kubernetes".to_owned(), &kubernetes.location, help);
        }
        let join = kubernetes.and_then(|kubernetes| kubernetes.join.as_ref());
        self.proxy(kubernetes.and_then(|it| it.proxy.as_ref()), join.map(|join| &join.endpoint.value));
        self.mirrors(kubernetes);
        let changed = self.plan.steps.len() > before;
        if changed && self.facts.networkd_runs {
            // This first boot failed before and is done beside a boot that went on: what reads these files runs.
            let mut arguments = vec!["try-restart", "--no-block"];
            arguments.extend(connecting(self.facts.runtime));
            self.push(Step::Run { program: SYSTEMCTL, arguments });
        }
        self.join(join, config, host);
    }

    fn join(&mut self, join: Option<&Join>, config: &NodeConfig, host: &str) {
        if self.facts.join_refused {
            self.push(Step::Wipe { path: contract::JOIN_REFUSED.to_owned() });
        }
        let (Some(join), None) = (join, &self.facts.joined) else {
            if self.facts.join_requested {
                self.push(Step::Wipe { path: contract::JOIN_REQUEST.to_owned() });
            }
            if let (Some(_), Some(joined)) = (join, &self.facts.joined)
                && joined.instance_id != config.instance_id
            {
                let text = format!(
                    "the node is a member of {} as {} already: it does not join again; reset it first",
                    joined.endpoint, joined.node
                );
                self.plan.notes.push(text);
            }
            return;
        };
        let request = request(join, config, host);
        self.push(Step::WriteSecret { path: contract::JOIN_REQUEST.to_owned(), content: request.text() });
        if self.facts.networkd_runs {
            // Its turn came while there was no request yet.
            let arguments = vec!["start", "--no-block", "nodeinit-join.service"];
            self.push(Step::Run { program: SYSTEMCTL, arguments });
        }
    }

    /// Added to the bundle itself, in a block of ours: every program that trusts the image's authorities reads it.
    fn certificates(&mut self, lines: &[String]) {
        if !lines.is_empty() || self.facts.certificates_added {
            let path = self.facts.certificates.clone();
            self.push(Step::WriteBlock { path, lines: lines.to_vec(), mode: 0o644, owner: Owner::ROOT });
        }
    }

    fn proxy(&mut self, proxy: Option<&Proxy>, endpoint: Option<&Endpoint>) {
        let text = proxy.map(|proxy| drop_in(proxy, endpoint));
        let mut changed = false;
        for path in proxy_drop_ins(self.facts.runtime) {
            match &text {
                Some(text) => self.push(Step::WriteSecret { path, content: text.clone() }),
                None if self.facts.proxy_drop_ins.contains(&path) => self.push(Step::Wipe { path }),
                None => continue,
            }
            changed = true;
        }
        if changed {
            self.push(Step::Run { program: SYSTEMCTL, arguments: vec!["daemon-reload"] });
        }
    }

    fn mirrors(&mut self, kubernetes: Option<&Kubernetes>) {
        let mirrors = kubernetes.map(|kubernetes| kubernetes.mirrors.as_slice()).unwrap_or_default();
        let runtime = self.facts.runtime;
        let path = |mirror: &Mirror| registry_mirrors::path(runtime, &mirror.registry);
        for old in &self.facts.mirror_files {
            if mirrors.iter().all(|mirror| path(mirror) != *old) {
                self.push(Step::Remove { path: old.clone() });
            }
        }
        for mirror in mirrors {
            let content = format!("{OURS}{}", registry_mirrors::text(runtime, &mirror.registry, &mirror.hosts));
            self.push(Step::WriteFile {
                path: path(mirror),
                content: content.into_bytes(),
                mode: 0o644,
                owner: Owner::ROOT,
            });
        }
    }
}

fn request(join: &Join, config: &NodeConfig, host: &str) -> Request {
    let ignored = join.ignore_preflight_errors.as_ref();
    let places = Places {
        join: join.location.to_string(),
        endpoint: join.endpoint.location.to_string(),
        token: join.token.location.to_string(),
        ca_cert_hashes: join.ca_cert_hashes.location.to_string(),
        ignore_preflight_errors: ignored.map_or(&join.location, |ignored| &ignored.location).to_string(),
    };
    let cluster = Cluster {
        endpoint: join.endpoint.value.clone(),
        token: join.token.value.clone(),
        ca_cert_hashes: join.ca_cert_hashes.value.clone(),
    };
    let node = join.node_name.clone().unwrap_or_else(|| host.to_owned());
    Request {
        role: join.role,
        labels: join.labels.clone(),
        taints: join.taints.clone(),
        kubelet_extra_args: join.kubelet_extra_args.clone(),
        ignore_preflight_errors: ignored.map(|ignored| ignored.value.clone()).unwrap_or_default(),
        ..Request::new(node, config.instance_id.clone(), cluster, places)
    }
}

/// What no proxy can lead to.
const NEVER_PROXIED: [&str; 5] = ["localhost", "127.0.0.1", "::1", ".svc", ".cluster.local"];

fn drop_in(proxy: &Proxy, endpoint: Option<&Endpoint>) -> Secret {
    let mut no: Vec<&str> = NEVER_PROXIED.to_vec();
    no.extend(endpoint.map(|endpoint| endpoint.host.as_str()));
    for more in &proxy.no {
        if !no.contains(&more.as_str()) {
            no.push(more);
        }
    }
    let mut text = format!("{OURS}[Service]\n");
    let mut variable = |name: &str, value: &str| {
        // `%` starts a specifier; quotes and backslashes are not in the values.
        text.push_str(&format!("Environment=\"{name}={}\"\n", value.replace('%', "%%")));
    };
    for (name, url) in [("HTTP_PROXY", &proxy.http), ("HTTPS_PROXY", &proxy.https)] {
        if let Some(url) = url {
            variable(name, url.expose());
        }
    }
    variable("NO_PROXY", &no.join(","));
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::cluster::request::Joined;
    use crate::agent::cluster::request::tests::TOKEN;
    use crate::agent::first_boot::apply::Target;
    use crate::agent::first_boot::facts::Facts;
    use crate::agent::first_boot::plan::plan;
    use crate::agent::first_boot::plan::tests::{config, facts};
    use crate::agent::first_boot::step::Plan;
    use crate::agent::report::status::Outcome;
    use crate::image_info::{KubeadmApi, tests as image_info};
    use crate::pem::tests::SMALL;
    use crate::runtime::CONTAINERD;

    fn with_kubernetes() -> Facts {
        Facts { kubernetes: Some(image_info::kubernetes(KubeadmApi::V1Beta2)), ..facts() }
    }

    fn everything() -> NodeConfig {
        let certificate = SMALL.replace('\n', "\\n");
        config(
            &format!(
                "#cloud-config
ca_certs: {{trusted: [\"{certificate}\"]}}
kubernetes:
  join:
    endpoint: api.example.org:6443
    token: {TOKEN}
    ca-cert-hashes: ['sha256:{}']
  proxy: {{http: 'http://user:p%40ss@proxy:3128', no: [10.244.0.0/16, localhost]}}
  registry-mirrors: {{docker.io: ['https://a.example', 'http://b:5000'], 'registry.example:5000': []}}
",
                "0".repeat(64)
            ),
            "",
        )
    }

    fn ours(plan: &Plan) -> String {
        let steps = plan.steps.iter().map(Step::to_string);
        let words = ["nodeinit/", "proxy", "containerd", "certificates", "systemctl"];
        steps.filter(|step| words.iter().any(|word| step.contains(word))).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_section_becomes_steps_that_show_no_secret() {
        let plan = plan(&everything(), &with_kubernetes()).unwrap();
        insta::assert_snapshot!(ours(&plan), @r"
        put 4 lines of ours into /etc/ssl/certs/ca-certificates.crt (0644, 0:0)
        write /etc/systemd/system/containerd.service.d/50-nodeinit-proxy.conf (secret, 0600, 0:0)
        write /etc/systemd/system/kubelet.service.d/50-nodeinit-proxy.conf (secret, 0600, 0:0)
        run /usr/bin/systemctl daemon-reload
        write /etc/containerd/certs.d/docker.io/hosts.toml (214 bytes, 0644, 0:0)
        write /etc/containerd/certs.d/registry.example:5000/hosts.toml (89 bytes, 0644, 0:0)
        write /var/lib/nodeinit/join.json (secret, 0600, 0:0)
        ");
        let debug = format!("{:?} {plan:?}", everything());
        for secret in ["0123456789abcdef", "p%40ss"] {
            assert!(!debug.contains(secret) && !plan.to_string().contains(secret), "{debug}");
        }
    }

    #[test]
    fn a_late_first_boot_restarts_and_starts_what_reads_its_files() {
        let late = Facts { networkd_runs: true, ..with_kubernetes() };
        insta::assert_snapshot!(ours(&plan(&everything(), &late).unwrap()), @r"
        put 4 lines of ours into /etc/ssl/certs/ca-certificates.crt (0644, 0:0)
        write /etc/systemd/system/containerd.service.d/50-nodeinit-proxy.conf (secret, 0600, 0:0)
        write /etc/systemd/system/kubelet.service.d/50-nodeinit-proxy.conf (secret, 0600, 0:0)
        run /usr/bin/systemctl daemon-reload
        write /etc/containerd/certs.d/docker.io/hosts.toml (214 bytes, 0644, 0:0)
        write /etc/containerd/certs.d/registry.example:5000/hosts.toml (89 bytes, 0644, 0:0)
        run /usr/bin/systemctl try-restart --no-block containerd.service kubelet.service
        write /var/lib/nodeinit/join.json (secret, 0600, 0:0)
        run /usr/bin/systemctl start --no-block nodeinit-join.service
        ");
    }

    #[test]
    fn files_say_what_was_asked_for_and_are_not_for_everybody() {
        use std::os::unix::fs::PermissionsExt;

        let root = tempfile::tempdir().unwrap();
        let target = Target::directory(root.path()).unwrap();
        let steps = plan(&everything(), &with_kubernetes()).unwrap().steps;
        let steps: Vec<&Step> = steps.iter().filter(|step| !matches!(step, Step::Run { .. })).collect();
        let apply = || -> Vec<Outcome> { steps.iter().map(|step| target.apply(step).unwrap()).collect() };
        apply();
        assert!(apply().iter().all(|outcome| *outcome == Outcome::Unchanged));
        let read = |path: &str| std::fs::read_to_string(root.path().join(path.trim_start_matches('/'))).unwrap();
        insta::assert_snapshot!(read("/etc/systemd/system/kubelet.service.d/50-nodeinit-proxy.conf"), @r#"
        # Written by nodeinit from the node's metadata.
        [Service]
        Environment="HTTP_PROXY=http://user:p%%40ss@proxy:3128"
        Environment="NO_PROXY=localhost,127.0.0.1,::1,.svc,.cluster.local,api.example.org,10.244.0.0/16"
        "#);
        insta::assert_snapshot!(read("/etc/containerd/certs.d/docker.io/hosts.toml"), @r#"
        # Written by nodeinit from the node's metadata.
        server = "https://registry-1.docker.io"

        [host."https://a.example"]
          capabilities = ["pull", "resolve"]

        [host."http://b:5000"]
          capabilities = ["pull", "resolve"]
        "#);
        assert!(read("/etc/ssl/certs/ca-certificates.crt").contains(SMALL));
        let request = Request::read(read(contract::JOIN_REQUEST).as_bytes()).unwrap();
        assert_eq!((request.node.as_str(), request.places.token.as_str()), ("node-7", "user-data:6:12"));
        for path in [contract::JOIN_REQUEST, "/etc/systemd/system/containerd.service.d/50-nodeinit-proxy.conf"] {
            let file = root.path().join(path.trim_start_matches('/'));
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o600, "{path}");
        }
    }

    #[test]
    fn what_new_metadata_does_not_ask_for_goes() {
        let facts = Facts {
            join_requested: true,
            join_refused: true,
            certificates_added: true,
            proxy_drop_ins: proxy_drop_ins(&CONTAINERD).collect(),
            mirror_files: vec!["/etc/containerd/certs.d/docker.io/hosts.toml".to_owned()],
            ..with_kubernetes()
        };
        insta::assert_snapshot!(ours(&plan(&config("#cloud-config\n", ""), &facts).unwrap()), @r"
        leave nothing of ours in /etc/ssl/certs/ca-certificates.crt
        wipe /etc/systemd/system/containerd.service.d/50-nodeinit-proxy.conf
        wipe /etc/systemd/system/kubelet.service.d/50-nodeinit-proxy.conf
        run /usr/bin/systemctl daemon-reload
        remove /etc/containerd/certs.d/docker.io/hosts.toml
        wipe /var/lib/nodeinit/join-refused
        wipe /var/lib/nodeinit/join.json
        ");
    }

    #[test]
    fn a_member_does_not_join_again() {
        let joined = |instance: &str| {
            let joined =
                Joined { endpoint: "a:1".to_owned(), node: "n".to_owned(), instance_id: Some(instance.to_owned()) };
            plan(&everything(), &Facts { joined: Some(joined), ..with_kubernetes() }).unwrap()
        };
        for instance in ["i-0", "i-1"] {
            assert!(!joined(instance).to_string().contains(contract::JOIN_REQUEST), "{instance}");
        }
        assert!(joined("i-1").notes.is_empty());
        assert_eq!(
            joined("i-0").notes,
            ["the node is a member of a:1 as n already: it does not join again; reset it first"]
        );
    }

    #[test]
    fn an_image_without_kubernetes_cannot_join() {
        let mistakes = plan(&everything(), &facts()).unwrap_err();
        insta::assert_snapshot!(mistakes, @"user-data:4:3: the image has no Kubernetes [no-kubernetes]; add `kubernetes: {version: …}` to its recipe");
    }
}
