//! How long something takes, in buckets that are always the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in milliseconds. What takes longer is counted in the sum alone.
pub const BOUNDS_MS: [u64; 14] =
    [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000];

/// Collects durations.
#[derive(Debug, Default)]
pub struct Timing {
    buckets: [AtomicU64; BOUNDS_MS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

/// What was collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// How many took at most as long as each of [`BOUNDS_MS`], and longer than the one before.
    pub buckets: [u64; BOUNDS_MS.len()],
    pub count: u64,
    pub sum: Duration,
    pub max: Duration,
}

impl Timing {
    pub(crate) fn took(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let within = BOUNDS_MS.iter().zip(&self.buckets).find(|(bound, _)| us <= **bound * 1000);
        if let Some((_, bucket)) = within {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
    }

    pub fn now(&self) -> Timings {
        let mut buckets = [0; BOUNDS_MS.len()];
        for (to, from) in buckets.iter_mut().zip(&self.buckets) {
            *to = from.load(Ordering::Relaxed);
        }
        // Read after them, so that no bucket holds more than there are.
        let count = self.count.load(Ordering::Relaxed).max(buckets.iter().sum());
        Timings {
            buckets,
            count,
            sum: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)),
            max: Duration::from_micros(self.max_us.load(Ordering::Relaxed)),
        }
    }
}
