//! [`Request`] and the image's Kubernetes → `nodeRegistration`: how the node names itself, and its kubelet's arguments.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::agent::cluster::request::Request;
use crate::image_info::{ImageKubernetes, KubeadmApi};

pub fn node_registration(request: &Request, image: &ImageKubernetes) -> Value {
    let mut registration = json!({
        "name": request.node,
        "criSocket": cri_socket(image),
        "kubeletExtraArgs": arguments(image.kubeadm_api, kubelet_arguments(request, image)),
    });
    if !request.taints.is_empty() {
        registration["taints"] = json!(request.taints);
    }
    if !request.ignore_preflight_errors.is_empty() {
        registration["ignorePreflightErrors"] = json!(request.ignore_preflight_errors);
    }
    registration
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
