//! The checkpoints of a job for those who only look: while a process runs the job, or while none does.

use std::sync::Arc;

use async_trait::async_trait;
use model::checkpoint::{Fence, Listed};
use model::{Checkpoint, CheckpointId, CheckpointStore, StoreError};

use crate::rocks::RocksReader;
use crate::{StateUrl, object};

/// Reads what is there at the moment of each call, and refuses all that would change it.
#[derive(Debug)]
pub(crate) struct ReadOnly {
    url: StateUrl,
    job: String,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    RocksDb(RocksReader),
    Object(object::Reader),
}

impl ReadOnly {
    /// # Errors
    /// [`StoreError::Io`] where `job` is no job name.
    pub(crate) fn open(url: &StateUrl, job: &str) -> Result<Self, StoreError> {
        let reader = match url {
            StateUrl::RocksDb(dir) => Reader::RocksDb(RocksReader::open(dir, job)?),
            StateUrl::Object(url) => {
                let log = object::Log::new(object::open(url)?, url, job)?;
                Reader::Object(object::Reader::new(Arc::new(log)))
            }
        };
        Ok(Self { url: url.clone(), job: job.to_owned(), reader })
    }

    fn refused<T>(&self, what: &str) -> Result<T, StoreError> {
        Err(StoreError::Io {
            store: self.url.to_string(),
            what: format!("{what} job `{}`", self.job),
            source: "opened for reading only".into(),
        })
    }
}

#[async_trait]
impl CheckpointStore for ReadOnly {
    async fn acquire(&self) -> Result<Fence, StoreError> {
        self.refused("run")
    }

    fn holds(&self, _: Fence) -> Result<(), StoreError> {
        self.refused("run")
    }

    async fn put(&self, _: Fence, _: &Checkpoint) -> Result<(), StoreError> {
        self.refused("store a snapshot of")
    }

    async fn list(&self) -> Result<Vec<Listed>, StoreError> {
        match &self.reader {
            Reader::RocksDb(reader) => reader.list().await,
            Reader::Object(reader) => reader.list().await,
        }
    }

    async fn get(&self, id: CheckpointId) -> Result<Checkpoint, StoreError> {
        match &self.reader {
            Reader::RocksDb(reader) => reader.get(id).await,
            Reader::Object(reader) => reader.get(id).await,
        }
    }

    async fn bytes(&self, id: CheckpointId) -> Result<Vec<u8>, StoreError> {
        match &self.reader {
            Reader::RocksDb(reader) => reader.bytes(id).await,
            Reader::Object(reader) => reader.bytes(id).await,
        }
    }

    async fn remove(&self, _: Fence, _: CheckpointId) -> Result<(), StoreError> {
        self.refused("remove a snapshot of")
    }
}

#[cfg(test)]
mod tests {
    use model::BarrierKind;
    use model::conformance::samples;
    use tempfile::TempDir;

    use super::*;
    use crate::{JobOptions, open_job};

    const JOB: &str = "retail/emp sync";

    #[tokio::test]
    async fn who_looks_reads_all_and_changes_nothing() {
        let sample = |id| samples::checkpoint(JOB, id, BarrierKind::Checkpoint);
        for scheme in ["rocksdb", "file"] {
            let (dir, work) = (TempDir::new().unwrap(), TempDir::new().unwrap());
            let url: StateUrl = format!("{scheme}://{}", dir.path().display()).parse().unwrap();
            let options = JobOptions { work_dir: work.path().to_owned(), ..JobOptions::default() };
            let store = open_job(&url, JOB, &options).await.unwrap().checkpoints;
            let fence = store.acquire().await.unwrap();
            store.put(fence, &sample(1)).await.unwrap();

            let looks = ReadOnly::open(&url, JOB).unwrap();
            for (refused, what) in [
                (looks.acquire().await.map(drop), "run"),
                (looks.holds(fence), "run"),
                (looks.put(fence, &sample(2)).await, "store a snapshot of"),
                (looks.remove(fence, CheckpointId(1)).await, "remove a snapshot of"),
            ] {
                let Err(StoreError::Io { store, what: told, source }) = refused else {
                    panic!("{scheme}, {what}: {refused:?}");
                };
                assert_eq!(
                    (store, told, source.to_string()),
                    (
                        url.to_string(),
                        format!("{what} job `{JOB}`"),
                        "opened for reading only".into()
                    )
                );
            }
            assert_eq!(looks.get(CheckpointId(1)).await.unwrap(), sample(1));
            let listed = looks.list().await.unwrap();
            assert_eq!(listed.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [1]);
            assert_eq!(
                looks.bytes(CheckpointId(1)).await.unwrap(),
                store.bytes(CheckpointId(1)).await.unwrap()
            );
        }
    }
}
