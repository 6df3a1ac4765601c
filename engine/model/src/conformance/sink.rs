//! What every [`Sink`] promises, whatever its destination.
//!
//! A sink's tests describe their destination once, as a [`FarSide`], and call [`keeps_its_promises`]
//! with a function that makes a fresh, empty one. A crash is played by dropping the sink and opening
//! another over the same far side, as a restarted process does.
//!
//! ```ignore
//! struct Directory(tempfile::TempDir);
//!
//! #[async_trait]
//! impl FarSide for Directory {
//!     fn visibility(&self) -> Visibility { Visibility::OnWrite }
//!     fn guarantee(&self) -> Guarantee { Guarantee::ExactlyOnce }
//!     async fn open(&mut self) -> Box<dyn Sink> { Box::new(FileSink::open(self.0.path())) }
//!     async fn visible(&mut self) -> Vec<i64> { ids_in_the_files_of(self.0.path()) }
//! }
//!
//! #[tokio::test]
//! async fn the_file_sink_keeps_its_promises() {
//!     conformance::sink::keeps_its_promises(|| Directory(tempdir().unwrap())).await;
//! }
//! ```
#![expect(clippy::expect_used, reason = "a suite is a test: an error of the sink must stop it")]

use async_trait::async_trait;

use crate::conformance::samples::{barrier, rows, source};
use crate::sink::{Sink, SinkToken};

/// When a reader of the destination sees a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// At `commit`, and not before (Doris, StarRocks).
    OnCommit,
    /// From `write` on; surely at `prepare` (file, print).
    OnWrite,
}

/// What a crash may leave behind at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// Every change once: `restore` takes back what lies after its token.
    ExactlyOnce,
    /// Every change once or more: what was shown cannot be taken back (print).
    AtLeastOnce,
}

/// The destination of the sink under test, and how to read it. It outlives the sinks over it.
#[async_trait]
pub trait FarSide: Send {
    fn visibility(&self) -> Visibility;

    fn guarantee(&self) -> Guarantee;

    /// A new sink over this destination, as a restarted process would make it: same job, same
    /// settings, `restore` not yet called.
    async fn open(&mut self) -> Box<dyn Sink>;

    /// The ids of all rows of `shop.items` that a reader sees now, each as often as it sees it. In
    /// the order written where rows show as they are written, else in any.
    async fn visible(&mut self) -> Vec<i64>;
}

/// Runs the whole suite, each promise on its own fresh far side.
///
/// # Panics
/// At the first promise that is not kept.
pub async fn keeps_its_promises<F: FarSide>(mut fresh: impl FnMut() -> F) {
    what_is_committed_is_visible_once(&mut fresh()).await;
    nothing_shows_before_its_commit(&mut fresh()).await;
    writes_after_a_barrier_belong_to_the_next(&mut fresh()).await;
    a_second_commit_changes_nothing(&mut fresh()).await;
    a_barrier_without_rows_can_be_restored(&mut fresh()).await;
    a_prepared_part_survives_a_crash_before_its_commit(&mut fresh()).await;
    restore_discards_what_was_only_written(&mut fresh()).await;
    restore_discards_what_was_prepared_for_a_lost_checkpoint(&mut fresh()).await;
    a_second_restore_changes_nothing(&mut fresh()).await;
    a_sink_that_rewinds_takes_back_what_was_committed_later(&mut fresh()).await;
    a_fresh_start_discards_leftovers(&mut fresh()).await;
    crash_after_crash_loses_and_doubles_nothing(&mut fresh()).await;
}

/// One sink's life, with the errors of a healthy far side turned into panics.
struct Life(Box<dyn Sink>);

impl Life {
    async fn begin(far: &mut impl FarSide, token: Option<&SinkToken>) -> Self {
        let mut sink = far.open().await;
        sink.restore(token).await.expect("restore on a healthy far side");
        sink.begin(&source(0)).await.expect("begin on a healthy far side");
        Self(sink)
    }

    async fn write(&mut self, ids: impl IntoIterator<Item = i64>) {
        self.0.write(rows(ids)).await.expect("write on a healthy far side");
    }

    async fn prepare(&mut self, id: u64) -> SinkToken {
        self.0.prepare(&barrier(id)).await.expect("prepare on a healthy far side")
    }

    async fn commit(&mut self, token: &SinkToken) {
        self.0.commit(token).await.expect("commit on a healthy far side");
    }

    /// Prepare, the checkpoint is stored, commit.
    async fn checkpoint(&mut self, id: u64) -> SinkToken {
        let token = self.prepare(id).await;
        self.commit(&token).await;
        token
    }
}

/// Compares what is seen with what is promised: exactly these ids, or for a sink that cannot take
/// back, none missing and none foreign (`may_linger` are those it has shown and cannot take back).
async fn expect(far: &mut impl FarSide, promised: &[i64], may_linger: &[i64], promise: &str) {
    let mut seen = far.visible().await;
    seen.sort_unstable();
    if far.guarantee() == Guarantee::ExactlyOnce {
        assert_eq!(seen, promised, "{promise}");
        return;
    }
    for id in promised {
        assert!(seen.contains(id), "{promise}: {id} is missing among {seen:?}");
    }
    for id in &seen {
        let known = promised.contains(id) || may_linger.contains(id);
        assert!(known, "{promise}: {id} was never written, or not yet");
    }
}

/// Every row of every batch, over several checkpoints.
pub async fn what_is_committed_is_visible_once(far: &mut impl FarSide) {
    let mut life = Life::begin(far, None).await;
    life.write([1, 2]).await;
    life.write([3]).await;
    life.checkpoint(1).await;
    life.write([4]).await;
    life.checkpoint(2).await;
    let mut seen = far.visible().await;
    if far.visibility() == Visibility::OnCommit {
        seen.sort_unstable();
    }
    assert_eq!(seen, [1, 2, 3, 4], "without a crash every sink shows each row once, in order");
}

/// A reader must not see what a crash could still take back.
pub async fn nothing_shows_before_its_commit(far: &mut impl FarSide) {
    if far.visibility() == Visibility::OnWrite {
        return;
    }
    let mut life = Life::begin(far, None).await;
    life.write([1]).await;
    expect(far, &[], &[], "a written row is not visible").await;
    let token = life.prepare(1).await;
    expect(far, &[], &[], "a prepared row is not visible").await;
    life.commit(&token).await;
    expect(far, &[1], &[], "a committed row is visible").await;
}

/// More writes come between a prepare and its commit.
pub async fn writes_after_a_barrier_belong_to_the_next(far: &mut impl FarSide) {
    let mut life = Life::begin(far, None).await;
    life.write([1]).await;
    let token = life.prepare(1).await;
    life.write([2]).await;
    life.commit(&token).await;
    if far.visibility() == Visibility::OnCommit {
        expect(far, &[1], &[], "a commit shows what lies before its barrier, no more").await;
    }
    life.checkpoint(2).await;
    expect(far, &[1, 2], &[], "the next commit shows the rest").await;
}

/// The engine commits again after a crash between a commit and its reply.
pub async fn a_second_commit_changes_nothing(far: &mut impl FarSide) {
    let mut life = Life::begin(far, None).await;
    life.write([1]).await;
    let token = life.checkpoint(1).await;
    life.commit(&token).await;
    expect(far, &[1], &[], "a second commit changes nothing").await;
}

/// An idle job takes checkpoints too, the first perhaps before any row.
pub async fn a_barrier_without_rows_can_be_restored(far: &mut impl FarSide) {
    let mut life = Life::begin(far, None).await;
    life.checkpoint(1).await;
    let token = life.checkpoint(2).await;
    drop(life);
    let mut life = Life::begin(far, Some(&token)).await;
    life.write([1]).await;
    life.checkpoint(3).await;
    let token = life.checkpoint(4).await;
    drop(life);
    Life::begin(far, Some(&token)).await;
    expect(far, &[1], &[], "barriers without rows neither lose nor double").await;
}

/// The checkpoint was stored, then the process died: its rows are never sent again.
pub async fn a_prepared_part_survives_a_crash_before_its_commit(far: &mut impl FarSide) {
    let mut life = Life::begin(far, None).await;
    life.write([1, 2]).await;
    let token = life.prepare(1).await;
    drop(life);
    let mut life = Life::begin(far, Some(&token)).await;
    expect(far, &[1, 2], &[], "restore makes the prepared part visible").await;
    life.write([3]).await;
    life.checkpoint(2).await;
    expect(far, &[1, 2, 3], &[], "and the sink goes on after it").await;
}

/// Rows after the newest checkpoint are sent again.
pub async fn restore_discards_what_was_only_written(far: &mut impl FarSide) {
    let mut life = Life::begin(far, None).await;
    life.write([1]).await;
    let token = life.checkpoint(1).await;
    life.write([2, 3]).await;
    drop(life);
    let mut life = Life::begin(far, Some(&token)).await;
    expect(far, &[1], &[2, 3], "restore discards what was only written").await;
    life.write([2, 3]).await;
    life.checkpoint(2).await;
    expect(far, &[1, 2, 3], &[], "and the rows come once").await;
}

/// Every sink prepared, but the process died before the checkpoint was stored.
pub async fn restore_discards_what_was_prepared_for_a_lost_checkpoint(far: &mut impl FarSide) {
    let mut life = Life::begin(far, None).await;
    life.write([1]).await;
    let token = life.checkpoint(1).await;
    life.write([2]).await;
    life.prepare(2).await;
    life.write([3]).await;
    drop(life);
    let mut life = Life::begin(far, Some(&token)).await;
    expect(far, &[1], &[2, 3], "restore discards what no checkpoint holds").await;
    life.write([2, 3]).await;
    life.checkpoint(2).await;
    expect(far, &[1, 2, 3], &[], "and the rows come once, under the same checkpoint id").await;
}

/// A crash in the middle of a restore is followed by another restore.
pub async fn a_second_restore_changes_nothing(far: &mut impl FarSide) {
    let mut life = Life::begin(far, None).await;
    life.write([1]).await;
    let token = life.prepare(1).await;
    life.write([2]).await;
    drop(life);
    for _ in 0..3 {
        Life::begin(far, Some(&token)).await;
        expect(far, &[1], &[2], "every restore of one token leaves the same").await;
    }
    let mut sink = far.open().await;
    for _ in 0..2 {
        sink.restore(Some(&token)).await.expect("restore twice by one sink");
    }
    expect(far, &[1], &[2], "also by the same sink").await;
}

/// What [`Sink::rewinds`] says is so, seen by restoring an older token after a newer was committed.
pub async fn a_sink_that_rewinds_takes_back_what_was_committed_later(far: &mut impl FarSide) {
    let mut life = Life::begin(far, None).await;
    life.write(1..=3).await;
    let older = life.checkpoint(1).await;
    life.write(4..=6).await;
    life.checkpoint(2).await;
    drop(life);
    let life = Life::begin(far, Some(&older)).await;
    let mut seen = far.visible().await;
    seen.sort_unstable();
    let taken_back = seen == [1, 2, 3];
    assert_eq!(taken_back, life.0.rewinds(), "rewinds to an older token: {seen:?} are visible");
}

/// The first checkpoint never came about, so the job starts over.
pub async fn a_fresh_start_discards_leftovers(far: &mut impl FarSide) {
    let mut life = Life::begin(far, None).await;
    life.write([1]).await;
    life.prepare(1).await;
    life.write([2]).await;
    drop(life);
    let mut life = Life::begin(far, None).await;
    expect(far, &[], &[1, 2], "a fresh start shows nothing of the failed one").await;
    life.write([1, 2]).await;
    life.checkpoint(1).await;
    expect(far, &[1, 2], &[], "and the rows come once").await;
}

/// A crash at every step, again and again; the ids of the checkpoints that got stored never repeat,
/// those of lost ones do.
pub async fn crash_after_crash_loses_and_doubles_nothing(far: &mut impl FarSide) {
    let mut stored: Option<SinkToken> = None;
    let mut done: Vec<i64> = Vec::new();
    for round in 1..=5_i64 {
        let id = round.unsigned_abs();
        let ids = [round * 10, round * 10 + 1];
        // Dies after a write.
        let mut life = Life::begin(far, stored.as_ref()).await;
        life.write(ids).await;
        drop(life);
        // Dies after a prepare whose checkpoint is lost.
        let mut life = Life::begin(far, stored.as_ref()).await;
        life.write(ids).await;
        life.prepare(id).await;
        drop(life);
        // Dies before the commit on odd rounds, after it on even ones.
        let mut life = Life::begin(far, stored.as_ref()).await;
        life.write(ids).await;
        let token = life.prepare(id).await;
        if round % 2 == 0 {
            life.commit(&token).await;
        }
        drop(life);
        stored = Some(token);
        done.extend(ids);
    }
    Life::begin(far, stored.as_ref()).await;
    expect(far, &done, &[], "crash after crash loses and doubles nothing").await;
}

#[cfg(test)]
mod tests;
