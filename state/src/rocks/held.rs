//! Rows of prepared XA transactions: what a checkpoint names ([`HeldRows`]) and is too large to hold.
//!
//! Unlike the spool they outlive the process. They are written to the log of the database, and a
//! checkpoint is stored with sync, which makes durable all that was logged before it: rows appended
//! before the `put` of the checkpoint that names them are there when it is.
//!
//! A record is found under its [`HeldId`] and its number, all big endian, so that the order of keys
//! is the order of records.
//!
//! Where the checkpoints rest elsewhere, this database may be lost: the rows are copied there before
//! the checkpoint that names them, and fetched from there when they are missing here.

use std::collections::HashSet;
use std::sync::Arc;

use model::StoreError;
use model::checkpoint::{HeldId, HeldRows, XaState};
use rocksdb::{ColumnFamily, Direction, IteratorMode, ReadOptions, WriteBatch};

use super::spool::SPOOL_BATCH_BYTES_MAX;
use super::{JobDb, on_its_own_thread, options};
use crate::parts::RemoteHeld;

/// A handle on the held rows of a job; clones share them.
#[derive(Debug, Clone)]
pub struct HeldStore {
    job: Arc<JobDb>,
    remote: Option<Arc<RemoteHeld>>,
}

/// Reads the records of one transaction in order. See [`HeldStore::drain`].
#[derive(Debug)]
pub struct HeldDrain {
    store: HeldStore,
    rows: HeldRows,
    /// Number of the first record not yet read.
    next: u64,
}

fn key(id: HeldId, record: u64) -> [u8; 24] {
    let mut key = [0; 24];
    for (slot, part) in key.chunks_exact_mut(8).zip([id.run, id.number, record]) {
        slot.copy_from_slice(&part.to_be_bytes());
    }
    key
}

fn read_key(key: &[u8]) -> Option<(HeldId, u64)> {
    let part = |at: usize| Some(u64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?));
    Some((HeldId { run: part(0)?, number: part(8)? }, part(16)?))
}

fn family(job: &JobDb) -> Result<&ColumnFamily, StoreError> {
    job.db
        .cf_handle(options::HELD)
        .ok_or_else(|| job.place.io("hold rows", "the family of held rows is not there"))
}

impl HeldStore {
    pub(super) fn new(job: Arc<JobDb>) -> Self {
        Self { job, remote: None }
    }

    /// The same, as a copy of what rests elsewhere.
    pub(crate) fn with_remote(self, remote: RemoteHeld) -> Self {
        Self { remote: Some(Arc::new(remote)), ..self }
    }

    fn local(&self) -> Self {
        Self { job: Arc::clone(&self.job), remote: None }
    }

    /// Makes the rows that a checkpoint is going to name as durable as the checkpoint will be. Called
    /// before it is put.
    ///
    /// # Errors
    /// [`StoreError::Io`] where rows are missing, or the place does not take them.
    pub async fn publish(&self, xa: &XaState) -> Result<(), StoreError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        for rows in xa.prepared.iter().filter_map(|prepared| prepared.rows) {
            remote.copy_from(&self.local(), rows).await?;
        }
        Ok(())
    }

    /// Adds records to a transaction's, numbered from `first` up.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the disk refuses.
    pub async fn append(
        &self,
        id: HeldId,
        first: u64,
        records: Vec<Vec<u8>>,
    ) -> Result<(), StoreError> {
        on_its_own_thread(&self.job, move |job| {
            let held = family(job)?;
            let mut writes = WriteBatch::default();
            for (number, record) in (first..).zip(&records) {
                writes.put_cf(held, key(id, number), record);
            }
            job.has_room(writes.size_in_bytes(), "hold rows")?;
            job.db.write(writes).map_err(|error| job.place.io("hold rows", error))
        })
        .await
    }

    /// True where the records are there: the last of them is, and none was ever written without
    /// those before it.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the disk refuses.
    pub async fn has(&self, rows: HeldRows) -> Result<bool, StoreError> {
        match &self.remote {
            Some(remote) if !self.has_here(rows).await? => remote.has(rows.id).await,
            Some(_) => Ok(true),
            None => self.has_here(rows).await,
        }
    }

    async fn has_here(&self, rows: HeldRows) -> Result<bool, StoreError> {
        let Some(last) = rows.records.checked_sub(1) else { return Ok(true) };
        on_its_own_thread(&self.job, move |job| {
            let found = job.db.get_pinned_cf(family(job)?, key(rows.id, last));
            Ok(found.map_err(|error| job.place.io("read held rows", error))?.is_some())
        })
        .await
    }

    /// Reads records in order, in bounded batches, and leaves them where they are.
    pub fn drain(&self, rows: HeldRows) -> HeldDrain {
        self.drain_from(rows, 0)
    }

    /// The same, from the record number `first` on.
    pub(crate) fn drain_from(&self, rows: HeldRows, first: u64) -> HeldDrain {
        HeldDrain { store: self.clone(), rows, next: first }
    }

    /// The job was taken anew: what is known of its rows elsewhere may be true no more, for another
    /// process may have held it meanwhile.
    pub async fn retaken(&self) {
        if let Some(remote) = &self.remote {
            remote.forget().await;
        }
    }

    /// Forgets every transaction below `next` that is not in `kept`.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the disk refuses.
    pub async fn sweep(&self, next: HeldId, kept: HashSet<HeldId>) -> Result<(), StoreError> {
        if let Some(remote) = &self.remote {
            remote.sweep(next, &kept).await?;
        }
        on_its_own_thread(&self.job, move |job| sweep(job, next, &kept)).await
    }
}

fn sweep(job: &JobDb, next: HeldId, kept: &HashSet<HeldId>) -> Result<(), StoreError> {
    let what = "forget held rows";
    let held = family(job)?;
    let mut from = key(HeldId::default(), 0);
    loop {
        // From one transaction to the next, whatever lies in between.
        let mode = IteratorMode::From(&from, Direction::Forward);
        let Some(entry) = job.db.iterator_cf(held, mode).next() else { return Ok(()) };
        let (found, _) = entry.map_err(|error| job.place.io(what, error))?;
        let (id, _) = read_key(&found).ok_or_else(|| job.place.io(what, "a key is damaged"))?;
        if id >= next {
            return Ok(());
        }
        let end = key(id, u64::MAX);
        if !kept.contains(&id) {
            let failed = |error| job.place.io(what, error);
            job.db.delete_file_in_range_cf(held, key(id, 0), end).map_err(failed)?;
            let mut writes = WriteBatch::default();
            writes.delete_range_cf(held, key(id, 0), end);
            job.db.write(writes).map_err(failed)?;
        }
        from = end;
    }
}

impl HeldDrain {
    /// The next records, at most [`SPOOL_BATCH_BYTES_MAX`] or a single one; empty at the end.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the disk refuses, or where a record is missing.
    pub async fn next(&mut self) -> Result<Vec<Vec<u8>>, StoreError> {
        if self.next >= self.rows.records {
            return Ok(Vec::new());
        }
        let (rows, first, store) = (self.rows, self.next, &self.store);
        if let Some(remote) = store.remote.as_ref().filter(|_| first == 0)
            && !store.has_here(rows).await?
        {
            remote.copy_to(&store.local(), rows).await?;
        }
        let batch = on_its_own_thread(&store.job, move |job| read_batch(job, rows, first)).await?;
        self.next += batch.len() as u64;
        Ok(batch)
    }

    /// All records that are left, for tests: they may be more than memory holds.
    #[cfg(test)]
    pub(crate) async fn all(mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let batch = self.next().await.unwrap();
            if batch.is_empty() {
                return all;
            }
            all.extend(batch);
        }
    }
}

fn read_batch(job: &JobDb, rows: HeldRows, first: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    let what = "read held rows";
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let start = key(rows.id, first);
    let mode = IteratorMode::From(&start, Direction::Forward);
    let mut entries = job.db.iterator_cf_opt(family(job)?, options, mode);
    for number in first..rows.records {
        let entry = entries.next().transpose().map_err(|error| job.place.io(what, error))?;
        let record = entry.filter(|(found, _)| **found == key(rows.id, number)).map(|(_, r)| r);
        let Some(record) = record else {
            return Err(job.place.io(what, format!("record {number} of {:?} is missing", rows.id)));
        };
        bytes += record.len();
        if !batch.is_empty() && bytes > SPOOL_BATCH_BYTES_MAX {
            break;
        }
        batch.push(record.into_vec());
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::super::RocksStore;
    use super::*;

    const JOB: &str = "retail/emp_sync";

    fn rows(run: u64, number: u64, records: u64) -> HeldRows {
        HeldRows { id: HeldId { run, number }, records, bytes: 0 }
    }

    async fn open(dir: &tempfile::TempDir) -> HeldStore {
        RocksStore::open(dir.path(), JOB).await.unwrap().held()
    }

    #[tokio::test]
    async fn held_rows_are_read_in_order_after_the_state_was_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let large = vec![7; SPOOL_BATCH_BYTES_MAX];
        {
            let held = open(&dir).await;
            held.append(rows(1, 2, 0).id, 0, vec![b"a".to_vec(), large.clone()]).await.unwrap();
            held.append(rows(1, 2, 0).id, 2, vec![b"c".to_vec()]).await.unwrap();
            held.append(rows(1, 3, 0).id, 0, vec![b"other".to_vec()]).await.unwrap();
        }
        let held = open(&dir).await;
        assert_eq!(held.drain(rows(1, 2, 3)).all().await, [b"a".to_vec(), large, b"c".to_vec()]);
        assert_eq!(held.drain(rows(1, 3, 1)).all().await, [b"other".to_vec()]);
        assert!(held.drain(rows(1, 4, 0)).all().await.is_empty());
    }

    #[tokio::test]
    async fn missing_rows_are_an_error_and_never_fewer_rows() {
        let held = open(&tempfile::tempdir().unwrap()).await;
        held.append(rows(1, 2, 0).id, 0, vec![b"a".to_vec()]).await.unwrap();
        held.append(rows(1, 3, 0).id, 0, vec![b"of another".to_vec()]).await.unwrap();
        assert!(held.has(rows(1, 2, 1)).await.unwrap());
        assert!(!held.has(rows(1, 2, 2)).await.unwrap());
        assert!(held.drain(rows(1, 2, 2)).next().await.is_err());
    }

    #[tokio::test]
    async fn a_sweep_forgets_what_is_settled_and_nothing_else() {
        let held = open(&tempfile::tempdir().unwrap()).await;
        let ids = [(1, 0), (1, 9), (2, 0), (2, 1), (2, 2)];
        for (run, number) in ids {
            let records = vec![b"a".to_vec(), b"b".to_vec()];
            held.append(rows(run, number, 0).id, 0, records).await.unwrap();
        }
        let kept = HashSet::from([rows(1, 9, 0).id]);
        held.sweep(rows(2, 1, 0).id, kept).await.unwrap();
        let mut left = Vec::new();
        for (run, number) in ids {
            left.push(held.has(rows(run, number, 2)).await.unwrap());
        }
        assert_eq!(left, [false, true, false, true, true]);
    }
}
