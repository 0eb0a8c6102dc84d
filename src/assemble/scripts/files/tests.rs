//! What Linux says to the same calls.

use super::*;
use crate::tree::Digest;

struct Nowhere;

impl Contents for Nowhere {
    fn open(&self, _: &Digest) -> std::io::Result<std::fs::File> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// `/d/f`, `/d/to-f` and `/to-d` that lead there, `/loop`, `/nowhere`.
fn files() -> Files<'static> {
    let origin = Origin::from("package");
    let mut files = Files::new(Tree::new(5, &origin), &Nowhere, 7, origin);
    files.make_directories(b"/d/empty", 0o755).unwrap();
    files.put(b"/d/f", b"text".to_vec(), 0o640).unwrap();
    files.make_link(b"f", b"/d/to-f").unwrap();
    files.make_link(b"/d", b"/to-d").unwrap();
    files.make_link(b"loop", b"/loop").unwrap();
    files.make_link(b"nothing", b"/nowhere").unwrap();
    files.origin = Origin::from("script");
    files.changes.clear();
    files
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

#[test]
fn paths_lead_where_links_and_dots_say() {
    let files = files();
    let resolve = |text: &str, follow| files.resolve(text.as_bytes(), follow);
    for (text, follow, leads) in [
        ("/to-d/to-f", true, "/d/f"),
        ("/to-d/to-f", false, "/d/to-f"),
        ("//to-d/.//empty/../f", true, "/d/f"),
        ("/to-d", false, "/to-d"),
        ("/to-d/", false, "/d"),
        ("/to-d/.", false, "/d"),
        ("/..", true, "/"),
        ("/to-d/..", true, "/"),
        ("/d/new", true, "/d/new"),
        ("/d/new/", true, "/d/new"),
        ("/nowhere", true, "/nothing"),
        ("/dev/null", true, "/dev/null"),
    ] {
        assert_eq!(resolve(text, follow), Ok(path(leads)), "{text}");
    }
    for (text, errno) in [
        ("", Errno::NoEntry),
        ("/no/f", Errno::NoEntry),
        ("/no/../d", Errno::NoEntry),
        ("/d/f/x", Errno::NotDirectory),
        ("/d/f/", Errno::NotDirectory),
        ("/d/f/..", Errno::NotDirectory),
        ("/loop", Errno::Loop),
        ("/nowhere/x", Errno::NoEntry),
    ] {
        assert_eq!(resolve(text, true), Err(errno), "{text}");
    }
    assert_eq!(resolve(&format!("/{}", "x".repeat(256)), true), Err(Errno::NameTooLong));
}

#[test]
fn the_short_way_leads_where_the_long_one_does() {
    let files = files();
    let names = ["d", "f", "empty", "to-d", "to-f", "loop", "nowhere", "new", ".", "..", ""];
    let pairs: Vec<String> = names.iter().flat_map(|one| names.map(|two| format!("/{one}/{two}"))).collect();
    for text in pairs.iter().flat_map(|pair| names.map(|name| format!("{pair}/{name}"))) {
        for follow in [true, false] {
            let slash = text.ends_with('/') || text.ends_with("/.");
            let long = files.follow(text.as_bytes(), follow || slash, slash);
            assert_eq!(files.resolve(text.as_bytes(), follow), long, "{text}");
        }
    }
}

#[test]
fn new_things_in_a_setgid_directory_belong_to_its_group() {
    let mut files = files();
    files.update(b"/d", true, |inode| (inode.mode, inode.gid) = (0o2775, 50)).unwrap();
    files.make_directory(b"/d/sub", 0o755).unwrap();
    files.put(b"/d/new", Vec::new(), 0o644).unwrap();
    let facts = |path: &str| files.facts(path.as_bytes(), false).unwrap();
    assert_eq!((facts("/d/sub").mode, facts("/d/sub").gid), (0o2755, 50));
    assert_eq!((facts("/d/new").mode, facts("/d/new").gid), (0o644, 50));
}

#[test]
fn writing_takes_capabilities_away_and_nothing_else() {
    let mut files = files();
    let xattrs = |files: &Files| files.inode(b"/d/f", true).unwrap().xattrs.len();
    let give = |files: &mut Files| {
        files.update(b"/d/f", true, |inode| {
            inode.xattrs.insert(crate::file_capabilities::ATTRIBUTE.to_vec(), vec![1]);
            inode.xattrs.insert(b"user.note".to_vec(), vec![2]);
            inode.mode = 0o4755;
        })
    };
    give(&mut files).unwrap();
    let file = files.open_to_write(b"/d/f", 0o600, false, false).unwrap();
    assert_eq!(xattrs(&files), 2);
    files.write(file, None, b" more").unwrap();
    assert_eq!((xattrs(&files), files.facts(b"/d/f", true).unwrap().mode), (1, 0o4755));
    assert_eq!(files.read(b"/d/f"), Ok(Ok(b"text more".to_vec())));
    give(&mut files).unwrap();
    files.put(b"/d/f", Vec::new(), 0o600).unwrap();
    assert_eq!(xattrs(&files), 1);
}

#[test]
fn an_open_file_stays_when_its_name_goes() {
    let mut files = files();
    let file = files.open_to_write(b"/d/f", 0o600, true, false).unwrap();
    files.hard_link(b"/d/f", b"/d/other").unwrap();
    files.remove(b"/d/f").unwrap();
    files.write(file, Some(2), b"x").unwrap();
    assert_eq!(files.read(b"/d/other"), Ok(Ok(b"\0\0x".to_vec())));
    files.remove(b"/d/other").unwrap();
    files.write(file, None, b"y").unwrap();
    assert!(files.write(file, Some(u64::MAX), b"y").is_err());
}

#[test]
fn renaming_says_what_rename_2_says() {
    let rename = |from: &str, to: &str| files().rename(from.as_bytes(), to.as_bytes());
    assert_eq!(rename("/d", "/d/empty/x"), Err(Errno::Invalid));
    assert_eq!(rename("/d/f", "/d/empty"), Err(Errno::IsDirectory));
    assert_eq!(rename("/d/empty", "/d/f"), Err(Errno::NotDirectory));
    assert_eq!(rename("/d/f/", "/d/x"), Err(Errno::NotDirectory));
    assert_eq!(rename("/d/f", "/d/x/"), Err(Errno::NotDirectory));
    assert_eq!(rename("/nothing", "/x"), Err(Errno::NoEntry));
    assert_eq!(rename("/d/f", "/no/x"), Err(Errno::NoEntry));
    assert_eq!(rename("/d/f", "/d/f"), Ok(()));
    let mut files = files();
    files.make_directories(b"/e/d", 0o700).unwrap();
    assert_eq!(files.rename(b"/e", b"/d"), Err(Errno::NotEmpty));
    files.rename(b"/d", b"/e/d").unwrap();
    assert_eq!(files.read(b"/e/d/f"), Ok(Ok(b"text".to_vec())));
    files.hard_link(b"/e/d/f", b"/same").unwrap();
    files.rename(b"/same", b"/e/d/f").unwrap();
    assert!(files.exists(b"/same"));
}

#[test]
fn removing_says_what_unlink_and_rmdir_say() {
    let mut files = files();
    assert_eq!(files.remove(b"/d"), Err(Errno::IsDirectory));
    assert_eq!(files.remove(b"/to-d/"), Err(Errno::NotDirectory));
    assert_eq!(files.remove_directory(b"/d"), Err(Errno::NotEmpty));
    assert_eq!(files.remove_directory(b"/to-d/"), Err(Errno::NotDirectory));
    assert_eq!(files.remove_directory(b"/d/empty/."), Err(Errno::Invalid));
    assert_eq!(files.remove_directory(b"/d/empty/.."), Err(Errno::NotEmpty));
    assert_eq!(files.remove_all(b"/"), Err(Errno::NotPermitted));
    files.remove(b"/to-d").unwrap();
    files.remove_directory(b"/d/empty/").unwrap();
    files.remove_all(b"/d").unwrap();
    assert_eq!(files.list(b"/d"), Err(Errno::NoEntry));
}

#[test]
fn what_the_first_boot_makes_is_left_to_it() {
    let mut files = files();
    files.later.insert(path("/d/key"), "made at the first boot".to_owned());
    files.later.insert(path("/d/f"), "made anew at the first boot".to_owned());
    let before = files.tree.clone();
    files.update(b"/d/key", true, |inode| inode.mode = 0o600).unwrap();
    files.put(b"/d/key", b"weak".to_vec(), 0o644).unwrap();
    files.put(b"/d/f", b"weak".to_vec(), 0o644).unwrap();
    files.remove(b"/d/key").unwrap();
    files.remove_all(b"/d/key").unwrap();
    files.make_link(b"x", b"/d/key").unwrap();
    files.hard_link(b"/d/to-f", b"/d/key").unwrap();
    files.update(b"/d/f", true, |inode| inode.mode = 0o600).unwrap();
    assert!(files.tree.iter().eq(before.iter()));
    assert!(files.changes.is_empty());
    // What would have become of it is gone.
    files.put(b"/d/key.new", b"weak".to_vec(), 0o600).unwrap();
    files.rename(b"/d/key.new", b"/d/key").unwrap();
    assert!(files.tree.iter().eq(before.iter()) && files.changes.is_empty());
}

#[test]
fn files_of_dropped_packages_are_there_and_are_not() {
    let mut files = files();
    files.ghosts.insert(path("/d/tool"), 0o755);
    assert_eq!(files.facts(b"/d/tool", true).map(|facts| facts.mode), Some(0o755));
    files.update(b"/d/tool", true, |inode| inode.mode = 0).unwrap();
    assert_eq!(files.list(b"/d"), Ok(vec![b"empty".to_vec(), b"f".to_vec(), b"to-f".to_vec()]));
    files.remove(b"/d/tool").unwrap();
    assert!(!files.exists(b"/d/tool") && files.changes.is_empty());
}

#[test]
fn devices_are_there_before_their_directory() {
    let mut files = files();
    assert_eq!(files.facts(b"/dev/null", true).map(|facts| (facts.kind, facts.mode)), Some((Kind::CharDevice, 0o666)));
    assert_eq!(files.device_numbers(b"/dev/zero"), Some((1, 5)));
    assert_eq!(files.make(b"/dev/null", tree::Kind::Fifo, 0o600), Err(Errno::Exists));
    files.put(b"/dev/null", b"nothing".to_vec(), 0o600).unwrap();
    files.update(b"/dev/null", true, |inode| inode.mode = 0o600).unwrap();
    assert!(files.changes.is_empty());
    files.make_directory(b"/dev", 0o755).unwrap();
    assert!(files.exists(b"/dev/null") && files.read(b"/dev/urandom").is_err());
}

#[test]
fn changes_are_told_as_they_end() {
    let mut files = files();
    files.put(b"/d/new", Vec::new(), 0o644).unwrap();
    files.rename(b"/d/new", b"/d/newer").unwrap();
    files.remove(b"/d/f").unwrap();
    files.put(b"/d/f", Vec::new(), 0o644).unwrap();
    files.remove(b"/to-d").unwrap();
    files.update(b"/d", true, |inode| inode.mode = 0o755).unwrap();
    let changes: Vec<_> = files.changes.iter().map(|(path, change)| (path.to_string(), *change)).collect();
    let wanted = [("/d/f", Change::Changed), ("/d/newer", Change::Made), ("/to-d", Change::Removed)];
    assert_eq!(changes, wanted.map(|(path, change)| (path.to_owned(), change)));
}
