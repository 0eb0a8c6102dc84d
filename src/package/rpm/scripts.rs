//! The scriptlets and triggers of an RPM as [`Script`]s, which nobody executes.
//!
//! A script whose interpreter is not the shell gets a first line that says so (`#!<lua>`), so that the interpreter is
//! part of the text; so does one whose macros rpm expands first (`#!<expand> /bin/sh`). Of a trigger the first line is a comment with what sets it off; a package may have several of one
//! kind.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::header::Header;
use crate::package::Script;
use crate::trust::Refused;

/// Tags of the versions that triggers of the first family ask for, and the bits of their flags that say how.
const VERSIONS: u32 = 1067;
const COMPARED: [(u64, char); 3] = [(1 << 1, '<'), (1 << 2, '>'), (1 << 3, '=')];

/// Name, tags of the text, the interpreter and the flags (rpm's docs/manual/tags.md).
const SCRIPTLETS: [(&str, [u32; 3]); 9] = [
    ("%pretrans", [1151, 1153, 5024]),
    ("%pre", [1023, 1085, 5020]),
    ("%post", [1024, 1086, 5021]),
    ("%preun", [1025, 1087, 5022]),
    ("%postun", [1026, 1088, 5023]),
    ("%posttrans", [1152, 1154, 5025]),
    ("%preuntrans", [5103, 5105, 5107]),
    ("%postuntrans", [5104, 5106, 5108]),
    ("%verify", [1079, 1091, 5026]),
];
/// Flags: before it runs, macros in the text are expanded (`-e`), or it is a query format (`-q`).
const PREPARED: [(u64, &str); 2] = [(1 << 0, "<expand>"), (1 << 1, "<qformat>")];

/// Tags of the three families of triggers: texts, interpreters, names, indexes, flags.
const TRIGGERS: [(&str, [u32; 5]); 3] = [
    ("trigger", [1065, 1092, 1066, 1069, 1068]),
    ("filetrigger", [5066, 5067, 5069, 5070, 5072]),
    ("transfiletrigger", [5076, 5077, 5079, 5080, 5082]),
];
/// Bits of a trigger's flags that say when it runs.
const WHEN: [(u64, &str); 4] = [(1 << 16, "in"), (1 << 17, "un"), (1 << 18, "postun"), (1 << 25, "prein")];

pub(super) fn read(header: &Header) -> Result<Vec<Script>> {
    parse(header).map_err(Refused::kind("bad-header"))
}

fn parse(header: &Header) -> Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for (name, [text, interpreter, flags]) in SCRIPTLETS {
        let mut words = header.texts(interpreter)?.join(" ");
        let flags = header.numbers(flags)?.first().copied().unwrap_or_default();
        for (_, how) in PREPARED.iter().filter(|(bit, _)| flags & bit != 0) {
            words = format!("{how} {}", if words.is_empty() { "/bin/sh" } else { &words });
        }
        if header.has(text) || header.has(interpreter) {
            let body = header.strings(text)?.first().copied().unwrap_or_default();
            scripts.push(Script { name: name.to_owned(), text: with_interpreter(body, &words) });
        }
    }
    for (family, tags) in TRIGGERS {
        triggers(header, family, tags, &mut scripts)?;
    }
    Ok(scripts)
}

fn with_interpreter(body: &[u8], words: &str) -> Vec<u8> {
    match words {
        "" | "/bin/sh" | "/usr/bin/sh" => body.to_vec(),
        _ => [b"#!", words.as_bytes(), b"\n", body].concat(),
    }
}

fn triggers(header: &Header, family: &str, tags: [u32; 5], scripts: &mut Vec<Script>) -> Result<()> {
    let [texts, interpreters, names, indexes, flags] = tags;
    let (texts, interpreters) = (header.strings(texts)?, header.texts(interpreters)?);
    let (names, indexes, flags) = (header.texts(names)?, header.numbers(indexes)?, header.numbers(flags)?);
    let whole = names.len() == indexes.len() && (flags.is_empty() || flags.len() == names.len());
    ensure!(whole, "the lists of its {family}s differ in length");
    // Names that set off one script the same way, in their order: triggers may share their texts, and a small header
    // would hold very much if each had its own.
    let versions = if family == "trigger" { header.texts(VERSIONS)? } else { Vec::new() };
    let mut declared: BTreeMap<(usize, String), Vec<String>> = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        let number = usize::try_from(indexes[index])?;
        ensure!(number < texts.len(), "the {family} for `{name}` has no script");
        let when = WHEN.iter().find(|(bit, _)| flags.get(index).is_some_and(|flags| flags & bit != 0));
        let kind = format!("%{family}{}", when.map_or("in", |(_, when)| *when));
        let version = versions.get(index).filter(|version| !version.is_empty());
        let bit = |bit: u64| flags.get(index).is_some_and(|flags| flags & bit != 0);
        let how: String = COMPARED.iter().filter(|(flag, _)| bit(*flag)).map(|(_, sign)| *sign).collect();
        let condition = version.filter(|_| !how.is_empty()).map(|version| format!(" {how} {version}"));
        declared.entry((number, kind)).or_default().push(format!("{name}{}", condition.unwrap_or_default()));
    }
    for ((number, name), names) in declared {
        let body = with_interpreter(texts[number], interpreters.get(number).copied().unwrap_or_default());
        let text = [format!("# on {}\n", names.join(" ")).as_bytes(), &body].concat();
        scripts.push(Script { name, text });
    }
    Ok(())
}
