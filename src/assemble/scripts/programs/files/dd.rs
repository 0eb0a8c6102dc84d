//! dd, for small amounts.

use super::operands::at;
use super::quoting::quoted;
use super::times::number_with_unit;
use crate::assemble::scripts::files::RANDOM;
use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Errno, Stop, Stream, World};

/// Bytes that one run may copy at most.
const MOST: u64 = 64 << 20;
const BLOCK: u64 = 512;

#[derive(Debug)]
struct Wish {
    input: Option<Bytes>,
    output: Option<Bytes>,
    input_block: u64,
    output_block: u64,
    count: Option<u64>,
    skip: u64,
    seek: u64,
    keep: bool,
    /// Whether the summary is told.
    told: bool,
}

pub(super) fn dd(call: &mut Call) -> Result<u8, Stop> {
    let wish = wish(call)?;
    let (all, whole) = match input(call, &wish)? {
        Ok(input) => input,
        Err(errno) => {
            let name = quoted(wish.input.as_deref().unwrap_or_default());
            return call.fail(1, format!("failed to open {name}: {errno}"));
        }
    };
    call.machine.spend(all.len() as u64 / 64)?;
    if let Err(errno) = output(call, &wish, &all)? {
        let name = quoted(wish.output.as_deref().unwrap_or_default());
        return call.fail(1, format!("failed to open {name}: {errno}"));
    }
    if wish.told {
        let length = all.len() as u64;
        let records = |block: u64| format!("{}+{}", length / block, u64::from(!length.is_multiple_of(block)));
        let read = if whole { records(wish.input_block) } else { records(length.max(1)) };
        let text = format!(
            "{read} records in\n{} records out\n{length} bytes copied, 0 s, 0 B/s\n",
            records(wish.output_block)
        );
        call.shell.write(call.machine, 2, text.as_bytes())?;
    }
    Ok(0)
}

fn wish(call: &Call) -> Result<Wish, Stop> {
    let mut wish = Wish {
        input: None,
        output: None,
        input_block: BLOCK,
        output_block: BLOCK,
        count: None,
        skip: 0,
        seek: 0,
        keep: false,
        told: true,
    };
    for word in call.words {
        let shown = String::from_utf8_lossy(word).into_owned();
        let Some((name, value)) = shown.split_once('=') else { return call.unsupported(format!("`{shown}`")) };
        let number = || match number_with_unit(value) {
            Some(number) if number <= MOST => Ok(number),
            _ => call.unsupported(format!("`{shown}`")),
        };
        let block =
            || number().and_then(|number| if number == 0 { call.unsupported("blocks of nothing") } else { Ok(number) });
        match name {
            "if" => wish.input = Some(word[3..].to_vec()),
            "of" => wish.output = Some(word[3..].to_vec()),
            "bs" => (wish.input_block, wish.output_block) = (block()?, block()?),
            "ibs" => wish.input_block = block()?,
            "obs" => wish.output_block = block()?,
            "count" => wish.count = Some(number()?),
            "skip" | "iseek" => wish.skip = number()?,
            "seek" | "oseek" => wish.seek = number()?,
            "status" => wish.told = value != "none",
            "conv" => {
                for what in value.split(',') {
                    match what {
                        "notrunc" => wish.keep = true,
                        "fsync" | "fdatasync" | "noerror" => {}
                        _ => return call.unsupported(format!("conv={what}")),
                    }
                }
            }
            "iflag" | "oflag"
                if value.split(',').all(|flag| ["direct", "sync", "dsync", "fullblock"].contains(&flag)) => {}
            _ => return call.unsupported(format!("`{shown}`")),
        }
    }
    Ok(wish)
}

/// The bytes to copy, and whether they came in whole blocks.
fn input(call: &mut Call, wish: &Wish) -> Result<Result<(Bytes, bool), Errno>, Stop> {
    let most = wish.count.map(|count| count.saturating_mul(wish.input_block));
    let skipped = wish.skip.saturating_mul(wish.input_block);
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let Some(name) = &wish.input else {
        let mut rest = take(call, most.map(|most| size(most.saturating_add(skipped))));
        rest.drain(..size(skipped).min(rest.len()));
        return Ok(Ok((rest, true)));
    };
    match name.as_slice() {
        b"/dev/zero" => match most {
            Some(most) if most <= MOST => return Ok(Ok((vec![0; size(most)], true))),
            _ => return Err(Stop::limit("endless zeros")),
        },
        b"/dev/random" | b"/dev/urandom" => return Err(Stop::refused(call.name, RANDOM)),
        _ => {}
    }
    let path = at(call, name);
    Ok(call.machine.files.read(&path)?.map(|mut bytes| {
        bytes.drain(..size(skipped).min(bytes.len()));
        bytes.truncate(most.map_or(usize::MAX, size));
        (bytes, true)
    }))
}

/// At most so many bytes of the standard input; the rest stays for whoever reads next.
fn take(call: &Call, most: Option<usize>) -> Bytes {
    let Some(most) = most else { return call.input() };
    let Some(handle) = call.shell.descriptor(0) else { return Bytes::new() };
    match &mut *handle.borrow_mut() {
        Stream::Input { bytes, at } | Stream::Both { bytes, at, .. } => {
            let start = (*at).min(bytes.len());
            let end = start.saturating_add(most).min(bytes.len());
            *at = end;
            bytes.get(start..end).unwrap_or_default().to_vec()
        }
        _ => Bytes::new(),
    }
}

fn output(call: &mut Call, wish: &Wish, bytes: &[u8]) -> Result<Result<(), Errno>, Stop> {
    let Some(name) = &wish.output else {
        call.out(bytes)?;
        return Ok(Ok(()));
    };
    let path = at(call, name);
    let start = wish.seek.saturating_mul(wish.output_block);
    let end = start.saturating_add(bytes.len() as u64);
    if end > MOST {
        return Err(Stop::limit(format!("a file of {end} bytes")));
    }
    let (start, end) = (usize::try_from(start).unwrap_or(usize::MAX), usize::try_from(end).unwrap_or(usize::MAX));
    let mut whole = Bytes::new();
    if (wish.keep || start > 0) && call.machine.files.inode(&path, true).is_some() {
        match call.machine.files.read(&path)? {
            Ok(there) => whole = there,
            Err(errno) => return Ok(Err(errno)),
        }
    }
    if !wish.keep {
        whole.truncate(start);
    }
    whole.resize(whole.len().max(end), 0);
    if let Some(part) = whole.get_mut(start..end) {
        part.copy_from_slice(bytes);
    }
    let mode = 0o666 & !call.shell.umask;
    Ok(call.machine.files.put(&path, whole, mode))
}
