//! One sink's task: batches are written, barriers prepared, stored checkpoints committed.

use std::sync::Arc;

use model::sink::SinkToken;
use model::{Barrier, Prepared, Sink, SinkError};
use tokio::sync::mpsc;

use super::Delivery;
use super::queue::Receiver;

/// A sink's answer to a barrier, on its way to the coordinator.
#[derive(Debug)]
pub struct Answer {
    pub barrier: Arc<Barrier>,
    pub prepared: Prepared,
}

/// Runs `sink` until its queue closes and the coordinator has no more commits for it.
///
/// # Errors
/// The sink's first error. The job then restarts from its newest checkpoint.
pub async fn run(
    name: String,
    mut sink: Box<dyn Sink>,
    mut queue: Receiver,
    answers: mpsc::Sender<Answer>,
    mut commits: mpsc::Receiver<SinkToken>,
) -> Result<(), SinkError> {
    loop {
        tokio::select! { biased;
            Some(token) = commits.recv() => sink.commit(&token).await?,
            delivery = queue.recv() => {
                let Some((delivery, room)) = delivery else { break };
                match delivery {
                    Delivery::Batch(batch) => sink.write(batch).await?,
                    Delivery::Barrier(barrier) => {
                        let token = sink.prepare(&barrier).await?;
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
                    sink.flush().await?;
                }
            }
        }
    }
    drop(answers);
    sink.flush().await?;
    while let Some(token) = commits.recv().await {
        sink.commit(&token).await?;
    }
    Ok(())
}
