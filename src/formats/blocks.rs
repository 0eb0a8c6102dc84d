//! Disks in blocks of one size: raw images worked on in parallel and in order, and reads cut where blocks end.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use crate::formats::sparse;

/// Bytes of blocks that are worked on before their results are taken: enough to keep threads busy.
const BATCH_BYTES: u64 = 4 << 20;

/// Hands the blocks of a raw image that are not all zero to `work`, on `threads` threads, and what that makes of each
/// to `take`, in ascending order.
///
/// Blocks have `block` bytes; a last one that ends early has zeros behind the first `size` bytes of `raw`. Holes are
/// not read, and zeros count as holes, so that the same content gives the same blocks on every file system. `new`
/// makes what a thread needs for one block after the other. At most 4 MiB of blocks, or one block a thread, are held
/// at a time.
///
/// # Errors
/// Those of `work`, `take` and `new`, and of reading `raw`, which has at least `size` bytes.
pub(super) fn for_each<W, T: Send>(
    (raw, size): (&File, u64),
    block: usize,
    threads: usize,
    new: impl Fn() -> io::Result<W> + Sync,
    work: impl Fn(&mut W, &[u8]) -> io::Result<T> + Sync,
    mut take: impl FnMut(u64, T) -> io::Result<()>,
) -> io::Result<()> {
    let threads = threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    let batch = usize::try_from(BATCH_BYTES / block as u64).map_err(io::Error::other)?.max(threads);
    let mut numbers = touched(sparse::data_ranges(raw, size)?, block as u64).into_iter().flatten();
    loop {
        let batch: Vec<u64> = numbers.by_ref().take(batch).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let one = |worker: &mut io::Result<(W, Vec<u8>)>, number: &u64| {
            let (worker, buffer) = match worker {
                Ok(worker) => worker,
                Err(error) => return Err(io::Error::new(error.kind(), error.to_string())),
            };
            let start = number * block as u64;
            let length = usize::try_from(size - start).map_or(block, |left| left.min(block));
            raw.read_exact_at(&mut buffer[..length], start)?;
            buffer[length..].fill(0);
            if sparse::is_zero(buffer) { Ok(None) } else { work(worker, buffer).map(Some) }
        };
        let worker = || new().map(|worker| (worker, vec![0; block]));
        let done = pool.install(|| batch.par_iter().map_init(worker, one).collect::<io::Result<Vec<Option<T>>>>())?;
        for (number, result) in batch.into_iter().zip(done) {
            if let Some(result) = result {
                take(number, result)?;
            }
        }
    }
}

/// The blocks that ranges of bytes touch, each once.
fn touched(ranges: Vec<Range<u64>>, block: u64) -> Vec<Range<u64>> {
    let mut blocks: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        let (first, end) = (range.start / block, range.end.div_ceil(block));
        match blocks.last_mut() {
            Some(last) if last.end >= first => last.end = last.end.max(end),
            _ => blocks.push(first..end),
        }
    }
    blocks
}

/// Fills `buffer` from `offset` on, a block of `block` bytes at a time: `read` gets its number, where in it to start,
/// and the part of the buffer to fill. A read beyond the disk's `size` is `UnexpectedEof`.
pub(super) fn read(
    buffer: &mut [u8],
    offset: u64,
    size: u64,
    block: usize,
    mut read: impl FnMut(u64, usize, &mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    offset.checked_add(buffer.len() as u64).filter(|end| *end <= size).ok_or(io::ErrorKind::UnexpectedEof)?;
    let (mut rest, mut at) = (buffer, offset);
    while !rest.is_empty() {
        let start = usize::try_from(at % block as u64).map_err(io::Error::other)?;
        let (part, after) = rest.split_at_mut(rest.len().min(block - start));
        read(at / block as u64, start, part)?;
        at += part.len() as u64;
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_in_order_without_the_zeros_for_any_number_of_threads() {
        let raw = tempfile::tempfile().unwrap();
        raw.set_len(10_000_500).unwrap();
        raw.write_all_at(&[0; 9000], 20_000).unwrap();
        for (at, byte) in [(999, 1), (1000, 2), (5_000_000, 3), (10_000_499, 4)] {
            raw.write_all_at(&[byte], at).unwrap();
        }
        for threads in [0, 1, 3] {
            let mut seen = Vec::new();
            let sum = |calls: &mut u32, block: &[u8]| {
                *calls += 1;
                Ok((block.len(), block.iter().map(|byte| u32::from(*byte)).sum::<u32>()))
            };
            let take = |number, sum| {
                seen.push((number, sum));
                Ok(())
            };
            for_each((&raw, 10_000_500), 1000, threads, || Ok(0_u32), sum, take).unwrap();
            assert_eq!(seen, [(0, (1000, 1)), (1, (1000, 2)), (5000, (1000, 3)), (10_000, (1000, 4))]);
        }
        let failing =
            for_each((&raw, 10_000_500), 1000, 2, || Ok(()), |(), _| Ok(()), |_, ()| Err(io::ErrorKind::Other.into()));
        assert!(failing.is_err());
    }

    #[test]
    fn a_read_is_cut_where_blocks_end() {
        let mut parts = Vec::new();
        let mut buffer = [0; 25];
        read(&mut buffer, 8, 33, 10, |block, start, part| {
            parts.push((block, start, part.len()));
            Ok(())
        })
        .unwrap();
        assert_eq!(parts, [(0, 8, 2), (1, 0, 10), (2, 0, 10), (3, 0, 3)]);
        for offset in [9, u64::MAX] {
            let error = read(&mut buffer, offset, 33, 10, |_, _, _| Ok(())).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
