//! Talking to debconf, for the script that runs.

use super::protocol::{self, Reply};
use super::state::Debconf;
use crate::assemble::scripts::machine::Machine;
use crate::assemble::scripts::programs::dpkg::packages::control_member;
use crate::shell::{Bytes, Stop, World};

/// Sends a command for another program of the script that runs: status and text of the reply.
pub(crate) fn say(machine: &mut Machine, command: &str, words: &[&[u8]]) -> Result<(u8, Bytes), Stop> {
    let line = [&[command.as_bytes()], words].concat().join(&b' ');
    let reply = converse(machine, "debconf", &line)?;
    Ok(reply.map_or((0, Bytes::new()), |reply| {
        let text = reply.text.unwrap_or_default();
        (reply.status, if reply.status == 1 { protocol::unescape(&text) } else { text })
    }))
}

/// Sends one line to debconf for the script that runs.
pub(super) fn converse(machine: &mut Machine, program: &str, line: &[u8]) -> Result<Option<Reply>, Stop> {
    machine.spend(5 + line.len() as u64 / 64)?;
    let running = &machine.running;
    machine.debconf.enter(&running.package, &running.script);
    let file = protocol::template_file(&machine.debconf.session, line);
    let Some((path, owner)) = file else {
        let Debconf { database, session, .. } = &mut machine.debconf;
        return protocol::answer(database, session, line);
    };
    let text = template_text(machine, &path)?;
    machine.spend(text.as_ref().map_or(0, |text| text.len() as u64 / 64))?;
    let Debconf { database, session, .. } = &mut machine.debconf;
    let owner = owner.unwrap_or_else(|| session.owner.clone());
    let reply = protocol::load(database, &owner, &path, text.as_deref());
    if reply.status == 100 {
        return Err(Stop::unsupported(program, format!("the template file `{}`", String::from_utf8_lossy(&path))));
    }
    Ok(Some(reply))
}

/// A template file of the tree, or of dpkg's database, which only is written at the end.
pub(super) fn template_text(machine: &Machine, path: &[u8]) -> Result<Option<Bytes>, Stop> {
    let path = if path.starts_with(b"/") { path.to_vec() } else { [b"/", path].concat() };
    if let Some(member) = control_member(machine, &path) {
        return Ok(Some(member.to_vec()));
    }
    Ok(machine.files.read(&path)?.ok())
}
