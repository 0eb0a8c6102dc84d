//! What a node of a cluster needs besides its packages: places, the kubelet's condition, the kernel's configuration;
//! and the container images that it has from the start.

use crate::assemble::root::Root;
use crate::contract;
use crate::tree::Content;

/// After the package's own drop-in (10-kubeadm.conf).
const DROP_IN: &str = "/usr/lib/systemd/system/kubelet.service.d/20-nodesmith.conf";

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    for archive in root.inputs.images {
        let content = Content::Stored { digest: archive.digest, size: archive.size };
        root.content(&format!("{}/{}", contract::IMAGES, archive.file), 0o644, content)?;
    }
    if root.inputs.recipe.kubernetes.is_none() {
        return Ok(());
    }
    // kubeadm wants it enabled; until the join has written its configuration it could only fail.
    let runtime = root.inputs.recipe.node_runtime().unit;
    let condition = format!(
        "[Unit]\nConditionPathExists={}\nWants={runtime}\nAfter={runtime} nodeinit-images.service\n",
        contract::KUBELET_CONFIG
    );
    root.file(DROP_IN, 0o644, condition)?;
    root.directory("/etc/kubernetes/manifests")?;
    root.directory("/var/lib/kubelet")?;
    // kubeadm's system verification reads it where the running kernel does not offer /proc/config.gz.
    let Some(kernel) = &root.kernel else { return Ok(()) };
    let (path, config) = (format!("/usr/lib/modules/{}/config", kernel.release), kernel.config.clone());
    if config.is_empty() || root.exists(&path) { Ok(()) } else { root.file(&path, 0o644, config) }
}
