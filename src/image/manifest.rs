//! The manifest of an image: what went in, what became of it, what came out.
//!
//! The value is what everybody works with: `record` makes it, `inspect` compares an image with it, `scripts` shows parts
//! of it. [`Manifest::print`] gives the JSON that lies beside an image, [`Manifest::parse`] reads that back; any other
//! form of the same record is one more function of the value.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::outputs::OutputFile;
use crate::assemble::scripts::Change;
use crate::image_info::KubeadmApi;
use crate::tree::Digest;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    pub builder: Builder,
    /// Of the image.
    pub name: String,
    pub version: String,
    /// With every default, as [`crate::recipe::print::print`] has it.
    pub recipe: Value,
    pub lock: Lock,
    pub kernel: Kernel,
    pub root_hash: Digest,
    pub pcr_11: Pcr11,
    /// What the programs on the EFI system partition are signed with, if they are.
    pub secure_boot: Option<SecureBoot>,
    pub kubernetes: Option<Kubernetes>,
    /// Archives of container images.
    pub images: Vec<ImageArchive>,
    pub scripts: Vec<Script>,
    /// Every path of the root, in the tree's order.
    pub files: Vec<FileRecord>,
    /// All files of the image but the manifest, in the order in which they were written.
    pub outputs: Vec<OutputFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Builder {
    pub version: String,
    /// Of the agent that this builder brings: other builders of the same version may bring other bytes.
    pub agent_sha256: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Of the lock's text.
    pub sha256: Digest,
    /// What it says, in the lock's own form.
    pub content: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kernel {
    /// `uname -r`
    pub release: String,
    pub command_line: String,
}

/// What register 11 of a TPM holds once the unified kernel image has started its kernel. It stays: a node measures no
/// phases of its boot, which systemd would in its own initrd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pcr11 {
    /// In the bank of SHA-256.
    Sha256(Digest),
    /// Why nobody can tell.
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecureBoot {
    /// Subject of the certificate.
    pub signer: String,
    /// Of the certificate's DER.
    pub certificate_sha256: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kubernetes {
    pub version: String,
    pub kubeadm_api: KubeadmApi,
    pub packages: Vec<KubernetesPackage>,
}

/// A package of Kubernetes, as the lock has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesPackage {
    pub name: String,
    pub version: String,
    pub arch: String,
    pub repository: String,
    pub sha256: String,
    /// Fingerprint of the key that signed the package, or else its repository.
    pub signer: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageArchive {
    pub file: String,
    pub size: u64,
    pub sha256: Digest,
    pub images: Vec<ContainerImage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerImage {
    pub name: String,
    /// `sha256:…`
    pub digest: String,
}

/// A script of a package, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Name and version.
    pub package: String,
    pub script: String,
    pub sha256: Digest,
    pub outcome: String,
    /// What it changed, by path.
    pub changes: BTreeMap<String, Change>,
    /// What its programs did not do as on a running system.
    pub programs: Vec<Program>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    pub program: String,
    pub was: String,
    pub why: String,
}

/// A path of the root with its owner, mode, content, xattrs and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileRecord {
    /// With escapes, as [`crate::tree::path::escape`] writes them.
    pub path: String,
    /// Four octal digits.
    pub mode: String,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    pub origin: String,
    #[serde(flatten)]
    pub kind: FileKind,
    /// The first path with the same inode, at the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_link_of: Option<String>,
    /// Name → value in hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FileKind {
    Directory,
    Fifo,
    File {
        size: u64,
        sha256: Digest,
    },
    /// With escapes.
    Symlink {
        target: String,
    },
    /// Major and minor number.
    CharDevice {
        device: (u32, u32),
    },
    BlockDevice {
        device: (u32, u32),
    },
}

impl Manifest {
    pub fn parse(text: &[u8]) -> anyhow::Result<Manifest> {
        serde_json::from_slice(text).context("this is no manifest")
    }

    /// The text beside an image.
    pub fn print(&self) -> anyhow::Result<String> {
        // By way of a map, whose keys are sorted: the order of the fields above is for people.
        let value = serde_json::to_value(self).context("writing the manifest")?;
        Ok(serde_json::to_string_pretty(&value).context("writing the manifest")? + "\n")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// Of a small image: one of everything.
    pub(crate) fn manifest() -> Manifest {
        let digest = Digest([0xab; 32]);
        let file = |path: &str, kind: FileKind| FileRecord {
            path: path.to_owned(),
            mode: "0644".to_owned(),
            uid: 0,
            gid: 7,
            mtime: -1,
            origin: "kmod 1".to_owned(),
            kind,
            hard_link_of: None,
            xattrs: BTreeMap::new(),
        };
        let kinds = [
            FileKind::Directory,
            FileKind::Fifo,
            FileKind::File { size: 3, sha256: digest },
            FileKind::Symlink { target: "b".to_owned() },
            FileKind::CharDevice { device: (1, 3) },
            FileKind::BlockDevice { device: (8, 0) },
        ];
        let mut files: Vec<FileRecord> =
            kinds.into_iter().enumerate().map(|(number, kind)| file(&format!("/{number}"), kind)).collect();
        let linked = FileRecord {
            hard_link_of: Some("/2".to_owned()),
            xattrs: BTreeMap::from([("user.a".to_owned(), "01".to_owned())]),
            ..file("/6", files[2].kind.clone())
        };
        files.push(linked);
        Manifest {
            builder: Builder { version: "0.1.0".to_owned(), agent_sha256: digest },
            name: "x".to_owned(),
            version: "1".to_owned(),
            recipe: json!({"name": "x"}),
            lock: Lock { sha256: digest, content: json!({"packages": []}) },
            kernel: Kernel { release: "6.12".to_owned(), command_line: "quiet".to_owned() },
            root_hash: digest,
            pcr_11: Pcr11::Sha256(digest),
            secure_boot: Some(SecureBoot { signer: "CN=a".to_owned(), certificate_sha256: digest }),
            kubernetes: None,
            images: vec![],
            scripts: vec![Script {
                package: "a 1".to_owned(),
                script: "postinst".to_owned(),
                sha256: digest,
                outcome: "interpreted".to_owned(),
                changes: BTreeMap::from([("/etc/a".to_owned(), Change::Made)]),
                programs: vec![Program { program: "ldconfig".to_owned(), was: "done".to_owned(), why: "w".to_owned() }],
            }],
            files,
            outputs: vec![OutputFile { name: "x.raw".to_owned(), size: 9, sha256: digest }],
        }
    }

    #[test]
    fn a_manifest_is_read_back_as_it_was_written() {
        let text = manifest().print().unwrap();
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest());
        let error = format!("{:#}", Manifest::parse(b"{\"name\": \"x\"}").unwrap_err());
        assert!(error.contains("no manifest: missing field"), "{error}");
    }

    #[test]
    fn keys_are_sorted_and_what_a_file_has_not_is_left_out() {
        let mut short = manifest();
        short.files.drain(..6);
        short.scripts.clear();
        let text = short.print().unwrap().replace(&"ab".repeat(32), "…");
        insta::assert_snapshot!(text, @r#"
        {
          "builder": {
            "agent-sha256": "…",
            "version": "0.1.0"
          },
          "files": [
            {
              "gid": 7,
              "hard-link-of": "/2",
              "kind": "file",
              "mode": "0644",
              "mtime": -1,
              "origin": "kmod 1",
              "path": "/6",
              "sha256": "…",
              "size": 3,
              "uid": 0,
              "xattrs": {
                "user.a": "01"
              }
            }
          ],
          "images": [],
          "kernel": {
            "command-line": "quiet",
            "release": "6.12"
          },
          "kubernetes": null,
          "lock": {
            "content": {
              "packages": []
            },
            "sha256": "…"
          },
          "name": "x",
          "outputs": [
            {
              "name": "x.raw",
              "sha256": "…",
              "size": 9
            }
          ],
          "pcr-11": {
            "sha256": "…"
          },
          "recipe": {
            "name": "x"
          },
          "root-hash": "…",
          "scripts": [],
          "secure-boot": {
            "certificate-sha256": "…",
            "signer": "CN=a"
          },
          "version": "1"
        }
        "#);
    }

    /// Another form of a manifest, such as SPDX or a page for people, is a function like this one.
    #[test]
    fn another_form_is_a_function_of_the_value() {
        fn sums(manifest: &Manifest) -> String {
            let regular = manifest.files.iter().filter_map(|file| match file.kind {
                FileKind::File { sha256, .. } => Some(format!("{sha256}  .{}\n", file.path)),
                _ => None,
            });
            regular.collect()
        }
        let text = sums(&manifest());
        assert_eq!(text.lines().map(|line| &line[64..]).collect::<Vec<_>>(), ["  ./2", "  ./6"]);
    }
}
