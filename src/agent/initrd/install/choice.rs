//! Which disk is installed to: facts of all disks and the words of the command line → one disk, or a refusal that
//! lists them all with the reasons. Pure.

use std::fmt;

use super::contents::Contents;
use super::request::Request;
use crate::install_choice::{Choice, Condition};

/// What is known of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The kernel's: `vda`.
    pub name: String,
    pub bytes: u64,
    pub sector_bytes: u64,
    pub serial: Option<String>,
    /// As in `/dev/disk/by-id`.
    pub ids: Vec<String>,
    pub removable: bool,
    pub read_only: bool,
    /// The netdisk is read from it.
    pub is_medium: bool,
    /// What is on it, or why that cannot be told.
    pub contents: Result<Contents, String>,
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} MiB", self.name, self.bytes >> 20)?;
        self.serial.iter().try_for_each(|serial| write!(f, ", serial {serial}"))
    }
}

/// Whether the command line speaks of this disk, whatever becomes of it.
fn is_meant(disk: &Facts, choice: &Choice) -> bool {
    choice.conditions.iter().all(|condition| match condition {
        Condition::Name(name) => disk.name == *name,
        Condition::Serial(serial) => disk.serial.as_ref() == Some(serial),
        Condition::Id(id) => disk.ids.contains(id),
        Condition::AtLeast(bytes) => disk.bytes >= *bytes,
        Condition::AtMost(bytes) => disk.bytes <= *bytes,
    })
}

/// The disk to install to. `needed` is the size that it must have, the image and its `/var` together.
///
/// # Errors
/// None will do, or several and nothing tells which. Each disk has its line.
pub fn choose<'a>(disks: &'a [Facts], request: &Request, needed: u64) -> Result<&'a Facts, String> {
    let verdicts: Vec<(&Facts, Option<String>)> =
        disks.iter().map(|disk| (disk, objection(disk, request, needed))).collect();
    let mut good: Vec<&Facts> = verdicts.iter().filter(|(_, why)| why.is_none()).map(|(disk, _)| *disk).collect();
    good.sort_by(|one, other| (one.bytes, &one.name).cmp(&(other.bytes, &other.name)));
    match good.as_slice() {
        [disk] => return Ok(disk),
        [smallest, ..] if request.choice.smallest => return Ok(smallest),
        _ => {}
    }
    let what = match good.len() {
        0 if disks.is_empty() => "there is no disk at all".to_owned(),
        0 => format!("no disk can be installed to with `{}`", request.choice.words),
        count => format!("{count} disks can be installed to with `{}`, and only one is wanted", request.choice.words),
    };
    let line = |(disk, why): &(&Facts, Option<String>)| {
        format!("\n  {disk}: {}", why.as_deref().unwrap_or("can be installed to"))
    };
    Err(what + &verdicts.iter().map(line).collect::<String>())
}

/// Why this disk is not taken.
fn objection(disk: &Facts, request: &Request, needed: u64) -> Option<String> {
    let named = |condition: &Condition| !matches!(condition, Condition::AtLeast(_) | Condition::AtMost(_));
    if disk.is_medium {
        return Some("is what is installed from".to_owned());
    }
    if !is_meant(disk, &request.choice) {
        return Some("is not the one that is asked for".to_owned());
    }
    if disk.read_only {
        return Some("cannot be written".to_owned());
    }
    if disk.removable && !request.choice.conditions.iter().any(named) {
        return Some("can be taken out, and is not named by name=, serial= or id=".to_owned());
    }
    if disk.sector_bytes != 512 {
        return Some(format!("has sectors of {} bytes, and images are made for 512", disk.sector_bytes));
    }
    if disk.bytes < needed {
        return Some(format!("is too small: the image and its /var need {} MiB", needed.div_ceil(1 << 20)));
    }
    match &disk.contents {
        Ok(Contents::Nothing | Contents::Unfinished) => None,
        Ok(Contents::Foreign(_)) if request.overwrite => None,
        Ok(Contents::Foreign(what)) => {
            Some(format!("holds {what}; with `{}=yes` that is lost", crate::contract::CMDLINE_INSTALL_OVERWRITE))
        }
        Err(why) => Some(format!("cannot be read: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::From;
    use super::*;

    const GIB: u64 = 1 << 30;

    fn disk(name: &str, gibibytes: u64) -> Facts {
        Facts {
            name: name.to_owned(),
            bytes: gibibytes * GIB,
            sector_bytes: 512,
            serial: Some(format!("S-{name}")),
            ids: vec![format!("virtio-S-{name}")],
            removable: false,
            read_only: false,
            is_medium: false,
            contents: Ok(Contents::Nothing),
        }
    }

    fn request(words: &str) -> Request {
        Request { from: From::Medium, sha256: [0; 32], choice: Choice::parse(words).unwrap(), overwrite: false }
    }

    fn chosen(disks: &[Facts], words: &str) -> Result<String, String> {
        choose(disks, &request(words), 5 * GIB).map(|disk| disk.name.clone())
    }

    #[test]
    fn words_tell_which_of_several_is_meant() {
        let disks = [disk("vda", 40), disk("vdb", 20), disk("vdc", 20), disk("vdd", 4)];
        for (words, expected) in [
            ("smallest", "vdb"),
            ("size>=21G", "vda"),
            ("size>=21G,smallest", "vda"),
            ("name=vdc", "vdc"),
            ("serial=S-vda", "vda"),
            ("id=virtio-S-vdb,size<=20G", "vdb"),
        ] {
            assert_eq!(chosen(&disks, words).as_deref(), Ok(expected), "{words}");
        }
        let error = chosen(&disks, "size<=20G").unwrap_err();
        assert_eq!(
            error,
            "2 disks can be installed to with `size<=20G`, and only one is wanted\n  \
             vda, 40960 MiB, serial S-vda: is not the one that is asked for\n  \
             vdb, 20480 MiB, serial S-vdb: can be installed to\n  \
             vdc, 20480 MiB, serial S-vdc: can be installed to\n  \
             vdd, 4096 MiB, serial S-vdd: is too small: the image and its /var need 5120 MiB"
        );
        assert!(chosen(&[], "only").unwrap_err().contains("no disk at all"));
    }

    #[test]
    fn a_disk_that_holds_something_is_taken_only_if_that_is_said() {
        let mut disks = [disk("vda", 20), disk("vdb", 40)];
        disks[0].contents = Ok(Contents::Foreign("a partition table".to_owned()));
        assert_eq!(chosen(&disks, "smallest").as_deref(), Ok("vdb"));
        let error = chosen(&disks, "name=vda").unwrap_err();
        assert!(
            error.contains("holds a partition table; with `nodesmith.install.overwrite=yes` that is lost"),
            "{error}"
        );
        let overwrite = Request { overwrite: true, ..request("smallest") };
        assert_eq!(choose(&disks, &overwrite, GIB).unwrap().name, "vda");
        // What an installer left half done is no more than an empty disk.
        disks[0].contents = Ok(Contents::Unfinished);
        assert_eq!(chosen(&disks, "smallest").as_deref(), Ok("vda"));
    }

    #[test]
    fn what_can_never_be_meant_is_told() {
        let good = disk("vda", 20);
        for (bad, reason) in [
            (Facts { is_medium: true, ..good.clone() }, "is what is installed from"),
            (Facts { read_only: true, ..good.clone() }, "cannot be written"),
            (Facts { removable: true, ..good.clone() }, "can be taken out"),
            (Facts { sector_bytes: 4096, ..good.clone() }, "sectors of 4096 bytes"),
            (Facts { contents: Err("no medium".to_owned()), ..good.clone() }, "cannot be read: no medium"),
        ] {
            let error = chosen(&[bad], "only").unwrap_err();
            assert!(
                error.starts_with("no disk can be installed to with `only`\n") && error.contains(reason),
                "{error}"
            );
        }
        let stick = Facts { removable: true, ..good };
        assert_eq!(chosen(&[stick], "serial=S-vda").as_deref(), Ok("vda"));
    }
}
