//! The one place where the stand-in reads a clock.

use std::time::Duration;

use crate::Moment;

/// The machine's time, and as much as a test has let pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    skipped: Duration,
}

impl Clock {
    #[must_use]
    pub fn now(self) -> Moment {
        let millis = u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap_or(0);
        Moment(millis) + self.skipped
    }

    /// What a test has let pass.
    #[must_use]
    pub fn skipped(self) -> Duration {
        self.skipped
    }

    /// Lets time pass at once.
    pub fn skip(&mut self, time: Duration) {
        self.skipped = self.skipped.saturating_add(time);
    }
}
