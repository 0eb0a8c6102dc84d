use super::*;
use crate::diag::Location;
use crate::package::{PackageId, Provided};
use crate::tree::Digest;

/// `nodejs` with two streams, one of them built for two streams of `perl`, which has a default.
const DOCUMENTS: &str = r#"---
document: modulemd-defaults
version: 1
data:
  module: perl
  stream: 5.30
  profiles:
    5.30: [common]
...
---
document: modulemd-defaults
version: 1
data:
  module: nodejs
  profiles:
    18: [common]
...
---
document: modulemd
version: 1
data:
  name: perl
  stream: 5.30
  artifacts:
    rpms:
    - perl-4:5.30.1-1.module.x86_64
    - perl-4:5.30.1-1.module.src
...
---
document: modulemd
version: 2
data:
  name: perl
  stream: "5.32"
  description: >-
    Has lines of

    --- its own
  dependencies:
  - requires:
      platform: [el8]
  artifacts:
    rpms: [perl-4:5.32.1-2.module.x86_64]
---
document: modulemd
version: 2
data:
  name: nodejs
  stream: "18"
  dependencies:
  - requires: {platform: [el8]}
  artifacts:
    rpms:
    - nodejs-1:18.1-1.module.x86_64
---
document: modulemd
version: 2
data:
  name: nodejs
  stream: 20
  context: aaaa
  dependencies:
  - requires: {perl: [5.30], platform: []}
  artifacts:
    rpms:
    - nodejs-1:20.1-1.aaaa.x86_64
    - npm-0:10-1.aaaa.noarch
---
document: modulemd
version: 2
data:
  name: nodejs
  stream: 20
  context: bbbb
  dependencies:
  - requires: {perl: [5.32], platform: []}
  artifacts:
    rpms: [nodejs-1:20.1-1.bbbb.x86_64]
---
document: modulemd-obsoletes
version: 1
data: {module: nodejs}
"#;

fn offer(name: &str, version: &str, arch: &str) -> Offer {
    Offer {
        id: PackageId { name: name.into(), version: version.into(), arch: arch.into() },
        family: Family::Rpm,
        repository: "r".into(),
        path: String::new(),
        size: 0,
        sha256: Digest::of(name),
        essential: false,
        priority: 3,
        depends: Vec::new(),
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        provides: Vec::new(),
        weak: crate::package::WeakDependencies::default(),
    }
}

fn words(words: &[&str]) -> Vec<Located<String>> {
    let source = Source::new("r.yaml", "modules: []\n");
    words.iter().map(|word| Located::new((*word).to_owned(), &Location::new(&source, 0..7))).collect()
}

/// What is left of the packages below.
fn left(enabled: &[&str]) -> Result<Vec<String>, Diagnostics> {
    let modules = parse("modules.yaml", DOCUMENTS).unwrap();
    let mut stand_in = offer("npm-fork", "1-1", "noarch");
    stand_in.provides = vec![Provided { name: "npm".into(), version: None }];
    let mut offers = vec![
        offer("perl", "4:5.30.1-1.module", "x86_64"),
        offer("perl", "4:5.32.1-2.module", "x86_64"),
        offer("perl", "4:5.26-1.el8", "x86_64"),
        offer("nodejs", "1:18.1-1.module", "x86_64"),
        offer("nodejs", "1:20.1-1.aaaa", "x86_64"),
        offer("nodejs", "1:20.1-1.bbbb", "x86_64"),
        offer("nodejs", "1:16-1.el8", "x86_64"),
        offer("npm", "10-1.aaaa", "noarch"),
        offer("other", "1-1.module", "x86_64"),
        stand_in,
    ];
    filter(&mut offers, &[&modules], &words(enabled))?;
    Ok(offers.iter().map(|offer| format!("{}-{}", offer.id.name, offer.id.version)).collect())
}

#[test]
fn only_defaults_are_offered_unless_a_stream_is_enabled() {
    let none = left(&[]).unwrap();
    assert_eq!(none, ["perl-4:5.30.1-1.module", "nodejs-1:16-1.el8", "other-1-1.module", "npm-fork-1-1"]);
    let old = left(&["nodejs:18"]).unwrap();
    assert_eq!(old, ["perl-4:5.30.1-1.module", "nodejs-1:18.1-1.module", "other-1-1.module", "npm-fork-1-1"]);
    // The build for the stream of perl that is active, and nothing that says it is npm.
    let new = left(&["nodejs:20"]).unwrap();
    assert_eq!(new, ["perl-4:5.30.1-1.module", "nodejs-1:20.1-1.aaaa", "npm-10-1.aaaa", "other-1-1.module"]);
    let both = left(&["nodejs:20", "perl:5.32"]).unwrap();
    assert_eq!(both, ["perl-4:5.32.1-2.module", "nodejs-1:20.1-1.bbbb", "other-1-1.module", "npm-fork-1-1"]);
}

#[test]
fn streams_that_are_not_there_or_cannot_be_alone_are_mistakes_of_the_recipe() {
    let text = |enabled: &[&str]| left(enabled).unwrap_err().to_string();
    assert!(text(&["nodejs:19"]).contains("no repository has the module stream `nodejs:19` [unknown-module]"));
    assert!(text(&["nodejs:19"]).contains("`nodejs` has the streams 18, 20"));
    assert!(text(&["nodej:20"]).contains("nearest modules: nodejs"));
    let mut modules = parse("m", DOCUMENTS).unwrap();
    modules.defaults.clear();
    let mistakes = filter(&mut Vec::new(), &[&modules], &words(&["nodejs:20"])).unwrap_err().to_string();
    assert!(mistakes.contains("[module-needs]; enable them too: perl:5.30"), "{mistakes}");
    let mistakes = filter(&mut Vec::new(), &[], &words(&["nodejs:20"])).unwrap_err().to_string();
    assert!(mistakes.contains("[unknown-module]; the recipe's repositories have no modules"), "{mistakes}");
}

#[test]
fn what_is_wrong_with_a_document_is_said_with_its_line() {
    for (text, problem) in [
        ("---\na: [\n", "at line 2: this is not valid YAML"),
        ("---\ndocument: modulemd\ndata: {stream: 1}\n", "at line 2: it has no name [bad-modules]"),
        ("document: modulemd\ndata: {name: x}\n", "at line 1: it has no stream [bad-modules]"),
        ("document: modulemd-defaults\n", "it has no module [bad-modules]"),
        ("document: modulemd\ndata: {name: x, stream: 1, artifacts: {rpms: [x]}}\n", "`x` is no package [bad-modules]"),
        (
            "document: modulemd\ndata: {name: x, stream: 1, artifacts: {rpms: [a-z:1-1.noarch]}}\n",
            "`a-z:1-1.noarch` is no package [bad-modules]",
        ),
    ] {
        let error = format!("{:#}", parse("modules.yaml", text).unwrap_err());
        assert!(error.contains(problem), "{problem}: {error}");
    }
    assert_eq!(parse("modules.yaml", "# nothing\n---\n...\n").unwrap(), Modules::default());
}
