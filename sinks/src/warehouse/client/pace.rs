//! How long to wait, and how often.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use super::verdict::Verdict;
use crate::waits::Wait;

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

    /// `of`: whose calls they are, for people.
    pub(super) fn retries(&self, max: u32, of: String, wait: Wait) -> Retries {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let (soon, later) = (waits(self.soon, max), waits(self.later, self.later_max));
        Retries { soon, later, of, wait, failed: 0 }
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

/// Why an attempt came to nothing.
pub(super) trait Setback {
    fn verdict(&self) -> Verdict;
    /// Empty where no node was asked.
    fn node(&self) -> &str;
    fn why(&self) -> String;
}

/// What is left of the patience with one call. What it waits for is shown until this is dropped.
pub(super) struct Retries {
    soon: ExponentialBackoff,
    later: ExponentialBackoff,
    of: String,
    wait: Wait,
    failed: u32,
}

impl Retries {
    /// Waits before the next attempt; false if there is to be none.
    pub(super) async fn again(&mut self, trouble: &impl Setback) -> bool {
        let verdict = trouble.verdict();
        let wait = match verdict {
            Verdict::Soon => self.soon.next(),
            Verdict::Later => self.later.next(),
            Verdict::Never(_) => None,
        };
        match wait {
            Some(wait) => {
                self.failed += 1;
                let (of, node, why) = (&self.of, trouble.node(), trouble.why());
                let at = if node.is_empty() { "" } else { " at " };
                let times = if self.failed == 1 { "time" } else { "times" };
                self.wait.tell(format!("{of}{at}{node}: {why}; tried {} {times}", self.failed));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Waits;

    struct Closed;

    impl Setback for Closed {
        fn verdict(&self) -> Verdict {
            Verdict::Soon
        }

        fn node(&self) -> &str {
            "fe:9030"
        }

        fn why(&self) -> String {
            "connection refused".to_owned()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_call_waits_for_is_shown_until_the_call_is_over() {
        let waits = Waits::default();
        let of = "sink[0] waits for Doris".to_owned();
        let mut retries = Pace::default().retries(2, of, waits.call());
        for tried in ["tried 1 time", "tried 2 times"] {
            assert!(retries.again(&Closed).await);
            let told = format!("sink[0] waits for Doris at fe:9030: connection refused; {tried}");
            assert_eq!(waits.now(), Some(told));
        }
        assert!(!retries.again(&Closed).await);
        drop(retries);
        assert_eq!(waits.now(), None);
    }
}
