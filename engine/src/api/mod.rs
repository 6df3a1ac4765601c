//! What the API says: the JSON of `docs/api.md`, as the daemon writes it and the commands read it.
//!
//! Times are milliseconds since the epoch, in fields that end in `_ms`; durations likewise. A field
//! that a reader does not know is passed over, so that an older client can ask a newer daemon.

mod event;
mod job;
mod script;
mod snapshot;
mod wish;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use event::{Event, EventKind, Events};
pub use job::{
    CheckpointFailure, CheckpointNow, Counts, Halted, JobDetail, JobList, JobState, JobSummary,
    Line, Output, Progress, Sample, Samples, TableRow, TableState, Tables, Wanted,
};
pub use script::{Edited, Told, Validated, Version, VersionText, Versions};
pub use snapshot::{Configured, Snapshot, SnapshotKind, SnapshotSummary, Snapshots, Spread};
pub use wish::{
    Begin, DeleteWish, PauseWish, RestoreWish, SavepointWish, StartWish, StopKind, StopWish,
    Strategy, SubmitWish, TableName, TableWish, UpdateWish, ValidateWish,
};

/// What this daemon is, and who asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// Of the binary, as `seachange --version` tells it.
    pub version: String,
    pub started_at_ms: i64,
    /// Name of the token that asks; absent where the daemon has no tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    pub role: Role,
    /// Whether a token is asked of everybody.
    pub needs_token: bool,
    pub jobs: Counts,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything that changes nothing.
    Viewer,
    Operator,
}

/// A refusal (RFC 9457), as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`, or a path under `/problems/` that `docs/api.md` lists.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What, why, and what to do.
    pub detail: String,
    /// What is wrong with a script, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Told>,
}

/// Job names, table names and tokens in what is asked, so that a schema can tell their limits.
pub const NAME_CHARS_MAX: usize = 500;
/// A script, in bytes.
pub const SCRIPT_BYTES_MAX: usize = 1 << 20;
/// A note to a savepoint or a version, in characters.
pub const NOTE_CHARS_MAX: usize = 1000;
