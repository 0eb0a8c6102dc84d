//! The kernel modules of the initrd: some for every machine, drivers for the devices that this one has.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::agent::report::console;
use crate::contract;
use crate::glob;

/// Where the kernel shows the devices of each bus.
const BUSES: &str = "/sys/bus";

/// What became of the initrd's modules, and what may still be loaded.
#[derive(Debug, Default, Serialize)]
pub struct Modules {
    loaded: Vec<String>,
    /// With the reason. Not fatal by itself: what is needed and missing shows later.
    failed: Vec<String>,
    #[serde(skip)]
    directory: PathBuf,
    #[serde(skip)]
    aliases: Vec<Alias>,
    /// Devices that have been asked for their driver, with what they said: another one may come to the same port.
    #[serde(skip)]
    seen: BTreeSet<(PathBuf, String)>,
    /// Files that have been given to the kernel.
    #[serde(skip)]
    tried: BTreeSet<String>,
}

/// The devices that a driver says it is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Alias {
    pattern: String,
    /// What has to be loaded for it, in this order.
    files: Vec<String>,
}

impl Modules {
    /// Loads what every machine needs, in the order that the builder wrote down: dependencies first.
    pub fn load_first(directory: &Path) -> Result<Modules> {
        let aliases = aliases(&optional_text(contract::INITRD_MODULE_ALIASES)?);
        let mut modules = Modules { directory: directory.to_owned(), aliases, ..Modules::default() };
        let order = optional_text(contract::INITRD_MODULE_ORDER)?;
        order.lines().map(str::trim).filter(|name| !name.is_empty()).for_each(|name| modules.load(name));
        Ok(modules)
    }

    /// Loads the drivers of devices that were not there the last time: a controller's driver makes its disks appear, which
    /// ask for drivers of their own. Whether there were any: each file is loaded once, so that this ends.
    pub fn load_for_devices(&mut self) -> bool {
        let before = self.tried.len();
        for modalias in modaliases(Path::new(BUSES), &mut self.seen) {
            let wanted: Vec<String> = files_for(&self.aliases, &modalias).map(str::to_owned).collect();
            wanted.iter().for_each(|name| self.load(name));
        }
        self.tried.len() > before
    }

    /// A disk that does not appear is often a driver that was not loaded.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match self.failed.is_empty() {
            true => error,
            false => error.context(format!("modules that could not be loaded: {}", self.failed.join(", "))),
        }
    }

    fn load(&mut self, name: &str) {
        if !self.tried.insert(name.to_owned()) {
            return;
        }
        let file = match File::open(self.directory.join(name)) {
            Ok(file) => file,
            Err(error) => return self.fail(name, &error),
        };
        match rustix::system::finit_module(&file, c"", 0) {
            Ok(()) => self.loaded.push(name.to_owned()),
            // Built in or loaded already; or for a processor or a machine that this one is not.
            Err(rustix::io::Errno::EXIST | rustix::io::Errno::NODEV) => {}
            Err(error) => self.fail(name, &error.into()),
        }
    }

    fn fail(&mut self, name: &str, error: &std::io::Error) {
        console::complain(&format!("loading the module {name}: {error}"));
        self.failed.push(format!("{name} ({error})"));
    }
}

/// A kernel with everything built in needs no modules, and no lists of them.
fn optional_text(path: &str) -> Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        text => text.with_context(|| format!("reading {path}")),
    }
}

/// Reads [`contract::INITRD_MODULE_ALIASES`].
pub fn aliases(text: &str) -> Vec<Alias> {
    let alias = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Some(Alias { pattern: words.next()?, files: words.collect() })
    };
    text.lines().filter_map(alias).collect()
}

/// What the device with this modalias wants to have loaded; all drivers that say so, as modprobe takes them.
pub fn files_for<'a>(aliases: &'a [Alias], modalias: &str) -> impl Iterator<Item = &'a str> {
    // As the builder has written the patterns, and libkmod compares them.
    let modalias = modalias.replace('-', "_");
    let fitting = aliases.iter().filter(move |alias| glob::matches(alias.pattern.as_bytes(), modalias.as_bytes()));
    fitting.flat_map(|alias| alias.files.iter().map(String::as_str))
}

/// The modaliases of the devices on all buses below `directory` that are not among `seen`; they are now. What has none, or
/// vanishes while it is looked at, wants no driver.
fn modaliases(directory: &Path, seen: &mut BTreeSet<(PathBuf, String)>) -> Vec<String> {
    let entries =
        |directory: PathBuf| fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let devices = entries(directory.to_owned()).flat_map(|bus| entries(bus.join("devices")));
    let modalias = |device: PathBuf| {
        let text = fs::read_to_string(device.join("modalias")).ok()?.trim().to_owned();
        (!text.is_empty()).then_some((device, text))
    };
    let mut new: Vec<(PathBuf, String)> = devices.filter_map(modalias).filter(|it| !seen.contains(it)).collect();
    // As they hang in the machine, whatever the order of the listing.
    new.sort();
    seen.extend(new.iter().cloned());
    new.into_iter().map(|(_, modalias)| modalias).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_gets_every_driver_whose_alias_fits_with_what_that_needs() {
        let aliases = aliases(
            "pci:v00001000d0000005Bsv*sd*bc*sc*i* scsi_mod.ko megaraid_sas.ko\n\
             virtio:d00000002v* virtio_blk.ko\nacpi*:VMBUS:* hv_vmbus.ko\n\nx:a_b old.ko\npci:*bc01sc04i* any.ko\n",
        );
        let files = |modalias| files_for(&aliases, modalias).collect::<Vec<_>>();
        let raid = "pci:v00001000d0000005Bsv00001734sd000011E4bc01sc04i00";
        assert_eq!(files(raid), ["scsi_mod.ko", "megaraid_sas.ko", "any.ko"]);
        assert_eq!(files("virtio:d00000002v00001AF4"), ["virtio_blk.ko"]);
        assert_eq!(files("acpi:VMBUS:"), ["hv_vmbus.ko"]);
        assert_eq!(files("x:a-b"), ["old.ko"]);
        assert!(files("virtio:d00000001v00001AF4").is_empty());
    }

    #[test]
    fn a_device_is_asked_once_whenever_it_appears() {
        let sys = tempfile::tempdir().unwrap();
        let device = |bus: &str, name: &str, modalias: Option<&str>| {
            let directory = sys.path().join(bus).join("devices").join(name);
            fs::create_dir_all(&directory).unwrap();
            if let Some(text) = modalias {
                fs::write(directory.join("modalias"), text).unwrap();
            }
        };
        let mut seen = BTreeSet::new();
        let mut asked = || modaliases(sys.path(), &mut seen);
        device("pci", "0000:00:04.0", Some("pci:x\n"));
        device("pci", "0000:00:05.0", None);
        device("cpu", "cpu0", Some("\n"));
        assert_eq!(asked(), ["pci:x"]);
        device("scsi", "0:0:0:0", Some("scsi:t-0x00\n"));
        assert_eq!(asked(), ["scsi:t-0x00"]);
        assert!(asked().is_empty());
    }
}
