use std::collections::BTreeMap;

use super::*;
use crate::recipe::{Recipe, check, load, print};

const BASE: &str = "nodesmith: 1\nname: n\nkernel: {package: linux, line: \"6.12\"}\n\
                    repositories: {d: {apt: {mirror: host, suite: s, keyring: key.gpg}}}\n";

/// The recipe with this `packages:` list and this text below it, or its mistakes, one a line.
fn recipe(packages: &str, rest: &str) -> Result<Recipe, String> {
    recipe_of(&format!("{BASE}packages: [e2fsprogs, {packages}]\n{rest}\n"), "2026-11-01")
}

fn recipe_of(text: &str, day: &str) -> Result<Recipe, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("r.yaml");
    std::fs::write(directory.path().join("key.gpg"), "").unwrap();
    std::fs::write(&path, text).unwrap();
    let value = load::load(&path).unwrap();
    check::check(&value, day.parse().unwrap()).map_err(|mistakes| mistakes.to_string())
}

fn kubernetes(version: &str) -> String {
    format!("kubernetes: {{version: {version}, pull-sandbox-image: true}}")
}

fn requests(recipe: &Recipe) -> Vec<String> {
    let version = |it: &crate::recipe::PackageRequest| it.version.as_ref().map(|it| format!("={it}"));
    recipe.packages.iter().map(|it| format!("{}{}", it.name, version(it).unwrap_or_default())).collect()
}

#[test]
fn versions_are_three_numbers_and_are_found_in_a_packages_version() {
    assert_eq!(Version::parse("1.36.2"), Some(Version { minor: 36, patch: 2 }));
    for wrong in ["1.36", "v1.36.2", "2.0.0", "1.36.2-rc.0", "1.036.2", "1..2", "1.36.", "1.+3.2"] {
        assert_eq!(Version::parse(wrong), None, "{wrong}");
    }
    let expected = Some(Version { minor: 36, patch: 2 });
    for package in ["1.36.2-150500.2.1", "0:1.36.2-1.1", "1.36.2", "1.36.2+really-1"] {
        assert_eq!(Version::of_package(package), expected, "{package}");
    }
    assert_eq!(Version { minor: 20, patch: 15 }.to_string(), "1.20.15");
}

/// What a recipe gets without asking: read the differences of these snapshots as changes of every user's images.
#[test]
fn what_follows_from_a_version_is_filled_in() {
    for version in ["1.20.2", "1.36.2"] {
        let recipe = recipe("containerd", &kubernetes(version)).unwrap();
        let all = print::print(&recipe);
        let shown: BTreeMap<&str, &serde_json::Value> =
            ["packages", "kubernetes", "runtime", "sysctl", "modules", "services"].map(|key| (key, &all[key])).into();
        insta::assert_snapshot!(format!("derived_{version}"), serde_json::to_string_pretty(&shown).unwrap());
    }
}

#[test]
fn what_the_recipe_says_itself_stays() {
    let rest = "runtime: {containerd: {sandbox-image: \"mirror.example/k8s/pause:3.10.2\"}}\n\
                sysctl: {kernel.panic: 0, net.bridge.bridge-nf-call-iptables: 0}\n\
                modules: {load: [nf_conntrack, ip_vs]}\nservices: {enable: [kubelet.service]}\n";
    let recipe = recipe("containerd", &format!("{rest}{}", kubernetes("1.36.2"))).unwrap();
    assert_eq!(recipe.runtime.unwrap().sandbox_image, "mirror.example/k8s/pause:3.10.2");
    assert_eq!(recipe.sysctl["kernel.panic"], "0");
    // Required until 1.29 only.
    assert_eq!(recipe.sysctl["net.bridge.bridge-nf-call-iptables"], "0");
    let names = |list: &[crate::yaml::Located<String>]| list.iter().map(|it| it.value.clone()).collect::<Vec<_>>();
    assert_eq!(names(&recipe.modules.load), ["nf_conntrack", "ip_vs", "overlay", "br_netfilter"]);
    assert_eq!(names(&recipe.services.enable), ["kubelet.service", "containerd.service"]);
}

#[test]
fn a_recipe_without_kubernetes_gets_nothing() {
    let recipe = recipe("runc", "").unwrap();
    assert!(recipe.runtime.is_none() && recipe.sysctl.is_empty() && recipe.modules.load.is_empty());
    assert_eq!(requests(&recipe), ["e2fsprogs", "runc"]);
}

#[test]
fn pins_may_stand_in_either_place_but_not_differ() {
    let pinned = "kubernetes: {version: 1.36.2, pull-sandbox-image: true, packages: {kubelet: 1.36.2-150500.2.1}}";
    assert_eq!(requests(&recipe("kubelet", pinned).unwrap())[1..], ["kubelet=1.36.2-150500.2.1", "kubeadm=1.36.2"]);
    let elsewhere = recipe("kubeadm=1.36.2-1.1", &kubernetes("1.36.2")).unwrap();
    assert_eq!(requests(&elsewhere)[1..], ["kubeadm=1.36.2-1.1", "kubelet=1.36.2"]);
    let twice = recipe("kubelet=1.36.2-1.1", pinned).unwrap_err();
    assert!(twice.contains("[two-versions]"), "{twice}");
    let dropped = recipe("runc", &format!("drop: {{kubelet: not this one}}\n{}", kubernetes("1.36.2"))).unwrap_err();
    assert!(dropped.contains("[drop-requested]"), "{dropped}");
}

#[test]
fn the_kubelet_may_be_older_than_kubeadm_as_far_as_the_table_says() {
    let with = |version: &str, kubelet: &str| recipe(&format!("kubelet={kubelet}-1"), &kubernetes(version)).map(|_| ());
    with("1.36.2", "1.33.9").unwrap();
    with("1.28.1", "1.27.0").unwrap();
    for (version, kubelet) in [("1.36.2", "1.32.9"), ("1.28.1", "1.26.0"), ("1.34.0", "1.36.2")] {
        let text = with(version, kubelet).unwrap_err();
        assert!(
            text.contains(&format!("kubelet {kubelet} does not go with kubeadm {version} [kubernetes-skew]")),
            "{text}"
        );
    }
}

#[test]
fn a_kernel_that_kubernetes_refuses_is_named_with_it() {
    let text = format!("{BASE}packages: [e2fsprogs]\n{}\n", kubernetes("1.35.0")).replace("6.12", "5.4");
    let mistakes = recipe_of(&text, "2025-12-20").unwrap_err();
    assert!(mistakes.contains("kernel 5.4 is too old for Kubernetes 1.35.0 [kernel-too-old]"), "{mistakes}");
    recipe_of(&text.replace("1.35.0", "1.34.0"), "2025-12-20").unwrap();
}

#[test]
fn the_lock_shows_what_the_recipe_left_open() {
    let recipe = recipe("containerd, kubectl", &kubernetes("1.20.2")).unwrap();
    let lock = |containerd, kubectl| {
        BTreeMap::from([("containerd", containerd), ("kubectl", kubectl), ("kubelet", "1.20.2-0")])
    };
    let after = |locked: &BTreeMap<&str, &str>| coherence::after_lock(&recipe, locked).to_string();
    assert_eq!(after(&lock("1.7.24~ds1-6", "1.21.0-0")), "");
    let text = after(&lock("2.1.4-1", "1.20.2-0"));
    assert!(text.contains("r.yaml:5:23: kubelet 1.20.2 and containerd 2.1.4-1 do not understand each other"), "{text}");
    assert!(text.ends_with("kubelet 1.20 needs containerd from 1.3 on and before 2.0"), "{text}");
    let text = after(&lock("1.7.24", "1.36.2-1"));
    assert!(text.contains("kubectl 1.36.2 does not go with kubeadm 1.20.2 [kubernetes-skew]"), "{text}");
    let newer = self::recipe("containerd", &kubernetes("1.26.0")).unwrap();
    let text = coherence::after_lock(&newer, &BTreeMap::from([("containerd", "1.5.9")])).to_string();
    assert!(text.ends_with("kubelet 1.26 needs containerd from 1.6 on"), "{text}");
}
