//! Programs of single packages that scripts ask about devices, services and kernels, and small tools of util-linux.

use super::call::Call;
use super::options::parse;
use super::row::Row;
use crate::shell::{Bytes, Stop};

const DEVICES: &str = "devices are the node's";
const RUNS: &str = "nothing runs while an image is built";
const CHECKED: &str = "its configuration is read on the node";

pub const ROWS: &[Row] = &[
    Row::native("getopt", getopt, "sorts the options of a script"),
    Row::native("chronyd", chronyd, "`-p` prints the configuration of the image"),
    Row::native("minsysusers", super::accounts::sysusers_program, "makes the accounts of the files that it names"),
    Row::native("py3versions", python_versions, "the version that `python3` leads to"),
    Row::native("python3.13", python_compiler, "Python makes its byte code when it runs"),
    Row::native("python3.12", python_compiler, "Python makes its byte code when it runs"),
    Row::native("python3.11", python_compiler, "Python makes its byte code when it runs"),
    Row::native(
        "semodule",
        semodule,
        "the image's policy comes compiled; what a script adds to it is told by `selinux:`",
    ),
    Row::nothing("semanage", "the image's policy comes compiled; what a script adds to it is told by `selinux:`"),
    Row::nothing("load_policy", "the image's policy comes compiled, and the node loads it"),
    Row::nothing("sepolgen-ifgen", "it serves the making of policies, which come compiled"),
    Row::nothing("/usr/lib/systemd/systemd-sysctl", "the node's systemd-sysctl sets them at boot"),
    Row::nothing("/lib/systemd/systemd-sysctl", "the node's systemd-sysctl sets them at boot"),
    Row::nothing("flatpak", "repositories are set up when it is first used"),
    Row::native("locale", locale, "the recipe's `locale` is not set yet; C and C.UTF-8 are there"),
    Row::answer("kpsewhich", 1, "", "TeX's files are not indexed"),
    Row::answer("host", 1, "", "there is no network while an image is built: nothing has an address"),
    Row::answer("dig", 9, "", "there is no network while an image is built: nothing has an address"),
    Row::answer("nslookup", 1, "", "there is no network while an image is built: nothing has an address"),
    Row::answer("auditctl", 1, "", RUNS),
    Row::nothing("vgcfgbackup", "the volumes are the node's"),
    Row::nothing("libgvc6-config-update", "plug-ins for pictures, which programs find when they run"),
    Row::nothing("newaliases", "the mail server reads its aliases on the node"),
    Row::answer("getcert", 1, "", RUNS),
    Row::answer("lpstat", 1, "", RUNS),
    Row::answer("virsh", 1, "", RUNS),
    Row::answer("rabbitmqctl", 1, "", RUNS),
    Row::answer("pg_lsclusters", 0, "", "no cluster of databases is in an image"),
    Row::answer("efibootmgr", 1, "", DEVICES),
    Row::answer("mokutil", 1, "EFI variables are not supported on this system\n", DEVICES),
    Row::answer("/usr/lib/gpm/gpm_has_mouse_control", 1, "", DEVICES),
    Row::answer("smartctl", 0, "", "devices are the node's; the database of drives is taken as it is"),
    Row::nothing("update-ccache-symlinks", "links for compilers, which nodes do not have"),
    Row::answer("findmnt", 1, "", "nothing is mounted while an image is built"),
    Row::answer("lsblk", 0, "", DEVICES),
    Row::answer("lspci", 0, "", DEVICES),
    Row::answer("lsusb", 0, "", DEVICES),
    Row::answer("dmidecode", 1, "", DEVICES),
    Row::answer("losetup", 0, "", DEVICES),
    Row::answer("ethtool", 1, "", DEVICES),
    Row::answer("linux-version", 0, "", "kernels are not kept in /boot: the image has one, in its boot files"),
    Row::answer("iptables-save", 0, "", "rules are the node's"),
    Row::answer("ip6tables-save", 0, "", "rules are the node's"),
    Row::answer("ipset", 1, "", "sets are the node's"),
    Row::answer("proftpd", 0, "", CHECKED),
    Row::answer("squid", 1, "", CHECKED),
    Row::answer("apache2ctl", 0, "", CHECKED),
    Row::answer("nginx", 0, "", CHECKED),
    Row::answer("named-checkconf", 0, "", CHECKED),
    Row::answer("visudo", 0, "", CHECKED),
    Row::answer("haproxy", 0, "", CHECKED),
];

/// `-d`, `-i`, `-r`, `-s`: there is one version.
fn python_versions(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["d|default", "i|installed", "r|requested", "s|supported", "v|version"], true)?;
    match call.machine.files.target(b"/usr/bin/python3") {
        Ok(name) => {
            let name = if options.has("v") { name.strip_prefix(b"python").unwrap_or(&name).to_vec() } else { name };
            call.out([name.as_slice(), b"\n"].concat())?;
            Ok(0)
        }
        Err(errno) => call.fail(1, format!("/usr/bin/python3: {errno}")),
    }
}

/// getopt(1) of util-linux: long options, quoting, optional values.
fn getopt(call: &mut Call) -> Result<u8, Stop> {
    let mut words = call.words.iter().cloned();
    let (mut short, mut long, mut quoted, mut quiet) = (None::<Bytes>, Vec::<Bytes>::new(), true, false);
    // Long options may have a single hyphen.
    let mut alternative = false;
    let mut rest: Vec<Bytes> = Vec::new();
    while let Some(word) = words.next() {
        let text = String::from_utf8_lossy(&word).into_owned();
        let mut value = |inline: &str| match inline {
            "" => words.next().unwrap_or_default(),
            inline => inline.as_bytes().to_vec(),
        };
        match text.as_str() {
            "-T" | "--test" => return Ok(4),
            "-u" | "--unquoted" => quoted = false,
            "-q" | "--quiet" => quiet = true,
            "-a" | "--alternative" => alternative = true,
            "-Q" | "--quiet-output" => return call.unsupported(format!("the option `{text}`")),
            "--" => {
                rest.extend(words.by_ref());
                break;
            }
            "-o" | "--options" => short = Some(value("")),
            "-l" | "--long" | "--longoptions" => long.extend(value("").split(|byte| *byte == b',').map(<[u8]>::to_vec)),
            "-n" | "--name" | "-s" | "--shell" => drop(value("")),
            _ => {
                if let Some(list) = text.strip_prefix("--options=").or_else(|| text.strip_prefix("-o")) {
                    short = Some(list.as_bytes().to_vec());
                } else if let Some(list) =
                    ["--long=", "--longoptions=", "-l"].iter().find_map(|start| text.strip_prefix(start))
                {
                    long.extend(list.split(',').map(|name| name.as_bytes().to_vec()));
                } else if text.starts_with("--name=") || text.starts_with("-n") {
                } else if text.starts_with('-') {
                    return call.unsupported(format!("the option `{text}`"));
                } else if short.is_none() {
                    // The old form: the options first, nothing quoted.
                    (short, quoted) = (Some(word), false);
                    rest.extend(words.by_ref());
                    break;
                } else {
                    rest.push(word);
                    rest.extend(words.by_ref());
                    break;
                }
            }
        }
    }
    let Some(short) = short else { return call.fail(2, "missing optstring argument") };
    let (given, operands, wrong) = sorted(&short, &long, alternative, &rest);
    for problem in wrong.iter().filter(|_| !quiet) {
        call.error(problem)?;
    }
    let quote = |word: &Bytes| if quoted { quoted_word(word) } else { word.clone() };
    let mut line = Bytes::new();
    for (name, value) in &given {
        line.extend([b" ", name.as_slice()].concat());
        if let Some(value) = value {
            line.extend([b" ".as_slice(), &quote(value)].concat());
        }
    }
    line.extend(b" --");
    for word in &operands {
        line.extend([b" ".as_slice(), &quote(word)].concat());
    }
    line.push(b'\n');
    call.out(line)?;
    Ok(u8::from(!wrong.is_empty()))
}

fn quoted_word(word: &Bytes) -> Bytes {
    let mut text = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => text.extend(b"'\\''"),
            byte => text.push(*byte),
        }
    }
    text.push(b'\'');
    text
}

type Sorted = (Vec<(Bytes, Option<Bytes>)>, Vec<Bytes>, Vec<String>);

/// Options with their values, operands, complaints.
fn sorted(short: &[u8], long: &[Bytes], alternative: bool, words: &[Bytes]) -> Sorted {
    let (in_place, short) = match short.first() {
        Some(b'+') => (true, &short[1..]),
        Some(b'-') => (false, &short[1..]),
        _ => (false, short),
    };
    // How many colons stand behind a name: no value, one, one that may be missing.
    let colons = |rest: &[u8]| rest.iter().take_while(|byte| **byte == b':').count();
    let bare = |known: &Bytes| known.iter().copied().take_while(|byte| *byte != b':').collect::<Bytes>();
    let find = |name: &[u8]| {
        let mut begin = long.iter().filter(|known| bare(known).starts_with(name));
        let exact = long.iter().find(|known| bare(known) == name);
        exact.or_else(|| begin.next().filter(|_| begin.next().is_none()))
    };
    let name_of = |word: &[u8]| word.split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
    let long_word = |word: &Bytes| {
        let single = |word: &Bytes| word.len() > 2 && find(&name_of(&word[1..])).is_some();
        match word.strip_prefix(b"--") {
            None if alternative && word.starts_with(b"-") && single(word) => Some(word[1..].to_vec()),
            name => name.map(<[u8]>::to_vec),
        }
    };
    let (mut given, mut operands, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    let mut words = words.iter().cloned();
    while let Some(word) = words.next() {
        if word == b"--" {
            operands.extend(words.by_ref());
        } else if let Some(name) = long_word(&word) {
            let (name, inline) = match name.iter().position(|byte| *byte == b'=') {
                Some(at) => (&name[..at], Some(name[at + 1..].to_vec())),
                None => (name.as_slice(), None),
            };
            let Some(known) = find(name) else {
                wrong.push(format!("unrecognized option '--{}'", String::from_utf8_lossy(name)));
                continue;
            };
            let full = [b"--".as_slice(), &bare(known)].concat();
            match (colons(&known[bare(known).len()..]), inline) {
                (0, None) => given.push((full, None)),
                (0, Some(_)) => {
                    wrong.push(format!("option '{}' doesn't allow an argument", String::from_utf8_lossy(&full)))
                }
                (1, None) => match words.next() {
                    Some(value) => given.push((full, Some(value))),
                    None => wrong.push(format!("option '{}' requires an argument", String::from_utf8_lossy(&full))),
                },
                (_, inline) => given.push((full, Some(inline.unwrap_or_default()))),
            }
        } else if word.len() > 1 && word.first() == Some(&b'-') {
            let mut letters = &word[1..];
            while let Some((letter, after)) = letters.split_first() {
                letters = after;
                let name = vec![b'-', *letter];
                let at = short.iter().position(|known| known == letter && *letter != b':');
                let Some(at) = at else {
                    wrong.push(format!("invalid option -- '{}'", char::from(*letter)));
                    continue;
                };
                match colons(&short[at + 1..]) {
                    0 => given.push((name, None)),
                    1 if letters.is_empty() => match words.next() {
                        Some(value) => given.push((name, Some(value))),
                        None => wrong.push(format!("option requires an argument -- '{}'", char::from(*letter))),
                    },
                    _ => given.push((name, Some(std::mem::take(&mut letters).to_vec()))),
                }
            }
        } else {
            operands.push(word);
            if in_place {
                operands.extend(words.by_ref());
            }
        }
    }
    (given, operands, wrong)
}

fn locale(call: &mut Call) -> Result<u8, Stop> {
    match call.word(0) {
        None => {
            let mut text = "LANG=C.UTF-8\nLANGUAGE=\n".to_owned();
            let categories = [
                "CTYPE",
                "NUMERIC",
                "TIME",
                "COLLATE",
                "MONETARY",
                "MESSAGES",
                "PAPER",
                "NAME",
                "ADDRESS",
                "TELEPHONE",
                "MEASUREMENT",
                "IDENTIFICATION",
            ];
            categories.iter().for_each(|name| text.push_str(&format!("LC_{name}=\"C.UTF-8\"\n")));
            call.out(text + "LC_ALL=C.UTF-8\n")?;
        }
        Some("-a" | "--all-locales") => call.out("C\nC.utf8\nPOSIX\n")?,
        Some("charmap") => call.out("UTF-8\n")?,
        Some(other) => return call.unsupported(format!("`{other}`")),
    }
    Ok(0)
}

/// The lines of the configuration that say something.
fn chronyd(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["p", "f=", "q", "Q"], true)?;
    if !options.has("p") {
        return call.unsupported("anything but `-p`");
    }
    let file = options.value("f").cloned().unwrap_or_else(|| b"/etc/chrony/chrony.conf".to_vec());
    let text = call.machine.files.read(&call.path(&file))?.unwrap_or_default();
    let says = |line: &&[u8]| !line.is_empty() && !matches!(line.first(), Some(b'#' | b'!' | b';' | b'%'));
    let lines: Vec<u8> =
        text.split(|byte| *byte == b'\n').filter(says).flat_map(|line| [line, b"\n"].concat()).collect();
    call.out(lines)?;
    Ok(0)
}

/// `python3 -E -S …/py_compile.py …`: other programs are refused.
fn python_compiler(call: &mut Call) -> Result<u8, Stop> {
    let compiles = |word: &Bytes| {
        let text = String::from_utf8_lossy(word);
        text == "py_compile"
            || text == "compileall"
            || text.ends_with("/py_compile.py")
            || text.ends_with("/compileall.py")
    };
    if call.words.iter().any(compiles) {
        call.note("nothing", "Python makes its byte code when it runs; on a read-only root it does without");
        return Ok(0);
    }
    Err(Stop::refused("python3", "no Python runs while an image is built"))
}

/// Whether a policy is changed is judged by the step `selinux`, which knows what the recipe asks for.
fn semodule(call: &mut Call) -> Result<u8, Stop> {
    if call.words.iter().any(|word| word.starts_with(b"-l") || word.starts_with(b"--list")) {
        return call.unsupported("listing modules: the image's policy is compiled");
    }
    call.note("nothing", "the image's policy comes compiled");
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(short: &str, long: &[&str], words: &[&str]) -> String {
        told_with(short, long, false, words)
    }

    fn told_with(short: &str, long: &[&str], alternative: bool, words: &[&str]) -> String {
        let long: Vec<Bytes> = long.iter().map(|name| name.as_bytes().to_vec()).collect();
        let words: Vec<Bytes> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let (given, operands, wrong) = sorted(short.as_bytes(), &long, alternative, &words);
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let given: Vec<String> = given
            .iter()
            .map(|(name, value)| format!("{}={}", text(name), value.as_ref().map(text).unwrap_or("-".into())))
            .collect();
        let operands: Vec<String> = operands.iter().map(text).collect();
        format!("{} | {} | {}", given.join(" "), operands.join(" "), wrong.join("; "))
    }

    #[test]
    fn options_are_sorted_as_getopt_sorts_them() {
        // Oracle: getopt of util-linux 2.38.
        assert_eq!(
            told("ab:c::", &[], &["x", "-ab", "1", "-c2", "-c", "y", "--", "-a"]),
            "-a=- -b=1 -c=2 -c= | x y -a | "
        );
        assert_eq!(told("+a", &[], &["-a", "x", "-a"]), "-a=- | x -a | ");
        assert_eq!(
            told("", &["long", "list:", "may::"], &["--lo", "--list", "1", "--list=2", "--may", "z"]),
            "--long=- --list=1 --list=2 --may= | z | "
        );
        assert_eq!(
            told("a", &["long", "lost"], &["-x", "--lo", "--nix"]),
            " |  | invalid option -- 'x'; unrecognized option '--lo'; unrecognized option '--nix'"
        );
    }

    #[test]
    fn long_options_may_have_one_hyphen_where_that_is_asked_for() {
        // getopt of util-linux 2.38 with `-a`.
        let long = ["help", "src-dir:", "debug::"];
        let words = ["-help", "-src-dir", "x", "-d1", "-deb=3", "-s", "y", "op", "-h"];
        assert_eq!(told_with("hs:d::", &long, true, &words), "--help=- --src-dir=x -d=1 --debug=3 -s=y -h=- | op | ");
    }
}
