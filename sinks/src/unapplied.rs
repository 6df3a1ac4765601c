//! Changes of the source that a sink has followed, and those that it has not though its job goes on:
//! whoever watches the job is told, beside the log.

use std::fmt;
use std::sync::Arc;

use model::TableName;

use crate::waits::Waits;

/// A change that a target has not followed, or not in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unapplied {
    /// The sink's name within the job.
    pub sink: String,
    /// The source's.
    pub table: TableName,
    /// As the source logged it.
    pub statement: Arc<str>,
    /// What is not as in the source, and why.
    pub why: String,
}

/// A change that a target has followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The sink's name within the job.
    pub sink: String,
    /// The source's.
    pub table: TableName,
    pub target: TableName,
    /// As the source logged it.
    pub statement: Arc<str>,
    /// Where it ends in the source's binlog: `file:offset`.
    pub place: String,
    /// What was run in the target.
    pub applied: String,
}

/// Who is told of them; nobody unless [`Watcher::new`]. Called from the sink's task, so it returns at
/// once and keeps no more than it has room for.
#[derive(Clone, Default)]
pub struct Watcher {
    told: Option<Arc<dyn Fn(Unapplied) + Send + Sync>>,
    told_applied: Option<Arc<dyn Fn(Applied) + Send + Sync>>,
    /// Seen by whoever has it too.
    pub waits: Waits,
}

impl Watcher {
    pub fn new(told: impl Fn(Unapplied) + Send + Sync + 'static) -> Self {
        Self { told: Some(Arc::new(told)), ..Self::default() }
    }

    /// The same, with whom to tell of changes that are followed.
    #[must_use]
    pub fn and_applied(self, told: impl Fn(Applied) + Send + Sync + 'static) -> Self {
        Self { told_applied: Some(Arc::new(told)), ..self }
    }

    pub fn tell_applied(&self, applied: Applied) {
        if let Some(told) = &self.told_applied {
            told(applied);
        }
    }

    pub fn tell(&self, unapplied: Unapplied) {
        if let Some(told) = &self.told {
            told(unapplied);
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("waits", &self.waits).finish_non_exhaustive()
    }
}
