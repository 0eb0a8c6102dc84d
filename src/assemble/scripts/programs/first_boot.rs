//! What every node has to make for itself: keys and identities. Noted here, done by the agent at the first boot with the
//! image's own program, unless what it makes is there by then.

use super::call::Call;
use super::options::parse;
use super::row::Row;
use crate::assemble::scripts::results::FirstBoot;
use crate::shell::{Bytes, Stop};

pub const ROWS: &[Row] = &[
    Row::native("ssh-keygen", ssh_keygen, "the node makes its keys at its first boot"),
    Row::native("make-ssl-cert", make_ssl_cert, "the node makes its certificate at its first boot"),
    Row::native("openssl", openssl, "the node makes keys and certificates at its first boot"),
    Row::native("dbus-uuidgen", dbus_uuidgen, "the node's machine-id is made at its first boot, and D-Bus uses it"),
    Row::native("sshd", sshd, "it reads its configuration on the node; `-G` prints that of the image"),
    Row::native("sshd.session-split", sshd, "it reads its configuration on the node; `-G` prints that of the image"),
    Row::native("mungekey", mungekey, "the node makes its key at its first boot"),
    Row::native("xrdp-keygen", xrdp_keygen, "the node makes its key at its first boot"),
    Row::native("nsd-control-setup", control_setup, "the node makes its keys at its first boot"),
    Row::native("unbound-control-setup", control_setup, "the node makes its keys at its first boot"),
    Row::native("certtool", certtool, NODE),
    Row::native("uuidgen", told_by_the_node, NODE),
    Row::native("iscsi-iname", told_by_the_node, NODE),
    Row::native("mcookie", told_by_the_node, NODE),
    Row::native("pwgen", told_by_the_node, NODE),
    Row::native("makepasswd", told_by_the_node, NODE),
    Row::native("nvme", nvme, NODE),
    Row::native(
        "hostname",
        host_name,
        "a node's name comes from its metadata: files that have it are filled at its first boot",
    ),
    Row::native(
        "dnsdomainname",
        host_name,
        "a node's name comes from its metadata: files that have it are filled at its first boot",
    ),
    Row::native(
        "domainname",
        host_name,
        "a node's name comes from its metadata: files that have it are filled at its first boot",
    ),
];

const NODE: &str = "what it prints differs from node to node: files that have it are filled at the node's first boot";
const REASON: &str = "left to the node's first boot";

/// Notes the call for the first boot; the paths that it makes exist from then on.
fn leave(call: &mut Call, program: &str, makes: Vec<Bytes>) -> Result<u8, Stop> {
    let arguments = call.words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    leave_as(call, program, arguments, makes)
}

fn leave_as(call: &mut Call, program: &str, arguments: Vec<String>, makes: Vec<Bytes>) -> Result<u8, Stop> {
    call.note("first-boot", REASON);
    let mut paths = Vec::new();
    for path in makes {
        let path = call.path(&path);
        if let Ok(path) = call.machine.files.resolve(&path, true) {
            paths.push(path.to_string());
            call.machine.files.later.insert(path, call.name.to_owned());
        }
    }
    let wanted = FirstBoot {
        program: program.to_owned(),
        arguments,
        makes: paths,
        fills: None,
        package: call.machine.running.package.clone(),
    };
    if !call.machine.first_boot.contains(&wanted) {
        call.machine.first_boot.push(wanted);
    }
    Ok(0)
}

fn ssh_keygen(call: &mut Call) -> Result<u8, Stop> {
    const KNOWN: &[&str] = &["q", "f=", "N=", "t=", "b=", "A", "l", "C=", "h", "y", "E=", "v", "m=", "Z="];
    let options = parse(call, KNOWN, true)?;
    if options.has("A") {
        // The agent makes the standard ones by itself.
        let standard = ["rsa", "ecdsa", "ed25519"].iter().flat_map(|kind| {
            let path = format!("/etc/ssh/ssh_host_{kind}_key");
            [path.clone().into_bytes(), format!("{path}.pub").into_bytes()]
        });
        return leave(call, "/usr/bin/ssh-keygen", standard.collect());
    }
    let Some(file) = options.value("f").cloned() else { return call.unsupported("being called without `-f` or `-A`") };
    if options.has("l") || options.has("y") {
        return match call.machine.files.is_later(&call.path(&file)) {
            // There is no fingerprint to tell yet.
            true => Ok(0),
            false if call.machine.files.exists(&call.path(&file)) => call.unsupported("reading a key of the image"),
            false => call.fail(255, format!("{}: No such file or directory", String::from_utf8_lossy(&file))),
        };
    }
    let public = [file.as_slice(), b".pub"].concat();
    leave(call, "/usr/bin/ssh-keygen", vec![file, public])
}

/// What make-ssl-cert does unasked, with openssl alone: nodes have no debconf, whose library it reads.
const SELF_SIGNED: &str = r#"set -e
umask 077
certificate=$1 key=$2
name=$(cat /proc/sys/kernel/hostname)
openssl req -new -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=$(printf %.64s "$name")" \
    -addext "subjectAltName=DNS:$name" -out "$certificate" -keyout "$key"
[ "$#" = 2 ] || { cat "$key" >>"$certificate"; rm "$key"; exit; }
chgrp ssl-cert "$key"
chmod 640 "$key"
chmod 644 "$certificate""#;

fn make_ssl_cert(call: &mut Call) -> Result<u8, Stop> {
    let (files, makes) = match call.word(0) {
        Some("generate-default-snakeoil") => {
            let files = ["/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/ssl/private/ssl-cert-snakeoil.key"];
            (files.map(str::to_owned).to_vec(), 2)
        }
        // Key and certificate in one file.
        Some(_) if call.words.len() >= 2 => {
            let output = String::from_utf8_lossy(&call.path(&call.words[1])).into_owned();
            (vec![output.clone(), format!("{output}.key"), "both".to_owned()], 1)
        }
        _ => return call.unsupported("being called without a template and an output"),
    };
    let makes = files[..makes].iter().map(|path| path.clone().into_bytes()).collect();
    let arguments = ["-c", SELF_SIGNED, "make-ssl-cert"].map(str::to_owned).into_iter().chain(files).collect();
    leave_as(call, "/usr/bin/sh", arguments, makes)
}

fn openssl(call: &mut Call) -> Result<u8, Stop> {
    let Some(command) = call.word(0).map(str::to_owned) else {
        return call.unsupported("being called without a command");
    };
    let after = |name: &str| {
        let at = call.words.iter().position(|word| word == name.as_bytes())?;
        call.words.get(at + 1).cloned()
    };
    match command.as_str() {
        "version" => call.unsupported("`version`: the program of the image has not started"),
        "req" | "genrsa" | "genpkey" | "dhparam" | "ecparam" | "gendsa" => {
            let makes: Vec<Bytes> = ["-out", "-keyout"].into_iter().filter_map(after).collect();
            if makes.is_empty() {
                return told_by_the_node(call);
            }
            leave(call, "/usr/bin/openssl", makes)
        }
        "rand" if after("-out").is_none() => told_by_the_node(call),
        // What is made of a key that the node makes.
        "x509" | "rsa" | "pkey" | "pkcs12"
            if after("-in").is_some_and(|key| call.machine.files.is_later(&call.path(&key))) =>
        {
            match after("-out") {
                Some(out) => leave(call, "/usr/bin/openssl", vec![out]),
                None => call.unsupported(format!("`{command}` that prints what it makes of a key of the node")),
            }
        }
        other => call.unsupported(format!("`{other}`")),
    }
}

fn dbus_uuidgen(call: &mut Call) -> Result<u8, Stop> {
    match call.word(0) {
        Some(option) if option.starts_with("--ensure") => {
            call.note("first-boot", "the node's machine-id is made at its first boot, and D-Bus uses it");
            Ok(0)
        }
        _ => Err(Stop::refused(call.name, "what it prints must differ from node to node, and goes into this image")),
    }
}

/// `sshd -t`: the configuration is read on the node. `-G`: the options that the image's configuration sets, and the keys
/// that are used where it names none (sshd_config(5)).
fn sshd(call: &mut Call) -> Result<u8, Stop> {
    match call.word(0) {
        Some("-t") => return Ok(0),
        Some("-G") if call.words.len() == 1 => {}
        _ => return call.unsupported("anything but `-t` and `-G`"),
    }
    let text = call.machine.files.read(b"/etc/ssh/sshd_config")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some((option, value)) = line.split_once([' ', '\t', '=']) else { continue };
        if option.eq_ignore_ascii_case("Match") {
            break;
        }
        lines.push(format!("{} {}", option.to_ascii_lowercase(), value.trim()));
    }
    if !lines.iter().any(|line| line.starts_with("hostkey ")) {
        lines.extend(["rsa", "ecdsa", "ed25519"].map(|kind| format!("hostkey /etc/ssh/ssh_host_{kind}_key")));
    }
    call.out(lines.join("\n") + "\n")?;
    Ok(0)
}

/// Prints a mark in place of what every node makes for itself. Files that hold it are filled at the first boot.
fn told_by_the_node(call: &mut Call) -> Result<u8, Stop> {
    marked(call, true)
}

/// The same in place of the node's name, which scripts may take apart.
pub(super) fn name_of_the_node(call: &mut Call) -> Result<u8, Stop> {
    marked(call, false)
}

fn marked(call: &mut Call, is_secret: bool) -> Result<u8, Stop> {
    call.note("first-boot", NODE);
    let arguments: Vec<String> = call.words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let mark = call.machine.mark(call.name, &arguments, is_secret);
    call.out(format!("{mark}\n"))?;
    Ok(0)
}

/// GnuTLS' `--generate-…` prints what it makes.
fn certtool(call: &mut Call) -> Result<u8, Stop> {
    let makes = call.words.iter().any(|word| word.starts_with(b"--generate-"));
    let writes = call.words.iter().any(|word| word.starts_with(b"--outfile") || word.starts_with(b"--load-"));
    if makes && !writes { told_by_the_node(call) } else { call.unsupported("anything but making parameters or a key") }
}

/// Keys and certificates with which a name server and its control program know each other.
fn control_setup(call: &mut Call) -> Result<u8, Stop> {
    let server = call.name.trim_end_matches("-control-setup");
    let options = parse(call, &["d=", "r"], true)?;
    let directory = options.text("d").unwrap_or_else(|| format!("/etc/{server}"));
    let names = ["server.key", "server.pem", "control.key", "control.pem"];
    let makes = names.map(|name| format!("{directory}/{server}_{name}").into_bytes());
    leave(call, &format!("/usr/sbin/{}", call.name), makes.to_vec())
}

fn xrdp_keygen(call: &mut Call) -> Result<u8, Stop> {
    match call.words {
        [command, auto] if command == b"xrdp" && auto == b"auto" => {
            leave(call, "/usr/bin/xrdp-keygen", vec![b"/etc/xrdp/rsakeys.ini".to_vec()])
        }
        _ => call.unsupported("anything but `xrdp auto`"),
    }
}

fn nvme(call: &mut Call) -> Result<u8, Stop> {
    match call.word(0) {
        Some("gen-hostnqn") => told_by_the_node(call),
        _ => call.unsupported("anything but `gen-hostnqn`"),
    }
}

/// Asking is answered by a mark, naming is refused.
fn host_name(call: &mut Call) -> Result<u8, Stop> {
    if call.words.iter().any(|word| !word.starts_with(b"-"))
        || call.word(0).is_some_and(|word| word.starts_with("-F") || word == "-b")
    {
        return Err(Stop::refused(call.name, "an image has no name: its nodes get theirs from metadata"));
    }
    name_of_the_node(call)
}

/// The key has to belong to whoever makes it.
fn mungekey(call: &mut Call) -> Result<u8, Stop> {
    if !call.words.iter().any(|word| word == b"-c" || word == b"--create") {
        return call.unsupported("anything but `--create`");
    }
    let words = ["-u", "munge", "--", "/usr/sbin/mungekey", "-c"].map(str::to_owned);
    leave_as(call, "/usr/sbin/runuser", words.to_vec(), vec![b"/etc/munge/munge.key".to_vec()])
}
