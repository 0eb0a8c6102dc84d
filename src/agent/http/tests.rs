//! Servers of every kind: good ones, plain ones, broken ones, hostile ones.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Failure};
use super::head;
use super::remote_file::RemoteFile;
use super::testing::{range, serve, serve_requests};
use super::url::Url;
use crate::agent::dns::Resolver;

fn client(patience: Duration) -> Client {
    Client { resolver: Resolver::default(), patience }
}

fn patient() -> Client {
    client(Duration::from_secs(20))
}

fn impatient() -> Client {
    client(Duration::from_millis(300))
}

/// 300 kB in which every place is another.
fn content() -> Vec<u8> {
    (0..75_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn read(file: &mut RemoteFile, at: usize, length: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_exact_at(at as u64, &mut bytes)?;
    Ok(bytes)
}

#[test]
fn reads_that_follow_each_other_take_one_request() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let url = serve_requests(move |request, stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        assert!(request.starts_with("GET /file HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
        let from = range(request).unwrap();
        let body = &content()[from..];
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-299999/300000\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
    });
    let client = patient();
    let mut file = RemoteFile::new(client.clone(), url);
    for (at, length) in [(4096, 10_000), (14_096, 100_000), (114_096, 185_904)] {
        assert!(read(&mut file, at, length).unwrap() == content()[at..at + length]);
    }
    assert_eq!(requests.load(Ordering::Relaxed), 1);
    assert!(read(&mut file, 7, 100).unwrap() == content()[7..107]);
    assert_eq!(requests.load(Ordering::Relaxed), 2);
}

#[test]
fn a_connection_that_breaks_is_taken_up_at_the_missing_byte() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    // Each connection brings 100,000 bytes and breaks, the second one nothing at all, the third is busy.
    let url = serve_requests(move |request, stream| {
        let from = range(request).unwrap();
        let mut asked = noted.lock().unwrap();
        asked.push(from);
        let answer = match asked.len() {
            2 => Vec::new(),
            3 => b"HTTP/1.1 503 Busy\r\n\r\n".to_vec(),
            _ => {
                let head = format!(
                    "HTTP/1.1 206 x\r\nContent-Range: bytes {from}-299999/300000\r\nContent-Length: {}\r\n\r\n",
                    300_000 - from
                );
                [head.as_bytes(), &content()[from..(from + 100_000).min(300_000)]].concat()
            }
        };
        let _ = stream.write_all(&answer);
    });
    let client = patient();
    assert!(read(&mut RemoteFile::new(client.clone(), url), 0, 300_000).unwrap() == content());
    assert_eq!(*asked.lock().unwrap(), [0, 100_000, 100_000, 100_000, 200_000]);
}

#[test]
fn a_server_that_gives_no_parts_is_read_from_its_start() {
    let url = serve(|_| [b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &content()].concat());
    let client = impatient();
    let mut file = RemoteFile::new(client.clone(), url);
    assert!(read(&mut file, 150_000, 1000).unwrap() == content()[150_000..151_000]);
    assert!(read(&mut file, 151_000, 149_000).unwrap() == content()[151_000..]);
    let error = read(&mut file, 299_000, 2000).unwrap_err().to_string();
    assert!(error.contains("it ends before byte 300000"), "{error}");
}

#[test]
fn a_file_that_is_too_short_or_not_there_is_told_at_once() {
    let url = serve(|path| match path {
        "/file" => b"HTTP/1.1 416 Range Not Satisfiable\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
    });
    let client = patient();
    let start = Instant::now();
    let error = read(&mut RemoteFile::new(client.clone(), url.clone()), 500, 1).unwrap_err().to_string();
    assert_eq!(error, format!("fetching {url}: it ends before byte 500"));
    let other = url.join("other").unwrap();
    let error = read(&mut RemoteFile::new(client.clone(), other.clone()), 500, 1).unwrap_err().to_string();
    assert_eq!(error, format!("fetching {other}: the server has no such file"));
    assert_eq!(client.whole(&other, 10).unwrap(), None);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn redirects_are_followed_a_few_times_and_only_over_http() {
    let url = serve(|path| {
        let to = match path {
            "/a" => "b",
            "/b" => return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec(),
            "/secure" => "https://127.0.0.1/b",
            _ => "/round",
        };
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n").into_bytes()
    });
    let whole = |path: &str| patient().whole(&url.join(path).unwrap(), 10);
    assert_eq!(whole("/a").unwrap().unwrap(), b"hi");
    let error = whole("/round").unwrap_err().to_string();
    assert!(error.ends_with("it is redirected more than 5 times"), "{error}");
    let error = whole("/secure").unwrap_err().to_string();
    assert!(error.contains("redirected to `https://127.0.0.1/b`: it does not begin with `http://`"), "{error}");
}

#[test]
fn whole_files_are_bounded_and_bodies_end_where_they_say() {
    let url = serve(|path| {
        let answer = match path {
            "/long" => "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901",
            "/chunks" => {
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\nTrailer: x\r\n\r\n"
            }
            "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
            "/cut-chunk" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "/no-chunk" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nab",
            "/run-on" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
            "/more" => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab and more",
            "/interim" => "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            "/part" => "HTTP/1.1 206 x\r\nContent-Range: bytes 1-2/3\r\n\r\nab",
            "/teapot" => "HTTP/1.1 418 x\r\n\r\n",
            _ => "",
        };
        answer.as_bytes().to_vec()
    });
    let whole = |path: &str| impatient().whole(&url.join(path).unwrap(), 10);
    assert_eq!(whole("/chunks").unwrap().unwrap(), b"abc");
    assert_eq!(whole("/more").unwrap().unwrap(), b"ab");
    assert_eq!(whole("/interim").unwrap().unwrap(), b"ab");
    for (path, why) in [
        ("/long", "it has more than 10 bytes"),
        ("/cut", "the connection ended in the middle"),
        ("/cut-chunk", "the connection ended in the middle"),
        ("/no-chunk", "a chunk of the answer has no length"),
        ("/run-on", "a chunk of the answer does not end"),
        ("/part", "another part than was asked for"),
        ("/teapot", "the server answers 418"),
        ("/silent", "closed the connection without an answer"),
    ] {
        let error = whole(path).unwrap_err().to_string();
        assert!(error.contains(why), "{path}: {error}");
    }
}

#[test]
fn heads_without_an_end_are_given_up() {
    for (answer, why) in [
        (format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(2 * head::MAX_BYTES)), "more than 16 KiB"),
        (format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(head::MAX_BYTES)), "more than 16 KiB"),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(1000), "does not come to its answer"),
        ("SSH-2.0-OpenSSH\r\n".to_owned(), "no HTTP"),
    ] {
        let url = serve(move |_| answer.clone().into_bytes());
        let error = impatient().whole(&url, 10).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_server_that_comes_late_is_waited_for() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = Url::parse(&format!("http://{address}/")).unwrap();
    let error = impatient().whole(&url, 10).unwrap_err().to_string();
    assert!(error.contains("127.0.0.1: connection refused; nothing came for 0 s"), "{error}");
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(700));
        let listener = TcpListener::bind(address).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
    });
    assert_eq!(patient().whole(&url, 10).unwrap().unwrap(), b"hi");
    late.join().unwrap();
}

#[test]
fn a_name_without_a_name_server_is_a_passing_failure() {
    let url = Url::parse("http://files.example/").unwrap();
    let Err(Failure::Passing(why)) = impatient().open(&url, None) else { panic!("it was found") };
    assert_eq!(why, "no name server is known that could be asked for files.example");
}
