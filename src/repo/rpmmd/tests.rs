use std::fs;
use std::io::Write;
use std::path::Path;

use sha2::{Digest as _, Sha512};

use super::mirrors::{Mirrors, Source, locate};
use super::xml::TEXT_MAX;
use super::*;
use crate::package::rpm::print;
use crate::repo::fetch::Network;
use crate::store::Store;
use crate::trust::Keyring;
use crate::trust::testkey::TestKey;

const PRIMARY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="3">
<package type="rpm">
  <name>kubelet</name><arch>x86_64</arch>
  <version epoch="0" ver="1.20.2" rel="150500.1.1"/>
  <checksum type="sha256" pkgid="YES">aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</checksum>
  <summary>Node &amp; agent &#60;x&gt;</summary><description><![CDATA[<b>]]></description>
  <size package="22042" installed="1" archive="1"/>
  <location href="./x86_64/kubelet.rpm"/>
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
         <data type=\"other\"><location href=\"repodata/none.gz\"/><size>1</size></data>\n\
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
    let mirrors = Mirrors::of(url);
    read(&Repository { name: "k8s", mirrors: &mirrors, arch: "x86_64", metadata_key: key }, &fetcher, &())
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
    assert!(slug().ends_with("[unknown-signer]"), "{}", slug());
    sign(&key, b"something else");
    assert!(slug().ends_with("[bad-signature]"), "{}", slug());
}

#[test]
fn what_is_wrong_is_named() {
    let many: String = (0..65).map(|number| format!(" a{number}=\"\"")).collect();
    let many = format!("<format{many}>");
    let kubelet = "<location href=\"./x86_64/kubelet.rpm\"/>";
    let based = kubelet.replace("href", "xml:base=\"https://example.org/\" href");
    for (from, to, problem, expected) in [
        (
            "type=\"sha256\" pkgid",
            "type=\"sha\" pkgid",
            "package `kubelet`: checksums of type `sha` are not known",
            "unknown-checksum",
        ),
        ("aaaaaaaa</checksum>", "</checksum>", "is no SHA-256", "bad-checksum"),
        (
            "ver=\"1.20.2\" rel=\"150500.1.1\"/>\n  <checksum",
            "ver=\"1-2\" rel=\"1\"/>\n  <checksum",
            "version or release `1-2`",
            "bad-primary",
        ),
        (kubelet, "", "package `kubelet`: it has no location", "bad-primary"),
        (kubelet, &based, "package `kubelet`: packages at another base", "other-base"),
        ("package=\"22042\"", "package=\"many\"", "package `kubelet`: its size", "bad-primary"),
        ("flags=\"GE\" epoch=\"0\"", "flags=\"XX\" epoch=\"0\"", "the relation to `iptables` is `XX`", "bad-primary"),
        ("</metadata>", "", "the text ends inside `metadata`", "xml-cut-off"),
        ("<name>kubelet", "<name>&evil; ", "the entity `evil`", "bad-xml"),
        ("<name>kubelet", "<name><b/>", "an element inside the text", "bad-xml"),
        ("</format>", "</formats>", "byte", "bad-xml"),
        ("<metadata", "<!DOCTYPE x [<!ENTITY a \"b\">]><metadata", "a document type is not allowed", "xml-doctype"),
        ("epoch=\"0\" ver=\"1.20.2\"", "epoch=\"-1\" ver=\"1.20.2\"", "the epoch `-1`", "bad-primary"),
        ("name=\"iptables\"", "name=\"ip&#27;[31m\"", "or version `ip\\u{1b}[31m` has control", "control-character"),
        ("packages=\"3\"", "packages=\"4\"", "it has 3 packages, and says that it has 4", "package-count"),
        ("packages=\"3\"", "packages=\"\"", "it has 3 packages, and says that it has ", "package-count"),
        ("<metadata", "<html><metadata", "at byte 39 of the text: it is a document `html`", "not-primary"),
        (PRIMARY, "", "at byte 0 of the text: it is no XML document", "not-primary"),
        (PRIMARY, "not found", "at byte 9 of the text: it is no XML document", "not-primary"),
        (PRIMARY, "<!DOCTYPE html><html></html>", "at byte 0 of the text: a document type", "xml-doctype"),
        ("<format>", &many, "an element with more than 64 attributes", "bad-xml"),
        ("<format>", "<format a>", "", "bad-xml"),
    ] {
        assert!(PRIMARY.contains(from), "{from}");
        let error = refused(&PRIMARY.replacen(from, to, 1));
        assert!(error.contains(problem), "{problem}: {error}");
        assert!(error.starts_with("reading repodata/x-primary.xml.gz: "), "{error}");
        assert!(error.ends_with(&format!(" [{expected}]")), "{expected}: {error}");
    }
    // What is quoted of a text is a part of it.
    let error = refused(&PRIMARY.replacen("<name>kubelet", &format!("<name>{}&#7;", "x".repeat(9000)), 1));
    assert!(error.len() < 500 && error.ends_with("…` has control characters [control-character]"), "{error}");
    // Who does not say how many packages there are is believed.
    let dir = tempfile::tempdir().unwrap();
    let uncounted = write(dir.path(), &PRIMARY.replace(" packages=\"3\"", ""), "gz");
    assert_eq!(read_with(&uncounted, None).unwrap().offers.len(), 2);
    let error = refused(&PRIMARY.replace("<name>kubelet", &format!("<name>{}", "x".repeat(TEXT_MAX + (1 << 18)))));
    assert!(error.contains("more than 1048576 bytes"), "{}", &error[..200]);
    assert!(error.ends_with(" [xml-too-long]"), "{error}");
    let error = refused(&PRIMARY.replace("<name>", &"<a>".repeat(40)));
    assert!(error.contains("nested more than 32 deep") && error.ends_with(" [xml-too-deep]"), "{error}");
}

#[test]
fn what_is_odd_about_a_package_of_another_architecture_does_not_matter() {
    let odd = "<package type=\"rpm\"><name>old</name><arch>ARCH</arch><version epoch=\"x\" ver=\"1-2\" rel=\"\"/>\
               <checksum type=\"md5\">0</checksum><size package=\"\"/><location xml:base=\"ftp://x/\" href=\"x\"/>\
               <format><rpm:requires><rpm:entry flags=\"XX\"/><rpm:entry name=\"x\" flags=\"XX\"/></rpm:requires>\
               </format></package></metadata>";
    let with = |arch: &str| {
        let dir = tempfile::tempdir().unwrap();
        let text = PRIMARY.replace("packages=\"3\"", "packages=\"4\"");
        let text = text.replace("</metadata>", &odd.replace("ARCH", arch));
        read_with(&write(dir.path(), &text, "gz"), None)
    };
    assert_eq!(with("ppc64le").unwrap().offers.len(), 2);
    assert_eq!(with("src").unwrap().offers.len(), 2);
    // The first thing that is wrong with one that counts.
    let error = with("noarch").unwrap_err();
    assert!(format!("{error:#}").contains("package `old`: version or release `1-2`"), "{error:#}");
}

#[test]
fn a_repository_has_so_many_relations_and_files_at_most() {
    let mirrors = Mirrors::of("http://mirror.example.org/");
    let repository = Repository { name: "k8s", mirrors: &mirrors, arch: "x86_64", metadata_key: None };
    let within = |most: usize| primary::parse_within(PRIMARY.as_bytes(), &repository, most);
    let count = PRIMARY.matches("<rpm:entry").count() + PRIMARY.matches("<file").count();
    assert_eq!(within(count).unwrap().len(), 2);
    let error = within(count - 1).unwrap_err();
    assert_eq!(slug(&error), "too-large");
    let expected = format!("package `kubelet`: the repository has more than {} relations or files", count - 1);
    assert!(format!("{error:#}").starts_with(&expected), "{error:#}");
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
    assert!(after("type=\"primary\"", "type=\"secondary\"").contains("it names no primary.xml [no-primary]"));
    assert!(after("repodata/x-primary.xml.gz", "../x.gz").ends_with("not a plain relative one [bad-path]"));
    assert!(after("x-primary.xml.gz", "x-primary.xml.zck").contains("x-primary.xml.zck"));
}

/// An error's slug, in whatever form it is there.
fn slug(error: &Error) -> String {
    let text = format!("{error:#}");
    text.rsplit_once('[').and_then(|(_, end)| end.strip_suffix(']')).unwrap_or(&text).to_owned()
}

#[test]
fn every_lie_of_the_entry_point_has_its_own_name() {
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PRIMARY, "gz");
    let at = dir.path().join("repodata/repomd.xml");
    let size = PRIMARY.len();
    let whole = fs::read_to_string(&at).unwrap();
    // The good twin of everything below.
    let whole =
        whole.replace("</size></data>\n</repomd>", &format!("</size><open-size>{size}</open-size></data>\n</repomd>"));
    fs::write(&at, &whole).unwrap();
    assert_eq!(read_with(&url, None).unwrap().offers.len(), 2);
    let open_digest = Digest::of(PRIMARY).to_string();
    let digest = Digest::of(fs::read(dir.path().join("repodata/x-primary.xml.gz")).unwrap()).to_string();
    let open = |size: u64| format!("<open-size>{size}<");
    let honest = open(size as u64);
    for (from, to, expected) in [
        ("<repomd", "<html", "not-repomd"),
        (whole.as_str(), "Not found", "not-repomd"),
        ("type=\"primary\"", "type=\"primary_db\"", "no-primary"),
        ("<location href=\"repodata/x-primary.xml.gz\"/>", "", "incomplete-repomd"),
        ("href=\"repodata/x-p", "xml:base=\"https://example.org/\" href=\"repodata/x-p", "other-base"),
        (
            &format!("<checksum type=\"sha256\">{digest}"),
            &format!("<checksum type=\"md5\">{digest}"),
            "unknown-checksum",
        ),
        (&digest, "abc", "bad-checksum"),
        (&honest, "<open-size>ten<", "bad-repomd"),
        (&open_digest, &"0".repeat(64), "open-digest"),
        (&honest, &open(10), "open-size"),
        (&honest, &open(size as u64 + 1), "open-size"),
        (&honest, &open((512 << 20) + 1), "too-large"),
        ("<revision>", "<!DOCTYPE x><revision>", "xml-doctype"),
        ("</repomd>", "", "xml-cut-off"),
    ] {
        assert!(whole.contains(from), "{from}");
        fs::write(&at, whole.replace(from, to)).unwrap();
        let error = read_with(&url, None).unwrap_err();
        assert_eq!(slug(&error), expected, "{from} → {to}: {error:#}");
    }
}

#[test]
fn files_are_what_their_first_bytes_say() {
    let entry = |file: &[u8]| -> Result<Snapshot> {
        let dir = tempfile::tempdir().unwrap();
        let url = write(dir.path(), PRIMARY, "gz");
        fs::write(dir.path().join("repodata/x-primary.xml.gz"), file).unwrap();
        fs::write(dir.path().join("repodata/repomd.xml"), repomd(file, PRIMARY, "repodata/x-primary.xml.gz")).unwrap();
        read_with(&url, None)
    };
    for form in ["", "gz", "xz", "bz2", "zst"] {
        assert_eq!(entry(&compress(PRIMARY, form)).unwrap().offers.len(), 2, "{form}");
    }
    for form in ["gz", "xz", "bz2", "zst"] {
        let whole = compress(PRIMARY, form);
        let error = entry(&whole[..whole.len() - 9]).unwrap_err();
        assert_eq!(slug(&error), "damaged-stream", "{form}: {error:#}");
        assert_eq!(format!("{error:#}").matches("[damaged-stream]").count(), 1, "{error:#}");
    }
    assert_eq!(slug(&entry(b"\0ZCK1rest").unwrap_err()), "zchunk-only");
    assert_eq!(slug(&entry(b"PK\x03\x04\0\0").unwrap_err()), "unknown-compression");
}

#[test]
fn a_copy_in_zchunk_is_left_out_where_there_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PRIMARY, "zst");
    let at = dir.path().join("repodata/repomd.xml");
    let whole = fs::read_to_string(&at).unwrap();
    let zck = whole[whole.find("<data type=\"primary\"").unwrap()..].replace("xml.zst", "xml.zck");
    fs::write(
        &at,
        whole.replace(
            "<data type=\"primary\"",
            &format!("{}<data type=\"primary\"", &zck[..zck.find("</repomd>").unwrap()]),
        ),
    )
    .unwrap();
    assert_eq!(read_with(&url, None).unwrap().offers.len(), 2);
}

const ONE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn lists_of_files_are_read_only_when_a_path_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PRIMARY, "gz");
    let other = "b".repeat(64);
    let text = format!(
        "<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\" packages=\"2\">\n\
         <package pkgid=\"{ONE}\" name=\"kubelet\" arch=\"x86_64\"><version epoch=\"0\" ver=\"1\" rel=\"1\"/>\n\
         <file>/usr/bin/kubelet</file><file type=\"dir\">/etc/kubernetes</file><file>/usr/share/a&amp;b</file></package>\n\
         <package pkgid=\"{other}\" name=\"x\" arch=\"noarch\"><file>/usr/bin/x</file></package></filelists>\n"
    );
    let at = dir.path().join("repodata/repomd.xml");
    let file = compress(&text, "zst");
    let whole = fs::read_to_string(&at).unwrap();
    let entry = repomd(&file, &text, "repodata/files").replace("\"primary\"", "\"filelists\"");
    let from = entry.find("<data type=\"filelists\"><checksum").unwrap();
    let old = "<data type=\"other\"><location href=\"repodata/none.gz\"/><size>1</size></data>\n";
    assert!(whole.contains(old));
    fs::write(&at, whole.replace(old, &entry[from..entry.find("</repomd>").unwrap()])).unwrap();

    let store_dir = tempfile::tempdir().unwrap();
    let store = Store::open(store_dir.path()).unwrap();
    let fetcher = Fetcher::new(&store, Network { offline: true, ..Network::default() });
    let mirrors = Mirrors::of(&url);
    let repository = Repository { name: "k8s", mirrors: &mirrors, arch: "x86_64", metadata_key: None };
    // It is not there yet, and nobody asks for it.
    let metadata = read(&repository, &fetcher, &()).unwrap().metadata.unwrap();
    let wanted = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    assert!(filelists(&metadata, &wanted(&[]), &fetcher, &()).unwrap().is_empty());
    let error = filelists(&metadata, &wanted(&["/usr/bin/x"]), &fetcher, &()).unwrap_err();
    assert!(format!("{error:#}").contains("repodata/files of repository k8s"), "{error:#}");
    fs::write(dir.path().join("repodata/files"), &file).unwrap();
    let found = filelists(&metadata, &wanted(&["/usr/share/a&b", "/etc/kubernetes", "/none"]), &fetcher, &()).unwrap();
    let one = Digest::parse(ONE).unwrap();
    assert_eq!(found, [(one, vec!["/etc/kubernetes".to_owned(), "/usr/share/a&b".to_owned()])].into());
    let both = filelists(&metadata, &wanted(&["/usr/bin/kubelet", "/usr/bin/x"]), &fetcher, &()).unwrap();
    assert_eq!(both.keys().copied().collect::<Vec<_>>(), [one, Digest::parse(&other).unwrap()]);

    // The same, but for one thing that is wrong.
    let refused = |text: &str, open: &str| {
        let file = compress(text, "zst");
        fs::write(dir.path().join("repodata/files"), &file).unwrap();
        let entry = repomd(&file, open, "repodata/files").replace("\"primary\"", "\"filelists\"");
        fs::write(&at, whole.replace(old, &entry[from..entry.find("</repomd>").unwrap()])).unwrap();
        let metadata = read(&repository, &fetcher, &()).unwrap().metadata.unwrap();
        match filelists(&metadata, &wanted(&["/usr/bin/x"]), &fetcher, &()) {
            Ok(found) => format!("{} found", found.len()),
            Err(error) => slug(&error),
        }
    };
    assert_eq!(refused(&text, &text), "1 found");
    let other_root = text.replace("filelists", "otherdata");
    assert_eq!(refused(&other_root, &other_root), "not-filelists");
    assert_eq!(refused(&text, "another text"), "open-digest");
    let short = text.replace(&other, "bbbb");
    assert_eq!(refused(&short, &short), "bad-pkgid");
    let nobody = text.replace("<package pkgid", "<file>/x</file><package pkgid");
    assert_eq!(refused(&nobody, &nobody), "bad-pkgid");
}

/// A metalink of these mirrors (preference, URL) for a file with these contents, and for earlier ones.
fn metalink(file: &[u8], earlier: &[&[u8]], mirrors: &[(&str, String)]) -> String {
    let hashes = |file: &[u8]| {
        format!(
            "<size>{}</size><verification><hash type=\"md5\">00</hash><hash type=\"sha256\">{}</hash></verification>",
            file.len(),
            Digest::of(file)
        )
    };
    let alternates: String =
        earlier.iter().map(|file| format!("<mm0:alternate>{}</mm0:alternate>", hashes(file))).collect();
    let url = |(preference, base): &(&str, String)| {
        format!("<url protocol=\"x\" preference=\"{preference}\">{base}/repodata/repomd.xml</url>\n")
    };
    format!(
        "<?xml version=\"1.0\"?>\n<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\"><files>\
         <file name=\"repomd.xml\"><mm0:timestamp>1</mm0:timestamp>{}<mm0:alternates>{alternates}</mm0:alternates>\
         <resources maxconnections=\"1\">{}</resources></file></files></metalink>\n",
        hashes(file),
        mirrors.iter().map(url).collect::<String>()
    )
}

/// The bases that a list with this text gives.
fn located(kind: &str, text: &str, authentic: bool) -> Result<Mirrors> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let fetcher = Fetcher::new(&store, Network { offline: true, ..Network::default() });
    fs::write(dir.path().join("list"), text).unwrap();
    let url = format!("file://{}/list", dir.path().display());
    let source = if kind == "metalink" { Source::Metalink(&url) } else { Source::Mirrorlist(&url) };
    locate("k8s", source, "x86_64", authentic, &fetcher, &())
}

#[test]
fn lists_of_mirrors_are_read_in_their_order() {
    let text = "# Rocky\nhttps://b.example/os/\n\n http://a.example/os \nrsync://c.example/os\nhttps://b.example/os/\n";
    let bases = |text: &str, authentic| located("mirrorlist", text, authentic).unwrap().bases;
    assert_eq!(bases(text, false), ["https://b.example/os/", "http://a.example/os"]);
    assert_eq!(bases(text, true), ["https://b.example/os/"]);
    let text = "https://a.example/$basearch/${basearch}/os$arch\nhttps://a.example/x86_64/x86_64/osx86_64\n";
    assert_eq!(bases(text, false), ["https://a.example/x86_64/x86_64/osx86_64"]);
    let many: String = (0..20).map(|number| format!("https://m{number}.example/\n")).collect();
    assert_eq!(bases(&many, false).len(), 8);
    for (text, expected) in [
        ("", "no-mirror"),
        ("# nothing\nftp://a.example/os\n", "no-mirror"),
        ("invalid repo or arch\n", "bad-mirrorlist"),
        ("<html>http://x</html>", "bad-mirrorlist"),
        ("https://a.example/$releasever/os\n", "bad-mirrorlist"),
        ("https://a.example/$/os\n", "bad-mirrorlist"),
        ("https://a.example/$basearchs/os\n", "bad-mirrorlist"),
        ("https://a.example/${basearch\n", "bad-mirrorlist"),
    ] {
        assert_eq!(slug(&located("mirrorlist", text, false).unwrap_err()), expected, "{text}");
    }
    let plain = located("mirrorlist", "http://a.example/os\n", true).unwrap_err();
    assert_eq!(slug(&plain), "no-mirror");
}

#[test]
fn a_metalink_says_which_files_its_mirrors_may_have() {
    let of = |base: &str| base.to_owned();
    let mirrors = [
        ("90", of("http://slow.example/os")),
        ("100", of("http://plain.example/os")),
        ("100", of("https://fast.example/os")),
        ("100", of("rsync://fast.example/os")),
        ("99.5", of("https://odd.example/os")),
    ];
    let text = metalink(b"new", &[b"old"], &mirrors);
    let found = located("metalink", &text, true).unwrap();
    let in_order = ["https://fast.example/os", "http://plain.example/os", "http://slow.example/os"];
    assert_eq!(found.bases, [&in_order[..], &["https://odd.example/os"]].concat());
    assert!(found.accepts(b"new") && found.accepts(b"old") && !found.accepts(b"ned"));
    assert!(!located("metalink", &text.replace("<size>3</size>", "<size>4</size>"), true).unwrap().accepts(b"new"));
    let with_sha512 = |of: &str| {
        let hash = crate::hex::encode(&Sha512::digest(of));
        let both =
            text.replace("</verification><mm0", &format!("<hash type=\"sha512\">{hash}</hash></verification><mm0"));
        assert_ne!(both, text);
        // With the other hash, and alone.
        let alone = both.replace("type=\"sha256\"", "type=\"sha1\"");
        [both, alone].map(|text| located("metalink", &text, true).unwrap().accepts(b"new"))
    };
    assert_eq!(with_sha512("new"), [true, true]);
    assert_eq!(with_sha512("other"), [false, false]);
    for (from, to, expected) in [
        ("sha256", "sha1", "metalink-hash"),
        ("type=\"sha256\">", "type=\"sha256\">x", "metalink-hash"),
        ("<metalink", "<html", "not-metalink"),
        (text.as_str(), "Bad repo or arch", "not-metalink"),
        ("/repodata/repomd.xml</url>", "/else.xml</url>", "no-mirror"),
        ("</files>", "", "bad-xml"),
    ] {
        let error = located("metalink", &text.replace(from, to), true).unwrap_err();
        assert!(slug(&error).contains(expected), "{expected}: {error:#}");
    }
}

#[test]
fn a_mirror_that_answers_with_a_page_is_left_out() {
    let (page, good) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let urls = [&page, &good].map(|dir| write(dir.path(), PRIMARY, "gz"));
    fs::write(page.path().join("repodata/repomd.xml"), "<!DOCTYPE html><html><p>Moved</html>").unwrap();
    let found = located("mirrorlist", &urls.join("\n"), false).unwrap();
    assert_eq!(found.bases, urls);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let fetcher = Fetcher::new(&store, Network { offline: true, ..Network::default() });
    let read = |mirrors: &Mirrors| {
        read(&Repository { name: "k8s", mirrors, arch: "x86_64", metadata_key: None }, &fetcher, &())
    };
    assert_eq!(read(&found).unwrap().offers.len(), 2);
    assert_eq!(slug(&read(&Mirrors::of(&urls[0])).unwrap_err()), "xml-doctype");
}

#[test]
fn the_first_mirror_with_the_right_entry_point_decides_and_files_come_from_any() {
    let (stale, good, wrong) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let urls = [&wrong, &stale, &good].map(|dir| write(dir.path(), PRIMARY, "gz"));
    let at = |dir: &tempfile::TempDir| dir.path().join("repodata/repomd.xml");
    fs::write(at(&wrong), repomd(b"x", "x", "repodata/x")).unwrap();
    let right = fs::read(at(&good)).unwrap();
    // The best mirror has no primary.xml any more.
    fs::remove_file(stale.path().join("repodata/x-primary.xml.gz")).unwrap();
    let mirrors: Vec<(&str, String)> = ["30", "20", "10"].into_iter().zip(urls.clone()).collect();
    let text = metalink(&right, &[], &mirrors);
    let found = located("metalink", &text, true).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let fetcher = Fetcher::new(&store, Network { offline: true, ..Network::default() });
    let read = |mirrors: &Mirrors| {
        read(&Repository { name: "k8s", mirrors, arch: "x86_64", metadata_key: None }, &fetcher, &())
    };
    let snapshot = read(&found).unwrap();
    assert_eq!((snapshot.offers.len(), snapshot.sha256), (2, Digest::of(&right)));
    fs::write(at(&stale), "<repomd/>").unwrap();
    fs::write(at(&good), "<repomd/>").unwrap();
    let error = read(&found).unwrap_err();
    assert_eq!(slug(&error), "metalink-mismatch");
    assert!(format!("{error:#}").starts_with("none of 3 mirrors can be used; "), "{error:#}");
}
