//! Where metadata comes from: a table of sources → [`Metadata`].
//!
//! With `facts.rs` the only reader of the outside world in the first boot. Which documents a source brings is its own
//! matter, what they mean is for `documents/`.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::metadata::Metadata;
use crate::agent::report::console;
use crate::agent::run;

pub mod attached;
pub mod fetched;
pub mod installed;
pub mod nocloud;
#[cfg(test)]
mod tests;
pub mod volume;

/// One way in which a node can be given metadata.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Of its format, as cloud-init calls it.
    pub name: &'static str,
    /// It is asked only if those that do not need the network have nothing.
    pub needs_network: bool,
    /// Looks once: `None` if there is nothing, or nothing yet. With a place, metadata of other places does not count.
    pub find: Find,
}

type Find = fn(Option<&str>) -> Result<Option<Metadata>>;

/// In the order in which they are asked: what the kernel command line names stands above what happens to be attached.
pub const SOURCES: &[Source] = &[
    Source { name: "nocloud-net", needs_network: false, find: fetched::find },
    Source { name: "installed", needs_network: false, find: installed::find },
    Source { name: "nocloud", needs_network: false, find: nocloud::find },
];

/// How long a volume may take to appear after udev has settled.
const GRACE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);

/// Finds and reads the metadata; `None` if the node has none. With `only`, metadata of other places does not count.
///
/// # Errors
/// [`crate::diag::Diagnostics`] for mistakes in how it is given; what cannot be reached is a failure, which the unit
/// tries again.
pub fn find(only: Option<&str>) -> Result<Option<Metadata>> {
    let mut deadline = None;
    find_in(SOURCES, only, || {
        let Some(deadline) = deadline else {
            // Drivers may still be loading (a CD's, say). Where udev is not used its absence is not an error.
            if let Err(error) = run::program("/usr/bin/udevadm", &["settle", "--timeout=20"]) {
                console::say(&format!("not waiting for udev: {error:#}"));
            }
            deadline = Some(Instant::now() + GRACE);
            return true;
        };
        let waits = Instant::now() < deadline;
        if waits {
            std::thread::sleep(PAUSE);
        }
        waits
    })
}

/// The first metadata there is. `wait` lets time pass after a look in vain, for devices that are still to come, and
/// says whether another look is worth it.
fn find_in(sources: &[Source], only: Option<&str>, mut wait: impl FnMut() -> bool) -> Result<Option<Metadata>> {
    let look = |needs_network| {
        let mut asked = sources.iter().filter(|source| source.needs_network == needs_network);
        asked.find_map(|source| (source.find)(only).transpose()).transpose()
    };
    let mut found = look(false)?;
    while found.is_none() && wait() {
        found = look(false)?;
    }
    // The unit runs before the network: a source that needs it makes it wait for that, here.
    if found.is_some() { Ok(found) } else { look(true) }
}
