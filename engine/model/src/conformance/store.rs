//! What every [`CheckpointStore`] promises, wherever it rests.
//!
//! A store's tests describe once where it rests, as a [`Rest`], and call [`keeps_its_promises`] with
//! a function that makes a fresh, empty one.
#![expect(clippy::expect_used, reason = "a suite is a test: an error of the store must stop it")]

use std::sync::Arc;

use async_trait::async_trait;

use crate::checkpoint::{
    BarrierKind, Checkpoint, CheckpointId, CheckpointStore, Fence, Listed, StoreError,
};
use crate::conformance::samples;

/// Where the store under test rests. It outlives the stores over it.
#[async_trait]
pub trait Rest: Send {
    /// The job that [`Rest::open`] opens the checkpoints of.
    fn job(&self) -> &str;

    /// A new store over what is there, as a process that is just starting would open it. A store
    /// that can only have one process answers [`StoreError::Fenced`] while an earlier one is open.
    async fn open(&mut self) -> Result<Arc<dyn CheckpointStore>, StoreError>;

    /// Changes the stored bytes of a snapshot behind the store's back, as a failing disk would.
    /// Called while no store is open.
    async fn damage(&mut self, id: CheckpointId);

    /// Puts things of another's making where the store keeps its own. Called while no store is open.
    async fn litter(&mut self) {}
}

/// Runs the whole suite, each promise on its own fresh place.
///
/// # Panics
/// At the first promise that is not kept.
pub async fn keeps_its_promises<R: Rest>(mut fresh: impl FnMut() -> R) {
    an_empty_store_lists_nothing(&mut fresh()).await;
    what_is_put_is_what_is_read(&mut fresh()).await;
    the_list_has_the_newest_first(&mut fresh()).await;
    everything_survives_a_reopen(&mut fresh()).await;
    removing_is_idempotent_and_touches_nothing_else(&mut fresh()).await;
    an_id_is_never_overwritten(&mut fresh()).await;
    the_holder_of_an_older_fence_is_refused(&mut fresh()).await;
    a_fence_nobody_gave_is_refused(&mut fresh()).await;
    fences_grow_for_ever(&mut fresh()).await;
    two_processes_never_both_advance_a_job(&mut fresh()).await;
    a_damaged_snapshot_is_listed_as_damaged(&mut fresh()).await;
    what_is_foreign_changes_nothing(&mut fresh()).await;
    a_clock_that_is_set_back_changes_no_order(&mut fresh()).await;
    what_is_released_is_free_at_once(&mut fresh()).await;
    the_newest_may_go_and_the_job_goes_on(&mut fresh()).await;
}

async fn open(rest: &mut impl Rest) -> Arc<dyn CheckpointStore> {
    rest.open().await.expect("open a healthy store that nobody else has open")
}

async fn take(rest: &mut impl Rest) -> (Arc<dyn CheckpointStore>, Fence) {
    let store = open(rest).await;
    let fence = store.acquire().await.expect("acquire a job that nobody else runs");
    (store, fence)
}

fn sample(rest: &impl Rest, id: u64) -> Checkpoint {
    let kind = if id.is_multiple_of(2) { BarrierKind::Savepoint } else { BarrierKind::Checkpoint };
    samples::checkpoint(rest.job(), id, kind)
}

async fn put(store: &Arc<dyn CheckpointStore>, fence: Fence, checkpoint: &Checkpoint) {
    store.put(fence, checkpoint).await.expect("put by the holder of the fence");
}

async fn list(store: &Arc<dyn CheckpointStore>) -> Vec<Listed> {
    store.list().await.expect("list a healthy store")
}

async fn ids(store: &Arc<dyn CheckpointStore>) -> Vec<u64> {
    list(store).await.iter().map(|entry| entry.id.0).collect()
}

fn is_fenced<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Fenced { .. }))
}

/// A job that never ran.
pub async fn an_empty_store_lists_nothing(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    assert_eq!(ids(&store).await, [0; 0], "an empty store lists nothing");
    let got = store.get(CheckpointId(1)).await;
    assert!(matches!(got, Err(StoreError::Missing { .. })), "what was never put is missing");
    store.remove(fence, CheckpointId(1)).await.expect("removing what is not there");
}

/// Both kinds, whole, by `get` and by `list`.
pub async fn what_is_put_is_what_is_read(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    for id in [1, 2] {
        let checkpoint = sample(rest, id);
        put(&store, fence, &checkpoint).await;
        let got = store.get(CheckpointId(id)).await.expect("get what was put");
        assert_eq!(got, checkpoint, "get returns what was put");
        let bytes = store.bytes(CheckpointId(id)).await.expect("the bytes of what was put");
        let listed = list(&store).await.into_iter().find(|l| l.id.0 == id).map(|l| l.size);
        let fits = |size| !bytes.is_empty() && bytes.len() as u64 <= size;
        assert!(listed.is_some_and(fits), "bytes gives what is stored");
    }
    for entry in list(&store).await {
        let content = entry.content.expect("list reads what was put");
        assert_eq!(content, sample(rest, entry.id.0), "list returns what was put");
        assert!(entry.size > 0, "a snapshot takes room");
    }
}

/// By number: 10 comes after 9, and the highest id is an id.
pub async fn the_list_has_the_newest_first(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    for id in [9, 100, 10, 1, u64::MAX, 256] {
        put(&store, fence, &sample(rest, id)).await;
    }
    let expect = [u64::MAX, 256, 100, 10, 9, 1];
    assert_eq!(ids(&store).await, expect, "the list has the newest first, by number");
}

/// What `put` returned from is durable.
pub async fn everything_survives_a_reopen(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    put(&store, fence, &sample(rest, 1)).await;
    put(&store, fence, &sample(rest, 2)).await;
    store.remove(fence, CheckpointId(1)).await.expect("remove");
    drop(store);
    let store = open(rest).await;
    assert_eq!(ids(&store).await, [2], "puts and removals survive a reopen");
    let got = store.get(CheckpointId(2)).await.expect("get after a reopen");
    assert_eq!(got, sample(rest, 2), "a snapshot survives a reopen whole");
}

pub async fn removing_is_idempotent_and_touches_nothing_else(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    for id in 1..=3 {
        put(&store, fence, &sample(rest, id)).await;
    }
    for _ in 0..2 {
        store.remove(fence, CheckpointId(2)).await.expect("removing, once and again");
        assert_eq!(ids(&store).await, [3, 1], "only what is removed goes");
    }
    let got = store.get(CheckpointId(2)).await;
    assert!(matches!(got, Err(StoreError::Missing { .. })), "what is removed is missing");
}

/// A put whose reply was lost is repeated; another snapshot under an id in use is a bug to be told.
pub async fn an_id_is_never_overwritten(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    let first = sample(rest, 1);
    put(&store, fence, &first).await;
    put(&store, fence, &first).await;
    let mut other = first.clone();
    other.completed_at_ms += 1;
    let result = store.put(fence, &other).await;
    assert!(matches!(result, Err(StoreError::Exists { .. })), "another snapshot under a used id");
    assert_eq!(store.get(CheckpointId(1)).await.expect("get"), first, "the first one stays");
}

/// The job was taken over: the older holder changes nothing any more.
pub async fn the_holder_of_an_older_fence_is_refused(rest: &mut impl Rest) {
    let (store, older) = take(rest).await;
    put(&store, older, &sample(rest, 1)).await;
    let newer = store.acquire().await.expect("take the job over");
    assert!(newer > older, "a later fence is greater");
    assert!(is_fenced(&store.holds(older)), "an older holder knows that it is one");
    store.holds(newer).expect("the newer one holds the job");
    let result = store.put(older, &sample(rest, 2)).await;
    assert!(is_fenced(&result), "an older holder cannot put");
    let result = store.put(older, &sample(rest, 1)).await;
    assert!(is_fenced(&result), "not even what is there already");
    let result = store.remove(older, CheckpointId(1)).await;
    assert!(is_fenced(&result), "an older holder cannot remove");
    assert_eq!(ids(&store).await, [1], "and nothing has changed");
    put(&store, newer, &sample(rest, 3)).await;
    assert_eq!(ids(&store).await, [3, 1], "the newer holder goes on");
}

pub async fn a_fence_nobody_gave_is_refused(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    let result = store.put(Fence(fence.0 + 1), &sample(rest, 1)).await;
    assert!(is_fenced(&result), "a fence from the future is nobody's");
    assert_eq!(ids(&store).await, [0; 0], "and nothing has changed");
}

/// Also over a reopen: an epoch is never given twice.
pub async fn fences_grow_for_ever(rest: &mut impl Rest) {
    let mut before = Fence(0);
    for _ in 0..3 {
        let (store, fence) = take(rest).await;
        assert!(fence > before, "a fence is greater than all before it");
        before = store.acquire().await.expect("acquire again");
        assert!(before > fence, "a fence is greater than all before it");
    }
}

/// Either the second cannot start, or the first is refused from then on.
pub async fn two_processes_never_both_advance_a_job(rest: &mut impl Rest) {
    let (first, held) = take(rest).await;
    put(&first, held, &sample(rest, 1)).await;
    let second = match rest.open().await {
        Err(error) => {
            let refused = Err::<(), _>(error);
            assert!(is_fenced(&refused), "a second process is refused as such: {refused:?}");
            put(&first, held, &sample(rest, 2)).await;
            return;
        }
        Ok(second) => second,
    };
    let taken = second.acquire().await;
    if is_fenced(&taken) {
        put(&first, held, &sample(rest, 2)).await;
        return;
    }
    let taken = taken.expect("the second process takes over, or is fenced");
    let result = first.put(held, &sample(rest, 2)).await;
    assert!(is_fenced(&result), "once the second has taken over, the first is refused");
    put(&second, taken, &sample(rest, 2)).await;
    assert_eq!(ids(&first).await, [2, 1], "both see what the second has put");
}

/// Damage is told, and hides nothing else.
pub async fn a_damaged_snapshot_is_listed_as_damaged(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    for id in 1..=3 {
        put(&store, fence, &sample(rest, id)).await;
    }
    drop(store);
    rest.damage(CheckpointId(2)).await;
    let (store, fence) = take(rest).await;
    assert_eq!(ids(&store).await, [3, 2, 1], "a damaged snapshot is listed");
    for entry in list(&store).await {
        if entry.id.0 == 2 {
            let damaged = matches!(entry.content, Err(StoreError::Damaged { .. }));
            assert!(damaged, "as damaged");
        } else {
            let content = entry.content.expect("the others can be read");
            assert_eq!(content, sample(rest, entry.id.0), "and are whole");
        }
    }
    let got = store.get(CheckpointId(2)).await;
    assert!(matches!(got, Err(StoreError::Damaged { .. })), "get tells the damage");
    store.remove(fence, CheckpointId(2)).await.expect("a damaged snapshot can be removed");
    assert_eq!(ids(&store).await, [3, 1], "and is gone then");
}

/// Files that a tool or a person left there.
pub async fn what_is_foreign_changes_nothing(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    put(&store, fence, &sample(rest, 1)).await;
    store.release().await.expect("release");
    drop(store);
    rest.litter().await;
    let (store, fence) = take(rest).await;
    put(&store, fence, &sample(rest, 2)).await;
    assert_eq!(ids(&store).await, [2, 1], "what is foreign is no snapshot");
    assert!(list(&store).await.iter().all(|entry| entry.content.is_ok()), "and damages none");
}

/// A snapshot that was completed "before" an older one is still the newer.
pub async fn a_clock_that_is_set_back_changes_no_order(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    for id in 1..=3 {
        let at = 10_000 - i64::try_from(id).unwrap_or_default() * 1_000;
        put(&store, fence, &Checkpoint { completed_at_ms: at, ..sample(rest, id) }).await;
    }
    assert_eq!(ids(&store).await, [3, 2, 1], "the order is that of ids");
}

/// A good end lets another process begin, and ends the hold.
pub async fn what_is_released_is_free_at_once(rest: &mut impl Rest) {
    let (store, fence) = take(rest).await;
    put(&store, fence, &sample(rest, 1)).await;
    store.release().await.expect("release");
    drop(store);
    let (store, newer) = take(rest).await;
    assert!(newer > fence, "under a fence of its own");
    put(&store, newer, &sample(rest, 2)).await;
    assert_eq!(ids(&store).await, [2, 1], "and goes on where the other ended");
}

/// The last thing that was written is removed: what was superseded is refused all the same.
pub async fn the_newest_may_go_and_the_job_goes_on(rest: &mut impl Rest) {
    let (store, older) = take(rest).await;
    for id in 1..=2 {
        put(&store, older, &sample(rest, id)).await;
    }
    store.remove(older, CheckpointId(2)).await.expect("remove the newest");
    assert_eq!(ids(&store).await, [1], "the newest is gone");
    let newer = store.acquire().await.expect("take the job over");
    let result = store.put(older, &sample(rest, 3)).await;
    assert!(is_fenced(&result), "what was superseded is refused");
    put(&store, newer, &sample(rest, 3)).await;
    store.remove(newer, CheckpointId(1)).await.expect("remove another");
    assert_eq!(ids(&store).await, [3], "and the job goes on");
}
