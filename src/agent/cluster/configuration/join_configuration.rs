//! [`Request`] and the image's Kubernetes → `JoinConfiguration`.
//!
//! The time limit of the discovery moved to `timeouts` in `v1beta4`.

use serde_json::json;

use super::node_registration::node_registration;
use crate::agent::cluster::request::Request;
use crate::agent::secret::Secret;
use crate::image_info::{ImageKubernetes, KubeadmApi};

/// How long kubeadm itself looks for the cluster; the flow tries again by itself, and says why.
const DISCOVERY: &str = "1m0s";

pub fn join_configuration(request: &Request, image: &ImageKubernetes) -> Secret {
    let api = image.kubeadm_api;
    let mut document = json!({
        "apiVersion": format!("kubeadm.k8s.io/{}", api.name()),
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": request.endpoint.to_string(),
                "token": request.token.expose(),
                "caCertHashes": request.ca_cert_hashes,
            },
        },
        "nodeRegistration": node_registration(request, image),
    });
    match api {
        KubeadmApi::V1Beta2 | KubeadmApi::V1Beta3 => document["discovery"]["timeout"] = json!(DISCOVERY),
        KubeadmApi::V1Beta4 => document["timeouts"] = json!({ "discovery": DISCOVERY }),
    }
    Secret::new(document.to_string() + "\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;
    use crate::agent::cluster::request::tests::request;
    use crate::image_info::tests::kubernetes;

    fn pretty(api: KubeadmApi) -> String {
        let text = join_configuration(&request(), &kubernetes(api));
        let value: Value = serde_json::from_str(text.expose()).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    }

    #[test]
    fn v1beta2_has_maps_and_a_plain_socket() {
        insta::assert_snapshot!(pretty(KubeadmApi::V1Beta2), @r#"
        {
          "apiVersion": "kubeadm.k8s.io/v1beta2",
          "discovery": {
            "bootstrapToken": {
              "apiServerEndpoint": "10.0.2.2:6443",
              "caCertHashes": [
                "sha256:0000000000000000000000000000000000000000000000000000000000000000"
              ],
              "token": "abcdef.0123456789abcdef"
            },
            "timeout": "1m0s"
          },
          "kind": "JoinConfiguration",
          "nodeRegistration": {
            "criSocket": "/run/containerd/containerd.sock",
            "ignorePreflightErrors": [
              "Swap"
            ],
            "kubeletExtraArgs": {
              "cgroup-driver": "systemd",
              "node-labels": "b=,zone=a",
              "pod-infra-container-image": "registry.example/pause:3.2",
              "v": "2"
            },
            "name": "n1",
            "taints": [
              {
                "effect": "NoSchedule",
                "key": "k",
                "value": "v"
              }
            ]
          }
        }
        "#);
    }

    #[test]
    fn v1beta3_has_maps_and_a_socket_url() {
        let (second, third) = (pretty(KubeadmApi::V1Beta2), pretty(KubeadmApi::V1Beta3));
        let changed = second.replace("v1beta2", "v1beta3").replace("\"/run/con", "\"unix:///run/con");
        assert_eq!(third, changed);
    }

    #[test]
    fn v1beta4_has_lists_and_timeouts() {
        insta::assert_snapshot!(pretty(KubeadmApi::V1Beta4), @r#"
        {
          "apiVersion": "kubeadm.k8s.io/v1beta4",
          "discovery": {
            "bootstrapToken": {
              "apiServerEndpoint": "10.0.2.2:6443",
              "caCertHashes": [
                "sha256:0000000000000000000000000000000000000000000000000000000000000000"
              ],
              "token": "abcdef.0123456789abcdef"
            }
          },
          "kind": "JoinConfiguration",
          "nodeRegistration": {
            "criSocket": "unix:///run/containerd/containerd.sock",
            "ignorePreflightErrors": [
              "Swap"
            ],
            "kubeletExtraArgs": [
              {
                "name": "cgroup-driver",
                "value": "systemd"
              },
              {
                "name": "node-labels",
                "value": "b=,zone=a"
              },
              {
                "name": "v",
                "value": "2"
              }
            ],
            "name": "n1",
            "taints": [
              {
                "effect": "NoSchedule",
                "key": "k",
                "value": "v"
              }
            ]
          },
          "timeouts": {
            "discovery": "1m0s"
          }
        }
        "#);
    }

    #[test]
    fn what_is_not_asked_for_is_not_there() {
        let bare = Request {
            labels: BTreeMap::new(),
            taints: Vec::new(),
            kubelet_extra_args: BTreeMap::new(),
            ignore_preflight_errors: Vec::new(),
            ..request()
        };
        let text = join_configuration(&bare, &kubernetes(KubeadmApi::V1Beta2));
        for key in ["taints", "ignorePreflightErrors", "node-labels"] {
            assert!(!text.expose().contains(key), "{key}");
        }
    }
}
