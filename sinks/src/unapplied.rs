//! Changes of the source that a sink has not followed, though its job goes on: whoever watches the job
//! is told, beside the log.

use std::fmt;
use std::sync::Arc;

use model::TableName;

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
pub struct Watcher(Option<Arc<dyn Fn(Unapplied) + Send + Sync>>);

impl Watcher {
    pub fn new(told: impl Fn(Unapplied) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    pub fn tell(&self, unapplied: Unapplied) {
        if let Some(told) = &self.0 {
            told(unapplied);
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watcher").field(&self.0.is_some()).finish()
    }
}
