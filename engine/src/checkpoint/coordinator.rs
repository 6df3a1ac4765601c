//! The shell of the [`Machine`]: asks the source for barriers, collects what the sinks prepared,
//! stores, commits, prunes.

use std::sync::Arc;
use std::time::Duration;

use model::checkpoint::{Fence, HeldId};
use model::sink::SinkToken;
use model::{
    BarrierKind, Checkpoint, CheckpointId, CheckpointStore, Clock, Durable, StoreError, fault,
};
use state::{HeldStore, savepoint};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::machine::{Effect, Event, Machine, Ms, Trigger};
use crate::control::{Refusal, SavepointRequest, Taken};
use crate::error::chain;
use crate::meters::{Meters, Took};
use crate::pipeline::deliver::Answer;

/// A place that does not answer keeps no checkpoint and no stop waiting for longer.
const TIDY_WITHIN: Duration = Duration::from_secs(30);

/// To the source: put a barrier into the stream.
#[derive(Debug, Clone, Copy)]
pub struct BarrierRequest {
    pub id: CheckpointId,
    pub kind: BarrierKind,
    /// Nothing follows it: the source ends after it.
    pub last: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    GaveUp(String),
}

/// Everything the coordinator owns or talks to.
pub struct Coordinator {
    pub machine: Machine,
    pub job: String,
    pub store: Arc<dyn CheckpointStore>,
    /// What the checkpoints name of XA transactions.
    pub held: HeldStore,
    pub fence: Fence,
    pub clock: Arc<dyn Clock>,
    /// Newest checkpoints kept; savepoints are always kept.
    pub retained: usize,
    pub timeout: Duration,
    /// Where savepoints are written besides, before anybody hears of them.
    pub savepoint_dir: Option<String>,
    /// A snapshot elsewhere that the job began with and owns: it goes with the first checkpoint.
    pub claimed: Option<String>,
    /// The newest request; one that was given up is overwritten.
    pub requests: watch::Sender<Option<BarrierRequest>>,
    /// Barriers that the source cannot place for now.
    pub deferred: mpsc::Receiver<CheckpointId>,
    /// Whether the source has tables to read; false at first, as the machine believes.
    pub backlog: watch::Receiver<bool>,
    /// The source holds still before a schema change, for a checkpoint.
    pub changes: mpsc::Receiver<()>,
    /// The newest checkpoint whose commits are in the sinks' queues.
    pub committed: watch::Sender<CheckpointId>,
    /// Savepoints that users ask for.
    pub savepoints: mpsc::Receiver<SavepointRequest>,
    /// Who asked for the savepoint that is to come next.
    pub asker: Option<SavepointRequest>,
    pub answers: mpsc::Receiver<Answer>,
    /// The commit queue of each sink, by its name.
    pub commits: Vec<(String, mpsc::Sender<SinkToken>)>,
    pub started: Instant,
    pub meters: Arc<Meters>,
}

impl Coordinator {
    /// Runs until a last checkpoint asked for through `stop` is stored and committed, or until the
    /// other tasks are gone.
    ///
    /// # Errors
    /// More failures in a row than tolerable, or another process took the job over.
    pub async fn run(
        mut self,
        mut stop: mpsc::Receiver<BarrierKind>,
    ) -> Result<Option<CheckpointId>, CheckpointError> {
        loop {
            let wake = self.machine.wake_at();
            let event = tokio::select! { biased;
                Some(kind) = stop.recv() => Event::Stop(kind),
                Some(id) = self.deferred.recv() => Event::Deferred(id),
                Ok(()) = self.backlog.changed() => {
                    Event::Backlog(*self.backlog.borrow_and_update())
                }
                // Before the answer to a barrier behind it, which serves it.
                Some(()) = self.changes.recv() => Event::SchemaChange,
                Some(request) = self.savepoints.recv(), if self.machine.takes_requests() => {
                    let then = request.then;
                    self.asker = Some(request);
                    Event::Request(then)
                }
                answer = self.answers.recv() => match answer {
                    Some(Answer { barrier, prepared }) => Event::Answer { barrier, prepared },
                    // All sinks are gone: the run is over, and they say why.
                    None => return Ok(None),
                },
                () = sleep_until(self.started, wake) => Event::Tick,
            };
            if let Some(id) = self.perform(event).await? {
                return Ok(Some(id));
            }
        }
    }

    fn now(&self) -> Ms {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(Ms::MAX)
    }

    /// Applies an event and everything that follows from it; the id of the last checkpoint once
    /// there is nothing more to do.
    async fn perform(&mut self, event: Event) -> Result<Option<CheckpointId>, CheckpointError> {
        let mut last = None;
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let failed = self.machine.failed().0;
            let effect = self.machine.apply(event, self.now());
            self.count(failed);
            match effect {
                Effect::Nothing => {}
                Effect::Finished => return Ok(last),
                Effect::GiveUp(why) => return Err(CheckpointError::GaveUp(why)),
                Effect::Request { id, trigger } => {
                    let last = trigger.is_last();
                    let request = BarrierRequest { id, kind: trigger.kind(), last };
                    self.requests.send_replace(Some(request));
                }
                Effect::Refused(why) => {
                    warn!("{why}; the job goes on");
                    // The source may hold still behind it, or still look for a place.
                    self.requests.send_replace(None);
                    self.tell(Err(Refusal::Failed(why)));
                }
                Effect::Store { durable, trigger, started } => {
                    let id = durable.barrier().id;
                    last = Some(id);
                    next = Some(match self.store(durable, trigger, started).await {
                        Ok(()) => Event::Stored,
                        Err(fenced @ StoreError::Fenced { .. }) => return Err(fenced.into()),
                        Err(error) => Event::Failed(chain(&error)),
                    });
                }
            }
        }
        Ok(None)
    }

    /// Brings the meter up to date; `failed` is how many had failed before.
    fn count(&self, failed: u64) {
        let meter = &self.meters.checkpoints;
        meter.under_way(self.machine.under_way());
        let (now, why) = self.machine.failed();
        if now > failed {
            meter.failed(self.clock.now_ms(), why.to_owned());
        }
    }

    async fn store(
        &mut self,
        durable: Durable,
        trigger: Trigger,
        started: Ms,
    ) -> Result<(), StoreError> {
        let duration = self.now().saturating_sub(started);
        let asked = matches!(trigger, Trigger::Request(_));
        let note = self.asker.as_ref().filter(|_| asked).map_or("", |asker| &asker.note);
        let checkpoint =
            durable.into_checkpoint(&self.job, trigger.name(), note, self.clock.now_ms(), duration);
        fault::point("store.before");
        let dir = self.savepoint_dir.as_ref().filter(|_| checkpoint.kind == BarrierKind::Savepoint);
        let exported = dir.map(|dir| savepoint::reference(dir, &checkpoint)).transpose()?;
        let put = tokio::time::timeout(self.timeout, self.put(&checkpoint, exported.as_deref()));
        let stored = put.await.unwrap_or_else(|_| {
            Err(StoreError::Io {
                store: "the state store".to_owned(),
                what: format!("store {} within {:?}", checkpoint.id, self.timeout),
                source: "timed out".into(),
            })
        });
        if let Err(error) = stored {
            // Nobody is told of it.
            if let Some(reference) = &exported {
                drop(tokio::time::timeout(TIDY_WITHIN, release(reference)).await);
            }
            return Err(error);
        }
        fault::point("store.after");
        info!(id = %checkpoint.id, kind = %checkpoint.kind, duration_ms = duration,
            position = %checkpoint.source.position, "{} stored", checkpoint.kind);
        self.meters.checkpoints.completed(Took {
            id: checkpoint.id,
            kind: checkpoint.kind,
            at_ms: checkpoint.completed_at_ms,
            duration: Duration::from_millis(duration),
            size: None,
        });
        self.commit(&checkpoint).await;
        self.committed.send_replace(checkpoint.id);
        let settled = checkpoint.source.xa.next;
        if asked {
            let reference = exported.unwrap_or_else(|| checkpoint.id.to_string());
            self.tell(Ok(Taken { savepoint: checkpoint, reference }));
        }
        if tokio::time::timeout(TIDY_WITHIN, self.tidy(settled)).await.is_err() {
            warn!(
                "old checkpoints were not pruned within {TIDY_WITHIN:?}; the next one tries again"
            );
        }
        Ok(())
    }

    /// Stores it, and before that where it is to be `exported` to.
    async fn put(&self, checkpoint: &Checkpoint, exported: Option<&str>) -> Result<(), StoreError> {
        self.held.publish(&checkpoint.source.xa).await?;
        if let Some(reference) = exported {
            savepoint::write(reference, checkpoint, &self.held).await?;
        }
        self.store.put(self.fence, checkpoint).await?;
        // A savepoint is read back, for somebody relies on it.
        if checkpoint.kind == BarrierKind::Checkpoint
            || self.store.get(checkpoint.id).await? == *checkpoint
        {
            return Ok(());
        }
        Err(StoreError::Damaged {
            store: "the state store".to_owned(),
            job: self.job.clone(),
            id: checkpoint.id.to_string(),
            what: "it does not read back as it was written".to_owned(),
        })
    }

    /// Whoever asked may be gone by now.
    fn tell(&mut self, answer: Result<Taken, Refusal>) {
        if let Some(asker) = self.asker.take() {
            let _ = asker.reply.send(answer);
        }
    }

    async fn commit(&self, checkpoint: &Checkpoint) {
        for (sink, queue) in &self.commits {
            if let Some(token) = checkpoint.sinks.get(sink) {
                // A sink that is gone commits on restore: the token is in the checkpoint.
                let _ = queue.send(token.clone()).await;
            }
        }
    }

    async fn tidy(&mut self, settled: HeldId) {
        fault::point("prune.before");
        self.prune(settled).await;
        fault::point("prune.after");
        if let Some(claimed) = self.claimed.take() {
            release(&claimed).await;
        }
    }

    /// A prune that fails is tried again after the next checkpoint.
    ///
    /// Held rows below `settled`, the id next in use at the barrier just stored, are of transactions
    /// that this checkpoint names or that were settled before it: those that no snapshot names can
    /// never be named again, for one barrier is out at a time. A damaged snapshot might name any.
    async fn prune(&self, settled: HeldId) {
        let result = async {
            let listed = self.store.list().await?;
            listed.iter().for_each(|l| self.meters.checkpoints.weighs(l.id, l.size));
            let contents = || listed.iter().map(|l| &l.content);
            if contents().all(Result::is_ok) {
                let prepared = contents().flatten().flat_map(|c| &c.source.xa.prepared);
                let kept = prepared.filter_map(|p| Some(p.rows?.id)).collect();
                self.held.sweep(settled, kept).await?;
            }
            // The oldest first: a crash in between leaves no gap among those that stay.
            for id in state::prunable(&listed, self.retained).into_iter().rev() {
                self.store.remove(self.fence, id).await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = result.await {
            warn!("could not prune old checkpoints: {}", crate::error::chain(&error));
        }
    }
}

/// Removes a snapshot that rests elsewhere.
async fn release(reference: &str) {
    if let Err(error) = savepoint::remove(reference).await {
        warn!(%reference, "could not remove a savepoint: {}", chain(&error));
    }
}

async fn sleep_until(started: Instant, at: Option<Ms>) {
    match at {
        Some(ms) => tokio::time::sleep_until(started + Duration::from_millis(ms)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
