//! The stretch between the source and the sinks: every queue, and every limit on what may be in
//! memory at once (invariant `bounded`).
//!
//! ```text
//! source ──batches, barriers──► deliver (one per sink) ──prepared──► coordinator
//!    ▲                              ▲                                   │
//!    └────────── barrier requests ──┼──────────── commits ──────────────┘
//! ```
//! The cycle cannot lock. The coordinator never waits for the source: a barrier request overwrites
//! the one before. A sink never waits for the source either, and its answer to a barrier has a
//! place, for one barrier is out at a time. Before a schema change the source may wait for a
//! checkpoint ([`crate::source::untold`]), which nobody needs it for but to place the barrier. So the queues towards the sinks always drain, and the
//! source, the only one who waits on a full queue, goes on.

pub mod batch;
pub mod deliver;
pub mod queue;

use std::sync::Arc;

use model::{Barrier, Batch};

/// A batch is closed when it holds this much.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// What may wait in front of each sink.
pub const SINK_QUEUE_BYTES_MAX: usize = 24 << 20;
/// A chunk is planned to stay below this, by the table's average row.
pub const CHUNK_BYTES_TARGET: u64 = 4 << 20;
/// A chunk is cut where it passes this, whatever was planned.
pub const CHUNK_BYTES_MAX: usize = 8 << 20;
/// Rows of a chunk arrive and leave in pieces of this size.
pub const SEGMENT_BYTES: usize = 256 << 10;
/// A window that holds more than this is thrown away with its chunk, which is read again.
pub const WINDOW_BYTES_MAX: usize = 16 << 20;
/// A transaction above this may have a barrier inside it.
pub const TRANSACTION_BYTES_BEFORE_INNER_BARRIER: u64 = 64 << 20;
/// Rows of XA transactions that are not committed yet go to disk above this, all together.
pub const HELD_BYTES_IN_MEMORY_MAX: usize = 16 << 20;
/// What prepared XA transactions may hold on disk, all together; above it the job ends.
pub const HELD_BYTES_MAX: u64 = 1 << 30;
/// XA transactions that may be prepared at the same time; their names are in every checkpoint.
pub const PREPARED_MAX: usize = 100_000;

/// What travels to a sink.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// With the number of its rows.
    Batch(Arc<Batch>, u64),
    Barrier(Arc<Barrier>),
}

impl Delivery {
    fn bytes(&self) -> usize {
        match self {
            Self::Batch(batch, _) => batch.bytes,
            Self::Barrier(_) => 0,
        }
    }
}
