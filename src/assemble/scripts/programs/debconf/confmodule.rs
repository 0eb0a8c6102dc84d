//! The shell library that scripts source to talk to debconf: our own text, whose functions call one program.
//!
//! The real one starts a front end that runs the script again with its input and output connected to debconf, and
//! speaks the protocol over them. What a script can see of that is the same here: its standard output goes where errors
//! go, descriptor 3 is there, some variables are exported, `RET` and the status are the reply's.

use super::conversation::converse;
use crate::assemble::scripts::programs::call::Call;
use crate::shell::{Bytes, Stop};

/// What the functions of the sourced library call.
pub(super) const PROGRAM: &str = "_nodesmith_debconf";

pub(super) const TEXT: &str = r#"
if [ ! "${DEBIAN_HAS_FRONTEND:-}" ]; then
	DEBIAN_HAS_FRONTEND=1
	PERL_DL_NONLAZY=1
	export DEBIAN_HAS_FRONTEND PERL_DL_NONLAZY
fi
if [ -z "${DEBCONF_REDIR:-}" ]; then
	exec 3>&1 1>&2
	DEBCONF_REDIR=1
	export DEBCONF_REDIR
fi
DEBCONF_OLD_FD_BASE=4
export DEBCONF_OLD_FD_BASE
_db_cmd() { _nodesmith_debconf "$@"; }
db_version() { _nodesmith_debconf VERSION "$@"; }
db_capb() { _nodesmith_debconf CAPB "$@"; }
db_title() { _nodesmith_debconf TITLE "$@"; }
db_settitle() { _nodesmith_debconf SETTITLE "$@"; }
db_info() { _nodesmith_debconf INFO "$@"; }
db_input() { _nodesmith_debconf INPUT "$@"; }
db_text() { _nodesmith_debconf INPUT "$@"; }
db_beginblock() { _nodesmith_debconf BEGINBLOCK "$@"; }
db_endblock() { _nodesmith_debconf ENDBLOCK "$@"; }
db_go() { _nodesmith_debconf GO "$@"; }
db_clear() { _nodesmith_debconf CLEAR "$@"; }
db_previous_module() { _nodesmith_debconf PREVIOUS_MODULE "$@"; }
db_get() { _nodesmith_debconf GET "$@"; }
db_set() { _nodesmith_debconf SET "$@"; }
db_reset() { _nodesmith_debconf RESET "$@"; }
db_subst() { _nodesmith_debconf SUBST "$@"; }
db_fget() { _nodesmith_debconf FGET "$@"; }
db_fset() { _nodesmith_debconf FSET "$@"; }
db_metaget() { _nodesmith_debconf METAGET "$@"; }
db_register() { _nodesmith_debconf REGISTER "$@"; }
db_unregister() { _nodesmith_debconf UNREGISTER "$@"; }
db_purge() { _nodesmith_debconf PURGE "$@"; }
db_progress() { _nodesmith_debconf PROGRESS "$@"; }
db_data() { _nodesmith_debconf DATA "$@"; }
db_x_loadtemplatefile() { _nodesmith_debconf X_LOADTEMPLATEFILE "$@"; }
db_stop() { _nodesmith_debconf STOP "$@"; }
"#;

/// One command of a script: `RET` is the reply's text, the status its number.
pub(super) fn command(call: &mut Call) -> Result<u8, Stop> {
    let line = call.words.join(&b' ');
    if line.contains(&b'\n') {
        // debconf would read the second line as a command of its own, and the script its reply instead of the next.
        return Err(Stop::unsupported("debconf", "a value with a newline in it that is not escaped"));
    }
    let Some(reply) = converse(call.machine, PROGRAM, &line)? else { return Ok(0) };
    // The library keeps IFS and gives it back: where there was none, an empty one is there from then on.
    if call.shell.get(b"IFS").is_none() {
        call.shell.set(b"IFS", Bytes::new());
    }
    if reply.status == 1 {
        let mut value = super::protocol::unescape(&first_line(reply.text.unwrap_or_default()));
        while value.last() == Some(&b'\n') {
            value.pop();
        }
        call.shell.set(b"RET", value);
        return Ok(0);
    }
    let status = reply.status;
    // The library takes one digit and the blank behind it away: a status of two digits stays before its text.
    let value = match reply.text {
        Some(text) if status < 10 => first_line(text),
        _ => reply.line(),
    };
    call.shell.set(b"RET", value);
    Ok(status)
}

fn first_line(text: Bytes) -> Bytes {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => text[..end].to_vec(),
        None => text,
    }
}
