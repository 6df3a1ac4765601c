//! What is kept of a job between two lives of the daemon.

use serde::{Deserialize, Serialize};

use crate::api::{Begin, JobState, Strategy, Version, Wanted};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub name: String,
    pub wanted: Wanted,
    pub strategy: Strategy,
    pub created_at_ms: i64,
    /// When the newest version of its script was written.
    pub updated_at_ms: i64,
    /// The newest.
    pub version: u32,
    /// A start that was promised and has not come to run yet. What runs has stored where it began,
    /// so from then on the newest snapshot is the place to resume from.
    pub beginning: Option<Beginning>,
    pub standing: Standing,
    pub started_at_ms: Option<i64>,
}

/// How a start begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beginning {
    pub from: Begin,
    pub allow_fallback: bool,
    pub resnapshot: Vec<String>,
    /// Number of the newest snapshot when this was promised, 0 for none: what is newer is of this very
    /// start. `None`: nobody has looked.
    #[serde(default)]
    pub after: Option<u64>,
}

impl Beginning {
    pub(super) fn from(from: Begin) -> Self {
        Self { from, allow_fallback: false, resnapshot: Vec::new(), after: None }
    }

    /// Where the job left off.
    pub(super) fn resumed() -> Self {
        Self::from(Begin::Latest)
    }

    /// Made a second time, it would come to something else.
    pub(super) fn is_for_once(&self) -> bool {
        self.from != Begin::Latest || !self.resnapshot.is_empty()
    }
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub state: JobState,
    pub reason: String,
    pub since_ms: i64,
}

/// A version of a script. Stored sealed, for it holds passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Text {
    pub version: Version,
    pub script: String,
    pub file: Option<String>,
    pub lenient: bool,
}

impl Text {
    /// As errors name it.
    pub(super) fn file(&self) -> &str {
        self.file.as_deref().unwrap_or("script")
    }

    /// The same script, whoever wrote it and when.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.script, &self.file, self.lenient) == (&other.script, &other.file, other.lenient)
    }
}
