//! What happens after a failure: another start, or the end.

use std::collections::VecDeque;
use std::time::Duration;

use job::RestartStrategy;
use tokio::time::Instant;
use tracing::warn;

use crate::control::{Controlled, Phase, Stop};
use crate::daemon::Ended;
use crate::error::{EngineError, Remedy, chain};
use crate::hosts::{Hosts, Next};

/// Makes attempts until one ends well, or fails for good.
pub struct Supervisor<C> {
    pub strategy: RestartStrategy,
    pub hosts: Hosts,
    pub control: Controlled,
    /// Draws from 0 to 1.
    pub chance: C,
}

impl<C: FnMut() -> f64> Supervisor<C> {
    /// Starts `attempt` again and again, on the host that is current.
    ///
    /// # Errors
    /// The failure that no restart mends, or one after a stop was asked for.
    pub async fn run(
        mut self,
        mut attempt: impl AsyncFnMut(&mut Hosts) -> Result<Ended, EngineError>,
    ) -> Result<Ended, EngineError> {
        let mut restarts = Restarts::new(self.strategy);
        let began = Instant::now();
        loop {
            let started = Instant::now();
            let error = match attempt(&mut self.hosts).await {
                Ok(ended) => return Ok(ended),
                Err(error) => error,
            };
            if *self.control.stop.borrow() != Stop::Not {
                return Err(error);
            }
            let why = chain(&error);
            let (now, ran) = (began.elapsed(), started.elapsed());
            let delay = match self.hosts.after(error, now, ran) {
                Next::Again(delay) => delay,
                Next::Failed(error) => {
                    let delay = match error.remedy() {
                        Remedy::Halt => None,
                        Remedy::Restart => restarts.after_failure(now, ran, (self.chance)()),
                    };
                    let Some(delay) = delay else { return Err(error) };
                    warn!(?delay, "the job failed and starts again: {}", chain(&error));
                    delay
                }
            };
            self.control.phase.send_replace(Phase::Waiting(why));
            tokio::select! {
                () = tokio::time::sleep(delay) => self.control.meters.restarted(),
                stop = self.control.stop.wait_for(|s| *s != Stop::Not) => {
                    let cancelled = stop.is_ok_and(|s| *s == Stop::Cancel);
                    return Ok(if cancelled { Ended::Cancelled } else { Ended::Unsaved });
                }
            }
        }
    }
}

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
                let most = *max_backoff;
                let delay = times(self.backoff, 1.0 + jitter * (2.0 * chance - 1.0), most);
                self.backoff = times(self.backoff, *multiplier, most);
                Some(delay)
            }
        }
    }
}

/// However large the factor is.
fn times(delay: Duration, factor: f64, most: Duration) -> Duration {
    Duration::try_from_secs_f64(delay.as_secs_f64() * factor).unwrap_or(most).min(most)
}

#[cfg(test)]
mod tests;
