//! How far a job is behind its server, and how long the server keeps what the job still needs.
//!
//! Servers are asked, not jobs: however many jobs read one server, one connection asks it, and no
//! more often than its period ([`Servers`]). What an answer means to a job is computed from the job's
//! own place ([`Place::behind`], pure).

mod pace;
mod servers;

use std::sync::Arc;

use binlog::server::SourceOptions;
use job::Host;
use model::{BinlogPosition, Gtids};

use self::pace::Pace;
pub use self::servers::{Look, SERVERS_ASKED_AT_ONCE, Servers};
use crate::source::status::Status;

/// How far the stream is behind the server.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Behind {
    /// Age of the newest change applied; 0 where nothing is left to apply.
    pub seconds: i64,
    /// Of binlog; `None` where the server does not say.
    pub bytes: Option<u64>,
    /// `None` where the server has no GTIDs, or does not say.
    pub transactions: Option<u64>,
    /// Until the server may purge what the job still needs, in seconds: 0 where it has; `None` where
    /// that is not known, or will not happen at the pace of late.
    pub retention: Option<f64>,
}

/// Where a job stands in its server's history.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub position: &'a BinlogPosition,
    pub gtids: &'a Gtids,
    /// Source time of the newest event taken, in milliseconds since the epoch; 0: unknown.
    pub ts_ms: i64,
}

/// Asks how far the stream is behind the server.
pub struct Lag {
    options: SourceOptions,
    servers: Arc<Servers>,
    pace: Pace,
}

impl Lag {
    /// `servers` is shared by all that ask.
    pub fn new(options: SourceOptions, servers: Arc<Servers>) -> Self {
        Self { options, servers, pace: Pace::default() }
    }

    /// May take as long as the server takes to answer ([`Servers::look`]). Cancel-safe.
    pub async fn measure(&mut self, status: &Status) -> Behind {
        self.follow(status);
        let now_ms = chrono::Utc::now().timestamp_millis();
        let Some(position) = &status.position else { return Behind::default() };
        let place = Place { position, gtids: &status.gtids, ts_ms: status.position_ts_ms };
        let Some(look) = self.servers.look(&self.options).await else {
            return Behind { seconds: place.age(now_ms), ..Behind::default() };
        };
        self.pace.note(now_ms, &look, &place);
        Behind {
            retention: self.pace.retention(now_ms, &look, &place),
            ..place.behind(&look, now_ms)
        }
    }

    /// Positions mean something to the server that is read alone.
    fn follow(&mut self, status: &Status) {
        let Some(Host { name, port }) = &status.host else { return };
        if (&self.options.host, self.options.port) != (name, *port) {
            self.options.host.clone_from(name);
            self.options.port = *port;
            self.pace = Pace::default();
        }
    }
}

impl Place<'_> {
    /// But for the retention, which needs the pace of late.
    pub fn behind(&self, look: &Look, now_ms: i64) -> Behind {
        let bytes = self.bytes(look);
        let seconds = if bytes == Some(0) { 0 } else { self.age(now_ms) };
        Behind { seconds, bytes, transactions: self.transactions(look), retention: None }
    }

    fn age(&self, now_ms: i64) -> i64 {
        if self.ts_ms == 0 { 0 } else { (now_ms - self.ts_ms).max(0) / 1000 }
    }

    /// `None` where the files are not of one history.
    fn bytes(&self, look: &Look) -> Option<u64> {
        let (own, end) = (self.position, &look.end);
        if end.file == own.file {
            return Some(end.offset.saturating_sub(own.offset));
        }
        own.file.partial_cmp(&end.file)?;
        let ahead = look.files.iter().filter(|f| f.file > own.file);
        let whole: u64 = ahead.map(|f| f.size).sum();
        let rest = look.files.iter().find(|f| f.file == own.file).map_or(0, |f| f.size);
        Some(whole + rest.saturating_sub(own.offset))
    }

    fn transactions(&self, look: &Look) -> Option<u64> {
        match (&look.executed, self.gtids) {
            (Gtids::Mysql(executed), Gtids::Mysql(taken)) => {
                let left = executed.minus(taken);
                let counts = left.iter().flat_map(|(_, ranges)| ranges);
                Some(counts.map(|(first, last)| last - first + 1).sum())
            }
            (Gtids::Mariadb(executed), Gtids::Mariadb(taken)) => {
                let left = executed.iter().map(|last| {
                    let taken = taken.get(last.domain).map_or(0, |gtid| gtid.sequence);
                    last.sequence.saturating_sub(taken)
                });
                Some(left.sum())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
