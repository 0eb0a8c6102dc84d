//! The bundle of certificate authorities that programs trust: what `update-ca-certificates` makes.
//!
//! All of `/usr/share/ca-certificates` and `/usr/local/share/ca-certificates`, in order of their paths. The links
//! named by subject hashes are left out: Go and GnuTLS read the bundle, and so does OpenSSL by its `cert.pem`.

use crate::assemble::root::Root;
use crate::tree::Kind;

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(crate) fn bundle(root: &mut Root) -> anyhow::Result<()> {
    let mut paths = Vec::new();
    for directory in ["/usr/share/ca-certificates", "/usr/local/share/ca-certificates"] {
        let Some((directory, _)) = root.lookup(directory) else { continue };
        let files = root
            .tree
            .below(&directory)
            .filter(|(path, _, inode)| matches!(inode.kind, Kind::File(_)) && path.name().ends_with(b".crt"));
        paths.extend(files.map(|(path, _, inode)| (path.clone(), inode.kind.clone())));
    }
    if paths.is_empty() {
        return Ok(());
    }
    let mut text: Vec<u8> = Vec::new();
    for (_, kind) in paths {
        let Kind::File(content) = kind else { continue };
        text.extend(content.read(root.inputs.contents)?);
        if text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
    }
    root.file(BUNDLE, 0o644, text)
}
