//! Whether every program and library of the root finds the libraries it needs, as the dynamic loader would.
//!
//! `ld.so(8)`: `DT_RUNPATH` (or `DT_RPATH`) with `$ORIGIN`, then the directories built into the loader. What lies
//! anywhere else is only found through `ld.so.cache`, which images of RPMs have, made of the directories that
//! `ld.so.conf.d` names. A library in a directory of its own (systemd's, plugins)
//! is loaded by a program that has loaded its neighbours, so they count. A dropped package that something needs shows
//! here.

use std::collections::BTreeSet;
use std::io::Cursor;

use anyhow::Context;
use object::Endianness;
use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, DynamicTag, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef, StringTable};

use super::finding::Findings;
use super::subject::Subject;
use crate::bounded::quote;
use crate::tree::content::Opened;
use crate::tree::{Kind, Tree, TreePath};

/// What the loader searches by itself, behind Debian's directory of the architecture.
const DEFAULT: [&str; 3] = ["/usr/lib", "/usr/lib64", "/lib64"];

/// The dynamic section, as far as it matters here.
#[derive(Debug, Default)]
struct Dynamic {
    needed: Vec<String>,
    runpath: Vec<String>,
}

pub(super) fn check(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut searched = vec![format!("/usr/lib/{}", subject.recipe.arch.multiarch)];
    searched.extend(DEFAULT.map(str::to_owned));
    searched.extend(configured(subject)?);
    for directory in ["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec"] {
        for (path, id, inode) in subject.tree.below(&TreePath::parse(directory)?) {
            let Kind::File(content) = &inode.kind else { continue };
            // Modules are linked by the kernel.
            if path.as_bytes().starts_with(b"/usr/lib/modules/") || !seen.insert(id) || content.size() < 64 {
                continue;
            }
            let reading = || format!("reading `{path}`");
            let opened = content.open(subject.contents).with_context(reading)?;
            let mut magic = [0; 5];
            opened.read_exact_at(&mut magic, 0).with_context(reading)?;
            if magic != *b"\x7fELF\x02" {
                continue;
            }
            let dynamic = match &opened {
                Opened::File(file) => dynamic(&ReadCache::new(file)),
                Opened::Inline(bytes) => dynamic(&ReadCache::new(Cursor::new(&**bytes))),
            };
            // What is no complete ELF file cannot be started either; data files may look like one.
            let Some(dynamic) = dynamic else { continue };
            for library in missing(subject.tree, path, &dynamic, &searched) {
                let library = quote(&library);
                found.push(format!("`{path}` from {} needs `{library}`, which no package brings", inode.origin).into());
            }
        }
    }
    Ok(found)
}

fn dynamic<'data, R: ReadRef<'data>>(data: R) -> Option<Dynamic> {
    let header = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let Some(section) = segments.iter().find_map(|segment| segment.dynamic(endian, data).ok()?) else {
        return Some(Dynamic::default());
    };
    let value =
        |tag: DynamicTag| section.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.d_val(endian));
    // The string table's address is where it will be loaded; its place in the file follows from the segment.
    let address = value(object::elf::DT_STRTAB)?;
    let size = value(object::elf::DT_STRSZ)?;
    let start = segments.iter().find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr(endian))?;
        let loaded = segment.p_type(endian) == object::elf::PT_LOAD && within < segment.p_filesz(endian);
        loaded.then(|| segment.p_offset(endian).checked_add(within))?
    })?;
    let strings = StringTable::new(data, start, start.checked_add(size)?);
    let texts = |tag: DynamicTag| -> Vec<String> {
        let entries = section.iter().filter(|entry| entry.tag(endian) == tag);
        let texts = entries.filter_map(|entry| strings.get(entry.val32(endian)?).ok());
        texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    };
    let paths = [texts(DT_RUNPATH), texts(DT_RPATH)].concat();
    let runpath = paths.iter().flat_map(|path| path.split(':')).map(str::to_owned).collect();
    Some(Dynamic { needed: texts(DT_NEEDED), runpath })
}

/// Directories that the cache was made of besides the loader's own.
fn configured(subject: &Subject) -> anyhow::Result<Vec<String>> {
    if subject.lookup("/etc/ld.so.cache")?.is_none() {
        return Ok(Vec::new());
    }
    let mut files = vec!["/etc/ld.so.conf".to_owned()];
    let directory = TreePath::parse("/etc/ld.so.conf.d")?;
    let named = subject.tree.children(&directory).map(|(path, _, _)| path.to_string());
    files.extend(named.filter(|path| path.ends_with(".conf")));
    let mut directories = Vec::new();
    for file in files {
        let text = subject.text(&file)?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim().to_owned());
        directories.extend(lines.filter(|line| line.starts_with('/')));
    }
    Ok(directories)
}

fn missing(tree: &Tree, path: &TreePath, dynamic: &Dynamic, searched: &[String]) -> Vec<String> {
    let here = path.parent().unwrap_or_else(TreePath::root).to_string();
    let own = dynamic.runpath.iter().map(|path| path.replace("${ORIGIN}", &here).replace("$ORIGIN", &here));
    let library = path.name().windows(3).any(|part| part == b".so");
    let neighbours = Some(here.clone()).filter(|_| library);
    let directories: Vec<String> = own.chain(neighbours).chain(searched.iter().cloned()).collect();
    let origin = crate::tree::Origin::from("checks");
    let exists = |library: &str| {
        directories.iter().any(|directory| {
            // `$ORIGIN/../lib` has a component that paths in the tree do not have.
            let plain = plain(&format!("{directory}/{library}"));
            TreePath::parse(plain)
                .ok()
                .and_then(|path| tree.resolve(&path, &origin).ok())
                .is_some_and(|path| tree.get(&path).is_some())
        })
    };
    dynamic.needed.iter().filter(|library| !exists(library)).cloned().collect()
}

/// The path with its `..` components taken out by name.
fn plain(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            ".." => {
                names.pop();
            }
            _ => names.push(name),
        }
    }
    names.join("/")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::tree::{Content, Inode, Origin};

    #[test]
    fn the_test_program_itself_needs_libc() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let dynamic = dynamic(&ReadCache::new(file)).unwrap();
        assert!(dynamic.needed.iter().any(|name| name == "libc.so.6"), "{dynamic:?}");
        let tree = Tree::new(0, &crate::tree::Origin::from("x"));
        assert!(
            missing(&tree, &TreePath::parse("/usr/bin/x").unwrap(), &dynamic, &[]).contains(&"libc.so.6".to_owned())
        );
    }

    /// The smallest shared library that needs another one: two segments, the dynamic section, its strings.
    pub(in crate::checks) fn library(needed: &str) -> Vec<u8> {
        let strings = format!("\0{needed}\0");
        let size = 240 + strings.len() as u64;
        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
        let mut words = |list: &[u64]| list.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        // The rest of the header: entry, segments at 64, sections; sizes of header and segment, their count.
        words(&[0, 64, 0, 64 << 32 | 56 << 48, 2]);
        words(&[1 | 4 << 32, 0, 0, 0, size, size, 1, 2 | 4 << 32, 176, 176, 176, 64, 64, 8]);
        words(&[1, 1, 5, 240, 10, strings.len() as u64, 0, 0]);
        bytes.extend(strings.as_bytes());
        bytes
    }

    #[test]
    fn libraries_of_red_hats_directory_are_asked_too() {
        let world = crate::assemble::tests::World::new();
        let mut assembled = world.assemble().unwrap();
        for (path, needed) in [("libone.so", "libgone.so.1"), ("libtwo.so", "libone.so")] {
            let kind = Kind::File(Content::inline(library(needed)));
            let path = TreePath::parse(format!("/usr/lib64/{path}")).unwrap();
            assembled.tree.replace(path, Inode::new(kind, 0o755, 0, &Origin::from("libs"))).unwrap();
        }
        let subject = Subject {
            recipe: &world.recipe,
            tree: &assembled.tree,
            contents: &world.store,
            kernel: &assembled.kernel,
            packages: &[],
        };
        let found: Vec<String> = check(&subject).unwrap().into_iter().map(|finding| finding.text).collect();
        assert_eq!(found, ["`/usr/lib64/libone.so` from libs needs `libgone.so.1`, which no package brings"]);
    }

    #[test]
    fn parent_components_are_taken_out() {
        assert_eq!(plain("/usr/lib/x/../y/z.so"), "/usr/lib/y/z.so");
    }
}
