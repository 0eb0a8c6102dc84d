//! What sed writes: lines whose last one may have no newline, until something follows it.

use std::rc::Rc;

use super::super::streams::Sink;
use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Stop};

/// Most that one run may write to its output, in bytes.
const LARGEST: usize = 256 << 20;

#[derive(Debug)]
pub(super) struct Output {
    /// Collected: the standard output, or the file that is edited.
    pub(super) bytes: Bytes,
    /// What ends a line.
    end: u8,
    /// Whether the last line has no end yet.
    open: bool,
    /// Other files of which that is so.
    open_sinks: Vec<Sink>,
    /// Whether what is collected is the standard output.
    standard: bool,
}

impl Output {
    pub(super) fn new(end: u8, standard: bool) -> Output {
        Output { bytes: Bytes::new(), end, open: false, open_sinks: Vec::new(), standard }
    }

    /// Text that has the ends of its lines.
    pub(super) fn text(&mut self, text: &[u8]) -> Result<(), Stop> {
        if std::mem::take(&mut self.open) {
            self.bytes.push(self.end);
        }
        self.bytes.extend_from_slice(text);
        match self.bytes.len() > LARGEST {
            true => Err(Stop::limit(format!("an output of sed of more than {LARGEST} bytes"))),
            false => Ok(()),
        }
    }

    /// A line, with its end unless it had none where it was read.
    pub(super) fn line(&mut self, line: &[u8], ended: bool) -> Result<(), Stop> {
        self.text(line)?;
        if ended {
            self.bytes.push(self.end);
        }
        self.open = !ended;
        Ok(())
    }

    /// A line to another file.
    pub(super) fn line_to(&mut self, call: &mut Call, sink: &Sink, line: &[u8], ended: bool) -> Result<(), Stop> {
        let mut all = Bytes::new();
        if let Some(open) = self.open_sinks.iter().position(|open| same(open, sink)) {
            self.open_sinks.remove(open);
            all.push(self.end);
        }
        all.extend_from_slice(line);
        if ended {
            all.push(self.end);
        } else {
            self.open_sinks.push(sink.clone());
        }
        match (sink, self.standard) {
            (Sink::Descriptor(1), true) => {
                self.bytes.extend(all);
                Ok(())
            }
            _ => sink.write(call, &all),
        }
    }
}

fn same(one: &Sink, other: &Sink) -> bool {
    match (one, other) {
        (Sink::Descriptor(one), Sink::Descriptor(other)) => one == other,
        (Sink::File(one), Sink::File(other)) => Rc::ptr_eq(one, other),
        _ => false,
    }
}
