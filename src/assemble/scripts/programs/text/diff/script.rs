//! The fewest lines that must go and come to make one text the other (Myers, 1986).

use std::ops::Range;

use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Stop, World};

/// Lines that may differ: what is remembered grows with the square of their number.
const MOST: usize = 3000;

/// Lines of the first text in whose place are lines of the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) one: Range<usize>,
    pub(super) other: Range<usize>,
}

pub(super) fn changes(call: &mut Call, one: &[Bytes], other: &[Bytes]) -> Result<Vec<Change>, Stop> {
    let start = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let left = one.len().min(other.len()) - start;
    let end = one.iter().rev().zip(other.iter().rev()).take(left).take_while(|(one, other)| one == other).count();
    let (inner, other_inner) = (&one[start..one.len() - end], &other[start..other.len() - end]);
    let kept = common(call, inner, other_inner)?;
    let mut changes = Vec::new();
    let (mut at, mut other_at) = (0, 0);
    for (line, other_line) in kept.into_iter().chain([(inner.len(), other_inner.len())]) {
        if line > at || other_line > other_at {
            changes.push(Change { one: start + at..start + line, other: start + other_at..start + other_line });
        }
        (at, other_at) = (line + 1, other_line + 1);
    }
    Ok(settle(changes, one, other))
}

/// Pairs of lines that stay, in their order.
fn common(call: &mut Call, one: &[Bytes], other: &[Bytes]) -> Result<Vec<(usize, usize)>, Stop> {
    let all = one.len() + other.len();
    let offset = all + 1;
    let mut furthest = vec![0_usize; 2 * all + 3];
    let mut before: Vec<Vec<usize>> = Vec::new();
    for cost in 0..=all {
        if cost > MOST {
            return Err(Stop::limit(format!("texts that differ in more than {MOST} lines")));
        }
        call.machine.spend(1 + cost as u64 / 8)?;
        before.push(furthest[offset - cost - 1..=offset + cost + 1].to_vec());
        for diagonal in (offset - cost..=offset + cost).step_by(2) {
            let down = diagonal == offset - cost
                || (diagonal != offset + cost && furthest[diagonal - 1] < furthest[diagonal + 1]);
            let mut line = if down { furthest[diagonal + 1] } else { furthest[diagonal - 1] + 1 };
            while let (Some(mine), Some(theirs)) = (one.get(line), other.get((line + offset).wrapping_sub(diagonal)))
                && mine == theirs
            {
                line += 1;
            }
            furthest[diagonal] = line;
            if line >= one.len() && (line + offset).wrapping_sub(diagonal) >= other.len() {
                return Ok(back(&before, one.len(), other.len()));
            }
        }
    }
    Ok(Vec::new())
}

/// The way back through what was furthest at each cost.
fn back(before: &[Vec<usize>], mut line: usize, mut other_line: usize) -> Vec<(usize, usize)> {
    let mut kept = Vec::new();
    for (cost, furthest) in before.iter().enumerate().rev() {
        // Place of a diagonal in what was remembered: the middle is where both texts are equally far.
        let middle = cost + 1;
        let at = (line + middle).wrapping_sub(other_line);
        let value = |at: usize| furthest.get(at).copied().unwrap_or(0);
        let down = at == 1 || (at != 2 * cost + 1 && value(at - 1) < value(at + 1));
        let start = match (cost, down) {
            (0, _) => 0,
            (_, true) => value(at + 1),
            (_, false) => value(at - 1) + 1,
        };
        while line > start && other_line > 0 {
            line -= 1;
            other_line -= 1;
            kept.push((line, other_line));
        }
        match (cost, down) {
            (0, _) => {}
            (_, true) => other_line = other_line.saturating_sub(1),
            (_, false) => line = line.saturating_sub(1),
        }
    }
    kept.reverse();
    kept
}

/// Where lines only come or only go and could do so in several places, the last of them, as GNU's diff has it.
fn settle(changes: Vec<Change>, one: &[Bytes], other: &[Bytes]) -> Vec<Change> {
    let mut settled: Vec<Change> = Vec::new();
    let mut rest = changes.into_iter().peekable();
    while let Some(mut change) = rest.next() {
        let limit = rest.peek().map_or(one.len(), |next| next.one.start);
        loop {
            let (text, range) = match (change.one.is_empty(), change.other.is_empty()) {
                (true, false) => (other, change.other.clone()),
                (false, true) => (one, change.one.clone()),
                _ => break,
            };
            let moves =
                change.one.end < limit && text.get(range.start) == text.get(range.end) && range.end < text.len();
            if !moves {
                break;
            }
            change = Change {
                one: change.one.start + 1..change.one.end + 1,
                other: change.other.start + 1..change.other.end + 1,
            };
        }
        match settled.last_mut() {
            Some(last) if last.one.end == change.one.start && last.other.end == change.other.start => {
                last.one.end = change.one.end;
                last.other.end = change.other.end;
            }
            _ => settled.push(change),
        }
    }
    settled
}
