//! The checkpoints of one job as a log of objects.
//!
//! INVARIANT fenced: every record is a number claimed by creating an object that was not there, which
//! one process alone can. Whoever takes the job over claims the number after the last for a fence; a
//! holder claims the number after the last it knows for a snapshot. So the first record that a holder
//! would write after it was superseded has the number of the fence that superseded it.
//!
//! Numbers never come back: the last record of a log is never deleted, only replaced, and fences stay
//! for [`FENCES_KEPT`], longer than any request can be under way. See [`super::lease`] for what keeps
//! a superseded holder from the sinks.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::checkpoint::{Fence, Listed};
use model::{Checkpoint, CheckpointId, CheckpointStore, StoreError};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::hold::{self, Holder};
use super::lease::Lost;
use super::log::{Claimed, Log};
use super::read::Reader;
use super::record::{self, Found, Kind};
use crate::format;
use crate::memory::outdated;

/// Far longer than any request can be under way. By the store's own clock.
const FENCES_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How a process takes and holds a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Within which a holder that is not heard of is taken for dead.
    pub(crate) lease: Duration,
    /// Take the job from a holder that lives.
    pub(crate) take_over: bool,
}

/// The checkpoints of a job that runs in this process. Dropped, it releases the job in the background.
#[derive(Debug)]
pub(crate) struct ObjectLog {
    reader: Reader,
    holder: Arc<Holder>,
    writer: Mutex<Writer>,
    /// The task that renews the lease; it ends with the store.
    renewals: std::sync::Mutex<JoinSet<()>>,
}

/// What the holder knows of the log; one write at a time.
#[derive(Debug, Default)]
struct Writer {
    probed: bool,
    /// Every record there is, by its number.
    known: BTreeMap<u64, Kind>,
}

impl Writer {
    fn seq_of(&self, id: CheckpointId) -> Option<u64> {
        let is_it = |kind: &Kind| *kind == Kind::Snapshot(id.0);
        self.known.iter().rev().find(|(_, kind)| is_it(kind)).map(|(seq, _)| *seq)
    }

    fn last(&self) -> u64 {
        self.known.last_key_value().map_or(0, |(seq, _)| *seq)
    }
}

impl ObjectLog {
    pub(crate) fn new(log: Log, terms: Terms) -> Self {
        let log = Arc::new(log);
        let reader = Reader::new(Arc::clone(&log));
        let holder = Arc::new(Holder::new(log, terms));
        Self { reader, holder, writer: Mutex::default(), renewals: std::sync::Mutex::default() }
    }

    fn log(&self) -> &Log {
        &self.holder.log
    }

    fn lost(&self, fence: Fence, why: Lost) -> StoreError {
        let log = self.log();
        match why {
            Lost::Taken(newest) => outdated(&log.url.to_string(), &log.job, fence, newest),
            Lost::RanOut => log.io(
                "hold",
                format!(
                    "the lease was not renewed in time: the store did not answer, or this process \
                     slept; another may run the job by now ({:?})",
                    self.holder.terms.lease
                ),
            ),
        }
    }

    fn newest(&self, fence: Fence) -> Result<(), StoreError> {
        self.holder.hold.newest(fence.0).map_err(|why| self.lost(fence, why))
    }

    /// Takes in what was written after the last record known: by us, where a reply was lost, or by
    /// who has taken the job over.
    async fn catch_up(&self, writer: &mut Writer, fence: Fence) -> Result<(), StoreError> {
        // From our own fence on: one that superseded it may lie in a gap that pruning has left.
        for entry in self.log().entries(fence.0).await? {
            if writer.known.contains_key(&entry.seq) {
                continue;
            }
            let Some(bytes) = self.log().read(entry.seq).await? else { continue };
            self.take_in(writer, fence, entry.seq, &bytes)?;
        }
        Ok(())
    }

    fn take_in(
        &self,
        writer: &mut Writer,
        fence: Fence,
        seq: u64,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        match record::decode(bytes) {
            Found::Whole(Kind::Fence(epoch), _) | Found::Damaged(Some(Kind::Fence(epoch)), _)
                if epoch != fence.0 =>
            {
                self.holder.hold.lose_to(epoch);
                Err(self.lost(fence, Lost::Taken(epoch)))
            }
            Found::Whole(kind, _) | Found::Damaged(Some(kind), _) => {
                writer.known.insert(seq, kind);
                self.holder.knows(seq);
                Ok(())
            }
            Found::Damaged(None, what) => {
                Err(self.log().io("write to the log of", format!("record {seq}: {what}")))
            }
        }
    }

    /// Deletes what stands for nothing any more. What is left for now goes the next time.
    async fn sweep(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let last = writer.last();
        let removed = |(seq, kind): (&u64, &Kind)| {
            (*seq < last && matches!(kind, Kind::Removed(_))).then_some(*seq)
        };
        let removed: Vec<u64> = writer.known.iter().filter_map(removed).collect();
        for seq in removed {
            self.log().delete(seq).await?;
            writer.known.remove(&seq);
        }
        Ok(())
    }

    /// Deletes fences, but the newest, that are older than anything could still collide with.
    async fn sweep_fences(&self, writer: &mut Writer, epoch: u64) -> Result<(), StoreError> {
        let entries = self.log().entries(0).await?;
        let Some(newest) = entries.iter().map(|entry| entry.meta.last_modified).max() else {
            return Ok(());
        };
        for entry in entries.iter().filter(|entry| entry.seq < epoch) {
            let age = (newest - entry.meta.last_modified).to_std().unwrap_or_default();
            let is_fence = matches!(writer.known.get(&entry.seq), Some(Kind::Fence(_)));
            if is_fence && age > FENCES_KEPT {
                self.log().delete(entry.seq).await?;
                writer.known.remove(&entry.seq);
            }
        }
        Ok(())
    }

    async fn claim(
        &self,
        writer: &mut Writer,
        fence: Fence,
        checkpoint: &Checkpoint,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        let id = checkpoint.id;
        let bytes = bytes::Bytes::from(record::encode(Kind::Snapshot(id.0), &bytes));
        loop {
            if let Some(seq) = writer.seq_of(id) {
                return match self.log().read(seq).await? {
                    Some(found) if found == bytes => Ok(()),
                    _ => Err(StoreError::Exists {
                        store: self.log().url.to_string(),
                        job: self.log().job.to_string(),
                        id: id.to_string(),
                    }),
                };
            }
            let seq = writer.last() + 1;
            match self.log().claim(seq, bytes.clone()).await? {
                Claimed::Ours => {
                    writer.known.insert(seq, Kind::Snapshot(id.0));
                    self.holder.knows(seq);
                    return Ok(());
                }
                Claimed::Taken(found) => self.take_in(writer, fence, seq, &found)?,
            }
        }
    }
}

#[async_trait]
impl CheckpointStore for ObjectLog {
    async fn acquire(&self) -> Result<Fence, StoreError> {
        let mut writer = self.writer.lock().await;
        if !writer.probed {
            self.log().probe().await?;
            writer.probed = true;
        }
        // What we held is over, whether the job is taken anew or not: a lease that went on would be that
        // of a holder who lives.
        self.renewals.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        let epoch = self.holder.acquire(&self.reader).await?;
        writer.known.clear();
        // Nothing after our fence: that is not ours, and to be found at the first write.
        for item in self.reader.items().await?.into_iter().filter(|item| item.seq < epoch) {
            if let Some(kind) = item.kind {
                writer.known.insert(item.seq, kind);
            }
        }
        writer.known.insert(epoch, Kind::Fence(epoch));
        let swept = async {
            self.sweep(&mut writer).await?;
            self.sweep_fences(&mut writer, epoch).await
        };
        if let Err(error) = swept.await {
            tracing::warn!(job = %self.log().job, %error, "could not sweep the log");
        }
        let mut renewals = self.renewals.lock().unwrap_or_else(PoisonError::into_inner);
        renewals.spawn(hold::renewals(Arc::clone(&self.holder), epoch));
        Ok(Fence(epoch))
    }

    fn holds(&self, fence: Fence) -> Result<(), StoreError> {
        self.holder.hold.check(fence.0).map_err(|why| self.lost(fence, why))
    }

    async fn put(&self, fence: Fence, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let bytes = format::encode(checkpoint).map_err(|error| {
            self.log().io(&format!("store snapshot {} of", checkpoint.id), error)
        })?;
        let mut writer = self.writer.lock().await;
        self.newest(fence)?;
        self.catch_up(&mut writer, fence).await?;
        self.claim(&mut writer, fence, checkpoint, bytes).await
    }

    async fn list(&self) -> Result<Vec<Listed>, StoreError> {
        self.reader.list().await
    }

    async fn get(&self, id: CheckpointId) -> Result<Checkpoint, StoreError> {
        self.reader.get(id).await
    }

    async fn bytes(&self, id: CheckpointId) -> Result<Vec<u8>, StoreError> {
        self.reader.bytes(id).await
    }

    async fn remove(&self, fence: Fence, id: CheckpointId) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        self.newest(fence)?;
        self.catch_up(&mut writer, fence).await?;
        if let Some(seq) = writer.seq_of(id) {
            let kind = Kind::Removed(id.0);
            if seq == writer.last() {
                let before = self.log().read(seq).await?.unwrap_or_default();
                self.log().replace(seq, record::encode_over(kind, before.len()).into()).await?;
                writer.known.insert(seq, kind);
            } else {
                self.log().delete(seq).await?;
                writer.known.remove(&seq);
            }
        }
        self.sweep(&mut writer).await
    }

    async fn release(&self) -> Result<(), StoreError> {
        self.holder.release().await
    }
}

impl Drop for ObjectLog {
    fn drop(&mut self) {
        self.holder.hold.close();
        // Without a runtime nothing is renewed either, and the lease runs out.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let holder = Arc::clone(&self.holder);
            runtime.spawn(async move {
                if let Err(error) = holder.release().await {
                    tracing::debug!(%error, "the lease is left to run out");
                }
            });
        }
    }
}
