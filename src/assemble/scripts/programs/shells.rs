//! Programs that run programs, and small questions about the machine.

use super::call::Call;
use super::options::parse;
use super::row::Row;
use crate::assemble::scripts::dates::Date;
use crate::shell::{Bytes, Dialect, Stop, World};

const NO_PROCESS: &str = "no process runs while an image is built";

pub const ROWS: &[Row] = &[
    Row::native("sh", sh, "interpreted, like the scripts themselves"),
    Row::native("dash", sh, "interpreted, like the scripts themselves"),
    Row::native("bash", sh, "interpreted, like the scripts themselves"),
    Row::native("env", env, "runs the program that it names"),
    Row::native("su", su, "runs the command; who runs it does not matter on a tree"),
    Row::native("runuser", su, "runs the command; who runs it does not matter on a tree"),
    Row::native("nice", behind_options, "runs the program that it names"),
    Row::native("ionice", behind_options, "runs the program that it names"),
    Row::native("nohup", behind_options, "runs the program that it names"),
    Row::native("setsid", behind_options, "runs the program that it names"),
    Row::native("setpriv", behind_options, "runs the program that it names; who runs it does not matter on a tree"),
    Row::native("chronic", behind_options, "runs the program that it names"),
    Row::native("timeout", timeout, "runs the program that it names; time stands still"),
    Row::native("flock", flock, "runs the program that it names; nobody else writes"),
    Row::native("uname", uname, "the image's kernel, and never the builder's"),
    Row::native("arch", arch, "the image's architecture"),
    Row::native("date", date, "the recipe's epoch: an image does not depend on when it is built"),
    Row::native("chroot", chroot, "`chroot /` runs the program that it names"),
    Row::answer("nproc", 0, "1\n", "a node's processors are not known"),
    Row::answer("tty", 1, "not a tty\n", "there is no terminal"),
    Row::answer("stty", 1, "", "there is no terminal"),
    Row::answer("tput", 1, "", "there is no terminal"),
    Row::answer("clear", 0, "", "there is no terminal"),
    Row::answer("pidof", 1, "", NO_PROCESS),
    Row::answer("pgrep", 1, "", NO_PROCESS),
    Row::answer("pkill", 1, "", NO_PROCESS),
    Row::answer("killall", 1, "", NO_PROCESS),
    Row::answer("killall5", 1, "", NO_PROCESS),
    Row::answer("kill", 1, "", NO_PROCESS),
    Row::answer("fuser", 1, "", NO_PROCESS),
    Row::answer("lsof", 1, "", NO_PROCESS),
    Row::answer("ps", 0, "  PID TTY          TIME CMD\n", NO_PROCESS),
    Row::answer("pstree", 0, "", NO_PROCESS),
    Row::answer("ischroot", 0, "", "a root that is made is like a chroot: nothing of it runs"),
    Row::answer(
        "selinuxenabled",
        1,
        "",
        "the kernel that builds has no policy of the image; the build labels every file",
    ),
    Row::answer(
        "getenforce",
        0,
        "Disabled\n",
        "the kernel that builds has no policy of the image; the build labels every file",
    ),
    Row::answer("aa-enabled", 1, "", "the kernel that builds has no profiles of the image"),
    Row::answer("aa-status", 1, "", "the kernel that builds has no profiles of the image"),
    Row::answer("runlevel", 1, "unknown\n", NO_PROCESS),
    Row::answer("dmesg", 0, "", "an image has no kernel log"),
    Row::answer("swapon", 0, "", "no swap is on"),
    Row::nothing("swapoff", "no swap is on"),
    Row::nothing("sleep", "time stands still while an image is built"),
    Row::nothing("usleep", "time stands still while an image is built"),
    Row::nothing("logger", "nobody reads a log of the build"),
    Row::nothing("wall", "nobody is logged in"),
    Row::nothing("renice", NO_PROCESS),
    Row::nothing("apparmor_parser", "profiles are loaded on the node when it starts"),
    Row::nothing("aa-remove-unknown", "profiles are loaded on the node when it starts"),
    Row::nothing("aa-disable", "profiles are loaded on the node when it starts"),
    Row::nothing("setsebool", "booleans are a policy's, and the image's policy comes compiled"),
    Row::nothing("py3compile", "Python makes its byte code when it runs; on a read-only root it does without"),
    Row::nothing("pycompile", "Python makes its byte code when it runs; on a read-only root it does without"),
    Row::nothing("py3clean", "there is no byte code"),
    Row::nothing("pyclean", "there is no byte code"),
    Row::nothing("pypy3compile", "Python makes its byte code when it runs; on a read-only root it does without"),
    Row::nothing("pypy3clean", "there is no byte code"),
    Row::nothing("dh_python3", "there is no byte code"),
    Row::nothing("mandb", "an index of manual pages, which nodes do not have"),
    Row::nothing("catman", "an index of manual pages, which nodes do not have"),
    Row::nothing("install-info", "an index of info pages, which nodes do not have"),
    Row::nothing("update-info-dir", "an index of info pages, which nodes do not have"),
    Row::nothing("install-docs", "an index of documentation, which nodes do not have"),
    Row::nothing("update-mime", "desktops' file types, which nodes do not have"),
    Row::nothing("update-mime-database", "desktops' file types, which nodes do not have"),
    Row::nothing("update-desktop-database", "desktops' menus, which nodes do not have"),
    Row::nothing("update-menus", "desktops' menus, which nodes do not have"),
    Row::nothing("gtk-update-icon-cache", "a cache of icons, which programs do without"),
    Row::nothing("update-icon-caches", "a cache of icons, which programs do without"),
    Row::nothing("update-gtk-immodules", "modules of desktop programs"),
    Row::nothing("gdk-pixbuf-query-loaders", "modules of desktop programs"),
    Row::nothing("/usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders", "modules of desktop programs"),
    Row::nothing("/usr/lib/x86_64-linux-gnu/glib-2.0/glib-compile-schemas", "settings of desktop programs"),
    Row::nothing("/usr/lib/x86_64-linux-gnu/glib-2.0/gio-querymodules", "modules of desktop programs"),
    Row::nothing("/usr/lib/x86_64-linux-gnu/libgtk-3-0t64/gtk-query-immodules-3.0", "modules of desktop programs"),
    Row::nothing("glib-compile-schemas", "settings of desktop programs"),
    Row::nothing("gio-querymodules", "modules of desktop programs"),
    Row::nothing("gconf-schemas", "settings of desktop programs"),
    Row::nothing("dconf", "settings of desktop programs"),
    Row::nothing("fc-cache", "a cache of fonts, which programs make when they need it"),
    Row::nothing("mkfontdir", "an index of fonts for X servers"),
    Row::nothing("mkfontscale", "an index of fonts for X servers"),
    Row::nothing("update-fonts-dir", "an index of fonts for X servers"),
    Row::nothing("update-fonts-scale", "an index of fonts for X servers"),
    Row::nothing("update-fonts-alias", "an index of fonts for X servers"),
    Row::nothing("xdg-icon-resource", "a cache of icons, which programs do without"),
    Row::nothing("update-xmlcatalog", "an index of XML catalogues, by which documentation is made"),
    Row::nothing("xmlcatalog", "an index of XML catalogues, by which documentation is made"),
    Row::nothing("update-catalog", "an index of SGML catalogues, by which documentation is made"),
    Row::nothing("install-catalog", "an index of SGML catalogues, by which documentation is made"),
    Row::nothing("update-dictcommon-hunspell", "spelling for desktops"),
    Row::nothing("update-dictcommon-aspell", "spelling for desktops"),
    Row::nothing("aspell-autobuildhash", "spelling for desktops"),
    Row::nothing("update-perl-sax-parsers", "an index of Perl's XML parsers, which asks for it when it is missing"),
    Row::nothing("emacs-package-install", "byte code of Emacs' packages"),
    Row::nothing("/usr/lib/emacsen-common/emacs-package-install", "byte code of Emacs' packages"),
    Row::nothing("/usr/lib/emacsen-common/emacs-install", "byte code of Emacs' packages"),
    Row::nothing("emacs-package-remove", "byte code of Emacs' packages"),
    Row::nothing("mktexlsr", "an index of TeX's files"),
    Row::nothing("locale-gen", "locales other than C and C.UTF-8 are not compiled"),
    Row::nothing("localedef", "locales other than C and C.UTF-8 are not compiled"),
    Row::nothing("build-locale-archive", "locales other than C and C.UTF-8 are not compiled"),
    Row::nothing("update-locale", "the recipe's `locale` says it"),
    Row::nothing("validlocale", "locales other than C and C.UTF-8 are not compiled"),
    Row::nothing("setupcon", "a console's font is set when it is there"),
    Row::nothing("loadkeys", "a console's keys are set when it is there"),
    Row::nothing("savedefault", "the builder makes the boot files"),
    Row::nothing("linux-update-symlinks", "links to kernels in /boot, which the builder does without"),
    Row::nothing("linux-check-removal", "no kernel is removed"),
    Row::nothing("linux-run-hooks", "hooks that make boot files, which the builder makes"),
    Row::nothing("alsactl", "sound of desktops"),
    Row::nothing("update-binfmts", "formats are registered on the node, when the service starts"),
    Row::nothing("dmsetup", "devices are the node's"),
    Row::nothing("mdadm", "devices are the node's"),
    Row::nothing("vgchange", "devices are the node's"),
    Row::nothing("pvscan", "devices are the node's"),
    Row::nothing("blkid", "devices are the node's"),
    Row::nothing("partprobe", "devices are the node's"),
    Row::nothing("iptables", "rules are the node's"),
    Row::nothing("ip6tables", "rules are the node's"),
    Row::nothing("nft", "rules are the node's"),
    Row::nothing("firewall-cmd", NO_PROCESS),
    Row::nothing("rndc", NO_PROCESS),
    Row::nothing("chronyc", NO_PROCESS),
    Row::nothing("reload-apparmor", "profiles are loaded on the node when it starts"),
    Row::done("ldconfig", "the builder writes the loader's cache where the distribution has one"),
    Row::done("depmod", "the builder writes the modules' indexes"),
    Row::done("update-ca-certificates", "the builder makes the bundle of authorities"),
    Row::done("update-ca-trust", "the builder makes the bundles of authorities"),
    Row::done("pam-auth-update", "the builder makes the common files of PAM from the profiles"),
    Row::done("authselect", "the builder makes PAM's and NSS's files from the profile"),
    Row::done("authconfig", "the builder makes PAM's and NSS's files from the profile"),
    Row::done("update-crypto-policies", "the builder links the policy's files"),
    Row::done("update-initramfs", "the image brings its own initrd"),
    Row::done("mkinitramfs", "the image brings its own initrd"),
    Row::done("dracut", "the image brings its own initrd"),
    Row::done("mkinitrd", "the image brings its own initrd"),
    Row::done("new-kernel-pkg", "the builder makes the boot files"),
    Row::done("grubby", "the builder makes the boot files"),
    Row::done("update-grub", "the builder makes the boot files"),
    Row::done("grub-install", "the builder makes the boot files"),
    Row::done("grub2-mkconfig", "the builder makes the boot files"),
    Row::done("grub-mkconfig", "the builder makes the boot files"),
    Row::done("weak-modules", "the builder writes the modules' indexes"),
    Row::done("dkms", "modules are built before an image is, and not in it"),
    Row::refuse("hostid", "an image has no name: its nodes get theirs from metadata"),
    Row::refuse("ip", "the network is the node's"),
    Row::refuse("ifconfig", "the network is the node's"),
    Row::refuse("route", "the network is the node's"),
    Row::refuse("wget", "there is no network while an image is built"),
    Row::refuse("curl", "there is no network while an image is built"),
    Row::native("perl", perl, "no Perl runs while an image is built; an empty program does nothing"),
    Row::refuse("python3", "no Python runs while an image is built"),
    Row::refuse("python", "no Python runs while an image is built"),
    Row::refuse("ruby", "no Ruby runs while an image is built"),
    Row::refuse("php", "no PHP runs while an image is built"),
    Row::refuse("gcc", "nothing is compiled while an image is built"),
    Row::refuse("mysql", "a database does not run while an image is built"),
    Row::refuse("psql", "a database does not run while an image is built"),
    Row::refuse("sudo", "a script is root already"),
    Row::refuse("gpg", "keys come into an image as files"),
];

/// Whether Perl is there is what `perl -e ""` asks.
fn perl(call: &mut Call) -> Result<u8, Stop> {
    match call.words {
        [flag, program] if flag == b"-e" && matches!(program.as_slice(), b"" | b"1" | b"1;" | b"exit 0") => Ok(0),
        _ => Err(Stop::refused("perl", "no Perl runs while an image is built")),
    }
}

fn sh(call: &mut Call) -> Result<u8, Stop> {
    let mut flags = Vec::new();
    let mut words = call.words;
    let mut command = None;
    while let Some((word, rest)) = words.split_first() {
        match word.as_slice() {
            b"--" => {
                words = rest;
                break;
            }
            b"-" => words = rest,
            b"-o" | b"+o" => {
                flags.extend([word.clone(), rest.first().cloned().unwrap_or_default()]);
                words = rest.get(1..).unwrap_or_default();
            }
            b"--posix" | b"--norc" | b"--noprofile" | b"-l" | b"--login" => words = rest,
            [b'-', letters @ ..] if !letters.is_empty() && !letters.starts_with(b"-") => {
                let (with_command, others): (Vec<u8>, Vec<u8>) = letters.iter().partition(|letter| **letter == b'c');
                words = rest;
                if !others.is_empty() {
                    flags.push([b"-".as_slice(), &others].concat());
                }
                if !with_command.is_empty() {
                    command = words.first().cloned();
                    words = words.get(1..).unwrap_or_default();
                    break;
                }
            }
            [b'-', ..] => return call.unsupported(format!("the option `{}`", String::from_utf8_lossy(word))),
            _ => break,
        }
    }
    let own = call.machine.dialect();
    let dialect = match call.name {
        "dash" => Dialect::Dash,
        "bash" => Dialect::Bash,
        _ => own,
    };
    let (text, name, arguments) = match command {
        Some(text) => {
            let name = words.first().cloned().unwrap_or_else(|| call.name.as_bytes().to_vec());
            (text, name, words.get(1..).unwrap_or_default().to_vec())
        }
        None => match words.split_first() {
            None => (call.input(), call.name.as_bytes().to_vec(), Vec::new()),
            Some((file, arguments)) => match call.machine.files.read(&call.path(file))? {
                Ok(text) => (text, file.clone(), arguments.to_vec()),
                Err(errno) => return call.fail(127, format!("{}: {errno}", String::from_utf8_lossy(file))),
            },
        },
    };
    let mut set = Vec::new();
    for flag in flags {
        set.extend_from_slice(b"set ");
        set.extend(flag);
        set.push(b';');
    }
    // On the first line, so that lines keep their numbers.
    let text = [set, text].concat();
    call.machine.run_text(call.shell, dialect, &name, &arguments, &text)
}

fn env(call: &mut Call) -> Result<u8, Stop> {
    let mut shell = call.shell.clone();
    let mut words = call.words;
    while let Some((word, rest)) = words.split_first() {
        if word == b"-i" || word == b"-" {
            shell.variables.retain(|_, variable| !variable.exported);
        } else if word == b"-u" {
            let name = rest.first().cloned().unwrap_or_default();
            shell.variables.remove(&name);
            words = rest.get(1..).unwrap_or_default();
            continue;
        } else if word == b"--" {
            words = rest;
            break;
        } else if word.starts_with(b"-") {
            return call.unsupported(format!("the option `{}`", String::from_utf8_lossy(word)));
        } else if let Some(at) = word.iter().position(|byte| *byte == b'=') {
            shell.export(&word[..at], word[at + 1..].to_vec());
        } else {
            break;
        }
        words = rest;
    }
    if words.is_empty() {
        for (name, value) in shell.environment() {
            call.out([name.as_slice(), b"=", &value, b"\n"].concat())?;
        }
        return Ok(0);
    }
    // A program, never a built-in of the shell.
    call.machine.run(&mut shell, words)
}

fn su(call: &mut Call) -> Result<u8, Stop> {
    const KNOWN: &[&str] = &[
        "c|command=",
        "s|shell=",
        "l|login",
        "m|p|preserve-environment",
        "u|user=",
        "g|group=",
        "G|supp-group=",
        "f|fast",
    ];
    let options = parse(call, KNOWN, true)?;
    let mut operands: Vec<Bytes> = options.operands.clone();
    operands.retain(|word| word != b"-");
    if let Some(command) = options.value("c").cloned() {
        let dialect = call.machine.dialect();
        return call.machine.run_text(call.shell, dialect, b"sh", operands.get(1..).unwrap_or_default(), &command);
    }
    if options.has("u") && !operands.is_empty() {
        return call.run(&operands);
    }
    call.unsupported("being called without a command")
}

/// The program behind the options; those with a value take it in the same word or after `-n`.
fn behind_options(call: &mut Call) -> Result<u8, Stop> {
    let mut words = call.words;
    while let Some((word, rest)) = words.split_first().filter(|(word, _)| word.starts_with(b"-")) {
        let takes_value =
            [b"-n".as_slice(), b"-c", b"-p", b"--reuid", b"--regid", b"--groups"].contains(&word.as_slice());
        words = if takes_value { rest.get(1..).unwrap_or_default() } else { rest };
        if word == b"--" {
            break;
        }
    }
    if words.is_empty() { Ok(0) } else { call.run(words) }
}

fn timeout(call: &mut Call) -> Result<u8, Stop> {
    let options = parse(call, &["k|kill-after=", "s|signal=", "preserve-status", "foreground", "v|verbose"], false)?;
    match options.operands.split_first() {
        Some((_, words)) if !words.is_empty() => call.run(words),
        _ => call.fail(125, "missing operand"),
    }
}

fn flock(call: &mut Call) -> Result<u8, Stop> {
    const KNOWN: &[&str] = &[
        "s|shared",
        "x|e|exclusive",
        "u|unlock",
        "n|nonblock",
        "w|timeout=",
        "o|close",
        "E|conflict-exit-code=",
        "c|command=",
    ];
    let options = parse(call, KNOWN, false)?;
    match (options.operands.split_first(), options.value("c").cloned()) {
        (Some(_), Some(command)) => call.run(&[b"sh".to_vec(), b"-c".to_vec(), command]),
        (Some((_, [flag, command])), None) if flag == b"-c" => {
            call.run(&[b"sh".to_vec(), b"-c".to_vec(), command.clone()])
        }
        (Some((_, words)), None) if !words.is_empty() => call.run(words),
        _ => Ok(0),
    }
}

fn chroot(call: &mut Call) -> Result<u8, Stop> {
    match call.words.split_first() {
        Some((root, words)) if root.iter().all(|byte| *byte == b'/') && !root.is_empty() && !words.is_empty() => {
            call.run(words)
        }
        _ => call.unsupported("any other root than `/`"),
    }
}

fn uname(call: &mut Call) -> Result<u8, Stop> {
    const KNOWN: &[&str] = &[
        "a|all",
        "s|kernel-name",
        "n|nodename",
        "r|kernel-release",
        "v|kernel-version",
        "m|machine",
        "p|processor",
        "i|hardware-platform",
        "o|operating-system",
    ];
    let options = parse(call, KNOWN, true)?;
    if options.has("n") && options.given.len() == 1 {
        return super::first_boot::name_of_the_node(call);
    }
    let arch = call.machine.arch.name;
    let mut words = Vec::new();
    if options.given.is_empty() || options.has("s") {
        words.push("Linux".to_owned());
    }
    for (option, _) in &options.given {
        match *option {
            "s" => {}
            "r" => match &call.machine.kernel_release {
                Some(release) => words.push(release.clone()),
                None => {
                    return Err(Stop::refused(
                        "uname",
                        "no package of the image brings a kernel, and the builder's own is not the image's",
                    ));
                }
            },
            "m" | "p" | "i" => words.push(arch.to_owned()),
            "o" => words.push("GNU/Linux".to_owned()),
            _ => return Err(Stop::refused("uname", "an image has no name, and its kernel has not started")),
        }
    }
    call.out(format!("{}\n", words.join(" ")))?;
    Ok(0)
}

fn arch(call: &mut Call) -> Result<u8, Stop> {
    let arch = call.machine.arch.name;
    call.out(format!("{arch}\n"))?;
    Ok(0)
}

const STANDARD: &[u8] = b"%a %b %e %H:%M:%S UTC %Y";

/// `date`: of the recipe's epoch, in UTC.
fn date(call: &mut Call) -> Result<u8, Stop> {
    let options =
        parse(call, &["u|utc|universal", "d|date=", "R|rfc-email", "I|iso-8601?", "r|reference=", "rfc-3339="], true)?;
    let mut time = call.machine.files.epoch;
    if let Some(file) = options.value("r") {
        match call.machine.files.facts(&call.path(file), true) {
            Some(facts) => time = facts.mtime,
            None => return call.fail(1, format!("{}: No such file or directory", String::from_utf8_lossy(file))),
        }
    }
    if let Some(text) = options.text("d") {
        match text.strip_prefix('@').map(str::parse) {
            Some(Ok(seconds)) => time = seconds,
            // What `date` itself prints without a format.
            _ if ["now", "today"].contains(&text.as_str())
                || Date::of(time).gnu_format(STANDARD) == Ok(text.clone().into_bytes()) => {}
            _ => return call.unsupported(format!("the date `{text}`")),
        }
    }
    let format = match options.operands.first() {
        Some(word) if word.starts_with(b"+") => &word[1..],
        Some(_) => return call.unsupported("setting the clock"),
        None if options.has("R") => b"%a, %d %b %Y %H:%M:%S +0000",
        None if options.has("I") => b"%Y-%m-%d",
        None => STANDARD,
    };
    match Date::of(time).gnu_format(format) {
        Ok(text) => call.out([text.as_slice(), b"\n"].concat())?,
        Err(letter) => return call.unsupported(format!("`%{letter}`")),
    }
    Ok(0)
}
