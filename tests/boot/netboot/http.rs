//! A web server with ranges, over a directory, on the loopback; one byte of a file may be flipped on its way.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

pub(super) struct Server {
    pub(super) port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    asked: Vec<String>,
    flipped: Option<(String, u64)>,
}

impl Server {
    pub(super) fn start(directory: &Path) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let (shared, directory) = (Arc::clone(&state), directory.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, directory) = (Arc::clone(&shared), directory.clone());
                // A client that goes away is no failure.
                thread::spawn(move || drop(answer(stream, &directory, &shared)));
            }
        });
        Server { port, state }
    }

    /// Flips a bit of this byte of the file whenever it is sent.
    pub(super) fn flip(&self, path: &str, at: u64) {
        self.state.lock().unwrap().flipped = Some((path.to_owned(), at));
    }

    /// The paths of all requests.
    pub(super) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
}

fn answer(mut stream: TcpStream, directory: &Path, state: &Mutex<State>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    state.lock().unwrap().asked.push(path.clone());
    let file = PathBuf::from(format!("{}{path}", directory.display()));
    let Ok(file) = File::open(file).and_then(|file| file.metadata().map(|it| (it.is_file().then_some(file), it.len())))
    else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let (Some(file), length) = file else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let range = head.to_ascii_lowercase().split("range: bytes=").nth(1).map(str::to_owned);
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
    let (first, last) = range.as_deref().and_then(|range| range.lines().next()?.split_once('-')).unzip();
    let (first, last) = (number(first), number(last).unwrap_or(length - 1).min(length - 1));
    let status = match first {
        Some(first) => format!("206 Partial Content\r\nContent-Range: bytes {first}-{last}/{length}"),
        None => "200 OK".to_owned(),
    };
    let mut at = first.unwrap_or(0);
    let end = if first.is_some() { last + 1 } else { length };
    let bytes = end.saturating_sub(at);
    stream
        .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let flipped = state.lock().unwrap().flipped.clone().filter(|(name, _)| *name == path).map(|(_, at)| at);
    let mut buffer = vec![0; 64 << 10];
    while at < end && !head.starts_with("HEAD ") {
        let most = usize::try_from(end - at).unwrap().min(buffer.len());
        file.read_exact_at(&mut buffer[..most], at)?;
        if let Some(flipped) = flipped.filter(|flipped| (at..at + most as u64).contains(flipped)) {
            buffer[usize::try_from(flipped - at).unwrap()] ^= 1;
        }
        stream.write_all(&buffer[..most])?;
        at += most as u64;
    }
    Ok(())
}
