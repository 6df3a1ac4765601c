//! How a run stands, for people.

use job::Host;
use model::{BinlogPosition, TableName};

/// A look at the source, renewed twice a second.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The one that is read.
    pub host: Option<Host>,
    pub tables: usize,
    /// Tables whose snapshot is complete.
    pub tables_live: usize,
    /// Tables that stand apart, with the rows events of each that were passed over.
    pub quarantined: Vec<(TableName, u64)>,
    /// Snapshot rows emitted since the job began.
    pub rows_read: u64,
    /// The server's estimate of the rows still to read.
    pub rows_left_estimate: u64,
    /// Rows events of followed tables since the job began.
    pub events_streamed: u64,
    pub position: Option<BinlogPosition>,
    /// Source time of the newest event, in milliseconds since the epoch; 0 before the first.
    pub position_ts_ms: i64,
}
