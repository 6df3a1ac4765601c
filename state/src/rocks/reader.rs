//! Looking at state from outside: while its job runs, or while nobody runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::checkpoint::Listed;
use model::{Checkpoint, CheckpointId, StoreError};
use rocksdb::DB;
use tokio::task::spawn_blocking;

use super::{HeldStore, JobDb, JobPlace, bytes, get, list, options};
use crate::job_dir;

/// The process that runs the job removes files that are no longer needed, perhaps just while they
/// are being opened here. The next try finds the new ones.
const TRIES: u32 = 5;
const TRY_WAIT: Duration = Duration::from_millis(20);

/// Deepest folder of jobs, see [`crate::job_dir`].
const DEPTH_MAX: usize = 32;

/// The checkpoints of a job, for `get` and `list` alone. It opens the database anew for every call,
/// so each sees what is there at that moment, and holds nothing in between.
#[derive(Debug)]
pub(crate) struct RocksReader {
    place: JobPlace,
}

impl RocksReader {
    /// # Errors
    /// [`StoreError::Io`] where `job` is no job name.
    pub(crate) fn open(dir: &Path, job: &str) -> Result<Self, StoreError> {
        Ok(Self { place: JobPlace::new(dir, job)? })
    }

    /// `f` on the database, `None` where the job never ran.
    async fn look<T: Send + 'static>(
        &self,
        f: impl Fn(&DB, &JobPlace) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let place = self.place.clone();
        let looked = spawn_blocking(move || look_blocking(&place, f)).await;
        looked.map_err(|error| self.place.io("reach the state", error))?
    }

    /// The held rows as they are at this moment, for reading; `None` where the job never ran.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the database does not open.
    pub(crate) async fn held(&self) -> Result<Option<HeldStore>, StoreError> {
        let place = self.place.clone();
        let opened = spawn_blocking(move || {
            if !place.dir.join("CURRENT").exists() {
                return Ok(None);
            }
            let db = options::open_held_read_only(&place.dir);
            let db = db.map_err(|error| place.unopened(error))?;
            Ok(Some(HeldStore::new(Arc::new(JobDb::new(db, place)))))
        });
        opened.await.map_err(|error| self.place.io("reach the state", error))?
    }

    pub(crate) async fn list(&self) -> Result<Vec<Listed>, StoreError> {
        Ok(self.look(list).await?.unwrap_or_default())
    }

    pub(crate) async fn get(&self, id: CheckpointId) -> Result<Checkpoint, StoreError> {
        let found = self.look(move |db, place| get(db, place, id)).await?;
        found.ok_or_else(|| self.place.missing(id))
    }

    pub(crate) async fn bytes(&self, id: CheckpointId) -> Result<Vec<u8>, StoreError> {
        let found = self.look(move |db, place| bytes(db, place, id)).await?;
        found.ok_or_else(|| self.place.missing(id))
    }
}

fn look_blocking<T>(
    place: &JobPlace,
    f: impl Fn(&DB, &JobPlace) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut tries = 0;
    loop {
        // Written last when a database is made: without it there is none yet.
        if !place.dir.join("CURRENT").exists() {
            return Ok(None);
        }
        tries += 1;
        let looked = options::open_read_only(&place.dir)
            .map_err(|error| place.unopened(error))
            .and_then(|db| f(&db, place));
        match looked {
            Err(StoreError::Io { .. }) if tries < TRIES => std::thread::sleep(TRY_WAIT),
            looked => return looked.map(Some),
        }
    }
}

/// Names of all jobs that have a database under `dir`, sorted; none where `dir` is not there.
///
/// # Errors
/// [`StoreError::Io`] where a directory cannot be read.
pub async fn jobs(dir: &Path) -> Result<Vec<String>, StoreError> {
    let root = dir.to_owned();
    let failed = |error: std::io::Error| StoreError::Io {
        store: format!("rocksdb://{}", dir.display()),
        what: "list the jobs".to_owned(),
        source: Box::new(error),
    };
    let found = spawn_blocking(move || {
        let mut found = Vec::new();
        collect(&root, PathBuf::new(), &mut found).map(|()| found)
    });
    let mut found = found.await.map_err(|error| failed(error.into()))?.map_err(failed)?;
    found.sort();
    Ok(found)
}

fn collect(root: &Path, under: PathBuf, found: &mut Vec<String>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(root.join(&under)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = under.join(entry.file_name());
        // A link is not followed: it could lead round in a circle.
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let is_job = entry.path().join("CURRENT").exists();
        match job_dir::name(&path) {
            Some(job) if is_job => found.push(job),
            None if is_job => {
                tracing::warn!(directory = %entry.path().display(), "a database that is no job's");
            }
            Some(_) => {}
            None if path.iter().count() < DEPTH_MAX => collect(root, path, found)?,
            None => {}
        }
    }
    Ok(())
}
