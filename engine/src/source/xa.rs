//! XA transactions: rows in one place of the binlog, their verdict in another.
//!
//! A server writes the rows of an XA transaction when it is *prepared*, as a transaction that ends in
//! `XA PREPARE`. `XA COMMIT` or `XA ROLLBACK`, a transaction of its own with nothing but the name in
//! it, comes minutes or days later, from any session, also after a restart of the server. So rows are
//! held here from the one to the other.
//!
//! INVARIANT settled-once: *a change of an XA transaction happens at its `XA COMMIT`.* Before that it
//! reaches nothing: no window, no pass, no output, no counter. There it takes the way of every change,
//! with the commit's place, GTID and time as its origin, its rows numbered through the transaction. A
//! rollback drops it. In one phase the transaction is prepared and committed by one event, which is
//! its commit.
//!
//! With that the argument in [`merge`](super::merge) holds word for word, for nothing in it asks where
//! the bytes of a change stood, only when it happened: a SELECT sees the rows once the engine has
//! committed, which is after `XA COMMIT` is in the binlog, so at a high watermark behind it the log of
//! the window has them; and a chunk opened behind it waits until they are visible. What a prepared
//! transaction changed stays locked, and its tables keep their definition, until the verdict: no other
//! change of such a row comes in between, so the images held are those of the commit. They are checked
//! against the definition in force there all the same.
//!
//! Rows prepared *before the stream began* were never seen, and no chunk sees them before the commit.
//! The commit of a name that is not held therefore ends the job, with three exceptions in which
//! nothing is lost: it is no commit but a rollback; nothing of any table is read yet, so every chunk
//! opens behind it ([`XaTransactions`] knows every name prepared since, also those without rows of
//! ours); or the job streams from "now", and "now" has not come yet. To make these the rule, a job that
//! begins asks the server which transactions are prepared, and lets no chunk open (no row out) before
//! the stream has passed their verdicts, for a bounded time ([`Awaited`]). A transaction that the
//! server does not list any more was settled before it was asked, so before the end of the binlog that
//! was read after that, which chunks wait for. One that changed nothing is settled without a word in
//! the binlog, so the server is asked again.
//!
//! Memory: what is held beyond [`HELD_BYTES_IN_MEMORY_MAX`] goes to disk, and before a barrier all of
//! it does, for checkpoints name the rows and do not hold them ([`state::HeldStore`]). No barrier lies
//! inside the part up to `XA PREPARE`: it is small, or ends the job ([`HELD_BYTES_MAX`]).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use binlog::event::Xid;
use model::checkpoint::{HeldId, HeldRows, PreparedXa, XaState};
use model::{Origin, PackedCodec, RowsBlock, TableSchema};
use state::{HeldDrain, HeldStore};
use tokio::time::Instant;

use super::SourceError;
use crate::pipeline::{HELD_BYTES_IN_MEMORY_MAX, HELD_BYTES_MAX, PREPARED_MAX};

mod record;
mod verdict;

/// A prepared transaction of this size is worth a line in the log.
const LARGE_BYTES: u64 = 64 << 20;
/// So is one that stays prepared for so long: it also keeps its locks on the server.
const LONG_AFTER: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// What a record costs in memory beside its bytes.
const RECORD_OVERHEAD: usize = 64;
/// Transactions prepared before the job began have so long to be settled before it goes on.
const AWAIT_MAX: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(500);

/// The owner of prepared transactions: by name, their rows.
#[derive(Debug)]
pub struct XaTransactions {
    store: HeldStore,
    /// For the next one that goes to disk.
    next: HeldId,
    /// The one that the stream is in.
    open: Option<Held>,
    prepared: HashMap<Xid, Held>,
    /// Of all records that are not on disk.
    in_memory: usize,
    /// Of all prepared transactions.
    bytes: u64,
    looked_at: Instant,
}

/// The rows of one transaction, as records: the first ones on disk, the others not yet.
#[derive(Debug)]
pub struct Held {
    on_disk: Option<HeldRows>,
    pending: Vec<Vec<u8>>,
    pending_bytes: usize,
    /// Of all records.
    bytes: u64,
    /// Those that a record has told, by number.
    schemas: Vec<Arc<TableSchema>>,
    since: Instant,
    told: bool,
}

impl Held {
    fn new(on_disk: Option<HeldRows>) -> Self {
        Self {
            on_disk,
            pending: Vec::new(),
            pending_bytes: 0,
            bytes: on_disk.map_or(0, |rows| rows.bytes),
            schemas: Vec::new(),
            since: Instant::now(),
            told: false,
        }
    }

    fn push(&mut self, record: Vec<u8>) {
        self.bytes += record.len() as u64;
        self.pending_bytes += record.len() + RECORD_OVERHEAD;
        self.pending.push(record);
    }

    /// Adds the rows of a block in a form that needs no table map and no packet.
    fn hold(&mut self, block: &RowsBlock) -> Result<(), SourceError> {
        let table = match self.schemas.iter().position(|s| Arc::ptr_eq(s, &block.table)) {
            Some(at) => at,
            None => {
                self.push(record::schema(&block.table)?);
                self.schemas.push(Arc::clone(&block.table));
                self.schemas.len() - 1
            }
        };
        self.push(record::rows(table, block)?);
        Ok(())
    }

    /// Moves what is pending to disk.
    async fn spill(&mut self, next: &mut HeldId, store: &HeldStore) -> Result<(), SourceError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let records = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        let rows = self.on_disk.get_or_insert_with(|| {
            let id = *next;
            next.number += 1;
            HeldRows { id, records: 0, bytes: 0 }
        });
        let first = rows.records;
        rows.records += records.len() as u64;
        rows.bytes = self.bytes;
        store.append(rows.id, first, records).await?;
        Ok(())
    }
}

impl XaTransactions {
    /// Those of a checkpoint, or none. `run` is this run's fence.
    ///
    /// # Errors
    /// [`SourceError::Held`] where rows that the checkpoint names are not there.
    pub async fn open(store: HeldStore, run: u64, state: &XaState) -> Result<Self, SourceError> {
        let mut all = Self {
            store,
            next: HeldId { run, number: 0 },
            open: None,
            prepared: HashMap::new(),
            in_memory: 0,
            bytes: 0,
            looked_at: Instant::now(),
        };
        for PreparedXa { xid, rows } in &state.prepared {
            let lost = |what: &str| SourceError::Held(format!("XA transaction {xid}: {what}"));
            let name: Xid = xid.parse().map_err(|_| lost("the checkpoint has no such name"))?;
            if let Some(rows) = rows
                && !all.store.has(*rows).await?
            {
                return Err(lost("its rows are not in the state of the job"));
            }
            let held = Held::new(*rows);
            all.bytes += held.bytes;
            all.prepared.insert(name, held);
        }
        if !all.prepared.is_empty() {
            tracing::info!(
                prepared = all.prepared.len(),
                bytes = all.bytes,
                "prepared XA transactions wait for their verdict"
            );
        }
        Ok(all)
    }

    /// A transaction begins, of this kind or of the other: what was open has no end.
    pub fn begin(&mut self, is_xa: bool) {
        if let Some(open) = self.open.take() {
            self.in_memory -= open.pending_bytes;
        }
        self.open = is_xa.then(|| Held::new(None));
    }

    /// True between the beginning of an XA transaction and its `XA PREPARE`.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub fn is_held(&self, xid: &Xid) -> bool {
        self.prepared.contains_key(xid)
    }

    /// Keeps rows of the open transaction.
    pub async fn hold(&mut self, block: &RowsBlock) -> Result<(), SourceError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let before = open.pending_bytes;
        open.hold(block)?;
        self.in_memory += open.pending_bytes - before;
        if self.in_memory > HELD_BYTES_IN_MEMORY_MAX { self.spill().await } else { Ok(()) }
    }

    /// Puts everything on disk, as a checkpoint needs it.
    pub async fn spill(&mut self) -> Result<(), SourceError> {
        for held in self.prepared.values_mut().chain(&mut self.open) {
            held.spill(&mut self.next, &self.store).await?;
        }
        self.in_memory = 0;
        Ok(())
    }

    /// The open transaction is prepared.
    ///
    /// # Errors
    /// [`SourceError::XaLimit`] where more is held than a job may; [`SourceError::Held`] where it did
    /// not begin here.
    pub fn prepared(&mut self, xid: Xid) -> Result<(), SourceError> {
        let held = self.open.take().ok_or_else(|| {
            SourceError::Held(format!("the stream began inside XA transaction {xid}"))
        })?;
        let (bytes, count) = (self.bytes + held.bytes, self.prepared.len() + 1);
        if bytes > HELD_BYTES_MAX || count > PREPARED_MAX {
            let (xid, limit, most) = (xid.to_string(), HELD_BYTES_MAX, PREPARED_MAX);
            return Err(SourceError::XaLimit { xid, count, bytes, limit, most });
        }
        if held.bytes > LARGE_BYTES {
            tracing::warn!(%xid, bytes = held.bytes, "a large XA transaction is prepared");
        }
        self.bytes = bytes;
        if let Some(lost) = self.prepared.insert(xid.clone(), held) {
            // A name is free again only when its transaction is gone: one that a server lost in a
            // crash, after its binlog had it, was never committed.
            tracing::warn!(%xid, "an XA transaction is prepared again: the earlier one is dropped");
            self.in_memory -= lost.pending_bytes;
            self.bytes -= lost.bytes;
        }
        Ok(())
    }

    /// The open transaction is committed, in one phase.
    pub fn take_open(&mut self) -> Option<Held> {
        let held = self.open.take()?;
        self.in_memory -= held.pending_bytes;
        Some(held)
    }

    /// A prepared transaction is settled. Its rows stay on disk until no checkpoint names them.
    pub fn take(&mut self, xid: &Xid) -> Option<Held> {
        let held = self.prepared.remove(xid)?;
        self.in_memory -= held.pending_bytes;
        self.bytes -= held.bytes;
        Some(held)
    }

    /// Reads the rows of a transaction that is committed at `origin`.
    pub fn release(&self, held: Held, origin: Origin) -> Released {
        let drain = held.on_disk.map(|rows| self.store.drain(rows));
        Released { drain, pending: held.pending, schemas: Vec::new(), origin }
    }

    /// For the checkpoint, once [`XaTransactions::spill`] is done.
    pub fn state(&self) -> XaState {
        let mut prepared: Vec<PreparedXa> = self
            .prepared
            .iter()
            .map(|(xid, held)| PreparedXa { xid: xid.to_string(), rows: held.on_disk })
            .collect();
        prepared.sort_by(|a, b| a.xid.cmp(&b.xid));
        XaState { prepared, next: self.next }
    }

    /// Says once of each transaction that it stays prepared for long.
    pub fn look(&mut self) {
        if self.looked_at.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked_at = Instant::now();
        for (xid, held) in &mut self.prepared {
            if !held.told && held.since.elapsed() > LONG_AFTER {
                held.told = true;
                tracing::warn!(%xid, bytes = held.bytes, "an XA transaction stays prepared for long");
            }
        }
    }
}

/// Committed rows on their way out.
pub struct Released {
    drain: Option<HeldDrain>,
    pending: Vec<Vec<u8>>,
    schemas: Vec<Arc<TableSchema>>,
    origin: Origin,
}

impl Released {
    /// The next rows, in order and in bounded batches; `None` when there are no more.
    pub async fn next(&mut self) -> Result<Option<Vec<RowsBlock>>, SourceError> {
        let records = match &mut self.drain {
            Some(drain) => {
                let records = drain.next().await?;
                if records.is_empty() {
                    self.drain = None;
                    std::mem::take(&mut self.pending)
                } else {
                    records
                }
            }
            None => std::mem::take(&mut self.pending),
        };
        if records.is_empty() {
            return Ok(None);
        }
        let mut blocks = Vec::with_capacity(records.len());
        for record in records {
            let read = record::read(record, &self.schemas)
                .ok_or_else(|| SourceError::Held("a record is damaged".to_owned()))?;
            match read {
                record::Record::Schema(schema) => self.schemas.push(Arc::new(schema)),
                record::Record::Rows { table, kind, rows, data } => {
                    let origin = self.origin.clone();
                    self.origin.first_row = self.origin.first_row.wrapping_add(rows);
                    let codec = Arc::new(PackedCodec);
                    blocks.push(RowsBlock { table, kind, codec, data, origin });
                }
            }
        }
        Ok(Some(blocks))
    }
}

/// Transactions that were prepared before the stream began, and are waited for.
#[derive(Debug, Default)]
pub struct Awaited {
    xids: HashSet<Xid>,
    /// When the waiting is over, however many are left; `None` when it is.
    until: Option<Instant>,
    /// When the server is asked again.
    ask_at: Option<Instant>,
}

impl Awaited {
    pub fn new(xids: HashSet<Xid>) -> Self {
        if !xids.is_empty() {
            let names: Vec<String> = xids.iter().take(8).map(ToString::to_string).collect();
            tracing::info!(
                count = xids.len(),
                xids = names.join(" "),
                "XA transactions were prepared before the job began: it waits for their verdicts"
            );
        }
        let until = (!xids.is_empty()).then(|| Instant::now() + AWAIT_MAX);
        Self { xids, until, ask_at: until.map(|_| Instant::now() + ASK_EVERY) }
    }

    /// When the server is to be asked again; `None` where nothing is waited for.
    pub fn ask_at(&self) -> Option<Instant> {
        self.ask_at
    }

    /// Takes what the server lists now; true where it lists less than before.
    pub fn still(&mut self, prepared: &HashSet<Xid>) -> bool {
        self.ask_at = self.until.map(|_| Instant::now() + ASK_EVERY);
        let before = self.xids.len();
        self.xids.retain(|xid| prepared.contains(xid));
        self.end_if_empty();
        self.xids.len() < before
    }

    fn end_if_empty(&mut self) {
        if self.xids.is_empty() {
            (self.until, self.ask_at) = (None, None);
        }
    }

    /// The stream has passed the verdict of one, or holds it itself.
    pub fn settled(&mut self, xid: &Xid) {
        self.xids.remove(xid);
        self.end_if_empty();
    }

    /// True where nothing is waited for (any more).
    pub fn is_over(&self) -> bool {
        self.until.is_none()
    }

    /// Ends the waiting when it has taken long enough.
    pub fn expire(&mut self) {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            (self.until, self.ask_at) = (None, None);
            let names: Vec<String> = self.xids.drain().take(8).map(|xid| xid.to_string()).collect();
            tracing::warn!(
                xids = names.join(" "),
                "XA transactions stay prepared since before the job began; it goes on, and ends if one of them is committed"
            );
        }
    }
}

#[cfg(test)]
mod tests;
