//! Progress on stderr: the snapshot's while it runs, the stream's lag afterwards.

use std::convert::Infallible;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use binlog::server::{Server, SourceOptions, connect};
use job::Host;
use model::BinlogPosition;
use mysql_async::Conn;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::source::status::Status;

/// A line this often where stderr is no terminal.
const LOG_PERIOD: Duration = Duration::from_secs(5);
/// The lag is logged this often once the snapshot is through.
const LAG_PERIOD: Duration = Duration::from_secs(30);
const TERMINAL_PERIOD: Duration = Duration::from_secs(1);

/// Shows the status for as long as it is polled.
pub async fn run(options: SourceOptions, looks: watch::Receiver<Status>) -> Infallible {
    let terminal = std::io::stderr().is_terminal();
    let period = if terminal { TERMINAL_PERIOD } else { LOG_PERIOD };
    let mut lag = Lag::new(options);
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
            lag.line(&status).await
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

/// Asks how far the stream is behind the server.
pub struct Lag {
    options: SourceOptions,
    conn: Option<(Conn, Server)>,
}

/// How far the stream is behind the server.
#[derive(Debug, Clone, Copy)]
pub struct Behind {
    /// Age of the newest change applied; 0 where nothing is left to apply.
    pub seconds: i64,
    /// Of binlog; `None` where the server does not say.
    pub bytes: Option<u64>,
}

impl Lag {
    pub fn new(options: SourceOptions) -> Self {
        Self { options, conn: None }
    }

    pub async fn measure(&mut self, status: &Status) -> Behind {
        self.follow(status);
        let bytes = match &status.position {
            Some(position) => self.bytes_behind(position).await,
            None => None,
        };
        let seconds = match bytes {
            Some(0) => 0,
            _ if status.position_ts_ms == 0 => 0,
            _ => (chrono::Utc::now().timestamp_millis() - status.position_ts_ms).max(0) / 1000,
        };
        Behind { seconds, bytes }
    }

    async fn line(&mut self, status: &Status) -> String {
        let Behind { seconds, bytes } = self.measure(status).await;
        let bytes = bytes.map_or_else(|| "unknown".to_owned(), |b| format!("{b} bytes"));
        let at = status.position.as_ref().map(ToString::to_string).unwrap_or_default();
        format!(
            "streaming: {} tables, {} rows events, at {at}, lag {seconds} s, {bytes}",
            status.tables, status.events_streamed
        )
    }

    /// Positions mean something to the server that is read alone.
    fn follow(&mut self, status: &Status) {
        let Some(Host { name, port }) = &status.host else { return };
        if (&self.options.host, self.options.port) != (name, *port) {
            self.conn = None;
            self.options.host.clone_from(name);
            self.options.port = *port;
        }
    }

    /// Binlog bytes between the stream and the server's end; `None` where the server does not say.
    async fn bytes_behind(&mut self, position: &BinlogPosition) -> Option<u64> {
        let (mut conn, server) = match self.conn.take() {
            Some(known) => known,
            None => {
                let mut conn = connect(&self.options).await.ok()?;
                let server = Server::probe(&mut conn).await.ok()?;
                (conn, server)
            }
        };
        let end = server.binlog_end(&mut conn).await.ok()?;
        let behind = if end.file == position.file {
            end.offset.saturating_sub(position.offset)
        } else {
            let files = server.binary_logs(&mut conn).await.ok()?;
            let ahead = files.iter().filter(|f| f.file > position.file);
            let whole: u64 = ahead.map(|f| f.size).sum();
            let own = files.iter().find(|f| f.file == position.file).map_or(0, |f| f.size);
            whole + own.saturating_sub(position.offset)
        };
        self.conn = Some((conn, server));
        Some(behind)
    }
}
