//! What becomes of checkpoints when a job ends. Savepoints are never touched.

use job::Retention;
use model::checkpoint::Fence;
use model::{BarrierKind, CheckpointStore, StoreError};
use tracing::{info, warn};

use super::Ended;
use crate::error::{EngineError, chain};

/// How a job ended, as its retention sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// By itself, or with a savepoint.
    Done,
    Cancelled,
    Failed,
}

fn keeps(retention: Retention, outcome: Outcome) -> bool {
    match retention {
        Retention::Retain => true,
        Retention::DeleteOnCancellation => outcome == Outcome::Failed,
        Retention::DeleteAlways => false,
    }
}

/// Removes the checkpoints that are not to stay, by the right of the run's own `fence`: a process that
/// lost its job to another one removes nothing.
pub(super) async fn apply(
    retention: Retention,
    ended: &Result<Ended, EngineError>,
    store: &dyn CheckpointStore,
    fence: Fence,
) {
    let outcome = match ended {
        Ok(Ended::With(_)) => Outcome::Done,
        Ok(Ended::Cancelled) => Outcome::Cancelled,
        // A savepoint was wanted and could not be: the newest checkpoint is all that tells the place.
        Ok(Ended::Unsaved) => return,
        Err(_) => Outcome::Failed,
    };
    if keeps(retention, outcome) {
        return;
    }
    match remove(store, fence).await {
        Ok(0) => {}
        Ok(count) => info!(count, "checkpoints removed, as the job's retention says"),
        Err(error) => warn!("could not remove the job's checkpoints: {}", chain(&error)),
    }
}

async fn remove(store: &dyn CheckpointStore, fence: Fence) -> Result<usize, StoreError> {
    let mut count = 0;
    for listed in store.list().await? {
        if listed.content.is_ok_and(|c| c.kind == BarrierKind::Checkpoint) {
            store.remove(fence, listed.id).await?;
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table() {
        let outcomes = [Outcome::Cancelled, Outcome::Failed, Outcome::Done];
        let row = |retention| outcomes.map(|outcome| keeps(retention, outcome));
        assert_eq!(row(Retention::Retain), [true, true, true]);
        assert_eq!(row(Retention::DeleteOnCancellation), [false, true, false]);
        assert_eq!(row(Retention::DeleteAlways), [false, false, false]);
    }
}
