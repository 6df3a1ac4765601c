use model::{CheckpointId, StoreError};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::record::{self, Kind};
use crate::conformance::{self, Objects};

#[tokio::test]
async fn a_directory_keeps_its_promises() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().to_str().unwrap();
    conformance::a_place_keeps_its_promises(|| Objects::new(path)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_of_one_directory_never_interleave() {
    let dir = tempfile::TempDir::new().unwrap();
    let objects = Objects::new(dir.path().to_str().unwrap());
    let objects = objects.with_lease(std::time::Duration::from_millis(200));
    let (taken, put) = conformance::holders_never_interleave(&objects, 8, 6).await;
    assert!(taken > 8 && put > 8, "{taken} take-overs, {put} snapshots");
}

/// Its taker had listed a record as the last that was pruned while it read the others.
#[tokio::test]
async fn a_fence_in_a_gap_of_the_log_is_seen_by_the_holder_before_it() {
    let dir = tempfile::TempDir::new().unwrap();
    let objects = Objects::new(dir.path().to_str().unwrap());
    let store = objects.open();
    let fence = store.acquire().await.unwrap();
    for id in 1..=3 {
        store.put(fence, &conformance::sample(id)).await.unwrap();
    }
    for id in 1..=2 {
        store.remove(fence, CheckpointId(id)).await.unwrap();
    }
    let (number, records) = (fence.0 + 1, objects.records());
    let gap = Path::parse(format!("{records}/{number:020}")).unwrap();
    let bytes = record::encode(Kind::Fence(number), b"{}");
    objects.raw().put(&gap, bytes.into()).await.unwrap();
    let late = store.put(fence, &conformance::sample(4)).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
    assert!(store.holds(fence).is_err());
}
