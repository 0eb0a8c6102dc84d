//! `join` and `comm`: two sorted texts against each other.

use std::cmp::Ordering;

use super::streams;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options::{self, Options};
use crate::shell::{Bytes, Stop};

/// Both texts, or nothing if one cannot be read.
fn both(call: &mut Call, options: &Options) -> Result<Option<(Bytes, Bytes)>, Stop> {
    let [one, other] = options.operands.as_slice() else {
        call.error("two files are needed")?;
        return Ok(None);
    };
    let (inputs, status) = streams::inputs(call, &[one.clone(), other.clone()])?;
    let mut texts = inputs.into_iter().map(|input| input.bytes);
    Ok(texts.next().zip(texts.next()).filter(|_| status == 0))
}

pub(super) fn comm(call: &mut Call) -> Result<u8, Stop> {
    let known = ["1", "2", "3", "check-order", "nocheck-order", "output-delimiter=", "total", "z|zero-terminated"];
    let options = options::parse(call, &known, true)?;
    if options.has("total") {
        return call.unsupported("the option `--total`");
    }
    let end = if options.has("z") { 0 } else { b'\n' };
    let Some((one, other)) = both(call, &options)? else { return Ok(1) };
    let (one, other): (Vec<&[u8]>, Vec<&[u8]>) =
        (streams::lines(&one, end).collect(), streams::lines(&other, end).collect());
    let tab = options.value("output-delimiter").cloned().unwrap_or_else(|| b"\t".to_vec());
    let shown = |column: &str| !options.has(column);
    let mut out = Bytes::new();
    let (mut left, mut right) = (0, 0);
    loop {
        let (column, line) = match (one.get(left), other.get(right)) {
            (None, None) => break,
            (Some(line), None) => (1, line),
            (None, Some(line)) => (2, line),
            (Some(one), Some(other)) => match one.cmp(other) {
                Ordering::Less => (1, one),
                Ordering::Greater => (2, other),
                Ordering::Equal => (3, one),
            },
        };
        left += usize::from(column != 2);
        right += usize::from(column != 1);
        let tabs = match column {
            1 => 0,
            2 => usize::from(shown("1")),
            _ => usize::from(shown("1")) + usize::from(shown("2")),
        };
        if shown(&column.to_string()) {
            (0..tabs).for_each(|_| out.extend_from_slice(&tab));
            out.extend_from_slice(line);
            out.push(end);
        }
    }
    call.out(&out)?;
    let sorted = |lines: &[&[u8]]| lines.is_sorted();
    let checked = !options.has("nocheck-order");
    if checked && (!sorted(&one) || !sorted(&other)) {
        return call.fail(1, "a file is not in sorted order");
    }
    Ok(0)
}

/// Where a field of the output comes from: 0 is the key.
type Place = (usize, usize);

struct Join {
    separator: Option<u8>,
    /// The field of the key in each file, from 0.
    keys: [usize; 2],
    fold: bool,
    format: Option<Vec<Place>>,
    empty: Bytes,
}

pub(super) fn join(call: &mut Call) -> Result<u8, Stop> {
    let known = ["t=", "1=", "2=", "j=", "a=", "v=", "o=", "e=", "i|ignore-case", "nocheck-order", "check-order"];
    let options = options::parse(call, &known, true)?;
    let field = |name: &str| {
        let text = options.value(name).or(options.value("j"));
        let number = text.map_or(Some(1), |text| streams::number(text));
        number.and_then(|number| usize::try_from(number).ok()).and_then(|number| number.checked_sub(1))
    };
    let (Some(first), Some(second)) = (field("1"), field("2")) else { return call.fail(1, "invalid field number") };
    let separator = match options.value("t").map(Vec::as_slice) {
        None => None,
        Some([byte]) => Some(*byte),
        Some(_) => return call.unsupported("a separator that is not one byte"),
    };
    let format = match options.value("o").map(|format| places(format)) {
        Some(None) => return call.unsupported("this output format"),
        format => format.flatten(),
    };
    let empty = options.value("e").cloned().unwrap_or_default();
    let join = Join { separator, keys: [first, second], fold: options.has("i"), format, empty };
    let Some((one, other)) = both(call, &options)? else { return Ok(1) };
    let unpaired = |file: &[u8]| options.given.iter().any(|(name, value)| matches!(*name, "a" | "v") && value == file);
    join.run(call, [&one, &other], [unpaired(b"1"), unpaired(b"2")], !options.has("v"))?;
    Ok(0)
}

/// `0,1.2 2.3`
fn places(format: &[u8]) -> Option<Vec<Place>> {
    let parts = format.split(|byte| matches!(byte, b',' | b' ' | b'\t'));
    let place = |part: &[u8]| -> Option<Place> {
        match part {
            b"0" => Some((0, 0)),
            [file @ (b'1' | b'2'), b'.', field @ ..] => {
                let field = usize::try_from(streams::number(field)?).ok()?;
                Some((usize::from(file - b'0'), field.checked_sub(1)?))
            }
            _ => None,
        }
    };
    parts.map(place).collect()
}

impl Join {
    fn fields<'l>(&self, line: &'l [u8]) -> Vec<&'l [u8]> {
        match self.separator {
            Some(separator) => line.split(|byte| *byte == separator).collect(),
            None => line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|field| !field.is_empty()).collect(),
        }
    }

    fn key(&self, file: usize, fields: &[&[u8]]) -> Bytes {
        let key = self.keys.get(file).and_then(|key| fields.get(*key)).copied().unwrap_or_default();
        if self.fold { key.to_ascii_lowercase() } else { key.to_vec() }
    }

    fn run(&self, call: &mut Call, texts: [&Bytes; 2], unpaired: [bool; 2], paired: bool) -> Result<(), Stop> {
        let read = |file: usize| -> Vec<(Bytes, Vec<&[u8]>)> {
            let lines = streams::lines(texts[file], b'\n').map(|line| self.fields(line));
            lines.map(|fields| (self.key(file, &fields), fields)).collect()
        };
        let (one, other) = (read(0), read(1));
        let (mut left, mut right) = (0, 0);
        let mut out = Bytes::new();
        loop {
            let order = match (one.get(left), other.get(right)) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((one, _)), Some((other, _))) => one.cmp(other),
            };
            match order {
                Ordering::Less => {
                    if unpaired[0] {
                        self.line(&mut out, one.get(left).map(|line| &line.1), None);
                    }
                    left += 1;
                }
                Ordering::Greater => {
                    if unpaired[1] {
                        self.line(&mut out, None, other.get(right).map(|line| &line.1));
                    }
                    right += 1;
                }
                Ordering::Equal => {
                    let same = |lines: &[(Bytes, Vec<&[u8]>)], at: usize| {
                        let key = lines.get(at).map(|line| &line.0);
                        lines.iter().skip(at).take_while(|line| Some(&line.0) == key).count()
                    };
                    let (lefts, rights) = (same(&one, left), same(&other, right));
                    for first in one.iter().skip(left).take(if paired { lefts } else { 0 }) {
                        for second in other.iter().skip(right).take(rights) {
                            self.line(&mut out, Some(&first.1), Some(&second.1));
                        }
                        call.out(std::mem::take(&mut out))?;
                    }
                    left += lefts;
                    right += rights;
                }
            }
        }
        call.out(out)
    }

    fn line(&self, out: &mut Bytes, one: Option<&Vec<&[u8]>>, other: Option<&Vec<&[u8]>>) {
        let files = [one, other];
        let field = |file: usize, index: usize| {
            files.get(file).copied().flatten().and_then(|fields| fields.get(index)).copied()
        };
        let key = (0..2).find_map(|file| field(file, *self.keys.get(file)?));
        let mut fields: Vec<Option<&[u8]>> = Vec::new();
        match &self.format {
            Some(format) => fields.extend(format.iter().map(|(file, index)| match file {
                0 => key,
                file => field(file - 1, *index),
            })),
            None => {
                fields.push(key);
                for (file, line) in files.iter().enumerate() {
                    let others = line.iter().flat_map(|fields| fields.iter().enumerate());
                    fields.extend(others.filter(|(index, _)| *index != self.keys[file]).map(|(_, field)| Some(*field)));
                }
            }
        }
        let filled = fields.into_iter().map(|field| field.filter(|field| !field.is_empty()).unwrap_or(&self.empty));
        out.extend(filled.collect::<Vec<_>>().join(&self.separator.unwrap_or(b' ')));
        out.push(b'\n');
    }
}
