//! Progress on stderr: the snapshot's while it runs, the stream's lag afterwards.

use std::convert::Infallible;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::lag::{Behind, Lag};
use crate::source::status::Status;

/// A line this often where stderr is no terminal.
const LOG_PERIOD: Duration = Duration::from_secs(5);
/// The lag is logged this often once the snapshot is through.
const LAG_PERIOD: Duration = Duration::from_secs(30);
const TERMINAL_PERIOD: Duration = Duration::from_secs(1);

/// Shows the status for as long as it is polled.
pub async fn run(mut lag: Lag, looks: watch::Receiver<Status>) -> Infallible {
    let terminal = std::io::stderr().is_terminal();
    let period = if terminal { TERMINAL_PERIOD } else { LOG_PERIOD };
    let mut pace = Pace { rows: 0, at: Instant::now(), per_second: 0.0 };
    let mut lagged = Instant::now();
    let mut was_reading = false;
    loop {
        tokio::time::sleep(period).await;
        let status = looks.borrow().clone();
        let reading = status.tables_live < status.tables;
        if (status.tables == 0 && status.quarantined.is_empty())
            || (!reading && !was_reading && !terminal && lagged.elapsed() < LAG_PERIOD)
        {
            continue;
        }
        was_reading = reading;
        let mut line = if reading {
            pace.snapshot_line(&status)
        } else {
            lagged = Instant::now();
            lag_line(&status, lag.measure(&status).await)
        };
        if !status.quarantined.is_empty() {
            line.push_str(&format!(", {} in quarantine", status.quarantined.len()));
        }
        if terminal {
            // A status line is a courtesy: a terminal that is gone stops nothing.
            let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
            let _ = std::io::stderr().flush();
        } else {
            tracing::info!("{line}");
        }
    }
}

struct Pace {
    rows: u64,
    at: Instant,
    per_second: f64,
}

impl Pace {
    #[expect(clippy::cast_precision_loss, reason = "rates and shares for people")]
    fn snapshot_line(&mut self, status: &Status) -> String {
        let seconds = self.at.elapsed().as_secs_f64().max(0.001);
        let now = status.rows_read.saturating_sub(self.rows) as f64 / seconds;
        // Smoothed: a chunk that waits for its watermark is no news.
        self.per_second = if self.rows == 0 { now } else { 0.7 * self.per_second + 0.3 * now };
        (self.rows, self.at) = (status.rows_read, Instant::now());
        let left = status.rows_left_estimate as f64;
        let share = 100.0 * status.rows_read as f64 / (status.rows_read as f64 + left).max(1.0);
        let time_left = if self.per_second >= 1.0 {
            let seconds = Duration::from_secs_f64((left / self.per_second).min(1e9).round());
            format!(", about {} left", humantime::format_duration(seconds))
        } else {
            String::new()
        };
        format!(
            "snapshot: {}/{} tables, {} rows, {:.0} rows/s, ~{share:.0} %{time_left}",
            status.tables_live, status.tables, status.rows_read, self.per_second
        )
    }
}

fn lag_line(status: &Status, Behind { seconds, bytes, .. }: Behind) -> String {
    let bytes = bytes.map_or_else(|| "unknown".to_owned(), |b| format!("{b} bytes"));
    let at = status.position.as_ref().map(ToString::to_string).unwrap_or_default();
    format!(
        "streaming: {} tables, {} rows events, at {at}, lag {seconds} s, {bytes}",
        status.tables, status.events_streamed
    )
}
