//! Changes of the source that a sink has not followed, though its job goes on: whoever watches the job
//! is told, beside the log.

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

/// Who is told of them; nobody unless [`Watcher::new`]. Called from the sink's task, so it returns at
/// once and keeps no more than it has room for.
#[derive(Clone, Default)]
pub struct Watcher {
    told: Option<Arc<dyn Fn(Unapplied) + Send + Sync>>,
    /// Seen by whoever has it too.
    pub waits: Waits,
}

impl Watcher {
    pub fn new(told: impl Fn(Unapplied) + Send + Sync + 'static) -> Self {
        Self { told: Some(Arc::new(told)), waits: Waits::default() }
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
