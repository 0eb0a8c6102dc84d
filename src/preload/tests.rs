use std::io::Write;
use std::path::PathBuf;

use super::name::full_name;
use super::*;
use crate::arch::X86_64;
use crate::diag::{Location, Source};

/// What [`docker`] and [`oci`] make, with one thing changed.
struct Maker {
    files: Vec<(String, Vec<u8>)>,
}

fn sha(bytes: impl AsRef<[u8]>) -> String {
    Digest::of(bytes).to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Maker {
    fn new(files: &[(&str, &[u8])]) -> Maker {
        Maker { files: files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect() }
    }

    fn file(&mut self, path: &str) -> &mut Vec<u8> {
        &mut self.files.iter_mut().find(|(name, _)| name == path).unwrap().1
    }

    fn replace(&mut self, path: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.file(path).clone()).unwrap();
        assert!(text.contains(from));
        *self.file(path) = text.replace(from, to).into_bytes();
    }

    fn tar(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in &self.files {
            let mut header = tar::Header::new_gnu();
            match path.split_once(" -> ") {
                Some((path, target)) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_size(0);
                    builder.append_link(&mut header, path, target).unwrap();
                }
                None => {
                    header.set_size(bytes.len() as u64);
                    header.set_mode(0o644);
                    builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
                }
            }
        }
        builder.into_inner().unwrap()
    }
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", sha(layer))).collect();
    serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}})
        .to_string()
        .into_bytes()
}

fn docker() -> Maker {
    let manifest = r#"[{"Config":"config.json","RepoTags":["registry.k8s.io/pause:3.10"],"Layers":["l/layer.tar"]}]"#;
    let config = config(&[b"layer"]);
    Maker::new(&[("config.json", &config), ("l/layer.tar", b"layer"), ("manifest.json", manifest.as_bytes())])
}

fn descriptor(kind: &str, bytes: &[u8]) -> serde_json::Value {
    let digest = format!("sha256:{}", sha(bytes));
    serde_json::json!({"mediaType": format!("application/vnd.oci.image.{kind}+json"), "digest": digest, "size": bytes.len()})
}

fn blob(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", sha(bytes))
}

/// A layout whose image has an index of two platforms above it; only one of them is there.
fn oci(name: &str) -> Maker {
    let layer = gzip(b"layer");
    let config = config(&[b"layer"]);
    let manifest =
        serde_json::json!({"config": descriptor("config.v1", &config), "layers": [descriptor("layer", &layer)]});
    let manifest = manifest.to_string().into_bytes();
    let mut ours = descriptor("manifest.v1", &manifest);
    ours["platform"] = serde_json::json!({"os": "linux", "architecture": "amd64"});
    let mut other = descriptor("manifest.v1", b"elsewhere");
    other["platform"] = serde_json::json!({"os": "linux", "architecture": "arm64"});
    let platforms = serde_json::json!({"manifests": [other, ours]}).to_string().into_bytes();
    let mut named = descriptor("index.v1", &platforms);
    named["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": name});
    let index = serde_json::json!({"manifests": [named]}).to_string().into_bytes();
    Maker::new(&[
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        ("index.json", &index),
        (&blob(&platforms), &platforms),
        (&blob(&manifest), &manifest),
        (&blob(&config), &config),
        (&blob(&layer), &layer),
    ])
}

fn check(bytes: &[u8]) -> Result<Archive, Fault> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.tar");
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let location = Location::new(&Source::new("r.yaml", "x"), 0..1);
    let checked = archive(&ImageFile { path, name: "a.tar".into(), location }, &X86_64, &store).unwrap()?;
    assert_eq!(checked.digest, Digest::of(bytes));
    assert!(store.has(&checked.digest, checked.size));
    Ok(checked)
}

fn names(bytes: &[u8]) -> Vec<String> {
    check(bytes).unwrap().images.into_keys().collect()
}

fn fault(bytes: &[u8]) -> String {
    let Fault { slug, title, .. } = check(bytes).unwrap_err();
    format!("{title} [{slug}]")
}

#[test]
fn what_docker_saves_is_read_with_plain_packed_and_shared_layers() {
    let mut maker = docker();
    assert_eq!(names(&maker.tar()), ["registry.k8s.io/pause:3.10"]);
    *maker.file("l/layer.tar") = gzip(b"layer");
    assert_eq!(names(&maker.tar()), ["registry.k8s.io/pause:3.10"]);
    maker.files.retain(|(path, _)| path != "l/layer.tar");
    maker.files.push(("real/layer.tar".into(), b"layer".to_vec()));
    maker.files.push(("l/layer.tar -> ../real/layer.tar".into(), Vec::new()));
    assert_eq!(names(&maker.tar()), ["registry.k8s.io/pause:3.10"]);
    let long = format!("{}/layer.tar", "d".repeat(120));
    let mut maker = docker();
    maker.replace("manifest.json", "l/layer.tar", &long);
    maker.files.push((long, b"layer".to_vec()));
    assert_eq!(names(&maker.tar()).len(), 1);
}

#[test]
fn a_layout_is_read_as_containerd_reads_it() {
    let maker = oci("registry.k8s.io/pause:3.10");
    assert_eq!(names(&maker.tar()), ["registry.k8s.io/pause:3.10"]);
    // Docker writes both; the layout counts.
    let mut both = oci("a.example/x:1");
    both.files.extend(docker().files);
    assert_eq!(names(&both.tar()), ["a.example/x:1"]);
}

#[test]
fn names_are_completed_as_containerd_completes_them() {
    for (short, full) in [
        ("busybox", "docker.io/library/busybox:latest"),
        ("flannel/flannel:v1", "docker.io/flannel/flannel:v1"),
        ("localhost/x:1", "localhost/x:1"),
        ("a.example:5000/x/y", "a.example:5000/x/y:latest"),
        ("registry.k8s.io/pause@sha256:00", "registry.k8s.io/pause@sha256:00"),
    ] {
        assert_eq!(full_name(short), full);
    }
}

#[test]
fn what_an_import_would_trip_over_is_a_mistake() {
    let with = |change: &dyn Fn(&mut Maker)| {
        let mut maker = docker();
        change(&mut maker);
        fault(&maker.tar())
    };
    let text = with(&|maker| *maker.file("l/layer.tar") = b"other".to_vec());
    assert!(text.starts_with("the layer `l/layer.tar` is not sha256:") && text.ends_with("[image-damaged]"), "{text}");
    let text = with(&|maker| maker.files.retain(|(path, _)| path != "l/layer.tar"));
    assert_eq!(text, "the layer `l/layer.tar` is missing [image-damaged]");
    let text = with(&|maker| maker.replace("manifest.json", "[\"registry.k8s.io/pause:3.10\"]", "null"));
    assert_eq!(text, "it holds an image without a full name [image-unnamed]");
    let text = with(&|maker| {
        *maker.file("config.json") = String::from_utf8(config(&[b"layer"])).unwrap().replace("amd64", "arm64").into()
    });
    assert_eq!(text, "`registry.k8s.io/pause:3.10` is for linux/arm64, the node is linux/amd64 [image-platform]");
    let text = with(&|maker| maker.files.retain(|(path, _)| path != "manifest.json"));
    assert!(text.ends_with("[not-an-image-archive]"), "{text}");
    let text = with(&|maker| *maker.file("manifest.json") = b"[]".to_vec());
    assert!(text.ends_with("[image-unnamed]"), "{text}");
    let text = with(&|maker| maker.files.push(("l/layer.tar -> loop".into(), vec![])));
    assert_eq!(text, "the layer `l/layer.tar` is missing [image-damaged]");
    let text = with(&|maker| {
        maker.files.retain(|(path, _)| path != "l/layer.tar");
        maker.files.push(("l/41".into(), b"layer".to_vec()));
        maker.files.push(("l/layer.tar -> 0".into(), vec![]));
        maker.files.extend((0..41).map(|link| (format!("l/{link} -> {}", link + 1), vec![])));
    });
    assert_eq!(text, "the layer `l/layer.tar` is missing [image-damaged]");
    assert!(fault(&gzip(&docker().tar())).ends_with("[image-compressed]"));
    let tar = docker().tar();
    let text = fault(&tar[..1400]);
    assert!(text.ends_with("[image-damaged]"), "{text}");
    assert!(fault(&[b'x'; 2000]).contains("it cannot be read as a tar"));
    assert!(fault(b"").ends_with("[not-an-image-archive]"));
}

#[test]
fn blobs_of_a_layout_must_be_what_their_names_say() {
    assert!(fault(&oci("3.10").tar()).ends_with("[image-unnamed]"));
    let spoil = |at: usize| {
        let mut maker = oci("a.example/x:1");
        let path = maker.files[at].0.clone();
        maker.files[at].1.push(b'\n');
        let text = fault(&maker.tar());
        assert_eq!(text, format!("`{path}` is not what its name says [image-damaged]"));
        maker.files.remove(at);
        assert_eq!(fault(&maker.tar()), format!("`{path}` is missing [image-damaged]"));
    };
    (2..6).for_each(spoil);
    let mut maker = oci("a.example/x:1");
    maker.replace("index.json", "sha256:", "sha256:../");
    assert!(fault(&maker.tar()).contains("is not a SHA-256 digest"));
}

/// Every single-byte change of a small archive is either harmless or a mistake, never a panic.
#[test]
fn damaged_archives_never_panic() {
    for maker in [docker(), oci("a.example/x:1")] {
        let tar = maker.tar();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.tar");
        for at in (0..tar.len()).step_by(7) {
            let mut bytes = tar.clone();
            bytes[at] ^= 0x11;
            std::fs::write(&path, &bytes).unwrap();
            let mut file = File::open(&path).unwrap();
            if let Ok(found) = Tarball::read(&mut file).and_then(|tarball| images(&tarball, &X86_64)) {
                assert_eq!(found.len(), 1);
            }
        }
    }
}

fn world(kubernetes: &str, archives: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, anyhow::Result<Vec<Archive>>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("k.gpg"), "").unwrap();
    for (name, bytes) in archives {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    let list: Vec<&str> = archives.iter().map(|(name, _)| *name).collect();
    let text = format!(
        "nodesmith: 1\nname: n\npackages: [e2fsprogs]\nkernel: {{package: linux, line: \"6.12\"}}\n\
         repositories: {{d: {{apt: {{mirror: host, suite: s, keyring: k.gpg}}}}}}\n{kubernetes}\nimages: [{}]\n",
        list.join(", ")
    );
    let path: PathBuf = directory.path().join("r.yaml");
    std::fs::write(&path, text).unwrap();
    let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    let recipe = crate::recipe::check::check(&crate::recipe::load::load(&path).unwrap(), day).unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let archives = read(&recipe, &store);
    (directory, archives)
}

fn mistakes(result: anyhow::Result<Vec<Archive>>) -> String {
    result.unwrap_err().downcast::<Diagnostics>().unwrap().to_string()
}

#[test]
fn the_sandbox_image_is_among_the_archives_of_a_node_that_does_not_fetch_it() {
    let kubernetes = "kubernetes: {version: 1.31.4}";
    let (_directory, archives) = world(kubernetes, &[("pause.tar", docker().tar())]);
    assert_eq!(archives.unwrap()[0].file, "pause.tar");
    let (_directory, archives) = world(kubernetes, &[("x.tar", oci("a.example/x:1").tar())]);
    let text = mistakes(archives);
    assert!(text.contains("no archive holds `registry.k8s.io/pause:3.10` [no-sandbox-image]"), "{text}");
    let pulled = "kubernetes: {version: 1.31.4, pull-sandbox-image: true}";
    let (_directory, archives) = world(pulled, &[("x.tar", oci("a.example/x:1").tar())]);
    archives.unwrap();
}

#[test]
fn one_name_in_two_archives_is_a_mistake_unless_it_is_one_image() {
    let (one, mut other) = (docker(), docker());
    let (_directory, archives) = world("", &[("a.tar", one.tar()), ("b.tar", one.tar())]);
    assert_eq!(archives.unwrap().len(), 2);
    *other.file("l/layer.tar") = b"other".to_vec();
    *other.file("config.json") = config(&[b"other"]);
    let (_directory, archives) = world("", &[("a.tar", one.tar()), ("b.tar", other.tar()), ("c.tar", b"".to_vec())]);
    let text = mistakes(archives);
    let two = "two archives hold different images called `registry.k8s.io/pause:3.10` [image-in-two]";
    assert!(text.contains(two), "{text}");
    assert!(text.contains("c.tar: a tar without manifest.json"), "{text}");
}
