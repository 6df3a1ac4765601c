//! The embedded default: one RocksDB per job, in a directory of its own ([`crate::job_dir`]).
//!
//! Three column families. `default` holds the checkpoints, written with sync: `snap/` and the id (u64,
//! big endian, so that keys sort as numbers) → the bytes of [`crate::format`]; `fence` → the newest
//! epoch (u64, big endian). `spool` holds held-back changes ([`Spool`]): working state, written
//! without a log and wiped on open. `held` holds the rows of prepared XA transactions that the
//! checkpoints name ([`HeldStore`]).
//!
//! INVARIANT fenced: RocksDB's `LOCK` keeps a second process out, and within a process every write
//! compares its fence with the stored epoch under one lock.
//!
//! One dead file in the write-ahead log could hide the newest checkpoints, so the log is replayed
//! strictly: a torn tail (a crash in the middle of a put that never returned) is fine, damage is an
//! error of `open`.

mod held;
mod lock;
mod options;
mod reader;
mod spool;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::checkpoint::{Fence, Listed};
use model::{Checkpoint, CheckpointId, CheckpointStore, StoreError};
use rocksdb::{DB, ErrorKind, IteratorMode, ReadOptions, WriteBatch, WriteOptions};
use tokio::task::spawn_blocking;

use crate::format::{self, Place};
use crate::job_dir;
use crate::memory::{outdated, read};

pub use held::{HeldDrain, HeldStore};
pub(crate) use options::registry as registry_options;
pub(crate) use reader::RocksReader;
pub use reader::jobs;
pub use spool::{Drain, SPOOL_BATCH_BYTES_MAX, Spool};

const SNAP: &[u8] = b"snap/";
const FENCE: &[u8] = b"fence";

/// A handle of this process that is being dropped (a put of an aborted task still runs) lets go
/// within this time.
const OWN_LOCK_TRIES: u32 = 20;
const OWN_LOCK_WAIT: Duration = Duration::from_millis(50);

/// Left free on the disk: RocksDB writes more than it is given, and some of it later.
const DISK_RESERVE_BYTES: u64 = 16 * 1024 * 1024;

/// Processes that may have working state of one job under one directory at a time.
const WORK_PLACES: u32 = 8;

/// The checkpoints of a job that runs in this process.
///
/// A dropped `put` may still take place: the write runs on its own thread to the end.
#[derive(Debug)]
pub struct RocksStore {
    job: Arc<JobDb>,
}

#[derive(Debug)]
struct JobDb {
    db: DB,
    /// Held from reading the epoch to the end of the write that relies on it.
    writing: Mutex<()>,
    /// The newest epoch given by this process; 0 before the first.
    held: AtomicU64,
    place: JobPlace,
}

/// A job's database, for errors.
#[derive(Debug, Clone)]
struct JobPlace {
    dir: PathBuf,
    job: Arc<str>,
    /// As a user names it.
    store: String,
}

impl JobPlace {
    fn new(dir: &Path, job: &str) -> Result<Self, StoreError> {
        let store = format!("rocksdb://{}", dir.display());
        let path = job_dir::directory(job).map_err(|error| StoreError::Io {
            store: store.clone(),
            what: "keep a job of that name".to_owned(),
            source: Box::new(error),
        })?;
        Ok(Self { dir: dir.join(path), job: job.into(), store })
    }

    fn io(
        &self,
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        StoreError::Io { store: self.store.clone(), what: what.into(), source: source.into() }
    }

    fn missing(&self, id: CheckpointId) -> StoreError {
        StoreError::Missing {
            store: self.store.clone(),
            job: self.job.to_string(),
            id: id.to_string(),
        }
    }

    /// Why the database does not open, in words that help.
    fn unopened(&self, error: rocksdb::Error) -> StoreError {
        let dir = self.dir.display();
        if is_locked(&error) {
            let holder = lock::holder(&self.dir).map(|process| format!(" by process {process}"));
            let holder = holder.unwrap_or_default();
            let advice = "stop the job there (a daemon that runs it keeps its other jobs), or give this process \
                          another `--state`";
            return StoreError::Fenced {
                store: self.store.clone(),
                job: self.job.to_string(),
                what: format!("`{dir}` is locked{holder}; {advice}"),
            };
        }
        let mut what = format!("open the state of job `{}`", self.job);
        if error.kind() == ErrorKind::Corruption {
            what.push_str(&format!(
                ", for `{dir}` is damaged (restore it from a copy, or move it away and start from \
                 a savepoint's file),"
            ));
        }
        self.io(what, error)
    }

    fn decode(&self, id: CheckpointId, bytes: &[u8]) -> Result<Checkpoint, StoreError> {
        read(bytes, Place { store: &self.store, job: &self.job, id: &id.to_string() })
    }
}

/// Tells who asked to take a job over that a database's lock cannot be taken from its holder.
pub(crate) fn unbroken(error: StoreError, take_over: bool) -> StoreError {
    let StoreError::Fenced { store, job, what } = error else { return error };
    match take_over {
        true => {
            let what =
                format!("{what}; `--take-over` cannot take a lock from a process that lives");
            StoreError::Fenced { store, job, what }
        }
        false => StoreError::Fenced { store, job, what },
    }
}

/// The lock of a database is taken: RocksDB tells it by its text alone (`env/fs_posix.cc`), with the
/// system's word for EAGAIN or EACCES. Any other failure to lock is no other process.
pub(crate) fn is_locked(error: &rocksdb::Error) -> bool {
    let text = error.as_ref();
    let taken = text.contains("temporarily unavailable") || text.contains("Permission denied");
    error.kind() == ErrorKind::IOError
        && (is_locked_by_us(error) || (text.contains("While lock file") && taken))
}

fn is_locked_by_us(error: &rocksdb::Error) -> bool {
    error.as_ref().contains("lock hold by current process")
}

impl RocksStore {
    /// Opens, or makes, the state of `job` under `dir`, for the process that runs it.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] while another process has it open; [`StoreError::Io`] where `job` is no
    /// job name or the database does not open.
    pub async fn open(dir: &Path, job: &str) -> Result<Self, StoreError> {
        let place = JobPlace::new(dir, job)?;
        let at = place.clone();
        let opened = spawn_blocking(move || open_blocking(at)).await;
        let job = opened.map_err(|error| place.io("open a state", error))??;
        Ok(Self { job: Arc::new(job) })
    }

    /// Opens a place for working state under `dir`, empty. Processes that run the same job, as one that
    /// is being superseded and its successor do, have one each.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the disk refuses; [`StoreError::Fenced`] where so many processes run
    /// the job that none is left.
    pub(crate) async fn open_work(dir: &Path, job: &str) -> Result<Self, StoreError> {
        let mut place = JobPlace::new(dir, job)?;
        // Never the directory of a state: what lies here is emptied without asking.
        let mut name = place.dir.into_os_string();
        name.push(".work");
        place.dir = name.into();
        let at = place.clone();
        let opened = spawn_blocking(move || {
            let mut opened = open_scratch(at.clone());
            for slot in 2..=WORK_PLACES {
                if !matches!(opened, Err(StoreError::Fenced { .. })) {
                    break;
                }
                let mut name = at.dir.clone().into_os_string();
                name.push(format!("-{slot}"));
                opened = open_scratch(JobPlace { dir: name.into(), ..at.clone() });
            }
            opened
        });
        let job = opened.await.map_err(|error| place.io("open a work directory", error))??;
        Ok(Self { job: Arc::new(job) })
    }

    /// The place for held-back changes in the same database. It keeps the database open, as the
    /// store does.
    pub fn spool(&self) -> Spool {
        Spool::new(Arc::clone(&self.job))
    }

    /// The place for rows of prepared XA transactions. It keeps the database open, as the store does.
    pub fn held(&self) -> HeldStore {
        HeldStore::new(Arc::clone(&self.job))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&JobDb) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        on_its_own_thread(&self.job, f).await
    }
}

async fn on_its_own_thread<T: Send + 'static>(
    job: &Arc<JobDb>,
    f: impl FnOnce(&JobDb) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let held = Arc::clone(job);
    let done = spawn_blocking(move || f(&held)).await;
    done.map_err(|error| job.place.io("reach the state", error))?
}

fn open_blocking(place: JobPlace) -> Result<JobDb, StoreError> {
    std::fs::create_dir_all(&place.dir)
        .map_err(|error| place.io(format!("make `{}`", place.dir.display()), error))?;
    let mut tries = 0;
    let mut db = loop {
        match options::open(&place.dir) {
            Err(error) if is_locked_by_us(&error) && tries < OWN_LOCK_TRIES => {
                tries += 1;
                std::thread::sleep(OWN_LOCK_WAIT);
            }
            opened => break opened.map_err(|error| place.unopened(error))?,
        }
    };
    spool::wipe(&mut db, options::SPOOL).map_err(|error| place.io("wipe the spool", error))?;
    Ok(JobDb::new(db, place))
}

/// A database that holds nothing but copies and working state: what it held before is of no use, and
/// one that is damaged is made anew.
fn open_scratch(place: JobPlace) -> Result<JobDb, StoreError> {
    let mut job = match open_blocking(place.clone()) {
        Err(StoreError::Io { .. }) => {
            std::fs::remove_dir_all(&place.dir)
                .map_err(|error| place.io(format!("empty `{}`", place.dir.display()), error))?;
            open_blocking(place)?
        }
        opened => opened?,
    };
    spool::wipe(&mut job.db, options::HELD)
        .map_err(|error| job.place.io("wipe held rows", error))?;
    Ok(job)
}

fn snap_key(id: CheckpointId) -> Vec<u8> {
    [SNAP, &id.0.to_be_bytes()].concat()
}

pub(crate) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

/// Whether the disk of `dir` bears a write of so many bytes, in words where not.
pub(crate) fn has_room(dir: &Path, bytes: usize) -> Result<(), String> {
    let Ok(disk) = rustix::fs::statvfs(dir) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= (bytes as u64).saturating_add(DISK_RESERVE_BYTES) {
        return Ok(());
    }
    Err(format!("the disk of `{}` is full: {free} bytes are free", dir.display()))
}

impl JobDb {
    fn new(db: DB, place: JobPlace) -> Self {
        Self { db, writing: Mutex::new(()), held: AtomicU64::new(0), place }
    }

    /// The newest epoch; 0 where the job never ran.
    fn epoch(&self) -> Result<u64, StoreError> {
        let what = "read the fence";
        let stored = self.db.get(FENCE).map_err(|error| self.place.io(what, error))?;
        let Some(bytes) = stored else { return Ok(0) };
        let epoch = <[u8; 8]>::try_from(bytes.as_slice())
            .map_err(|_| self.place.io(what, "it is not 8 bytes long"))?;
        Ok(u64::from_be_bytes(epoch))
    }

    /// Refuses to write where the disk is about to be full: a RocksDB that was built with its
    /// assertions, as Debian's is, ends the process at the first write after one that failed.
    fn has_room(&self, bytes: usize, what: &str) -> Result<(), StoreError> {
        has_room(&self.place.dir, bytes).map_err(|error| self.place.io(what, error))
    }

    /// Runs `batch` if `fence` is the newest epoch, as one step.
    fn fenced(
        &self,
        fence: Fence,
        what: String,
        batch: impl FnOnce(&mut WriteBatch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // The lock guards no data: what a panicking holder left is in the database, whole.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.epoch()?;
        if newest != fence.0 {
            return Err(outdated(&self.place.store, &self.place.job, fence, newest));
        }
        let mut writes = WriteBatch::default();
        batch(&mut writes)?;
        if writes.is_empty() {
            return Ok(());
        }
        self.has_room(writes.size_in_bytes(), &what)?;
        self.db.write_opt(writes, &synced()).map_err(|error| self.place.io(what, error))
    }

    fn acquire(&self) -> Result<Fence, StoreError> {
        let what = "take the fence";
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.epoch()?.checked_add(1);
        let next = next.ok_or_else(|| self.place.io(what, "no epoch is left"))?;
        self.has_room(0, what)?;
        self.db
            .put_opt(FENCE, next.to_be_bytes(), &synced())
            .map_err(|error| self.place.io(what, error))?;
        self.held.store(next, Ordering::Release);
        Ok(Fence(next))
    }

    fn put(&self, fence: Fence, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let id = checkpoint.id;
        let what = format!("store snapshot {id} of job `{}`", self.place.job);
        let bytes =
            format::encode(checkpoint).map_err(|error| self.place.io(what.clone(), error))?;
        let key = snap_key(id);
        self.fenced(fence, what.clone(), |writes| {
            let held = self.db.get(&key).map_err(|error| self.place.io(what, error))?;
            match held {
                None => writes.put(&key, &bytes),
                Some(held) if held == bytes => {}
                Some(_) => {
                    return Err(StoreError::Exists {
                        store: self.place.store.clone(),
                        job: self.place.job.to_string(),
                        id: id.to_string(),
                    });
                }
            }
            Ok(())
        })
    }

    fn remove(&self, fence: Fence, id: CheckpointId) -> Result<(), StoreError> {
        let what = format!("remove snapshot {id} of job `{}`", self.place.job);
        self.fenced(fence, what, |writes| {
            writes.delete(snap_key(id));
            Ok(())
        })
    }
}

/// How far RocksDB's own block checksums are heeded.
#[derive(Debug, Clone, Copy)]
enum Blocks {
    Verified,
    /// Damage is left to our checksums, which tell the one snapshot it hit from its neighbours.
    Unverified,
}

fn read_options(blocks: Blocks) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(matches!(blocks, Blocks::Verified));
    options.fill_cache(false);
    options
}

fn list(db: &DB, place: &JobPlace) -> Result<Vec<Listed>, StoreError> {
    let failed = |error| place.io(format!("list the snapshots of job `{}`", place.job), error);
    match scan(db, place, Blocks::Verified) {
        Err(error) if error.kind() == ErrorKind::Corruption => {
            tracing::warn!(job = %place.job, store = %place.store, %error, "damaged block in the state");
            scan(db, place, Blocks::Unverified).map_err(failed)
        }
        listed => listed.map_err(failed),
    }
}

fn scan(db: &DB, place: &JobPlace, blocks: Blocks) -> Result<Vec<Listed>, rocksdb::Error> {
    let mut listed = Vec::new();
    let last = [SNAP, &[0xff; 9]].concat();
    let from = IteratorMode::From(&last, rocksdb::Direction::Reverse);
    for entry in db.iterator_opt(from, read_options(blocks)) {
        let (key, bytes) = entry?;
        let Some(id) = key.strip_prefix(SNAP) else { break };
        // A key of another length is not of our making; it must not hide what follows.
        let Ok(id) = <[u8; 8]>::try_from(id) else {
            tracing::warn!(job = %place.job, store = %place.store, ?key, "foreign key in the state");
            continue;
        };
        let id = CheckpointId(u64::from_be_bytes(id));
        let content = place.decode(id, &bytes);
        listed.push(Listed { id, size: bytes.len() as u64, content });
    }
    Ok(listed)
}

fn get(db: &DB, place: &JobPlace, id: CheckpointId) -> Result<Checkpoint, StoreError> {
    place.decode(id, &bytes(db, place, id)?)
}

fn bytes(db: &DB, place: &JobPlace, id: CheckpointId) -> Result<Vec<u8>, StoreError> {
    let key = snap_key(id);
    let stored = match db.get_opt(&key, &read_options(Blocks::Verified)) {
        Err(error) if error.kind() == ErrorKind::Corruption => {
            db.get_opt(&key, &read_options(Blocks::Unverified))
        }
        stored => stored,
    };
    let stored = stored
        .map_err(|error| place.io(format!("read snapshot {id} of job `{}`", place.job), error))?;
    stored.ok_or_else(|| place.missing(id))
}

#[async_trait]
impl CheckpointStore for RocksStore {
    async fn acquire(&self) -> Result<Fence, StoreError> {
        self.blocking(JobDb::acquire).await
    }

    /// The database's lock keeps every other process out, so only this one can have gone on.
    fn holds(&self, fence: Fence) -> Result<(), StoreError> {
        let newest = self.job.held.load(Ordering::Acquire);
        if newest == fence.0 {
            return Ok(());
        }
        Err(outdated(&self.job.place.store, &self.job.place.job, fence, newest))
    }

    async fn put(&self, fence: Fence, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        // Cheap: the large part is behind an `Arc`.
        let checkpoint = checkpoint.clone();
        self.blocking(move |job| job.put(fence, &checkpoint)).await
    }

    async fn list(&self) -> Result<Vec<Listed>, StoreError> {
        self.blocking(|job| list(&job.db, &job.place)).await
    }

    async fn get(&self, id: CheckpointId) -> Result<Checkpoint, StoreError> {
        self.blocking(move |job| get(&job.db, &job.place, id)).await
    }

    async fn bytes(&self, id: CheckpointId) -> Result<Vec<u8>, StoreError> {
        self.blocking(move |job| bytes(&job.db, &job.place, id)).await
    }

    async fn remove(&self, fence: Fence, id: CheckpointId) -> Result<(), StoreError> {
        self.blocking(move |job| job.remove(fence, id)).await
    }
}

#[cfg(test)]
mod tests;
