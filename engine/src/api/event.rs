//! What happened, and who asked for it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// Newest first.
    pub events: Vec<Event>,
    /// What to give as `before` for older ones; absent where there are none.
    #[serde(default)]
    pub next: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Ascends, over all jobs and over restarts of the daemon.
    pub id: u64,
    pub at_ms: i64,
    /// Absent for what is about the daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    pub kind: EventKind,
    /// In a sentence; of a [`EventKind::State`], the reason.
    pub text: String,
    /// The state that a job came to; with [`EventKind::State`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<super::JobState>,
    /// Name of the token that asked for it; `-` where the daemon has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The job came to another state.
    State,
    /// Somebody asked for something: who did what.
    Audit,
    /// A savepoint was taken, or failed.
    Savepoint,
    /// A checkpoint failed.
    Checkpoint,
    /// A table was set apart, or came back; or a sink followed a change of it, or did not.
    Table,
    /// The connection to the source broke, or events come again.
    Source,
    /// An alert was raised or settled.
    Alert,
}
