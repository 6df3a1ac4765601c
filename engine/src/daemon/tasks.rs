//! The tasks of one attempt, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use model::BarrierKind;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info};

use super::Ended;
use crate::control::Stop;
use crate::error::EngineError;
use crate::source::SourceError;
use crate::source::snapshot::{self, Ask, Shared};

/// How long the other tasks of a failed run have to tell a better reason.
const REASONS_WITHIN: Duration = Duration::from_secs(3);

/// One chunk reader. In the middle of a SELECT it does not hold up the end of the job.
pub(super) async fn read_chunks(
    shared: Arc<Shared>,
    ask: mpsc::Sender<Ask>,
) -> Result<Option<Ended>, EngineError> {
    let source = ask.clone();
    tokio::select! {
        read = snapshot::run(shared, ask) => Ok(read.map(|()| None)?),
        () = source.closed() => Ok(None),
    }
}

pub(super) async fn stopped(
    stop: &watch::Receiver<Stop>,
    kind: Stop,
) -> Result<(), watch::error::RecvError> {
    stop.clone().wait_for(|s| *s == kind).await.map(drop)
}

/// Hands the user's word to the coordinator.
pub(super) async fn forward_stop(
    mut stop: watch::Receiver<Stop>,
    to: mpsc::Sender<BarrierKind>,
) -> Result<Option<Ended>, EngineError> {
    let asked = tokio::select! {
        word = stop.wait_for(|s| *s != Stop::Not) => word.map(|w| *w).unwrap_or(Stop::Not),
        () = to.closed() => return Ok(None),
    };
    match asked {
        Stop::Cancel => Ok(Some(Ended::Cancelled)),
        Stop::Savepoint => {
            info!("stopping: a savepoint is taken first");
            let _ = to.send(BarrierKind::Savepoint).await;
            tokio::select! {
                _ = stop.wait_for(|s| *s == Stop::Cancel) => Ok(Some(Ended::Cancelled)),
                () = to.closed() => Ok(None),
            }
        }
        Stop::Not => Ok(None),
    }
}

/// Waits for the end of all tasks, or for the first failure; the rest are then dropped, for a start
/// from the newest checkpoint is always safe.
pub(super) async fn supervise(
    mut tasks: JoinSet<Result<Option<Ended>, EngineError>>,
) -> Result<Ended, EngineError> {
    let mut ended = None;
    let mut failed: Option<EngineError> = None;
    let mut deadline = Instant::now() + Duration::from_secs(u64::from(u32::MAX));
    loop {
        let next = tokio::select! {
            next = tasks.join_next() => next,
            () = tokio::time::sleep_until(deadline) => None,
        };
        let result = match next {
            None => break,
            Some(Ok(result)) => result,
            Some(Err(panicked)) => {
                error!("a task panicked: {panicked}");
                Err(EngineError::Internal(panicked.to_string()))
            }
        };
        match result {
            Ok(Some(Ended::Cancelled)) => return Ok(Ended::Cancelled),
            Ok(Some(Ended::Unsaved)) => return Ok(Ended::Unsaved),
            Ok(Some(with)) => ended = Some(with),
            Ok(None) => {}
            // Only says that another task is gone: that one knows why.
            Err(EngineError::Source(SourceError::Stopped)) if failed.is_none() => {
                failed = Some(EngineError::Source(SourceError::Stopped));
                deadline = Instant::now() + REASONS_WITHIN;
            }
            Err(EngineError::Source(SourceError::Stopped)) => {}
            Err(error) => return Err(error),
        }
    }
    match (failed, ended) {
        (Some(error), _) => Err(error),
        (None, Some(ended)) => Ok(ended),
        (None, None) => Err(EngineError::Internal("all tasks ended without a reason".to_owned())),
    }
}
