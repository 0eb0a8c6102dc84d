//! find.

mod evaluate;
mod expression;
mod format;
mod parse;
mod search;

use super::walk::Follow;
use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Stop};
use search::Search;

pub(super) fn find(call: &mut Call) -> Result<u8, Stop> {
    let (follow, words) = leading_options(call)?;
    let is_expression =
        |word: &Bytes| word.len() > 1 && word.starts_with(b"-") || matches!(word.as_slice(), b"(" | b"!" | b")" | b",");
    let end = words.iter().position(is_expression).unwrap_or(words.len());
    let (starts, words) = words.split_at(end);
    let plan = match parse::parse(call, words, follow)? {
        Ok(plan) => plan,
        Err(problem) => return call.fail(1, problem),
    };
    let mut search = Search::new(plan);
    let here = [b".".to_vec()];
    for start in if starts.is_empty() { &here } else { starts } {
        if !search.quit {
            search.descend(call, start)?;
        }
    }
    search.finish(call)?;
    Ok(search.failed.into())
}

/// `-H`, `-L`, `-P`, before the places where to look.
fn leading_options<'w>(call: &Call<'w, '_>) -> Result<(Follow, &'w [Bytes]), Stop> {
    let mut follow = Follow::Never;
    let mut words = call.words;
    while let Some((word, rest)) = words.split_first() {
        follow = match word.as_slice() {
            b"-H" => Follow::Operands,
            b"-L" => Follow::Always,
            b"-P" => Follow::Never,
            b"-O0" | b"-O1" | b"-O2" | b"-O3" => follow,
            b"-D" => return call.unsupported("the option -D"),
            b"--" => return Ok((follow, rest)),
            _ => break,
        };
        words = rest;
    }
    Ok((follow, words))
}
