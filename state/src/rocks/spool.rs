//! Changes held back on disk: those of a table without a usable key, until its one pass is done.
//!
//! Working state only. It is written without a log and without sync, and wiped whenever the job's
//! state is opened: after a crash the pass begins again, and its changes come again from the binlog.
//!
//! A change is found under its table's slot (a number the job gives for this run) and its sequence,
//! both big endian, so that the order of keys is the order of changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::StoreError;
use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, ReadOptions, WriteBatch, WriteOptions};

use super::{JobDb, on_its_own_thread, options};

/// What [`Drain::next`] returns at most, unless a single change is larger.
pub const SPOOL_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The same as a number of changes, so that many tiny ones stay bounded too.
const BATCH_CHANGES_MAX: usize = 16 * 1024;

/// A handle on the held-back changes of a job; clones share them.
#[derive(Debug, Clone)]
pub struct Spool {
    job: Arc<JobDb>,
    /// Last sequence of each slot in use.
    last: Arc<Mutex<HashMap<u32, u64>>>,
}

/// Reads the changes of one slot in order. See [`Spool::drain`].
#[derive(Debug)]
pub struct Drain {
    job: Arc<JobDb>,
    slot: u32,
    /// First sequence not yet read; `None` after the last there can be.
    from: Option<u64>,
}

/// Empties a family that holds working state.
pub(super) fn wipe(db: &mut DB, name: &str) -> Result<(), rocksdb::Error> {
    let empty = match db.cf_handle(name) {
        // Dropped by a process that died before it made the new one.
        None => false,
        Some(family) => db.iterator_cf(family, IteratorMode::Start).next().transpose()?.is_none(),
    };
    if empty {
        return Ok(());
    }
    if db.cf_handle(name).is_some() {
        db.drop_cf(name)?;
    }
    db.create_cf(name, &options::spool()?)
}

fn key(slot: u32, seq: u64) -> [u8; 12] {
    let mut key = [0; 12];
    let (head, tail) = key.split_at_mut(4);
    head.copy_from_slice(&slot.to_be_bytes());
    tail.copy_from_slice(&seq.to_be_bytes());
    key
}

fn sequence(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(4..)?.try_into().ok()?))
}

fn unlogged() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

fn family(job: &JobDb) -> Result<&ColumnFamily, StoreError> {
    job.db
        .cf_handle(options::SPOOL)
        .ok_or_else(|| job.place.io("hold changes back", "the spool is not there"))
}

impl Spool {
    pub(super) fn new(job: Arc<JobDb>) -> Self {
        Self { job, last: Arc::default() }
    }

    /// Holds changes of one table back, each with its sequence, which grows from one to the next and
    /// from call to call. Write many at once: each call is one step to disk.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the disk refuses, or where a sequence does not grow: it would
    /// overwrite a change.
    pub async fn append(
        &self,
        table_slot: u32,
        changes: Vec<(u64, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        let last = Arc::clone(&self.last);
        on_its_own_thread(&self.job, move |job| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let mut before = last.get(&table_slot).copied();
            let spool = family(job)?;
            let mut writes = WriteBatch::default();
            for (seq, bytes) in &changes {
                if before.is_some_and(|before| *seq <= before) {
                    let why = format!("sequence {seq} comes after {before:?}");
                    return Err(job.place.io("hold changes back", why));
                }
                writes.put_cf(spool, key(table_slot, *seq), bytes);
                before = Some(*seq);
            }
            job.has_room(writes.size_in_bytes(), "hold changes back")?;
            job.db
                .write_opt(writes, &unlogged())
                .map_err(|error| job.place.io("hold changes back", error))?;
            if let Some(before) = before {
                last.insert(table_slot, before);
            }
            Ok(())
        })
        .await
    }

    /// Reads the changes of a table in order, in bounded batches, and leaves them where they are:
    /// [`Spool::clear`] them once they are passed on. Changes appended meanwhile are read too.
    pub fn drain(&self, table_slot: u32) -> Drain {
        Drain { job: Arc::clone(&self.job), slot: table_slot, from: Some(0) }
    }

    /// Forgets the changes of a table. Its sequences may start over.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the disk refuses.
    pub async fn clear(&self, table_slot: u32) -> Result<(), StoreError> {
        let last = Arc::clone(&self.last);
        on_its_own_thread(&self.job, move |job| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let spool = family(job)?;
            let (first, end) = (key(table_slot, 0), key(table_slot, u64::MAX));
            let failed = |error| job.place.io("forget held-back changes", error);
            // Whole files go at once; a range tombstone hides the rest until compaction.
            job.db.delete_file_in_range_cf(spool, first, end).map_err(failed)?;
            let mut writes = WriteBatch::default();
            writes.delete_range_cf(spool, first, end);
            writes.delete_cf(spool, end);
            job.db.write_opt(writes, &unlogged()).map_err(failed)?;
            last.remove(&table_slot);
            Ok(())
        })
        .await
    }
}

impl Drain {
    /// The next changes with their sequences, at most [`SPOOL_BATCH_BYTES_MAX`] or a single change;
    /// empty at the end. Cancel-safe: what a dropped call would have returned, the next one returns.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the disk refuses or the bytes are damaged.
    pub async fn next(&mut self) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let Some(from) = self.from else { return Ok(Vec::new()) };
        let slot = self.slot;
        let batch = on_its_own_thread(&self.job, move |job| read_batch(job, slot, from)).await?;
        if let Some((seq, _)) = batch.last() {
            self.from = seq.checked_add(1);
        }
        Ok(batch)
    }
}

fn read_batch(job: &JobDb, slot: u32, from: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let what = "read held-back changes";
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    let mut batch = Vec::new();
    let mut bytes = 0;
    let start = key(slot, from);
    let mode = IteratorMode::From(&start, Direction::Forward);
    for entry in job.db.iterator_cf_opt(family(job)?, options, mode) {
        let (key, change) = entry.map_err(|error| job.place.io(what, error))?;
        if !key.starts_with(&slot.to_be_bytes()) {
            break;
        }
        bytes += change.len();
        if batch.len() == BATCH_CHANGES_MAX || (!batch.is_empty() && bytes > SPOOL_BATCH_BYTES_MAX)
        {
            break;
        }
        let seq = sequence(&key).ok_or_else(|| job.place.io(what, "a key is damaged"))?;
        batch.push((seq, change.into_vec()));
    }
    Ok(batch)
}
