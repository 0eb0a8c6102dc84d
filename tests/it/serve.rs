//! `nodesmith serve` as a program: curl, TFTP clients and tcpdump judge what it says, and nasty clients what it bears.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{oracle, run};

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A running server, its first line, and its log as it comes.
struct Server {
    child: Child,
    first: Value,
    log: Receiver<Value>,
}

impl Server {
    fn start(place: &Path, arguments: &[&str]) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nodesmith"))
            .arg("serve")
            .arg(place.join("out"))
            .args(["--listen", "127.0.0.1:0", "--json"])
            .args(arguments)
            .current_dir(place)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, log) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).expect("each line of the log is JSON"));
            }
        });
        let first = log.recv_timeout(LIMIT).expect("the server says what it serves");
        Server { child, first, log }
    }

    fn address(&self) -> SocketAddr {
        self.first["http"].as_str().unwrap().trim_matches(['h', 't', 'p', ':', '/']).parse().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// The next line about this path.
    fn logged(&self, path: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no line about {path}"));
            if line["path"] == path {
                return line;
            }
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// What a client gets for these bytes until the server closes.
    fn answer(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may have had enough before the end.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory `out` with an image and a file of `bytes` bytes, none like its neighbours.
fn place(bytes: usize) -> (tempfile::TempDir, Vec<u8>) {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    fs::create_dir(&out).unwrap();
    for (name, text) in [("a.vmlinuz", "kernel"), ("a.initrd", "initrd"), ("a.cmdline", "roothash=0f console=ttyS0\n")]
    {
        fs::write(out.join(name), text).unwrap();
    }
    let content: Vec<u8> = (0..bytes).map(|at| u8::try_from(at * 7 / 3 % 251).unwrap()).collect();
    fs::write(out.join("big"), &content).unwrap();
    fs::write(place.path().join("secret"), "secret").unwrap();
    (place, content)
}

fn curl(arguments: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--path-as-is", "--max-time", "60"]).args(arguments);
    command
}

fn status(url: &str, arguments: &[&str]) -> String {
    run(curl(&["--output", "/dev/null", "--write-out", "%{http_code}", url]).args(arguments))
}

#[test]
fn curl_gets_files_parts_and_what_is_missing_of_them() {
    if oracle("curl").is_none() {
        return;
    }
    let (place, content) = place(3_000_000);
    let server = Server::start(place.path(), &[]);
    let (big, got) = (server.url("/big"), place.path().join("got"));
    let get = |arguments: &[&str]| {
        run(curl(&["--output", got.to_str().unwrap(), &big]).args(arguments));
        fs::read(&got).unwrap()
    };
    assert!(get(&[]) == content);
    let line = server.logged("/big");
    assert_eq!((&line["method"], &line["status"], &line["bytes"]), (&"GET".into(), &200.into(), &3_000_000.into()));
    assert!(get(&["--range", "1000-1999"]) == content[1000..2000]);
    assert!(get(&["--range", "-10"]) == content[content.len() - 10..]);
    fs::write(&got, &content[..1_234_567]).unwrap();
    assert!(get(&["--continue-at", "-"]) == content, "a download goes on where it stopped");
    assert_eq!(server.logged("/big")["status"], 206);

    let head = run(&mut curl(&["--head", &big]));
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!((field("Content-Length: "), field("Accept-Ranges: ")), ("3000000".to_owned(), "bytes".to_owned()));
    let tag = field("ETag: ");
    for (tag, expected) in [(tag.as_str(), "206"), ("\"other\"", "200")] {
        assert_eq!(status(&big, &["--range", "0-1", "--header", &format!("If-Range: {tag}")]), expected);
    }
    assert_eq!(status(&big, &["--range", "3000000-"]), "416");
    assert_eq!(status(&big, &["--data", "x"]), "405");
    assert_eq!(status(&server.url("/none"), &[]), "404");
    assert_eq!(run(&mut curl(&[&server.url("/")])), "a.cmdline\na.initrd\na.vmlinuz\nbig\nboot.ipxe\n");
    let script = run(&mut curl(&[&server.url("/boot.ipxe")]));
    assert_eq!(script, "#!ipxe\nkernel a.vmlinuz initrd=a.initrd roothash=0f console=ttyS0\ninitrd a.initrd\nboot\n");
    let connects = ["--output", "/dev/null", "--write-out", "%{num_connects} "];
    let both = run(curl(&connects).arg(&big).args(["--output", "/dev/null"]).arg(server.url("/a.initrd")));
    assert_eq!(both, "1 0 ", "the second request goes over the connection of the first");
    assert_eq!(server.end(Signal::INT), Some(0));
}

#[test]
fn no_path_leads_out_of_the_directory() {
    let (place, _) = place(1);
    let out = place.path().join("out");
    std::os::unix::fs::symlink("../secret", out.join("link")).unwrap();
    fs::write(out.join(".hidden"), "hidden").unwrap();
    fs::create_dir_all(place.path().join("nodes/default")).unwrap();
    fs::write(place.path().join("nodes/default/meta-data"), "instance-id: x\n").unwrap();
    fs::write(place.path().join("nodes/default/cmdline"), "word").unwrap();
    let server = Server::start(place.path(), &["--node-dir", "nodes"]);
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/%2E%2E%2Fsecret",
        "/a/../../secret",
        "//../secret",
        "/link",
        "/.hidden",
        "/%2ehidden",
        "/secret%00",
        "/big%00.txt",
        "/./big",
        "/metadata/../../secret",
        "/metadata/%2e%2e/secret",
        "/metadata/x/cmdline",
        "/metadata/x/..%2fcmdline",
        "/%252e%252e/secret",
        "\\..\\secret",
        "/etc/passwd",
        "/big/",
    ] {
        let answer = server.answer(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes());
        let refused = answer.starts_with("HTTP/1.1 404 ") || answer.starts_with("HTTP/1.1 400 ");
        assert!(refused && !answer.contains("secret\n"), "{path}: {answer}");
    }
    let answer =
        server.answer(b"GET /metadata/52-54-00-00-00-01/meta-data HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\ninstance-id: x\n"), "{answer}");
    let line = server.logged("/metadata/52-54-00-00-00-01/meta-data");
    assert_eq!(line["note"], "the default metadata for 52-54-00-00-00-01");
}

#[test]
fn requests_may_come_all_at_once_or_in_pieces() {
    let (place, content) = place(5000);
    let server = Server::start(place.path(), &[]);
    let head = "GET /big HTTP/1.1\r\nHost: h\r\n\r\n";
    let last = "GET /a.initrd HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let mut stream = server.connect();
    stream.write_all(format!("{head}{head}{last}").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let bodies = answer.windows(content.len()).filter(|part| *part == content).count();
    assert!(bodies == 2 && answer.ends_with(b"\r\n\r\ninitrd"), "{bodies}");
    let mut stream = server.connect();
    for byte in last.bytes() {
        stream.write_all(&[byte]).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\ninitrd"), "{answer}");
}

#[test]
fn nasty_clients_are_refused_and_disturb_nobody() {
    let (place, _) = place(1);
    File::create(place.path().join("out/big")).unwrap().set_len(64 << 20).unwrap();
    let server = Server::start(place.path(), &[]);
    let is_well = || {
        let answer = server.answer(b"GET /a.initrd HTTP/1.0\r\n\r\n");
        assert!(answer.ends_with("initrd"), "{answer}");
    };
    // One that never ends its head, and one that reads nothing of what it asked for.
    let mut loris = server.connect();
    loris.write_all(b"GET /big HTTP/1.1\r\nHost: ").unwrap();
    let started = Instant::now();
    let mut lazy = server.connect();
    lazy.write_all(b"GET /big HTTP/1.0\r\n\r\n").unwrap();
    is_well();
    let huge = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 1 << 20]].concat();
    let starts = |bytes: &[u8], status: &str| {
        let answer = server.answer(bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    };
    starts(&huge, "431");
    starts(b"\x16\x03\x01\0\0", "400");
    starts(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "405");
    drop(server.connect());
    is_well();
    let mut answer = String::new();
    loris.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(started.elapsed() >= Duration::from_secs(9), "{:?}", started.elapsed());
    is_well();
}

#[test]
fn a_file_that_shrinks_ends_its_download_early() {
    let (place, _) = place(1);
    File::create(place.path().join("out/big")).unwrap().set_len(64 << 20).unwrap();
    let server = Server::start(place.path(), &[]);
    let mut stream = server.connect();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut first = [0; 1000];
    stream.read_exact(&mut first).unwrap();
    assert!(String::from_utf8_lossy(&first).contains("Content-Length: 67108864\r\n"));
    File::options().write(true).open(place.path().join("out/big")).unwrap().set_len(1000).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 64 << 20, "{}", rest.len());
    let line = server.logged("/big");
    assert_eq!(line["note"], "the file shrank while it was sent");
    assert!(line["bytes"].as_u64().unwrap() < 64 << 20, "{line}");
}

/// A connection that is asked something is not closed for a minute.
fn stays_open(mut stream: &TcpStream) {
    stream.write_all(b"HEAD /a.initrd HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "));
}

#[test]
fn ten_thousand_connections_are_told_to_come_back() {
    let (place, _) = place(1);
    let server = Server::start(place.path(), &[]);
    // As many as one address may have.
    let held: Vec<TcpStream> = (0..128).map(|_| server.connect()).collect();
    let (mut refused, mut silent) = (0, 0);
    for number in 0..10_000 {
        if number % 1000 == 0 {
            held.iter().for_each(stays_open);
        }
        let mut answer = String::new();
        match server.connect().read_to_string(&mut answer) {
            Ok(_) if answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 2\r\n") => refused += 1,
            _ => silent += 1,
        }
    }
    assert!(refused >= 9_900, "{refused} refused, {silent} not told why");
    drop(held);
    let start = Instant::now();
    while !server.answer(b"GET /a.initrd HTTP/1.0\r\n\r\n").ends_with("initrd") {
        assert!(start.elapsed() < LIMIT, "nobody gets in any more");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn tftp_clients_get_files_with_their_options() {
    let (place, content) = place(1_000_000);
    fs::create_dir(place.path().join("ipxe")).unwrap();
    fs::write(place.path().join("ipxe/undionly.kpxe"), "loader").unwrap();
    let server = Server::start(place.path(), &["--tftp", "127.0.0.1:0", "--ipxe-dir", "ipxe"]);
    let address: SocketAddr = server.first["tftp"].as_str().unwrap().parse().unwrap();
    let port = address.port().to_string();
    let got = place.path().join("got");
    let is_big = |what: &str| {
        assert!(fs::read(&got).unwrap() == content, "{what}");
        assert_eq!(server.logged("big")["status"], "done");
        fs::remove_file(&got).unwrap();
    };
    if oracle("curl").is_some() {
        for options in [&["--tftp-no-options"][..], &["--tftp-blksize", "1468"], &["--tftp-blksize", "65464"]] {
            run(curl(&["--output", got.to_str().unwrap(), &format!("tftp://{address}/big")]).args(options));
            is_big(&format!("curl {options:?}"));
        }
        let missing = curl(&[&format!("tftp://{address}/none")]).output().unwrap();
        assert_eq!(missing.status.code(), Some(68), "curl's code for a file that is not there: {missing:?}");
        let loader = run(&mut curl(&[&format!("tftp://{address}/undionly.kpxe")]));
        assert_eq!(loader, "loader");
    }
    if oracle("busybox").is_some() {
        for size in ["1432", "4096"] {
            run(Command::new("busybox")
                .args(["tftp", "-g", "-b", size, "-r", "/big", "-l"])
                .arg(&got)
                .args(["127.0.0.1", &port]));
            assert!(fs::read(&got).unwrap() == content, "busybox with blocks of {size}");
        }
        let _ = fs::remove_file(&got);
    }
    if oracle("atftp").is_some() {
        let options = ["--option", "blksize 1024", "--option", "windowsize 16", "--option", "tsize 0"];
        let mut atftp = Command::new("atftp");
        atftp.args(options).args(["--get", "--remote-file", "big", "--local-file"]).arg(&got);
        run(atftp.args(["127.0.0.1", &port]));
        is_big("atftp");
    }
    for path in ["../secret", "/../secret", ".hidden", "/etc/passwd", "a/../big", "nodes"] {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client.send_to(format!("\0\x01{path}\0octet\0").as_bytes(), address).unwrap();
        let mut answer = [0; 600];
        let (length, _) = client.recv_from(&mut answer).unwrap();
        assert_eq!(&answer[..4], b"\0\x05\0\x01", "{path}: {:?}", &answer[..length]);
    }
}

#[test]
fn tcpdump_reads_what_a_proxy_offers() {
    let (place, _) = place(1);
    fs::write(place.path().join("out/undionly.kpxe"), "loader").unwrap();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start(place.path(), &["--proxy-dhcp", &port.to_string(), "--url", "http://127.0.0.1:8080"]);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let ask = |options: &[u8]| {
        let mut message = vec![0; 240];
        message[..3].copy_from_slice(&[1, 1, 6]);
        message[28..34].copy_from_slice(&[0x52, 0x54, 0, 1, 2, 3]);
        message[236..].copy_from_slice(&[99, 130, 83, 99]);
        message.extend_from_slice(&[53, 1, 1]);
        message.extend_from_slice(options);
        message.push(255);
        client.send_to(&message, port).unwrap();
        let mut answer = [0; 1500];
        let (length, _) = client.recv_from(&mut answer).unwrap();
        answer[..length].to_vec()
    };
    let bios = ask(b"\x3c\x20PXEClient:Arch:00000:UNDI:002001\x5d\x02\0\0\x61\x11\0abcdefghijklmnop");
    assert_eq!(server.logged("undionly.kpxe")["note"], "52-54-00-01-02-03, BIOS");
    let ipxe = ask(b"\x3c\x20PXEClient:Arch:00000:UNDI:002001\x5d\x02\0\0\x4d\x04iPXE");
    server.logged("http://127.0.0.1:8080/boot.ipxe");
    if oracle("tcpdump").is_none() {
        return;
    }
    let capture = place.path().join("capture");
    for (answer, file) in [(bios, "undionly.kpxe"), (ipxe, "http://127.0.0.1:8080/boot.ipxe")] {
        fs::write(&capture, pcap(&answer)).unwrap();
        let text = run(Command::new("tcpdump").args(["-n", "-vvv", "-r"]).arg(&capture));
        for word in [
            "BOOTP/DHCP, Reply",
            "Server-IP 127.0.0.1",
            "Client-Ethernet-Address 52:54:00:01:02:03",
            "length 1: Offer",
            "Server-ID (54), length 4: 127.0.0.1",
            "Vendor-Class (60), length 9: \"PXEClient\"",
            &format!("file \"{file}\""),
        ] {
            assert!(text.contains(word), "{word}:\n{text}");
        }
        assert!(!text.contains("Your-IP") && !text.contains("[|bootp]"), "{text}");
    }
}

/// One UDP packet from port 67 to 68 as a capture of raw IP packets (LINKTYPE_RAW), checksums left out.
fn pcap(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&(length + 28).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 67, 0, 68]);
    packet.extend_from_slice(&(length + 8).to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65535, 101, 0, 0] {
        bytes.extend_from_slice(&u32::to_le_bytes(word));
    }
    for _ in 0..2 {
        bytes.extend_from_slice(&u32::from(length + 28).to_le_bytes());
    }
    [bytes, packet].concat()
}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    let (place, _) = place(1);
    fs::create_dir_all(place.path().join("out/nodes")).unwrap();
    let complaint = |arguments: &[&str], code: i32| {
        let output = Command::new(env!("CARGO_BIN_EXE_nodesmith"))
            .arg("serve")
            .args(arguments)
            .current_dir(place.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(output.stdout.is_empty());
        text
    };
    let listen = ["--listen", "127.0.0.1:0"];
    assert!(complaint(&["none"], 2).contains("opening the directory none: "));
    assert!(
        complaint(&[&["out", "--image", "b"], &listen[..]].concat(), 2).contains("there is no image b in out, but a")
    );
    assert!(complaint(&["out", "--node-dir", "out/nodes"], 1).contains("error[served-metadata]"));
    assert!(complaint(&["out", "--listen", "somewhere"], 2).contains("invalid value 'somewhere'"));
    let elsewhere = complaint(&[&["out", "--proxy-dhcp", "eth9"], &listen[..]].concat(), 2);
    assert!(elsewhere.contains("no other machine reaches 127.0.0.1"), "{elsewhere}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let _held = std::net::TcpListener::bind(&taken).unwrap();
    assert!(complaint(&["out", "--listen", &taken], 2).contains(&format!("listening at {taken}: ")));
}
