//! The source: one ordered stream out of the binlog and the snapshot's chunks.
//!
//! [`MySqlSource::run`] is one loop that owns everything: the reader's position, the tables, the
//! open windows and the batch being filled. Readers of chunks and the coordinator only ask.

pub mod catalog;
pub mod ddl;
pub mod definition;
pub mod dialect;
pub mod error;
pub mod merge;
pub mod online_ddl;
pub mod open;
pub mod order;
pub mod pass;
pub mod quarantine;
pub mod schema_history;
pub mod snapshot;
pub mod status;
pub mod stream;
pub mod tables;
pub mod untold;
pub mod weights;
pub mod xa;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use binlog::event::Xid;
use binlog::reader::Reader;
use binlog::server::{Server, SourceOptions};
use model::checkpoint::{Counters, ServerIdentity, SourceState};
use model::{Barrier, BarrierKind, CheckpointId, Origin, TableName, Watermark, fault};
use mysql_async::Conn;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::dialect::Dialect;
pub use self::error::SourceError;
use self::merge::{ChunkId, Closed};
use self::snapshot::{Ask, LoadedChunk, Shared};
use self::status::Status;
use self::tables::TableSet;
use self::untold::Untold;
use self::weights::Weights;
use self::xa::{Awaited, XaTransactions};
use crate::checkpoint::coordinator::BarrierRequest;
use crate::meters::Meters;
use crate::pipeline::batch::Batcher;

/// Changes wait this long for company before their batch leaves.
const LINGER: Duration = Duration::from_millis(2);
/// So many events that have come already are taken before anything else is looked at.
const EVENTS_AT_ONCE: usize = 64;
/// Status is renewed this often at most.
const STATUS_PERIOD: Duration = Duration::from_millis(500);

/// A barrier asked for and not yet placed.
#[derive(Debug, Clone, Copy)]
struct Asked {
    request: BarrierRequest,
    since: Instant,
}

/// A chunk that waits for the stream to pass its high watermark.
#[derive(Debug)]
struct Waiting {
    chunk: LoadedChunk,
    reply: tokio::sync::oneshot::Sender<Closed>,
}

/// A pass that waits for the same.
#[derive(Debug)]
struct WaitingPass {
    table: TableName,
    chunk: ChunkId,
    high: Watermark,
    reply: tokio::sync::oneshot::Sender<Closed>,
}

/// The open transaction.
#[derive(Debug, Default)]
struct Transaction {
    open: bool,
    /// Row images of it so far.
    bytes: u64,
}

/// The source of one run of a job. Made by [`open`].
pub struct MySqlSource {
    reader: Reader,
    server: Arc<Server>,
    options: SourceOptions,
    tables: TableSet,
    batcher: Batcher,
    untold: Untold,
    weights: Weights,
    catalog: Option<Conn>,
    dialect: Dialect,
    shared: Arc<Shared>,
    spool: Arc<state::Spool>,
    xa: XaTransactions,
    awaited: Awaited,
    /// A job that streams from "now" on waits for what was prepared before: no row goes out yet.
    beginning: bool,
    /// Committed by XA since a chunk was opened: maybe not visible to a SELECT yet.
    unseen: HashSet<Xid>,
    /// Rows of a chunk, where the job says so.
    chunk_rows: Option<u64>,
    /// A table that appears with rows in it is read, unless the job only streams.
    reads_tables: bool,
    /// The job ends when every table is read (`snapshot`, or batch mode).
    ends_after_snapshot: bool,
    /// A transaction that is open for longer may have a barrier inside it.
    barrier_patience: Duration,
    next_chunk: u64,
    next_plan: u64,
    /// The tables to read are on the readers' list.
    planned: bool,
    /// When the batch being filled leaves.
    linger_until: Option<Instant>,
    /// False from a change of servers to the first position in the new one's files.
    file_known: bool,
    /// Chunks open once the stream is here: after a resume it catches up first.
    opens_after: Option<Watermark>,
    transaction: Transaction,
    opens: Vec<Ask>,
    loaded: Vec<Waiting>,
    passes: Vec<WaitingPass>,
    asked: Option<Asked>,
    counters: Counters,
    meters: Arc<Meters>,
    position_ts_ms: i64,
    status: watch::Sender<Status>,
    status_at: Instant,
    /// True while there are tables to read.
    backlog: watch::Sender<bool>,
    /// Behind the last barrier, until it is known what becomes of it.
    holds_still: bool,
    ended: bool,
}

/// What asks things of the source.
#[derive(Debug)]
pub struct Inputs {
    pub asks: mpsc::Receiver<Ask>,
    pub requests: watch::Receiver<Option<BarrierRequest>>,
    /// To ask for a checkpoint before a schema change.
    pub changes: mpsc::Sender<()>,
    /// The newest checkpoint whose commits are on their way.
    pub committed: watch::Receiver<CheckpointId>,
    /// To say that a barrier has to wait.
    pub deferred: mpsc::Sender<CheckpointId>,
    /// To ask for the last checkpoint, once a job that only snapshots is through.
    pub stop: mpsc::Sender<BarrierKind>,
}

impl MySqlSource {
    /// Runs until the last barrier is placed.
    ///
    /// # Errors
    /// Whatever the reader could not mend by connecting again. The job then starts again from its
    /// newest checkpoint, or stops ([`SourceError::is_transient`]).
    pub async fn run(mut self, mut inputs: Inputs) -> Result<(), SourceError> {
        let mut announced = false;
        self.count_on();
        self.tell_left();
        self.announce_starts();
        while !self.ended {
            if self.untold.waits() && !self.holds_still {
                self.commit_before_change(&mut inputs).await?;
                continue;
            }
            self.settle(&inputs.deferred).await?;
            if self.holds_still {
                self.hold_still(&mut inputs.requests).await;
                continue;
            }
            if self.ends_after_snapshot && !announced && self.tables.is_all_live() {
                announced = true;
                let _ = inputs.stop.send(BarrierKind::Checkpoint).await;
            }
            tokio::select! { biased;
                Ok(()) = inputs.requests.changed() => self.requested(&mut inputs.requests),
                Some(ask) = inputs.asks.recv() => self.answer(ask).await?,
                delivered = self.reader.next(&mut self.tables) => {
                    self.take(delivered?).await?;
                    self.take_buffered().await?;
                }
                () = linger(self.linger_until) => {}
                () = linger(self.awaited.ask_at()) => {}
                () = patience(self.asked, self.barrier_patience) => {}
            }
        }
        self.batcher.flush().await?;
        self.publish();
        Ok(())
    }

    /// Takes what has come with the last event, as long as no event makes anything else possible. The
    /// clock, the requests and the questions are looked at once for all of them.
    async fn take_buffered(&mut self) -> Result<(), SourceError> {
        for _ in 1..EVENTS_AT_ONCE {
            if self.batcher.is_full() || !self.only_streams() {
                break;
            }
            match self.reader.buffered(&mut self.tables)? {
                Some(delivered) => self.take(delivered).await?,
                None => break,
            }
        }
        Ok(())
    }

    /// True where [`MySqlSource::settle`] has nothing to do but to send the batch in time.
    fn only_streams(&self) -> bool {
        self.planned
            && !self.beginning
            && !self.holds_still
            && self.asked.is_none()
            && self.opens.is_empty()
            && self.loaded.is_empty()
            && self.passes.is_empty()
            && self.awaited.ask_at().is_none()
            && !self.untold.waits()
            && !self.tables.apart.has_plans_over()
    }

    /// Behind the last barrier nothing is emitted: either its savepoint is stored, and the coordinator
    /// gone, or that failed, and the job goes on.
    async fn hold_still(&mut self, requests: &mut watch::Receiver<Option<BarrierRequest>>) {
        match requests.changed().await {
            Ok(()) => {
                self.holds_still = false;
                self.requested(requests);
            }
            Err(_) => self.ended = true,
        }
    }

    /// Takes the newest request for a barrier, or the word that the one before is not wanted any more.
    fn requested(&mut self, requests: &mut watch::Receiver<Option<BarrierRequest>>) {
        let request = *requests.borrow_and_update();
        let since = self.asked.map_or_else(Instant::now, |asked| asked.since);
        self.asked = request.map(|request| Asked { request, since });
    }

    async fn answer(&mut self, ask: Ask) -> Result<(), SourceError> {
        match ask {
            open @ Ask::Open { .. } => self.opens.push(open),
            Ask::Loaded { chunk, reply } => {
                self.narrow(&chunk);
                self.loaded.push(Waiting { chunk, reply });
            }
            Ask::Pass { table, chunk, high, rows } => {
                let origin = self.read_origin(&high);
                self.emit_pass(&table, chunk, &origin, rows).await?;
            }
            Ask::PassDone { table, chunk, high, reply } => {
                self.passes.push(WaitingPass { table, chunk, high, reply });
            }
            Ask::Abandon { table, chunk, refused } => self.abandon(&table, chunk, refused)?,
            Ask::Failed { table, plan, error, reply } => {
                // Another plan of the table may have mended it.
                if self.tables.followed.get(&table).is_some_and(|t| t.plan == plan) {
                    self.set_apart(error, self.here())?;
                    self.end_plans().await;
                }
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    /// Everything that the last event or question made possible.
    async fn settle(&mut self, deferred: &mpsc::Sender<CheckpointId>) -> Result<(), SourceError> {
        self.ask_for_awaited().await?;
        self.end_plans().await;
        if self.beginning && self.has_caught_up() {
            self.beginning = false;
        }
        if !self.planned && self.has_caught_up() {
            self.planned = true;
            self.plan_all().await;
        }
        if !self.transaction.open && !self.opens.is_empty() && self.has_caught_up() {
            self.open_chunks().await?;
        }
        if !self.loaded.is_empty() && self.file_known {
            self.close_chunks().await?;
        }
        if !self.passes.is_empty() && self.file_known {
            self.close_passes().await?;
        }
        self.flush_if_due().await?;
        if self.asked.is_some() {
            self.place_barrier(deferred).await?;
        }
        self.publish_if_due();
        Ok(())
    }

    /// Sends a full batch, and one that has waited long enough, however busy other tables are.
    async fn flush_if_due(&mut self) -> Result<(), SourceError> {
        if self.batcher.is_empty() {
            self.linger_until = None;
            return Ok(());
        }
        let until = *self.linger_until.get_or_insert_with(|| Instant::now() + LINGER);
        if self.batcher.is_full() || Instant::now() >= until {
            self.linger_until = None;
            self.batcher.flush().await?;
        }
        Ok(())
    }

    async fn plan_all(&mut self) {
        let names: Vec<TableName> = self.tables.followed.keys().cloned().collect();
        for name in names {
            self.plan(&name).await;
        }
    }

    /// INVARIANT transaction-edge: a barrier lies between transactions, save inside one that is too
    /// big or open for too long, where it lies between two rows events and the position says how
    /// many of them are applied.
    async fn place_barrier(
        &mut self,
        deferred: &mpsc::Sender<CheckpointId>,
    ) -> Result<(), SourceError> {
        let Some(Asked { request, since }) = self.asked else { return Ok(()) };
        // A statement inside a transaction (CREATE TABLE … SELECT) comes before its rows.
        let inside = self.transaction.open
            && !self.untold.waits()
            && self.transaction.bytes < crate::pipeline::TRANSACTION_BYTES_BEFORE_INNER_BARRIER
            && since.elapsed() < self.barrier_patience;
        // What is held of an open XA transaction is in no checkpoint; nor is a place that would be
        // taken for one in the files of a server that it is not of.
        if inside || self.xa.is_open() || !self.file_known {
            return Ok(());
        }
        if self.is_emitting_a_pass() {
            self.asked = None;
            // The coordinator drains this queue whatever it does; if it is gone, it says why itself.
            let _ = deferred.try_send(request.id);
            return Ok(());
        }
        self.asked = None;
        self.xa.spill().await?;
        let source = Arc::new(self.state());
        fault::point("barrier.before");
        self.batcher.barrier(Barrier { id: request.id, kind: request.kind, source }).await?;
        fault::point("barrier.after");
        self.untold.placed(request.id);
        self.holds_still = request.last;
        Ok(())
    }

    fn is_emitting_a_pass(&self) -> bool {
        self.tables.followed.values().any(|t| match &t.phase {
            tables::Phase::Pass(pass) => pass.is_emitting(),
            tables::Phase::Live | tables::Phase::Snapshot(_) => false,
        })
    }

    pub(crate) fn state(&self) -> SourceState {
        SourceState {
            server: ServerIdentity {
                server_uuid: self.server.server_uuid.clone(),
                server_id: self.server.server_id,
                version: self.server.version_text.clone(),
                identity: self.server.identity.clone(),
            },
            position: self.reader.position().clone(),
            position_ts_ms: self.position_ts_ms,
            tables: self.tables.states(),
            counters: self.counters.clone(),
            xa: self.xa.state(),
            quarantine: self.tables.apart.state(),
            online_ddl: self.tables.online.state(),
            untold: self.untold.state(),
        }
    }

    fn has_caught_up(&mut self) -> bool {
        let position = self.reader.position();
        self.opens_after.take_if(|mark| self.file_known && position.reached(mark));
        self.file_known && self.opens_after.is_none() && self.awaited.is_over()
    }

    /// Where rows that are the state of their table at `high` come from.
    fn read_origin(&self, high: &Watermark) -> Origin {
        let binlog = match high {
            Watermark::Binlog(position) => position,
            Watermark::Gtids(_) => &self.reader.position().binlog,
        };
        Origin {
            ts_ms: 0,
            server_id: self.server.server_id,
            gtid: None,
            file: Arc::clone(binlog.file.name()),
            pos: binlog.offset,
            first_row: 0,
        }
    }

    /// Tells the coordinator whether there are tables to read.
    fn tell_backlog(&self) {
        let now = !self.tables.is_all_live();
        self.backlog.send_if_modified(|backlog| std::mem::replace(backlog, now) != now);
    }
}

/// Ends at that moment; without one, never.
async fn linger(until: Option<Instant>) {
    match until {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Ends when a barrier asked for has waited long enough for the end of a transaction.
async fn patience(asked: Option<Asked>, patience: Duration) {
    match asked {
        Some(Asked { since, .. }) if since.elapsed() < patience => {
            tokio::time::sleep_until(since + patience).await;
        }
        Some(_) | None => std::future::pending().await,
    }
}
