//! How checkpoints fare.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::{BarrierKind, CheckpointId};

/// The newest so many are remembered one by one.
pub const DURATIONS_KEPT: usize = 100;

/// Collects what becomes of the checkpoints and savepoints of a job.
#[derive(Debug, Default)]
pub struct CheckpointMeter(Mutex<Checkpoints>);

/// How the checkpoints and savepoints of a job fare.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoints {
    pub completed: u64,
    pub failed: u64,
    /// The one under way.
    pub in_progress: Option<CheckpointId>,
    /// The newest are last; at most [`DURATIONS_KEPT`].
    pub took: VecDeque<Took>,
    /// Of all that were completed.
    pub durations: Duration,
    pub last_failure: Option<Failure>,
    /// What the newest attempt began with; `None`: afresh.
    pub restored: Option<Restored>,
}

/// One that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Took {
    pub id: CheckpointId,
    pub kind: BarrierKind,
    /// When it was stored, in milliseconds since the epoch.
    pub at_ms: i64,
    /// From its barrier to its being stored.
    pub duration: Duration,
    /// Bytes in the store; `None` until the store has listed it.
    pub size: Option<u64>,
}

/// The same in a few words, for those who look often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    pub failed: u64,
    pub last_failure: Option<Failure>,
    /// When the newest was stored, in milliseconds since the epoch.
    pub stored_at_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    pub id: CheckpointId,
    pub kind: BarrierKind,
}

impl CheckpointMeter {
    fn with<T>(&self, f: impl FnOnce(&mut Checkpoints) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An attempt begins. One that the attempt before had under way is lost.
    pub(crate) fn begin(&self, restored: Option<Restored>, at_ms: i64) {
        self.with(|all| {
            if let Some(id) = all.in_progress.take() {
                let reason = format!("{id} was under way as the job failed");
                all.failed += 1;
                all.last_failure = Some(Failure { at_ms, reason });
            }
            all.restored = restored;
        });
    }

    pub(crate) fn under_way(&self, id: Option<CheckpointId>) {
        self.with(|all| all.in_progress = id);
    }

    pub(crate) fn failed(&self, at_ms: i64, reason: String) {
        self.with(|all| {
            all.failed += 1;
            all.last_failure = Some(Failure { at_ms, reason });
        });
    }

    pub(crate) fn completed(&self, took: Took) {
        self.with(|all| {
            all.completed += 1;
            all.durations += took.duration;
            if all.took.len() == DURATIONS_KEPT {
                all.took.pop_front();
            }
            all.took.push_back(took);
        });
    }

    pub(crate) fn weighs(&self, id: CheckpointId, size: u64) {
        self.with(|all| {
            if let Some(took) = all.took.iter_mut().rev().find(|took| took.id == id) {
                took.size = Some(size);
            }
        });
    }

    pub fn brief(&self) -> Brief {
        self.with(|all| Brief {
            failed: all.failed,
            last_failure: all.last_failure.clone(),
            stored_at_ms: all.last().map(|took| took.at_ms),
        })
    }

    pub fn now(&self) -> Checkpoints {
        self.with(|all| all.clone())
    }
}

impl Checkpoints {
    /// The newest that was stored.
    pub fn last(&self) -> Option<&Took> {
        self.took.back()
    }
}
