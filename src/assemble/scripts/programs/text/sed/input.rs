//! The lines that sed reads, and which of them is the last.

use std::collections::VecDeque;

use super::super::streams::Input;
use crate::shell::Bytes;

#[derive(Debug)]
pub(super) struct Lines {
    files: VecDeque<Input>,
    /// Of the first file.
    at: usize,
    name: Bytes,
    /// Of the line that was read last, from 1.
    pub(super) number: u64,
    /// What ends a line.
    pub(super) end: u8,
    /// Whether the line that was read last had its end.
    pub(super) ended: bool,
}

impl Lines {
    pub(super) fn new(files: Vec<Input>, end: u8) -> Lines {
        let files = files.into_iter().filter(|file| !file.bytes.is_empty()).collect();
        Lines { files, at: 0, name: b"-".to_vec(), number: 0, end, ended: true }
    }

    pub(super) fn next(&mut self) -> Option<Bytes> {
        let file = self.files.front()?;
        if self.at == 0 {
            self.name.clone_from(&file.name);
        }
        let rest = file.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == self.end);
        self.ended = length.is_some();
        let line = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default().to_vec();
        self.at += line.len() + 1;
        if self.at >= file.bytes.len() {
            self.files.pop_front();
            self.at = 0;
            // Another file begins a line of its own.
            self.ended |= !self.files.is_empty();
        }
        self.number += 1;
        Some(line)
    }

    pub(super) fn is_last(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn file_name(&self) -> &[u8] {
        &self.name
    }
}
