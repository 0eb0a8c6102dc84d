//! `nodesmith boot` as a command: how it ends, what it says, and what it leaves on disks.
//!
//! The guest is the firmware alone: seconds, where a node takes minutes. Its shell runs `startup.nsh` from a FAT disk.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nodesmith::formats::device::Window;
use nodesmith::formats::fat;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{EVENTS, a_guest, events, nodesmith, place};

const DISK_BYTES: u64 = 64 << 20;

/// An image with nothing to start: the firmware ends in its shell and waits there.
fn blank(name: &str) -> PathBuf {
    let path = place().join(format!("{name}.raw"));
    fs::write(&path, vec![0; 1 << 20]).unwrap();
    path
}

fn command(image: &Path) -> Command {
    let mut command = nodesmith();
    command.arg("boot").arg(image).args(["--accel", "tcg", "--memory", "512", "--cpus", "1"]);
    command.args(["--disk-size", "64MiB"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn press_ctrl_c(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// The processes that this one started.
fn children(parent: u32) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    // proc(5): number, name in parentheses, state, parent.
    let parent_of = |process: &PathBuf| {
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    processes.filter(|process| parent_of(process) == Some(parent)).collect()
}

#[test]
fn ctrl_c_ends_the_guest_and_leaves_the_image_as_it_was() {
    let _guest = a_guest();
    let image = blank("interrupted");
    let before = fs::read(&image).unwrap();
    let mut child = command(&image).spawn().unwrap();
    // The console's first byte: now there is a guest to end.
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let guests = children(child.id());
    assert_eq!(guests.len(), 1, "{guests:?}");
    press_ctrl_c(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!guests[0].exists(), "QEMU outlived nodesmith");
    assert!(fs::read(&image).unwrap() == before, "the image was written");
}

#[test]
fn ctrl_c_before_the_guest_runs_ends_it_too() {
    let _guest = a_guest();
    let mut child = command(&blank("interrupted-early")).arg("--json").spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    stdout.read_line(&mut text).unwrap();
    press_ctrl_c(&child);
    stdout.read_to_string(&mut text).unwrap();
    let mut output = child.wait_with_output().unwrap();
    output.stdout = text.into_bytes();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(events(&output).last().unwrap()["verdict"], "interrupted");
}

#[test]
fn a_guest_past_its_time_limit_is_ended() {
    let _guest = a_guest();
    let output = command(&blank("too-long")).args(["--json", "--time-limit", "2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(124));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the time limit was reached"));
    let events = events(&output);
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["started", "ended"]);
    assert_eq!((&events[0]["accelerator"], &events[0]["firmware"]), (&"tcg".into(), &"uefi".into()));
    assert_eq!(events[0]["disk_bytes"], DISK_BYTES);
    assert_eq!(events[1]["verdict"], "time-limit");
    assert!(events[1]["seconds"].as_u64().unwrap() >= 2);
}

#[test]
fn a_kept_disk_has_what_the_guest_wrote_and_the_image_has_not() {
    let _guest = a_guest();
    let (image, kept) = (place().join("writes.raw"), place().join("kept.raw"));
    let script = b"echo written >>a fs0:\\kept.txt\r\nreset -s\r\n";
    let volume = fat::seed("BOOT", 1, 0, &[("startup.nsh", script)]).unwrap();
    fs::write(&image, &volume).unwrap();
    let _ = fs::remove_file(&kept);
    let run = |arguments: &[&std::ffi::OsStr]| {
        let serial = place().join("writes.serial.log");
        let output = command(&image)
            .args(["--json", "--time-limit", "300", "--serial-log"])
            .arg(&serial)
            .args(arguments)
            .output();
        let output = output.unwrap();
        let console = fs::read(&serial).unwrap_or_default();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&console));
        assert_eq!(events(&output).last().unwrap()["verdict"], "passed");
        assert!(fs::read(&image).unwrap() == volume, "the image was written");
    };
    // Each run on the kept disk adds a line, `written\r\n`, to what the one before it left.
    for lines in 1..=2 {
        run(&["--disk".as_ref(), kept.as_os_str()]);
        let disk = File::open(&kept).unwrap();
        assert_eq!(disk.metadata().unwrap().len(), DISK_BYTES);
        let listing = fat::dump(Window::new(&disk, 0, DISK_BYTES)).unwrap().to_lowercase();
        assert!(listing.contains(&format!(" {} kept.txt\n", 9 * lines)), "{listing}");
    }
    run(&[]);
}

#[test]
fn the_help_names_every_event_and_its_fields() {
    let output = nodesmith().args(["boot", "--help"]).env("COLUMNS", "100").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for name in EVENTS.iter().flat_map(|(kind, fields)| [kind].into_iter().chain(*fields)) {
        assert!(help.contains(name), "{name}");
    }
}
