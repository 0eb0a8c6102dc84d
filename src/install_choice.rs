//! Which disk an installer is to take: words of recipes and of the kernel command line, which the agent reads again.

use anyhow::{Context as _, Result, bail};

/// Which disk is wanted: all words must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// As it was written.
    pub words: String,
    pub conditions: Vec<Condition>,
    /// Of several the smallest, of equal ones the first by name; else there must be only one.
    pub smallest: bool,
}

/// A word that a disk must fulfil.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The kernel's: `vda`.
    Name(String),
    Serial(String),
    /// As in `/dev/disk/by-id`.
    Id(String),
    AtLeast(u64),
    AtMost(u64),
}

/// For a machine in which only one disk can be meant.
pub const ONLY: &str = "only";
const SMALLEST: &str = "smallest";

impl Choice {
    /// Reads `size>=20G,smallest` and the like.
    ///
    /// # Errors
    /// The word that is not known, or says nothing.
    pub fn parse(text: &str) -> Result<Choice> {
        let mut choice = Choice { words: text.to_owned(), ..Choice::default() };
        for word in text.split(',').map(str::trim) {
            let condition = if let Some(size) = word.strip_prefix("size>=") {
                Condition::AtLeast(size_of(size)?)
            } else if let Some(size) = word.strip_prefix("size<=") {
                Condition::AtMost(size_of(size)?)
            } else {
                match word.split_once('=') {
                    Some((key, "")) => bail!("`{key}=` names nothing"),
                    Some(("name", name)) => Condition::Name(name.trim_start_matches("/dev/").to_owned()),
                    Some(("serial", serial)) => Condition::Serial(serial.to_owned()),
                    Some(("id", id)) => Condition::Id(id.trim_start_matches("/dev/disk/by-id/").to_owned()),
                    None if word == SMALLEST => {
                        choice.smallest = true;
                        continue;
                    }
                    None if word == ONLY => continue,
                    _ => bail!(
                        "`{word}` says of no disk whether it is wanted: known are {ONLY}, {SMALLEST}, name=, serial=, id=, \
                         size>= and size<="
                    ),
                }
            };
            choice.conditions.push(condition);
        }
        if choice.words.split(',').any(|word| word.trim() == ONLY) && choice.words.contains(',') {
            bail!("`{ONLY}` stands alone: another word says which of several is taken");
        }
        Ok(choice)
    }
}

/// `20G`, `512MiB`, `1000000`: units are powers of 1024.
fn size_of(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        other => bail!("`{other}` in `{text}` is no unit of size: known are K, M, G and T"),
    };
    let number: u64 = digits.parse().with_context(|| format!("`{text}` is no size"))?;
    number.checked_mul(1 << shift).with_context(|| format!("`{text}` is larger than any disk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_by_commas() {
        let choice = Choice::parse("size>=20G,size<=2T,smallest,name=/dev/vda,serial=A 1,id=wwn-0x5").unwrap();
        let text = |text: &str| text.to_owned();
        assert!(choice.smallest);
        assert_eq!(
            choice.conditions,
            [
                Condition::AtLeast(20 << 30),
                Condition::AtMost(2 << 40),
                Condition::Name(text("vda")),
                Condition::Serial(text("A 1")),
                Condition::Id(text("wwn-0x5")),
            ]
        );
    }

    #[test]
    fn a_word_that_names_no_disk_is_an_error() {
        for (text, expected) in [
            ("", "`` says of no disk"),
            ("only,", "`` says of no disk"),
            ("id=", "`id=` names nothing"),
            ("size>=1P", "`P` in `1P` is no unit"),
            ("size<=", "`` is no size"),
        ] {
            let error = format!("{:#}", Choice::parse(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
