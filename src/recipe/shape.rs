//! The shape of a recipe: the table that `check`, `schema` and the documentation share.

use super::{Selinux, UnknownPrograms, hardware, output};
use crate::arch::Arch;
use crate::image_info::MetadataTrust;
use crate::runtime::RUNTIMES;
use crate::secure_boot::Enroll;
use crate::shape::{Choice, Field, Shape, TEXTS, may, need};
use crate::trust::Weakness;
use crate::var_filesystem;

/// The whole recipe.
pub const RECIPE: Shape = Shape::Record(&[
    need("nodesmith", Shape::Word(&["1"]), "version of the recipe format"),
    need("name", Shape::Text, "name of the image and of its output files"),
    may("version", Shape::Text, "version of the image, default 0"),
    may("extends", TEXTS, "recipes this one builds on, relative to it: maps merge, lists append, scalars override"),
    may("arch", Shape::Word(&Arch::NAMES), "architecture of the node, default x86_64"),
    may("epoch", Shape::Text, "date (YYYY-MM-DD) of every file that the builder writes, default 2026-01-01"),
    need("repositories", Shape::Table(&REPOSITORY), "where packages come from, by name"),
    need("packages", TEXTS, "packages of the image: `name` or `name=version`"),
    may("weak-dependencies", Shape::Flag, "packages that RPMs recommend come too, default false"),
    may("drop", Shape::Table(&Shape::Text), "packages left out although something depends on them: name → reason"),
    may(
        "accept-scripts",
        Shape::Table(&Shape::Table(&Shape::Either(&Shape::Text, &Shape::Table(&Shape::Text)))),
        "what you vouch for: package → script → program → why it may do nothing there; or package → script → why it is \
         not run at all",
    ),
    may(
        "unknown-programs",
        Shape::Word(&UnknownPrograms::WORDS),
        "of scripts: `stop` the build (default), or `note` them, which then do nothing and stand in the manifest",
    ),
    may(
        "debconf",
        Shape::Table(&Shape::Table(&Shape::Text)),
        "answers to packages' questions: package → question → answer",
    ),
    may(
        "metadata",
        Shape::Word(&MetadataTrust::WORDS),
        "which metadata a node believes once it is set up: no other (`once`, default), of the `same-device` with another \
         instance-id, or `always`",
    ),
    may(
        "hardware",
        Shape::List(&Shape::Choice(&hardware::CHOICES)),
        "machines that the image is for: they decide on drivers in the initrd, microcode, firmware and consoles, default \
         virtual",
    ),
    need("kernel", Shape::Record(KERNEL), "the kernel and its command line"),
    may("sysctl", Shape::Table(&Shape::Text), "kernel settings, by their names with dots"),
    may("modules", Shape::Record(MODULES), "kernel modules of the running node"),
    may("runtime", Shape::OneOf(&RUNTIME), "the container runtime"),
    may("kubernetes", Shape::Record(KUBERNETES), "makes the image a node of a cluster"),
    may("images", TEXTS, "archives of container images that nodes have from the start, relative to the recipe"),
    may("services", Shape::Record(SERVICES), "systemd units by name"),
    may("users", Shape::Table(&Shape::Record(USER)), "accounts by name; none has a password"),
    may("system-ids", Shape::Table(&Shape::Text), "numbers (100 to 999) of system accounts that packages leave open"),
    may("overlays", TEXTS, "directories whose files go over the image, relative to the recipe"),
    may("timezone", Shape::Text, "a name like Europe/Berlin, default UTC"),
    may("locale", Shape::Text, "default C.UTF-8"),
    may(
        "selinux",
        Shape::Word(&Selinux::WORDS),
        "what is done with the policy that a package brings compiled; default disabled, else every file is labelled by \
         its file_contexts. Try a policy as permissive first: Debian 13's enforces only with a rule added",
    ),
    may("writable", TEXTS, "directories kept on the /var partition besides /etc and /var"),
    may("filesystem", Shape::Record(FILESYSTEM), "how the root file system is written"),
    may("disk", Shape::Record(DISK), "sizes of the partitions"),
    may(
        "bios",
        Shape::Flag,
        "the disk starts under a BIOS as well, by GRUB of the repositories' grub-pc-bin or grub2-pc-modules; it is intact then, \
         whose it is nobody checks. Default false",
    ),
    may(
        "secure-boot",
        Shape::Record(SECURE_BOOT),
        "signs what firmware with Secure Boot starts: the boot loader and the kernel image, which names the root's hash",
    ),
    may("outputs", Shape::List(&Shape::Choice(&output::CHOICES)), "forms of the disk, default raw and qcow2"),
    may("iso", Shape::Record(ISO), "what the installer of the output `iso` does"),
]);

const REPOSITORY: Shape = Shape::OneOf(&[
    may("apt", Shape::Record(APT), "a Debian archive"),
    may("rpm", Shape::Record(RPM), "an RPM repository"),
]);

const APT: &[Field] = &[
    need(
        "mirror",
        Shape::Text,
        "the archive's URL, or `host` for the mirror of Debian that this machine's apt uses, of suites that end in \
         -security its mirror of the security archive",
    ),
    need("suite", Shape::Text, "suite or code name, such as trixie, trixie-updates, trixie-security"),
    may("components", TEXTS, "default main"),
    need("keyring", Shape::Text, "file with the archive's OpenPGP keys"),
];

const ONE_OR_MORE: Shape = Shape::Either(&Shape::Text, &TEXTS);

const RPM: &[Field] = &[
    may("url", Shape::Text, "the directory above repodata; file://below/the/recipe is relative to it"),
    may("mirrorlist", Shape::Text, "instead of a URL: that of a text with such URLs, the best one first"),
    may("metalink", Shape::Text, "instead of a URL: that of a metalink, whose hashes repomd.xml must have"),
    may("directory", Shape::Text, "instead of a URL: a directory of .rpm files, relative to the recipe"),
    may("key", ONE_OR_MORE, "the OpenPGP key that signs the packages, or several: files, or URLs that its makers give"),
    may("fingerprint", ONE_OR_MORE, "the fingerprint of each key that is trusted: no other key in the files is"),
    may("signatures", Shape::Word(&["packages", "none"]), "what the key signs; `none` takes unsigned packages too"),
    may("signed-metadata", Shape::Flag, "the key signs repomd.xml too (repomd.xml.asc), default false"),
    may("weak", Shape::List(&Shape::Word(&Weakness::NAMES)), "weak algorithms of signatures that are believed here"),
    may("modules", TEXTS, "module streams that are enabled, such as nodejs:20; default those the repository says"),
    may(
        "priority",
        Shape::Text,
        "1 to 99: packages of repositories with a greater number count only where this one has none, default 99",
    ),
    may("only", TEXTS, "names of the only packages that count, with `*` and `?`; default all"),
    may("exclude", TEXTS, "names of packages that do not count, with `*` and `?`"),
    may("neutral", Shape::Flag, "the packages fit every distribution and may be put on a Debian base, default false"),
];

const KERNEL: &[Field] = &[
    need("package", Shape::Text, "package that brings the kernel"),
    need("line", Shape::Text, "the long-term line, such as \"6.12\""),
    may("accept-eol", Shape::Text, "why a line that gets no more fixes may be used"),
    may(
        "cmdline",
        TEXTS,
        "words added to the kernel command line; without a console= among them the hardware's consoles come first",
    ),
    may("initrd-modules", TEXTS, "modules in the initrd besides those of the hardware, loaded on every machine"),
];

const MODULES: &[Field] = &[
    may("load", TEXTS, "loaded at boot"),
    may("options", Shape::Table(&Shape::Text), "module → options"),
    may("blacklist", TEXTS, "never loaded by alias"),
];

/// A key for each runtime.
const RUNTIME: [Field; RUNTIMES.len()] = {
    let mut fields = [const { may("", Shape::Text, "") }; RUNTIMES.len()];
    let mut at = 0;
    while at < fields.len() {
        fields[at] = may(RUNTIMES[at].name, Shape::Record(RUNTIME_SETTINGS), RUNTIMES[at].about);
        at += 1;
    }
    fields
};

const RUNTIME_SETTINGS: &[Field] = &[
    may("systemd-cgroup", Shape::Flag, "let systemd manage the containers' cgroups, default true"),
    may("sandbox-image", Shape::Text, "the pause image, default registry.k8s.io/pause:3.10"),
    may("mirrors", Shape::Table(&TEXTS), "registry → mirror URLs"),
];

const KUBERNETES: &[Field] = &[
    need("version", Shape::Text, "such as 1.36.2: decides packages, sandbox image, modules, settings"),
    may("packages", Shape::Record(KUBERNETES_PACKAGES), "exact versions; default kubelet and kubeadm of `version`"),
    may("pull-sandbox-image", Shape::Flag, "nodes fetch the pause image themselves, default false"),
];

const KUBERNETES_PACKAGES: &[Field] = &[
    may("kubelet", Shape::Text, "such as 1.36.2-150500.2.1; without a release the newest one"),
    may("kubeadm", Shape::Text, "default `version`"),
    may("kubectl", Shape::Text, "not in the image unless it is named"),
    may("kubernetes-cni", Shape::Text, "default what the kubelet needs"),
    may("cri-tools", Shape::Text, "default what kubeadm needs"),
];

const SERVICES: &[Field] = &[
    may("enable", TEXTS, "units started at boot"),
    may("disable", TEXTS, "units that packages enable and this image does not"),
    may("mask", TEXTS, "units that can never start"),
];

const USER: &[Field] = &[
    may("uid", Shape::Text, "a number from 1000 to 59999, default the next free one"),
    may("groups", TEXTS, "more groups"),
    may("shell", Shape::Text, "default /bin/bash"),
    may("home", Shape::Text, "default /home/NAME"),
    may("ssh-authorized-keys", TEXTS, "public keys, one a line"),
];

const FILESYSTEM: &[Field] = &[
    may("compression", Shape::Word(&["zstd", "lz4hc"]), "default zstd for kernels from 6.10 on, lz4hc below"),
    may("level", Shape::Text, "compression level, default 3 for zstd and 9 for lz4hc"),
];

const DISK: &[Field] = &[
    may("esp", Shape::Text, "EFI system partition, default 512MiB"),
    may("slot", Shape::Text, "each of the two root slots, default 2GiB"),
    may("var", Shape::Record(VAR), "the /var partition, made on first boot from the rest of the disk"),
];

const ISO: &[Field] = &[
    may(
        "install",
        Shape::Text,
        "the disk that it takes: `only` the one that holds nothing (default), `smallest`, `name=`, `serial=`, `id=`, `size>=`, \
         `size<=`, joined by commas",
    ),
    may(
        "metadata",
        Shape::Text,
        "a directory with meta-data, user-data and network-config that installed nodes get, relative to the recipe; whoever \
         has the image can read it",
    ),
];

const VAR: &[Field] = &[
    may("filesystem", Shape::Word(var_filesystem::WORDS), "default ext4"),
    may("minimum", Shape::Text, "smallest size a node may have, default 2GiB"),
];

const SECURE_BOOT: &[Field] = &[
    need(
        "certificate",
        Shape::Text,
        "PEM file with the certificate of the key (RSA, 2048 bits or more), then those between it and one that the firmware \
         trusts, if there are any; it is public",
    ),
    may(
        "key",
        Shape::Text,
        "PEM file with the private key, without a passphrase, open to its owner alone; its place is not beside the recipe",
    ),
    may(
        "sign-digest",
        TEXTS,
        "instead of a key: a command and its arguments, which reads a SHA-256 digest (32 bytes) from its input and writes the \
         signature (RSASSA-PKCS1-v1_5). A program with a slash is relative to the recipe; no shell is in between",
    ),
    may(
        "sign-digest-info",
        TEXTS,
        "the same for PKCS#11's RSA-PKCS: the command reads the digest in its DigestInfo (51 bytes of DER)",
    ),
    may("enroll", Shape::Choice(&ENROLL), "whether the boot loader puts the certificate into a firmware without keys"),
];

const ENROLL: [Choice; 4] = [
    Choice { word: Enroll::Off.word(), about: "never: the image has no files for it (default)" },
    Choice { word: Enroll::Manual.word(), about: "when somebody chooses it in the boot loader's menu" },
    Choice { word: Enroll::IfSafe.word(), about: "by itself in a virtual machine, else as `manual`" },
    Choice {
        word: Enroll::Force.word(),
        about: "by itself on every machine: option ROMs that others signed, such as a graphics card's, do not start any more",
    },
];
