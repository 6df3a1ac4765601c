//! What the rules see of a job.

use crate::api::JobState;
use crate::metrics::{JobMetrics, RunMetrics};

/// How a job stands at a moment. Counters go up, and begin anew at 0 with a run that its user starts.
#[derive(Debug, Clone)]
pub struct Observation {
    pub job: String,
    pub state: JobState,
    /// Why it is in this state.
    pub reason: String,
    /// Since when it is, in milliseconds since the epoch.
    pub since_ms: i64,
    /// Why the last attempt ended that did not end well.
    pub error: Option<String>,
    /// A run of it is there to be seen: a daemon that has just begun shows jobs as it left them before it
    /// brings them back.
    pub runs: bool,
    pub restarts: u64,
    pub lag_seconds: Option<i64>,
    pub lag_bytes: Option<u64>,
    pub lag_transactions: Option<u64>,
    pub retention_seconds: Option<f64>,
    pub checkpoints_failed: u64,
    pub checkpoint_failure: Option<String>,
    /// When the newest of the run was stored.
    pub checkpoint_at_ms: Option<i64>,
    /// Each with its reason.
    pub quarantined: Vec<(String, String)>,
    /// Schema changes that a sink has not followed: how many so far, and the newest.
    pub unapplied: u64,
    pub newest_unapplied: Vec<Unapplied>,
}

/// A schema change that a sink has not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unapplied {
    /// Counted from 1; as many as [`Observation::unapplied`] in all.
    pub number: u64,
    pub table: String,
    pub statement: String,
    pub why: String,
}

impl Observation {
    /// Of a job as `/metrics` shows it, with why it is in its state, since when, and why it failed last.
    pub fn of(job: &JobMetrics, reason: &str, since_ms: i64, error: Option<String>) -> Self {
        let mut seen = Self {
            error,
            runs: job.run.is_some(),
            job: job.name.clone(),
            state: job.state,
            reason: reason.to_owned(),
            since_ms,
            restarts: 0,
            lag_seconds: None,
            lag_bytes: None,
            lag_transactions: None,
            retention_seconds: None,
            checkpoints_failed: 0,
            checkpoint_failure: None,
            checkpoint_at_ms: None,
            quarantined: Vec::new(),
            unapplied: 0,
            newest_unapplied: Vec::new(),
        };
        if let Some(run) = &job.run {
            seen.look(run);
        }
        seen
    }

    fn look(&mut self, run: &RunMetrics) {
        let RunMetrics { status, meters, behind } = run;
        self.restarts = meters.restarts();
        if let Some(behind) = behind {
            self.lag_seconds = Some(behind.seconds);
            (self.lag_bytes, self.lag_transactions) = (behind.bytes, behind.transactions);
            self.retention_seconds = behind.retention;
        }
        let checkpoints = meters.checkpoints.brief();
        self.checkpoints_failed = checkpoints.failed;
        self.checkpoint_failure = checkpoints.last_failure.map(|failure| failure.reason);
        self.checkpoint_at_ms = checkpoints.stored_at_ms;
        let apart = status.list.iter().filter_map(|table| Some((table, table.apart.as_ref()?)));
        self.quarantined =
            apart.map(|(table, why)| (table.name.to_string(), why.reason.to_string())).collect();
        let unapplied = meters.unapplied();
        self.unapplied = unapplied.count;
        self.newest_unapplied = unapplied
            .kept
            .into_iter()
            .map(|seen| Unapplied {
                number: seen.number,
                table: seen.what.table.to_string(),
                statement: seen.what.statement.to_string(),
                why: seen.what.why,
            })
            .collect();
    }
}
