//! Jobs, and how they stand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Snapshot, SnapshotKind, Strategy};

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Submitted, and never started.
    Created,
    /// The source and the sinks are being opened, or the job waits for its turn to be.
    Starting,
    /// It runs, and some table is not read through yet.
    Snapshotting,
    /// It runs, and every table follows the binlog.
    Streaming,
    /// A savepoint is being taken, after which the job pauses.
    Pausing,
    /// Stopped by a savepoint, to be resumed; a restart of the daemon leaves it so.
    Paused,
    /// It was asked to stop and has not ended yet.
    Stopping,
    Stopped,
    /// It failed and starts again by and by, as its restart strategy says.
    Restarting,
    /// It failed for good.
    Failed,
    /// It came to its end by itself (`execution.runtime-mode` = `batch`).
    Finished,
}

impl JobState {
    pub const ALL: [Self; 11] = [
        Self::Created,
        Self::Starting,
        Self::Snapshotting,
        Self::Streaming,
        Self::Pausing,
        Self::Paused,
        Self::Stopping,
        Self::Stopped,
        Self::Restarting,
        Self::Failed,
        Self::Finished,
    ];

    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Snapshotting => "snapshotting",
            Self::Streaming => "streaming",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
            Self::Finished => "finished",
        }
    }

    /// Whether rows flow.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Snapshotting | Self::Streaming | Self::Pausing | Self::Stopping)
    }

    /// Whether something runs, or will by itself.
    pub fn is_active(self) -> bool {
        self.is_running() || matches!(self, Self::Starting | Self::Restarting)
    }
}

/// What the user last asked of a job, which a restart of the daemon brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    Running,
    Paused,
    Stopped,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    /// A path: `retail/orders/emp_sync`. Its folders are those of the tree.
    pub name: String,
    pub state: JobState,
    /// Why it is in this state, in a sentence.
    pub reason: String,
    /// Of the reason, what the job waits for while it stays in its state: the source, or a sink's
    /// target; absent where it waits for neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Since when.
    pub since_ms: i64,
    /// Of the script, counted from 1.
    pub version: u32,
    /// `host:port` of the server that is read, or is to be.
    #[serde(default)]
    pub source: Option<String>,
    /// Connectors, in the order of the script.
    pub sinks: Vec<String>,
    pub tables: u64,
    /// Tables that follow the binlog.
    pub tables_live: u64,
    pub tables_quarantined: u64,
    /// Rows that were read or streamed, a second, lately; absent while nothing runs.
    #[serde(default)]
    pub rows_per_second: Option<f64>,
    /// How far the job's place is behind the server's; absent where it is not known.
    #[serde(default)]
    pub lag_seconds: Option<f64>,
    /// When the newest snapshot was completed.
    #[serde(default)]
    pub last_snapshot_ms: Option<i64>,
    /// Starts after a failure, since the user last started it.
    pub restarts: u64,
}

/// How many jobs there are in each state; a state that no job is in is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Counts(pub BTreeMap<JobState, u64>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// By name.
    pub jobs: Vec<JobSummary>,
    /// Of all jobs, whatever was asked for.
    pub counts: Counts,
    /// Jobs that fit what was asked for, on all pages.
    pub total: u64,
    /// What to give as `after` for the next page; absent on the last.
    #[serde(default)]
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    #[serde(flatten)]
    pub summary: JobSummary,
    pub wanted: Wanted,
    /// With which it starts where nothing else is said.
    pub strategy: Strategy,
    pub created_at_ms: i64,
    /// When its script was last changed.
    pub updated_at_ms: i64,
    /// When the run that is under way, or was the last, began.
    #[serde(default)]
    pub started_at_ms: Option<i64>,
    /// What made it fail, or restart.
    #[serde(default)]
    pub error: Option<String>,
    /// What the last savepoint that was asked for failed with, until one succeeds.
    #[serde(default)]
    pub savepoint_error: Option<String>,
    pub progress: Progress,
    pub checkpoints: CheckpointNow,
    /// What the script's reader had to say.
    pub notes: Vec<String>,
}

/// A job was stopped or paused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Halted {
    pub job: JobDetail,
    /// By which it ended; absent where it was cancelled, or had ended before.
    #[serde(default)]
    pub savepoint: Option<Snapshot>,
}

/// How far a job is. Counted since the job began, over all its runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Snapshot rows handed on.
    pub rows_read: u64,
    /// By the server's estimate.
    pub rows_left_estimate: u64,
    /// Of the snapshot, at the pace of late.
    #[serde(default)]
    pub snapshot_seconds_left: Option<f64>,
    /// Rows events of followed tables.
    pub events_streamed: u64,
    /// Rows of the binlog handed on since the run began.
    pub rows_streamed: u64,
    /// Bytes of rows handed on since the run began.
    pub bytes: u64,
    /// File and offset, or GTID set, as `snapshots` shows it.
    #[serde(default)]
    pub position: Option<String>,
    #[serde(default)]
    pub lag_bytes: Option<u64>,
    #[serde(default)]
    pub lag_transactions: Option<u64>,
    /// Until the server purges what the job still needs, at the pace of late.
    #[serde(default)]
    pub retention_seconds_left: Option<f64>,
}

/// How checkpoints fare in the run that is under way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointNow {
    pub completed: u64,
    pub failed: u64,
    pub in_progress: bool,
    #[serde(default)]
    pub last_failure: Option<CheckpointFailure>,
    /// What the run began with; absent for a fresh start.
    #[serde(default)]
    pub restored: Option<u64>,
    #[serde(default)]
    pub restored_kind: Option<SnapshotKind>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointFailure {
    pub at_ms: i64,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tables {
    /// By name. Those that the job follows in its present or last run.
    pub tables: Vec<TableRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableRow {
    /// `db.table`.
    pub name: String,
    pub state: TableState,
    pub rows_read: u64,
    pub rows_left_estimate: u64,
    /// Rows of the binlog handed on since the run began.
    pub rows_streamed: u64,
    pub bytes: u64,
    /// Source time of its newest change.
    #[serde(default)]
    pub last_change_ms: Option<i64>,
    /// In quarantine: rows events that were passed over.
    pub events_dropped: u64,
    /// In quarantine: why.
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableState {
    /// Its turn to be read has not come.
    Waiting,
    Snapshotting,
    /// It follows the binlog.
    Live,
    Quarantined,
}

/// What `print` wrote of late, whichever of the job's sinks it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Output {
    pub lines: Vec<Line>,
    /// What to give as `after`, to be told what comes then.
    pub next: u64,
    /// Lines before the first of these are no longer kept.
    pub dropped: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// Counted from 1 since the daemon started.
    pub number: u64,
    /// Without its line end; cut where it is long.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Samples {
    /// Between two of them.
    pub period_ms: u64,
    /// Oldest first.
    pub samples: Vec<Sample>,
}

/// How a job stood at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    pub at_ms: i64,
    /// Snapshot rows a second.
    pub read_per_second: f64,
    /// Rows of the binlog a second.
    pub streamed_per_second: f64,
    pub bytes_per_second: f64,
    #[serde(default)]
    pub lag_seconds: Option<f64>,
    #[serde(default)]
    pub lag_bytes: Option<u64>,
    /// Of the snapshot, 0 to 1; absent once it is complete.
    #[serde(default)]
    pub snapshot_share: Option<f64>,
}
