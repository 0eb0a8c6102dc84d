//! The ledger of slugs: every kind of mistake that the source knows stands in a test, or in [`UNTESTED`] with its reason.
//!
//! Slugs are read from the source's tokens, wherever a line breaks: as what makes a mistake is given (`MAKERS`, functions
//! with a parameter `slug`), as fields `slug: "…"`, and in functions `slug`. What is given and cannot be read is an error,
//! so that no new way to name a kind of mistake goes unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Kinds of mistakes that no test makes, and why.
const UNTESTED: &[(&str, &str)] =
    &[("two-seeds", "two metadata volumes are two block devices, and no test of units has any")];

/// What makes a mistake, whose first argument is its slug.
const MAKERS: &[[&str; 2]] = &[["Diagnostic", "new"], ["Refused", "new"], ["Refused", "kind"]];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

impl Token {
    fn is(&self, other: &str) -> bool {
        match self {
            Token::Word(word) => word == other,
            Token::Mark(mark) => other.chars().eq([*mark]),
            Token::Text(_) => false,
        }
    }
}

/// Without comments; characters and lifetimes are marks, because nothing is looked for in them.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        // `r"…"`, `br#"…"#`: a word, any number of `#`, a quote.
        let hashes = rest[word..].bytes().take_while(|byte| *byte == b'#').count();
        let raw = ["r", "br", "cr"].contains(&&rest[..word]) && rest[word + hashes..].starts_with('"');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if raw {
            let (start, end) = (word + hashes + 1, format!("\"{}", "#".repeat(hashes)));
            let length = rest[start..].find(&end).unwrap_or(rest.len() - start);
            tokens.push(Token::Text(rest[start..start + length].to_owned()));
            (start + length + end.len()).min(rest.len())
        } else if first == '"' {
            let mut end = 1;
            while end < rest.len() && rest.as_bytes()[end] != b'"' {
                end += if rest.as_bytes()[end] == b'\\' { 2 } else { 1 };
            }
            tokens.push(Token::Text(rest[1..end.min(rest.len())].to_owned()));
            (end + 1).min(rest.len())
        } else if let Some(after) = rest.strip_prefix("'\\") {
            // The escaped character may be a quote itself.
            3 + after.chars().skip(1).take_while(|c| *c != '\'').map(char::len_utf8).sum::<usize>() + 1
        } else if first == '\'' && rest.chars().nth(2) == Some('\'') {
            rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at)
        } else if word > 0 {
            tokens.push(Token::Word(rest[..word].to_owned()));
            word
        } else {
            tokens.extend(Some(first).filter(|c| !c.is_whitespace()).map(Token::Mark));
            first.len_utf8()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    tokens
}

fn text_of(token: &Token) -> Option<String> {
    if let Token::Text(text) = token { Some(text.clone()) } else { None }
}

fn is_slug(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Where the bracket at `open` closes.
fn close(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

/// The parts of a bracket's inside that commas separate; those between `<` and `>` do not.
fn arguments(tokens: &[Token], open: usize) -> Vec<&[Token]> {
    let (end, mut depth, mut start, mut parts) = (close(tokens, open), 0, open + 1, Vec::new());
    for at in open + 1..end {
        match tokens[at] {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            Token::Mark(',') if depth == 0 => {
                parts.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tokens[start..end]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// What stands under `#[cfg(test)]` taken out.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        let is_test = ["#", "[", "cfg", "(", "test", ")", "]"].iter().enumerate();
        if !is_test.clone().all(|(index, word)| rest.get(index).is_some_and(|token| token.is(word))) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += is_test.len();
        while at < tokens.len() && !tokens[at].is(";") {
            let body = tokens[at].is("{");
            at = if ["(", "[", "{"].iter().any(|open| tokens[at].is(open)) { close(&tokens, at) + 1 } else { at + 1 };
            if body {
                break;
            }
        }
        at += usize::from(tokens.get(at).is_some_and(|token| token.is(";")));
    }
    kept
}

/// A function with a parameter `slug`: its name, the parameter's place among those that a call gives, where it is known.
struct Maker {
    name: String,
    place: usize,
    scope: String,
}

/// What the source says, file → tokens; what cannot be read is told.
fn slugs(sources: &BTreeMap<String, String>) -> Result<BTreeSet<String>, String> {
    let files: BTreeMap<&str, Vec<Token>> =
        sources.iter().map(|(path, text)| (path.as_str(), without_tests(tokens(text)))).collect();
    let (mut makers, mut constants, mut slugs) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    for (path, tokens) in &files {
        for (at, token) in tokens.iter().enumerate() {
            let (next, after) = (tokens.get(at + 1), tokens.get(at + 2));
            if token.is("const")
                && let Some(Token::Word(name)) = next
                && let Some(equals) = tokens[at..].iter().position(|token| token.is("="))
                && let Some(Token::Text(text)) = tokens.get(at + equals + 1)
            {
                constants.insert(name.clone(), text.clone());
            }
            if token.is("slug")
                && next.is_some_and(|next| next.is(":"))
                && let Some(Token::Text(text)) = after
            {
                slugs.insert(text.clone());
            }
            let Some((name, open)) = function(tokens, at) else { continue };
            if name == "slug" {
                let body = open + tokens[open..].iter().position(|token| token.is("{")).unwrap_or_default();
                let body = &tokens[body..close(tokens, body)];
                slugs.extend(body.iter().filter_map(text_of).filter(|text| is_slug(text)));
            }
            let parameters = arguments(tokens, open);
            let of_self = usize::from(parameters.first().is_some_and(|it| it.last().is_some_and(|it| it.is("self"))));
            let place = parameters.iter().position(|it| it[0].is("slug"));
            if let Some(place) = place.filter(|_| !MAKERS.iter().any(|[_, maker]| *maker == name)) {
                let public = at > 0 && (tokens[at - 1].is("pub") || tokens[at - 1].is(")"));
                let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
                let scope = if public { directory } else { path };
                makers.push(Maker { name: name.to_owned(), place: place - of_self, scope: scope.to_owned() });
            }
        }
    }
    for (path, tokens) in &files {
        for at in 0..tokens.len() {
            let named = |[kind, maker]: &[&str; 2]| {
                let names = [*kind, ":", ":", *maker, "("];
                names.iter().enumerate().all(|(index, name)| tokens.get(at + index).is_some_and(|it| it.is(name)))
            };
            let called = |maker: &&Maker| {
                let defined = at > 0 && tokens[at - 1].is("fn");
                let call = tokens[at].is(&maker.name) && tokens.get(at + 1).is_some_and(|it| it.is("("));
                call && !defined && path.starts_with(&maker.scope)
            };
            let (open, place) = match (MAKERS.iter().any(named), makers.iter().find(called)) {
                (true, _) => (at + 4, 0),
                (_, Some(maker)) => (at + 1, maker.place),
                _ => continue,
            };
            let Some(given) = arguments(tokens, open).get(place).copied() else { continue };
            match given {
                [Token::Text(text)] => drop(slugs.insert(text.clone())),
                // A field or a parameter: its values are read where they are given.
                [.., Token::Word(word)] if word == "slug" => slugs.extend(bound(tokens, at)),
                [Token::Word(name)] if constants.contains_key(name) => drop(slugs.insert(constants[name].clone())),
                _ => return Err(format!("{path}: nobody can read the slug of a mistake here: {given:?}")),
            }
        }
    }
    Ok(slugs)
}

/// The name of the function whose `fn` is at `at`, and where its parameters open.
fn function(tokens: &[Token], at: usize) -> Option<(&str, usize)> {
    let Token::Word(name) = tokens.get(at + 1).filter(|_| tokens[at].is("fn"))? else { return None };
    let open = at + tokens[at..].iter().position(|token| token.is("("))?;
    Some((name, open))
}

/// The texts that `let (slug, …) = …;` before `at` may bind: those that come first in a tuple.
fn bound(tokens: &[Token], at: usize) -> Vec<String> {
    let is_binding = |at: &usize| ["let", "(", "slug"].iter().zip(&tokens[*at..]).all(|(word, token)| token.is(word));
    let within = |start: usize| (start..at).rev().take_while(|at| !tokens[*at].is("fn"));
    let Some(start) = within(0).find(is_binding) else { return Vec::new() };
    let pairs = tokens[start..at].windows(3);
    pairs
        .filter_map(|three| match three {
            [Token::Mark('('), text, Token::Mark(',')] => text_of(text).filter(|text| is_slug(text)),
            _ => None,
        })
        .collect()
}

/// Those that no test names, quoted or in brackets, as mistakes are shown.
fn missing(slugs: &BTreeSet<String>, tests: &[String]) -> BTreeSet<String> {
    let stands = |slug: &&String| {
        let forms = [format!("\"{slug}\""), format!("[{slug}]")];
        tests.iter().any(|text| forms.iter().any(|form| text.contains(form)))
    };
    slugs.iter().filter(|slug| !stands(slug)).cloned().collect()
}

/// The texts of tests, and of the source without them.
fn read(directory: &Path, sources: &mut BTreeMap<String, String>, tests: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, sources, tests);
            continue;
        }
        // Each file there makes the mistake that it is named by (`recipes`). This ledger makes none.
        if directory.ends_with("recipes/bad") {
            tests.push(format!("[{}]", path.file_stem().unwrap().display()));
        }
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        if !["rs", "snap"].contains(&extension) || path.ends_with("it/slugs.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let is_test = path.components().any(|it| it.as_os_str() == "tests") || path.ends_with("tests.rs");
        match text.split_once("mod tests {") {
            _ if is_test || extension == "snap" => tests.push(text),
            Some((_, of_file)) => {
                tests.push(of_file.to_owned());
                sources.insert(path.display().to_string(), text);
            }
            None => drop(sources.insert(path.display().to_string(), text)),
        }
    }
}

#[test]
fn every_kind_of_mistake_stands_in_a_test_or_in_the_list_with_its_reason() {
    let (mut sources, mut tests) = (BTreeMap::new(), Vec::new());
    for directory in ["src", "tests"] {
        read(Path::new(directory), &mut sources, &mut tests);
    }
    let slugs = slugs(&sources).unwrap();
    assert!(slugs.len() >= 200, "only {} slugs were read", slugs.len());
    assert!(slugs.iter().all(|slug| is_slug(slug)), "{slugs:?}");
    let listed: BTreeSet<String> = UNTESTED.iter().map(|(slug, _)| (*slug).to_owned()).collect();
    let missing = missing(&slugs, &tests);
    let new: Vec<&String> = missing.difference(&listed).collect();
    assert!(new.is_empty(), "no test makes these mistakes: {new:?}");
    let stale: Vec<&String> = listed.difference(&missing).collect();
    assert!(stale.is_empty(), "these stand in a test, or are no more: {stale:?}");
    assert!(UNTESTED.iter().all(|(_, reason)| reason.contains(' ')), "a reason is a sentence");
}

fn of(texts: &[(&str, &str)]) -> Result<BTreeSet<String>, String> {
    slugs(&texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
}

#[test]
fn an_invented_slug_is_found_missing_until_a_test_names_it() {
    let slugs = of(&[("a/x.rs", "fn f() { found.push(Diagnostic::new(\n        \"invented\", \"t\")); }")]).unwrap();
    assert!(slugs.iter().eq(["invented"]), "{slugs:?}");
    assert_eq!(missing(&slugs, &["an invented-thing, \"invented-too\"".to_owned()]), slugs);
    for named in ["assert_eq!(slug, \"invented\");", "error[invented]: t"] {
        assert!(missing(&slugs, &[named.to_owned()]).is_empty(), "{named}");
    }
}

#[test]
fn slugs_are_read_from_all_that_names_them() {
    let slugs = of(&[
        ("a/x.rs", "const ENDED: &str = \"by-constant\";\n// Diagnostic::new(\"in-comment\"\nconst Q: char = '\"';"),
        ("a/y.rs", "fn f() { Diagnostic::new(ENDED, t); Refused::kind(\"by-kind\"); g(x, \"by-argument\", &[1, 2]) }"),
        ("a/y2.rs", "pub fn h(&self, a: &str, slug: &'static str) { Diagnostic::new(slug, a) } fn g(x: u8, y: &str) {}"),
        ("a/b/z.rs", "fn f() { self.h(\"title\", \"by-method\"); x(Fault { slug: \"by-field\" }) }"),
        ("c/z.rs", "fn f() { self.h(\"title\", \"elsewhere\") } fn g(slug: &'static str) { Refused::new(slug, r#\"\"\"#) }"),
        ("d.rs", "fn slug(&self) -> &'static str { match self { A => \"by-match\", B => \"by-other-match\" } }"),
        ("e.rs", "fn f() { let (slug, t) = match x { A => (\"by-tuple\", 1), _ => y }; Diagnostic::new(slug, t) }"),
        ("f.rs", "#[cfg(test)]\nmod tests { fn f() { Diagnostic::new(\"in-test\", \"}\") } }\nfn f() { Refused::new(\"last\", 1) }"),
    ])
    .unwrap();
    let expected =
        ["by-constant", "by-field", "by-kind", "by-match", "by-method", "by-other-match", "by-tuple", "last"];
    assert!(slugs.iter().eq(expected), "{slugs:?}");
    let unread = of(&[("a.rs", "fn f() { Diagnostic::new(name_of(x), t) }")]).unwrap_err();
    assert!(unread.starts_with("a.rs: ") && unread.contains("name_of"), "{unread}");
}
