//! `grub.cfg`: a menu of kernels, and command lines that reach the kernel as they were written.
//!
//! GRUB's shell takes a command line apart, and its `linux` command puts it together again
//! (`grub_create_loader_cmdline`): it puts quotes around words with blanks, and a backslash in front of quotes and
//! backslashes, which the kernel would take for a part of the word.

use anyhow::bail;

/// A line of the menu. Paths are GRUB's: `/grub/vmlinuz` lies on the partition of the prefix.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub title: &'a str,
    pub linux: &'a str,
    pub initrd: &'a str,
    pub command_line: &'a str,
}

/// The first entry starts at once; if it cannot be loaded, the next one. The console is the screen, and the first
/// serial port if there is one. Needs the modules `normal`, `linux`, `serial`, `terminal` and those for disk and file
/// system. What GRUB or the kernel would read otherwise than it is written is an error that names it.
pub fn config(entries: &[Entry<'_>]) -> anyhow::Result<String> {
    let mut text = "set timeout=0\nset default=0\nset fallback=\"1\"\n".to_owned();
    text += "if serial --unit=0 --speed=115200; then\n";
    text += "    terminal_input console serial\n    terminal_output console serial\nfi\n";
    for Entry { title, linux, initrd, command_line } in entries {
        let mut words = vec![quoted(linux)?];
        for word in words_of(command_line) {
            words.push(quoted(&argument(word)?)?);
        }
        text += &format!("menuentry {} {{\n", quoted(title)?);
        text += &format!("    linux {}\n    initrd {}\n}}\n", words.join(" "), quoted(initrd)?);
    }
    Ok(text)
}

/// Words as the kernel takes them apart (`lib/cmdline.c`): blanks between double quotes belong to a word.
fn words_of(command_line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let words = command_line.split(move |character: char| {
        is_quoted ^= character == '"';
        character.is_ascii_whitespace() && !is_quoted
    });
    words.filter(|word| !word.is_empty())
}

/// What GRUB's `linux` command must be given for the kernel to read `word`. Quotes around the whole word or its value
/// go: the kernel takes them off, and GRUB puts its own where blanks need them.
pub fn argument(word: &str) -> anyhow::Result<String> {
    let (key, value) = match word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(whole) => ("", whole),
        None => word.split_at(word.find('=').map_or(0, |at| at + 1)),
    };
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let argument = format!("{key}{value}");
    if argument.contains(['"', '\'', '\\']) || argument.contains('\t') {
        bail!("GRUB cannot give the kernel the word `{word}`: quotes inside a word, tabs and backslashes would change");
    }
    Ok(argument)
}

/// A word of GRUB's shell: as it is where it has no meaning there, else between single quotes.
fn quoted(word: &str) -> anyhow::Result<String> {
    if word.contains('\'') || word.contains(char::is_control) {
        bail!("GRUB cannot be given `{}`: it has a quote or a control character", word.escape_debug());
    }
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./=:,+@%".contains(character);
    Ok(if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{word}'") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(command_line: &str) -> Entry<'_> {
        Entry { title: "worker 1.36.2-1", linux: "/grub/vmlinuz", initrd: "/grub/initrd", command_line }
    }

    #[test]
    fn a_configuration_reads_like_this() {
        let text = config(&[
            entry("roothash=00ff  panic=10 dyndbg=\"file x.c +p; func $y +p\" \"a b\" {x} console=ttyS0"),
            Entry { title: "the version before", linux: "/grub/b/vmlinuz", initrd: "/grub/b/initrd", command_line: "" },
        ]);
        insta::assert_snapshot!(text.unwrap(), @r#"
        set timeout=0
        set default=0
        set fallback="1"
        if serial --unit=0 --speed=115200; then
            terminal_input console serial
            terminal_output console serial
        fi
        menuentry 'worker 1.36.2-1' {
            linux /grub/vmlinuz roothash=00ff panic=10 'dyndbg=file x.c +p; func $y +p' 'a b' '{x}' console=ttyS0
            initrd /grub/initrd
        }
        menuentry 'the version before' {
            linux /grub/b/vmlinuz
            initrd /grub/b/initrd
        }
        "#);
    }

    #[test]
    fn words_that_would_change_are_refused() {
        for word in ["a=b\"c d\"", "it's", "a\\b", "a=\"b\tc\"", "\"open", "a=\"\"b\"\""] {
            let error = config(&[entry(word)]).unwrap_err().to_string();
            assert!(error.starts_with("GRUB cannot give the kernel the word"), "{error}");
        }
        let error = config(&[Entry { title: "it's", ..entry("") }]).unwrap_err().to_string();
        assert_eq!(error, "GRUB cannot be given `it\\'s`: it has a quote or a control character");
        assert!(config(&[Entry { linux: "/a\nb", ..entry("") }]).is_err());
    }

    #[test]
    fn quotes_around_values_are_the_kernels_to_take_off() {
        let argument = |word| argument(word).unwrap();
        assert_eq!(argument("a=\"b\""), "a=b");
        assert_eq!(argument("\"a=b c\""), "a=b c");
        assert_eq!(argument("a=b=c"), "a=b=c");
        assert_eq!(argument("\"\""), "");
    }
}
