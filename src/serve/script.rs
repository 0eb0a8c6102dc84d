//! Scripts for iPXE (<https://ipxe.org/scripting>): who are you, which image, and how it is started.

use std::io;

use super::http::target::encode;
use super::images::Image;
use crate::contract::{CMDLINE_BOOT_INTERFACE, CMDLINE_DATA_SOURCE, CMDLINE_NETDISK, CMDLINE_NETDISK_SHA256};
use crate::words;

/// The script that is asked for first.
pub(super) const NAME: &str = "boot.ipxe";
/// By what a node may be known in the query of a second request, the most exact one first.
pub(super) const IDENTITIES: [&str; 3] = ["mac", "serial", "uuid"];
/// The query's word for the image.
pub(super) const IMAGE: &str = "image";
/// Seconds until a menu takes its first line.
const MENU_SECONDS: u32 = 30;
/// Bytes that a kernel keeps of its command line.
const LINE_MAX: usize = 2047;

/// Words that iPXE itself fills in, each with its value's name there.
const ASKED: [(&str, &str); 3] = [("mac", "netX/mac:hexhyp"), ("serial", "serial:uristring"), ("uuid", "uuid")];

/// Asks for the same script again, with the machine's identities in the query.
pub(super) fn identify() -> String {
    let query: Vec<String> = ASKED.iter().map(|(name, setting)| format!("{name}=${{{setting}}}")).collect();
    format!("#!ipxe\nchain --replace {NAME}?{}\n", query.join("&"))
}

/// Lets whoever sits there choose, and asks again with the image in the query, behind what stands there already.
pub(super) fn menu(images: &[String], query: &[(String, String)]) -> String {
    let mut script = "#!ipxe\nmenu Nodesmith\n".to_owned();
    for image in images {
        script.push_str(&format!("item {image} {image}\n"));
    }
    script.push_str(&format!("choose --timeout {} {IMAGE} || exit 1\n", MENU_SECONDS * 1000));
    let asked = query.iter().filter(|(key, value)| IDENTITIES.contains(&key.as_str()) && !value.is_empty());
    let words: Vec<String> = asked.map(|(key, value)| format!("{key}={}", encode(value))).collect();
    let query: Vec<String> = words.into_iter().chain([format!("{IMAGE}=${{{IMAGE}}}")]).collect();
    script.push_str(&format!("chain --replace {NAME}?{}\n", query.join("&")));
    script
}

/// Starts an image, with `words` behind its own command line. `base` is this server's address, `http://HOST:PORT`.
///
/// # Errors
/// A word that iPXE would take for its own, and a line that a kernel would cut.
pub(super) fn boot(image: &Image, base: &str, words: &[String]) -> io::Result<String> {
    let mut line = image.command_line.clone();
    if image.has_netdisk {
        line.push_str(&format!(" {CMDLINE_NETDISK}={base}/{}", image.netdisk()));
        if let Some(digest) = &image.netdisk_digest {
            line.push_str(&format!(" {CMDLINE_NETDISK_SHA256}={digest}"));
        }
    }
    // A recipe that names the place of its metadata means it, and a kernel line has one.
    let names_metadata = has_word(&line, CMDLINE_DATA_SOURCE);
    for word in words.iter().filter(|word| !(word.is_empty() || names_metadata && has_word(word, CMDLINE_DATA_SOURCE)))
    {
        line.push_str(&format!(" {word}"));
    }
    let (kernel, initrd) = (image.kernel(), image.initrd());
    // The kernel's EFI stub loads what `initrd=` names; elsewhere the word does nothing.
    let invalid = |why| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    if let Some(word) = words::ipxes_own(&line) {
        return invalid(format!("iPXE would take `{word}` on the command line of {} for its own", image.name));
    }
    // Of several network cards, the one that this script came by.
    let card =
        if image.has_netdisk { format!(" {CMDLINE_BOOT_INTERFACE}=01-${{netX/mac:hexhyp}}") } else { String::new() };
    let bytes = "initrd= ".len() + initrd.len() + line.len() + card.len();
    if bytes > LINE_MAX {
        return invalid(format!("the command line of {} has {bytes} bytes, {LINE_MAX} at most", image.name));
    }
    Ok(format!("#!ipxe\nkernel {kernel} initrd={initrd} {line}{card}\ninitrd {initrd}\nboot\n"))
}

fn has_word(line: &str, key: &str) -> bool {
    line.split(' ').any(|word| word.split_once('=').is_some_and(|(it, _)| it == key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image {
            name: "node".into(),
            command_line: "roothash=00ff dyndbg=\"file a.c +p\" $x".into(),
            has_netdisk: false,
            netdisk_digest: None,
        }
    }

    #[test]
    fn scripts_say_what_ipxe_is_to_do() {
        assert_eq!(
            identify(),
            "#!ipxe\nchain --replace boot.ipxe?mac=${netX/mac:hexhyp}&serial=${serial:uristring}&uuid=${uuid}\n"
        );
        let query = [("mac", "52-54"), ("serial", "a b&c"), ("uuid", ""), ("other", "x")];
        let query = query.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(
            menu(&["a".into(), "b".into()], &query),
            "#!ipxe\nmenu Nodesmith\nitem a a\nitem b b\nchoose --timeout 30000 image || exit 1\n\
             chain --replace boot.ipxe?mac=52-54&serial=a%20b%26c&image=${image}\n"
        );
        let words = [String::new(), "ds=nocloud;s=http://h/metadata/52-54/".to_owned()];
        assert_eq!(
            boot(&image(), "http://h", &words).unwrap(),
            "#!ipxe\nkernel node.vmlinuz initrd=node.initrd roothash=00ff dyndbg=\"file a.c +p\" $x \
             ds=nocloud;s=http://h/metadata/52-54/\ninitrd node.initrd\nboot\n"
        );
        let over_the_network = Image { has_netdisk: true, netdisk_digest: Some("0f".into()), ..image() };
        let script = boot(&over_the_network, "http://h:1", &[]).unwrap();
        assert!(
            script.contains(
                " nodesmith.netdisk=http://h:1/node.netdisk nodesmith.netdisk.sha256=0f BOOTIF=01-${netX/mac:hexhyp}\n"
            ),
            "{script}"
        );
        let own = Image { command_line: "ds=nocloud;s=/own/".into(), ..image() };
        let script = boot(&own, "http://h", &["ds=nocloud;s=http://h/".to_owned(), "debug".to_owned()]).unwrap();
        assert!(script.contains("initrd=node.initrd ds=nocloud;s=/own/ debug\n"), "{script}");
    }

    #[test]
    fn words_that_ipxe_would_not_hand_on_are_told() {
        for word in ["a=${mac}", "||", "&&", "#x", ";", "e\\"] {
            let error = boot(&image(), "http://h", &[word.to_owned()]).unwrap_err().to_string();
            assert_eq!(error, format!("iPXE would take `{word}` on the command line of node for its own"));
        }
        boot(&image(), "http://h", &["a||b&c#d$e\\f;".to_owned()]).unwrap();
        let error = boot(&image(), "http://h", &["x".repeat(2047)]).unwrap_err().to_string();
        assert!(error.starts_with("the command line of node has 21"), "{error}");
    }
}
