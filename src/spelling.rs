//! Names that are near the one somebody wrote, for help lines.

/// A help line: the word that was meant if one is near, else all of them.
pub fn suggest(written: &str, known: &[&str]) -> String {
    let near = known.iter().map(|word| (distance(written, word), *word)).min();
    match near {
        Some((0..=2, word)) => format!("did you mean `{word}`?"),
        _ => format!("known are: {}", known.join(", ")),
    }
}

/// The `count` names most like `wanted`, nearest first; a name that contains it counts as near.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    let near = |name: &str| if name.contains(wanted) { 1 } else { usize::MAX };
    let rank = |name: &'a str| (distance(wanted, name).min(near(name)), name);
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
}
