//! How far the job has committed, as its state tells whoever looks.
//!
//! A checkpoint is stored before its commits. That those are done is known once there is a newer one,
//! for a sink prepares it only after. So what counts is the position of the newest checkpoint but one
//! that was seen; and of a job that stands still, the newest's.

use std::sync::Arc;
use std::time::Duration;

use model::{Checkpoint, CheckpointId, CheckpointStore, Position, Watermark};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::VerifyError;
use super::settle::Cover;

/// The state is read this often at most.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub struct Checkpoints {
    store: Arc<dyn CheckpointStore>,
    /// How long a newer checkpoint is waited for.
    wait: Duration,
    /// Of the server whose positions they are to be.
    identity: String,
    seen: Mutex<Seen>,
}

struct Seen {
    progress: Progress,
    newest: Arc<Checkpoint>,
    at: Instant,
    /// No newer one has come while somebody waited.
    stalled: bool,
}

/// Which positions are committed. Pure.
#[derive(Debug, Clone)]
struct Progress {
    newest: (CheckpointId, Position),
    committed: Option<Position>,
}

impl Progress {
    /// True where the checkpoint is newer than any before.
    fn take(&mut self, id: CheckpointId, position: &Position) -> bool {
        if id <= self.newest.0 {
            return false;
        }
        let before = std::mem::replace(&mut self.newest, (id, position.clone()));
        self.committed = Some(before.1);
        true
    }

    fn has_committed(&self, mark: &Watermark) -> bool {
        self.committed.as_ref().is_some_and(|position| position.reached(mark))
    }
}

impl Checkpoints {
    /// # Errors
    /// The state cannot be read, or the job has no snapshot in it.
    pub async fn open(
        store: Arc<dyn CheckpointStore>,
        wait: Duration,
    ) -> Result<Self, VerifyError> {
        let Some(newest) = newest(&*store).await? else { return Err(VerifyError::NoSnapshot) };
        let progress =
            Progress { newest: (newest.id, newest.source.position.clone()), committed: None };
        let identity = newest.source.server.identity.clone();
        let seen = Seen { progress, newest: Arc::new(newest), at: Instant::now(), stalled: false };
        Ok(Self { store, wait, identity, seen: Mutex::new(seen) })
    }

    pub async fn newest(&self) -> Arc<Checkpoint> {
        Arc::clone(&self.seen.lock().await.newest)
    }

    /// True where no newer one came while somebody waited for it.
    pub async fn is_stalled(&self) -> bool {
        self.seen.lock().await.stalled
    }

    /// Which server the positions are of; empty where old snapshots do not say.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// How far the job is with `mark`; `None`: wait on, from `since`.
    ///
    /// # Errors
    /// The state cannot be read, or the job has gone to another server.
    pub async fn cover(
        &self,
        mark: &Watermark,
        since: Instant,
    ) -> Result<Option<Cover>, VerifyError> {
        let mut seen = self.seen.lock().await;
        if seen.at.elapsed() >= LOOK_EVERY {
            seen.at = Instant::now();
            if let Some(newest) = newest(&*self.store).await?
                && seen.progress.take(newest.id, &newest.source.position)
            {
                if newest.source.server.identity != self.identity {
                    return Err(VerifyError::Moved);
                }
                seen.newest = Arc::new(newest);
                seen.stalled = false;
            }
        }
        if seen.progress.has_committed(mark) {
            return Ok(Some(Cover::Committed));
        }
        seen.stalled |= since.elapsed() >= self.wait;
        Ok(seen.stalled.then_some(Cover::Stalled))
    }
}

async fn newest(store: &dyn CheckpointStore) -> Result<Option<Checkpoint>, VerifyError> {
    let listed = store.list().await?;
    Ok(state::newest(&listed).checkpoint.cloned())
}

#[cfg(test)]
mod tests {
    use model::{BinlogPosition, Gtids};

    use super::*;

    fn at(offset: u64) -> Position {
        let binlog = BinlogPosition { file: "b.000001".parse().unwrap(), offset };
        Position { gtids: Gtids::None, binlog, in_transaction: None }
    }

    #[test]
    fn a_checkpoint_is_committed_once_there_is_a_newer_one() {
        let mark = Watermark::Binlog(at(50).binlog);
        let mut progress = Progress { newest: (CheckpointId(7), at(60)), committed: None };
        assert!(!progress.has_committed(&mark));
        assert!(!progress.take(CheckpointId(7), &at(60)));
        assert!(!progress.has_committed(&mark));
        assert!(progress.take(CheckpointId(9), &at(60)));
        assert!(progress.has_committed(&mark));
        assert!(!progress.has_committed(&Watermark::Binlog(at(61).binlog)));
    }
}
