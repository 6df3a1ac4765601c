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
