//! The kernel command line: text of `/proc/cmdline` → [`BootOptions`].
//!
//! Words are split as the kernel does (`lib/cmdline.c`, `next_arg`): blanks separate, double quotes keep blanks
//! together and may stand around the value or the whole word, `--` ends the kernel's part. Pure.

use anyhow::{Context as _, Result, bail};

use crate::contract;
use crate::hex;
use crate::root_hash;
use crate::var_filesystem::{VarFilesystem, WORDS};

/// SHA-256 root hash of the dm-verity tree: the trust anchor of everything that is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootHash(pub [u8; 32]);

impl RootHash {
    /// Partition GUIDs of the root and of its hash tree.
    pub fn partition_guids(&self) -> ([u8; 16], [u8; 16]) {
        root_hash::partition_guids(&self.0)
    }
}

impl std::fmt::Display for RootHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// What PID 1 does when it cannot boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// After this many seconds, so that the reason can be read.
    Reboot(u64),
    PowerOff(u64),
    /// Stay, with the reason on the console.
    Halt,
}

/// Seconds between the reason on the console and the reboot, unless `panic=` says otherwise.
const FAILURE_SECONDS: u64 = 10;
/// Smallest `/var` when the command line names none: below it not even one container image fits.
const DEFAULT_VAR_MIN: u64 = 256 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootOptions {
    pub root_hash: RootHash,
    /// First sector (512 bytes) of `/var`; needed only until the partition exists.
    pub var_start: Option<u64>,
    /// File system for a new `/var`.
    pub var_filesystem: &'static VarFilesystem,
    /// Smallest size of a new `/var` in bytes.
    pub var_min: u64,
}

/// Splits a command line into `(key, value)`; the value is `None` for a word without `=`.
pub fn words(text: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut started) = (false, false);
    for character in text.chars().chain(['\n']) {
        match character {
            '"' => {
                quoted = !quoted;
                started = true;
            }
            // An open quote at the end of the text ends there, as in the kernel.
            '\n' if quoted => word.push(' '),
            character if character.is_ascii_whitespace() && !quoted => {
                if started {
                    found.push(std::mem::take(&mut word));
                }
                started = false;
            }
            character => {
                word.push(character);
                started = true;
            }
        }
    }
    if started {
        found.push(word.trim_end().to_owned());
    }
    found
        .into_iter()
        .take_while(|word| word != "--")
        .map(|word| match word.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (word, None),
        })
        .collect()
}

/// The value of an option that may be given once; twice with different values is an error, because guessing which one
/// was meant decides what gets booted or formatted.
pub fn single<'a>(words: &'a [(String, Option<String>)], key: &str) -> Result<Option<&'a str>> {
    let mut found: Option<&str> = None;
    for (_, value) in words.iter().filter(|(word, _)| word == key) {
        let value = value.as_deref().with_context(|| format!("`{key}` on the kernel command line has no value"))?;
        if let Some(first) = found.filter(|first| *first != value) {
            bail!("`{key}` is on the kernel command line twice: `{first}` and `{value}`");
        }
        found = Some(value);
    }
    Ok(found)
}

/// Reads the options of the initrd.
///
/// # Errors
/// A missing or malformed `roothash=` (there is no boot without verity), numbers that are none, unknown choices.
pub fn parse(text: &str) -> Result<BootOptions> {
    let words = words(text);
    let root_hash = single(&words, contract::CMDLINE_ROOT_HASH)?.with_context(|| {
        format!(
            "the kernel command line has no `{}=`: a root without verity is not booted",
            contract::CMDLINE_ROOT_HASH
        )
    })?;
    let root_hash = hex::decode(root_hash)
        .map(RootHash)
        .with_context(|| format!("`{}={root_hash}` is not 64 hexadecimal digits", contract::CMDLINE_ROOT_HASH))?;
    let number = |key| -> Result<Option<u64>> {
        single(&words, key)?
            .map(|value| value.parse().with_context(|| format!("`{key}={value}` is not a whole number")))
            .transpose()
    };
    Ok(BootOptions {
        root_hash,
        var_start: number(contract::CMDLINE_VAR_START)?,
        var_filesystem: match single(&words, contract::CMDLINE_VAR_FS)? {
            None => VarFilesystem::DEFAULT,
            Some(word) => VarFilesystem::named(word).with_context(|| {
                format!("`{}={word}`: must be `{}`", contract::CMDLINE_VAR_FS, WORDS.join("` or `"))
            })?,
        },
        var_min: number(contract::CMDLINE_VAR_MIN)?.unwrap_or(DEFAULT_VAR_MIN),
    })
}

/// What to do on failure. Never fails itself: it is asked when something has already gone wrong, so anything it does
/// not understand means the default.
pub fn on_failure(text: &str) -> OnFailure {
    let words = words(text);
    let last = |key: &str| words.iter().rev().find(|(word, _)| word == key).and_then(|(_, value)| value.as_deref());
    let panic = last("panic").and_then(|value| value.parse::<i64>().ok());
    // As in the kernel: 0 waits for ever, a negative number does not wait.
    let seconds = panic.map_or(FAILURE_SECONDS, |seconds| u64::try_from(seconds).unwrap_or(0));
    match last(contract::CMDLINE_ON_FAILURE) {
        Some("halt") => OnFailure::Halt,
        Some("poweroff") => OnFailure::PowerOff(seconds),
        Some("reboot") => OnFailure::Reboot(seconds),
        _ if panic == Some(0) => OnFailure::Halt,
        _ => OnFailure::Reboot(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";

    #[test]
    fn quotes_keep_blanks_around_the_value_or_the_whole_word() {
        let pair = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        assert_eq!(
            words("quiet  a=\"b c\" \"d=e f\" g=\"\" -- roothash=x\n"),
            [pair("quiet", None), pair("a", Some("b c")), pair("d", Some("e f")), pair("g", Some(""))]
        );
        assert_eq!(words("a=\"open end\n"), [pair("a", Some("open end"))]);
        assert_eq!(words(""), []);
    }

    #[test]
    fn options_are_read_with_their_defaults() {
        let options = parse(&format!("console=ttyS0 roothash={HASH} nodesmith.var-start=4096")).unwrap();
        assert_eq!(options.var_start, Some(4096));
        assert_eq!(options.var_filesystem, VarFilesystem::DEFAULT);
        assert_eq!(options.root_hash.to_string(), HASH);
        let (root, verity) = options.root_hash.partition_guids();
        assert_eq!((root[0], root[15], verity[0], verity[15]), (0x00, 0xff, 0x0f, 0xf0));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (text, expected) in [
            ("quiet".to_owned(), "no `roothash=`"),
            ("roothash=12".to_owned(), "not 64 hexadecimal digits"),
            (format!("roothash={HASH} nodesmith.var-start=1k"), "not a whole number"),
            (format!("roothash={HASH} nodesmith.var-fs=btrfs"), "must be `ext4` or `xfs`"),
            (format!("roothash={HASH} roothash={}", HASH.replace("00", "01")), "twice"),
            (format!("roothash={HASH} nodesmith.var-min"), "no value"),
        ] {
            let error = format!("{:#}", parse(&text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn failure_follows_panic_and_the_explicit_choice() {
        assert_eq!(on_failure(""), OnFailure::Reboot(10));
        assert_eq!(on_failure("panic=30"), OnFailure::Reboot(30));
        assert_eq!(on_failure("panic=0"), OnFailure::Halt);
        assert_eq!(on_failure("panic=-1"), OnFailure::Reboot(0));
        assert_eq!(on_failure("panic=5 nodesmith.on-failure=poweroff"), OnFailure::PowerOff(5));
        assert_eq!(on_failure("nodesmith.on-failure=halt"), OnFailure::Halt);
    }
}
