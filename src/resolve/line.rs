//! The kernel's line: of the recipe's kernel package only the versions of the line that the recipe promises are on
//! offer, unless it names a version itself.
//!
//! A version is of the line 6.1 if it begins with it and no digit follows: 6.1.150 is, 6.12.9 is not. Epochs are no
//! part of it. Debian's meta packages carry the version of the kernel that they bring, so the same holds for them.

use std::collections::BTreeMap;

use super::mistakes::{OFFERED, all_offered};
use super::versions::{newer, without_epoch};
use crate::diag::{Diagnostic, Diagnostics};
use crate::recipe::{Kernel, PackageRequest};
use crate::repo::{Index, Offer};

/// Takes the kernel's versions of other lines out of the index. Where none of its line is left, that is a mistake at
/// the recipe's `line`, told together with `requests` that nothing offers; the index is then as it was.
pub fn keep_line(kernel: &Kernel, requests: &[&PackageRequest], index: &mut Index) -> Result<(), Diagnostics> {
    let PackageRequest { name, version, .. } = &kernel.package;
    let offers = || index.offers.iter().filter(|offer| offer.id.name == *name);
    if version.is_some() || offers().next().is_none() {
        return Ok(());
    }
    if !offers().any(|offer| is_of_line(&offer.id.version, &kernel.line)) {
        let mut found = Diagnostics::from(no_such_line(kernel, offers()));
        if let Err(others) = all_offered(requests, index) {
            found.0.extend(others.0);
        }
        return Err(found);
    }
    index.offers.retain(|offer| offer.id.name != *name || is_of_line(&offer.id.version, &kernel.line));
    Ok(())
}

/// Whether a kernel of this version, or release, is of the line.
pub fn is_of_line(version: &str, line: &str) -> bool {
    let rest = without_epoch(version).strip_prefix(line);
    rest.is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// `1:6.12.9-1` → `6.12`
fn line_of(version: &str) -> &str {
    let version = without_epoch(version);
    let number = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let major = number(version);
    match version[major..].strip_prefix('.') {
        Some(rest) if number(rest) > 0 => &version[..major + 1 + number(rest)],
        _ => &version[..major],
    }
}

fn no_such_line<'a>(kernel: &Kernel, offers: impl Iterator<Item = &'a Offer>) -> Diagnostic {
    let name = &kernel.package.name;
    let mut lines: BTreeMap<&str, &Offer> = BTreeMap::new();
    for offer in offers {
        let newest = lines.entry(line_of(&offer.id.version)).or_insert(offer);
        if newer(offer, newest).is_gt() {
            *newest = offer;
        }
    }
    let mut newest: Vec<(&str, &Offer)> = lines.into_iter().collect();
    newest.sort_by(|one, other| newer(other.1, one.1));
    let shown: Vec<String> =
        newest.iter().take(OFFERED).map(|(line, offer)| format!("{} of {line}", offer.id.version)).collect();
    Diagnostic::new("no-such-line", format!("no repository has `{name}` of the line {}", kernel.line))
        .at(&kernel.line_location, "this line")
        .help(format!("newest of each line on offer: {}", shown.join(", ")))
        .help(format!("a package whose version is not that of its kernel is asked for with it: `{name}=VERSION`"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{index, request};
    use super::*;
    use crate::diag::{Location, Source};

    fn kernel(package: &str, line: &str) -> Kernel {
        let line_location = Location::new(&Source::new("r.yaml", "line: 6.1"), 6..9);
        let package = request(package);
        Kernel { package, line: line.into(), line_location, cmdline: vec![], initrd_modules: vec![] }
    }

    fn kept(offers: &str, package: &str, line: &str) -> Result<String, Diagnostics> {
        let (mut index, kernel) = (index(offers), kernel(package, line));
        keep_line(&kernel, &[&kernel.package], &mut index)?;
        Ok(index.offers.iter().map(|offer| offer.id.to_string()).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn only_kernels_of_the_line_are_on_offer_unless_a_version_is_asked_for() {
        let offers = "kernel-lt 6.1.150-1 rpm\nkernel-lt 6.12.9-1 rpm\ntool 6.12-1 rpm";
        assert_eq!(kept(offers, "kernel-lt", "6.1").unwrap(), "kernel-lt 6.1.150-1, tool 6.12-1");
        assert_eq!(kept(offers, "kernel-lt", "6.12").unwrap(), "kernel-lt 6.12.9-1, tool 6.12-1");
        assert_eq!(kept(offers, "kernel-lt=6.12.9", "6.1").unwrap().matches("kernel-lt").count(), 2);
        let debs =
            "linux-image-cloud-amd64 1:6.12.48-1\nlinux-image-cloud-amd64 6.1~rc3-1\nlinux-image-cloud-amd64 6.120-1";
        assert_eq!(kept(debs, "linux-image-cloud-amd64", "6.12").unwrap(), "linux-image-cloud-amd64 1:6.12.48-1");
        assert_eq!(kept(debs, "linux-image-cloud-amd64", "6.1").unwrap(), "linux-image-cloud-amd64 6.1~rc3-1");
    }

    #[test]
    fn a_line_that_nobody_has_is_a_mistake_at_the_line_with_the_newest_of_others() {
        let offers = "kernel 6.12.9-1 rpm\nkernel 6.12.10-1 rpm\nkernel 1:5.15.3-1 rpm\nkernel rolling rpm";
        let mistakes = kept(offers, "kernel", "6.1").unwrap_err();
        let text = mistakes.to_string();
        assert!(text.starts_with("r.yaml:1:7: no repository has `kernel` of the line 6.1 [no-such-line]"), "{text}");
        assert!(mistakes.0[0].help[0].contains("6.12.10-1 of 6.12"), "{mistakes}");
        assert!(mistakes.0[0].help[0].contains("1:5.15.3-1 of 5.15"), "{mistakes}");
        // A name that nobody has is for others to say, and is said beside it.
        assert!(kept("tool 1", "kernel", "6.1").is_ok());
        let (mut index, kernel, missing) = (index(offers), kernel("kernel", "6.6"), request("missing"));
        let slugs: Vec<&str> =
            keep_line(&kernel, &[&missing], &mut index).unwrap_err().0.iter().map(|it| it.slug).collect();
        assert_eq!(slugs, ["no-such-line", "unknown-package"]);
    }
}
