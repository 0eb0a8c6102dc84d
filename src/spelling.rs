//! Names that are near the one somebody wrote, for help lines.

/// A help line: the word that was meant if one is near, else all of them.
pub fn suggest(written: &str, known: &[&str]) -> String {
    if let [only] = known {
        return format!("only `{only}` is known");
    }
    let near = known.iter().map(|word| (distance(written, word), *word)).min();
    match near {
        // A word of which no letter is left is not near.
        Some((edits @ 0..=2, word)) if edits < written.chars().count() => format!("did you mean `{word}`?"),
        _ => format!("known are: {}", known.join(", ")),
    }
}

/// A help line with the names that are most like `wanted`: `nearest units: `a`, `b``. `what` says what they are, in the
/// plural.
pub fn nearest_of<'a>(what: &str, wanted: &str, names: impl Iterator<Item = &'a String>) -> String {
    let best = nearest(wanted, names.map(String::as_str), 3);
    let best: Vec<String> = best.into_iter().map(|name| format!("`{name}`")).collect();
    if best.is_empty() { format!("there are no {what}") } else { format!("nearest {what}: {}", best.join(", ")) }
}

/// The `count` names most like `wanted`, nearest first; a name that contains it counts as near.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    let rank = |name: &'a str| {
        let distance = distance(wanted, name);
        (if name.contains(wanted) { distance.min(1) } else { distance }, name)
    };
    let mut ranked: Vec<(usize, &str)> = names.into_iter().map(rank).collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().take(count).map(|(_, name)| name).collect()
}

/// Levenshtein's edit distance in code points.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn the_nearest_names_come_first_and_once() {
        let names = ["containerd", "container", "contained", "zsh", "containerd"];
        assert_eq!(nearest("containerd", names, 2), ["containerd", "contained"]);
        assert_eq!(nearest("kube", ["linux", "kubelet"], 1), ["kubelet"]);
    }

    #[test]
    fn only_a_word_that_shares_something_is_suggested() {
        let known = ["hostname", "fqdn", "ntp"];
        assert_eq!(suggest("hostnmae", &known), "did you mean `hostname`?");
        assert_eq!(suggest("npt", &known), "did you mean `ntp`?");
        assert_eq!(suggest("3", &["1", "2"]), "known are: 1, 2");
        assert_eq!(suggest("3", &["2"]), "only `2` is known");
    }
}
