//! The head of a request, HTTP/1.0 or 1.1 (RFC 9112), as far as GET and HEAD of files need it.

/// Bytes of a head.
pub const HEAD_MAX: usize = 16 << 10;
const FIELDS_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// As it came.
    pub target: String,
    pub host: Option<String>,
    pub range: Option<String>,
    pub if_range: Option<String>,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
}

/// Why there is no answer to what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP's status.
    pub status: u16,
    pub why: &'static str,
}

impl Refusal {
    pub(crate) const fn new(status: u16, why: &'static str) -> Refusal {
        Refusal { status, why }
    }
}

/// The first request in `bytes` and the length of its head, or `None` while it is not complete.
///
/// # Errors
/// It is no request, or one with a body or a method that are not served: the connection cannot go on.
pub fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    let length = match head.parse(bytes.get(..HEAD_MAX).unwrap_or(bytes)) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_MAX => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal::new(431, "the head is too large"));
        }
        Err(httparse::Error::Version) => return Err(Refusal::new(505, "HTTP/1.0 and 1.1 are spoken here")),
        Err(_) => return Err(Refusal::new(400, "that is no request")),
    };
    let field = |name: &str| {
        let mut values = head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        let first = values.next().map(|field| String::from_utf8_lossy(field.value).trim().to_owned());
        match values.next() {
            Some(_) => Err(Refusal::new(400, "a field stands twice in the head")),
            None => Ok(first),
        }
    };
    let method = match head.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => return Err(Refusal::new(405, "only GET and HEAD are served")),
    };
    if field("transfer-encoding")?.is_some() || field("content-length")?.is_some_and(|length| length != "0") {
        return Err(Refusal::new(413, "a request has no body here"));
    }
    let host = field("host")?;
    let is_newest = head.version == Some(1);
    if is_newest && host.is_none() {
        return Err(Refusal::new(400, "a request of HTTP/1.1 names its host"));
    }
    let options = field("connection")?.unwrap_or_default();
    let option = |name: &str| options.split(',').any(|option| option.trim().eq_ignore_ascii_case(name));
    let request = Request {
        method,
        target: head.path.unwrap_or_default().to_owned(),
        host,
        range: field("range")?,
        if_range: field("if-range")?,
        keep_alive: !option("close") && (is_newest || option("keep-alive")),
    };
    Ok(Some((request, length)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(head: &str) -> u16 {
        parse(head.as_bytes()).unwrap_err().status
    }

    #[test]
    fn a_head_is_read_to_its_end_and_no_further() {
        let head = "GET /a%20b?x HTTP/1.1\r\nHost: h:1\r\nrange: bytes=0-1 \r\nIf-Range: \"t\"\r\n\r\n";
        let (request, length) = parse(format!("{head}GET / HTTP/1.1\r\n").as_bytes()).unwrap().unwrap();
        assert_eq!(length, head.len());
        let expected = Request {
            method: Method::Get,
            target: "/a%20b?x".into(),
            host: Some("h:1".into()),
            range: Some("bytes=0-1".into()),
            if_range: Some("\"t\"".into()),
            keep_alive: true,
        };
        assert_eq!(request, expected);
        for end in 0..head.len() {
            assert_eq!(parse(&head.as_bytes()[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn connections_stay_open_as_the_version_and_the_client_say() {
        let keeps = |head: &str| parse(head.as_bytes()).unwrap().unwrap().0.keep_alive;
        assert!(keeps("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert!(!keeps("HEAD / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
        assert!(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n"));
    }

    #[test]
    fn what_is_not_served_is_refused() {
        assert_eq!(status("POST / HTTP/1.1\r\nHost: h\r\n\r\n"), 405);
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), 413);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 413);
        assert_eq!(status("GET / HTTP/2.0\r\n\r\n"), 505);
        assert_eq!(status("\u{16}\u{3}\u{1}\0"), 400);
        let many: String = (0..80).map(|number| format!("X-{number}: y\r\n")).collect();
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{many}\r\n")), 431);
        assert_eq!(status(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(HEAD_MAX))), 431);
    }

    proptest! {
        #[test]
        fn a_request_comes_out_alike_however_it_is_cut(target in "/[!-~]{0,40}", cut in 0_usize..80) {
            let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            let whole = parse(head.as_bytes());
            let cut = cut.min(head.len() - 1);
            if whole.is_ok() {
                prop_assert_eq!(parse(&head.as_bytes()[..cut]), Ok(None));
            }
        }
    }
}
