//! Scripts, their versions, and what their reader has to say.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::JobDetail;

/// Whether a script would be taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Validated {
    pub valid: bool,
    /// The job's name, where it can be told.
    #[serde(default)]
    pub name: Option<String>,
    /// `host:port`, the first of the script.
    #[serde(default)]
    pub source: Option<String>,
    pub sinks: Vec<String>,
    pub errors: Vec<Told>,
    pub notes: Vec<Told>,
}

/// Something about a script, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    pub message: String,
    /// From 1; absent where it is about the script as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// From 1, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// The line with the place marked below it, secrets hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Versions {
    /// Newest first.
    pub versions: Vec<Version>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    pub number: u32,
    pub at_ms: i64,
    /// Name of the token that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionText {
    #[serde(flatten)]
    pub version: Version,
    /// As it was given, but for secrets: a value that is one reads `******`.
    pub script: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    pub lenient: bool,
}

/// A script was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Edited {
    pub job: JobDetail,
    /// Whether it runs by the new script by now; else it does from its next start.
    pub applied: bool,
    /// False: it was this script already, and nothing was done.
    pub changed: bool,
}
