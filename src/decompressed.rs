//! What a decompressor complains about is a refusal: the bytes are somebody else's. Failures to read them stay what they
//! are.

use std::io::{self, Read};

use crate::trust::Refused;

/// The text that `stream` unpacks; `form` is how messages call the compression.
pub(crate) struct Decompressed<R> {
    pub(crate) stream: R,
    pub(crate) form: &'static str,
}

impl<R: Read> Read for Decompressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer).map_err(|error| {
            // Only the system's errors have numbers.
            if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let text = format!("it does not decompress as {}: {error}", self.form);
            io::Error::other(Refused::new("damaged-stream", text))
        })
    }
}
