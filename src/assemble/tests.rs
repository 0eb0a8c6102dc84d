//! Small roots made of hand-made packages; and, where a directory of real debs is given, a whole node.

use std::path::Path;

use super::*;
use crate::diag::{Location, Source};
use crate::package::{FileEntry, FileKind, Owner, Package, PackageId, Script};
use crate::preload::Archive;
use crate::recipe::{AcceptedScript, Overlay};
use crate::store::Store;
use crate::tree::{Content, Kind, Tree, TreePath};

const RECIPE: &str = "\
nodesmith: 1
name: test
version: \"1\"
arch: x86_64
repositories: {debian: {apt: {mirror: host, suite: trixie, keyring: /k.gpg}}}
kernel: {package: linux-image-x, line: \"6.12\"}
packages: [base-files, e2fsprogs]
";

pub(crate) struct World {
    directory: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) recipe: Recipe,
    pub(crate) packages: Vec<Package>,
    agent: AgentFiles,
    images: Vec<Archive>,
}

impl World {
    /// A world whose packages are a base and a kernel.
    pub(crate) fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        let recipe = recipe_with("");
        let agent = AgentFiles {
            program: Content::inline("agent"),
            units: vec![("nodeinit.service".into(), "[Install]\nWantedBy=multi-user.target\n".into())],
        };
        let mut world = World { directory, store, recipe, packages: Vec::new(), agent, images: Vec::new() };
        world.package("base-files", &[("/usr/bin/", ""), ("/var/lib/base/", ""), ("/etc/base.conf", "base\n")]);
        world.package("linux-image-x", &[("/boot/vmlinuz-6.12", "kernel"), ("/boot/config-6.12", "CONFIG_X=y\n")]);
        world
    }

    /// Adds a package; paths that end with a slash are directories.
    pub(crate) fn package(&mut self, name: &str, files: &[(&str, &str)]) -> &mut Package {
        let entry = |(path, text): &(&str, &str)| FileEntry {
            path: TreePath::parse(path).unwrap(),
            kind: if path.ends_with('/') {
                FileKind::Directory
            } else {
                FileKind::File { digest: self.store.put(text.as_bytes()).unwrap(), size: text.len() as u64 }
            },
            mode: if path.ends_with('/') { 0o755 } else { 0o644 },
            user: Owner { name: "root".into(), id: 0 },
            group: Owner { name: "root".into(), id: 0 },
            mtime: 7,
            xattrs: Default::default(),
        };
        let package = Package {
            id: PackageId { name: name.into(), version: "1.0".into(), arch: "amd64".into() },
            family: Default::default(),
            control: vec![],
            files: files.iter().map(entry).collect(),
            scripts: vec![],
            members: Default::default(),
        };
        self.packages.push(package);
        self.packages.last_mut().unwrap()
    }

    pub(crate) fn assemble(&self) -> anyhow::Result<Assembled> {
        let World { store, recipe, packages, agent, images, .. } = self;
        assemble(&Inputs { recipe, packages, contents: store, images, agent })
    }

    /// The root as packages and scripts leave it.
    pub(crate) fn interpret(&self) -> Interpreted {
        let World { store, recipe, packages, agent, images, .. } = self;
        let result =
            interpret(&Inputs { recipe, packages, contents: store, images, agent }, Default::default()).unwrap();
        assert!(result.problems.is_empty(), "{:?}", result.problems);
        result
    }

    pub(crate) fn text(&self, tree: &Tree, path: &str) -> String {
        let Some(Kind::File(content)) = tree.get(&TreePath::parse(path).unwrap()).map(|inode| &inode.kind) else {
            panic!("no file {path}");
        };
        String::from_utf8(content.read(&self.store).unwrap()).unwrap()
    }
}

/// The recipe of a [`World`] with more sections.
pub(crate) fn recipe_with(sections: &str) -> Recipe {
    let directory = tempfile::tempdir().unwrap();
    let (path, keyring) = (directory.path().join("recipe.yaml"), directory.path().join("k.gpg"));
    std::fs::write(&keyring, "").unwrap();
    std::fs::write(&path, RECIPE.replace("/k.gpg", &keyring.display().to_string()) + sections).unwrap();
    recipe(&path)
}

fn recipe(path: &Path) -> Recipe {
    let value = crate::recipe::load::load(path).unwrap();
    let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    crate::recipe::check::check(&value, day).map_err(|mistakes| mistakes.to_string()).unwrap()
}

fn link(tree: &Tree, path: &str) -> Option<String> {
    match &tree.get(&TreePath::parse(path).unwrap())?.kind {
        Kind::Symlink(target) => Some(String::from_utf8(target.clone()).unwrap()),
        _ => None,
    }
}

pub(crate) fn location() -> Location {
    Location::new(&Source::new("r.yaml", "x"), 0..1)
}

fn mistakes(result: anyhow::Result<Assembled>) -> String {
    result.unwrap_err().downcast_ref::<crate::diag::Diagnostics>().unwrap().to_string()
}

#[test]
fn a_root_has_merged_directories_empty_identity_and_var_as_a_template() {
    let mut world = World::new();
    world.package("tool", &[("/bin/tool", "#!tool"), ("/sbin/admin", "#!admin"), ("/var/cache/tool/", "")]);
    let Assembled { tree, kernel, .. } = world.assemble().unwrap();
    assert_eq!(link(&tree, "/bin").as_deref(), Some("usr/bin"));
    assert_eq!(world.text(&tree, "/usr/bin/tool"), "#!tool");
    assert_eq!(world.text(&tree, "/usr/sbin/admin"), "#!admin");
    assert_eq!(world.text(&tree, "/etc/machine-id"), "");
    assert!(world.text(&tree, "/etc/shadow").lines().all(|line| line.contains(":!*:") || line.contains(":*:")));
    let exists = |path: &str| tree.get(&TreePath::parse(path).unwrap()).is_some();
    assert!(exists("/usr/share/factory/var/cache/tool") && exists("/var/tmp") && !exists("/var/cache/tool"));
    assert_eq!((kernel.release.as_str(), kernel.config.as_str()), ("6.12", "CONFIG_X=y\n"));
    assert!(!exists("/boot/vmlinuz-6.12"));
    assert_eq!(
        link(&tree, "/etc/systemd/system/default.target").as_deref(),
        Some("/usr/lib/systemd/system/multi-user.target")
    );
    let unit = link(&tree, "/etc/systemd/system/multi-user.target.wants/nodeinit.service");
    assert_eq!(unit.as_deref(), Some("/usr/lib/systemd/system/nodeinit.service"));
    assert_eq!(tree.get(&TreePath::parse("/etc/shadow").unwrap()).unwrap().gid, 42);
}

#[test]
fn the_order_of_the_packages_does_not_matter() {
    let mut world = World::new();
    world.package("one", &[("/usr/lib/sysusers.d/one.conf", "u one -\n"), ("/opt/x/", "")]);
    world.package("two", &[("/usr/lib/sysusers.d/two.conf", "g two 778\nu three -\n"), ("/opt/x/", "")]);
    let first = crate::tree::dump::dump(&world.assemble().unwrap().tree);
    world.packages.reverse();
    assert_eq!(first, crate::tree::dump::dump(&world.assemble().unwrap().tree));
}

#[test]
fn one_path_from_two_packages_is_a_mistake_that_names_both() {
    let mut world = World::new();
    world.package("one", &[("/usr/bin/x", "1")]);
    world.package("two", &[("/bin/x", "2")]);
    let text = mistakes(world.assemble());
    assert!(text.starts_with("`/usr/bin/x` is in one 1.0 and in two 1.0 [file-conflict]"), "{text}");
    let two = world.packages.last_mut().unwrap();
    two.control.push(("Replaces".into(), "one (<< 2)".into()));
    let tree = world.assemble().unwrap().tree;
    assert_eq!(world.text(&tree, "/usr/bin/x"), "2");
}

#[test]
fn an_owner_whom_nobody_makes_is_a_mistake_not_root() {
    let mut world = World::new();
    world.package("one", &[("/usr/bin/x", "1")]).files[0].group.name = "stranger".into();
    assert!(mistakes(world.assemble()).contains("`/usr/bin/x` of one 1.0 belongs to `stranger`"));
    world.package("two", &[("/usr/lib/sysusers.d/s.conf", "g stranger -\n")]);
    let tree = world.assemble().unwrap().tree;
    assert!(tree.get(&TreePath::parse("/usr/bin/x").unwrap()).unwrap().gid >= 300);
}

#[test]
fn units_are_enabled_disabled_and_masked_and_unknown_ones_named() {
    let mut world = World::new();
    let install = "[Install]\nWantedBy=multi-user.target\nAlias=other.service\nAlso=b.socket\n";
    world.package(
        "a",
        &[
            ("/usr/lib/systemd/system/a.service", install),
            ("/usr/lib/systemd/system/b.socket", "[Install]\nWantedBy=sockets.target\n"),
            ("/usr/lib/systemd/system/t@.service", "[Install]\nWantedBy=x.target\nDefaultInstance=one\n"),
        ],
    );
    let named = |name: &str| crate::yaml::Located { value: name.to_owned(), location: location() };
    world.recipe.services.enable = vec![named("a"), named("t@.service")];
    world.recipe.services.mask = vec![named("firewalld")];
    let tree = world.assemble().unwrap().tree;
    let etc = |path: &str| link(&tree, &format!("/etc/systemd/system/{path}"));
    assert_eq!(etc("multi-user.target.wants/a.service").as_deref(), Some("/usr/lib/systemd/system/a.service"));
    assert_eq!(etc("other.service").as_deref(), Some("/usr/lib/systemd/system/a.service"));
    assert!(etc("sockets.target.wants/b.socket").is_some());
    assert_eq!(etc("x.target.wants/t@one.service").as_deref(), Some("/usr/lib/systemd/system/t@.service"));
    assert_eq!(etc("firewalld.service").as_deref(), Some("/dev/null"));
    world.recipe.services.disable = vec![named("a")];
    let tree = world.assemble().unwrap().tree;
    assert_eq!(link(&tree, "/etc/systemd/system/multi-user.target.wants/a.service"), None);
    assert_eq!(link(&tree, "/etc/systemd/system/other.service"), None);
    world.recipe.services.enable = vec![named("aa")];
    let text = mistakes(world.assemble());
    assert!(text.contains("r.yaml:1:1: no package or overlay brings the unit `aa.service` [unknown-unit]"), "{text}");
    assert!(text.contains("`a.service`"), "{text}");
}

#[test]
fn overlays_replace_files_and_take_attributes_from_their_manifest() {
    let mut world = World::new();
    let overlay = world.directory.path().join("over");
    std::fs::create_dir_all(overlay.join("bin")).unwrap();
    std::fs::create_dir_all(overlay.join("etc")).unwrap();
    std::fs::write(overlay.join("bin/mine"), "#!").unwrap();
    std::fs::write(overlay.join("etc/base.conf"), "overlaid\n").unwrap();
    std::os::unix::fs::symlink("base.conf", overlay.join("etc/link")).unwrap();
    std::fs::write(world.directory.path().join("over.manifest.yaml"), "/etc/base.conf: {mode: \"0600\"}\n").unwrap();
    world.recipe.overlays = vec![Overlay { directory: overlay, name: "over".into(), location: location() }];
    let tree = world.assemble().unwrap().tree;
    assert_eq!(world.text(&tree, "/etc/base.conf"), "overlaid\n");
    let inode = tree.get(&TreePath::parse("/etc/base.conf").unwrap()).unwrap();
    assert_eq!((inode.mode, &*inode.origin), (0o600, "overlay over"));
    assert_eq!(world.text(&tree, "/usr/bin/mine"), "#!");
    assert_eq!(link(&tree, "/etc/link").as_deref(), Some("base.conf"));
    std::fs::write(world.directory.path().join("over.manifest.yaml"), "/nowhere: {}\n").unwrap();
    let nowhere = "over.manifest.yaml:1:1: the manifest of `over` names `/nowhere` [manifest-without-file]";
    assert!(mistakes(world.assemble()).contains(nowhere));
    let manifest =
        "/etc/base.conf: {mode: 0999, owner: root, user: nobody-at-all, xattrs: [x]}\n/etc/link: {mode: 177777}\n";
    std::fs::write(world.directory.path().join("over.manifest.yaml"), manifest).unwrap();
    let text = mistakes(world.assemble());
    for expected in [
        "over.manifest.yaml:1:24: `0999` is not the mode of a file [bad-mode]",
        "over.manifest.yaml:1:30: `/etc/base.conf` has no key `owner` [unknown-key]",
        "over.manifest.yaml:1:49: `/etc/base.conf` is to belong to `nobody-at-all`, whom nobody makes [unknown-owner]",
        "over.manifest.yaml:1:72: `xattrs` takes a map [wrong-kind]",
        "over.manifest.yaml:2:19: `177777` is not the mode of a file [bad-mode]",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    std::fs::write(world.directory.path().join("over.manifest.yaml"), "/etc/base.conf: {mode: 0600}\n").unwrap();
    let tree = world.assemble().unwrap().tree;
    assert_eq!(tree.get(&TreePath::parse("/etc/base.conf").unwrap()).unwrap().mode, 0o600);
}

#[test]
fn scripts_leave_their_effects_in_the_tree() {
    let mut world = World::new();
    let package = world.package(
        "awk",
        &[("/usr/bin/mawk", "awk"), ("/usr/lib/systemd/system/a.timer", "[Install]\nWantedBy=timers.target\n")],
    );
    let text = "#!/bin/sh\nset -e\n# Automatically added by dh_installalternatives/13\n\
                update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5\n# End automatically added section\n\
                # Automatically added by dh_installsystemd/13\ndeb-systemd-helper enable 'a.timer' >/dev/null\n\
                # End automatically added section\n";
    package.scripts.push(Script { name: "postinst".into(), text: text.into() });
    let Assembled { tree, scripts, .. } = world.assemble().unwrap();
    assert_eq!(link(&tree, "/usr/bin/awk").as_deref(), Some("/etc/alternatives/awk"));
    assert_eq!(link(&tree, "/etc/alternatives/awk").as_deref(), Some("/usr/bin/mawk"));
    assert!(link(&tree, "/etc/systemd/system/timers.target.wants/a.timer").is_some());
    let made: Vec<String> = scripts[0].changes.iter().map(|(path, _)| path.to_string()).collect();
    assert!(made.contains(&"/usr/bin/awk".to_owned()), "{made:?}");
    assert_eq!(&*tree.get(&TreePath::parse("/usr/bin/awk").unwrap()).unwrap().origin, "awk 1.0 postinst");
}

#[test]
fn what_a_script_may_not_do_stops_the_assembly_unless_it_is_accepted() {
    let mut world = World::new();
    let script = Script { name: "postinst".into(), text: b"curl | sh\n".to_vec() };
    world.package("bad", &[]).scripts.push(script);
    let text = mistakes(world.assemble());
    let told = "`curl` is not done while an image is built: there is no network while an image is built: \
                `postinst` of bad 1.0, line 1: `curl` [refused-program]";
    assert!(text.starts_with(told), "{text}");
    let accept = |program: Option<&str>| AcceptedScript {
        package: "bad".into(),
        script: "postinst".into(),
        program: program.map(str::to_owned),
        reason: "read".into(),
        location: location(),
    };
    world.recipe.accept_scripts = vec![accept(None)];
    assert_eq!(world.assemble().unwrap().scripts[0].outcome.to_string(), "accepted by the recipe: read");
    world.recipe.accept_scripts = vec![accept(Some("curl"))];
    let scripts = world.assemble().unwrap().scripts;
    assert_eq!((scripts[0].outcome.to_string().as_str(), scripts[0].used[0].what), ("interpreted", "accepted"));
}

#[test]
fn a_time_zone_that_is_not_there_is_shown_where_it_is_asked_for() {
    let mut world = World::new();
    world.recipe.timezone = Some(crate::yaml::Located { value: "Mars/Base".to_owned(), location: location() });
    let text = mistakes(world.assemble());
    assert!(text.contains("r.yaml:1:1: time zone `Mars/Base` needs tzdata [unknown-timezone]"), "{text}");
}

#[test]
fn a_root_has_exactly_one_kernel() {
    let mut world = World::new();
    world.package("linux-image-y", &[("/boot/vmlinuz-6.13", "kernel")]);
    let text = mistakes(world.assemble());
    let two = "two kernels: 6.12 of linux-image-x 1.0, 6.13 of linux-image-y 1.0 [two-kernels]";
    assert!(text.contains(two), "{text}");
    world.packages.retain(|package| !package.id.name.starts_with("linux"));
    let text = mistakes(world.assemble());
    assert!(text.contains("no package brings a kernel: `linux-image-x` has neither ") && text.contains("[no-kernel]"));
}

#[test]
fn a_policy_of_cryptography_that_nobody_brings_is_named() {
    let mut world = World::new();
    let policy = "/usr/share/crypto-policies/DEFAULT/openssl.txt";
    world.package("crypto-policies", &[(policy, "x"), ("/etc/crypto-policies/config", "DEFAULT:SHA1\n")]);
    let text = mistakes(world.assemble());
    assert!(text.starts_with("`/etc/crypto-policies/config` names the policy `DEFAULT:SHA1` [unknown-crypto-policy]"));
    world.packages.pop();
    world.package("crypto-policies", &[(policy, "x"), ("/etc/crypto-policies/config", "DEFAULT\n")]);
    let tree = world.assemble().unwrap().tree;
    assert!(link(&tree, "/etc/crypto-policies/back-ends/openssl.config").is_some());
}

#[test]
fn every_shipped_overlay_lies_on_a_root_is_described_and_leaves_the_kubelets_settings_alone() {
    let readme = std::fs::read_to_string("overlays/README.md").unwrap();
    let of_kubelet = &crate::recipe::kubernetes::table::table().sysctl;
    let mut names = Vec::new();
    for entry in std::fs::read_dir("overlays").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match name.strip_suffix(".manifest.yaml") {
            Some(of) => assert!(path.with_file_name(of).is_dir(), "{name} is of no overlay"),
            None if path.is_dir() => names.push(name),
            None => assert_eq!(name, "README.md"),
        }
    }
    assert!(names.len() >= 2, "{names:?}");
    for name in names {
        assert!(readme.contains(&format!("| `{name}/` |")), "README.md does not describe {name}");
        let mut world = World::new();
        world.recipe.overlays =
            vec![Overlay { directory: Path::new("overlays").join(&name), name: name.clone(), location: location() }];
        let tree = world.assemble().unwrap().tree;
        let origin = format!("overlay {name}");
        let files = tree.iter().filter(|(_, _, inode)| *inode.origin == *origin && matches!(inode.kind, Kind::File(_)));
        let paths: Vec<String> = files.map(|(path, _, _)| path.to_string()).collect();
        assert!(!paths.is_empty(), "{name} is empty");
        for path in paths.iter().filter(|path| path.contains("sysctl.d")) {
            let text = world.text(&tree, path);
            let set = text.lines().filter_map(|line| Some(line.split_once('=')?.0.trim().trim_start_matches('-')));
            let both: Vec<&str> = set.filter(|key| of_kubelet.iter().any(|need| need.name == *key)).collect();
            assert!(both.is_empty(), "{path} sets {both:?}");
        }
    }
}

#[test]
fn containerd_gets_the_schema_of_its_version() {
    let mut world = World::new();
    world.recipe.runtime = Some(crate::recipe::RuntimeSettings {
        runtime: Default::default(),
        systemd_cgroup: true,
        sandbox_image: "registry.k8s.io/pause:3.10".into(),
        mirrors: [("docker.io".to_owned(), vec!["https://mirror.example".to_owned()])].into(),
        location: location(),
    });
    assert!(mistakes(world.assemble()).contains("no package brings containerd [no-runtime]"));
    world.package("containerd", &[("/usr/lib/cni/bridge", "")]).id.version = "1.7.24~ds1-6".into();
    let tree = world.assemble().unwrap().tree;
    assert!(world.text(&tree, "/etc/containerd/config.toml").starts_with("version = 2\n"));
    assert!(world.text(&tree, "/etc/containerd/certs.d/docker.io/hosts.toml").contains("https://mirror.example"));
    assert_eq!(link(&tree, "/opt/cni/bin/bridge").as_deref(), Some("/usr/lib/cni/bridge"));
    world.packages.last_mut().unwrap().id.version = "1:2.1.4-1".into();
    let tree = world.assemble().unwrap().tree;
    assert!(world.text(&tree, "/etc/containerd/config.toml").starts_with("version = 3\n"));
}

/// A world for kubelet 1.36.2 with one preloaded archive.
pub(crate) fn cluster() -> World {
    let mut world = World::new();
    world.recipe.kubernetes = Some(crate::recipe::kubernetes::Kubernetes {
        version: crate::recipe::kubernetes::Version { minor: 36, patch: 2 },
        pull_sandbox_image: false,
        location: location(),
    });
    world.recipe.runtime = Some(crate::recipe::RuntimeSettings {
        runtime: Default::default(),
        systemd_cgroup: true,
        sandbox_image: "registry.k8s.io/pause:3.10.2".into(),
        mirrors: Default::default(),
        location: location(),
    });
    let digest = world.store.put(b"archive").unwrap();
    let images = [("registry.k8s.io/pause:3.10.2".to_owned(), digest)].into();
    world.images = vec![Archive { file: "pause.tar".into(), size: 7, digest, images }];
    world.package("containerd", &[("/usr/lib/cni/bridge", "debian"), ("/usr/lib/cni/dhcp", "debian")]).id.version =
        "1.7.24".into();
    world.package("kubernetes-cni", &[("/opt/cni/bin/bridge", "kubernetes")]);
    world
}

#[test]
fn a_node_of_a_cluster_has_its_images_places_and_a_kubelet_that_waits() {
    let world = cluster();
    let tree = world.assemble().unwrap().tree;
    assert_eq!(world.text(&tree, "/usr/share/nodesmith/images/pause.tar"), "archive");
    assert_eq!(world.text(&tree, "/usr/lib/modules/6.12/config"), "CONFIG_X=y\n");
    for directory in ["/etc/kubernetes/manifests", "/usr/share/factory/var/lib/kubelet", "/var/lib"] {
        assert!(tree.get(&TreePath::parse(directory).unwrap()).is_some(), "{directory}");
    }
    // The pinned package's plugin stays, the distribution's others are linked beside it.
    assert_eq!(world.text(&tree, "/opt/cni/bin/bridge"), "kubernetes");
    assert_eq!(link(&tree, "/opt/cni/bin/dhcp").as_deref(), Some("/usr/lib/cni/dhcp"));
    let shown = [
        "/usr/lib/systemd/system/kubelet.service.d/20-nodesmith.conf",
        "/usr/lib/nodesmith/image.json",
        "/etc/containerd/config.toml",
        "/etc/crictl.yaml",
    ];
    let shown: Vec<String> = shown.iter().map(|path| format!("# {path}\n{}", world.text(&tree, path))).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_node_of_no_cluster_keeps_none_of_it() {
    let world = World::new();
    let tree = world.assemble().unwrap().tree;
    let below = |path: &str| tree.below(&TreePath::parse(path).unwrap()).count();
    assert_eq!(below("/usr/share/nodesmith") + below("/etc/kubernetes") + below("/usr/lib/modules/6.12/config"), 0);
    assert!(!world.text(&tree, "/usr/lib/nodesmith/image.json").contains("kubernetes"));
}

#[test]
fn people_get_a_home_and_their_keys_and_no_password() {
    let mut world = World::new();
    world.recipe.users = vec![crate::recipe::User {
        name: "ops".into(),
        uid: None,
        groups: vec!["shadow".into()],
        shell: "/bin/sh".into(),
        home: "/home/ops".into(),
        ssh_authorized_keys: vec!["ssh-ed25519 AAAA ops".into()],
        location: location(),
    }];
    let tree = world.assemble().unwrap().tree;
    assert_eq!(world.text(&tree, "/home/ops/.ssh/authorized_keys"), "ssh-ed25519 AAAA ops\n");
    let home = tree.get(&TreePath::parse("/home/ops").unwrap()).unwrap();
    assert_eq!((home.uid, home.gid, home.mode), (1000, 1000, 0o700));
    assert!(world.text(&tree, "/etc/shadow").contains("\nops:*:"));
    assert!(world.text(&tree, "/etc/group").contains("shadow:x:42:ops\n"));
    world.recipe.users[0].groups = vec!["shade".into()];
    assert!(mistakes(world.assemble()).contains("nearest groups of this image: `shadow`"));
}
