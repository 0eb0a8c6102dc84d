//! The record of a build: what went in, what became of it, what came out. JSON, and a function of recipe and lock alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::assemble::scripts::ScriptAccount;
use crate::recipe::{Recipe, print};
use crate::tree::content::hex;
use crate::tree::path::escape;
use crate::tree::{Digest, InodeId, Kind, Tree};

/// A finished output file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    pub name: String,
    pub size: u64,
    pub sha256: Digest,
}

/// What the manifest is made from.
#[derive(Debug)]
pub struct Record<'a> {
    pub recipe: &'a Recipe,
    /// The lock's packages and tools, in the form the lock has.
    pub lock: Value,
    pub lock_digest: Digest,
    pub kernel: &'a str,
    pub command_line: &'a str,
    pub root_hash: Digest,
    pub scripts: &'a [ScriptAccount],
    pub tree: &'a Tree,
    pub outputs: &'a [OutputFile],
    /// Of the agent that this builder brings: other builders of the same version may bring other bytes.
    pub agent_digest: Digest,
}

/// The manifest.
pub fn manifest(record: &Record<'_>) -> Value {
    let outputs: Vec<Value> = record
        .outputs
        .iter()
        .map(|file| json!({"name": file.name, "size": file.size, "sha256": file.sha256.to_string()}))
        .collect();
    json!({
        "builder": {"version": env!("CARGO_PKG_VERSION"), "agent-sha256": record.agent_digest.to_string()},
        "name": record.recipe.name,
        "version": record.recipe.version,
        "recipe": print::print(record.recipe),
        "lock": {"sha256": record.lock_digest.to_string(), "content": record.lock},
        "kernel": {"release": record.kernel, "command-line": record.command_line},
        "root-hash": record.root_hash.to_string(),
        "scripts": record.scripts.iter().map(script).collect::<Vec<_>>(),
        "files": files(record.tree),
        "outputs": outputs,
    })
}

fn script(account: &ScriptAccount) -> Value {
    json!({
        "package": account.package.to_string(),
        "script": account.script,
        "sha256": account.sha256.to_string(),
        "outcome": account.outcome.to_string(),
    })
}

/// Every path of the root with its owner, mode, digest, xattrs and where it came from.
pub fn files(tree: &Tree) -> Vec<Value> {
    let mut first: BTreeMap<InodeId, String> = BTreeMap::new();
    tree.iter()
        .map(|(path, id, inode)| {
            let mut file = json!({
                "path": path.to_string(),
                "mode": format!("{:04o}", inode.mode),
                "uid": inode.uid,
                "gid": inode.gid,
                "mtime": inode.mtime,
                "origin": &*inode.origin,
            });
            let mut set = |key: &str, value: Value| file[key] = value;
            match &inode.kind {
                Kind::Directory => set("kind", "directory".into()),
                Kind::Fifo => set("kind", "fifo".into()),
                Kind::File(content) => {
                    set("kind", "file".into());
                    set("size", content.size().into());
                    set("sha256", content.digest().to_string().into());
                }
                Kind::Symlink(target) => {
                    set("kind", "symlink".into());
                    set("target", escape(target).into());
                }
                Kind::CharDevice { major, minor } => {
                    set("kind", "char-device".into());
                    set("device", json!([major, minor]));
                }
                Kind::BlockDevice { major, minor } => {
                    set("kind", "block-device".into());
                    set("device", json!([major, minor]));
                }
            }
            if let Some(other) = first.get(&id) {
                set("hard-link-of", other.clone().into());
            }
            first.entry(id).or_insert_with(|| path.to_string());
            if !inode.xattrs.is_empty() {
                let xattrs: BTreeMap<String, String> =
                    inode.xattrs.iter().map(|(name, value)| (escape(name), hex(value))).collect();
                set("xattrs", json!(xattrs));
            }
            file
        })
        .collect()
}
