//! Where checkpoints rest: the stored bytes ([`mod@format`]), the stores behind one trait
//! ([`model::CheckpointStore`]), and what a user's `--state` names ([`StateUrl`]).
//!
//! What a store holds, every store alike (the suite `model::conformance::store` says it in code):
//!
//! * *put* is atomic and durable when it returns, and refused to all but the newest fence. An id
//!   holds one snapshot for ever: the same snapshot again is no error, another one is.
//! * *get* and *list* read and verify the bytes. Damage of one snapshot never hides the others: it
//!   is listed, with what is wrong with it.
//! * *list* is the only truth about what exists; ids descend.

pub mod format;
pub mod job_dir;
pub mod memory;
pub mod object;
mod parts;
pub mod retention;
pub mod rocks;
pub mod savepoint;
mod url;

use std::sync::Arc;

use model::{CheckpointStore, StoreError};

pub use memory::MemoryStore;
pub use retention::{Newest, newest, prunable};
pub use rocks::{
    Drain, HeldDrain, HeldStore, RocksReader, RocksStore, SPOOL_BATCH_BYTES_MAX, Spool,
};
pub use url::{StateUrl, StateUrlError};

/// The state of a job that is going to run.
pub struct JobState {
    pub checkpoints: Arc<dyn CheckpointStore>,
    /// Held-back changes on local disk; empty.
    pub spool: Spool,
    /// Rows of prepared XA transactions, as the checkpoints name them.
    pub held: HeldStore,
}

/// Opens the state of a job that is going to run, and its spool.
///
/// # Errors
/// [`StoreError::Fenced`] while another process runs the job on the same state.
pub async fn open_job(url: &StateUrl, job: &str) -> Result<JobState, StoreError> {
    match url {
        StateUrl::RocksDb(dir) => {
            let store = RocksStore::open(dir, job).await?;
            let (spool, held) = (store.spool(), store.held());
            Ok(JobState { checkpoints: Arc::new(store), spool, held })
        }
        StateUrl::Object(url) => Err(not_yet(url)),
    }
}

/// Opens the checkpoints of a job that is going to run.
///
/// # Errors
/// As [`open_job`].
pub async fn open(url: &StateUrl, job: &str) -> Result<Arc<dyn CheckpointStore>, StoreError> {
    Ok(open_job(url, job).await?.checkpoints)
}

/// Opens the checkpoints of a job for `get` and `list`, also while another process runs it; each
/// call sees what is there at that moment. A job that never ran lists nothing.
///
/// # Errors
/// [`StoreError::Io`] where `job` is no job name.
pub fn open_read_only(url: &StateUrl, job: &str) -> Result<Arc<dyn CheckpointStore>, StoreError> {
    match url {
        StateUrl::RocksDb(dir) => Ok(Arc::new(RocksReader::open(dir, job)?)),
        StateUrl::Object(url) => Err(not_yet(url)),
    }
}

/// Names of all jobs that have state, sorted.
///
/// # Errors
/// [`StoreError::Io`] where a directory cannot be read.
pub async fn jobs(url: &StateUrl) -> Result<Vec<String>, StoreError> {
    match url {
        StateUrl::RocksDb(dir) => rocks::jobs(dir).await,
        StateUrl::Object(url) => Err(not_yet(url)),
    }
}

fn not_yet(url: &object::ObjectUrl) -> StoreError {
    object::failed(url, "keep a job's state", "not supported by this build yet")
}
