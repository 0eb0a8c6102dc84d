//! `/etc/ld.so.cache`, by which programs find libraries outside of the directories that the loader knows: what
//! `ldconfig` makes, natively.
//!
//! Only images of RPMs get one: their libraries lie in directories of `ld.so.conf.d`, and glibc's own scripts would
//! have made it. The form is glibc's `struct cache_file_new` (`sysdeps/generic/dl-cache.h`), with the subdirectories
//! for processors (`glibc-hwcaps`) in an extension. Oracle: `ldconfig -p -C` of what both have made of one root.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use object::Endianness;
use object::elf::{DT_SONAME, DT_STRSZ, DT_STRTAB, ET_DYN, FileHeader32, FileHeader64, PT_LOAD};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef, StringTable};

use super::root::Root;
use crate::arch::Arch;
use crate::glob;
use crate::package::Family;
use crate::tree::content::Opened;
use crate::tree::{Kind, TreePath};

const CACHE: &str = "/etc/ld.so.cache";
const CONFIGURATION: &str = "/etc/ld.so.conf";
/// Searched after the ones configured; the first name of a directory is the one that the cache says.
const SYSTEM: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
const HWCAPS: &str = "glibc-hwcaps";

const MAGIC: &[u8; 20] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;
const LITTLE_ENDIAN: u8 = 2;
const EXTENSION_MAGIC: u32 = 0xEAA4_2174;
/// Of an entry that is for some processors only; the low half is the number of its subdirectory's name.
const FOR_SOME_PROCESSORS: u64 = 1 << 62;
/// Files that are included by files that are included, at most.
const DEPTH_MAX: usize = 8;

/// One line of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    soname: String,
    path: String,
    flags: u32,
    /// `x86-64-v3` of `glibc-hwcaps/x86-64-v3`.
    processors: Option<String>,
}

pub(crate) fn write(root: &mut Root) -> anyhow::Result<()> {
    if root.base != Family::Rpm {
        return Ok(());
    }
    let mut entries = Vec::new();
    for directory in directories(root)? {
        for (path, processors) in with_processors(root, &directory) {
            scan(root, &path, processors, &mut entries)?;
        }
    }
    if entries.is_empty() {
        return Ok(());
    }
    // Of equals the earlier directory stays first.
    entries.sort_by(order);
    let bytes = encode(&entries)?;
    root.file(CACHE, 0o644, bytes)
}

/// What is searched, each directory once, under the first of its names.
fn directories(root: &Root) -> anyhow::Result<Vec<String>> {
    let mut named = Vec::new();
    read_configuration(root, CONFIGURATION, 0, &mut named)?;
    named.extend(SYSTEM.map(str::to_owned));
    let mut seen = BTreeSet::new();
    named.retain(|directory| {
        let found = root.lookup(directory).filter(|(_, inode)| inode.kind == Kind::Directory);
        found.is_some_and(|(path, _)| seen.insert(path))
    });
    Ok(named)
}

/// ld.so.conf, as ldconfig(8) reads it: directories, and `include` with a pattern in the last component.
fn read_configuration(root: &Root, file: &str, depth: usize, found: &mut Vec<String>) -> anyhow::Result<()> {
    let text = root.read_text(file)?.unwrap_or_default();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some(patterns) = line.strip_prefix("include").filter(|rest| rest.starts_with([' ', '\t'])) {
            for pattern in patterns.split_whitespace() {
                let here = file.rsplit_once('/').map_or("", |(directory, _)| directory);
                let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("{here}/{pattern}") };
                let Some((directory, pattern)) = pattern.rsplit_once('/') else { continue };
                let Some((directory, _)) = root.lookup(directory).filter(|_| depth < DEPTH_MAX) else { continue };
                let children: Vec<TreePath> = root.tree.children(&directory).map(|(path, _, _)| path.clone()).collect();
                for path in children.iter().filter(|path| glob::matches(pattern.as_bytes(), path.name())) {
                    read_configuration(root, &path.to_string(), depth + 1, found)?;
                }
            }
        } else if line.starts_with('/') {
            let directory = line.split('=').next().unwrap_or(line).trim_end();
            found.push(if directory == "/" { directory } else { directory.trim_end_matches('/') }.to_owned());
        }
    }
    Ok(())
}

/// The directory and its subdirectories for processors.
fn with_processors(root: &Root, directory: &str) -> Vec<(String, Option<String>)> {
    let mut all = vec![(directory.to_owned(), None)];
    if let Some((special, _)) = root.lookup(&format!("{directory}/{HWCAPS}")) {
        for (path, _, _) in root.tree.children(&special).filter(|(_, _, inode)| inode.kind == Kind::Directory) {
            let name = String::from_utf8_lossy(path.name()).into_owned();
            all.push((format!("{directory}/{HWCAPS}/{name}"), Some(name)));
        }
    }
    all
}

/// What one name in a directory stands for.
struct Library {
    name: String,
    link: bool,
    flags: u32,
}

/// Adds the libraries of one directory, one for each soname, and makes the links by their sonames that are missing.
fn scan(root: &mut Root, directory: &str, processors: Option<String>, entries: &mut Vec<Entry>) -> anyhow::Result<()> {
    let Some((at, _)) = root.lookup(directory) else { return Ok(()) };
    let names: Vec<String> =
        root.tree.children(&at).map(|(path, _, _)| String::from_utf8_lossy(path.name()).into_owned()).collect();
    let arch = root.inputs.recipe.arch;
    let mut libraries: BTreeMap<String, Library> = BTreeMap::new();
    for name in names.into_iter().filter(|name| is_library(name)) {
        let path = format!("{directory}/{name}");
        let Some((target, inode)) = root.lookup(&path) else { continue };
        let Kind::File(content) = &inode.kind else { continue };
        let opened = content.open(root.inputs.contents).with_context(|| format!("reading `{path}`"))?;
        let read = match &opened {
            Opened::File(file) => shared_object(arch, &ReadCache::new(file)),
            Opened::Inline(bytes) => shared_object(arch, &ReadCache::new(std::io::Cursor::new(&**bytes))),
        };
        let Some((flags, soname)) = read else { continue };
        let soname = soname.unwrap_or_else(|| name.clone());
        let mut link = target != root.path(&path)?;
        if link {
            // Named neither by the soname nor the linker's `.so`: as good as a file.
            link = name == soname || (name.ends_with(".so") && soname.starts_with(&name));
        }
        let soname = if link { name.clone() } else { soname };
        let better = libraries.get(&soname).is_none_or(|known| {
            (!link && known.link) || (link == known.link && compare_versions(&known.name, &name) == Ordering::Less)
        });
        if better {
            libraries.insert(soname, Library { name, link, flags });
        }
    }
    for (soname, Library { name, link, flags }) in libraries {
        if !link && soname != name && !soname.contains('/') {
            let wanted = format!("{directory}/{soname}");
            let at = root.path(&wanted)?;
            if root.tree.get(&at).is_none() {
                root.symlink(&wanted, &name)?;
            }
        }
        // A processor's library is opened by its own name: the link may be of another.
        let file = if processors.is_some() { &name } else { &soname };
        entries.push(Entry { path: format!("{directory}/{file}"), soname, flags, processors: processors.clone() });
    }
    Ok(())
}

fn is_library(name: &str) -> bool {
    (name.starts_with("lib") || name.starts_with("ld-")) && name.contains(".so")
}

/// Kind and soname of a shared library that programs of `arch` load; nothing of other files.
fn shared_object<'data, R: ReadRef<'data>>(arch: &Arch, data: R) -> Option<(u32, Option<String>)> {
    if let Ok(header) = FileHeader64::<Endianness>::parse(data) {
        return read_object(arch, header, data);
    }
    read_object(arch, FileHeader32::<Endianness>::parse(data).ok()?, data)
}

fn read_object<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    arch: &Arch,
    header: &H,
    data: R,
) -> Option<(u32, Option<String>)> {
    let endian = header.endian().ok()?;
    let (machine, is_64) = (header.e_machine(endian), header.is_type_64());
    let flags = arch.libraries.iter().find(|it| (it.machine, it.is_64) == (machine, is_64))?.cache_flags;
    if header.e_type(endian) != ET_DYN {
        return None;
    }
    let segments = header.program_headers(endian, data).ok()?;
    let section = segments.iter().find_map(|segment| segment.dynamic(endian, data).ok()?)?;
    let value = |tag| section.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.d_val(endian).into());
    let Some(name) = section.iter().find(|entry| entry.tag(endian) == DT_SONAME) else { return Some((flags, None)) };
    let (address, size): (u64, u64) = (value(DT_STRTAB)?, value(DT_STRSZ)?);
    let start = segments.iter().find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr(endian).into())?;
        let loaded = segment.p_type(endian) == PT_LOAD && within < segment.p_filesz(endian).into();
        loaded.then(|| segment.p_offset(endian).into().checked_add(within))?
    })?;
    let strings = StringTable::new(data, start, start.checked_add(size)?);
    let soname = strings.get(name.val32(endian)?).ok()?;
    Some((flags, Some(String::from_utf8_lossy(soname).into_owned())))
}

/// Names from the last to the first, for which the loader searches by halves; libraries for some processors first.
fn order(one: &Entry, other: &Entry) -> Ordering {
    compare_versions(&other.soname, &one.soname).then(other.flags.cmp(&one.flags)).then_with(|| {
        match (&one.processors, &other.processors) {
            (Some(one), Some(other)) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    })
}

/// Texts with runs of digits as numbers, `_dl_cache_libcmp` of glibc: a digit is more than any other character.
fn compare_versions(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        let digit = |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit);
        match (one, other) {
            ([], []) => return Ordering::Equal,
            _ if digit(one) && digit(other) => {
                let run = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let ((a, one_rest), (b, other_rest)) = (one.split_at(run(one)), other.split_at(run(other)));
                let significant = |digits: &[u8]| {
                    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
                    (digits.len() - zeros, digits[zeros..].to_vec())
                };
                let order = significant(a).cmp(&significant(b));
                if order != Ordering::Equal {
                    return order;
                }
                (one, other) = (one_rest, other_rest);
            }
            _ if digit(one) => return Ordering::Greater,
            _ if digit(other) => return Ordering::Less,
            ([a, one_rest @ ..], [b, other_rest @ ..]) if a == b => (one, other) = (one_rest, other_rest),
            _ => return one.first().cmp(&other.first()),
        }
    }
}

fn encode(entries: &[Entry]) -> anyhow::Result<Vec<u8>> {
    let names: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.processors.as_deref()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut strings: Vec<u8> = Vec::new();
    let mut places: BTreeMap<&str, u32> = BTreeMap::new();
    let start = HEADER + entries.len() * ENTRY;
    let texts = entries.iter().flat_map(|entry| [entry.soname.as_str(), entry.path.as_str()]);
    for text in texts.chain(names.iter().copied()) {
        if !places.contains_key(text) {
            places.insert(text, u32::try_from(start + strings.len())?);
            strings.extend(text.as_bytes());
            strings.push(0);
        }
    }
    let extension = (start + strings.len()).next_multiple_of(4);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(u32::try_from(entries.len())?.to_le_bytes());
    bytes.extend(u32::try_from(strings.len())?.to_le_bytes());
    bytes.extend([LITTLE_ENDIAN, 0, 0, 0]);
    bytes.extend(u32::try_from(extension)?.to_le_bytes());
    bytes.resize(HEADER, 0);
    for entry in entries {
        let number = entry.processors.as_deref().and_then(|name| names.iter().position(|known| *known == name));
        let hwcap = number.map(u64::try_from).transpose()?.map_or(0, |number| FOR_SOME_PROCESSORS | number);
        for word in [entry.flags, places[entry.soname.as_str()], places[entry.path.as_str()], 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(hwcap.to_le_bytes());
    }
    bytes.extend(strings);
    bytes.resize(extension, 0);
    // Two sections: who made it, and the names of the subdirectories.
    let maker = b"nodesmith";
    let sections = if names.is_empty() { 1_u32 } else { 2 };
    let after = extension + 8 + 16 * sections as usize;
    let list = (after + maker.len()).next_multiple_of(4);
    for word in [EXTENSION_MAGIC, sections, 0, 0, u32::try_from(after)?, u32::try_from(maker.len())?] {
        bytes.extend(word.to_le_bytes());
    }
    if sections == 2 {
        for word in [1, 0, u32::try_from(list)?, u32::try_from(names.len() * 4)?] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes.extend(maker);
    if sections == 2 {
        bytes.resize(list, 0);
        names.iter().for_each(|name| bytes.extend(places[name].to_le_bytes()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (less, more) in
            [("libx.so.9", "libx.so.10"), ("liba.so", "libb.so"), ("libx.so", "libx.so.1"), ("liba-.so", "liba1.so")]
        {
            assert_eq!(compare_versions(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare_versions(more, less), Ordering::Greater);
        }
        assert_eq!(compare_versions("libx.so.1", "libx.so.1"), Ordering::Equal);
    }
}
