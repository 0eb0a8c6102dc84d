//! A wait that says now and then what it waits for.

use std::time::{Duration, Instant};

/// Since when something is waited for, and when to say so next.
#[derive(Debug)]
pub struct Wait {
    started: Instant,
    each: Duration,
    next_word: Duration,
}

impl Wait {
    /// Begins now, and has something to say each time that `each` has passed.
    pub fn new(each: Duration) -> Self {
        Self { started: Instant::now(), each, next_word: each }
    }

    /// By the clock, not by attempts: opening an empty drive can take a second.
    pub fn is_over(&self, deadline: Duration) -> bool {
        self.started.elapsed() >= deadline
    }

    /// Whether it is time for a word: true once for each interval, and once after several that nobody asked in.
    pub fn wants_word(&mut self) -> bool {
        let elapsed = self.started.elapsed();
        let due = elapsed >= self.next_word;
        if due {
            self.next_word = elapsed.saturating_add(self.each);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_wanted_once_for_each_interval() {
        let mut never = Wait::new(Duration::MAX);
        assert!(!never.wants_word() && !never.is_over(Duration::MAX) && never.is_over(Duration::ZERO));
        let mut wait = Wait::new(Duration::from_millis(20));
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!([wait.wants_word(), wait.wants_word()], [true, false]);
    }
}
