//! Schema changes that take their time: `PENDING`, `WAITING_TXN`, `RUNNING`, and `FINISHED` or `CANCELLED`.
//!
//! A job rewrites the rows of a table. It begins when every transaction of the database that was there before it
//! has ended, for their rows are in the old form; one that is prepared and waits for its commit holds it up as
//! much as one that gathers data. Loads that begin later go on, in the old columns until it is finished.
//! Pure: time and the state of the transactions are parameters, and whoever has the rows rewrites them.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Moment;
use crate::ddl::change::Change;
use crate::table::TableName;
use crate::txn::TxnId;

const FIRST_ID: u64 = 11_001;
/// How many ended ones are listed.
const KEPT_MAX: usize = 1_000;
const TIMED_OUT: &str = "Timeout";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobState {
    Pending,
    WaitingTxn,
    Running,
    Finished,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub table: TableName,
    pub change: Change,
    pub state: JobState,
    pub created: Moment,
    pub finished: Option<Moment>,
    /// Transactions with a smaller number must have ended before it runs; known from `WAITING_TXN` on.
    pub watershed: Option<TxnId>,
    /// Why it was cancelled; empty otherwise.
    pub message: String,
    pub timeout: Duration,
    /// When it came to its state.
    since: Moment,
}

/// How long things take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// From the statement to `WAITING_TXN`.
    pub pending: Duration,
    /// In `RUNNING`.
    pub running: Duration,
    /// Of the whole job (`alter_table_timeout_second`).
    pub timeout: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            pending: Duration::from_secs(1),
            running: Duration::from_secs(1),
            timeout: Duration::from_secs(86_400),
        }
    }
}

/// All jobs of a cluster, the oldest first.
///
/// INVARIANT one-job-a-table: of the jobs of one table at most one has not ended: whoever starts one asks
/// [`Jobs::under_way`] first. Test: `a_second_change_is_refused_while_a_job_is_under_way`.
#[derive(Debug, Default)]
pub struct Jobs {
    pub pace: Pace,
    jobs: Vec<Job>,
    given_out: u64,
    changed: bool,
}

impl Jobs {
    /// Of a database, the oldest first.
    pub fn of<'a>(&'a self, database: &'a str) -> impl DoubleEndedIterator<Item = &'a Job> {
        self.jobs.iter().filter(move |job| job.table.database == database)
    }

    #[must_use]
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// The one that keeps a table from being altered.
    #[must_use]
    pub fn under_way(&self, table: &TableName) -> Option<&Job> {
        self.jobs.iter().find(|job| job.table == *table && !job.state.is_final())
    }

    pub fn start(&mut self, table: TableName, change: Change, now: Moment) -> JobId {
        self.push(table, change, JobState::Pending, now)
    }

    /// Lists a change that was done at once.
    pub fn list_done(&mut self, table: TableName, change: Change, now: Moment) -> JobId {
        self.push(table, change, JobState::Finished, now)
    }

    fn push(&mut self, table: TableName, change: Change, state: JobState, now: Moment) -> JobId {
        let id = JobId(FIRST_ID + self.given_out);
        self.given_out += 1;
        self.changed = true;
        self.jobs.push(Job {
            id,
            table,
            change,
            state,
            created: now,
            finished: state.is_final().then_some(now),
            watershed: None,
            message: String::new(),
            timeout: self.pace.timeout,
            since: now,
        });
        let ended = self.jobs.iter().filter(|job| job.state.is_final()).count();
        if ended > KEPT_MAX
            && let Some(at) = self.jobs.iter().position(|job| job.state.is_final())
        {
            self.jobs.remove(at);
        }
        id
    }

    /// Lets time pass. `next_txn` is the number that the next transaction will have; `unfinished` says whether
    /// a database has one below a number that has not ended. Names the jobs whose rows are now to be rewritten:
    /// each is to be [finished](Self::finish) or [cancelled](Self::cancel).
    pub fn advance(
        &mut self,
        now: Moment,
        next_txn: TxnId,
        unfinished: impl Fn(&str, TxnId) -> bool,
    ) -> Vec<JobId> {
        let mut due = Vec::new();
        for job in self.jobs.iter_mut().filter(|job| !job.state.is_final()) {
            let before = job.state;
            if job.state == JobState::Pending && now.since(job.since) >= self.pace.pending {
                job.state = JobState::WaitingTxn;
                job.watershed = Some(next_txn);
            }
            let watershed = job.watershed.unwrap_or(next_txn);
            if job.state == JobState::WaitingTxn && !unfinished(&job.table.database, watershed) {
                job.state = JobState::Running;
            }
            if job.state != before {
                job.since = now;
                self.changed = true;
            }
            if job.state == JobState::Running && now.since(job.since) >= self.pace.running {
                due.push(job.id);
            } else if now.since(job.created) > job.timeout {
                job.end(JobState::Cancelled, TIMED_OUT, now);
                self.changed = true;
            }
        }
        due
    }

    pub fn finish(&mut self, id: JobId, now: Moment) {
        self.end(id, JobState::Finished, "", now);
    }

    /// Says whether there was something to cancel.
    pub fn cancel(&mut self, id: JobId, why: &str, now: Moment) -> bool {
        self.end(id, JobState::Cancelled, why, now)
    }

    fn end(&mut self, id: JobId, state: JobState, why: &str, now: Moment) -> bool {
        let job = self.jobs.iter_mut().find(|job| job.id == id && !job.state.is_final());
        let Some(job) = job else { return false };
        job.end(state, why, now);
        self.changed = true;
        true
    }

    /// What there is to keep, if it has changed since the last call.
    pub fn take_changed(&mut self) -> Option<&[Job]> {
        std::mem::take(&mut self.changed).then_some(&self.jobs)
    }

    /// Takes back what was kept.
    pub fn restore(&mut self, kept: Vec<Job>) {
        let last = kept.iter().map(|job| job.id.0).max().unwrap_or(0);
        self.given_out = (last + 1).saturating_sub(FIRST_ID);
        self.jobs = kept;
    }
}

impl Job {
    fn end(&mut self, state: JobState, why: &str, now: Moment) {
        self.state = state;
        why.clone_into(&mut self.message);
        self.finished = Some(now);
    }
}

impl JobState {
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "PENDING",
            Self::WaitingTxn => "WAITING_TXN",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Cancelled => "CANCELLED",
        })
    }
}
