//! Patterns by chance, in grep and sed. `NODESMITH_PATTERNS` asks for another number of them, `NODESMITH_SEED` for others.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::bench::difference;
use crate::oracle;

const PATTERNS: u64 = 600;

const TEXT: &[u8] =
    b"\na\nb\nab\nba\naab\nabb\nabc\nabcabc\naaabbb\ncab cab\nxaby\n_a1 b2\nABC abc\nabababab\naccbbca\n\
    foo.bar\na*b\na+b\n(a)\n[b]\n";

fn one_of(random: &mut StdRng, choices: &[&str]) -> String {
    choices[random.gen_range(0..choices.len())].to_owned()
}

fn pattern(random: &mut StdRng, extended: bool, depth: usize, groups: &mut usize) -> String {
    let mut out = String::new();
    for _ in 0..random.gen_range(1..4) {
        let (atom, place) = match random.gen_range(0..14) {
            0..=4 => (one_of(random, &["a", "b", "c"]), false),
            5 => (".".to_owned(), false),
            6 => (one_of(random, &["[ab]", "[^a]", "[a-c]", "[[:alpha:]]", "[^[:space:]]", "[]a]", "[b-]"]), false),
            7 => (one_of(random, &[r"\.", r"\*", r"\w", r"\W", r"\s", r"\S"]), false),
            8 => (one_of(random, &[r"\b", "^", "$"]), true),
            9..=11 if depth > 0 => {
                *groups += 1;
                let mut inner = pattern(random, extended, depth - 1, groups);
                if random.gen_bool(0.5) {
                    inner.push_str(if extended { "|" } else { r"\|" });
                    inner.push_str(&pattern(random, extended, depth - 1, groups));
                }
                (if extended { format!("({inner})") } else { format!(r"\({inner}\)") }, false)
            }
            _ => ("ab".to_owned(), false),
        };
        out.push_str(&atom);
        if !place && random.gen_bool(0.4) {
            out.push_str(&match extended {
                true => one_of(random, &["*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}"]),
                false => one_of(random, &["*", r"\+", r"\?", r"\{2\}", r"\{1,2\}", r"\{0,1\}"]),
            });
        }
    }
    out
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn random_patterns_match_what_they_match_for_grep_and_sed() {
    if oracle::oracle("grep").is_none() || oracle::oracle("sed").is_none() {
        return;
    }
    let (count, seed) = (number("NODESMITH_PATTERNS", PATTERNS), number("NODESMITH_SEED", 0));
    let mut wrong = Vec::new();
    for case in seed..seed + count {
        let mut random = StdRng::seed_from_u64(case);
        let extended = random.gen_bool(0.6);
        let mut groups = 0;
        let text = pattern(&mut random, extended, 2, &mut groups);
        let flavour = if extended { "-E" } else { "-G" };
        let words: Vec<String> = match random.gen_range(0..3) {
            0 => {
                let option = one_of(&mut random, &["-o", "-c", "-v", "-x", "-w", "-i", "-ow", "-ox"]);
                vec!["grep".to_owned(), flavour.to_owned(), option, text]
            }
            _ => {
                let flags = one_of(&mut random, &["", "g", "2", "2g", "I", "gI"]);
                let replacement = if groups > 0 { r"<&|\1>" } else { "<&>" };
                let script = format!("s,{text},{replacement},{flags}");
                let option = if extended { "-E" } else { "-e" };
                vec!["sed".to_owned(), option.to_owned(), script]
            }
        };
        let words: Vec<Vec<u8>> = words.into_iter().map(String::into_bytes).collect();
        wrong.extend(difference(&words, TEXT, &[]).map(|text| format!("{case}: {text}")));
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}
