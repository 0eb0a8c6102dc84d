//! Access control lists as the real setfacl made the kernel keep them.

use super::bench::{Bench, split};
use crate::hex;

/// Options, kind and mode of the file, status, new mode, the two attributes in hexadecimal digits or a hyphen.
const KEPT: &str = include_str!("lists.tsv");

#[test]
fn access_lists_are_those_that_the_kernel_keeps() {
    for line in KEPT.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [options, kind, mode, status, new_mode, access, default] = fields.as_slice() else { panic!("{line}") };
        let octal = |text: &str| u16::from_str_radix(text, 8).unwrap();
        let what = if *kind == "d" { "d" } else { "f" };
        let mut bench = Bench::of_values(&[("t", what, octal(mode), 0, 0)]);
        let outcome = bench.ours(&split(&format!("setfacl {options} t")), 0o022, b"").unwrap();
        let inode = bench.inode("t");
        let shown = |name: &str| inode.xattrs.get(name.as_bytes()).map_or("-".to_owned(), |value| hex::encode(value));
        let ours = (
            outcome.status.to_string(),
            inode.mode,
            shown("system.posix_acl_access"),
            shown("system.posix_acl_default"),
        );
        let wanted = ((*status).to_owned(), octal(new_mode), (*access).to_owned(), (*default).to_owned());
        assert_eq!(ours, wanted, "{line}");
    }
}
