//! What is counted while a job runs: its rows, what its sinks and its checkpoints take, its restarts.
//!
//! The tasks of a run add to atomics, and whoever looks reads them: no lock on the way of a row, and
//! nothing is copied that nobody asks for. Counted since the job was last started by its user, over
//! all attempts; but for the numbers of a table, which [`crate::source::status`] leads to.

mod applied;
mod checkpoints;
mod link;
mod rows;
mod sink;
mod timing;
mod unapplied;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use binlog::reader::LinkWatch;
use model::Clock;

use self::applied::AppliedMeter;
pub use self::checkpoints::{
    Brief, CheckpointMeter, Checkpoints, DURATIONS_KEPT, Failure, Restored, Took,
};
use self::link::LinkMeter;
pub use self::link::{LinkNow, Loss};
pub use self::rows::{RowMeter, Rows};
pub use self::sink::{SinkMeter, SinkNow};
pub use self::timing::{BOUNDS_MS, Timing, Timings};
use self::unapplied::UnappliedMeter;
pub use self::unapplied::{Seen, UNAPPLIED_KEPT, Unapplieds};
use crate::pipeline::queue::Gauge;

/// The meters of one job.
#[derive(Debug, Default)]
pub struct Meters {
    pub rows: RowMeter,
    pub checkpoints: CheckpointMeter,
    restarts: AtomicU64,
    sinks: Mutex<Vec<Arc<SinkMeter>>>,
    unapplied: Arc<UnappliedMeter>,
    applied: Arc<AppliedMeter>,
    waits: sinks::Waits,
    link: Arc<LinkMeter>,
}

impl Meters {
    /// Changes of the source that the sinks have not followed.
    pub fn unapplied(&self) -> Unapplieds {
        self.unapplied.now()
    }

    /// How many of them there were.
    pub fn unapplied_count(&self) -> u64 {
        self.unapplied.count()
    }

    /// How many changes of the source the sinks have followed, and those after the first `told`, as far as
    /// they are kept.
    pub fn applied_after(&self, told: u64) -> (u64, Vec<sinks::Applied>) {
        self.applied.after(told)
    }

    /// What the job waits for: the source whose connection is lost, and what a sink asks once more.
    pub fn waits(&self) -> Option<String> {
        let waits: Vec<String> =
            [self.link.wait(), self.waits.now()].into_iter().flatten().collect();
        (!waits.is_empty()).then(|| waits.join("; "))
    }

    /// How the connection to the source stands.
    pub fn link(&self) -> LinkNow {
        self.link.now()
    }

    pub(crate) fn link_watch(&self, clock: Arc<dyn Clock>) -> LinkWatch {
        let link = Arc::clone(&self.link);
        LinkWatch::new(move |state| link.told(state, clock.now_ms()))
    }

    pub(crate) fn watcher(&self, clock: Arc<dyn Clock>) -> sinks::Watcher {
        let unapplied = Arc::clone(&self.unapplied);
        let applied = Arc::clone(&self.applied);
        let mut watcher = sinks::Watcher::new(move |what| unapplied.told(what, clock.now_ms()))
            .and_applied(move |what| applied.told(what));
        watcher.waits = self.waits.clone();
        watcher
    }

    /// Starts after a failure.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    pub(crate) fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// How the sinks stand, in the order of the script.
    pub fn sinks(&self) -> Vec<SinkNow> {
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.iter().map(|sink| sink.now()).collect()
    }

    /// The meter of a sink, for an attempt whose queue towards it this is the gauge of.
    pub(crate) fn sink(&self, name: &str, connector: &str, queue: Gauge) -> Arc<SinkMeter> {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        let sink = match sinks.iter().find(|sink| sink.name() == name) {
            Some(known) => Arc::clone(known),
            None => {
                let sink = Arc::new(SinkMeter::new(name, connector));
                sinks.push(Arc::clone(&sink));
                sink
            }
        };
        sink.queues_in(queue);
        sink
    }
}

#[cfg(test)]
mod tests;
