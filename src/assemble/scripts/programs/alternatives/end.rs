//! How a step of the two tools ends.

use crate::shell::Stop;

/// Where the links of all groups lie.
pub(super) const LINKS: &str = "/etc/alternatives";

/// Why a step ends the program: its exit status, or the whole run.
pub(super) enum End {
    Exit(u8),
    Stop(Stop),
}

impl From<Stop> for End {
    fn from(stop: Stop) -> End {
        End::Stop(stop)
    }
}

pub(super) type Step<T> = Result<T, End>;
