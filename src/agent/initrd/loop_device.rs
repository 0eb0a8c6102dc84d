//! Files as block devices.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;

use crate::agent::block_device::BlockDevice;
use crate::agent::sys;

/// The initrd needs two, and nobody else is there yet.
const NUMBERS: usize = 8;

/// A device that reads the file, for as long as the machine runs.
pub fn attach(file: &File) -> Result<BlockDevice> {
    let path = "/dev/loop-control";
    let control = OpenOptions::new().read(true).write(true).open(path);
    let control = control.with_context(|| format!("opening {path} (is the module loop loaded?)"))?;
    for number in 0..NUMBERS {
        match sys::add_loop(&control, number) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("adding the loop device {number}")),
        }
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        match sys::configure_loop(&device, file) {
            Ok(()) => {}
            Err(Errno::BUSY) => continue,
            Err(error) => return Err(error).with_context(|| format!("setting {} up", path.display())),
        }
        let sysfs = format!("/sys/class/block/loop{number}/dev");
        let numbers = fs::read_to_string(&sysfs).with_context(|| format!("reading {sysfs}"))?;
        let bytes = file.metadata().context("measuring what is behind a loop device")?.len();
        return Ok(BlockDevice { path, number: numbers.trim().to_owned(), bytes });
    }
    bail!("all of the first {NUMBERS} loop devices are in use")
}
