//! How long to wait before the next attempt: longer each time, never in step with others.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Exponential, from 100 ms to 10 s, each shortened at random by up to half, so that many readers
/// that lost one server do not come back in the same instant.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next wait.
    pub fn next_delay(&mut self) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.attempts.min(16)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        let half = longest / 2;
        let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_millis(random() % spread)
    }

    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// It works again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// A number that differs between calls and processes; not for secrets.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_ten_seconds_and_start_over_after_success() {
        let mut backoff = Backoff::default();
        assert!(backoff.next_delay() <= FIRST);
        let late = (0..20).map(|_| backoff.next_delay()).last().unwrap();
        assert!(late >= LONGEST / 2 && late <= LONGEST, "{late:?}");
        backoff.reset();
        assert!(backoff.next_delay() <= FIRST);
    }
}
