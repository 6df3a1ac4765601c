//! A store in memory, for tests: the same bytes as on disk, kept as long as a handle lives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use model::checkpoint::{Fence, Listed};
use model::{Checkpoint, CheckpointId, CheckpointStore, StoreError};

use crate::format::{self, Place};

const STORE: &str = "memory";

/// A clone is a handle on the same snapshots, as another process would have.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    job: Arc<str>,
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    epoch: u64,
    snapshots: BTreeMap<u64, Vec<u8>>,
}

impl MemoryStore {
    pub fn new(job: &str) -> Self {
        Self { job: job.into(), shelf: Arc::default() }
    }

    /// Changes the stored bytes of a snapshot, as a failing disk would. True if it is there.
    pub fn corrupt(&self, id: CheckpointId, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.shelf().snapshots.get_mut(&id.0).map(change).is_some()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // A panic elsewhere leaves the shelf whole: every change of it is one step.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, id: u64, bytes: &[u8]) -> Result<Checkpoint, StoreError> {
        read(bytes, Place { store: STORE, job: &self.job, id: &id.to_string() })
    }

    fn missing(&self, id: CheckpointId) -> StoreError {
        let (store, job) = (STORE.to_owned(), self.job.to_string());
        StoreError::Missing { store, job, id: id.to_string() }
    }

    fn held(&self, shelf: &Shelf, fence: Fence) -> Result<(), StoreError> {
        if shelf.epoch == fence.0 {
            return Ok(());
        }
        Err(outdated(STORE, &self.job, fence, shelf.epoch))
    }
}

/// Decodes a stored snapshot, and refuses one that rests under another's id.
pub(crate) fn read(bytes: &[u8], place: Place<'_>) -> Result<Checkpoint, StoreError> {
    let checkpoint = format::decode(bytes, place)?;
    if checkpoint.id.to_string() == place.id {
        return Ok(checkpoint);
    }
    Err(StoreError::Damaged {
        store: place.store.to_owned(),
        job: place.job.to_owned(),
        id: place.id.to_owned(),
        what: format!("it holds snapshot {}", checkpoint.id),
    })
}

pub(crate) fn outdated(store: &str, job: &str, fence: Fence, newest: u64) -> StoreError {
    StoreError::Fenced {
        store: store.to_owned(),
        job: job.to_owned(),
        what: format!("it took the job over (epoch {newest}, ours was {})", fence.0),
    }
}

#[async_trait]
impl CheckpointStore for MemoryStore {
    async fn acquire(&self) -> Result<Fence, StoreError> {
        let mut shelf = self.shelf();
        shelf.epoch = shelf.epoch.saturating_add(1);
        Ok(Fence(shelf.epoch))
    }

    fn holds(&self, fence: Fence) -> Result<(), StoreError> {
        self.held(&self.shelf(), fence)
    }

    async fn put(&self, fence: Fence, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let bytes = format::encode(checkpoint).map_err(|error| StoreError::Io {
            store: STORE.to_owned(),
            what: format!("store snapshot {} of job `{}`", checkpoint.id, self.job),
            source: Box::new(error),
        })?;
        let mut shelf = self.shelf();
        self.held(&shelf, fence)?;
        let id = checkpoint.id;
        match shelf.snapshots.get(&id.0) {
            Some(held) if *held == bytes => Ok(()),
            Some(_) => Err(StoreError::Exists {
                store: STORE.to_owned(),
                job: self.job.to_string(),
                id: id.to_string(),
            }),
            None => {
                shelf.snapshots.insert(id.0, bytes);
                Ok(())
            }
        }
    }

    async fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let shelf = self.shelf();
        let newest_first = shelf.snapshots.iter().rev();
        let entry = |(id, bytes): (&u64, &Vec<u8>)| Listed {
            id: CheckpointId(*id),
            size: bytes.len() as u64,
            content: self.read(*id, bytes),
        };
        Ok(newest_first.map(entry).collect())
    }

    async fn get(&self, id: CheckpointId) -> Result<Checkpoint, StoreError> {
        let shelf = self.shelf();
        let bytes = shelf.snapshots.get(&id.0).ok_or_else(|| self.missing(id))?;
        self.read(id.0, bytes)
    }

    async fn bytes(&self, id: CheckpointId) -> Result<Vec<u8>, StoreError> {
        let bytes = self.shelf().snapshots.get(&id.0).cloned();
        bytes.ok_or_else(|| self.missing(id))
    }

    async fn remove(&self, fence: Fence, id: CheckpointId) -> Result<(), StoreError> {
        let mut shelf = self.shelf();
        self.held(&shelf, fence)?;
        shelf.snapshots.remove(&id.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::conformance::store::{Rest, keeps_its_promises};

    use super::*;

    struct Shared(MemoryStore);

    #[async_trait]
    impl Rest for Shared {
        fn job(&self) -> &str {
            &self.0.job
        }

        async fn open(&mut self) -> Result<Arc<dyn CheckpointStore>, StoreError> {
            Ok(Arc::new(self.0.clone()))
        }

        async fn damage(&mut self, id: CheckpointId) {
            let flip = |bytes: &mut Vec<u8>| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            };
            assert!(self.0.corrupt(id, flip));
        }
    }

    #[tokio::test]
    async fn the_store_in_memory_keeps_its_promises() {
        keeps_its_promises(|| Shared(MemoryStore::new("retail/emp_sync"))).await;
    }
}
