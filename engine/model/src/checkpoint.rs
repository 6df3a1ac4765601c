//! Checkpoints: what they hold, how one comes to be, and the port to where they rest.
//!
//! INVARIANT durable-first: a checkpoint exists only after every sink has prepared all that lies
//! before its barrier. The types keep it: a store takes a [`Durable`], and the only way to one is a
//! [`Barrier`] with the token of each sink.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::change::SchemaChange;
use crate::chunk::RangeSet;
use crate::position::{BinlogPosition, Position};
use crate::sink::SinkToken;
use crate::table::{TableName, TableSchema};

/// Number of a checkpoint or savepoint within its job, from 1 up, never reused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CheckpointId(pub u64);

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for CheckpointId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BarrierKind {
    /// The engine's, taken on a period and pruned.
    Checkpoint,
    /// The user's, taken on request and never pruned.
    Savepoint,
}

impl fmt::Display for BarrierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checkpoint => "checkpoint",
            Self::Savepoint => "savepoint",
        })
    }
}

/// How a sink is to commit (`execution.checkpointing.mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointMode {
    /// Staged at the barrier, visible once the checkpoint is stored.
    ExactlyOnce,
    /// Visible as soon as the sink likes: a crash repeats what came after the newest checkpoint.
    AtLeastOnce,
}

/// A mark in the ordered stream, with the state of the source at that point. Everything before it
/// belongs to the checkpoint, nothing after it does.
#[derive(Debug, Clone)]
pub struct Barrier {
    pub id: CheckpointId,
    pub kind: BarrierKind,
    pub source: Arc<SourceState>,
}

/// Everything of a source that a resume needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceState {
    pub server: ServerIdentity,
    pub position: Position,
    /// Time of the newest change applied, in milliseconds since the epoch; 0 before the first.
    pub position_ts_ms: i64,
    pub tables: Vec<TableState>,
    pub counters: Counters,
    #[serde(default)]
    pub xa: XaState,
    #[serde(default)]
    pub quarantine: Quarantine,
    #[serde(default)]
    pub online_ddl: OnlineDdlState,
    /// Changes of tables that lie before the position, in order, of which no sink has been told yet:
    /// the schemas of `tables` hold them already, the sinks do not. They come before anything else.
    #[serde(default)]
    pub untold: Vec<SchemaChange>,
}

/// Tables that stand apart from the stream, and those that start over in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quarantine {
    /// None of these is among the tables of the state: nothing of them is read or emitted.
    pub tables: Vec<Quarantined>,
    /// Tables that are read from the start again, of which no sink has been told yet.
    pub start_over: Vec<TableName>,
}

/// A table that could not be followed any further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    pub table: TableName,
    /// The whole text of the error.
    pub reason: String,
    /// End of the event that could not be taken: of the table, everything before it was, and
    /// nothing of it or after it. Between events: where the stream stood.
    pub position: BinlogPosition,
    /// Of that event's transaction, as the server prints it.
    pub gtid: Option<String>,
    /// Milliseconds since the epoch.
    pub since_ms: i64,
    /// Rows events of the table that were passed over since, with that one.
    pub events_dropped: u64,
}

/// XA transactions whose rows lie before the position and whose verdict comes after it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct XaState {
    pub prepared: Vec<PreparedXa>,
    /// Every id below it that is not in `prepared` is of a transaction that was settled before the
    /// position.
    pub next: HeldId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedXa {
    /// As servers write it: `X'67',X'62',1`.
    pub xid: String,
    /// `None` where it changed no followed table.
    pub rows: Option<HeldRows>,
}

/// Rows that rest beside the checkpoints of a job, for they may be many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRows {
    pub id: HeldId,
    /// Records, numbered from 0.
    pub records: u64,
    /// Bytes of all records.
    pub bytes: u64,
}

/// Names held rows for ever: the fence of the run that wrote them, and their number within it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct HeldId {
    pub run: u64,
    pub number: u64,
}

/// Schema changes that tools make in a shadow table (gh-ost, pt-online-schema-change), of which a
/// part lies before the position.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OnlineDdlState {
    pub shadows: Vec<ShadowState>,
    /// Followed tables that have made way for their shadow, which is not in their place yet.
    pub away: Vec<Away>,
}

/// A table that is to take a followed table's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowState {
    pub name: TableName,
    /// `None`: the server was asked, and had it no more.
    pub definition: Option<Arc<TableSchema>>,
    /// As in [`TableState::unproven`].
    pub unproven: Option<Unproven>,
    /// What changed it since its creation, as logged; `None`: not seen from the creation on.
    pub statements: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    pub table: TableName,
    /// Its name meanwhile.
    pub at: TableName,
}

/// Which server the position belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerIdentity {
    /// `@@server_uuid`; empty on MariaDB, which has none.
    pub server_uuid: String,
    pub server_id: u32,
    pub version: String,
    /// What tells this server from every other, also where it has no UUID.
    #[serde(default)]
    pub identity: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Snapshot rows emitted since the job began.
    pub rows_read: u64,
    /// Rows events of followed tables taken from the binlog since the job began.
    pub events_streamed: u64,
}

/// A followed table: its schema in force at the position, and how far its snapshot is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableState {
    pub schema: Arc<TableSchema>,
    pub phase: TablePhase,
    /// See there; `None`: `schema` is the one in force at the position.
    #[serde(default)]
    pub unproven: Option<Unproven>,
}

/// A schema that was read from the server, which may have been ahead of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unproven {
    /// The server's binlog had reached to here: until the stream is there, changes of the table
    /// that the schema holds already may be on their way.
    pub until: BinlogPosition,
    /// Rows went out by it.
    pub used: bool,
    /// It is of another place of the binlog than the position, which was moved by hand: the next
    /// start reads it anew.
    #[serde(default, skip_serializing_if = "is_false")]
    pub anew: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl TableState {
    pub fn name(&self) -> &TableName {
        &self.schema.name
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TablePhase {
    /// Every change flows.
    Live,
    /// A snapshot is under way: changes of keys in `done` flow, the other keys are still to be read.
    Snapshot {
        done: RangeSet,
        /// Rows read so far, for progress.
        rows: u64,
    },
}

/// A sink's answer to a barrier.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Name of the sink within the job (`sink[0]`, `sink[1]`, …).
    pub sink: String,
    pub token: SinkToken,
}

/// The proof that every sink holds everything before a barrier. What a store accepts.
#[derive(Debug)]
pub struct Durable {
    barrier: Barrier,
    tokens: BTreeMap<String, SinkToken>,
}

impl Durable {
    /// Makes the proof from the answers of all `sinks`; `None` while one of them is missing.
    pub fn prove(barrier: Barrier, sinks: &[String], answers: Vec<Prepared>) -> Option<Self> {
        let tokens: BTreeMap<_, _> = answers.into_iter().map(|p| (p.sink, p.token)).collect();
        sinks.iter().all(|s| tokens.contains_key(s)).then_some(Self { barrier, tokens })
    }

    pub fn barrier(&self) -> &Barrier {
        &self.barrier
    }

    /// The checkpoint to store. `duration_ms` is what it took from barrier to proof.
    pub fn into_checkpoint(
        self,
        job: &str,
        trigger: &str,
        note: &str,
        completed_at_ms: i64,
        duration_ms: u64,
    ) -> Checkpoint {
        Checkpoint {
            job: job.to_owned(),
            id: self.barrier.id,
            kind: self.barrier.kind,
            trigger: trigger.to_owned(),
            note: note.to_owned(),
            completed_at_ms,
            duration_ms,
            source: self.barrier.source,
            sinks: self.tokens,
        }
    }
}

/// A checkpoint or savepoint, whole and self-contained. Its stored form is the `state` crate's.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub job: String,
    pub id: CheckpointId,
    pub kind: BarrierKind,
    /// Why it was taken: `period`, `stop`, `request`, `schema-change`; `start`, `restore`, `edit` of
    /// one that a job begins with.
    pub trigger: String,
    /// What the user wrote to it; empty for most.
    pub note: String,
    /// Milliseconds since the epoch.
    pub completed_at_ms: i64,
    pub duration_ms: u64,
    pub source: Arc<SourceState>,
    /// Token of each sink, by its name within the job.
    pub sinks: BTreeMap<String, SinkToken>,
}

/// A line of the list of snapshots, read from the store itself.
#[derive(Debug)]
pub struct Listed {
    pub id: CheckpointId,
    /// Bytes in the store.
    pub size: u64,
    /// The checkpoint, or why it cannot be restored.
    pub content: Result<Checkpoint, StoreError>,
}

/// The epoch that a running job holds on its state; greater than every one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64);

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("another process runs job `{job}` on {store}: {what}")]
    Fenced { store: String, job: String, what: String },
    #[error("snapshot {id} of job `{job}` in {store} is damaged: {what}")]
    Damaged { store: String, job: String, id: String, what: String },
    #[error(
        "snapshot {id} of job `{job}` was written by a newer version (format {found}, this one reads up to {known}): use Seachange {needed} or newer"
    )]
    Newer { job: String, id: String, found: u32, known: u32, needed: String },
    /// An id holds one snapshot for ever.
    #[error("another snapshot {id} of job `{job}` exists already in {store}")]
    Exists { store: String, job: String, id: String },
    #[error("no snapshot {id} of job `{job}` in {store}")]
    Missing { store: String, job: String, id: String },
    #[error("cannot {what} in {store}")]
    Io {
        store: String,
        what: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where the checkpoints of one job rest. What exists is what [`CheckpointStore::list`] returns; no
/// copy of that list is kept elsewhere (invariant `store-is-truth`).
#[async_trait]
pub trait CheckpointStore: Send + Sync {
    /// Takes the job over: a greater epoch than any before. The older holder's writes are refused
    /// from here on. A store that can only ever have one process refuses here instead.
    async fn acquire(&self) -> Result<Fence, StoreError>;

    /// Asked before everything that is written elsewhere on the job's behalf. Cheap, no I/O.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] once `fence` is known not to be the newest epoch; [`StoreError::Io`] once
    /// it is not known to be: a lease that ran out while the process slept or the store did not answer.
    /// [`CheckpointStore::acquire`] then tells which.
    fn holds(&self, fence: Fence) -> Result<(), StoreError>;

    /// Stores atomically and durably, or not at all.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where `fence` is not the newest epoch.
    async fn put(&self, fence: Fence, checkpoint: &Checkpoint) -> Result<(), StoreError>;

    /// Everything there is of the job, newest id first, each entry read and verified.
    async fn list(&self) -> Result<Vec<Listed>, StoreError>;

    async fn get(&self, id: CheckpointId) -> Result<Checkpoint, StoreError>;

    /// The stored bytes of a snapshot as they are, for those who look at them.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the bytes cannot be told from what lies around them.
    async fn bytes(&self, id: CheckpointId) -> Result<Vec<u8>, StoreError>;

    /// Removing what is not there is no error.
    async fn remove(&self, fence: Fence, id: CheckpointId) -> Result<(), StoreError>;

    /// The process is done with the job: another may take it at once, without waiting to see whether
    /// this one lives. Nothing is held afterwards.
    async fn release(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
