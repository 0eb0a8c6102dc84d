//! What the kernel command line wants installed, and where to: `nodesmith.netdisk=`, `nodesmith.install=` and their
//! companions. Pure.

use anyhow::{Context as _, Result, bail};

use crate::agent::initrd::{cmdline, netboot};
use crate::contract;
use crate::hex;
use crate::install_choice::Choice;

/// An installation that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub from: From,
    /// Of head and index together.
    pub sha256: [u8; 32],
    pub choice: Choice,
    /// A disk that holds something may be taken.
    pub overwrite: bool,
}

/// Where the netdisk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// A CD or a stick: `cd`.
    Medium,
    Network(Box<netboot::Request>),
}

impl Request {
    /// Reads `/proc/cmdline`; `None` if nothing is to be installed.
    ///
    /// # Errors
    /// A word that is not known, is missing, or contradicts another.
    pub fn of(text: &str) -> Result<Option<Request>> {
        let words = cmdline::words(text);
        let Some(choice) = cmdline::single(&words, contract::CMDLINE_INSTALL)? else { return Ok(None) };
        let choice =
            Choice::parse(choice).with_context(|| format!("reading `{}={choice}`", contract::CMDLINE_INSTALL))?;
        let netdisk = cmdline::single(&words, contract::CMDLINE_NETDISK)?;
        let netdisk = netdisk.with_context(|| {
            format!("there is `{}=`, but no `{}=`", contract::CMDLINE_INSTALL, contract::CMDLINE_NETDISK)
        })?;
        let key = contract::CMDLINE_NETDISK_SHA256;
        let sha256 = cmdline::single(&words, key)?.with_context(|| {
            format!("there is no `{key}=`: what is installed must be known, or anybody could change it on its way")
        })?;
        let sha256 = hex::decode(sha256).with_context(|| format!("`{key}={sha256}` is not 64 hexadecimal digits"))?;
        let key = contract::CMDLINE_INSTALL_OVERWRITE;
        let overwrite = match cmdline::single(&words, key)? {
            None | Some("no") => false,
            Some("yes") => true,
            Some(other) => bail!("`{key}={other}`: must be `yes` or `no`"),
        };
        let from = match netdisk {
            "cd" => From::Medium,
            _ => From::Network(Box::new(netboot::Request::of(text)?.context("there is no netdisk")?)),
        };
        Ok(Some(Request { from, sha256, choice, overwrite }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";

    #[test]
    fn nothing_is_installed_unless_it_is_asked_for() {
        assert_eq!(Request::of("roothash=x nodesmith.netdisk=cd").unwrap(), None);
        let text = format!("nodesmith.netdisk=cd nodesmith.netdisk.sha256={HASH} nodesmith.install=only");
        let request = Request::of(&text).unwrap().unwrap();
        assert_eq!((&request.from, request.sha256[1], request.overwrite), (&From::Medium, 0x11, false));
        assert_eq!(request.choice, Choice { words: "only".to_owned(), ..Choice::default() });
        let request = Request::of(&format!("{text} nodesmith.install.overwrite=yes")).unwrap().unwrap();
        assert!(request.overwrite);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let whole = format!("nodesmith.netdisk=cd nodesmith.netdisk.sha256={HASH}");
        for (text, expected) in [
            ("nodesmith.install=only".to_owned(), "no `nodesmith.netdisk=`"),
            ("nodesmith.netdisk=cd nodesmith.install=only".to_owned(), "no `nodesmith.netdisk.sha256=`"),
            (format!("{whole}0 nodesmith.install=only"), "not 64 hexadecimal digits"),
            (format!("{whole} nodesmith.install=biggest"), "`biggest` says of no disk"),
            (format!("{whole} nodesmith.install=vendor=x"), "`vendor=x` says of no disk"),
            (format!("{whole} nodesmith.install=serial="), "`serial=` names nothing"),
            (format!("{whole} nodesmith.install="), "`` says of no disk"),
            (format!("{whole} nodesmith.install=size>=20X"), "`X` in `20X` is no unit"),
            (format!("{whole} nodesmith.install=size>=G"), "`G` is no size"),
            (format!("{whole} nodesmith.install=size<=99999999999T"), "larger than any disk"),
            (format!("{whole} nodesmith.install=only nodesmith.install=smallest"), "twice"),
            (format!("{whole} nodesmith.install=only nodesmith.install.overwrite=ja"), "must be `yes` or `no`"),
        ] {
            let error = format!("{:#}", Request::of(&text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
