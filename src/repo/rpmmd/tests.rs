use std::fs;
use std::io::Write;
use std::path::Path;

use super::*;
use crate::package::rpm::print;
use crate::repo::fetch::Network;
use crate::repo::store::Store;
use crate::repo::testkey::TestKey;

const PRIMARY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="3">
<package type="rpm">
  <name>kubelet</name><arch>x86_64</arch>
  <version epoch="0" ver="1.20.2" rel="150500.1.1"/>
  <checksum type="sha256" pkgid="YES">aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</checksum>
  <summary>Node &amp; agent &#60;x&gt;</summary><description><![CDATA[<b>]]></description>
  <size package="22042" installed="1" archive="1"/>
  <location href="x86_64/kubelet.rpm"/>
  <format>
    <rpm:license>Apache</rpm:license>
    <rpm:provides>
      <rpm:entry name="kubelet" flags="EQ" epoch="0" ver="1.20.2" rel="150500.1.1"/>
      <rpm:entry name="node &amp; agent"/>
      <rpm:entry name="range" flags="GE" epoch="1" ver="2"/>
    </rpm:provides>
    <rpm:requires>
      <rpm:entry name="/bin/sh" pre="1"/>
      <rpm:entry name="iptables" flags="GE" epoch="0" ver="1.4.21"/>
      <rpm:entry name="rpmlib(PayloadIsXz)" flags="LE" epoch="0" ver="5.2" rel="1"/>
      <rpm:entry name="rpmlib(Teleport)" flags="LE" epoch="0" ver="9" rel="1"/>
      <rpm:entry name="/usr/bin/kubelet"/>
      <rpm:entry name="(a if b)"/>
    </rpm:requires>
    <rpm:conflicts><rpm:entry name="docker" flags="LT" epoch="2" ver="1" rel="1"/></rpm:conflicts>
    <rpm:obsoletes><rpm:entry name="kubernetes-node"/></rpm:obsoletes>
    <file>/usr/bin/kubelet</file><file type="dir">/etc/kubernetes</file>
  </format>
</package>
<package type="rpm">
  <name>other</name><arch>i686</arch><version epoch="0" ver="1" rel="1"/>
  <checksum type="sha256" pkgid="YES">bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb</checksum>
  <size package="1"/><location href="other.rpm"/><format/>
</package>
<package type="rpm">
  <name>data</name><arch>noarch</arch><version epoch="3" ver="1~rc" rel="1"/>
  <checksum type="sha256" pkgid="YES">cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc</checksum>
  <size package="7"/><location href="data.rpm"/><format/>
</package>
</metadata>
"#;

fn compress(text: &str, form: &str) -> Vec<u8> {
    let text = text.as_bytes();
    match form {
        "gz" => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        }
        "xz" => {
            let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
            out.write_all(text).unwrap();
            out.finish().unwrap()
        }
        "bz2" => {
            let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        }
        "zst" => zstd::encode_all(text, 1).unwrap(),
        _ => text.to_vec(),
    }
}

fn repomd(primary: &[u8], text: &str, href: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n<revision>1757635200</revision>\n\
         <data type=\"filelists\"><location href=\"repodata/none.gz\"/><size>1</size></data>\n\
         <data type=\"primary\"><checksum type=\"sha256\">{}</checksum><open-checksum type=\"sha256\">{}</open-checksum>\n\
         <location href=\"{href}\"/><timestamp>1</timestamp><size>{}</size></data>\n</repomd>\n",
        Digest::of(primary),
        Digest::of(text),
        primary.len()
    )
}

/// Writes a repository whose primary.xml is `text`; its directory's URL.
fn write(dir: &Path, text: &str, form: &str) -> String {
    let repodata = dir.join("repodata");
    fs::create_dir_all(&repodata).unwrap();
    let primary = compress(text, form);
    let name = if form.is_empty() { "x-primary.xml".to_owned() } else { format!("x-primary.xml.{form}") };
    fs::write(repodata.join(&name), &primary).unwrap();
    fs::write(repodata.join("repomd.xml"), repomd(&primary, text, &format!("repodata/{name}"))).unwrap();
    format!("file://{}", dir.display())
}

fn read_with(url: &str, key: Option<&Keyring>) -> Result<Snapshot> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let fetcher = Fetcher::new(&store, Network { offline: true, ..Network::default() });
    read(&Repository { name: "k8s", base_url: url, arch: "x86_64", metadata_key: key }, &fetcher, &())
}

fn refused(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    format!("{:#}", read_with(&write(dir.path(), text, "gz"), None).unwrap_err())
}

#[test]
fn every_compression_gives_the_same_offers() {
    let mut snapshots = Vec::new();
    for form in ["", "gz", "xz", "bz2", "zst"] {
        let dir = tempfile::tempdir().unwrap();
        snapshots.push(read_with(&write(dir.path(), PRIMARY, form), None).unwrap());
    }
    let first = snapshots.remove(0);
    assert_eq!((first.date.as_str(), first.signer.as_str()), ("2025-09-12", ""));
    assert!(snapshots.iter().all(|other| other.offers == first.offers));
    let [kubelet, data] = first.offers.as_slice() else { panic!("{:?}", first.offers) };
    assert_eq!((kubelet.id.to_string(), kubelet.size), ("kubelet 1.20.2-150500.1.1".to_owned(), 22042));
    assert_eq!((kubelet.path.as_str(), kubelet.repository.as_str()), ("x86_64/kubelet.rpm", "k8s"));
    let depends: Vec<String> = kubelet.depends.iter().map(|dependency| print(&dependency.0[0])).collect();
    // What it brings itself, and what this reader can do, asks nothing.
    assert_eq!(depends, ["/bin/sh", "iptables >= 1.4.21", "rpmlib(Teleport) <= 9-1", "(a if b)"]);
    assert_eq!(kubelet.conflicts.iter().map(print).collect::<Vec<_>>(), ["docker < 2:1-1"]);
    assert_eq!(kubelet.obsoletes.iter().map(print).collect::<Vec<_>>(), ["kubernetes-node"]);
    let provides: Vec<String> =
        kubelet.provides.iter().map(|it| format!("{}={}", it.name, it.version.as_deref().unwrap_or(""))).collect();
    assert_eq!(
        provides,
        ["kubelet=1.20.2-150500.1.1", "node & agent=", "range=", "/usr/bin/kubelet=", "/etc/kubernetes="]
    );
    assert_eq!(data.id.to_string(), "data 3:1~rc-1");
}

#[test]
fn signed_metadata_has_to_be_signed_by_the_pinned_key() {
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PRIMARY, "gz");
    let (key, other) = (TestKey::new(1), TestKey::new(2));
    let keyring = key.keyring();
    let slug = || match read_with(&url, Some(&keyring)) {
        Ok(snapshot) => snapshot.signer,
        Err(error) => format!("{error:#}"),
    };
    assert!(slug().contains("repomd.xml.asc of repository k8s"), "{}", slug());
    let repomd = fs::read(dir.path().join("repodata/repomd.xml")).unwrap();
    let sign = |key: &TestKey, data: &[u8]| {
        fs::write(dir.path().join("repodata/repomd.xml.asc"), key.sign_detached(data, 1_590_969_600)).unwrap();
    };
    sign(&key, &repomd);
    assert_eq!(slug(), key.fingerprint());
    sign(&other, &repomd);
    assert!(slug().ends_with("[unknown-key]"), "{}", slug());
    sign(&key, b"something else");
    assert!(slug().ends_with("[bad-signature]"), "{}", slug());
}

#[test]
fn what_is_wrong_is_named() {
    let many: String = (0..65).map(|number| format!(" a{number}=\"\"")).collect();
    let many = format!("<format{many}>");
    for (from, to, problem) in [
        ("type=\"sha256\" pkgid", "type=\"sha\" pkgid", "package `kubelet`: checksums of type `sha` are not known"),
        ("aaaaaaaa</checksum>", "</checksum>", "is no SHA-256"),
        (
            "ver=\"1.20.2\" rel=\"150500.1.1\"/>\n  <checksum",
            "ver=\"1-2\" rel=\"1\"/>\n  <checksum",
            "version or release `1-2`",
        ),
        ("<location href=\"x86_64/kubelet.rpm\"/>", "", "package `kubelet`: it has no location"),
        ("flags=\"GE\" epoch=\"0\"", "flags=\"XX\" epoch=\"0\"", "the relation to `iptables` is `XX`"),
        ("</metadata>", "", "the text ends inside `metadata`"),
        ("&amp; agent &#60;", "&evil; <", "byte"),
        ("<metadata", "<!DOCTYPE x [<!ENTITY a \"b\">]><metadata", "a document type is not allowed"),
        ("epoch=\"0\" ver=\"1.20.2\"", "epoch=\"-1\" ver=\"1.20.2\"", "the epoch `-1`"),
        ("<format>", &many, "an element with more than 64 attributes"),
    ] {
        assert!(PRIMARY.contains(from), "{from}");
        let error = refused(&PRIMARY.replace(from, to));
        assert!(error.contains(problem), "{problem}: {error}");
        assert!(error.starts_with("reading repodata/x-primary.xml.gz: "), "{error}");
    }
    let error = refused(&PRIMARY.replace("<name>kubelet", &format!("<name>{}", "x".repeat(TEXT_MAX + (1 << 18)))));
    assert!(error.contains("more than 1048576 bytes"), "{}", &error[..200]);
    let error = refused(&PRIMARY.replace("<name>", &"<a>".repeat(40)));
    assert!(error.contains("nested more than 32 deep"), "{error}");
}

#[test]
fn an_index_that_is_not_the_one_named_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PRIMARY, "gz");
    let at = dir.path().join("repodata/repomd.xml");
    let whole = fs::read_to_string(&at).unwrap();
    let after = |from: &str, to: &str| {
        assert!(whole.contains(from));
        fs::write(&at, whole.replace(from, to)).unwrap();
        format!("{:#}", read_with(&url, None).unwrap_err())
    };
    let open = Digest::of(PRIMARY).to_string();
    assert!(after(&open, &"0".repeat(64)).contains("unpacked, its digest is "));
    let primary = Digest::of(fs::read(dir.path().join("repodata/x-primary.xml.gz")).unwrap()).to_string();
    assert!(after(&primary, &"0".repeat(64)).contains("repodata/x-primary.xml.gz of repository k8s"));
    assert!(after("type=\"primary\"", "type=\"secondary\"").contains("it names no primary.xml"));
    assert!(after("repodata/x-primary.xml.gz", "../x.gz").contains("not a plain relative one"));
    assert!(after("x-primary.xml.gz", "x-primary.xml.zck").contains("x-primary.xml.zck"));
}
