//! How long to wait, and how often.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use super::verdict::Verdict;

#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// After an error that may be gone at once.
    pub(super) soon: (Duration, Duration),
    /// After one that says that the server has too much to do.
    pub(super) later: (Duration, Duration),
    /// How often the latter is waited for.
    pub(super) later_max: usize,
    /// Between two looks at what goes on.
    pub(super) look: (Duration, Duration),
    /// How long a load that nobody waits for may be under way before it is aborted.
    pub(super) abandoned_after: Duration,
    /// How long a schema change may take. The servers end theirs after a day.
    pub(super) alter_max: Duration,
    /// How long a schema change may be neither seen in the catalogue nor listed as a job.
    pub(super) unlisted_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            soon: (Duration::from_millis(200), seconds(10)),
            later: (seconds(10), seconds(60)),
            later_max: 10,
            look: (Duration::from_millis(100), seconds(3)),
            abandoned_after: seconds(60),
            alter_max: seconds(25 * 3600),
            unlisted_max: seconds(60),
        }
    }
}

impl Pace {
    #[cfg(test)]
    pub(super) fn of_tests() -> Self {
        let millis = Duration::from_millis;
        Self {
            soon: (millis(5), millis(50)),
            later: (millis(20), millis(100)),
            later_max: 10,
            look: (millis(5), millis(20)),
            abandoned_after: millis(300),
            alter_max: Duration::from_secs(10),
            unlisted_max: millis(300),
        }
    }

    pub(super) fn retries(&self, max: u32) -> Retries {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Retries { soon: waits(self.soon, max), later: waits(self.later, self.later_max) }
    }

    /// Without an end.
    pub(super) fn looks(&self) -> Looks {
        Looks { waits: waits(self.look, usize::MAX), longest: self.look.1 }
    }
}

/// Longer each time, and never in step with others.
fn waits((first, longest): (Duration, Duration), times: usize) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(first)
        .with_max_delay(longest)
        .with_max_times(times)
        .with_jitter()
        .build()
}

/// What is left of the patience with one call.
pub(super) struct Retries {
    soon: ExponentialBackoff,
    later: ExponentialBackoff,
}

impl Retries {
    /// Waits before the next attempt; false if there is to be none.
    pub(super) async fn again(&mut self, verdict: Verdict) -> bool {
        let wait = match verdict {
            Verdict::Soon => self.soon.next(),
            Verdict::Later => self.later.next(),
            Verdict::Never(_) => None,
        };
        match wait {
            Some(wait) => {
                if verdict == Verdict::Later {
                    let seconds = wait.as_secs();
                    tracing::warn!(
                        seconds,
                        "the target says that it has too much to do (versions, transactions): \
                        waits before the next try, and no checkpoint is taken meanwhile"
                    );
                }
                tokio::time::sleep(wait).await;
                true
            }
            None => false,
        }
    }
}

pub(super) struct Looks {
    waits: ExponentialBackoff,
    longest: Duration,
}

impl Looks {
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.waits.next().unwrap_or(self.longest)).await;
    }
}
