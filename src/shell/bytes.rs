//! What scripts are made of, and how people are shown it.

/// A word of a script or an argument of a program.
pub type Bytes = Vec<u8>;

/// At most `most` characters of `text` on one line, control characters escaped, `…` where it was cut.
pub fn quote(text: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.trim().chars().flat_map(|letter| match letter {
        '\n' | '\t' => " ".chars().collect::<Vec<_>>(),
        letter if letter.is_control() => letter.escape_default().collect(),
        letter => vec![letter],
    });
    let mut short: String = line.clone().take(most).collect();
    if line.count() > most {
        short.pop();
        short.push('…');
    }
    short
}
