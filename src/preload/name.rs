//! Names of images.

/// A name as containerd completes it: `busybox` is `docker.io/library/busybox:latest`.
pub(super) fn full_name(name: &str) -> String {
    let (host, rest) = name.split_once('/').unwrap_or(("", name));
    let is_host = host.contains(['.', ':']) || host == "localhost";
    let name = match (host, is_host) {
        (_, true) => name.to_owned(),
        ("", false) => format!("docker.io/library/{rest}"),
        (_, false) => format!("docker.io/{name}"),
    };
    let tagged = name.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
    if tagged { name } else { format!("{name}:latest") }
}
