use std::io::Write;

use super::*;
use crate::package::{FileKind, Owner};

/// Builds debs in memory, also for the tests of repositories.
pub(crate) struct DebBuilder {
    control: String,
    members: Vec<(String, Vec<u8>)>,
    data: tar::Builder<Vec<u8>>,
}

impl DebBuilder {
    pub(crate) fn new(name: &str, version: &str) -> DebBuilder {
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.org>\n\
             Description: a test\n of packages\n"
        );
        DebBuilder { control, members: Vec::new(), data: tar::Builder::new(Vec::new()) }
    }

    pub(crate) fn member(mut self, name: &str, text: &str) -> DebBuilder {
        self.members.push((name.to_owned(), text.as_bytes().to_vec()));
        self
    }

    pub(crate) fn file(self, path: &str, text: &str) -> DebBuilder {
        self.entry(EntryType::Regular, path, 0o644, text.as_bytes(), |_| {})
    }

    fn entry(
        mut self,
        kind: EntryType,
        path: &str,
        mode: u32,
        bytes: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> DebBuilder {
        let mut header = Header::new_gnu();
        // Written directly: the crate's setter refuses the paths that the tests need.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(bytes.len() as u64);
        header.set_username("root").unwrap();
        header.set_groupname("root").unwrap();
        change(&mut header);
        header.set_cksum();
        self.data.append(&header, bytes).unwrap();
        self
    }

    fn link(self, kind: EntryType, path: &str, target: &str) -> DebBuilder {
        self.entry(kind, path, 0o777, b"", |header| header.set_link_name_literal(target).unwrap())
    }

    fn pax(self, records: &[(&str, &[u8])]) -> DebBuilder {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest + 1..).find(|length| length.to_string().len() + rest == *length).unwrap();
            data.extend_from_slice(format!("{length} {key}=").as_bytes());
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        self.entry(EntryType::XHeader, "PaxHeaders/x", 0o644, &data, |_| {})
    }

    pub(crate) fn build(self) -> Vec<u8> {
        self.build_with("xz")
    }

    fn build_with(self, compression: &str) -> Vec<u8> {
        let mut control = tar::Builder::new(Vec::new());
        let members = [("control".to_owned(), self.control.into_bytes())].into_iter().chain(self.members);
        for (name, bytes) in members {
            let mut header = Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            control.append_data(&mut header, name, &*bytes).unwrap();
        }
        let suffix = if compression == "none" { String::new() } else { format!(".{compression}") };
        ar(&[
            ("debian-binary", b"2.0\n"),
            (&format!("control.tar{suffix}"), &compress(&control.into_inner().unwrap(), compression)),
            (&format!("data.tar{suffix}"), &compress(&self.data.into_inner().unwrap(), compression)),
        ])
    }
}

use tar::{EntryType, Header};

fn compress(bytes: &[u8], compression: &str) -> Vec<u8> {
    match compression {
        "gz" => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        "xz" => {
            let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        "zst" => zstd::encode_all(bytes, 1).unwrap(),
        _ => bytes.to_vec(),
    }
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        out.extend_from_slice(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, bytes.len()).as_bytes(),
        );
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(2), b'\n');
    }
    out
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn refusal(deb: &[u8]) -> String {
    let (_dir, store) = store();
    format!("{:#}", unpack(&mut &*deb, "sample 1 from test", &store).unwrap_err())
}

fn sample() -> DebBuilder {
    let capability = b"\x01\0\0\x02\0\n\0\0";
    let long = format!("./usr/{}", "n".repeat(150));
    DebBuilder::new("sample", "1:2.0-1")
        .member("postinst", "#!/bin/sh\nexit 0\n")
        .member("conffiles", "/etc/sample\n")
        .entry(EntryType::Directory, "./", 0o755, b"", |_| {})
        .entry(EntryType::Directory, "./usr/", 0o755, b"", |_| {})
        .entry(EntryType::Regular, "./usr/su", 0o4755, b"su", |header| {
            header.set_groupname("shadow").unwrap();
            header.set_gid(42);
        })
        .link(EntryType::Link, "./usr/sudo", "./usr/su")
        .link(EntryType::Symlink, "./bin", "../usr/bin")
        .pax(&[("SCHILY.xattr.security.capability", capability), ("mtime", b"12.5")])
        .file("./usr/ping", "ping")
        .entry(EntryType::GNULongName, "././@LongLink", 0, format!("{long}\0").as_bytes(), |_| {})
        .file("./usr/cut-off", "")
        .entry(EntryType::Char, "./null", 0o666, b"", |header| {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        })
        .entry(EntryType::Fifo, "./pipe", 0o600, b"", |_| {})
}

#[test]
fn a_package_is_unpacked_with_owners_links_devices_and_xattrs() {
    let (_dir, store) = store();
    for compression in ["gz", "xz", "zst", "none"] {
        let package = unpack(&mut &*sample().build_with(compression), "sample", &store).unwrap();
        assert_eq!(package.id.to_string(), "sample 1:2.0-1");
        assert_eq!(package.control[4], ("Description".to_owned(), "a test\n of packages".to_owned()));
        assert_eq!(package.scripts, [Script { name: "postinst".to_owned(), text: b"#!/bin/sh\nexit 0\n".to_vec() }]);
        assert_eq!(package.members["conffiles"], b"/etc/sample\n");
        let shown: Vec<String> = package
            .files
            .iter()
            .map(|file| format!("{} {:o} {}:{} {}", file.path, file.mode, file.user.id, file.group.id, file.mtime))
            .collect();
        assert_eq!(
            shown,
            [
                "/usr 755 0:0 1700000000",
                "/usr/su 4755 0:42 1700000000",
                "/usr/sudo 777 0:0 1700000000",
                "/bin 777 0:0 1700000000",
                "/usr/ping 644 0:0 12",
                &format!("/usr/{} 644 0:0 1700000000", "n".repeat(150)),
                "/null 666 0:0 1700000000",
                "/pipe 600 0:0 1700000000",
            ]
        );
        assert_eq!(package.files[1].group, Owner { name: "shadow".to_owned(), id: 42 });
        assert_eq!(package.files[1].kind, FileKind::File { digest: Digest::of("su"), size: 2 });
        assert_eq!(package.files[2].kind, FileKind::Hardlink { to: TreePath::parse("/usr/su").unwrap() });
        assert_eq!(package.files[3].kind, FileKind::Symlink { target: b"../usr/bin".to_vec() });
        assert_eq!(package.files[4].xattrs[b"security.capability".as_slice()], b"\x01\0\0\x02\0\n\0\0");
        assert_eq!(package.files[6].kind, FileKind::CharDevice { major: 1, minor: 3 });
        assert!(store.has(&Digest::of("ping"), 4));
    }
}

#[test]
fn a_second_load_reads_what_the_first_one_kept() {
    let (_dir, store) = store();
    let digest = store.put(&sample().build()).unwrap();
    let package = load(&store, &digest, "sample").unwrap();
    assert_eq!(saved::decode(&saved::encode(&package)).unwrap(), package);
    // Without the deb itself, only what was kept can answer.
    let deb = std::fs::read(store.blob_path(&digest)).unwrap();
    std::fs::remove_file(store.blob_path(&digest)).unwrap();
    assert_eq!(load(&store, &digest, "sample").unwrap(), package);
    // A content that is cut short makes it unpack again.
    std::fs::write(store.blob_path(&Digest::of("ping")), "pi").unwrap();
    assert_eq!(unpacked(&store, &digest).unwrap(), None);
    store.put(&deb).unwrap();
    assert_eq!(load(&store, &digest, "sample").unwrap(), package);
    assert!(store.verified(&Digest::of("ping")).unwrap().is_some());
}

#[test]
fn a_content_that_is_damaged_is_noticed_when_read_and_unpacked_anew_after_that() {
    let (_dir, store) = store();
    let digest = store.put(&sample().build()).unwrap();
    load(&store, &digest, "sample").unwrap();
    let ping = Digest::of("ping");
    let content = crate::tree::Content::Stored { digest: ping, size: 4 };
    // As long as it was: by its size alone it is right.
    std::fs::write(store.blob_path(&ping), "\0\0\0\0").unwrap();
    let error = content.read(&store).unwrap_err().to_string();
    assert!(error.contains("they were taken out: run the build again"), "{error}");
    load(&store, &digest, "sample").unwrap();
    assert_eq!(content.read(&store).unwrap(), b"ping");
}

#[test]
fn kept_packages_that_are_cut_short_are_errors() {
    let (_dir, store) = store();
    let bytes = saved::encode(&unpack(&mut &*sample().build(), "sample", &store).unwrap());
    assert!((0..bytes.len()).all(|end| saved::decode(&bytes[..end]).is_err()));
}

#[test]
fn a_truncated_deb_is_an_error_wherever_it_ends() {
    for compression in ["xz", "none"] {
        let deb = sample().build_with(compression);
        let (_dir, store) = store();
        for end in (0..deb.len() - 1).step_by(7) {
            assert!(unpack(&mut &deb[..end], "sample", &store).is_err(), "{compression} cut at {end}");
        }
    }
    let deb = sample().build();
    assert!(refusal(&deb[..deb.len() - 40]).starts_with("unpacking sample 1 from test: data.tar.xz at byte "));
    assert_eq!(
        refusal(&deb[..8]),
        "unpacking sample 1 from test: at byte 8: the file ends before the member `debian-binary`"
    );
}

#[test]
fn paths_that_lead_outside_are_refused_by_name() {
    let up = DebBuilder::new("a", "1").file("./../etc/passwd", "x").build();
    let text = refusal(&up);
    assert!(text.starts_with("unpacking sample 1 from test: data.tar.xz at byte "), "{text}");
    assert!(text.ends_with("at byte 0: `./../etc/passwd`: the path has a `..` component"), "{text}");
    let link = DebBuilder::new("a", "1").link(EntryType::Link, "./x", "./../shadow").build();
    assert!(refusal(&link).ends_with("the link target `./../shadow`: the path has a `..` component"));
    let dangling = DebBuilder::new("a", "1").link(EntryType::Link, "./x", "./y").build();
    assert!(refusal(&dangling).ends_with("`./x`: a hard link to `/y`, which is no file before it"));
}

#[test]
fn what_no_package_has_is_refused() {
    let member = |members: &[(&str, &[u8])]| refusal(&ar(members));
    assert!(refusal(b"hello, world").ends_with("this is not a deb, which starts with `!<arch>`"));
    assert!(member(&[("control.tar", b"")]).ends_with("the first member must be `debian-binary`"));
    assert!(member(&[("debian-binary", b"3.0\n")]).ends_with("format `3.0` is not known, only 2"));
    assert!(
        member(&[("debian-binary", b"2.0\n"), ("data.tar", b"")])
            .ends_with("the member `control.tar` should come here")
    );
    assert!(member(&[("debian-binary", b"2.0\n"), ("control.tar.bz2", b"")]).contains("`.bz2` is not known"));
    assert!(member(&[("debian-binary", b"2.0\n"), ("control.tar", b"")]).ends_with("the file `control` is missing"));
    let twice = DebBuilder::new("a", "1").file("./x", "1").file("./x", "2").build();
    assert!(refusal(&twice).ends_with("`/x` is there twice"));
    let sparse = DebBuilder::new("a", "1").entry(EntryType::GNUSparse, "./x", 0o644, b"", |_| {}).build();
    assert!(refusal(&sparse).ends_with("entries of type `S` are not known"));
    let bad = DebBuilder::new("a", "1").entry(EntryType::XHeader, "x", 0, b"9999 path=x\n", |_| {}).build();
    assert!(refusal(&bad).ends_with("a PAX record that is not `LENGTH KEY=VALUE`"));
}

#[test]
fn a_small_package_cannot_unpack_to_more_than_the_limit() {
    let (_dir, store) = store();
    let deb = DebBuilder::new("a", "1").file("./zeros", &"\0".repeat(1 << 20)).build();
    let limits = tarball::Limits { bytes: 1 << 19, entries: 10 };
    let error = format!("{:#}", read(&mut &*deb, &store, limits).unwrap_err());
    assert!(error.ends_with("it unpacks to more than 524288 bytes"), "{error}");
    let limits = tarball::Limits { bytes: 1 << 22, entries: 0 };
    let error = format!("{:#}", read(&mut &*deb, &store, limits).unwrap_err());
    assert!(error.ends_with("at byte 0: more than 0 entries"), "{error}");
}
