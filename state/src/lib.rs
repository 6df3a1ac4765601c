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

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod format;
pub mod job_dir;
pub mod memory;
pub mod object;
mod parts;
mod read_only;
mod registry;
pub mod retention;
pub mod rocks;
pub mod savepoint;
mod url;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::{CheckpointStore, StoreError};

pub use memory::MemoryStore;
pub use registry::{Record, Registry, Writes};
pub use retention::{Newest, newest, prunable};
pub use rocks::{Drain, HeldDrain, HeldStore, RocksStore, SPOOL_BATCH_BYTES_MAX, Spool};
pub use url::{StateUrl, StateUrlError};

use read_only::ReadOnly;
use rocks::RocksReader;

/// The state of a job that is going to run.
pub struct JobState {
    pub checkpoints: Arc<dyn CheckpointStore>,
    /// Held-back changes on local disk; empty.
    pub spool: Spool,
    /// Rows of prepared XA transactions, as the checkpoints name them.
    pub held: HeldStore,
}

/// How a job is opened that is going to run.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// Where a job whose state rests elsewhere keeps what may be lost: held-back changes, and copies.
    pub work_dir: PathBuf,
    /// Take the job from a process that still runs it.
    pub take_over: bool,
    /// Within which a holder that is not heard of is taken for dead.
    pub lease: Duration,
}

impl Default for JobOptions {
    fn default() -> Self {
        let work_dir = PathBuf::from("./seachange-work");
        Self { work_dir, take_over: false, lease: Duration::from_secs(10) }
    }
}

/// Opens the state of a job that is going to run, and its spool.
///
/// # Errors
/// [`StoreError::Fenced`] while another process runs the job on the same RocksDB; on a store of objects
/// [`CheckpointStore::acquire`] finds out.
pub async fn open_job(
    url: &StateUrl,
    job: &str,
    options: &JobOptions,
) -> Result<JobState, StoreError> {
    match url {
        StateUrl::RocksDb(dir) => {
            let opened = RocksStore::open(dir, job).await;
            let store = opened.map_err(|error| rocks::unbroken(error, options.take_over))?;
            let (spool, held) = (store.spool(), store.held());
            Ok(JobState { checkpoints: Arc::new(store), spool, held })
        }
        StateUrl::Object(url) => {
            let log = object::Log::new(object::open(url)?, url, job)?;
            let work = RocksStore::open_work(&options.work_dir, job).await?;
            let held = work.held().with_remote(parts::RemoteHeld::new(log.clone()));
            let terms = object::Terms { lease: options.lease, take_over: options.take_over };
            let checkpoints = Arc::new(object::ObjectLog::new(log, terms));
            Ok(JobState { checkpoints, spool: work.spool(), held })
        }
    }
}

/// Opens the checkpoints of a job for `get` and `list`, also while another process runs it; each
/// call sees what is there at that moment. A job that never ran lists nothing.
///
/// # Errors
/// [`StoreError::Io`] where `job` is no job name.
pub fn open_read_only(url: &StateUrl, job: &str) -> Result<Arc<dyn CheckpointStore>, StoreError> {
    Ok(Arc::new(ReadOnly::open(url, job)?))
}

/// Opens the held rows of a job for reading, also while another process runs it; `None` where the job
/// never ran. Those that rest elsewhere are copied under `work_dir` as they are read.
///
/// # Errors
/// [`StoreError::Io`] where `job` is no job name or the state does not open.
pub async fn held_read_only(
    url: &StateUrl,
    job: &str,
    work_dir: &Path,
) -> Result<Option<HeldStore>, StoreError> {
    match url {
        StateUrl::RocksDb(dir) => RocksReader::open(dir, job)?.held().await,
        StateUrl::Object(url) => {
            let log = object::Log::new(object::open(url)?, url, job)?;
            let work = RocksStore::open_work(work_dir, job).await?;
            Ok(Some(work.held().with_remote(parts::RemoteHeld::new(log))))
        }
    }
}

/// Names of all jobs that have state, sorted.
///
/// # Errors
/// [`StoreError::Io`] where a directory cannot be read.
pub async fn jobs(url: &StateUrl) -> Result<Vec<String>, StoreError> {
    match url {
        StateUrl::RocksDb(dir) => rocks::jobs(dir).await,
        StateUrl::Object(url) => {
            let (store, prefix) = object::open(url)?;
            object::jobs(&*store, &prefix, url).await
        }
    }
}

#[cfg(test)]
mod disk_tests;
