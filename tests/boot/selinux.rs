//! The quickstart node with SELinux, on Debian's policy: the guest finds the mode of the recipe, the policy's labels in
//! the root, `/etc` and `/var`, and every service in its domain.

use std::process::Command;

use crate::node::assert_green_with;
use crate::support::{boot, build};

#[test]
fn a_node_with_selinux_has_the_labels_and_domains_of_its_policy_over_a_reboot() {
    let made = Command::new("ci/selinux-policy").arg("target/selinux-policy").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let image = build("tests/boot/recipes/selinux.yaml".as_ref(), "selinux", "selinux.lock");
    let run = boot("selinux", &image.with_extension("raw"), "node-7", &["--firmware", "direct"]);
    assert_green_with(&run, "(vfat)", 6);
}
