//! Who the node is and who may log in, which `meta-data` and `user-data` both can say: its name, public SSH keys.

use crate::agent::dns_name;
use crate::agent::first_boot::config::NodeName;
use crate::diag::{Diagnostic, Diagnostics};
use crate::ssh_key;
use crate::yaml::{Located, Value};

/// A `hostname` with dots is a full name too. The host name is the first label of whichever is given first.
pub fn node_name(
    host: Option<Located<String>>,
    fqdn: Option<Located<String>>,
    found: &mut Diagnostics,
) -> Option<NodeName> {
    for name in host.iter().chain(&fqdn) {
        if let Err(why) = dns_name::check(&name.value) {
            let title = format!("`{}` is not a host name: {why}", name.value);
            let help = "lower-case letters, digits and `-`, parts joined by dots";
            found.push(Diagnostic::new("host-name", title).at(&name.location, "not a host name").help(help));
            return None;
        }
    }
    let given = &host.as_ref().or(fqdn.as_ref())?.value;
    let label = given.split('.').next().unwrap_or(given).to_owned();
    let full = fqdn.or(host).map(|name| name.value).filter(|name| name.contains('.'));
    Some(NodeName { host: label, fqdn: full })
}

pub fn public_key(value: &Value, found: &mut Diagnostics) -> Option<String> {
    let checked = ssh_key::check(value.text()?);
    let mistake = |why| {
        let title = format!("this is not an SSH public key: {why}");
        found.push(Diagnostic::new("ssh-key", title).at(&value.location, "not a key"));
    };
    checked.map_err(mistake).ok()
}
