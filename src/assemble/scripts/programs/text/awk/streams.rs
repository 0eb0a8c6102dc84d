//! What awk reads and writes: its own input, files by name, and programs.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::streams::{self, Sink};
use super::syntax::TargetKind;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::regex::Regex;
use crate::shell::{Bytes, Stop, Stream};

/// What is written to one file or program before it is closed, and altogether, in bytes.
const LARGEST: usize = 64 << 20;
/// Files and programs that are open at once.
const MOST: usize = 1000;

/// How records end.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Byte(u8),
    /// Empty lines.
    Paragraphs,
    Regex(Rc<Regex>),
}

/// A text that is read record by record.
#[derive(Debug, Default)]
pub(super) struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Reader {
        Reader { bytes, at: 0 }
    }

    pub(super) fn record(&mut self, ending: &Ending) -> Result<Option<Bytes>, Stop> {
        let newlines = |text: &[u8]| text.iter().take_while(|byte| **byte == b'\n').count();
        if let Ending::Paragraphs = ending {
            self.at += newlines(self.bytes.get(self.at..).unwrap_or_default());
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let (length, end) = match ending {
            Ending::Byte(byte) => match rest.iter().position(|found| found == byte) {
                Some(length) => (length, length + 1),
                None => (rest.len(), rest.len()),
            },
            Ending::Paragraphs => match rest.windows(2).position(|two| two == b"\n\n") {
                Some(length) => (length, length + newlines(&rest[length..])),
                None => (rest.len() - usize::from(rest.ends_with(b"\n")), rest.len()),
            },
            Ending::Regex(regex) => match self.ending(regex)? {
                Some((start, end)) => (start - self.at, end - self.at),
                // The newline that ends the file is no part of its last record if that could be an ending.
                None => (rest.len(), rest.len()),
            },
        };
        let record = rest.get(..length).unwrap_or_default().to_vec();
        self.at += end;
        Ok(Some(record))
    }

    /// The next place where something that ends a record stands.
    fn ending(&self, regex: &Regex) -> Result<Option<(usize, usize)>, Stop> {
        let mut at = self.at;
        while let Some((start, end)) = regex.span_at(&self.bytes, at)? {
            if end > start {
                return Ok(Some((start, end)));
            }
            at = end + 1;
        }
        Ok(None)
    }
}

/// The records of the operands, or of the standard input.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) reader: Option<Reader>,
    /// Of the last operand that was looked at.
    pub(super) operand: usize,
    /// Some operand was a file.
    pub(super) opened: bool,
    pub(super) finished: bool,
}

impl Input {
    pub(super) fn skip_file(&mut self) {
        self.reader = None;
    }
}

#[derive(Debug)]
enum Output {
    File(Sink),
    Program(Bytes),
}

/// Everything that is open, by name.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// What was printed and not written yet.
    standard: Bytes,
    written: usize,
    outputs: BTreeMap<Bytes, (Output, Bytes)>,
    inputs: BTreeMap<Bytes, Reader>,
    /// The status of programs that were read from.
    statuses: BTreeMap<Bytes, u8>,
}

impl Streams {
    fn count(&mut self, length: usize) -> Result<(), Stop> {
        self.written += length;
        match self.written > LARGEST {
            true => Err(Stop::limit(format!("an output of awk of more than {LARGEST} bytes"))),
            false => Ok(()),
        }
    }

    pub(super) fn print(&mut self, text: &[u8]) -> Result<(), Stop> {
        self.standard.extend_from_slice(text);
        self.count(text.len())
    }

    /// Writes what was printed.
    pub(super) fn flush(&mut self, call: &mut Call) -> Result<(), Stop> {
        let text = std::mem::take(&mut self.standard);
        call.out(text)
    }

    /// Prints to a file or program; an error is told as a message.
    pub(super) fn print_to(
        &mut self,
        call: &mut Call,
        kind: TargetKind,
        name: &[u8],
        text: &[u8],
    ) -> Result<Result<(), String>, Stop> {
        if name == b"/dev/stdout" || (name == b"-" && kind != TargetKind::Pipe) {
            return self.print(text).map(Ok);
        }
        self.count(text.len())?;
        if !self.outputs.contains_key(name) {
            if self.outputs.len() >= MOST {
                return Err(Stop::limit(format!("{MOST} open files of awk")));
            }
            let output = match kind {
                TargetKind::Pipe => {
                    self.flush(call)?;
                    Output::Program(name.to_vec())
                }
                kind => match streams::create(call, name, kind == TargetKind::Append)? {
                    Ok(sink) => Output::File(sink),
                    Err(errno) => return Ok(Err(format!("cannot open {} ({errno})", streams::shown(name)))),
                },
            };
            self.outputs.insert(name.to_vec(), (output, Bytes::new()));
        }
        // What goes to other descriptors stands between what is printed.
        if let Some((Output::File(sink @ Sink::Descriptor(_)), _)) = self.outputs.get(name) {
            let sink = sink.clone();
            self.flush(call)?;
            sink.write(call, text)?;
        } else if let Some((_, waiting)) = self.outputs.get_mut(name) {
            waiting.extend_from_slice(text);
        }
        Ok(Ok(()))
    }

    /// What a file holds, read on where the last record ended; nothing if it cannot be read.
    pub(super) fn file(&mut self, call: &mut Call, name: &[u8]) -> Result<Option<&mut Reader>, Stop> {
        if !self.inputs.contains_key(name) {
            if self.inputs.len() >= MOST {
                return Err(Stop::limit(format!("{MOST} open files of awk")));
            }
            let Ok(bytes) = streams::read(call, name)? else { return Ok(None) };
            self.inputs.insert(name.to_vec(), Reader::new(bytes));
        }
        Ok(self.inputs.get_mut(name))
    }

    /// What a program prints.
    pub(super) fn program(&mut self, call: &mut Call, command: &[u8]) -> Result<Option<&mut Reader>, Stop> {
        if !self.inputs.contains_key(command) {
            if self.inputs.len() >= MOST {
                return Err(Stop::limit(format!("{MOST} open programs of awk")));
            }
            self.flush(call)?;
            let output = Stream::output();
            let before = call.shell.descriptors.insert(1, output.clone());
            let status = run(call, command);
            restore(call, 1, before);
            self.statuses.insert(command.to_vec(), status?);
            let bytes = output.borrow_mut().take();
            self.inputs.insert(command.to_vec(), Reader::new(bytes));
        }
        Ok(self.inputs.get_mut(command))
    }

    /// Runs a program, whose status is given.
    pub(super) fn system(&mut self, call: &mut Call, command: &[u8]) -> Result<u8, Stop> {
        self.flush(call)?;
        self.flush_files(call)?;
        run(call, command)
    }

    /// Writes what waits for files.
    pub(super) fn flush_files(&mut self, call: &mut Call) -> Result<(), Stop> {
        for (output, waiting) in self.outputs.values_mut() {
            if let Output::File(sink) = output {
                sink.write(call, &std::mem::take(waiting))?;
            }
        }
        Ok(())
    }

    /// Closes what is open by this name: the status, or -1 if nothing is.
    pub(super) fn close(&mut self, call: &mut Call, name: &[u8]) -> Result<f64, Stop> {
        let mut status = -1.0;
        if self.inputs.remove(name).is_some() {
            status = f64::from(self.statuses.remove(name).unwrap_or(0));
        }
        if let Some((output, waiting)) = self.outputs.remove(name) {
            status = f64::from(self.finish(call, output, &waiting)?);
        }
        Ok(status)
    }

    fn finish(&self, call: &mut Call, output: Output, waiting: &[u8]) -> Result<u8, Stop> {
        match output {
            Output::File(sink) => sink.write(call, waiting).map(|()| 0),
            Output::Program(command) => {
                let before = call.shell.descriptors.insert(0, Stream::input(waiting));
                let status = run(call, &command);
                restore(call, 0, before);
                status
            }
        }
    }

    pub(super) fn close_all(&mut self, call: &mut Call) -> Result<(), Stop> {
        for (output, waiting) in std::mem::take(&mut self.outputs).into_values() {
            self.finish(call, output, &waiting)?;
        }
        self.flush(call)
    }
}

fn restore(call: &mut Call, number: u32, before: Option<crate::shell::Handle>) {
    match before {
        Some(before) => call.shell.descriptors.insert(number, before),
        None => call.shell.descriptors.remove(&number),
    };
}

fn run(call: &mut Call, command: &[u8]) -> Result<u8, Stop> {
    call.run(&[b"sh".to_vec(), b"-c".to_vec(), command.to_vec()])
}
