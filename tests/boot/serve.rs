//! Machines start from what `nodesmith serve` serves on the loopback interface, by QEMU's own iPXE, under both firmwares.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{a_guest, image, nodesmith, place};

/// Until the kernel speaks: firmware, iPXE, and some dozen MiB.
const LIMIT: Duration = Duration::from_secs(400);
/// QEMU's first card, and a directory's name for it.
const MAC: &str = "52:54:00:12:34:56";

/// Ends with this value.
struct Ended(Child);

impl Ended {
    fn start(command: &mut Command) -> Ended {
        Ended(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // Gone already, or ends as for a person: QEMU must not outlive it.
        let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
        let _ = self.0.wait();
    }
}

/// Serves the directory of the image `check`; the server, its log, and the port.
fn serve() -> (Ended, BufReader<ChildStdout>, u16) {
    let nodes = place().join("nodes");
    fs::create_dir_all(nodes.join(MAC)).unwrap();
    fs::write(nodes.join(MAC).join("meta-data"), "instance-id: netboot\n").unwrap();
    fs::write(nodes.join(MAC).join("cmdline"), "nodesmith.test=by-mac earlyprintk=serial,ttyS0,115200\n").unwrap();
    let image = image("check");
    let mut command = nodesmith();
    command
        .arg("serve")
        .arg(image.parent().unwrap())
        .args(["--listen", "127.0.0.1:0", "--json", "--node-dir"])
        .arg(&nodes);
    let mut server = Ended::start(command.stdout(Stdio::piped()));
    let mut log = BufReader::new(server.0.stdout.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let first: Value = serde_json::from_str(&line).unwrap();
    let port = first["http"].as_str().unwrap().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    (server, log, port)
}

/// The command line of the kernel that a guest starts with from `/PATH`, and the requests that led to it.
fn start(path: &str, firmware: &str) -> (String, Vec<Value>, u16) {
    let (server, log, port) = serve();
    let _guest = a_guest();
    let serial = place().join(format!("netboot-{firmware}-{path}.serial.log"));
    let _ = fs::remove_file(&serial);
    let mut command = nodesmith();
    command.args(["boot", "--netboot", &format!("http://10.0.2.2:{port}/{path}"), "--firmware", firmware]);
    command.args(["--accel", "tcg", "--memory", "1024", "--json", "--serial-log"]).arg(&serial).stdout(Stdio::null());
    let guest = Ended::start(&mut command);
    let start = Instant::now();
    let told = loop {
        let console = String::from_utf8_lossy(&fs::read(&serial).unwrap_or_default()).into_owned();
        if let Some((_, told)) = console.split_once("] Command line: ")
            && let Some((told, _)) = told.split_once('\n')
        {
            break told.to_owned();
        }
        assert!(start.elapsed() < LIMIT, "no kernel spoke:\n{console}");
        thread::sleep(Duration::from_millis(200));
    };
    drop((guest, server));
    let requests = log.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let built = fs::read_to_string(image("check").with_extension("cmdline")).unwrap();
    for word in built.split_whitespace() {
        assert!(told.contains(word), "{word}: {told}");
    }
    (told, requests, port)
}

/// iPXE came for the script twice, and for the kernel and its initrd.
fn is_started_by_ipxe(firmware: &str) {
    let (told, requests, port) = start("boot.ipxe", firmware);
    let metadata = format!("ds=nocloud;s=http://10.0.2.2:{port}/metadata/52-54-00-12-34-56/");
    assert!(told.contains(&metadata) && told.contains("nodesmith.test=by-mac"), "{told}");
    let asked: Vec<&str> = requests.iter().filter_map(|request| request["path"].as_str()).collect();
    assert_eq!(asked[0], "/boot.ipxe");
    assert!(asked[1].starts_with("/boot.ipxe?mac=52-54-00-12-34-56&"), "{asked:?}");
    assert_eq!(asked[2..], ["/check.vmlinuz", "/check.initrd"]);
    for (request, ending) in requests[2..].iter().zip(["vmlinuz", "initrd"]) {
        let length = fs::metadata(image("check").with_extension(ending)).unwrap().len();
        assert_eq!((&request["status"], &request["bytes"]), (&200.into(), &length.into()), "{request}");
    }
}

#[test]
fn a_bios_starts_a_kernel_from_the_network() {
    is_started_by_ipxe("bios");
}

#[test]
fn uefi_starts_a_kernel_from_the_network() {
    is_started_by_ipxe("uefi");
}

#[test]
fn uefi_loads_a_kernel_image_over_http_by_itself() {
    let (_, requests, _) = start("check.efi", "uefi");
    let length = fs::metadata(image("check").with_extension("efi")).unwrap().len();
    let is_whole =
        |request: &Value| request["method"] == "GET" && request["path"] == "/check.efi" && request["bytes"] == length;
    assert!(requests.iter().any(is_whole), "{requests:?}");
}
