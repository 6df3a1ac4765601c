//! How fast rows are read, over all tables together.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Pace {
    /// `None`: as fast as it goes.
    per_second: Option<f64>,
    /// When what was read so far is paid for.
    due: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(rows_per_second: Option<u32>) -> Self {
        Self { per_second: rows_per_second.map(f64::from), due: Mutex::new(Instant::now()) }
    }

    /// Waits for as long as so many rows may take.
    pub(super) async fn read(&self, rows: u64) {
        let Some(per_second) = self.per_second else { return };
        #[expect(clippy::cast_precision_loss, reason = "of a chunk's rows none is lost")]
        let cost = Duration::try_from_secs_f64(rows as f64 / per_second).unwrap_or(Duration::MAX);
        let until = {
            let mut due = self.due.lock().await;
            // Time in which nothing was read is not saved up.
            let from = (*due).max(Instant::now());
            *due = from.checked_add(cost).unwrap_or(from);
            *due
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rows_of_all_tables_together_take_their_time() {
        let pace = Pace::new(Some(100));
        let begun = Instant::now();
        tokio::join!(pace.read(50), pace.read(150));
        assert_eq!(begun.elapsed().as_secs(), 2);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let begun = Instant::now();
        pace.read(100).await;
        assert_eq!(begun.elapsed().as_secs(), 1);
    }
}
