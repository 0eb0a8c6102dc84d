//! SELinux: the mode that the recipe asks for, and the label of every file.
//!
//! Labels need a policy that packages or overlays bring compiled (`policy.NN`), as Red Hat's do, and its
//! `file_contexts`; Debian's packages compile theirs in scripts (`semodule`), which are not run. Which policy there is
//! says the `/etc/selinux/config` that came with it, selinux_config(5). An inode's label is its extended attribute
//! `security.selinux`, the context with a NUL behind it.

pub mod file_contexts;

use std::collections::BTreeSet;

use self::file_contexts::{FileContexts, Whose};
use crate::assemble::root::Root;
use crate::assemble::scripts::{REMOVAL, full_name, is_meant};
use crate::contract;
use crate::diag::Diagnostic;
use crate::package::{Family, Package, Script};
use crate::recipe::Selinux;
use crate::tree::{InodeId, TreePath};

const CONFIGURATION: &str = "/etc/selinux/config";
const ATTRIBUTE: &[u8] = b"security.selinux";
/// Red Hat's, and what libselinux takes where nothing is said.
const DEFAULT_POLICY: &str = "targeted";

/// What changes a policy: semodule(8), semanage(8), setsebool(8).
const POLICY_COMMANDS: [&str; 3] = ["semodule", "semanage", "setsebool"];
const POLICIES: &[u8] = b"/etc/selinux/";
/// What the agent makes in a new `/var` before a policy is loaded: such files get no label, so the template has them.
const MADE_EARLY: [&str; 3] = [contract::ETC_UPPER, contract::ETC_WORK, contract::WRITABLE_STORE];
/// What a new ext4 has before anybody else writes; as private as mkfs makes it.
const LOST_AND_FOUND: &str = "/lost+found";
/// Paths that have the labels of others, there and on the node: what becomes `/var`, what lies over the image from
/// there, and the agent, which no policy knows and systemd is to start like other people's services. None may lie in
/// another one's directory: libselinux 3.8 takes the first line that fits, older ones take the last.
const LIKE: [(&str, &str); 4] = [
    (contract::VAR_TEMPLATE, "/var"),
    (contract::WRITABLE_STORE, "/"),
    (contract::ETC_UPPER, "/etc"),
    (contract::AGENT, "/usr/libexec/nodeinit"),
];

/// Writes the mode. Without a policy there is none but `disabled`.
pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    let mode = root.inputs.recipe.selinux_mode();
    if root.base != Family::Rpm && mode == Selinux::Disabled {
        return Ok(());
    }
    let policy = policy(root)?;
    if mode != Selinux::Disabled && !has_compiled(root, &policy) {
        missing(root, "no-selinux-policy", &format!("/etc/selinux/{policy}/policy/policy.*"));
    }
    if mode == Selinux::Enforcing && !root.exists(&contexts_path(&policy)) {
        missing(root, "no-file-contexts", &contexts_path(&policy));
    }
    if mode != Selinux::Disabled {
        uncompiled(root);
    }
    root.file(CONFIGURATION, 0o644, format!("SELINUX={}\nSELINUXTYPE={policy}\n", mode.word()))
}

/// Gives every inode its label; not in a disabled image, nor in one that brings no labels.
pub(crate) fn label(root: &mut Root) -> anyhow::Result<()> {
    if root.inputs.recipe.selinux_mode() == Selinux::Disabled {
        return Ok(());
    }
    let policy = policy(root)?;
    let Some(contexts) = read(root, &contexts_path(&policy))? else { return Ok(()) };
    for path in MADE_EARLY {
        root.directory(&format!("{}{}", contract::VAR_TEMPLATE, path.trim_start_matches("/var")))?;
    }
    if root.inputs.recipe.disk.var.has_lost_and_found {
        root.directory_with(&format!("{}{LOST_AND_FOUND}", contract::VAR_TEMPLATE), 0o700, 0, 0)?;
    }
    let inodes: Vec<(TreePath, InodeId, char)> =
        root.tree.iter().map(|(path, id, inode)| (path.clone(), id, inode.kind.letter())).collect();
    let mut labelled = BTreeSet::new();
    for (path, id, kind) in inodes {
        // Of several names the first one decides.
        if !labelled.insert(id) {
            continue;
        }
        let name = if path.is_root() { b"/" } else { path.as_bytes() };
        if let Some(context) = contexts.lookup(name, kind) {
            let value = [context.as_bytes(), b"\0"].concat();
            root.tree.update(&path, |inode| drop(inode.xattrs.insert(ATTRIBUTE.to_vec(), value)))?;
        }
    }
    Ok(())
}

/// The name of the policy that the image has.
fn policy(root: &Root) -> anyhow::Result<String> {
    let text = root.read_text(CONFIGURATION)?.unwrap_or_default();
    let mut names = text.lines().rev().filter_map(|line| line.trim().strip_prefix("SELINUXTYPE="));
    Ok(names.next().unwrap_or(DEFAULT_POLICY).trim().to_owned())
}

fn contexts_path(policy: &str) -> String {
    format!("/etc/selinux/{policy}/contexts/files/file_contexts")
}

fn has_compiled(root: &Root, policy: &str) -> bool {
    root.lookup(&format!("/etc/selinux/{policy}/policy"))
        .is_some_and(|(path, _)| root.tree.children(&path).any(|(path, _, _)| path.name().starts_with(b"policy.")))
}

fn missing(root: &mut Root, slug: &'static str, path: &str) {
    let Some(asked) = &root.inputs.recipe.selinux else { return };
    root.mistakes.push(
        Diagnostic::new(slug, format!("`selinux: {}`, but no package brings {path}", asked.value.word()))
            .at(&asked.location, "needs it")
            .help("leave `selinux` out, or bring a compiled policy with its file contexts in a package or overlay"),
    );
}

/// Scripts that change the policy where they run, as container-selinux's do for the containers' domains, are mistakes
/// unless the recipe accepts them, because the policy that it brings has the change. Those of the policy itself only
/// compile what is there compiled. Debian's scripts have to be accepted by name anyway.
fn uncompiled(root: &mut Root) {
    let Some(asked) = &root.inputs.recipe.selinux else { return };
    let is_policy = |package: &Package| package.files.iter().any(|file| file.path.as_bytes().starts_with(POLICIES));
    let accepts = &root.inputs.recipe.accept_scripts;
    for package in root.packages.iter().filter(|package| package.family == Family::Rpm && !is_policy(package)) {
        let accepted = |script: &Script| {
            accepts.iter().any(|it| it.package == package.id.name && is_meant(script, it, &package.scripts))
        };
        let runs = |script: &&Script| !REMOVAL.contains(&script.name.as_str()) && !accepted(script);
        let changing = package.scripts.iter().filter(runs).find_map(|script| {
            let text = String::from_utf8_lossy(&script.text);
            let mut words = text.split(|letter: char| letter != '-' && !letter.is_alphanumeric());
            Some((script, words.find(|word| POLICY_COMMANDS.contains(word))?.to_owned()))
        });
        let Some((script, command)) = changing else { continue };
        let (name, script, word) = (&package.id.name, full_name(script), asked.value.word());
        root.mistakes.push(
            Diagnostic::new(
                "uncompiled-policy",
                format!(
                    "`selinux: {word}`, but `{script}` of {name} changes the policy (`{command}`), which is not \
                     done here"
                ),
            )
            .at(&asked.location, "needs it")
            .help(format!(
                "bring the policy compiled with it in an overlay, then accept the script: \
                 `accept-scripts: {{{name}: {{\"{script}\": \"the overlay's policy has it\"}}}}`"
            )),
        );
    }
}

/// The file contexts at `path` with what belongs to them, to which [`LIKE`] is added so that the node's `restorecon`
/// agrees; nothing if there are none. Lines that cannot be read are mistakes.
fn read(root: &mut Root, path: &str) -> anyhow::Result<Option<FileContexts>> {
    let Some(base) = root.read(path)? else { return Ok(None) };
    let mut contexts = FileContexts::default();
    let mut add = |name: &str, bytes: &[u8]| contexts.add(name, bytes).err();
    let mut mistakes = Vec::from_iter(add(path, &base));
    for name in [format!("{path}.homedirs"), format!("{path}.local")] {
        mistakes.extend(root.read(&name)?.and_then(|bytes| add(&name, &bytes)));
    }
    contexts.add_substitutions(Whose::Distribution, &root.read(&format!("{path}.subs_dist"))?.unwrap_or_default());
    let local = format!("{path}.subs");
    let mut substitutions = root.read(&local)?.unwrap_or_default();
    if !substitutions.is_empty() && !substitutions.ends_with(b"\n") {
        substitutions.push(b'\n');
    }
    for (path, like) in LIKE {
        substitutions.extend(format!("{path} {like}\n").into_bytes());
    }
    contexts.add_substitutions(Whose::Local, &substitutions);
    root.file(&local, 0o644, substitutions)?;
    root.mistakes.0.extend(mistakes.into_iter().flat_map(|mistakes| mistakes.0));
    Ok(Some(contexts))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::assemble::Assembled;
    use crate::assemble::tests::World;
    use crate::diag::Diagnostics;
    use crate::oracle::oracle;
    use crate::tree::{Kind, Tree};
    use crate::yaml::Located;

    const FILES: &str = "/etc/selinux/targeted/contexts/files/file_contexts";
    const CONTEXTS: &str = "\
/.* u:object_r:default_t:s0
/ -d u:object_r:root_t:s0
/[^/]+ -d u:object_r:top_t:s0
/[^/]+ -l u:object_r:link_t:s0
/usr/.* u:object_r:usr_t:s0
/usr/libexec(/.*)? u:object_r:bin_t:s0
/etc(/.*)? u:object_r:etc_t:s0
/etc/shadow -- u:object_r:shadow_t:s0
/var(/.*)? u:object_r:var_t:s0
/var/log(/.*)? u:object_r:log_t:s0
/proc -d <<none>>
";

    fn asking(mode: Selinux) -> World {
        let mut world = World::new();
        world.recipe.selinux = Some(Located { value: mode, location: crate::assemble::tests::location() });
        world
    }

    fn with_policy(mode: Selinux) -> World {
        let mut world = asking(mode);
        let policy = ("/etc/selinux/targeted/policy/policy.33", "compiled");
        let local = &format!("{FILES}.local") as &str;
        world.package(
            "policy",
            &[policy, (FILES, CONTEXTS), (local, "/var/log/x u:object_r:mine_t:s0\n"), ("/var/log/x", "")],
        );
        world
    }

    fn slugs(world: &World) -> Vec<&'static str> {
        let mistakes = world.assemble().unwrap_err().downcast::<Diagnostics>().unwrap();
        assert!(mistakes.0.iter().all(|mistake| mistake.location.is_some()), "{mistakes}");
        mistakes.0.iter().map(|mistake| mistake.slug).collect()
    }

    fn label<'a>(tree: &'a Tree, path: &str) -> Option<&'a str> {
        let inode = tree.get(&TreePath::parse(path).unwrap()).unwrap_or_else(|| panic!("no {path}"));
        let value = std::str::from_utf8(inode.xattrs.get(ATTRIBUTE)?).unwrap();
        Some(value.strip_suffix('\0').unwrap().split(':').nth(2).unwrap())
    }

    #[test]
    fn a_script_that_changes_the_policy_counts_only_where_the_recipe_says_that_the_policy_has_it() {
        let mut world = with_policy(Selinux::Enforcing);
        let text = "/usr/sbin/semodule -n -s targeted -X 200 -i /usr/share/selinux/packages/x.pp.bz2 || :\n";
        let script = |name: &str, text: &str| Script { name: name.to_owned(), text: text.as_bytes().to_vec() };
        let policy = world.packages.last_mut().unwrap();
        policy.family = Family::Rpm;
        policy.scripts = vec![script("%post", "semodule -B || :\n")];
        let package = world.package("container-selinux", &[]);
        package.family = Family::Rpm;
        package.scripts = vec![script("%post", text), script("%postun", text)];
        assert_eq!(slugs(&world), ["uncompiled-policy"]);
        world.recipe.selinux = None;
        world.assemble().unwrap();
        world = with_policy(Selinux::Permissive);
        let package = world.package("container-selinux", &[]);
        package.family = Family::Rpm;
        package.scripts = vec![script("%post", text)];
        world.recipe.accept_scripts = vec![crate::recipe::AcceptedScript {
            package: "container-selinux".into(),
            script: "%post".into(),
            program: None,
            reason: "the policy has it".into(),
            location: crate::assemble::tests::location(),
        }];
        world.assemble().unwrap();
    }

    #[test]
    fn a_mode_needs_a_compiled_policy_and_enforcing_also_its_labels() {
        assert_eq!(slugs(&asking(Selinux::Permissive)), ["no-selinux-policy"]);
        assert_eq!(slugs(&asking(Selinux::Enforcing)), ["no-selinux-policy", "no-file-contexts"]);
        let mut world = asking(Selinux::Enforcing);
        world.package("policy", &[("/etc/selinux/targeted/policy/policy.33", "compiled")]);
        assert_eq!(slugs(&world), ["no-file-contexts"]);
        world.recipe.selinux.as_mut().unwrap().value = Selinux::Permissive;
        let tree = world.assemble().unwrap().tree;
        assert_eq!(world.text(&tree, CONFIGURATION), "SELINUX=permissive\nSELINUXTYPE=targeted\n");
        assert!(tree.iter().all(|(_, _, inode)| !inode.xattrs.contains_key(ATTRIBUTE)));
    }

    #[test]
    fn the_policy_is_the_one_that_came_with_its_configuration() {
        let mut world = asking(Selinux::Enforcing);
        let configuration = "# comment\nSELINUX=permissive\n SELINUXTYPE=default \n";
        world.package(
            "policy",
            &[
                (CONFIGURATION, configuration),
                ("/etc/selinux/default/policy/policy.33", "compiled"),
                ("/etc/selinux/default/contexts/files/file_contexts", "/.* u:r:all_t\n"),
            ],
        );
        let tree = world.assemble().unwrap().tree;
        assert_eq!(world.text(&tree, CONFIGURATION), "SELINUX=enforcing\nSELINUXTYPE=default\n");
        assert_eq!(label(&tree, "/etc/shadow"), Some("all_t"));
    }

    #[test]
    fn a_line_of_the_image_that_cannot_be_read_is_a_mistake_at_its_place() {
        let mut world = with_policy(Selinux::Permissive);
        world.package("bad", &[(&format!("{FILES}.homedirs"), "/ok u:r:t\n/home/(x u:r:t\n")]);
        let mistakes = world.assemble().unwrap_err().downcast::<Diagnostics>().unwrap();
        assert_eq!(mistakes.0[0].location.as_ref().unwrap().0.to_string(), format!("{FILES}.homedirs:2:1"));
    }

    #[test]
    fn every_inode_has_the_label_that_the_images_own_policy_gives_it() {
        let world = with_policy(Selinux::Enforcing);
        let Assembled { tree, .. } = world.assemble().unwrap();
        assert_eq!((label(&tree, "/"), label(&tree, "/etc/shadow")), (Some("root_t"), Some("shadow_t")));
        assert_eq!((label(&tree, "/bin"), label(&tree, "/tmp")), (Some("link_t"), Some("top_t")));
        assert_eq!(
            (label(&tree, "/usr/share/factory"), label(&tree, "/usr/share/factory/var")),
            (Some("usr_t"), Some("var_t"))
        );
        assert_eq!((label(&tree, "/var"), label(&tree, "/usr/share/factory/var/log")), (Some("var_t"), Some("log_t")));
        assert_eq!(label(&tree, "/usr/share/factory/var/log/x"), Some("mine_t"));
        assert_eq!(label(&tree, "/usr/share/factory/var/lib/nodeinit/etc/upper"), Some("var_t"));
        let lost_and_found = tree.get(&TreePath::parse("/usr/share/factory/var/lost+found").unwrap()).unwrap();
        assert_eq!((lost_and_found.mode, label(&tree, "/usr/share/factory/var/lost+found")), (0o700, Some("var_t")));
        assert_eq!(label(&tree, contract::AGENT), Some("bin_t"));
        assert_eq!(label(&tree, "/proc"), None);
        let without: Vec<String> = tree
            .iter()
            .filter(|(_, _, inode)| !inode.xattrs.contains_key(ATTRIBUTE))
            .map(|(path, _, _)| path.to_string())
            .collect();
        assert_eq!(without, ["/proc"]);

        // libselinux, asked with the files of the image itself, gives the same to each path.
        let Some(selabel_lookup) = oracle("selabel_lookup") else { return };
        let directory = tempfile::tempdir().unwrap();
        for suffix in ["", ".local", ".subs"] {
            let text = world.text(&tree, &format!("{FILES}{suffix}"));
            std::fs::write(directory.path().join(format!("file_contexts{suffix}")), text).unwrap();
        }
        for (path, _, inode) in tree.iter() {
            // Of st_mode, in decimal.
            let mode = match inode.kind {
                Kind::Directory => "16384",
                Kind::Symlink(_) => "40960",
                Kind::File(_) => "32768",
                _ => panic!("{path} is new here"),
            };
            let mut command = Command::new(&selabel_lookup);
            command.args(["-r", "-b", "file", "-k", &path.to_string(), "-t", mode, "-f"]);
            let output = command.arg(directory.path().join("file_contexts")).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let theirs =
                text.trim().strip_prefix("Default context: ").map(|context| format!("{context}\0").into_bytes());
            assert_eq!(inode.xattrs.get(ATTRIBUTE), theirs.as_ref(), "{path}");
        }
    }

    #[test]
    fn an_image_without_selinux_has_no_labels() {
        let mut world = with_policy(Selinux::Disabled);
        let unlabelled = |world: &World| world.assemble().unwrap().tree.iter().all(|(_, _, it)| it.xattrs.is_empty());
        assert!(unlabelled(&world));
        world.recipe.selinux = None;
        assert!(unlabelled(&world));
    }
}
