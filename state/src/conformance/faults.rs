//! A store of objects that fails at will, as networks and disks do.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use model::checkpoint::Fence;
use model::{CheckpointStore, StoreError};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};

use super::{Objects, sample};

/// What goes wrong, until told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Nothing is reached.
    Unreachable,
    /// Writes are done, and what comes back is an error.
    LostReply,
    /// Writes leave half of their bytes under a name of nobody's, and fail: what a process that dies
    /// in the middle leaves in a directory.
    TornWrite,
    /// Everything takes a moment.
    Slow,
    /// Writes fail, reads do not.
    DiskFull,
    /// Writes and removals are refused, reads are not.
    NoPermission,
    /// Writes of a lease are refused.
    LeaseRefused,
    /// The clock of the store goes backwards: what was written later seems to be a month older.
    ClockSetBack,
}

/// Told of the objects of a list, from the first to the last, while the clock goes backwards.
fn set_back(nth: u32, listed: ObjectMeta) -> ObjectMeta {
    let month = Duration::from_secs(30 * 24 * 3600);
    ObjectMeta { last_modified: listed.last_modified - month * nth, ..listed }
}

/// A store with a fault; clones share it.
#[derive(Debug, Clone)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    fault: Arc<Mutex<Fault>>,
}

pub(super) const SLOW: Duration = Duration::from_millis(100);

impl Faulty {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, fault: Arc::new(Mutex::new(Fault::None)) }
    }

    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reading(&self) -> Result<()> {
        match self.fault() {
            Fault::Unreachable => Err(failure("connection refused")),
            Fault::Slow => {
                tokio::time::sleep(SLOW).await;
                Ok(())
            }
            Fault::None
            | Fault::LostReply
            | Fault::TornWrite
            | Fault::DiskFull
            | Fault::NoPermission
            | Fault::LeaseRefused
            | Fault::ClockSetBack => Ok(()),
        }
    }
}

fn failure(what: &'static str) -> Error {
    Error::Generic { store: "faulty", source: what.into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, to: &Path, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.reading().await?;
        match self.fault() {
            Fault::LostReply => {
                self.inner.put_opts(to, bytes, how).await?;
                Err(failure("connection reset by peer"))
            }
            Fault::TornWrite => {
                let whole = Bytes::from(bytes);
                let half = whole.slice(..whole.len() / 2);
                let aside = Path::parse(format!("{to}-torn")).expect("a path");
                self.inner.put(&aside, half.into()).await?;
                Err(failure("input/output error"))
            }
            Fault::DiskFull => Err(failure("no space left on device")),
            Fault::LeaseRefused if to.filename() == Some("lease") => Err(failure("access denied")),
            Fault::NoPermission => Err(Error::PermissionDenied {
                path: to.to_string(),
                source: "access denied".into(),
            }),
            Fault::None
            | Fault::Unreachable
            | Fault::Slow
            | Fault::LeaseRefused
            | Fault::ClockSetBack => self.inner.put_opts(to, bytes, how).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(to, how).await
    }

    async fn get_opts(&self, from: &Path, how: GetOptions) -> Result<GetResult> {
        // A reply that is lost is lost for who asks again at once, too.
        if self.fault() == Fault::LostReply {
            return Err(failure("connection reset by peer"));
        }
        self.reading().await?;
        self.inner.get_opts(from, how).await
    }

    async fn get_ranges(&self, from: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.reading().await?;
        self.inner.get_ranges(from, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.fault() {
            Fault::Unreachable | Fault::NoPermission => {
                futures_util::stream::once(async { Err(failure("access denied")) }).boxed()
            }
            Fault::None
            | Fault::LostReply
            | Fault::TornWrite
            | Fault::Slow
            | Fault::DiskFull
            | Fault::LeaseRefused
            | Fault::ClockSetBack => self.inner.delete_stream(paths),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.fault() {
            Fault::Unreachable => {
                futures_util::stream::once(async { Err(failure("connection refused")) }).boxed()
            }
            Fault::Slow => {
                let listed = self.inner.clone();
                let prefix = prefix.cloned();
                futures_util::stream::once(async move {
                    tokio::time::sleep(SLOW).await;
                    listed.list(prefix.as_ref())
                })
                .flatten()
                .boxed()
            }
            Fault::None
            | Fault::LostReply
            | Fault::TornWrite
            | Fault::DiskFull
            | Fault::LeaseRefused
            | Fault::NoPermission => self.inner.list(prefix),
            Fault::ClockSetBack => {
                let mut nth = 0;
                let older = move |listed: Result<ObjectMeta>| {
                    nth += 1;
                    listed.map(|listed| set_back(nth, listed))
                };
                self.inner.list(prefix).map(older).boxed()
            }
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.reading().await?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.reading().await?;
        self.inner.copy_opts(from, to, how).await
    }
}

/// Through every fault: what was acknowledged is listed, what is listed can be restored, and the store
/// works again when the fault is gone.
pub async fn everything_acknowledged_survives(objects: &Objects) {
    let faulty = Faulty::new(objects.raw());
    // The lease is not what this is about: a fault may last longer than a short one.
    let objects = objects.with_lease(Duration::from_secs(60));
    let store = objects.through(&faulty).open();
    let fence = store.acquire().await.expect("acquire");
    let mut acknowledged = Vec::new();
    let mut next = 1;
    let faults = [
        Fault::TornWrite,
        Fault::LostReply,
        Fault::Slow,
        Fault::DiskFull,
        Fault::NoPermission,
        Fault::Unreachable,
        Fault::ClockSetBack,
    ];
    for fault in faults {
        faulty.set(fault);
        for _ in 0..3 {
            attempt(&*store, fence, next, &mut acknowledged).await;
            next += 1;
        }
        look(&objects, &acknowledged, fault).await;
        faulty.set(Fault::None);
        let before = acknowledged.len();
        attempt(&*store, fence, next, &mut acknowledged).await;
        next += 1;
        assert_eq!(acknowledged.len(), before + 1, "it works again after {fault:?}");
        look(&objects, &acknowledged, fault).await;
    }
    // Taken in meanwhile or not, the log goes on for the next process too.
    store.release().await.expect("release");
    // It begins by looking at what is old, and its clock goes backwards.
    faulty.set(Fault::ClockSetBack);
    let store = objects.through(&faulty).open();
    let fence = store.acquire().await.expect("acquire after all that");
    attempt(&*store, fence, next, &mut acknowledged).await;
    assert_eq!(acknowledged.last(), Some(&next));
    look(&objects, &acknowledged, Fault::None).await;
}

/// A holder that takes its job anew and fails half way does not stand in its own way the next time.
pub async fn a_job_that_was_half_taken_anew_is_taken(objects: &Objects) {
    let faulty = Faulty::new(objects.raw());
    let store = objects.through(&faulty).open();
    store.acquire().await.expect("acquire");
    faulty.set(Fault::LeaseRefused);
    let half = store.acquire().await;
    assert!(matches!(half, Err(StoreError::Io { .. })), "{half:?}");
    faulty.set(Fault::None);
    let fence = store.acquire().await.expect("acquire it anew");
    store.put(fence, &sample(1)).await.expect("put");
    store.release().await.expect("release");
}

async fn attempt(store: &dyn CheckpointStore, fence: Fence, id: u64, acknowledged: &mut Vec<u64>) {
    match store.put(fence, &sample(id)).await {
        Ok(()) => acknowledged.push(id),
        Err(StoreError::Io { .. }) => {}
        Err(other) => panic!("a fault is an error of the store: {other}"),
    }
}

async fn look(objects: &Objects, acknowledged: &[u64], fault: Fault) {
    let listed = objects.open().list().await.expect("list past the fault");
    for entry in &listed {
        let content = entry.content.as_ref();
        let content = content.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(*content, sample(entry.id.0), "{fault:?}: what is listed can be restored");
    }
    for id in acknowledged {
        let there = listed.iter().any(|entry| entry.id.0 == *id);
        assert!(there, "{fault:?}: snapshot {id} was acknowledged");
    }
}
