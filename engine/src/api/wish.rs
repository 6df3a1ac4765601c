//! What is asked for.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Where a start begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// From the newest valid snapshot of either kind; with none, afresh.
    #[default]
    Latest,
    /// From the oldest that is kept.
    Earliest,
    /// Afresh; snapshots are kept.
    None,
}

/// The same for one start: a strategy, or one snapshot, which no later start is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    Latest,
    Earliest,
    None,
    /// The id of a snapshot of this job, or the path or URL of an exported one.
    Custom(String),
}

impl From<Strategy> for Begin {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Latest => Self::Latest,
            Strategy::Earliest => Self::Earliest,
            Strategy::None => Self::None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitWish {
    /// SQL script or YAML pipeline. Its job's name is `pipeline.name`, unless `name` says another.
    #[schema(max_length = 1048576)]
    pub script: String,
    /// Of the file it came from: errors name it, and a job without a `pipeline.name` is named after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")]
    pub file: Option<String>,
    /// A path, for instance `retail/orders/emp_sync`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^/\x00-\x1f\x7f-\x9f]+(/[^/\x00-\x1f\x7f-\x9f]+)*$"
    )]
    pub name: Option<String>,
    /// As `--lenient` of the commands.
    #[serde(default)]
    pub lenient: bool,
    /// Start it at once.
    #[serde(default)]
    pub start: bool,
    /// Of later starts too.
    #[serde(default)]
    pub strategy: Strategy,
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateWish {
    #[schema(max_length = 1048576)]
    pub script: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")]
    pub file: Option<String>,
    #[serde(default)]
    pub lenient: bool,
    /// A job whose hidden values (`******`) the script takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^/\x00-\x1f\x7f-\x9f]+(/[^/\x00-\x1f\x7f-\x9f]+)*$"
    )]
    pub job: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWish {
    /// The whole script. A value `******` stands for what the version before it holds there. Absent:
    /// it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1048576)]
    pub script: Option<String>,
    /// The version that this one follows; refused with 409 where it is no longer the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 4294967295u32)]
    pub after: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Take a savepoint of a job that runs, and start it by the new script. Else that waits for the
    /// next start.
    #[serde(default)]
    pub apply: bool,
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub note: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartWish {
    /// For this start alone; absent: the job's strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Begin>,
    /// A newest snapshot that is damaged may be passed over.
    #[serde(default)]
    pub allow_fallback: bool,
    /// Tables that are read from the start again, by their exact names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000, value_type = Vec<TableName>)]
    pub resnapshot: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopWish {
    pub kind: StopKind,
    /// To the savepoint.
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// Savepoint, verified by reading it back, then the end; where it fails the job runs on.
    Smart,
    /// The same, as the user's explicit kind: the savepoint is marked so.
    Savepoint,
    /// At once, without a savepoint; checkpoints stay as the job's retention says.
    Cancel,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseWish {
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub note: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SavepointWish {
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub note: String,
}

/// Of `restore`: the job ends, if it runs, and starts from here. Its strategy stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreWish {
    /// The id of a snapshot of this job, or the path or URL of an exported one.
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")]
    pub snapshot: String,
}

/// `db.table`, exactly. It stands in the description, for what is a string everywhere else.
#[derive(ToSchema)]
#[schema(
    min_length = 1,
    max_length = 500,
    pattern = r"^[^\x00-\x1f\x7f-\x9f]+$",
    example = "shop.orders"
)]
pub struct TableName(pub String);

/// Of the commands that are about tables; exact names, `db.table`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TableWish {
    #[schema(min_items = 1, max_items = 1000, value_type = Vec<TableName>)]
    pub tables: Vec<String>,
}

/// Query of a deletion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteWish {
    /// Its checkpoints and savepoints too. Those that were exported elsewhere stay.
    #[serde(default)]
    #[param(default = false)]
    pub snapshots: bool,
}
