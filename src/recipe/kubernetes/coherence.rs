//! What fits together: defaults that follow from the Kubernetes version, and contradictions to it.
//!
//! A contradiction is one mistake that names both lines. What depends on versions that only the repositories know is
//! looked at once more when there is a lock. The rules' numbers are in `table.yaml`.

use std::collections::BTreeMap;

use super::table::{self, at, table};
use super::{Kubernetes, Version};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::recipe::read::{entries, text, texts};
use crate::recipe::{PackageRequest, Recipe, RuntimeSettings, kernels};
use crate::runtime::Runtime;
use crate::yaml::{Located, Value};

/// Fills in what the recipe leaves open.
pub(crate) fn derive(written: &Value, recipe: &mut Recipe) {
    let Some(kubernetes) = &recipe.kubernetes else { return };
    let services = services(recipe.node_runtime());
    let settings = recipe.runtime.get_or_insert_with(|| RuntimeSettings {
        runtime: Default::default(),
        systemd_cgroup: true,
        sandbox_image: String::new(),
        mirrors: Default::default(),
        location: kubernetes.location.clone(),
    });
    if section(written, settings.runtime).and_then(|section| section.get("sandbox-image")).is_none() {
        settings.sandbox_image = kubernetes.pause_image();
    }
    let located = |name: &str| Located { value: name.to_owned(), location: kubernetes.location.clone() };
    let add = |list: &mut Vec<Located<String>>, name: &str| {
        if !list.iter().any(|it| it.value == name) {
            list.push(located(name));
        }
    };
    for module in &table().modules {
        if !recipe.modules.blacklist.contains(&module.name) {
            add(&mut recipe.modules.load, &module.name);
        }
    }
    for setting in &table().sysctl {
        recipe.sysctl.entry(setting.name.clone()).or_insert_with(|| setting.value.clone());
    }
    services.iter().for_each(|unit| add(&mut recipe.services.enable, unit));
}

/// Notes every contradiction between what the recipe says and its Kubernetes version.
pub(crate) fn check(written: &Value, recipe: &Recipe, found: &mut Diagnostics) {
    let Some(kubernetes) = &recipe.kubernetes else { return };
    versions(kubernetes, recipe, found);
    let runtime = recipe.node_runtime();
    let pinned = runtime.packages.iter().find_map(|name| recipe.packages.iter().find(|request| request.name == *name));
    if let Some(PackageRequest { version: Some(version), location, .. }) = pinned {
        runtime_interface(kubernetes, recipe, kubelet_pin(recipe), (version, location), found);
    }
    runtime_settings(written, runtime, kubernetes, found);
    let kubelet = kubelet_pin(recipe).map_or(kubernetes.version, |(_, version)| version);
    node_settings(written, services(runtime), kubernetes, kubelet, found);
    sandbox_image_is_there(recipe, kubernetes, found);
    kernel(recipe, kubernetes, found);
}

/// What the lock shows, that is name → version: packages whose version the recipe left to the repositories.
pub fn after_lock(recipe: &Recipe, locked: &BTreeMap<&str, &str>) -> Diagnostics {
    let mut found = Diagnostics::default();
    let Some(kubernetes) = &recipe.kubernetes else { return found };
    let mut fixed = recipe.clone();
    for request in fixed.packages.iter_mut().filter(|request| request.version.is_none()) {
        request.version = locked.get(request.name.as_str()).map(|version| (*version).to_owned());
    }
    versions(kubernetes, &fixed, &mut found);
    let requested = |name: &str| recipe.packages.iter().find(|request| request.name == name);
    if let Some((name, version)) =
        recipe.node_runtime().packages.iter().find_map(|name| Some((name, locked.get(name)?)))
    {
        let configured = recipe.runtime.as_ref().map_or(&kubernetes.location, |runtime| &runtime.location);
        let place = requested(name).map_or(configured, |request| &request.location);
        runtime_interface(kubernetes, recipe, kubelet_pin(&fixed), (version, place), &mut found);
    }
    found
}

/// Units that a node of a cluster runs.
fn services(runtime: &Runtime) -> [&'static str; 2] {
    [runtime.unit, "kubelet.service"]
}

fn section<'a>(written: &'a Value, runtime: &Runtime) -> Option<&'a Value> {
    written.get("runtime")?.get(runtime.name)
}

fn kubelet_pin(recipe: &Recipe) -> Option<(&PackageRequest, Version)> {
    let request = recipe.packages.iter().find(|request| request.name == "kubelet")?;
    Some((request, Version::of_package(request.version.as_deref()?)?))
}

/// The pins among themselves and with `version`.
fn versions(kubernetes: &Kubernetes, recipe: &Recipe, found: &mut Diagnostics) {
    let pins = ["kubeadm", "kubelet", "kubectl"].map(|name| {
        let request = recipe.packages.iter().find(|request| request.name == name);
        request.and_then(|request| Some((request, request.version.as_deref()?)))
    });
    let mut known: [Option<(Version, &PackageRequest)>; 3] = [None; 3];
    for (known, pin) in known.iter_mut().zip(pins) {
        let Some((request, text)) = pin else { continue };
        *known = Version::of_package(text).map(|version| (version, request));
        if known.is_none() {
            found.push(
                Diagnostic::new("kubernetes-pin", format!("`{text}` is not a version of `{}`", request.name))
                    .at(&request.location, "not a version of Kubernetes")
                    .related(&kubernetes.location, "this is the version of the image")
                    .help("write the package's version as its repository has it, such as 1.36.2-150500.2.1"),
            );
        }
    }
    let [kubeadm, kubelet, kubectl] = known;
    let (base, base_place) =
        kubeadm.map_or((kubernetes.version, &kubernetes.location), |(version, request)| (version, &request.location));
    let older = *at(&table().kubelet_older, base.minor);
    let apart = *at(&table().kubectl_apart, base.minor);
    let oldest = base.minor.saturating_sub(older);
    let mut skewed = false;
    let pairs = [
        (
            kubelet,
            oldest..=base.minor,
            format!("with kubeadm 1.{} the kubelet is 1.{oldest} to 1.{}", base.minor, base.minor),
        ),
        (
            kubectl,
            base.minor.saturating_sub(apart)..=base.minor.saturating_add(apart),
            format!("kubectl is at most {apart} minor version away"),
        ),
    ];
    for (pin, range, help) in pairs {
        let Some((version, request)) = pin.filter(|(version, _)| !range.contains(&version.minor)) else { continue };
        skewed = true;
        let title = format!("{} {version} does not go with kubeadm {base}", request.name);
        found.push(
            Diagnostic::new("kubernetes-skew", title)
                .at(&request.location, format!("{} is {version}", request.name))
                .related(base_place, format!("kubeadm is {base}"))
                .help(help),
        );
    }
    if skewed {
        return;
    }
    // `version` is kubeadm's; another patch of the kubelet in the same minor is a forgotten line.
    let same_minor = |(version, _): &(Version, _)| version.minor == kubernetes.version.minor;
    for (version, request) in [kubeadm, kubelet.filter(same_minor)].into_iter().flatten() {
        if version != kubernetes.version {
            let title = format!("{} is pinned to {version}, the image to {}", request.name, kubernetes.version);
            found.push(
                Diagnostic::new("kubernetes-pin", title)
                    .at(&request.location, format!("this is {version}"))
                    .related(&kubernetes.location, format!("this is {}", kubernetes.version))
                    .help("change one of the two"),
            );
        }
    }
}

/// Whether this kubelet and this version of the recipe's runtime speak one interface.
fn runtime_interface(
    kubernetes: &Kubernetes,
    recipe: &Recipe,
    kubelet: Option<(&PackageRequest, Version)>,
    (offering, place): (&str, &Location),
    found: &mut Diagnostics,
) {
    let version = kubelet.map_or(kubernetes.version, |(_, version)| version);
    let kubelet_place = recipe.packages.iter().find(|request| request.name == "kubelet");
    let kubelet_place = kubelet_place.map_or(&kubernetes.location, |request| &request.location);
    let spoken = at(&table().kubelet_cri, version.minor);
    let runtime = recipe.node_runtime();
    let offered = table::runtime_of(runtime, offering).map(|known| known.cri.as_slice()).unwrap_or_default();
    if offered.iter().any(|interface| spoken.contains(interface)) {
        return;
    }
    let offered = if offered.is_empty() { "of no known version".to_owned() } else { offered.join(", ") };
    let fits = |known: &&table::RuntimeSeries| known.cri.iter().any(|interface| spoken.contains(interface));
    let mut series = table::runtime(runtime).iter();
    let first = series.find(fits).map(|known| format!("from {} on", known.since));
    let end = series.find(|known| !fits(known)).map(|known| format!("before {}", known.since));
    let range: Vec<String> = [first, end].into_iter().flatten().collect();
    found.push(
        Diagnostic::new(
            "runtime-interface",
            format!("kubelet {version} and {runtime} {offering} do not understand each other"),
        )
        .at(place, format!("{runtime} {offering} offers CRI {offered}"))
        .related(kubelet_place, format!("kubelet {version} speaks CRI {}", spoken.join(", ")))
        .help(format!("kubelet 1.{} needs {runtime} {}", version.minor, range.join(" and "))),
    );
}

/// The runtime's side of what both sides have to agree on.
fn runtime_settings(written: &Value, runtime: &Runtime, kubernetes: &Kubernetes, found: &mut Diagnostics) {
    let Some(section) = section(written, runtime) else { return };
    let version = kubernetes.version;
    if let Some(flag) = section.get("systemd-cgroup").filter(|flag| flag.flag() == Some(false)) {
        found.push(
            Diagnostic::new("cgroup-driver", format!("{runtime} and the kubelet would manage cgroups in two ways"))
                .at(&flag.location, format!("{runtime} would use cgroupfs"))
                .related(&kubernetes.location, format!("the kubelet of {version} uses systemd"))
                .help("remove the line, or set it to true"),
        );
    }
    if let Some((image, location)) = text(section, "sandbox-image")
        && let Some(tag) = image.rsplit('/').next().and_then(|last| last.strip_prefix("pause:"))
        && tag.split('@').next() != Some(kubernetes.pause_tag())
    {
        let (wanted, minor) = (kubernetes.pause_image(), version.minor);
        found.push(
            Diagnostic::new("sandbox-image", format!("kubeadm {version} knows another sandbox image"))
                .at(location, format!("this is pause {tag}"))
                .related(&kubernetes.location, format!("kubeadm 1.{minor} knows pause {}", kubernetes.pause_tag()))
                .help(format!("leave the line out for {wanted}, or name the same tag in another registry")),
        );
    }
}

/// Settings of the node that Kubernetes cannot live with. `needed` are its units, `kubelet` is the kubelet's version.
fn node_settings(
    written: &Value,
    needed: [&str; 2],
    kubernetes: &Kubernetes,
    kubelet: Version,
    found: &mut Diagnostics,
) {
    let version = kubernetes.version;
    let settings = table().sysctl.iter().filter(|need| need.required(version.minor));
    for (need, (name, value)) in settings.flat_map(|need| entries(written.get("sysctl")).map(move |it| (need, it))) {
        // sysctl.d(5) takes both separators.
        let same = name.text.replace('/', ".") == need.name;
        if let Some(text) = value.text().filter(|text| same && *text != need.value) {
            let title =
                format!("`{}` is {text}, but kubeadm {version} refuses a node without {}", need.name, need.value);
            found.push(
                Diagnostic::new("kubernetes-sysctl", title)
                    .at(&value.location, format!("not {}", need.value))
                    .related(&kubernetes.location, "needed by this version")
                    .help(format!("remove the line: {} is the default of a Kubernetes node", need.value)),
            );
        }
    }
    let modules = written.get("modules");
    let loaded = |name: &str| texts(modules.and_then(|it| it.get("load"))).any(|(text, _)| text == name);
    for (name, location) in texts(modules.and_then(|it| it.get("blacklist"))) {
        // One that is loaded as well is a mistake of its own.
        let needed = |need: &table::Need| need.name == name.replace('-', "_") && need.required(version.minor);
        if table().modules.iter().any(needed) && !loaded(name) {
            found.push(
                Diagnostic::new("kubernetes-module", format!("Kubernetes {version} needs the module `{name}`"))
                    .at(location, "blacklisted here")
                    .related(&kubernetes.location, "needed by this version")
                    .help("remove it from the blacklist"),
            );
        }
    }
    let services = written.get("services");
    for (key, done) in [("disable", "disabled"), ("mask", "masked")] {
        for (unit, location) in texts(services.and_then(|it| it.get(key))).filter(|(unit, _)| needed.contains(unit)) {
            found.push(
                Diagnostic::new("kubernetes-service", format!("a node of a cluster needs `{unit}`"))
                    .at(location, format!("{done} here"))
                    .related(&kubernetes.location, "needed by this version")
                    .help("remove it: the kubelet waits by itself until the node has joined"),
            );
        }
    }
    for (unit, location) in texts(services.and_then(|it| it.get("enable"))).filter(|(unit, _)| unit.ends_with(".swap"))
    {
        found.push(
            Diagnostic::new("kubernetes-swap", format!("the kubelet does not start while `{unit}` gives it swap"))
                .at(location, "swap is enabled here")
                .related(&kubernetes.location, "this version refuses swap")
                .help("remove it"),
        );
    }
    let cmdline = written.get("kernel").and_then(|kernel| kernel.get("cmdline"));
    if *at(&table().cgroup_v2, kubelet.minor) {
        let legacy =
            |word: &str| matches!(word, "systemd.unified_cgroup_hierarchy=0" | "systemd.unified_cgroup_hierarchy=no");
        for (_, location) in texts(cmdline).filter(|(word, _)| legacy(word)) {
            found.push(
                Diagnostic::new("cgroup-v1", format!("kubelet {kubelet} does not start with cgroup v1"))
                    .at(location, "cgroup v1 is asked for here")
                    .related(&kubernetes.location, "this version needs cgroup v2")
                    .help("remove the word: cgroup v2 is systemd's default"),
            );
        }
    }
}

fn sandbox_image_is_there(recipe: &Recipe, kubernetes: &Kubernetes, found: &mut Diagnostics) {
    if recipe.images.is_empty() && !kubernetes.pull_sandbox_image {
        found.push(
            Diagnostic::new(
                "no-sandbox-image",
                "no image of the recipe holds the sandbox image, and no pod starts without it",
            )
            .at(&kubernetes.location, format!("needs {}", sandbox_image(recipe, kubernetes)))
            .help("name its archive in `images:`, or say `pull-sandbox-image: true` here if nodes reach its registry"),
        );
    }
}

/// The sandbox image of the recipe's runtime, as it is or will be.
fn sandbox_image(recipe: &Recipe, kubernetes: &Kubernetes) -> String {
    let named = recipe.runtime.as_ref().map(|runtime| runtime.sandbox_image.clone());
    named.filter(|image| !image.is_empty()).unwrap_or_else(|| kubernetes.pause_image())
}

fn kernel(recipe: &Recipe, kubernetes: &Kubernetes, found: &mut Diagnostics) {
    let least = at(&table().kernel, kubernetes.version.minor);
    let number = kernels::number(&recipe.kernel.line);
    if number.is_some_and(|number| kernels::number(least).is_some_and(|least| number < least)) {
        let title = format!("kernel {} is too old for Kubernetes {}", recipe.kernel.line, kubernetes.version);
        found.push(
            Diagnostic::new("kernel-too-old", title)
                .at(&recipe.kernel.package.location, format!("{least} is the oldest"))
                .related(&kubernetes.location, "needed by this version")
                .help(format!("take a kernel line from {least} on")),
        );
    }
}
