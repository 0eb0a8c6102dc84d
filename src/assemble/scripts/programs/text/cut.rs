//! `cut`: some bytes or fields of each line.

use super::streams::{self, shown};
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

/// From here to there, both counted from 1.
type Range = (usize, usize);

pub(super) fn cut(call: &mut Call) -> Result<u8, Stop> {
    const OPTIONS: &[options::Known] = &[
        "b|bytes=",
        "c|characters=",
        "f|fields=",
        "d|delimiter=",
        "n",
        "s|only-delimited",
        "complement",
        "output-delimiter=",
        "z|zero-terminated",
    ];
    let options = options::parse(call, OPTIONS, true)?;
    let lists: Vec<_> = options.given.iter().filter(|(name, _)| matches!(*name, "b" | "c" | "f")).collect();
    let [(kind, list)] = lists[..] else {
        return call.fail(1, "you must specify one list of bytes, characters, or fields");
    };
    let Some(ranges) = ranges(list) else { return call.fail(1, format!("invalid list: '{}'", shown(list))) };
    let fields = *kind == "f";
    let delimiter = match options.value("d").map(Vec::as_slice) {
        _ if !fields && (options.has("d") || options.has("s")) => {
            return call.fail(1, "an input delimiter may be specified only when operating on fields");
        }
        None => b'\t',
        Some([]) => 0,
        Some([delimiter]) => *delimiter,
        Some(_) => return call.fail(1, "the delimiter must be a single character"),
    };
    let end = if options.has("z") { 0 } else { b'\n' };
    // Nothing is a NUL here.
    let between = options.value("output-delimiter").map(|text| if text.is_empty() { vec![0] } else { text.clone() });
    let cutter = Cutter { ranges, complement: options.has("complement"), between };
    let (text, status) = streams::joined(call, &options.operands)?;
    let mut out = Bytes::new();
    for line in streams::lines(&text, end) {
        match fields {
            false => cutter.bytes(line, &mut out),
            true if !line.contains(&delimiter) && options.has("s") => continue,
            true if !line.contains(&delimiter) => out.extend_from_slice(line),
            true => cutter.fields(line, delimiter, &mut out),
        }
        out.push(end);
    }
    call.out(&out)?;
    Ok(status)
}

/// `1,3-5,7-`, in order and without overlaps.
fn ranges(list: &[u8]) -> Option<Vec<Range>> {
    let mut ranges = Vec::new();
    for part in list.split(|byte| matches!(byte, b',' | b' ' | b'\t')) {
        let number = |text: &[u8]| streams::number(text).and_then(|number| usize::try_from(number).ok());
        let range = match part.iter().position(|byte| *byte == b'-') {
            None => number(part).map(|at| (at, at))?,
            Some(_) if part == b"-" => return None,
            Some(hyphen) => {
                let (first, last) = (&part[..hyphen], &part[hyphen + 1..]);
                let first = if first.is_empty() { 1 } else { number(first)? };
                (first, if last.is_empty() { usize::MAX } else { number(last)? })
            }
        };
        if range.0 == 0 || range.1 < range.0 {
            return None;
        }
        ranges.push(range);
    }
    ranges.sort_unstable();
    let mut joined: Vec<Range> = Vec::new();
    for (first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    Some(joined)
}

struct Cutter {
    ranges: Vec<Range>,
    complement: bool,
    /// What stands between ranges in the output; between fields the delimiter unless this is given.
    between: Option<Bytes>,
}

impl Cutter {
    /// Whether it is wanted, and whether a range begins there.
    fn wants(&self, at: usize) -> bool {
        let found = self.ranges.partition_point(|(_, last)| *last < at);
        self.ranges.get(found).is_some_and(|(first, _)| *first <= at) != self.complement
    }

    /// Whether a range begins here: right behind another it is one of its own.
    fn begins(&self, at: usize) -> bool {
        !self.wants(at - 1) || (!self.complement && self.ranges.iter().any(|(first, _)| *first == at))
    }

    fn bytes(&self, line: &[u8], out: &mut Bytes) {
        let mut some = false;
        for (at, byte) in (1..).zip(line).filter(|(at, _)| self.wants(*at)) {
            if some
                && let Some(between) = &self.between
                && self.begins(at)
            {
                out.extend_from_slice(between);
            }
            out.push(*byte);
            some = true;
        }
    }

    fn fields(&self, line: &[u8], delimiter: u8, out: &mut Bytes) {
        let mut some = false;
        for (_, field) in (1..).zip(line.split(|byte| *byte == delimiter)).filter(|(at, _)| self.wants(*at)) {
            if some {
                out.extend_from_slice(self.between.as_deref().unwrap_or(&[delimiter]));
            }
            out.extend_from_slice(field);
            some = true;
        }
    }
}
