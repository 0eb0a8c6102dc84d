//! Machines start from what `nodesmith serve` serves on the loopback interface, by QEMU's own iPXE, under both firmwares.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{image, nodesmith, one_guest, place};

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

fn starts_a_kernel(firmware: &str) {
    let (server, log, port) = serve();
    let _guest = one_guest();
    let serial = place().join(format!("netboot-{firmware}.serial.log"));
    let _ = fs::remove_file(&serial);
    let mut command = nodesmith();
    command.args(["boot", "--netboot", &format!("http://10.0.2.2:{port}/boot.ipxe"), "--firmware", firmware]);
    command.args(["--accel", "tcg", "--memory", "512", "--json", "--serial-log"]).arg(&serial).stdout(Stdio::null());
    let guest = Ended::start(&mut command);
    let start = Instant::now();
    let told = loop {
        let console = String::from_utf8_lossy(&fs::read(&serial).unwrap_or_default()).into_owned();
        if let Some((_, told)) = console.split_once("Command line: ")
            && let Some((told, _)) = told.split_once('\n')
        {
            break told.to_owned();
        }
        assert!(start.elapsed() < LIMIT, "no kernel spoke:\n{console}");
        thread::sleep(Duration::from_millis(200));
    };
    drop((guest, server));
    let built = fs::read_to_string(image("check").with_extension("cmdline")).unwrap();
    let metadata = format!("ds=nocloud;s=http://10.0.2.2:{port}/metadata/52-54-00-12-34-56/");
    for word in
        built.split_whitespace().map(|word| word.replace('"', "")).chain([metadata, "nodesmith.test=by-mac".into()])
    {
        assert!(told.replace('"', "").contains(&word), "{word}: {told}");
    }
    // Who came for what, in this order.
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let asked: Vec<&str> = lines.iter().filter_map(|line| line["path"].as_str()).collect();
    assert_eq!(asked[0], "/boot.ipxe");
    assert!(asked[1].starts_with("/boot.ipxe?mac=52-54-00-12-34-56&"), "{asked:?}");
    assert_eq!(asked[2..], ["/check.vmlinuz", "/check.initrd"]);
    for (line, ending) in lines[2..].iter().zip(["vmlinuz", "initrd"]) {
        let length = fs::metadata(image("check").with_extension(ending)).unwrap().len();
        assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &length.into()), "{line}");
    }
}

#[test]
fn a_bios_starts_a_kernel_from_the_network() {
    starts_a_kernel("bios");
}

#[test]
fn uefi_starts_a_kernel_from_the_network() {
    starts_a_kernel("uefi");
}
