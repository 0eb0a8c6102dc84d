//! A small root, changed in one thing at a time.

use std::collections::BTreeSet;

use super::*;
use crate::assemble::modules::modinfo;
use crate::assemble::tests::World;
use crate::assemble::{Assembled, KernelFiles};
use crate::package::Family;
use crate::package::rpm::REQUIRES;
use crate::recipe::PackageRequest;
use crate::recipe::hardware::SERVER;
use crate::tree::{Content, Inode, Kind, Origin, Tree, TreePath};
use crate::yaml::Located;

/// Findings of a small root after `change`.
fn after(change: impl FnOnce(&mut Tree)) -> String {
    let world = World::new();
    let mut assembled = world.assemble().unwrap();
    change(&mut assembled.tree);
    let subject = Subject {
        recipe: &world.recipe,
        tree: &assembled.tree,
        contents: &world.store,
        kernel: &assembled.kernel,
        packages: &[],
    };
    run(&subject).unwrap().to_string()
}

#[test]
fn a_path_that_an_rpm_requires_has_to_be_there() {
    let world = World::new();
    let assembled = world.assemble().unwrap();
    let mut package = world.packages[0].clone();
    package.family = Family::Rpm;
    package.control = [REQUIRES; 3]
        .map(str::to_owned)
        .into_iter()
        .zip(["/etc/passwd", "/no/where", "bash >= 5"].map(str::to_owned))
        .collect();
    let packages = [package];
    let subject = Subject {
        recipe: &world.recipe,
        tree: &assembled.tree,
        contents: &world.store,
        kernel: &assembled.kernel,
        packages: &packages,
    };
    let found: Vec<String> = requirements::files(&subject).unwrap().into_iter().map(|finding| finding.text).collect();
    assert_eq!(found, [format!("{} requires `/no/where`, which nothing brings", packages[0].id)]);
}

fn path(path: &str) -> TreePath {
    TreePath::parse(path).unwrap()
}

fn put(tree: &mut Tree, at: &str, text: &str) {
    put_from(tree, at, text, "test");
}

/// A file of this origin, in place of one that is there; its directories are made.
pub(super) fn put_from(tree: &mut Tree, at: &str, text: &str, origin: &str) {
    let (path, origin) = (path(at), Origin::from(origin));
    let parents: Vec<TreePath> = std::iter::successors(path.parent(), TreePath::parent).collect();
    for parent in parents.into_iter().rev() {
        if tree.get(&parent).is_none() {
            tree.insert(parent, Inode::new(Kind::Directory, 0o755, 0, &origin)).unwrap();
        }
    }
    tree.replace(path, Inode::new(Kind::File(Content::inline(text)), 0o644, 0, &origin)).unwrap();
}

#[test]
fn names_are_slugs_and_no_two_are_the_same() {
    let slugs: BTreeSet<&str> = CHECKS.iter().map(|check| check.slug).collect();
    assert_eq!(slugs.len(), CHECKS.len());
    assert!(slugs.iter().all(|slug| slug.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')));
}

#[test]
fn a_root_without_systemd_lacks_an_init_and_a_formatter() {
    let text = after(|_| {});
    assert!(text.contains("there is no `/sbin/init` [no-init]"), "{text}");
    assert!(text.contains("there is no `/usr/sbin/mkfs.ext4` [no-formatter]"), "{text}");
    assert!(text.contains("recipe.yaml:6:19: kernel 6.12 was built without CONFIG_EROFS_FS "), "{text}");
    for fine in ["machine-id-empty", "password-in-image", "owner-without-account", "no-mount-point", "missing-library"]
    {
        assert!(!text.contains(fine), "{text}");
    }
}

#[test]
fn what_would_be_the_same_on_every_node_is_found() {
    let text = after(|tree| {
        put(tree, "/etc/machine-id", "0123\n");
        let inode = Inode::new(Kind::Directory, 0o755, 0, &Origin::from("test"));
        tree.insert(path("/etc/ssh"), inode).unwrap();
        put(tree, "/etc/ssh/ssh_host_rsa_key", "key");
        put(tree, "/etc/shadow", "root::1::::::\nops:$6$x:1::::::\nbin:!*:1::::::\n");
    });
    assert!(text.contains("every node would have this identity [machine-id-empty]"), "{text}");
    assert!(text.contains("`/etc/ssh/ssh_host_rsa_key` from test"), "{text}");
    assert!(text.contains("`root` needs no password") && text.contains("`ops` has a password"), "{text}");
    assert!(!text.contains("`bin`"), "{text}");
}

#[test]
fn strangers_and_dangling_units_are_named_with_their_origin() {
    let text = after(|tree| {
        put(tree, "/etc/x", "");
        tree.update(&path("/etc/x"), |inode| inode.uid = 4242).unwrap();
        let link = Inode::new(Kind::Symlink(b"../gone.service".to_vec()), 0o777, 0, &Origin::from("test"));
        tree.insert(path("/etc/systemd/system/gone.service"), link).unwrap();
    });
    assert!(text.contains("`/etc/x` from test belongs to 4242:0"), "{text}");
    assert!(text.contains("`/etc/systemd/system/gone.service` from test leads nowhere [dangling-unit]"), "{text}");
}

#[test]
fn a_service_of_pam_that_includes_a_missing_file_is_found() {
    let text = after(|tree| {
        for directory in ["/etc/pam.d", "/usr/lib/pam.d"] {
            tree.insert(path(directory), Inode::new(Kind::Directory, 0o755, 0, &Origin::from("test"))).unwrap();
        }
        put(
            tree,
            "/etc/pam.d/login",
            "auth include there\nauth substack vendor\n@include gone\nauth include /etc/gone\n",
        );
        put(tree, "/etc/pam.d/there", "auth required pam_unix.so\n");
        put(tree, "/usr/lib/pam.d/vendor", "session include lost\n");
        put(tree, "/etc/pam.d/long", &format!("auth include {}\n", "x".repeat(6000)));
    });
    for (service, name) in
        [("/etc/pam.d/login", "gone"), ("/etc/pam.d/login", "/etc/gone"), ("/usr/lib/pam.d/vendor", "lost")]
    {
        let expected = format!("`{service}` from test includes `{name}`, which nothing brings [pam-include]");
        assert!(text.contains(&expected), "{text}");
    }
    assert_eq!(text.matches("[pam-include]").count(), 4, "{text}");
    assert!(text.contains("xxx…`") && text.len() < 6000, "{text}");
}

#[test]
fn a_kernel_of_another_line_is_found() {
    let world = World::new();
    let assembled = world.assemble().unwrap();
    let found = |line: &str, release: &str| {
        let mut recipe = world.recipe.clone();
        recipe.kernel.line = line.to_owned();
        let kernel = KernelFiles { release: release.to_owned(), ..assembled.kernel.clone() };
        let subject =
            Subject { recipe: &recipe, tree: &assembled.tree, contents: &world.store, kernel: &kernel, packages: &[] };
        run(&subject).unwrap().to_string().contains("[kernel-line]")
    };
    for fine in ["6.12", "6.12.48+deb13-amd64", "6.12-rc1"] {
        assert!(!found("6.12", fine), "{fine}");
    }
    assert!(found("6.12", "5.10.0-30-amd64") && found("6.1", "6.12.48+deb13-amd64") && found("6.12", "6.120.1"));
}

#[test]
fn a_kernel_has_the_essential_drivers_of_its_machines_as_modules_or_built_in() {
    let mut world = World::new();
    world.recipe = crate::assemble::tests::recipe_with("hardware: [virtual, server]\n");
    let mut tree = world.assemble().unwrap().tree;
    let found = |tree: &Tree| {
        let kernel = world.assemble().unwrap().kernel;
        let subject = Subject { recipe: &world.recipe, tree, contents: &world.store, kernel: &kernel, packages: &[] };
        let findings = hardware::drivers(&subject).unwrap();
        findings.into_iter().map(|finding| (finding.text, finding.at.unwrap().to_string())).collect::<Vec<_>>()
    };
    let all = &found(&tree)[..];
    let [(text, place)] = all else { panic!("{all:?}") };
    assert!(text.starts_with("the kernel 6.12 is for other machines than `server`: it has no ahci, nvme, "), "{text}");
    assert!(place.ends_with("recipe.yaml:8:21"), "{place}");
    let (built_in, modules) = SERVER.essential.split_at(2);
    let lines =
        |names: &[&str], end: &str| names.iter().map(|name| format!("kernel/{name}.ko{end}\n")).collect::<String>();
    put(&mut tree, "/usr/lib/modules/6.12/modules.builtin", &lines(built_in, ""));
    put(&mut tree, "/usr/lib/modules/6.12/modules.dep", &lines(&modules[1..], ".xz:"));
    assert!(found(&tree)[0].0.contains(&format!("it has no {}; take", modules[0])), "{:?}", found(&tree));
    put(&mut tree, "/usr/lib/modules/6.12/modules.dep", &lines(modules, ".xz:"));
    assert_eq!(found(&tree), []);
}

#[test]
fn what_servers_may_miss_is_noted_for_servers_only() {
    let mut world = World::new();
    let assembled = world.assemble().unwrap();
    let mut tree = assembled.tree.clone();
    let notes = |world: &World, tree: &Tree| {
        let subject =
            Subject { recipe: &world.recipe, tree, contents: &world.store, kernel: &assembled.kernel, packages: &[] };
        notes(&subject).unwrap()
    };
    assert!(notes(&world, &tree).is_empty());
    world.recipe = crate::assemble::tests::recipe_with("hardware: [server]\n");
    let of = |vendor: &str, directory: &str| {
        format!("the image has no microcode for processors of {vendor} (/usr/lib/firmware/{directory})")
    };
    assert_eq!(notes(&world, &tree), [of("AMD", "amd-ucode"), of("Intel", "intel-ucode")]);
    put(&mut tree, "/usr/lib/firmware/amd-ucode/microcode_amd.bin", "x");
    assert_eq!(notes(&world, &tree), [of("Intel", "intel-ucode")]);
    let elf = modinfo::tests::module(&[("firmware", "bnx2x/a.fw"), ("firmware", "bnx2x/b.fw")]);
    let module = Inode::new(Kind::File(Content::inline(elf)), 0o644, 0, &Origin::from("test"));
    put(&mut tree, "/usr/lib/modules/6.12/modules.dep", "kernel/bnx2x.ko:\n");
    put(&mut tree, "/usr/lib/modules/6.12/kernel/bnx2x.ko", "");
    tree.replace(path("/usr/lib/modules/6.12/kernel/bnx2x.ko"), module).unwrap();
    let firmware = "no package brings firmware for the drivers bnx2x (bnx2x/a.fw)";
    assert_eq!(notes(&world, &tree)[1..], [firmware]);
    put(&mut tree, "/usr/lib/firmware/bnx2x/b.fw.xz", "x");
    assert_eq!(notes(&world, &tree).len(), 1);
}

#[test]
fn modules_of_another_kernel_are_found_with_their_package() {
    let mut world = World::new();
    let found = |world: &World| {
        let Assembled { mut tree, kernel, .. } = world.assemble().unwrap();
        put(&mut tree, "/usr/lib/modules/6.12/kernel/a.ko.xz", "");
        let (recipe, contents, packages) = (&world.recipe, &world.store, &world.packages[..]);
        let findings = modules::check(&Subject { recipe, tree: &tree, contents, kernel: &kernel, packages }).unwrap();
        findings.into_iter().map(|finding| (finding.text, finding.at)).collect::<Vec<_>>()
    };
    world.package("headers", &[("/usr/lib/modules/6.11/build/Makefile", "x")]);
    assert_eq!(found(&world), []);
    let files = ["/usr/lib/modules/6.11/extra/b.ko", "/usr/lib/modules/6.11/extra/c.ko.zst"].map(|path| (path, "x"));
    world.package("kmod-b", &files);
    let text = "kmod-b 1.0 brings modules of kernel 6.11, and the image's kernel is 6.12: \
                `/usr/lib/modules/6.11/extra/b.ko`";
    assert_eq!(found(&world), [(text.to_owned(), None)]);
    let location = crate::assemble::tests::location();
    let request = PackageRequest { name: "kmod-b".into(), version: None, location: location.clone() };
    world.recipe.packages.push(request);
    assert_eq!(found(&world), [(text.to_owned(), Some(location))]);
}

/// A finding of the first check and one of the last, each under its own check's slug and with its place.
#[test]
fn every_finding_carries_its_checks_name_and_place() {
    let mut world = World::new();
    world.recipe.kernel.line = "5.10".to_owned();
    let mut assembled = world.assemble().unwrap();
    put(&mut assembled.tree, "/etc/machine-id", "0123\n");
    let (recipe, tree, contents, kernel) = (&world.recipe, &assembled.tree, &world.store, &assembled.kernel);
    let found = run(&Subject { recipe, tree, contents, kernel, packages: &[] }).unwrap().0;
    let titled = |part: &str| {
        let mut named = found.iter().filter(|mistake| mistake.title.contains(part));
        let mistake = named.next().unwrap_or_else(|| panic!("{part}: {found:?}"));
        assert_eq!(named.next(), None, "{part}");
        (mistake.slug, mistake.location.is_some())
    };
    assert_eq!(titled("`/etc/machine-id` is not empty"), ("machine-id-empty", false));
    assert_eq!(titled("the kernel is of the line 5.10"), ("kernel-line", true));
    assert_eq!(titled("there is no `/sbin/init`"), ("no-init", false));
    let order = |slug| found.iter().position(|mistake| mistake.slug == slug).unwrap();
    assert!(order("machine-id-empty") < order("no-init") && order("no-init") < order("kernel-line"), "{found:?}");
}

#[test]
fn a_node_of_a_cluster_lacks_what_kubeadm_would_miss() {
    let mut world = World::new();
    let kubernetes = |minor| crate::recipe::kubernetes::Kubernetes {
        version: crate::recipe::kubernetes::Version { minor, patch: 2 },
        pull_sandbox_image: true,
        location: crate::assemble::tests::location(),
    };
    world.recipe.kubernetes = Some(kubernetes(20));
    let findings = |world: &World| {
        let Assembled { tree, kernel, .. } = world.assemble().unwrap();
        let (recipe, contents) = (&world.recipe, &world.store);
        let subject = Subject { recipe, tree: &tree, contents, kernel: &kernel, packages: &[] };
        let found = run(&subject).unwrap();
        let ours = found.0.iter().filter(|it| ["kubelet-missing", "preflight-program"].contains(&it.slug));
        ours.map(|it| it.title.clone()).collect::<Vec<_>>()
    };
    let found = findings(&world).join("\n");
    assert!(found.contains("there is no `/usr/bin/kubelet`"), "{found}");
    assert!(found.contains("there is no `/usr/lib/systemd/system/kubelet.service`"), "{found}");
    assert!(found.contains("no drop-in in `/usr/lib/systemd/system/kubelet.service.d`"), "{found}");
    let conntrack =
        "kubeadm 1.20.2 does not join without `conntrack`: add the package `conntrack` or `conntrack-tools`";
    assert!(found.contains(conntrack), "{found}");
    world.package(
        "kubernetes",
        &[
            ("/usr/bin/kubelet", "elf"),
            ("/usr/bin/kubeadm", "elf"),
            ("/usr/lib/systemd/system/kubelet.service", "[Service]\n"),
            (
                "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
                "ExecStart=kubelet --bootstrap-kubeconfig=x\n",
            ),
            ("/usr/bin/crictl", "elf"),
            ("/usr/sbin/iptables", "elf"),
            ("/usr/sbin/conntrack", "elf"),
            ("/bin/ip", "elf"),
            ("/usr/bin/mount", "elf"),
            ("/usr/bin/nsenter", "elf"),
        ],
    );
    assert_eq!(findings(&world), [""; 0]);
    world.recipe.kubernetes = None;
    assert_eq!(findings(&world), [""; 0]);
}

#[test]
fn programs_are_asked_for_as_long_as_preflight_asks() {
    let programs = |minor: u32| {
        let asked = crate::recipe::kubernetes::table::table().programs.iter();
        asked.filter(|it| it.until.is_none_or(|last| minor <= last)).map(|it| it.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(programs(30), ["conntrack", "ip", "iptables", "mount", "nsenter", "crictl"]);
    assert_eq!(programs(32), ["ip", "iptables", "mount", "nsenter"]);
    assert_eq!(programs(36), ["mount", "nsenter"]);
}

/// A whole root that no check complains of: a node of a cluster.
struct Specimen {
    world: World,
    assembled: Assembled,
}

impl Specimen {
    fn sound() -> Specimen {
        let mut world = World::new();
        let location = crate::assemble::tests::location;
        let at = |directory: &'static str, names: &[&str]| -> Vec<String> {
            names.iter().map(|name| format!("{directory}/{name}")).collect()
        };
        let programs = [
            at("/usr/sbin", &["init", "mkfs.ext4"]),
            at("/usr/bin", &["bash", "containerd", "runc", "kubelet", "kubeadm", "mount", "nsenter"]),
            at("/usr/lib/systemd/system", &["multi-user.target", "containerd.service"]),
        ];
        let unit = "/usr/lib/systemd/system/kubelet.service";
        let drop_in = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf";
        let mut files: Vec<(&str, &str)> = programs.iter().flatten().map(|path| (path.as_str(), "x")).collect();
        files.push((unit, "[Service]\nExecStart=/usr/bin/kubelet\n"));
        files.push((drop_in, "[Service]\nEnvironment=A=--bootstrap-kubeconfig=x\n"));
        files.push(("/usr/lib/systemd/libsystemd-shared-257.so", ""));
        world.package("containerd", &files).id.version = "2.1.4".into();
        let section = "runtime: {containerd: {systemd-cgroup: true, sandbox-image: \"registry.k8s.io/pause:3.10\"}}\n\
                       users: {ops: {}}\n";
        world.recipe = crate::assemble::tests::recipe_with(section);
        world.recipe.kubernetes = Some(crate::recipe::kubernetes::Kubernetes {
            version: crate::recipe::kubernetes::Version { minor: 36, patch: 2 },
            pull_sandbox_image: true,
            location: location(),
        });
        let mut assembled = world.assemble().unwrap();
        let options = ["EROFS_FS", "EROFS_FS_ZIP", "EROFS_FS_ZIP_ZSTD", "BLK_DEV_DM", "DM_VERITY", "OVERLAY_FS"];
        let options = options.into_iter().chain(["EXT4_FS", "XFS_FS", "VFAT_FS", "CGROUPS", "EFI_STUB", "DEVTMPFS"]);
        let options = options.chain(["TMPFS", "BLK_DEV_INITRD"]);
        assembled.kernel.config = options.map(|option| format!("CONFIG_{option}=y\n")).collect();
        Specimen { world, assembled }
    }

    fn put(&mut self, at: &str, text: &str) {
        put(&mut self.assembled.tree, at, text);
    }

    fn remove(&mut self, at: &str) {
        assert_eq!(self.assembled.tree.remove_all(&path(at)), 1, "{at}");
    }

    /// The slugs of all that is found, each once.
    fn found(&self) -> BTreeSet<&'static str> {
        let Specimen { world, assembled } = self;
        let found = run(&Subject {
            recipe: &world.recipe,
            tree: &assembled.tree,
            contents: &world.store,
            kernel: &assembled.kernel,
            packages: &world.packages,
        });
        found.unwrap().0.iter().map(|mistake| mistake.slug).collect()
    }
}

/// A slug, and what makes its check complain.
type Mutant = (&'static str, fn(&mut Specimen));

/// For each check what it alone complains of, done to a sound root.
const MUTANTS: &[Mutant] = &[
    ("machine-id-empty", |it| it.put("/etc/machine-id", "0123\n")),
    ("host-key-in-image", |it| it.put("/etc/ssh/ssh_host_rsa_key", "key")),
    ("password-in-image", |it| it.put("/etc/shadow", "root:$6$x:1::::::\n")),
    ("owner-without-account", |it| {
        it.assembled.tree.update(&path("/usr/bin/bash"), |inode| inode.uid = 4242).unwrap();
    }),
    ("user-without-shell", |it| it.world.recipe.users[0].shell = "/usr/bin/fish".into()),
    ("no-init", |it| it.remove("/usr/sbin/init")),
    ("dangling-unit", |it| {
        let link = Inode::new(Kind::Symlink(b"../gone.service".to_vec()), 0o777, 0, &Origin::from("test"));
        it.assembled.tree.insert(path("/etc/systemd/system/gone.service"), link).unwrap();
    }),
    ("unit-setting", |it| {
        let unit = "[Service]\nType=oneshot\nRestart=always\nExecStart=/bin/true\n";
        put_from(&mut it.assembled.tree, "/etc/systemd/system/a.service", unit, "overlay site");
    }),
    ("no-mount-point", |it| it.world.recipe.writable.push("/opt/nowhere".into())),
    ("no-formatter", |it| it.remove("/usr/sbin/mkfs.ext4")),
    ("kernel-line", |it| it.world.recipe.kernel.line = "5.10".into()),
    ("kernel-cannot", |it| {
        it.assembled.kernel.config = it.assembled.kernel.config.replace("CONFIG_OVERLAY_FS=y\n", "");
    }),
    ("kernel-without-drivers", |it| {
        let location = it.world.recipe.kernel.package.location.clone();
        it.world.recipe.hardware = vec![Located { value: &SERVER, location }];
    }),
    ("other-kernel-modules", |it| it.put("/usr/lib/modules/6.11/extra/b.ko", "")),
    ("runtime-configuration", |it| it.put("/etc/containerd/config.toml", "SystemdCgroup = false\n")),
    ("kubelet-missing", |it| it.remove("/usr/bin/kubelet")),
    ("preflight-program", |it| it.remove("/usr/bin/nsenter")),
    ("file-requirement", |it| {
        it.world.packages[0].family = Family::Rpm;
        it.world.packages[0].control.push((REQUIRES.into(), "/no/where".into()));
    }),
    ("pam-include", |it| it.put("/etc/pam.d/login", "auth include gone\n")),
    ("missing-library", |it| {
        let library = Content::inline(libraries::tests::library("libgone.so.1"));
        it.put("/usr/lib64/libone.so", "");
        it.assembled.tree.update(&path("/usr/lib64/libone.so"), |inode| inode.kind = Kind::File(library)).unwrap();
    }),
];

#[test]
fn every_check_complains_of_its_mutant_alone_and_of_no_sound_root() {
    let named: Vec<&str> = MUTANTS.iter().map(|(slug, _)| *slug).collect();
    assert!(CHECKS.iter().map(|check| check.slug).eq(named), "a mutant for each check, in the order of the checks");
    assert_eq!(Specimen::sound().found(), BTreeSet::new());
    for (slug, spoil) in MUTANTS {
        let mut specimen = Specimen::sound();
        spoil(&mut specimen);
        assert_eq!(specimen.found(), BTreeSet::from([*slug]));
    }
}
