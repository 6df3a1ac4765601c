//! What happens after a failure: another start, or the end.

use std::collections::VecDeque;
use std::time::Duration;

use job::RestartStrategy;

/// Applies a restart strategy to failures as they come. Pure: told the time, it tells the delay.
#[derive(Debug)]
pub struct Restarts {
    strategy: RestartStrategy,
    made: u32,
    /// Times of the failures that a failure rate still counts, since the job began.
    recent: VecDeque<Duration>,
    backoff: Duration,
}

impl Restarts {
    pub fn new(strategy: RestartStrategy) -> Self {
        let backoff = match &strategy {
            RestartStrategy::ExponentialDelay { initial_backoff, .. } => *initial_backoff,
            RestartStrategy::None
            | RestartStrategy::FixedDelay { .. }
            | RestartStrategy::FailureRate { .. } => Duration::ZERO,
        };
        Self { strategy, made: 0, recent: VecDeque::new(), backoff }
    }

    /// How long to wait before the next start, or `None` where there is none. `now`: since the job
    /// began; `ran`: how long the failed run had lasted; `chance`: drawn from 0 to 1.
    pub fn after_failure(&mut self, now: Duration, ran: Duration, chance: f64) -> Option<Duration> {
        match &self.strategy {
            RestartStrategy::None => None,
            RestartStrategy::FixedDelay { attempts, delay } => {
                self.made += 1;
                (self.made <= *attempts).then_some(*delay)
            }
            RestartStrategy::FailureRate { max_failures, interval, delay } => {
                self.recent.push_back(now);
                while self.recent.front().is_some_and(|t| now.saturating_sub(*t) > *interval) {
                    self.recent.pop_front();
                }
                let count = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
                (count <= *max_failures).then_some(*delay)
            }
            RestartStrategy::ExponentialDelay {
                initial_backoff,
                max_backoff,
                multiplier,
                jitter,
                reset_threshold,
                attempts,
            } => {
                if ran >= *reset_threshold {
                    self.backoff = *initial_backoff;
                    self.made = 0;
                }
                self.made += 1;
                if attempts.is_some_and(|limit| self.made > limit) {
                    return None;
                }
                let delay = self.backoff.mul_f64(1.0 + jitter * (2.0 * chance - 1.0));
                self.backoff = self.backoff.mul_f64(*multiplier).min(*max_backoff);
                Some(delay.min(*max_backoff))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn delays(strategy: RestartStrategy, failures_at: &[u32], ran: Duration) -> Vec<Option<u64>> {
        let mut restarts = Restarts::new(strategy);
        let one = |at: &u32| restarts.after_failure(S * *at, ran, 0.5).map(|d| d.as_secs());
        failures_at.iter().map(one).collect()
    }

    #[test]
    fn none_never_restarts() {
        assert_eq!(delays(RestartStrategy::None, &[1], S), [None]);
    }

    #[test]
    fn fixed_delay_counts_all_attempts() {
        let strategy = RestartStrategy::FixedDelay { attempts: 2, delay: 20 * S };
        assert_eq!(delays(strategy, &[1, 100, 1000], S), [Some(20), Some(20), None]);
    }

    #[test]
    fn failure_rate_forgets_old_failures() {
        let strategy =
            RestartStrategy::FailureRate { max_failures: 1, interval: 60 * S, delay: 3 * S };
        assert_eq!(delays(strategy.clone(), &[1, 100, 200], S), [Some(3), Some(3), Some(3)]);
        assert_eq!(delays(strategy, &[1, 50], S), [Some(3), None]);
    }

    #[test]
    fn exponential_delay_grows_to_its_maximum_and_a_long_run_sets_it_back() {
        let strategy = RestartStrategy::ExponentialDelay {
            initial_backoff: S,
            max_backoff: 5 * S,
            multiplier: 2.0,
            jitter: 0.1,
            reset_threshold: 3600 * S,
            attempts: None,
        };
        let grown = delays(strategy.clone(), &[1, 2, 3, 4, 5], S);
        assert_eq!(grown, [Some(1), Some(2), Some(4), Some(5), Some(5)]);
        assert_eq!(delays(strategy, &[1, 2], 3600 * S), [Some(1), Some(1)]);
    }
}
