//! Whether what a node starts with is there: PID 1, mount points, the program that formats `/var`.

use super::finding::Findings;
use super::subject::{Subject, missing};
use crate::contract;

pub(super) fn init(subject: &Subject) -> Findings {
    let paths = ["/sbin/init", "/etc/systemd/system/default.target", contract::AGENT, contract::IMAGE_INFO];
    missing(subject, &paths)
}

pub(super) fn mount_points(subject: &Subject) -> Findings {
    let fixed = ["/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/var", "/var/tmp", contract::VAR_TEMPLATE];
    missing(
        subject,
        &[&fixed, subject.recipe.writable.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat(),
    )
}

pub(super) fn formatter(subject: &Subject) -> Findings {
    missing(subject, &[subject.recipe.disk.var.mkfs.path])
}
