//! The log of a job: its records, by their number in the one sequence.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use model::{StoreError, fault};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode};

use super::open::{failed, is_missing};
use super::url::ObjectUrl;
use crate::job_dir;

/// Where the records, the lease and the held rows of one job are.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Of the job.
    pub(crate) path: Path,
    /// Of all jobs; for errors.
    pub(crate) url: ObjectUrl,
    pub(super) job: Arc<str>,
}

/// A record that is there.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) meta: ObjectMeta,
}

/// How the claim of a number went.
pub(super) enum Claimed {
    Ours,
    /// By another record, which has these bytes.
    Taken(Bytes),
}

const LOG: &str = "log";
const LEASE: &str = "lease";
const DIGITS: usize = 20;

impl Log {
    pub(crate) fn new(
        (store, prefix): (Arc<dyn ObjectStore>, Path),
        url: &ObjectUrl,
        job: &str,
    ) -> Result<Self, StoreError> {
        let unfit = |why: Box<dyn std::error::Error + Send + Sync>| {
            failed(url, "keep a job of that name", why)
        };
        let directory = job_dir::directory(job).map_err(|error| unfit(error.into()))?;
        let directory = directory.to_str().ok_or_else(|| unfit("its name is not UTF-8".into()))?;
        let path = match prefix.as_ref() {
            "" => Path::parse(directory),
            prefix => Path::parse(format!("{prefix}/{directory}")),
        };
        let path = path.map_err(|error| unfit(error.into()))?;
        Ok(Self { store, path, url: url.clone(), job: job.into() })
    }

    pub(super) fn io(
        &self,
        what: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        failed(&self.url, format!("{what} job `{}`", self.job), source)
    }

    pub(super) fn records(&self) -> Path {
        self.path.clone().join(LOG)
    }

    fn record(&self, seq: u64) -> Path {
        self.records().join(format!("{seq:0DIGITS$}"))
    }

    /// All records after the number `after`, in their order. What is not of our making is passed over.
    pub(super) async fn entries(&self, after: u64) -> Result<Vec<Entry>, StoreError> {
        let (records, from) = (self.records(), self.record(after));
        let listed = match after {
            0 => self.store.list(Some(&records)),
            _ => self.store.list_with_offset(Some(&records), &from),
        };
        let found: Vec<ObjectMeta> =
            listed.try_collect().await.map_err(|error| self.io("list the log of", error))?;
        let mut entries: Vec<Entry> = found
            .into_iter()
            .filter_map(|meta| {
                let seq = sequence(&records, &meta.location);
                if seq.is_none() {
                    tracing::debug!(job = %self.job, object = %meta.location, "a foreign object");
                }
                Some(Entry { seq: seq?, meta })
            })
            .filter(|entry| entry.seq > after)
            .collect();
        entries.sort_by_key(|entry| entry.seq);
        Ok(entries)
    }

    /// The bytes of a record; `None` where it is not there (any more).
    pub(super) async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        self.get(&self.record(seq), "read the log of").await
    }

    /// Claims a number for a record: of all who try, one. A reply that was lost is made good by
    /// looking who has the number now. A directory loses none: where it fails to make the record
    /// durable, the record may be there and is not acknowledged.
    pub(super) async fn claim(&self, seq: u64, bytes: Bytes) -> Result<Claimed, StoreError> {
        let path = self.record(seq);
        fault::point("record.before");
        let put = self.store.put_opts(&path, bytes.clone().into(), PutMode::Create.into()).await;
        fault::point("record.after");
        let Err(error) = put else { return Ok(Claimed::Ours) };
        let taken = matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. });
        if !taken && self.url.directory().is_some() {
            return Err(self.io("write to the log of", error));
        }
        match self.read(seq).await {
            Ok(Some(found)) if found == bytes => Ok(Claimed::Ours),
            Ok(Some(found)) => Ok(Claimed::Taken(found)),
            Err(unread) if taken => Err(unread),
            Ok(None) | Err(_) => Err(self.io("write to the log of", error)),
        }
    }

    /// Puts other bytes in the place of a record.
    pub(super) async fn replace(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        let path = self.record(seq);
        let put = self.store.put_opts(&path, bytes.into(), PutMode::Overwrite.into());
        put.await.map(drop).map_err(|error| self.io("write to the log of", error))
    }

    /// Removes a record; one that is not there is no error.
    pub(super) async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        match self.store.delete(&self.record(seq)).await {
            Err(error) if !is_missing(&error) => Err(self.io("prune the log of", error)),
            _ => Ok(()),
        }
    }

    pub(super) async fn lease(&self) -> Result<Option<Bytes>, StoreError> {
        self.get(&self.path.clone().join(LEASE), "read the lease of").await
    }

    pub(super) async fn write_lease(&self, bytes: Vec<u8>) -> Result<(), StoreError> {
        let path = self.path.clone().join(LEASE);
        let put = self.store.put_opts(&path, bytes.into(), PutMode::Overwrite.into());
        put.await.map(drop).map_err(|error| self.io("write the lease of", error))
    }

    /// Refuses a store that would let two processes claim one number.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        let path = self.path.clone().join(format!("probe-{:016x}", rand::random::<u64>()));
        let create = || self.store.put_opts(&path, "probe".into(), PutMode::Create.into());
        let (first, second) = (create().await, create().await);
        // Best effort: it is empty and has a name of its own.
        drop(self.store.delete(&path).await);
        first.map_err(|error| self.io("write the state of", error))?;
        match second {
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(()),
            Err(error) => Err(self.io("write the state of", error)),
            Ok(_) => Err(self.io(
                "keep the state of",
                "this store does not refuse to create an object that is there already \
                 (conditional writes, `If-None-Match: *`): two processes could both run the job; \
                 use another store, or `rocksdb://DIR`",
            )),
        }
    }

    async fn get(&self, path: &Path, what: &str) -> Result<Option<Bytes>, StoreError> {
        let got = match self.store.get(path).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        match got {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.io(what, error)),
        }
    }
}

/// The number of a record by its place; `None` for what else may lie there.
fn sequence(records: &Path, location: &Path) -> Option<u64> {
    let mut names = location.prefix_match(records)?;
    let name = names.next()?;
    let name = name.as_ref();
    let is_ours = names.next().is_none() && name.len() == DIGITS;
    is_ours.then(|| name.parse().ok()).flatten().filter(|seq| *seq > 0)
}
