//! The image's identity ([`contract::IMAGE_INFO`]): one type for the builder, which fills it (`assemble/agent.rs`), and
//! for all that look into it.
//!
//! It is written with every image, so a part of another form is a failure of the world.

use std::fs;
use std::path::{Component, Path};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::contract;
use crate::runtime::Runtime;

/// What an image says of itself, and what its node needs to know; a missing part is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ImageInfo {
    pub name: String,
    pub version: String,
    pub recipe: BuiltFrom,
    /// The kernel's release, as `uname -r` says it.
    pub kernel: Option<String>,
    /// Directories that nodes can write to besides `/etc` and `/var`; the agent takes [`ImageInfo::checked_writable`].
    pub writable: Vec<String>,
    /// Archives of container images below [`contract::IMAGES`].
    pub images: Vec<Archive>,
    /// Programs that packages left to the first boot.
    pub first_boot: Vec<Once>,
    #[serde(skip_serializing_if = "Runtime::is_default")]
    pub runtime: &'static Runtime,
    /// `None`: the image has no Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<ImageKubernetes>,
    pub metadata: MetadataTrust,
}

/// The recipe that an image was built from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltFrom {
    pub name: String,
    pub version: String,
    /// Seconds since 1970.
    pub epoch: i64,
}

/// Which metadata a node believes when it has been set up with some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetadataTrust {
    /// No other: it does not look for any.
    #[default]
    Once,
    /// Of another instance id, on the device that the first came from.
    SameDevice,
    /// Of another instance id, wherever it is found.
    Always,
}

impl MetadataTrust {
    pub const WORDS: [&'static str; 3] = ["once", "same-device", "always"];

    pub fn word(self) -> &'static str {
        match self {
            MetadataTrust::Once => "once",
            MetadataTrust::SameDevice => "same-device",
            MetadataTrust::Always => "always",
        }
    }

    pub fn parse(word: &str) -> Option<MetadataTrust> {
        use MetadataTrust::{Always, Once, SameDevice};
        [Once, SameDevice, Always].into_iter().find(|it| it.word() == word)
    }
}

/// An archive of container images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    pub file: String,
    pub sha256: String,
    /// Names under which the import makes its images known.
    pub names: Vec<String>,
}

/// A program of the image that a node runs once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    pub program: String,
    pub arguments: Vec<String>,
    /// It is not run if all of these are there.
    #[serde(default)]
    pub makes: Vec<String>,
    /// A file, and the mark in it that gives way to what the program prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fills: Option<(String, String)>,
}

/// The image's side of a join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageKubernetes {
    pub version: String,
    pub kubeadm_api: KubeadmApi,
    /// The container runtime's socket, as this kubeadm wants it named.
    pub cri_socket: String,
    pub cgroup_driver: String,
    pub sandbox_image: String,
}

/// Version of kubeadm's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KubeadmApi {
    V1Beta2,
    V1Beta3,
    V1Beta4,
}

impl KubeadmApi {
    pub fn name(self) -> &'static str {
        match self {
            KubeadmApi::V1Beta2 => "v1beta2",
            KubeadmApi::V1Beta3 => "v1beta3",
            KubeadmApi::V1Beta4 => "v1beta4",
        }
    }
}

impl ImageInfo {
    /// The file's text: keys in their alphabet, whatever the order of fields.
    pub fn text(&self) -> Result<String> {
        let value = serde_json::to_value(self).context("writing the image's identity")?;
        Ok(format!("{value:#}\n"))
    }

    /// Reads the file.
    pub fn read(path: &Path) -> Result<ImageInfo> {
        let reading = || format!("reading {}", path.display());
        let bytes = fs::read(path).with_context(reading)?;
        serde_json::from_slice(&bytes).with_context(reading)
    }

    /// That of the root at `root`; an empty one if it has none.
    pub fn of_root(root: &Path) -> Result<ImageInfo> {
        let path = root.join(contract::IMAGE_INFO.trim_start_matches('/'));
        match path.try_exists() {
            Ok(false) => Ok(ImageInfo::default()),
            _ => ImageInfo::read(&path),
        }
    }

    /// The directories that the image declares writable, checked.
    ///
    /// # Errors
    /// A path that is not absolute and plain, is covered by `/etc` or `/var`, or lies in another one of the list.
    pub fn checked_writable(&self) -> Result<&[String]> {
        let mut taken = vec!["/etc", "/var", "/usr", "/run", "/dev", "/proc", "/sys"];
        // `/usr` itself may not be writable, a directory in it may (CNI plugins, flexvolumes).
        let inside_usr_is_fine = |outer: &str| outer == "/usr";
        for path in &self.writable {
            let mut parts = Path::new(path).components();
            let plain = parts.next() == Some(Component::RootDir)
                && parts.clone().count() > 0
                && parts.all(|part| matches!(part, Component::Normal(_)))
                && !path.ends_with('/');
            ensure!(plain, "the image's writable path `{path}` is not an absolute path of plain names");
            for other in &taken {
                let (inner, outer) = (Path::new(path), Path::new(other));
                if inner == outer || inner.starts_with(outer) && !inside_usr_is_fine(other) || outer.starts_with(inner)
                {
                    bail!("the image's writable path `{path}` overlaps `{other}`");
                }
            }
            taken.push(path);
        }
        Ok(&self.writable)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn kubernetes(api: KubeadmApi) -> ImageKubernetes {
        ImageKubernetes {
            version: "1.20.2".to_owned(),
            kubeadm_api: api,
            cri_socket: "/run/containerd/containerd.sock".to_owned(),
            cgroup_driver: "systemd".to_owned(),
            sandbox_image: "registry.example/pause:3.2".to_owned(),
        }
    }

    fn read(text: &str) -> Result<ImageInfo> {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(contract::IMAGE_INFO.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        ImageInfo::of_root(root.path())
    }

    #[test]
    fn every_part_is_read_or_missing() {
        let info = read(
            r#"{"name": "n", "images": [{"file": "a.tar", "sha256": "00", "names": ["x/y:1"]}],
            "first-boot": [{"program": "/usr/bin/uuidgen", "arguments": [], "fills": ["/etc/a", "mark0"]}],
            "metadata": "same-device", "kubernetes": {"version": "1.20.2", "kubeadm-api": "v1beta2",
            "cri-socket": "/run/containerd/containerd.sock", "cgroup-driver": "systemd",
            "sandbox-image": "registry.example/pause:3.2"}}"#,
        );
        let info = info.unwrap();
        assert_eq!(info.images[0].names, ["x/y:1"]);
        assert_eq!(info.metadata, MetadataTrust::SameDevice);
        assert_eq!(MetadataTrust::WORDS.map(|word| MetadataTrust::parse(word).unwrap().word()), MetadataTrust::WORDS);
        assert_eq!(info.first_boot[0].fills, Some(("/etc/a".to_owned(), "mark0".to_owned())));
        assert_eq!(info.kubernetes, Some(kubernetes(KubeadmApi::V1Beta2)));
        assert_eq!(read(&info.text().unwrap()).unwrap(), info);
        assert_eq!(read("{}").unwrap(), ImageInfo::default());
        assert_eq!(ImageInfo::of_root(tempfile::tempdir().unwrap().path()).unwrap(), ImageInfo::default());
        for broken in ["", "{\"first-boot\": [{}]}", "{\"kubernetes\": {\"version\": \"1\"}}", "{\"runtime\": \"x\"}"] {
            let error = format!("{:#}", read(broken).unwrap_err());
            assert!(error.starts_with("reading ") && error.contains("image.json: "), "{error}");
        }
    }

    #[test]
    fn writable_paths_are_plain_and_apart() {
        let read = |list: &str| {
            let info = read(&format!("{{\"name\": \"x\", \"writable\": {list}}}")).unwrap();
            info.checked_writable().map(<[String]>::len).map_err(|error| error.to_string())
        };
        assert_eq!(read("[\"/opt/cni/bin\", \"/home\", \"/usr/libexec/kubernetes\"]"), Ok(3));
        assert!(read("[\"/home/../etc\"]").unwrap_err().contains("plain names"));
        assert!(read("[\"home\"]").unwrap_err().contains("plain names"));
        assert!(read("[\"/\"]").unwrap_err().contains("plain names"));
        assert!(read("[\"/var/lib\"]").unwrap_err().contains("overlaps `/var`"));
        assert!(read("[\"/opt\", \"/opt/cni/bin\"]").unwrap_err().contains("overlaps `/opt`"));
        assert_eq!(read("[]"), Ok(0));
    }
}
