//! What fits together on a Kubernetes node, as data: `table.yaml`, compiled in.
//!
//! Rules that change with a release are lists of steps; [`at`] finds the one that holds. Code asks this table and has
//! no version numbers of its own, so that a new release is a change of data.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::image_info::KubeadmApi;
use crate::runtime::Runtime;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Table {
    pub known: Known,
    pub kubeadm_api: Vec<Step<KubeadmApi>>,
    pub cri_socket_url: Vec<Step<bool>>,
    pub kubelet_cri: Vec<Step<Vec<String>>>,
    /// By the name of the runtime.
    pub runtimes: BTreeMap<String, Vec<RuntimeSeries>>,
    pub pause: Vec<Step<String>>,
    pub registry: Vec<Step<String>>,
    pub kubelet_older: Vec<Step<u32>>,
    pub kubectl_apart: Vec<Step<u32>>,
    pub cgroup_v2: Vec<Step<bool>>,
    pub kernel: Vec<Step<String>>,
    pub modules: Vec<Need>,
    pub sysctl: Vec<Need>,
    pub programs: Vec<Program>,
}

/// First and last minor that the table speaks of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    pub oldest: u32,
    pub newest: u32,
}

/// What holds from the minor `since` on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step<T> {
    pub since: u32,
    pub value: T,
    pub source: String,
}

/// What is known of a series of a runtime's versions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeSeries {
    /// `major.minor` of its first version.
    pub since: String,
    /// Versions of the container runtime interface that it offers.
    pub cri: Vec<String>,
    /// Version of the configuration file that it reads best, where there are several.
    #[serde(default)]
    pub config: Option<u32>,
    pub source: String,
}

/// A module or a setting.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Need {
    pub name: String,
    #[serde(default)]
    pub value: String,
    /// Last minor that does not work without it; none for "always".
    #[serde(default)]
    pub required_until: Option<u32>,
    /// Never required, only filled in.
    #[serde(default)]
    pub default: bool,
    pub source: String,
}

impl Need {
    pub fn required(&self, minor: u32) -> bool {
        !self.default && self.required_until.is_none_or(|last| minor <= last)
    }
}

/// A program that preflight looks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub name: String,
    #[serde(default)]
    pub until: Option<u32>,
    /// Names of the packages that bring it, one for each family of distributions.
    pub packages: Vec<String>,
    pub source: String,
}

/// The table.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| serde_saphyr::from_str(include_str!("table.yaml")).expect("a test reads the shipped table"))
}

/// The value that holds for `minor`; the first one for everything before it.
pub fn at<T>(steps: &[Step<T>], minor: u32) -> &T {
    let held = steps.iter().rev().find(|step| step.since <= minor).or(steps.first());
    &held.expect("a test sees that no list of steps is empty").value
}

/// What is known of the runtime, the oldest series first.
pub fn runtime(runtime: &Runtime) -> &'static [RuntimeSeries] {
    table().runtimes.get(runtime.name).map(Vec::as_slice).unwrap_or_default()
}

/// What is known of it in this version (an epoch and a release may surround it); none if it is older than all.
pub fn runtime_of(runtime: &Runtime, version: &str) -> Option<&'static RuntimeSeries> {
    let version = series(version)?;
    self::runtime(runtime).iter().rev().find(|known| series(&known.since).is_some_and(|since| since <= version))
}

/// `1:2.1.4-3` → (2, 1).
fn series(version: &str) -> Option<(u32, u32)> {
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{CONTAINERD, RUNTIMES};

    fn ascending<T>(steps: &[Step<T>]) {
        assert_eq!(steps[0].since, table().known.oldest);
        assert!(steps.windows(2).all(|pair| pair[0].since < pair[1].since));
        assert!(steps.iter().all(|step| step.since <= table().known.newest && step.source.len() > 5));
    }

    #[test]
    fn the_steps_begin_with_the_oldest_version_and_ascend() {
        let table = table();
        ascending(&table.kubeadm_api);
        ascending(&table.cri_socket_url);
        ascending(&table.kubelet_cri);
        ascending(&table.pause);
        ascending(&table.registry);
        ascending(&table.kubelet_older);
        ascending(&table.kubectl_apart);
        ascending(&table.cgroup_v2);
        ascending(&table.kernel);
        assert!(table.modules.iter().chain(&table.sysctl).all(|need| need.source.len() > 5));
        assert!(table.programs.iter().all(|program| program.source.len() > 5 && !program.packages.is_empty()));
        assert!(table.runtimes.keys().map(String::as_str).eq(RUNTIMES.iter().map(|runtime| runtime.name)));
        for series_of in table.runtimes.values() {
            assert!(series_of.iter().is_sorted_by_key(|it| series(&it.since)));
            assert!(series_of.iter().all(|it| series(&it.since).is_some() && it.source.len() > 5));
        }
    }

    #[test]
    fn a_step_holds_until_the_next_one() {
        let pause = |minor| at(&table().pause, minor).as_str();
        assert_eq!(
            [20, 21, 24, 25, 30, 31, 33, 35, 36].map(pause),
            ["3.2", "3.4.1", "3.7", "3.8", "3.9", "3.10", "3.10", "3.10.1", "3.10.2"]
        );
        let api = |minor| at(&table().kubeadm_api, minor).name();
        assert_eq!(
            [20, 21, 22, 30, 31, 37].map(api),
            ["v1beta2", "v1beta2", "v1beta3", "v1beta3", "v1beta4", "v1beta4"]
        );
        assert_eq!(at(&table().registry, 24), "k8s.gcr.io");
    }

    #[test]
    fn containerd_is_known_by_its_series() {
        let config =
            |version| runtime_of(&CONTAINERD, version).map(|known| (known.config.unwrap(), known.cri.join(" ")));
        assert_eq!(config("1.7.24~ds1-6+deb13u1"), Some((2, "v1 v1alpha2".into())));
        assert_eq!(config("1.5.9-0ubuntu3"), Some((2, "v1alpha2".into())));
        assert_eq!(config("1:2.1.4-1"), Some((3, "v1".into())));
        assert_eq!(config("2.3.5-1.el9"), Some((3, "v1".into())));
        assert_eq!(config("0.9"), None);
        assert_eq!(config("unstable"), None);
    }

    #[test]
    fn what_is_required_ends_with_the_version_that_the_table_says() {
        let bridge = table().sysctl.iter().find(|need| need.name.ends_with("iptables")).unwrap();
        assert!(bridge.required(29) && !bridge.required(30));
        let panic = table().sysctl.iter().find(|need| need.name == "kernel.panic").unwrap();
        assert!(!panic.required(20));
    }
}
