//! Checkpoints and savepoints, as the store lists them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    Checkpoint,
    Savepoint,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Snapshots {
    /// Newest first.
    pub snapshots: Vec<Snapshot>,
    pub summary: SnapshotSummary,
    pub configuration: Configured,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    pub id: u64,
    /// Absent where it cannot be read.
    #[serde(default)]
    pub kind: Option<SnapshotKind>,
    /// What it was taken for.
    #[serde(default)]
    pub trigger: Option<String>,
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub completed_at_ms: Option<i64>,
    /// From its barrier to its being stored.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    pub size_bytes: u64,
    #[serde(default)]
    pub position: Option<String>,
    #[serde(default)]
    pub tables: Option<u64>,
    #[serde(default)]
    pub tables_live: Option<u64>,
    #[serde(default)]
    pub tables_quarantined: Option<u64>,
    #[serde(default)]
    pub rows_read: Option<u64>,
    pub restorable: bool,
    /// Why it is not.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Of those that are kept and can be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotSummary {
    pub checkpoints: u64,
    pub savepoints: u64,
    pub unreadable: u64,
    #[serde(default)]
    pub duration_ms: Option<Spread>,
    #[serde(default)]
    pub size_bytes: Option<Spread>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Spread {
    pub min: u64,
    pub mean: u64,
    pub max: u64,
}

/// What the job's script says of its checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Configured {
    /// `exactly_once` or `at_least_once`.
    pub mode: String,
    /// Absent: no periodic checkpoints.
    #[serde(default)]
    pub interval_ms: Option<u64>,
    /// While the snapshot runs; absent: none meanwhile.
    #[serde(default)]
    pub interval_during_backlog_ms: Option<u64>,
    pub timeout_ms: u64,
    pub min_pause_ms: u64,
    pub tolerable_failures: u32,
    pub retained: u32,
    /// `retain_on_cancellation`, `delete_on_cancellation` or `no_externalized_checkpoints`.
    pub retention: String,
    /// Where its state rests.
    pub state: String,
    /// Where savepoints are copied to besides.
    #[serde(default)]
    pub savepoint_dir: Option<String>,
}
