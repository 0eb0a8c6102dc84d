//! Builds the node's agent, statically linked, so that the builder can embed it.
//!
//! A second cargo runs in a target directory of its own, because the agent needs other features and other linker flags
//! than the builder. The features of this build must not reach it, or it would build an agent again, for ever.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_BUILDER").is_none() {
        return;
    }
    for input in [
        "src/agent",
        "src/base64.rs",
        "src/bin/nodeinit.rs",
        "src/contract.rs",
        "src/diag.rs",
        "src/hex.rs",
        "src/image_info.rs",
        "src/netdisk_index.rs",
        "src/pem.rs",
        "src/registry_mirrors.rs",
        "src/root_hash.rs",
        "src/runtime.rs",
        "src/shape.rs",
        "src/slot.rs",
        "src/spelling.rs",
        "src/ssh_key.rs",
        "src/var_filesystem.rs",
        "src/verity_superblock.rs",
        "src/words.rs",
        "src/yaml.rs",
        "src/lib.rs",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={input}");
    }
    let target_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("agent");
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_FEATURE_") || text.starts_with("CARGO_CFG_") || text == "CARGO_ENCODED_RUSTFLAGS" {
            cargo.env_remove(&name);
        }
    }
    cargo.args([
        "rustc",
        "--quiet",
        "--release",
        "--locked",
        "--bin",
        "nodeinit",
        "--no-default-features",
        "--target-dir",
    ]);
    cargo.arg(&target_dir).args(["--", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"]);
    // Paths of this machine do not belong in an image.
    let home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")));
    let source = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let mut remap = format!("--remap-path-prefix={source}=/nodesmith");
    if let Ok(home) = home {
        remap.push_str(&format!("\u{1f}--remap-path-prefix={home}=/cargo"));
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remap);
    let status = cargo.status().expect("cargo runs, because it is running this");
    assert!(status.success(), "building the agent failed: {status}");
    println!("cargo::rustc-env=NODEINIT={}", target_dir.join("release/nodeinit").display());
}
