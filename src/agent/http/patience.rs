//! How long something is tried again, and how fast.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::agent::report::console;

/// Between the first attempts; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Counts from the last success.
#[derive(Debug)]
pub struct Patience {
    limit: Duration,
    since: Instant,
    pause: Duration,
}

impl Patience {
    pub fn new(limit: Duration) -> Patience {
        Patience { limit, since: Instant::now(), pause: FIRST_PAUSE.min(limit / 4) }
    }

    /// Something worked: all the patience is back.
    pub fn renew(&mut self) {
        *self = Patience::new(self.limit);
    }

    /// Tells the failure and lets time pass before the next attempt.
    ///
    /// # Errors
    /// The patience has ended; with the failure.
    pub fn wait(&mut self, what: &str, why: &str) -> Result<()> {
        if self.since.elapsed() + self.pause > self.limit {
            bail!("{what}: {why}; nothing came for {} s", self.limit.as_secs());
        }
        console::say(&format!("{what}: {why}, trying again in {} s", self.pause.as_secs_f32()));
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_and_a_success_renews_it() {
        let mut patience = Patience::new(Duration::from_millis(100));
        let mut waited = 0;
        let error = loop {
            match patience.wait("reading x", "connection refused") {
                Ok(()) => waited += 1,
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(error, "reading x: connection refused; nothing came for 0 s");
        assert!(waited >= 1);
        patience.renew();
        patience.wait("reading x", "y").unwrap();
    }
}
