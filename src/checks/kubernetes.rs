//! A finished root as a node of a cluster: what kubeadm's preflight would refuse on the node is found here.

use super::finding::{Finding, Findings};
use super::subject::{Subject, missing};
use crate::recipe::kubernetes::table::table;
use crate::tree::{Kind, TreePath};

/// Where the agent's children look for programs.
const PATH: [&str; 2] = ["/usr/sbin", "/usr/bin"];
/// The kubelet's drop-ins: kubeadm's tells it where its credentials are.
const DROP_INS: [&str; 2] = ["/usr/lib/systemd/system/kubelet.service.d", "/etc/systemd/system/kubelet.service.d"];

/// kubelet and kubeadm with the unit that joins them.
pub(super) fn kubelet(subject: &Subject) -> Findings {
    if subject.recipe.kubernetes.is_none() {
        return Ok(vec![]);
    }
    let mut found = missing(subject, &["/usr/bin/kubelet", "/usr/bin/kubeadm"])?;
    let unit = ["/usr/lib/systemd/system/kubelet.service", "/etc/systemd/system/kubelet.service"];
    let absent = missing(subject, &unit)?;
    if absent.len() == unit.len() {
        found.extend(absent.into_iter().take(1));
    }
    let mut knows_kubeadm = false;
    for directory in DROP_INS {
        for (path, _, inode) in subject.tree.children(&TreePath::parse(directory)?) {
            let conf = matches!(inode.kind, Kind::File(_)) && path.name().ends_with(b".conf");
            knows_kubeadm |= conf && subject.text(&path.to_string())?.contains("--bootstrap-kubeconfig");
        }
    }
    if !knows_kubeadm {
        found.push(
            format!("no drop-in in `{}` gives the kubelet the credentials of `kubeadm join`", DROP_INS[0]).into(),
        );
    }
    Ok(found)
}

/// Programs that preflight looks for in the search path.
pub(super) fn programs(subject: &Subject) -> Findings {
    let Some(kubernetes) = &subject.recipe.kubernetes else { return Ok(vec![]) };
    let minor = kubernetes.version.minor;
    let mut found = Vec::new();
    for program in table().programs.iter().filter(|program| program.until.is_none_or(|last| minor <= last)) {
        let paths = PATH.map(|directory| format!("{directory}/{}", program.name));
        if missing(subject, &[&paths[0], &paths[1]])?.len() == paths.len() {
            let (name, packages) = (&program.name, program.packages.join("` or `"));
            let text =
                format!("kubeadm {} does not join without `{name}`: add the package `{packages}`", kubernetes.version);
            found.push(Finding::at(text, &kubernetes.location));
        }
    }
    Ok(found)
}
