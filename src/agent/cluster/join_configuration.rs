//! [`Request`] and the image's Kubernetes → kubeadm's `JoinConfiguration`, as JSON, which is YAML too. Pure.
//!
//! Forms: kubeadm's API reference. `v1beta2` and `v1beta3` take the kubelet's arguments as a map, `v1beta4` as a list;
//! the time limit of the discovery moved to `timeouts` in `v1beta4`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::request::Request;
use crate::agent::secret::Secret;
use crate::image_info::{ImageKubernetes, KubeadmApi};

/// How long kubeadm itself looks for the cluster; the flow tries again by itself, and says why.
const DISCOVERY: &str = "1m0s";

pub fn join_configuration(request: &Request, image: &ImageKubernetes) -> Secret {
    let api = image.kubeadm_api;
    let mut registration = json!({
        "name": request.node,
        "criSocket": cri_socket(image),
        "kubeletExtraArgs": arguments(api, kubelet_arguments(request, image)),
    });
    if !request.taints.is_empty() {
        registration["taints"] = json!(request.taints);
    }
    if !request.ignore_preflight_errors.is_empty() {
        registration["ignorePreflightErrors"] = json!(request.ignore_preflight_errors);
    }
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
        "nodeRegistration": registration,
    });
    match api {
        KubeadmApi::V1Beta2 | KubeadmApi::V1Beta3 => document["discovery"]["timeout"] = json!(DISCOVERY),
        KubeadmApi::V1Beta4 => document["timeouts"] = json!({ "discovery": DISCOVERY }),
    }
    Secret::new(document.to_string() + "\n")
}

/// kubeadm 1.24 and later complain about a socket that is no URL.
fn cri_socket(image: &ImageKubernetes) -> String {
    match image.kubeadm_api {
        KubeadmApi::V1Beta3 | KubeadmApi::V1Beta4 if !image.cri_socket.contains("://") => {
            format!("unix://{}", image.cri_socket)
        }
        _ => image.cri_socket.clone(),
    }
}

fn kubelet_arguments(request: &Request, image: &ImageKubernetes) -> BTreeMap<String, String> {
    let mut arguments = request.kubelet_extra_args.clone();
    // The cluster's kubelet configuration may not say it, and then old kubelets take cgroupfs: the image's container
    // runtime decides.
    arguments.insert("cgroup-driver".to_owned(), image.cgroup_driver.clone());
    // The image that the kubelet's garbage collection keeps must be the one that the runtime uses.
    if image.kubeadm_api != KubeadmApi::V1Beta4 {
        arguments.insert("pod-infra-container-image".to_owned(), image.sandbox_image.clone());
    }
    if !request.labels.is_empty() {
        let labels: Vec<String> = request.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        arguments.insert("node-labels".to_owned(), labels.join(","));
    }
    arguments
}

fn arguments(api: KubeadmApi, arguments: BTreeMap<String, String>) -> Value {
    match api {
        KubeadmApi::V1Beta2 | KubeadmApi::V1Beta3 => json!(arguments),
        KubeadmApi::V1Beta4 => {
            arguments.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
        }
    }
}

#[cfg(test)]
mod tests {
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
