//! The access log: a line for each request, written by a thread of its own, so that a slow reader of it delays nobody.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::bounded::quote;

/// Lines that wait for the reader; further ones are lost, and counted.
const WAITING: usize = 4096;
/// How long the last lines may take.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// A request and what came of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Entry {
    pub(super) peer: SocketAddr,
    /// HTTP's method, `TFTP` or `DHCP`.
    pub(super) method: &'static str,
    /// As it was asked for.
    pub(super) path: String,
    pub(super) status: Status,
    /// Of the body, as many as were sent.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    /// What the status does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Status {
    Http(u16),
    Word(&'static str),
}

/// What the thread gets.
enum Message {
    Line(String),
    /// Answered when all lines before it are written.
    Flush(SyncSender<()>),
}

#[derive(Debug)]
pub(super) struct Log {
    lines: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    json: bool,
    clock: fn() -> DateTime<Utc>,
}

impl Log {
    /// `closed` is set when nobody reads any more.
    pub(super) fn start(
        json: bool,
        clock: fn() -> DateTime<Utc>,
        out: impl Write + Send + 'static,
        closed: Arc<AtomicBool>,
    ) -> Arc<Log> {
        let (lines, waiting) = mpsc::sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let log = Log { lines, lost: lost.clone(), json, clock };
        thread::spawn(move || write(&waiting, &lost, out, &closed));
        Arc::new(log)
    }

    pub(super) fn write(&self, entry: &Entry) {
        let time = (self.clock)().to_rfc3339_opts(SecondsFormat::Millis, true);
        self.line(if self.json { json(&time, entry) } else { text(&time, entry) });
    }

    /// A line as it is.
    pub(super) fn line(&self, line: String) {
        if self.lines.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the lines so far are written, a second at most.
    pub(super) fn flush(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            // Too late is as good as never: nobody reads.
            let _ = wait.recv_timeout(FLUSH_LIMIT);
        }
    }
}

fn write(waiting: &Receiver<Message>, lost: &AtomicU64, mut out: impl Write, closed: &AtomicBool) {
    for message in waiting {
        let mut line = match message {
            Message::Line(line) => line,
            Message::Flush(done) => {
                // Whoever waited no longer needs the answer.
                let _ = done.send(());
                continue;
            }
        };
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            count => crate::report::say(&format!("note: {count} lines of the log were lost, its reader is too slow")),
        }
        line.push('\n');
        if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
            closed.store(true, Ordering::Relaxed);
            return;
        }
    }
}

fn text(time: &str, entry: &Entry) -> String {
    let Entry { peer, method, path, bytes, seconds, .. } = entry;
    let status = match entry.status {
        Status::Http(code) => code.to_string(),
        Status::Word(word) => word.to_owned(),
    };
    let note = entry.note.as_ref().map(|note| format!(" ({})", quote(note))).unwrap_or_default();
    // A space would look like the end of the path.
    let path = quote(path).replace(' ', "\\u{20}");
    format!("{time} {peer} {method} {path} {status} {bytes} {seconds:.3}{note}")
}

fn json(time: &str, entry: &Entry) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        time: &'a str,
        #[serde(flatten)]
        entry: &'a Entry,
    }
    // Texts and numbers are always JSON.
    serde_json::to_string(&Line { time, entry }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn entry() -> Entry {
        Entry {
            peer: "192.0.2.7:1024".parse().unwrap(),
            method: "GET",
            path: "/a b\u{1b}[31m\n".to_owned(),
            status: Status::Http(206),
            bytes: 17,
            seconds: 0.25,
            note: None,
        }
    }

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(43_200, 0).unwrap_or_default()
    }

    #[test]
    fn a_line_has_six_words_whatever_was_asked_for() {
        let line = text("T", &entry());
        assert_eq!(line, "T 192.0.2.7:1024 GET /a\\u{20}b\\u{1b}[31m\\n 206 17 0.250");
        assert_eq!(line.split(' ').count(), 7);
        let told = Entry { note: Some("why".into()), status: Status::Word("failed"), ..entry() };
        assert!(text("T", &told).ends_with(" failed 17 0.250 (why)"));
        let value: serde_json::Value = serde_json::from_str(&json("T", &told)).unwrap();
        assert_eq!((&value["path"], &value["status"]), (&entry().path.into(), &"failed".into()));
        assert_eq!(value["time"], "T");
    }

    #[test]
    fn lines_come_in_order_and_a_closed_reader_is_noticed() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let log = Log::start(false, noon, writer, closed.clone());
        log.line("first".to_owned());
        log.write(&entry());
        log.flush();
        let mut text = [0; 64];
        let count = reader.read(&mut text).unwrap();
        assert!(text[..count].starts_with(b"first\n1970-01-01T12:00:00.000Z 192.0.2.7"));
        drop(reader);
        for _ in 0..50 {
            log.line("nobody".to_owned());
            log.flush();
        }
        assert!(closed.load(Ordering::Relaxed));
    }

    /// Takes nothing, for ever.
    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                thread::park();
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_is_stuck_delays_nobody() {
        let log = Log::start(false, noon, Stuck, Arc::default());
        (0..WAITING + 10).for_each(|_| log.line("x".to_owned()));
        assert!(log.lost.load(Ordering::Relaxed) >= 9);
    }
}
