//! What machines start and install themselves from over the network: the disk as data, a script for iPXE, and an image for
//! firmware that boots by HTTP.
//!
//! All of them are found beside each other, wherever they are served from: the script and the node's initrd make the
//! addresses of the others from their own.

use std::num::NonZeroUsize;

use anyhow::{Context, ensure};

use super::netdisk;
use super::raw::RawImage;
use crate::contract::{self, BOOT_FILE_ENDING, NETDISK_ENDING};
use crate::hex;
use crate::image::outputs::Outputs;
use crate::words;

const SCRIPT: &str = "ipxe";

pub(super) fn write(raw: &RawImage<'_>, threads: NonZeroUsize, outputs: &mut Outputs) -> anyhow::Result<()> {
    let index = netdisk::write(raw, threads, &outputs.create(NETDISK_ENDING)?)?;
    outputs.add(NETDISK_ENDING)?;
    let digest = hex::encode(&index.digest());
    let script = script(&raw.name, &raw.version, raw.start.command_line(), &digest)?;
    outputs.write(SCRIPT, script.as_bytes())?;
    let line = line(raw.start.command_line(), "boot", &digest);
    let uki = raw.start.uki(&line).context("making the image for firmware that boots by HTTP")?;
    outputs.write(BOOT_FILE_ENDING, &uki)
}

/// The node's command line, and where its disk is.
fn line(command_line: &str, netdisk: &str, digest: &str) -> String {
    let (at, sha256) = (contract::CMDLINE_NETDISK, contract::CMDLINE_NETDISK_SHA256);
    format!("{command_line} {at}={netdisk} {sha256}={digest}")
}

/// The script (ipxe.org/scripting). `${cwduri}` is the directory that it came from; that of Debian 12 (2019) knows only what
/// DHCP named.
///
/// # Errors
/// iPXE would understand a word of the command line in its own way, and knows no quotes against it.
fn script(name: &str, version: &str, command_line: &str, digest: &str) -> anyhow::Result<String> {
    let own = words::ipxes_own(command_line);
    ensure!(own.is_none(), "the kernel command line has `{}`, which iPXE would not hand on", own.unwrap_or_default());
    let line = line(command_line, &format!("${{base}}#{name}.{NETDISK_ENDING}"), digest);
    let (boot, source) = (contract::CMDLINE_BOOT_INTERFACE, contract::CMDLINE_DATA_SOURCE);
    // A kernel line has one place of metadata, and a recipe that names it means it.
    let metadata = match command_line.split_whitespace().any(|word| word.starts_with(&format!("{source}="))) {
        true => format!("clear {source}"),
        false => format!("isset ${{metadata}} && set {source} {source}=nocloud;s=${{metadata}} || clear {source}"),
    };
    Ok(format!(
        "#!ipxe\n\
         # Starts {name} {version} without a disk, from the files beside this script. Before it is chained,\n\
         #   set metadata http://SERVER/${{netX/mac:hexhyp}}/   names the directory with the node's meta-data and user-data,\n\
         #   set words WORD...                               adds to the kernel command line,\n\
         #   set base http://SERVER/DIRECTORY/               is for an iPXE of before 2021, if DHCP names a script elsewhere.\n\
         isset ${{cwduri}} && set base ${{cwduri}} || isset ${{base}} || set base ${{filename}}\n\
         {metadata}\n\
         kernel {name}.vmlinuz initrd={name}.initrd {line} {boot}=01-${{netX/mac:hexhyp}} ${{{source}}} ${{words}}\n\
         initrd {name}.initrd\n\
         boot\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_names_its_neighbours_by_where_it_came_from() {
        insta::assert_snapshot!(script("worker", "7", "roothash=00 panic=10 a=\"b c\"", "ab12").unwrap(), @r#"
        #!ipxe
        # Starts worker 7 without a disk, from the files beside this script. Before it is chained,
        #   set metadata http://SERVER/${netX/mac:hexhyp}/   names the directory with the node's meta-data and user-data,
        #   set words WORD...                               adds to the kernel command line,
        #   set base http://SERVER/DIRECTORY/               is for an iPXE of before 2021, if DHCP names a script elsewhere.
        isset ${cwduri} && set base ${cwduri} || isset ${base} || set base ${filename}
        isset ${metadata} && set ds ds=nocloud;s=${metadata} || clear ds
        kernel worker.vmlinuz initrd=worker.initrd roothash=00 panic=10 a="b c" nodesmith.netdisk=${base}#worker.netdisk nodesmith.netdisk.sha256=ab12 BOOTIF=01-${netX/mac:hexhyp} ${ds} ${words}
        initrd worker.initrd
        boot
        "#);
    }

    #[test]
    fn a_place_of_metadata_that_the_recipe_names_is_the_only_one() {
        let script = script("worker", "7", "roothash=00 ds=nocloud;s=/m/__mac__/", "ab12").unwrap();
        assert_eq!((script.matches("ds=nocloud").count(), script.matches("\nclear ds\n").count()), (1, 1), "{script}");
    }

    #[test]
    fn words_of_ipxes_own_are_refused() {
        for word in ["&&", "||", ";", "#x", "a=${b}", "a\\"] {
            let error = script("x", "1", &format!("a {word} b"), "ab").unwrap_err().to_string();
            assert!(error.contains(&format!("`{word}`")), "{error}");
        }
    }
}
