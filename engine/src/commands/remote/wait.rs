//! `--wait`: until a job runs, or will not.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

use crate::api::{JobDetail, JobState};
use crate::client::{Client, ClientError, Reply};

/// Between two looks.
const LOOKED_EVERY: Duration = Duration::from_millis(250);
/// A daemon that is restarted is away for less, and brings back its jobs.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// Waits until every table of the job follows the binlog, or the job has come to its end. Tells on
/// standard error what it comes through.
///
/// # Errors
/// It failed or was stopped, with its reason; the time is over; the daemon is away for too long.
pub(super) async fn until_it_runs(
    client: &Client,
    first: Reply<JobDetail>,
    limit: Option<Duration>,
) -> anyhow::Result<Reply<JobDetail>> {
    let begun = Instant::now();
    let job = first.value.summary.name.clone();
    let (mut now, mut told, mut patience) = (first, None, Patience::new());
    loop {
        let detail = &now.value;
        let (state, reason) = (detail.summary.state, &detail.summary.reason);
        if state == JobState::Streaming || state == JobState::Finished {
            return Ok(now);
        }
        if !state.is_active() {
            bail!("job `{job}` is {}: {}", state.name(), why(detail));
        }
        if told.replace((state, reason.clone())) != Some((state, reason.clone())) {
            eprintln!("{job}: {}: {reason}", state.name());
        }
        if limit.is_some_and(|limit| begun.elapsed() >= limit) {
            let waited = humantime::format_duration(limit.unwrap_or_default());
            bail!("job `{job}` is still {} after {waited}: {reason}", state.name());
        }
        tokio::time::sleep(LOOKED_EVERY).await;
        if let Some(reply) = patience.bear(client.job(&job).await)? {
            now = reply;
        }
    }
}

/// Why it is in its state; of a failure with what made it fail.
fn why(detail: &JobDetail) -> String {
    let reason = &detail.summary.reason;
    match &detail.error {
        Some(error) if detail.summary.state == JobState::Failed && !reason.contains(error) => {
            format!("{reason}: {error}")
        }
        _ => reason.clone(),
    }
}

/// A question that is asked again and again bears that the daemon is away for a moment.
pub(super) struct Patience(Instant);

impl Patience {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    /// The answer; none where the daemon is away, and not for long.
    pub(super) fn bear<T>(
        &mut self,
        asked: Result<T, ClientError>,
    ) -> Result<Option<T>, ClientError> {
        match asked {
            Ok(answer) => {
                self.0 = Instant::now();
                Ok(Some(answer))
            }
            Err(error) if error.is_absence() && self.0.elapsed() < AWAY_MAX => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::double::{Double, Says, job};

    async fn waited(limit: Option<Duration>, answers: Vec<Says>) -> Result<JobState, String> {
        let double = Double::new(answers).await;
        let first = double.client.job("a/b").await.unwrap();
        let waited = until_it_runs(&double.client, first, limit).await;
        waited.map(|job| job.value.summary.state).map_err(|error| error.to_string())
    }

    fn is(state: &str, reason: &str) -> Says {
        Says::Status(200, job(state, reason))
    }

    #[tokio::test]
    async fn a_job_is_waited_for_through_restarts_of_it_and_of_the_daemon() {
        let answers = vec![
            is("starting", "it was asked to"),
            is("restarting", "the source is away"),
            Says::Cut,
            Says::Cut,
            is("snapshotting", "2 tables are read"),
            is("streaming", "every table follows the binlog"),
        ];
        assert_eq!(waited(None, answers).await, Ok(JobState::Streaming));
        let answers = vec![is("starting", "…"), is("finished", "all is read")];
        assert_eq!(waited(None, answers).await, Ok(JobState::Finished));
    }

    #[tokio::test]
    async fn a_job_that_fails_or_is_stopped_ends_the_wait_with_its_reason() {
        let answers = vec![is("starting", "…"), is("failed", "the binlog is purged")];
        let told = "job `a/b` is failed: the binlog is purged";
        assert_eq!(waited(None, answers).await, Err(told.to_owned()));
        let answers = vec![is("starting", "…"), is("stopped", "stopped by ops")];
        let told = "job `a/b` is stopped: stopped by ops";
        assert_eq!(waited(None, answers).await, Err(told.to_owned()));
        let answers = vec![is("restarting", "the source is away")];
        let told = "job `a/b` is still restarting after 0s: the source is away";
        assert_eq!(waited(Some(Duration::ZERO), answers).await, Err(told.to_owned()));
    }
}
