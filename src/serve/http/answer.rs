//! What a request gets: a status, fields of a head, and a body of text or of a part of a file.

use super::range::{self, Asked};
use super::request::{Method, Refusal, Request};
use crate::date::show_http_date;
use crate::serve::directory::Found;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    /// For the log.
    pub(crate) note: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Body {
    Text(Vec<u8>),
    /// Bytes `start` to `end` of the file.
    File {
        found: Found,
        start: u64,
        end: u64,
    },
}

impl Body {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Body::Text(text) => text.len() as u64,
            Body::File { start, end, .. } => end - start,
        }
    }
}

impl Answer {
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Answer {
        let fields = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
        Answer { status: 200, fields, body: Body::Text(text.into()), note: None }
    }

    pub(crate) fn refused(refusal: Refusal) -> Answer {
        let mut answer = Answer { status: refusal.status, ..Answer::text(format!("{}\n", refusal.why)) };
        match refusal.status {
            405 => answer.fields.push(("Allow", "GET, HEAD".to_owned())),
            503 => answer.fields.push(("Retry-After", "2".to_owned())),
            _ => {}
        }
        answer
    }

    pub(crate) fn note(self, note: impl Into<Option<String>>) -> Answer {
        Answer { note: note.into(), ..self }
    }

    /// A file, or the part of it that is asked for, if the file is still the one that the client knows (RFC 9110, 13.1.5:
    /// a date is no strong validator, so that only a tag counts).
    pub(crate) fn file(request: &Request, found: Found, name: &str) -> Answer {
        let is_same = request.if_range.as_ref().is_none_or(|tag| *tag == found.tag);
        let asked = match &request.range {
            Some(range) if request.method == Method::Get && is_same => range::parse(range, found.bytes),
            _ => Asked::Whole,
        };
        let length = found.bytes;
        let mut fields = vec![("Accept-Ranges", "bytes".to_owned())];
        let (status, part) = match asked {
            Asked::Whole => (200, 0..length),
            Asked::Part(part) => {
                fields.push(("Content-Range", format!("bytes {}-{}/{length}", part.start, part.end - 1)));
                (206, part)
            }
            Asked::Nothing => {
                let mut answer = Answer::refused(Refusal::new(416, "the file has no such bytes"));
                answer.fields.push(("Content-Range", format!("bytes */{length}")));
                return answer;
            }
        };
        fields.push(("Content-Type", content_type(name).to_owned()));
        fields.push(("ETag", found.tag.clone()));
        fields.extend(show_http_date(found.modified).map(|date| ("Last-Modified", date)));
        Answer { status, fields, body: Body::File { found, start: part.start, end: part.end }, note: None }
    }

    /// The head as it is sent; `date` is now, and `keep_alive` whether another request may follow.
    pub(crate) fn head(&self, date: Option<String>, keep_alive: bool) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let common = [("Content-Length", self.body.length().to_string()), ("Connection", connection.to_owned())];
        let date = date.map(|date| ("Date", date));
        for (name, value) in date.iter().chain(&common).chain(&self.fields) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }
}

/// UEFI goes by these types and by endings (UEFI Specification, 24.7.2); people's browsers show texts.
fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "efi" => "application/efi",
        "iso" => "application/vnd.efi-iso",
        "json" => "application/json",
        "ipxe" | "cmdline" | "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::serve::directory::Directory;

    fn found(bytes: &[u8]) -> (tempfile::TempDir, Found) {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("x"), bytes).unwrap();
        let found = Directory::open(place.path()).unwrap().file(&["x"]).unwrap().unwrap();
        (place, found)
    }

    fn head(range: Option<&str>, if_range: Option<&str>, method: Method, bytes: &[u8]) -> String {
        let (_place, mut found) = found(bytes);
        (found.tag, found.modified) = ("\"t\"".to_owned(), 0);
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let (range, if_range) = (owned(range), owned(if_range));
        let request = Request { method, target: "/x.efi".into(), host: None, range, if_range, keep_alive: true };
        Answer::file(&request, found, "x.efi").head(None, true)
    }

    #[test]
    fn a_part_says_where_it_lies() {
        assert_eq!(
            head(Some("bytes=1-2"), None, Method::Get, b"abcd"),
            "HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\nConnection: keep-alive\r\nAccept-Ranges: bytes\r\n\
             Content-Range: bytes 1-2/4\r\nContent-Type: application/efi\r\nETag: \"t\"\r\n\
             Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
        );
        let past = head(Some("bytes=4-"), None, Method::Get, b"abcd");
        assert!(past.starts_with("HTTP/1.1 416 ") && past.contains("Content-Range: bytes */4\r\n"), "{past}");
    }

    #[test]
    fn a_part_of_another_file_is_the_whole_of_it() {
        let status = |if_range| head(Some("bytes=1-2"), if_range, Method::Get, b"abcd")[9..12].to_owned();
        assert_eq!(status(Some("\"t\"")), "206");
        for other in ["\"u\"", "W/\"t\"", "Thu, 01 Jan 1970 00:00:00 GMT", ""] {
            assert_eq!(status(Some(other)), "200", "{other}");
        }
        // A range is defined for GET alone.
        assert!(
            head(Some("bytes=1-2"), None, Method::Head, b"abcd").starts_with("HTTP/1.1 200 OK\r\nContent-Length: 4")
        );
    }
}
