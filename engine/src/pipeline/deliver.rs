//! One sink's task: batches are written, barriers prepared, stored checkpoints committed.
//!
//! INVARIANT fenced: nothing is asked of a sink by a run that does not hold its job any more. A process
//! that slept through its lease learns it here, before its next write.

use std::sync::Arc;
use std::time::Duration;

use model::checkpoint::Fence;
use model::sink::SinkToken;
use model::{Barrier, Batch, CheckpointStore, Prepared, Sink, fault};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Delivery;
use super::queue::Receiver;
use crate::error::EngineError;
use crate::meters::SinkMeter;

/// A sink's answer to a barrier, on its way to the coordinator.
#[derive(Debug)]
pub struct Answer {
    pub barrier: Arc<Barrier>,
    pub prepared: Prepared,
}

/// A sink of a run, and by what right the run writes to it.
pub struct Held {
    pub sink: Box<dyn Sink>,
    pub store: Arc<dyn CheckpointStore>,
    pub fence: Fence,
    pub meter: Arc<SinkMeter>,
}

impl Held {
    fn sink(&mut self) -> Result<&mut dyn Sink, EngineError> {
        self.store.holds(self.fence)?;
        Ok(&mut *self.sink)
    }

    async fn write(&mut self, batch: Arc<Batch>, rows: u64) -> Result<(), EngineError> {
        let (began, bytes) = (Instant::now(), batch.bytes);
        self.sink()?.write(batch).await?;
        self.meter.write.took(began.elapsed());
        self.meter.wrote(rows, bytes);
        Ok(())
    }

    async fn prepare(&mut self, barrier: &Barrier) -> Result<SinkToken, EngineError> {
        fault::point("prepare.before");
        let began = Instant::now();
        let token = self.sink()?.prepare(barrier).await?;
        self.meter.prepare.took(began.elapsed());
        fault::point("prepare.after");
        Ok(token)
    }

    async fn commit(&mut self, token: &SinkToken) -> Result<(), EngineError> {
        fault::point("commit.before");
        let began = Instant::now();
        self.sink()?.commit(token).await?;
        self.meter.commit.took(began.elapsed());
        fault::point("commit.after");
        Ok(())
    }
}

/// Runs `sink` until its queue closes and the coordinator has no more commits for it.
///
/// # Errors
/// The sink's first error. The job then restarts from its newest checkpoint. [`StoreError::Fenced`]
/// once another process has taken the job over.
///
/// [`StoreError::Fenced`]: model::StoreError::Fenced
pub async fn run(
    name: String,
    held: Held,
    queue: Receiver,
    answers: mpsc::Sender<Answer>,
    commits: mpsc::Receiver<SinkToken>,
) -> Result<(), EngineError> {
    let meter = Arc::clone(&held.meter);
    serve(name, held, queue, answers, commits).await.inspect_err(|_| meter.failed())
}

async fn serve(
    name: String,
    mut held: Held,
    mut queue: Receiver,
    answers: mpsc::Sender<Answer>,
    mut commits: mpsc::Receiver<SinkToken>,
) -> Result<(), EngineError> {
    loop {
        // Before the queue, which may never be empty.
        tokio::select! { biased;
            Some(token) = commits.recv() => held.commit(&token).await?,
            () = passed(held.sink.flush_due()) => held.sink()?.flush().await?,
            delivery = queue.recv() => {
                let Some((delivery, room)) = delivery else { break };
                match delivery {
                    Delivery::Batch(batch, rows) => held.write(batch, rows).await?,
                    Delivery::Barrier(barrier) => {
                        let token = held.prepare(&barrier).await?;
                        let prepared = Prepared { sink: name.clone(), token };
                        let answer = Answer { barrier, prepared };
                        // A coordinator that is gone has failed, and says why itself.
                        if answers.send(answer).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                drop(room);
                if queue.is_empty() {
                    held.sink()?.flush().await?;
                }
            }
        }
    }
    drop(answers);
    held.sink()?.flush().await?;
    while let Some(token) = commits.recv().await {
        held.commit(&token).await?;
    }
    Ok(())
}

/// The time is over; never, where there is none.
async fn passed(due: Option<Duration>) {
    match due {
        None => std::future::pending().await,
        // A timer would let what else is ready go first.
        Some(Duration::ZERO) => {}
        Some(wait) => tokio::time::sleep(wait).await,
    }
}

#[cfg(test)]
mod tests;
