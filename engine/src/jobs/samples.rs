//! How a job stood at the moments of the last minutes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::api::{Sample, Samples};
use crate::meters::Rows;

/// Between two samples of a job.
pub(super) const PERIOD: Duration = Duration::from_secs(2);
/// Ten minutes of them.
const KEPT_MAX: usize = 300;
/// A rate that is shown is of the newest so many.
const LATELY: usize = 3;

#[derive(Debug, Default)]
pub(super) struct Ring {
    kept: Mutex<VecDeque<Sample>>,
}

/// What a sample is made from: counts, of which the last are remembered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub at_ms: i64,
    pub rows: Rows,
    pub lag_seconds: Option<f64>,
    pub lag_bytes: Option<u64>,
    /// Rows read of the snapshot, and rows left; `None` once it is complete.
    pub snapshot: Option<(u64, u64)>,
}

impl Seen {
    #[expect(clippy::cast_precision_loss, reason = "rates and shares for people")]
    pub(super) fn since(&self, before: &Self) -> Sample {
        let seconds = (self.at_ms.saturating_sub(before.at_ms).max(1)) as f64 / 1000.0;
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        let share = self.snapshot.map(|(read, left)| read as f64 / (read + left).max(1) as f64);
        Sample {
            at_ms: self.at_ms,
            read_per_second: rate(self.rows.read, before.rows.read),
            streamed_per_second: rate(self.rows.streamed(), before.rows.streamed()),
            bytes_per_second: rate(self.rows.bytes, before.rows.bytes),
            lag_seconds: self.lag_seconds,
            lag_bytes: self.lag_bytes,
            snapshot_share: share,
        }
    }
}

impl Ring {
    pub(super) fn push(&self, sample: Sample) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(sample);
    }

    pub(super) fn after(&self, at_ms: i64) -> Samples {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = kept.iter().filter(|sample| sample.at_ms > at_ms).cloned().collect();
        Samples { period_ms: u64::try_from(PERIOD.as_millis()).unwrap_or(u64::MAX), samples }
    }

    /// Rows a second of late: of the snapshot, and of the binlog.
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    pub(super) fn lately(&self) -> Option<(f64, f64)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = kept.iter().rev().take(LATELY);
        let count = newest.len();
        let sums = newest.fold((0.0, 0.0), |(read, streamed), sample| {
            (read + sample.read_per_second, streamed + sample.streamed_per_second)
        });
        (count > 0).then(|| (sums.0 / count as f64, sums.1 / count as f64))
    }
}
