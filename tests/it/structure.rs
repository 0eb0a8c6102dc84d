//! Who imports whom in `src`, read from the source itself: no circle, and no arrow that runs up.
//!
//! A file stands for a module. `use` trees, paths within code and what a module re-exports are followed to the file that
//! defines the name; modules of tests do not count. `mod x;` alone is no import.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Module (`agent::plan`) → text of its file.
type Sources = BTreeMap<String, String>;
type Graph = BTreeMap<String, BTreeSet<String>>;

fn read_sources(directory: &Path, module: &str, sources: &mut Sources) {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let inner = if module.is_empty() { stem.clone() } else { format!("{module}::{stem}") };
        if path.is_dir() {
            read_sources(&path, &inner, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = if stem == "mod" || stem == "lib" { module.to_owned() } else { inner };
            sources.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// Without comments, the contents of strings, and what only tests have.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let raw = rest.strip_prefix('r').map_or(0, |rest| rest.bytes().take_while(|byte| *byte == b'#').count());
        let named = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if !named && rest.starts_with(&format!("r{}\"", "#".repeat(raw))) {
            let end = format!("\"{}", "#".repeat(raw));
            let body = raw + 2;
            rest[body..].find(&end).map_or(rest.len(), |found| body + found + end.len())
        } else if rest.starts_with('"') {
            let mut end = 1;
            while end < rest.len() && rest.as_bytes()[end] != b'"' {
                end += if rest.as_bytes()[end] == b'\\' { 2 } else { 1 };
            }
            end + 1
        } else if rest.starts_with("'\"'") || rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
        } else if let Some(escape) = rest.strip_prefix("'\\") {
            escape.find('\'').map_or(1, |end| end + 3)
        } else {
            let character = rest.chars().next().unwrap();
            out.push(character);
            at += character.len_utf8();
            continue;
        };
        out.push(' ');
        at += length.min(rest.len());
    }
    without_tests(&out)
}

/// `#[cfg(test)]` and the item behind it, gone.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        rest = &rest[at + "#[cfg(test)]".len()..];
        let mut depth = 0;
        let mut end = rest.len();
        for (index, character) in rest.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && (character == ';' || character == '}') {
                end = index + 1;
                break;
            }
        }
        rest = &rest[end..];
    }
    out + rest
}

/// All paths of a `use` tree: `a::{b, c::{self, D as E}}` is `a::b`, `a::c`, `a::c::D`. With the name it gets here.
fn use_paths(tree: &str, prefix: &[String], paths: &mut Vec<(Vec<String>, String)>) {
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let mut prefix = prefix.to_vec();
        prefix.extend(tree[..open].split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
        let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
        let (mut depth, mut start) = (0, 0);
        for (index, character) in inner.char_indices().chain([(inner.len(), ',')]) {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    use_paths(&inner[start..index], &prefix, paths);
                    start = index + 1;
                }
                _ => {}
            }
        }
        return;
    }
    if tree.is_empty() {
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
    let mut whole = prefix.to_vec();
    whole.extend(path.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()));
    if whole.last().is_some_and(|last| last == "self") && whole.len() > 1 {
        whole.pop();
    }
    let name = alias.map_or_else(|| whole.last().cloned().unwrap_or_default(), str::to_owned);
    paths.push((whole, name));
}

struct Module {
    /// Paths as written, from `use` and from code.
    paths: Vec<Vec<String>>,
    /// What `pub use` gives on, by name; `*` for all.
    given_on: Vec<(String, Vec<String>)>,
    children: BTreeSet<String>,
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn module(text: &str) -> Module {
    let code = code(text);
    let mut module = Module { paths: Vec::new(), given_on: Vec::new(), children: BTreeSet::new() };
    let mut other = String::new();
    let mut named = BTreeMap::new();
    for statement in code.split_inclusive(';') {
        let item = statement.rsplit(['}', ']']).next().unwrap_or_default();
        // A tree of `use` has braces of its own: look for the word from the front.
        let found = statement.rfind("use ").filter(|at| !statement[..*at].ends_with(is_word));
        if let Some(at) = found
            && statement[at + 4..].chars().all(|it| is_word(it) || " \n:{},*;".contains(it))
        {
            let mut paths = Vec::new();
            use_paths(statement[at + 4..].trim_end_matches(';'), &[], &mut paths);
            let before = statement[..at].trim_end();
            let gives_on = before.ends_with("pub")
                || before.ends_with(')')
                    && before
                        .rfind("pub(")
                        .is_some_and(|at| !before[at..].contains(';') && !before[at..].contains('{'));
            for (path, name) in paths {
                if gives_on {
                    module.given_on.push((name, path));
                } else {
                    named.insert(name, path.clone());
                    module.paths.push(path);
                }
            }
            other.push_str(&statement[..at]);
            continue;
        }
        if let Some(name) = item.trim().trim_end_matches(';').rsplit_once("mod ").map(|(_, name)| name.trim())
            && name.chars().all(is_word)
            && !name.is_empty()
        {
            module.children.insert(name.to_owned());
            continue;
        }
        other.push_str(statement);
    }
    // Paths within code.
    let mut at = 0;
    while let Some(found) = other[at..].find("::") {
        let middle = at + found;
        let start = other[..middle]
            .rfind(|it: char| !is_word(it))
            .map_or(0, |before| before + other[before..].chars().next().unwrap().len_utf8());
        let mut end = middle;
        while other[end..].starts_with("::") {
            let name: usize = other[end + 2..].chars().take_while(|it| is_word(*it)).map(char::len_utf8).sum();
            end += 2 + name;
            if name == 0 {
                break;
            }
        }
        let path: Vec<String> =
            other[start..end].split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let first = path.first().map_or("", String::as_str);
        if let Some(whole) = named.get(first) {
            module.paths.push([whole, &path[1..]].concat());
        } else if ["crate", "super", "self"].contains(&first) || module.children.contains(first) {
            module.paths.push(path);
        }
        at = end;
    }
    module
}

/// The module that defines what `path` means in `here`; nothing for other crates.
fn resolve(modules: &BTreeMap<String, Module>, here: &str, path: &[String], depth: usize) -> Option<String> {
    let join = |module: &str, name: &str| if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") };
    let (first, mut rest) = path.split_first()?;
    let mut at = match first.as_str() {
        "crate" | "nodesmith" => String::new(),
        "self" => here.to_owned(),
        "super" => here.rsplit_once("::").map_or(String::new(), |(parent, _)| parent.to_owned()),
        name if modules.get(here)?.children.contains(name) => join(here, name),
        _ => return None,
    };
    while rest.first().is_some_and(|name| name == "super") {
        at = at.rsplit_once("::").map_or(String::new(), |(parent, _)| parent.to_owned());
        rest = &rest[1..];
    }
    while let Some((name, further)) = rest.split_first() {
        let inner = join(&at, name);
        if modules.contains_key(&inner) {
            (at, rest) = (inner, further);
            continue;
        }
        let given = modules.get(&at).map(|module| module.given_on.as_slice()).unwrap_or_default();
        let named = given.iter().find(|(given, _)| given == name);
        let target = named.map(|(_, target)| target.clone()).or_else(|| {
            let mut all = given.iter().filter(|(given, _)| given == "*").map(|(_, target)| target);
            all.next().map(|target| [&target[..target.len() - 1], rest].concat())
        });
        if let Some(target) = target.filter(|_| depth < 8) {
            return resolve(modules, &at, &target, depth + 1);
        }
        break;
    }
    Some(at)
}

/// Who needs whom: each module, and the other modules whose names it uses.
fn graph(sources: &Sources) -> Graph {
    let modules: BTreeMap<String, Module> = sources
        .iter()
        .filter(|(name, _)| !name.split("::").any(|part| part == "tests" || part == "testing"))
        .map(|(name, text)| (name.clone(), module(text)))
        .collect();
    let mut graph = Graph::new();
    for (name, module) in &modules {
        let targets = module.paths.iter().filter_map(|path| resolve(&modules, name, path, 0));
        let targets = targets.filter(|target| target != name && modules.contains_key(target));
        graph.insert(name.clone(), targets.collect());
    }
    graph
}

/// Sets of modules that need each other, each sorted (Tarjan would do; these graphs are small).
fn circles(graph: &Graph) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = graph
        .keys()
        .map(|from| {
            let (mut seen, mut todo) = (BTreeSet::new(), vec![from]);
            while let Some(module) = todo.pop() {
                for next in graph.get(module).into_iter().flatten() {
                    if seen.insert(next) {
                        todo.push(next);
                    }
                }
            }
            (from, seen)
        })
        .collect();
    let mut found: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    for (from, seen) in &reach {
        if seen.contains(from) {
            let circle = seen.iter().filter(|other| reach.get(**other).is_some_and(|back| back.contains(from)));
            found.insert(circle.map(|module| (*module).clone()).collect());
        }
    }
    found.into_iter().collect()
}

fn told(graph: &Graph, circle: &BTreeSet<String>) -> String {
    let mut text = format!("{} modules need each other:\n", circle.len());
    for module in circle {
        let inside: Vec<&str> = graph[module].intersection(circle).map(String::as_str).collect();
        writeln!(text, "  {module} -> {}", inside.join(", ")).unwrap();
    }
    text
}

fn ours() -> Graph {
    let mut sources = Sources::new();
    read_sources(Path::new("src"), "", &mut sources);
    graph(&sources)
}

#[test]
fn no_modules_need_each_other() {
    let graph = ours();
    let circles: Vec<String> = circles(&graph).iter().map(|circle| told(&graph, circle)).collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// The floors that ARCHITECTURE.md names, from the top: rooms of one line stand side by side and know nothing of each other.
fn floors(architecture: &str) -> Vec<Vec<String>> {
    let part = architecture.split("## Floors").nth(1).expect("ARCHITECTURE.md names the floors");
    let block = part.split("```").nth(1).expect("a block of floors");
    let lines = block.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<String>>());
    lines.filter(|rooms| !rooms.is_empty()).collect()
}

/// Arrows between rooms that run up or to a neighbour, and rooms that stand on no floor.
fn against(graph: &Graph, floors: &[Vec<String>]) -> Vec<String> {
    let room = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    let floor = |room: &str| floors.iter().position(|rooms| rooms.iter().any(|it| it == room));
    let mut found = Vec::new();
    for (from, targets) in graph.iter().filter(|(from, _)| !from.is_empty()) {
        let Some(high) = floor(&room(from)) else {
            found.push(format!("`{}` stands on no floor", room(from)));
            continue;
        };
        for to in targets.iter().filter(|to| room(to) != room(from)) {
            if floor(&room(to)).is_none_or(|low| low <= high) {
                found.push(format!("{from} -> {to}"));
            }
        }
    }
    found
}

#[test]
fn imports_run_down_the_floors_of_the_architecture() {
    let floors = floors(&fs::read_to_string("ARCHITECTURE.md").unwrap());
    let graph = ours();
    for name in floors.iter().flatten() {
        assert!(graph.keys().any(|module| module.split("::").next() == Some(name)), "there is no room `{name}`");
    }
    let found = against(&graph, &floors);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The red twin: what the readers above must see, they see.
#[test]
fn circles_and_arrows_that_run_up_are_found() {
    let sources = |files: &[(&str, &str)]| -> Sources {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let graph_of = |files: &[(&str, &str)]| graph(&sources(files));
    let lib = ("", "pub mod a;\npub mod b;\npub mod c;\n");
    for (what, a, b) in [
        ("a tree of names", "use crate::{b, c};\n", "use crate::a::Name;\n"),
        ("a path in code", "fn f() -> crate::b::T { todo!() }\n", "use super::a;\n"),
        ("through a name", "use crate::b::x;\nfn f() { x::g() }\n", "pub mod x;\nuse crate::a;\n"),
        ("behind an attribute", "#[allow(unused)]\nuse crate::b::T as U;\n", "use crate::{c::{self, D}, a::E};\n"),
    ] {
        let graph = graph_of(&[lib, ("a", a), ("b", b), ("c", "")]);
        assert_eq!(circles(&graph).len(), 1, "{what}: {graph:?}");
    }
    // `c` gives on what `a` has: who names it through `c` needs `a`.
    let through =
        graph_of(&[lib, ("a", "use crate::b::T;"), ("b", "use crate::c::Name;"), ("c", "pub use crate::a::Name;")]);
    assert_eq!(told(&through, &circles(&through)[0]), "2 modules need each other:\n  a -> b\n  b -> a\n");
    // A child that takes from its parent, which calls it.
    let parent = graph_of(&[("", "mod a;"), ("a", "mod x;\nfn f() { x::g() }\n"), ("a::x", "use super::T;\n")]);
    assert_eq!(circles(&parent).len(), 1, "{parent:?}");
    // Neither comments, nor strings, nor what only tests need.
    let quiet = "// use crate::a;\nconst T: &str = \"crate::a::b\";\n#[cfg(test)]\nmod tests {\n use crate::a::T;\n}\n";
    let graph = graph_of(&[lib, ("a", "use crate::b;"), ("b", quiet), ("c", "")]);
    assert!(circles(&graph).is_empty(), "{graph:?}");
    let rooms = |lines: &[&[&str]]| -> Vec<Vec<String>> {
        lines.iter().map(|line| line.iter().map(|name| (*name).to_owned()).collect()).collect()
    };
    assert_eq!(against(&graph, &rooms(&[&["a", "c"], &["b"]])), Vec::<String>::new());
    assert_eq!(against(&graph, &rooms(&[&["b"], &["a", "c"]])), ["a -> b"]);
    assert_eq!(against(&graph, &rooms(&[&["a", "b"], &["c"]])), ["a -> b"]);
    assert_eq!(against(&graph, &rooms(&[&["a"], &["b"]])), ["`c` stands on no floor"]);
}
