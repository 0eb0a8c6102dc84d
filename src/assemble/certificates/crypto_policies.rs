//! Red Hat's system-wide policies of cryptography: the links by which OpenSSL, OpenSSH, GnuTLS and Kerberos find
//! theirs.
//!
//! What `crypto-policies` does in `%post`: every file of `/usr/share/crypto-policies/POLICY` gets a link in
//! `/etc/crypto-policies/back-ends`. The policy is the one that `/etc/crypto-policies/config` names, which an overlay
//! may bring; subpolicies (`DEFAULT:SHA1`) would have to be computed by Red Hat's own program.

use crate::assemble::root::Root;
use crate::diag::Diagnostic;

const SHARE: &str = "/usr/share/crypto-policies";
const CONFIGURATION: &str = "/etc/crypto-policies";

pub(crate) fn link(root: &mut Root) -> anyhow::Result<()> {
    if !root.exists(&format!("{SHARE}/DEFAULT")) {
        return Ok(());
    }
    let configuration = root.read_text(&format!("{CONFIGURATION}/config"))?.unwrap_or_default();
    let mut lines = configuration.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let policy = lines.next().unwrap_or("DEFAULT").to_owned();
    let plain = policy.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    let directory = format!("{SHARE}/{policy}");
    let Some((found, _)) = root.lookup(&directory).filter(|_| plain) else {
        root.mistakes.push(
            Diagnostic::new("unknown-crypto-policy", format!("`{CONFIGURATION}/config` names the policy `{policy}`"))
                .help(format!("choose one of the directories in {SHARE}; subpolicies are not computed here")),
        );
        return Ok(());
    };
    let files: Vec<String> =
        root.tree.children(&found).map(|(path, _, _)| String::from_utf8_lossy(path.name()).into_owned()).collect();
    for file in files {
        let backend = file.split('.').next().unwrap_or(&file);
        let link = format!("{CONFIGURATION}/back-ends/{backend}.config");
        if !backend.is_empty() && !root.exists(&link) {
            root.symlink(&link, &format!("{directory}/{file}"))?;
        }
    }
    if configuration.is_empty() {
        root.file(&format!("{CONFIGURATION}/config"), 0o644, format!("{policy}\n"))?;
    }
    root.file(&format!("{CONFIGURATION}/state/current"), 0o644, format!("{policy}\n"))
}
