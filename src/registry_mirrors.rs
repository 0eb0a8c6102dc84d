//! Registry mirrors as runtimes read them: a file for each registry. The recipe and the node's metadata may both name
//! some.

use crate::runtime::{Engine, Runtime};

/// What follows the name of a registry in the path of its file.
fn ending(runtime: &Runtime) -> &'static str {
    match runtime.engine {
        Engine::Containerd => "/hosts.toml",
    }
}

/// The file for a registry.
pub fn path(runtime: &Runtime, registry: &str) -> String {
    format!("{}/{registry}{}", runtime.registries, ending(runtime))
}

/// The file that an entry of the runtime's directory of registries is, or has in it.
pub fn path_of_entry(runtime: &Runtime, entry: &str) -> String {
    path(runtime, entry.strip_suffix(ending(runtime)).unwrap_or(entry))
}

/// What stands in it.
pub fn text(runtime: &Runtime, registry: &str, mirrors: &[String]) -> String {
    match runtime.engine {
        Engine::Containerd => hosts_toml(registry, mirrors),
    }
}

/// containerd's (docs/hosts.md), `_default` being every registry without one of its own. Mirrors are asked in their
/// order, the registry itself last.
fn hosts_toml(registry: &str, mirrors: &[String]) -> String {
    let mut text = match registry {
        "_default" => String::new(),
        "docker.io" => "server = \"https://registry-1.docker.io\"\n".to_owned(),
        registry => format!("server = \"https://{registry}\"\n"),
    };
    for mirror in mirrors {
        text.push_str(&format!("\n[host.\"{mirror}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_asked_in_their_order_and_every_registry_is_its_own_server() {
        let mirrors = ["https://a".to_owned(), "http://b:5000".to_owned()];
        insta::assert_snapshot!(hosts_toml("registry.k8s.io", &mirrors), @r#"
        server = "https://registry.k8s.io"

        [host."https://a"]
          capabilities = ["pull", "resolve"]

        [host."http://b:5000"]
          capabilities = ["pull", "resolve"]
        "#);
        assert!(hosts_toml("docker.io", &[]).contains("https://registry-1.docker.io"));
        assert!(!hosts_toml("_default", &mirrors).contains("server"));
    }
}
