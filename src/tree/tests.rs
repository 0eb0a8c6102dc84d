use super::*;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn sample() -> Tree {
    let origin = Origin::from("test 1");
    let mut tree = Tree::new(0, &origin);
    for directory in ["/usr", "/usr/bin", "/usr-b"] {
        tree.insert(path(directory), Inode::new(Kind::Directory, 0o755, 0, &origin)).unwrap();
    }
    tree.insert(path("/bin"), Inode::new(Kind::Symlink(b"usr/bin".to_vec()), 0o777, 0, &origin)).unwrap();
    tree.insert(path("/usr/bin/su"), Inode::new(Kind::File(Content::inline("su")), 0o4755, 7, &origin)).unwrap();
    tree.link(&path("/usr/bin/su"), path("/usr/bin/sudo"), &origin).unwrap();
    tree
}

#[test]
fn a_directory_stands_right_before_what_it_holds() {
    let lines = dump::dump(&sample());
    let digest = Digest::of("su");
    assert_eq!(
        lines,
        format!(
            "/ d0755 0:0 0\n/bin l0777 0:0 0 -> usr/bin\n/usr d0755 0:0 0\n/usr/bin d0755 0:0 0\n\
             /usr/bin/su -4755 0:0 7 2 sha256:{digest} ino=5\n/usr/bin/sudo -4755 0:0 7 2 sha256:{digest} ino=5\n\
             /usr-b d0755 0:0 0\n"
        )
    );
}

#[test]
fn lookups_follow_symlinks_in_parents_only_when_asked() {
    let tree = sample();
    let origin = Origin::from("test 2");
    assert_eq!(tree.resolve_parents(&path("/bin/su"), &origin).unwrap(), path("/usr/bin/su"));
    assert_eq!(tree.resolve_parents(&path("/bin"), &origin).unwrap(), path("/bin"));
    assert_eq!(tree.resolve(&path("/bin"), &origin).unwrap(), path("/usr/bin"));
}

#[test]
fn refusals_name_both_sides() {
    let mut tree = sample();
    let origin = Origin::from("other 2");
    let inode = |kind| Inode::new(kind, 0o644, 0, &Origin::from("other 2"));
    let refused = |result: Result<InodeId, TreeError>| result.unwrap_err().to_string();
    assert_eq!(
        refused(tree.insert(path("/usr/bin/su"), inode(Kind::Fifo))),
        "`/usr/bin/su` from other 2: test 1 already has this path"
    );
    assert_eq!(
        refused(tree.insert(path("/bin/x"), inode(Kind::Fifo))),
        "`/bin/x` from other 2: its parent, from test 1, is not a directory"
    );
    assert_eq!(
        refused(tree.insert(path("/no/x"), inode(Kind::Fifo))),
        "`/no/x` from other 2: its directory does not exist"
    );
    assert_eq!(
        refused(tree.replace(path("/usr"), inode(Kind::Fifo))),
        "`/usr` from other 2: test 1 already has this path"
    );
    let mut bad = inode(Kind::Fifo);
    bad.xattrs.insert(b"mine".to_vec(), vec![]);
    assert!(refused(tree.insert(path("/x"), bad)).contains("`mine`"));
    assert_eq!(tree.remove(&path("/usr"), &origin).unwrap_err().problem, Problem::NotEmpty);
    assert_eq!(tree.remove_all(&path("/usr")), 4);
    assert!(tree.get(&path("/usr-b")).is_some());
}

#[test]
fn paths_are_normal_or_refused() {
    assert_eq!(path("./a//b/"), path("/a/b"));
    assert_eq!(TreePath::parse("a/../b"), Err(path::PathError::ParentComponent));
    assert_eq!(TreePath::parse("a\0"), Err(path::PathError::NulByte));
    assert_eq!(TreePath::parse("x".repeat(256)), Err(path::PathError::NameTooLong));
    assert_eq!(path("/a/b").parent(), Some(path("/a")));
    assert_eq!(path("/a").parent(), Some(TreePath::root()));
    assert_eq!(path("/a/b").name(), b"b");
}
