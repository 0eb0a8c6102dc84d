//! The systemd units of the agent. The builder puts each text into the image's `/usr/lib/systemd/system` and makes the
//! link that its `[Install]` asks for.
//!
//! Every systemd from 230 on takes them. What the boot waits for is `Type=notify` ([`super::notify`]): `oneshot` with
//! `Restart=` is refused before 244, and then the unit is not there at all.

use crate::runtime::Runtime;

/// File name and text of each, on a node with this container runtime.
pub fn units(runtime: &Runtime) -> [(&'static str, String); 4] {
    [
        ("nodeinit-first-boot.service", FIRST_BOOT.to_owned()),
        ("nodeinit-images.service", images(runtime)),
        ("nodeinit-join.service", join(runtime)),
        ("nodeinit-ready.service", ready(runtime)),
    ]
}

/// Before everything that the metadata decides: names, network, time, host keys, and what `write_files` may configure
/// (modules, sysctls). It finds its devices itself, so it
/// needs udev only to have been started. A failure is tried again, beside a boot that goes on; a mistake (exit 1) is
/// final.
const FIRST_BOOT: &str = "\
[Unit]
Description=First boot of the node: apply its metadata
DefaultDependencies=no
Wants=network-pre.target
After=local-fs.target systemd-udevd.service systemd-udev-trigger.service
Before=sysinit.target network-pre.target systemd-networkd.service systemd-timesyncd.service chrony.service chronyd.service
Before=systemd-modules-load.service systemd-sysctl.service
Before=ssh.service sshd.service
Conflicts=shutdown.target
Before=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=notify
RemainAfterExit=yes
ExecStart=/usr/lib/nodesmith/nodeinit first-boot
TimeoutStartSec=5min
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=1

[Install]
WantedBy=sysinit.target
";

/// Only on nodes that have archives. Ordered before what needs the images, but a failure does not hold it back.
fn images(runtime: &Runtime) -> String {
    let unit = runtime.unit;
    format!(
        "\
[Unit]
Description=Give {runtime} the container images of this node
ConditionDirectoryNotEmpty=/usr/share/nodesmith/images
Wants={unit}
After={unit}
Before=kubelet.service nodeinit-join.service
StartLimitIntervalSec=0

[Service]
Type=notify
RemainAfterExit=yes
ExecStart=/usr/lib/nodesmith/nodeinit images
TimeoutStartSec=30min
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
"
    )
}

/// Beside the boot, which does not wait for a cluster. Without a request, which goes with the join, or the
/// word of its refusal, which is shown at each boot, it does nothing.
fn join(runtime: &Runtime) -> String {
    let unit = runtime.unit;
    format!(
        "\
[Unit]
Description=Join the node to its Kubernetes cluster
ConditionPathExists=|/var/lib/nodeinit/join.json
ConditionPathExists=|/var/lib/nodeinit/join-refused
Wants=network-online.target
After=nodeinit-first-boot.service network-online.target {unit} nodeinit-images.service
StartLimitIntervalSec=0

[Service]
Type=simple
ExecStart=/usr/lib/nodesmith/nodeinit join
RemainAfterExit=yes
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=1

[Install]
WantedBy=multi-user.target
"
    )
}

fn ready(runtime: &Runtime) -> String {
    let unit = runtime.unit;
    format!(
        "\
[Unit]
Description=Report when the node is ready
Wants=network-online.target
After=nodeinit-first-boot.service network-online.target {unit}

[Service]
Type=simple
ExecStart=/usr/lib/nodesmith/nodeinit ready
RemainAfterExit=yes

[Install]
WantedBy=multi-user.target
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::exit_code;
    use crate::contract;
    use crate::runtime::CONTAINERD;

    #[test]
    fn what_is_tried_again_is_no_oneshot() {
        for (name, text) in units(&CONTAINERD) {
            assert!(!text.contains("Type=oneshot\n") || !text.contains("Restart="), "{name}");
        }
        // Others are ordered behind them, until they say that they are done.
        for unit in [FIRST_BOOT.to_owned(), images(&CONTAINERD)] {
            assert!(unit.contains("Before=") && unit.contains("Type=notify\n"));
        }
    }

    #[test]
    fn the_units_start_the_agent_of_the_contract() {
        for (name, text) in units(&CONTAINERD) {
            assert!(text.contains(&format!("ExecStart={} ", contract::AGENT)), "{name}");
            assert!(text.contains("[Install]\nWantedBy="), "{name}");
        }
        for unit in [FIRST_BOOT.to_owned(), join(&CONTAINERD)] {
            assert!(unit.contains(&format!("RestartPreventExitStatus={}\n", exit_code::MISTAKE)));
        }
        for path in [contract::JOIN_REQUEST, contract::JOIN_REFUSED] {
            assert!(join(&CONTAINERD).contains(&format!("ConditionPathExists=|{path}\n")));
        }
        assert!(images(&CONTAINERD).contains(&format!("ConditionDirectoryNotEmpty={}\n", contract::IMAGES)));
    }
}
