//! What a sink is handed, and how long it takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::timing::{Timing, Timings};
use crate::pipeline::queue::Gauge;

/// Counts what one sink does.
#[derive(Debug)]
pub struct SinkMeter {
    name: String,
    connector: String,
    rows: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
    pub(crate) write: Timing,
    pub(crate) prepare: Timing,
    pub(crate) commit: Timing,
    queue: Mutex<Option<Gauge>>,
}

/// How a sink stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkNow {
    /// Within the job.
    pub name: String,
    pub connector: String,
    /// Handed to it, before the job's transforms.
    pub rows: u64,
    pub bytes: u64,
    /// Each ended a run.
    pub errors: u64,
    /// What waits for it, or is being written.
    pub queue_bytes: u64,
    /// Its count is that of the batches.
    pub write: Timings,
    pub prepare: Timings,
    pub commit: Timings,
}

impl SinkMeter {
    pub(super) fn new(name: &str, connector: &str) -> Self {
        Self {
            name: name.to_owned(),
            connector: connector.to_owned(),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            write: Timing::default(),
            prepare: Timing::default(),
            commit: Timing::default(),
            queue: Mutex::new(None),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn queues_in(&self, queue: Gauge) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = Some(queue);
    }

    pub(crate) fn wrote(&self, rows: u64, bytes: usize) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    pub fn now(&self) -> SinkNow {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        SinkNow {
            name: self.name.clone(),
            connector: self.connector.clone(),
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            queue_bytes: queue.map_or(0, |gauge| gauge.bytes()),
            write: self.write.now(),
            prepare: self.prepare.now(),
            commit: self.commit.now(),
        }
    }
}
