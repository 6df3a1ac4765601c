//! Reading a job's log: by the process that runs the job, and by any other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use model::checkpoint::Listed;
use model::{Checkpoint, CheckpointId, StoreError};
use object_store::ObjectStore;
use object_store::path::Path;

use super::log::{Entry, Log};
use super::open::failed;
use super::record::{self, Found, Kind};
use super::url::ObjectUrl;
use crate::format::Place;
use crate::job_dir;
use crate::memory::read;

/// Records that are read at once.
const READS: usize = 16;
/// Bytes of records that are remembered as they were read. What a record holds never changes, and the
/// store tells by its own mark if it did; a running job lists its log after every checkpoint.
const REMEMBERED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Deepest folder of jobs, see [`crate::job_dir`].
const DEPTH_MAX: usize = 32;

/// A record, read and verified.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) seq: u64,
    pub(super) size: u64,
    /// `None` where damage leaves it open.
    pub(super) kind: Option<Kind>,
    /// What a fence says.
    pub(super) claim: Bytes,
    /// Of a snapshot.
    content: Option<Result<Checkpoint, Damage>>,
}

/// An error that can be told more than once.
#[derive(Debug, Clone)]
enum Damage {
    Damaged(String),
    Newer { found: u32, known: u32, needed: String },
}

/// What tells that a record is still the one that was read.
type Mark = (Option<String>, u64, i64);

#[derive(Debug, Default)]
struct Remembered {
    items: BTreeMap<u64, (Mark, Item)>,
    bytes: u64,
}

/// The log of a job, for `list` and `get`.
#[derive(Debug)]
pub(crate) struct Reader {
    log: Arc<Log>,
    remembered: Mutex<Remembered>,
}

impl Reader {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self { log, remembered: Mutex::default() }
    }

    /// Every record, in order. One that is removed meanwhile is left out.
    pub(super) async fn items(&self) -> Result<Vec<Item>, StoreError> {
        let entries = self.log.entries(0).await?;
        self.remembered().keep(&entries);
        let read = futures_util::stream::iter(entries).map(|entry| self.item(entry));
        let items: Vec<Option<Item>> = read.buffered(READS).try_collect().await?;
        Ok(items.into_iter().flatten().collect())
    }

    async fn item(&self, entry: Entry) -> Result<Option<Item>, StoreError> {
        let mark = mark(&entry);
        if let Some(item) = self.remembered().get(entry.seq, &mark) {
            return Ok(Some(item));
        }
        let Some(bytes) = self.log.read(entry.seq).await? else { return Ok(None) };
        let item = self.decode(entry.seq, &bytes);
        self.remembered().put(mark, &item);
        Ok(Some(item))
    }

    fn decode(&self, seq: u64, bytes: &Bytes) -> Item {
        let size = bytes.len() as u64;
        let (kind, content, claim) = match record::decode(bytes) {
            Found::Whole(kind @ Kind::Snapshot(id), content) => {
                (Some(kind), Some(self.snapshot(id, content)), Bytes::new())
            }
            Found::Whole(kind @ Kind::Fence(_), content) => {
                (Some(kind), None, bytes.slice_ref(content))
            }
            Found::Whole(kind @ Kind::Removed(_), _) => (Some(kind), None, Bytes::new()),
            Found::Damaged(kind @ Some(Kind::Fence(_) | Kind::Removed(_)), _) => {
                (kind, None, Bytes::new())
            }
            Found::Damaged(kind, what) => {
                (kind, Some(Err(Damage::Damaged(what.to_owned()))), Bytes::new())
            }
        };
        Item { seq, size, kind, claim, content }
    }

    fn snapshot(&self, id: u64, content: &[u8]) -> Result<Checkpoint, Damage> {
        let (store, id) = (self.log.url.to_string(), id.to_string());
        let place = Place { store: &store, job: &self.log.job, id: &id };
        read(content, place).map_err(|error| match error {
            StoreError::Damaged { what, .. } => Damage::Damaged(what),
            StoreError::Newer { found, known, needed, .. } => {
                Damage::Newer { found, known, needed }
            }
            other @ (StoreError::Fenced { .. }
            | StoreError::Exists { .. }
            | StoreError::Missing { .. }
            | StoreError::Io { .. }) => Damage::Damaged(other.to_string()),
        })
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        // A panic elsewhere leaves it whole: what it holds is only ever compared.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fences and snapshots in the order in which they were written.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) async fn story(&self) -> Result<Vec<(Option<u64>, Option<Checkpoint>)>, StoreError> {
        let fence = |item: &Item| match item.kind {
            Some(Kind::Fence(epoch)) => Some(epoch),
            Some(Kind::Snapshot(_) | Kind::Removed(_)) | None => None,
        };
        let items = self.items().await?.into_iter();
        Ok(items.map(|item| (fence(&item), item.content.and_then(Result::ok))).collect())
    }

    pub(crate) async fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let mut by_id: BTreeMap<u64, Listed> = BTreeMap::new();
        let mut unknown = Vec::new();
        let mut before = 0;
        for item in self.items().await? {
            let Some(content) = item.content else { continue };
            let Some(Kind::Snapshot(id)) = item.kind else {
                // Which one it was can only be guessed: ids grow by one, as a rule.
                unknown.push((before + 1, item.size, content));
                continue;
            };
            before = id;
            by_id.insert(id, self.listed(id, item.size, content));
        }
        for (guess, size, content) in unknown {
            let id = (guess..).find(|id| !by_id.contains_key(id)).unwrap_or(guess);
            by_id.insert(id, self.listed(id, size, content));
        }
        Ok(by_id.into_values().rev().collect())
    }

    fn listed(&self, id: u64, size: u64, content: Result<Checkpoint, Damage>) -> Listed {
        let content = content.map_err(|damage| self.told(id, damage));
        Listed { id: CheckpointId(id), size, content }
    }

    fn told(&self, id: u64, damage: Damage) -> StoreError {
        let (job, id) = (self.log.job.to_string(), id.to_string());
        match damage {
            Damage::Damaged(what) => {
                StoreError::Damaged { store: self.log.url.to_string(), job, id, what }
            }
            Damage::Newer { found, known, needed } => {
                StoreError::Newer { job, id, found, known, needed }
            }
        }
    }

    /// Read anew from the store, whatever is remembered.
    pub(crate) async fn get(&self, id: CheckpointId) -> Result<Checkpoint, StoreError> {
        let (seq, bytes) = self.record(id).await?;
        let content = self.decode(seq, &bytes).content.ok_or_else(|| self.missing(id))?;
        content.map_err(|damage| self.told(id.0, damage))
    }

    /// The snapshot within its record; where that is damaged, nobody can tell the two apart.
    pub(crate) async fn bytes(&self, id: CheckpointId) -> Result<Vec<u8>, StoreError> {
        match record::decode(&self.record(id).await?.1) {
            Found::Whole(_, content) => Ok(content.to_vec()),
            Found::Damaged(_, what) => Err(self.told(id.0, Damage::Damaged(what.to_owned()))),
        }
    }

    /// The newest record of a snapshot, and its number.
    async fn record(&self, id: CheckpointId) -> Result<(u64, Bytes), StoreError> {
        let items = self.items().await?;
        let wanted = items.iter().rev().find(|item| item.kind == Some(Kind::Snapshot(id.0)));
        let seq = wanted.ok_or_else(|| self.missing(id))?.seq;
        let bytes = self.log.read(seq).await?;
        Ok((seq, bytes.ok_or_else(|| self.missing(id))?))
    }

    fn missing(&self, id: CheckpointId) -> StoreError {
        let (store, job) = (self.log.url.to_string(), self.log.job.to_string());
        StoreError::Missing { store, job, id: id.to_string() }
    }
}

fn mark(entry: &Entry) -> Mark {
    let meta = &entry.meta;
    (meta.e_tag.clone(), meta.size, meta.last_modified.timestamp_micros())
}

impl Remembered {
    fn get(&self, seq: u64, mark: &Mark) -> Option<Item> {
        let (known, item) = self.items.get(&seq)?;
        (known == mark).then(|| item.clone())
    }

    fn put(&mut self, mark: Mark, item: &Item) {
        if self.bytes + item.size > REMEMBERED_BYTES_MAX {
            return;
        }
        if let Some((_, old)) = self.items.insert(item.seq, (mark, item.clone())) {
            self.bytes -= old.size;
        }
        self.bytes += item.size;
    }

    fn keep(&mut self, entries: &[Entry]) {
        let there: std::collections::HashSet<u64> = entries.iter().map(|e| e.seq).collect();
        self.items.retain(|seq, _| there.contains(seq));
        self.bytes = self.items.values().map(|(_, item)| item.size).sum();
    }
}

/// Names of all jobs that have a log under the place, sorted.
pub(crate) async fn jobs(
    store: &dyn ObjectStore,
    prefix: &Path,
    url: &ObjectUrl,
) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let mut folders = vec![prefix.clone()];
    while let Some(folder) = folders.pop() {
        let listed = store.list_with_delimiter(Some(&folder)).await;
        let listed = listed.map_err(|error| failed(url, "list the jobs", error))?;
        for inner in listed.common_prefixes {
            let Some(names) = inner.prefix_match(prefix) else { continue };
            let names: Vec<String> = names.map(|name| name.as_ref().to_owned()).collect();
            match job_dir::name(&names.iter().collect::<std::path::PathBuf>()) {
                Some(job) => found.push(job),
                None if names.len() < DEPTH_MAX => folders.push(inner),
                None => {}
            }
        }
    }
    found.sort();
    Ok(found)
}
