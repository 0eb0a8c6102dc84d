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

use super::{Findings, Subject};
use crate::tree::content::Opened;
use crate::tree::{Kind, Tree, TreePath};

/// What the loaders of Debian's amd64 and arm64 search by themselves.
const DEFAULT: [&str; 5] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/lib64", "/lib64"];

/// The dynamic section, as far as it matters here.
#[derive(Debug, Default)]
struct Dynamic {
    needed: Vec<String>,
    runpath: Vec<String>,
}

pub(super) fn check(subject: &Subject) -> Findings {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let configured = configured(subject)?;
    for directory in ["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec"] {
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
            for library in missing(subject.tree, path, &dynamic, &configured) {
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

fn missing(tree: &Tree, path: &TreePath, dynamic: &Dynamic, configured: &[String]) -> Vec<String> {
    let here = path.parent().unwrap_or_else(TreePath::root).to_string();
    let own = dynamic.runpath.iter().map(|path| path.replace("${ORIGIN}", &here).replace("$ORIGIN", &here));
    let library = path.name().windows(3).any(|part| part == b".so");
    let neighbours = Some(here.clone()).filter(|_| library);
    let directories: Vec<String> =
        own.chain(neighbours).chain(DEFAULT.map(str::to_owned)).chain(configured.iter().cloned()).collect();
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
mod tests {
    use super::*;

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

    #[test]
    fn parent_components_are_taken_out() {
        assert_eq!(plain("/usr/lib/x/../y/z.so"), "/usr/lib/y/z.so");
    }
}
