//! Schema changes that the sinks are to hear of behind a checkpoint.
//!
//! INVARIANT committed-before-change: *a sink that stages ([`model::Sink::stages`]) hears of a schema
//! change when all that came before it is committed.* A heavy ALTER of the far side waits for every
//! open transaction, and a TRUNCATE takes what is prepared along; and to commit early would
//! repeat rows after a crash.
//!
//! When the loop takes a statement, the reader's position has passed it. So the change is kept as
//! *untold*, and is part of the source's state: a checkpoint whose position lies behind the statement
//! says what is still to be told, and a run that begins with it tells that first. From the statement
//! on, nothing leaves: no event is taken and no question of the chunk readers, until a barrier has
//! been placed, its checkpoint is stored and its commits are queued. A sink takes commits before
//! batches ([`crate::pipeline::deliver`]), so the change then comes behind them.
//!
//! Whichever barrier comes first serves, also one asked for before: what counts is that it lies
//! behind the statement. The wait ends, for nothing that it needs waits for the source. The one
//! exception is a pass over a table without a key that has rows out: no barrier passes it, and its
//! end may need the stream. Then the change is handed on at once, and the sink commits early.

use model::{CheckpointId, SchemaChange};
use tokio::sync::{mpsc, watch};

use super::{Inputs, MySqlSource, SourceError};
use crate::checkpoint::coordinator::BarrierRequest;

#[derive(Debug, Default)]
pub struct Untold {
    /// A sink of the job stages.
    stages: bool,
    changes: Vec<SchemaChange>,
    /// The coordinator knows that they wait.
    asked: bool,
    /// The first barrier behind them.
    barrier: Option<CheckpointId>,
}

/// What ends a wait, or goes on with it.
#[derive(Debug)]
pub enum Step {
    /// Another barrier is wanted, or none any more.
    Requested,
    /// All before these is committed.
    Tell(Vec<SchemaChange>),
}

impl Untold {
    /// `left`: what a checkpoint has left to be told.
    pub fn new(stages: bool, left: Vec<SchemaChange>) -> Self {
        Self { stages, changes: left, ..Self::default() }
    }

    pub fn stages(&self) -> bool {
        self.stages
    }

    /// True where a change waits to be told.
    pub fn waits(&self) -> bool {
        !self.changes.is_empty()
    }

    /// For the checkpoint.
    pub fn state(&self) -> Vec<SchemaChange> {
        self.changes.clone()
    }

    pub fn keep(&mut self, change: SchemaChange) {
        self.changes.push(change);
    }

    /// A barrier lies behind all that is untold.
    pub fn placed(&mut self, id: CheckpointId) {
        if self.waits() {
            self.barrier.get_or_insert(id);
        }
    }

    /// Nothing before them is open any more: they are to be told.
    pub fn take(&mut self) -> Vec<SchemaChange> {
        (self.asked, self.barrier) = (false, None);
        std::mem::take(&mut self.changes)
    }

    /// Waits for what comes next, and asks for a checkpoint where that is not done yet. Cancel-safe.
    ///
    /// # Errors
    /// The coordinator is gone, and says why itself.
    pub async fn next(
        &mut self,
        changes: &mpsc::Sender<()>,
        committed: &mut watch::Receiver<CheckpointId>,
        requests: &mut watch::Receiver<Option<BarrierRequest>>,
    ) -> Result<Step, SourceError> {
        if !std::mem::replace(&mut self.asked, true) {
            // A full queue says it already.
            let _ = changes.try_send(());
        }
        loop {
            tokio::select! { biased;
                Ok(()) = requests.changed() => return Ok(Step::Requested),
                newest = committed.changed() => {
                    newest.map_err(|_| SourceError::Stopped)?;
                    let newest = *committed.borrow_and_update();
                    if self.barrier.is_some_and(|barrier| newest >= barrier) {
                        return Ok(Step::Tell(self.take()));
                    }
                }
            }
        }
    }
}

impl MySqlSource {
    /// Tells the sinks of a change: at once, or behind a checkpoint.
    pub(super) fn tell(&mut self, change: SchemaChange) {
        if !self.untold.stages() {
            return self.batcher.push_change(change);
        }
        if self.is_emitting_a_pass() || self.xa.is_open() || !self.file_known {
            tracing::info!(table = %change.table, "a schema change goes out without a checkpoint \
                before it, for none can be taken here: the sinks commit before their time");
            return self.batcher.push_change(change);
        }
        self.untold.keep(change);
    }

    /// What the checkpoint has left to be told: a sink that is restored has committed all before it.
    pub(super) fn tell_left(&mut self) {
        for change in self.untold.take() {
            tracing::info!(table = %change.table, "the sinks are told of a schema change that lies \
                before the place where the run begins");
            self.batcher.push_change(change);
        }
    }

    /// One step on the way to a checkpoint before what is untold.
    pub(super) async fn commit_before_change(
        &mut self,
        inputs: &mut Inputs,
    ) -> Result<(), SourceError> {
        if self.asked.is_some() {
            self.place_barrier(&inputs.deferred).await?;
        }
        if self.holds_still {
            return Ok(());
        }
        let Inputs { changes, committed, requests, .. } = inputs;
        match self.untold.next(changes, committed, requests).await? {
            Step::Requested => self.requested(requests),
            Step::Tell(changes) => {
                changes.into_iter().for_each(|change| self.batcher.push_change(change));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
