//! `alias` and `unalias`.

use std::rc::Rc;

use super::super::halt::Outcome;
use super::super::lexer::Parser;
use super::super::{Bytes, Shell, World};
use super::arguments::unsupported;

/// Aliases for words; outside of its sh mode bash keeps them for people.
pub(super) fn alias(shell: &mut Shell, _: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    for word in words.iter().skip(1).filter(|_| shell.posix) {
        let Some(at) = word.iter().position(|byte| *byte == b'=') else { return unsupported("alias", word) };
        let mut text = Parser::new(word[at + 1..].into(), shell.line.max(1), shell.dialect, 0)?;
        match text.only_words()? {
            Some(stands_for) if !stands_for.is_empty() => {
                Rc::make_mut(&mut shell.aliases).insert(word[..at].to_vec(), stands_for);
            }
            _ => return unsupported("alias", word),
        }
    }
    Ok(0)
}

pub(super) fn unalias(shell: &mut Shell, _: &mut dyn World, words: &[Bytes]) -> Outcome<u8> {
    for word in words.iter().skip(1) {
        match word.as_slice() {
            b"-a" => shell.aliases = Rc::default(),
            name => drop(Rc::make_mut(&mut shell.aliases).remove(name)),
        }
    }
    Ok(0)
}
