//! What every store of objects is tested by: the port's own suite, the same under [`faults`], and what
//! only a log of objects promises.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a suite is a test: an error of the store must stop it"
)]

pub mod faults;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::checkpoint::Fence;
use model::conformance::samples;
use model::conformance::store::{Rest, keeps_its_promises};
use model::{BarrierKind, Checkpoint, CheckpointId, CheckpointStore, StoreError};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::object::{Log, ObjectLog, ObjectUrl, Terms};

pub use faults::{Fault, Faulty};

const JOB: &str = "retail/orders/emp sync";
/// Of the suite: what waits for it is not to wait long.
const LEASE: Duration = Duration::from_millis(600);

/// A place for a job's log, empty at first.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    url: ObjectUrl,
    lease: Duration,
}

impl Objects {
    /// A place of its own under `url`, whatever else is there.
    ///
    /// # Panics
    /// Where the URL names no place.
    pub fn new(url: &str) -> Self {
        let url: ObjectUrl = url.parse().expect("a URL of a place for objects");
        let url = url.join(&format!("suite-{:08x}", rand::random::<u32>()));
        let (store, prefix) = crate::object::open(&url).expect("open the place");
        Self { store, prefix, url, lease: LEASE }
    }

    /// The same on S3, by an access key of its own and not the environment's.
    ///
    /// # Panics
    /// Where the URL names no place.
    pub fn on_s3(url: &str, key: &str, secret: &str) -> Self {
        let place = Self::new(url);
        let builder = crate::object::s3_builder(&place.url);
        let builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        Self { store: Arc::new(builder.build().expect("open the place")), ..place }
    }

    /// The same place, reached through something that fails at will.
    #[must_use]
    pub fn through(&self, faulty: &Faulty) -> Self {
        Self { store: Arc::new(faulty.clone()), ..self.clone() }
    }

    #[must_use]
    pub fn with_lease(&self, lease: Duration) -> Self {
        Self { lease, ..self.clone() }
    }

    pub fn raw(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Where the job's records are.
    pub fn records(&self) -> Path {
        let job = crate::job_dir::directory(JOB).expect("a job's name");
        let text = format!("{}/{}/log", self.prefix, job.display());
        Path::parse(text).expect("a path")
    }

    /// A store over the place, as a process that is just starting would open it.
    pub fn open(&self) -> Arc<dyn CheckpointStore> {
        self.open_with(false)
    }

    /// The same for one that takes the job from whoever has it.
    pub fn open_with(&self, take_over: bool) -> Arc<dyn CheckpointStore> {
        let opened = (Arc::clone(&self.store), self.prefix.clone());
        let log = Log::new(opened, &self.url, JOB).expect("a log");
        Arc::new(ObjectLog::new(log, Terms { lease: self.lease, take_over }))
    }
}

#[async_trait]
impl Rest for Objects {
    fn job(&self) -> &str {
        JOB
    }

    async fn open(&mut self) -> Result<Arc<dyn CheckpointStore>, StoreError> {
        Ok(Objects::open(self))
    }

    async fn damage(&mut self, id: CheckpointId) {
        let (path, mut bytes) = record_of(self, id).await;
        let middle = bytes.len() / 2;
        *bytes.get_mut(middle).expect("a record has a middle") ^= 1;
        self.store.put(&path, bytes.into()).await.expect("write the damaged record");
    }

    async fn litter(&mut self) {
        let records = self.records();
        for name in
            ["notes.txt", ".00000000000000000009.tmp.1", "123", "a/b", "99999999999999999999x"]
        {
            let path = Path::parse(format!("{records}/{name}")).expect("a path");
            self.store.put(&path, "of another".into()).await.expect("litter");
        }
    }
}

/// The record of a snapshot.
///
/// # Panics
/// Where there is none.
pub async fn record_of(objects: &Objects, id: CheckpointId) -> (Path, Vec<u8>) {
    use futures_util::TryStreamExt as _;
    let needle = format!("SEALOG1 S {:020} ", id.0);
    let listed = objects.store.list(Some(&objects.records()));
    let all: Vec<_> = listed.try_collect().await.expect("list the records");
    for meta in all {
        let got = objects.store.get(&meta.location).await.expect("get a record");
        let bytes = got.bytes().await.expect("read a record");
        if bytes.starts_with(needle.as_bytes()) {
            return (meta.location, bytes.to_vec());
        }
    }
    unreachable!("snapshot {id} has no record");
}

pub fn sample(id: u64) -> Checkpoint {
    samples::checkpoint(JOB, id, BarrierKind::Checkpoint)
}

async fn take(objects: &Objects) -> (Arc<dyn CheckpointStore>, Fence) {
    let store = objects.open();
    let fence = store.acquire().await.expect("acquire a job that nobody else runs");
    (store, fence)
}

async fn ids(store: &Arc<dyn CheckpointStore>) -> Vec<u64> {
    store.list().await.expect("list").iter().map(|entry| entry.id.0).collect()
}

fn is_fenced<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Fenced { .. }))
}

/// Runs everything, each promise on a fresh place.
///
/// # Panics
/// At the first promise that is not kept.
pub async fn a_place_keeps_its_promises(fresh: impl Fn() -> Objects) {
    keeps_its_promises(&fresh).await;
    a_holder_that_lives_keeps_its_job(&fresh()).await;
    a_holder_that_is_silent_loses_its_job(&fresh()).await;
    who_takes_over_waits_until_the_other_knows(&fresh()).await;
    a_fence_that_comes_right_after_ours_is_seen(&fresh()).await;
    a_stale_holder_is_refused_after_its_fence_is_gone(&fresh()).await;
    what_was_put_by_a_lost_request_is_taken_in(&fresh()).await;
    every_flipped_byte_is_seen(&fresh()).await;
    faults::everything_acknowledged_survives(&fresh()).await;
    faults::a_job_that_was_half_taken_anew_is_taken(&fresh()).await;
}

/// As long as it renews its lease, and no longer than it is asked for.
pub async fn a_holder_that_lives_keeps_its_job(objects: &Objects) {
    let (first, held) = take(objects).await;
    for id in 1..=3 {
        let refused = objects.open().acquire().await;
        assert!(is_fenced(&refused), "a second process is refused: {refused:?}");
        let text = refused.map(drop).expect_err("refused").to_string();
        assert!(text.contains("--take-over") && text.contains("process "), "with advice: {text}");
        first.holds(held).expect("the first holds it, renewal after renewal");
        first.put(held, &sample(id)).await.expect("and goes on");
    }
}

/// It could not renew its lease: it knows so before anybody may take the job, and finds it taken.
pub async fn a_holder_that_is_silent_loses_its_job(objects: &Objects) {
    let faulty = Faulty::new(objects.raw());
    let (first, held) = take(&objects.through(&faulty)).await;
    first.put(held, &sample(1)).await.expect("put");
    faulty.set(Fault::Unreachable);
    let second = objects.open();
    let taken = second.acquire().await.expect("take the job from one that is silent");
    let lapsed = first.holds(held);
    assert!(matches!(lapsed, Err(StoreError::Io { .. })), "the first knows: {lapsed:?}");
    second.put(taken, &sample(2)).await.expect("put by the second");
    faulty.set(Fault::None);
    let lapsed = first.holds(held);
    assert!(lapsed.is_err(), "and does not begin to hold it again by itself");
    let late = first.put(held, &sample(3)).await;
    assert!(is_fenced(&late), "what it still puts is refused: {late:?}");
    let again = first.acquire().await;
    assert!(is_fenced(&again), "and it does not take the job back: {again:?}");
    assert_eq!(ids(&second).await, [2, 1]);
}

/// `--take-over`: the other holds the job no more by the time that it is ours.
pub async fn who_takes_over_waits_until_the_other_knows(objects: &Objects) {
    let (first, held) = take(objects).await;
    let second = objects.open_with(true);
    let taken = second.acquire().await.expect("take the job from one that lives");
    assert!(first.holds(held).is_err(), "the first knows");
    second.holds(taken).expect("the second holds it");
    assert!(is_fenced(&first.put(held, &sample(1)).await), "and the first is refused");
}

/// Between our fence and our first look at the log.
pub async fn a_fence_that_comes_right_after_ours_is_seen(objects: &Objects) {
    let faulty = Faulty::new(objects.raw());
    let (first, held) = take(objects).await;
    first.put(held, &sample(1)).await.expect("put");
    first.release().await.expect("release");
    let second = objects.through(&faulty).open();
    faulty.set(Fault::Slow);
    let (taken, third) = tokio::join!(second.acquire(), async {
        // Once the second has written its lease and looked for a newer fence, and before it lists.
        let lease = format!("\"epoch\":{},", held.0 + 2);
        let log = Log::new((objects.raw(), objects.prefix.clone()), &objects.url, JOB);
        let log = log.expect("a log");
        loop {
            let found = objects.store.get(&log.path.clone().join("lease")).await;
            let bytes = found.expect("the first's lease").bytes().await.expect("read it");
            if String::from_utf8_lossy(&bytes).contains(&lease) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(faults::SLOW + faults::SLOW / 10).await;
        let third = objects.open_with(true);
        let taken = third.acquire().await.expect("take it over");
        (third, taken)
    });
    faulty.set(Fault::None);
    if let Ok(taken) = taken {
        let late = second.put(taken, &sample(2)).await;
        assert!(is_fenced(&late), "the second is refused: {late:?}");
    }
    let (third, taken) = third;
    third.put(taken, &sample(2)).await.expect("the third goes on");
}

/// Asleep for longer than fences are kept.
pub async fn a_stale_holder_is_refused_after_its_fence_is_gone(objects: &Objects) {
    let faulty = Faulty::new(objects.raw());
    let (first, held) = take(&objects.through(&faulty)).await;
    first.put(held, &sample(1)).await.expect("put");
    faulty.set(Fault::Unreachable);
    let second = objects.open();
    let taken = second.acquire().await.expect("take the job");
    second.put(taken, &sample(2)).await.expect("put by the second");
    faulty.set(Fault::None);
    let gone = Path::parse(format!("{}/{:020}", objects.records(), taken.0)).expect("a path");
    objects.store.delete(&gone).await.expect("prune the second's fence");
    let (_, fence) = (drop(second), objects.open_with(true));
    let third = fence.acquire().await.expect("a third takes it");
    let late = first.put(held, &sample(3)).await;
    assert!(is_fenced(&late), "the number is free, and yet it is refused: {late:?}");
    fence.put(third, &sample(3)).await.expect("the third goes on");
    assert_eq!(ids(&fence).await, [3, 2, 1]);
}

/// The reply of an earlier put was lost, and its caller went on without it.
pub async fn what_was_put_by_a_lost_request_is_taken_in(objects: &Objects) {
    let faulty = Faulty::new(objects.raw());
    let (store, fence) = take(&objects.through(&faulty)).await;
    faulty.set(Fault::LostReply);
    store.put(fence, &sample(1)).await.expect_err("nothing is known of it");
    faulty.set(Fault::None);
    store.put(fence, &sample(2)).await.expect("the next goes on");
    store.put(fence, &sample(1)).await.expect("it is there, and the same");
    let other = Checkpoint { completed_at_ms: 1, ..sample(1) };
    let refused = store.put(fence, &other).await;
    assert!(matches!(refused, Err(StoreError::Exists { .. })), "{refused:?}");
    assert_eq!(ids(&store).await, [2, 1]);
}

/// None panics, none restores.
pub async fn every_flipped_byte_is_seen(objects: &Objects) {
    let (store, fence) = take(objects).await;
    store.put(fence, &sample(1)).await.expect("put");
    store.put(fence, &sample(2)).await.expect("put");
    let (path, bytes) = record_of(objects, CheckpointId(1)).await;
    let reader = objects.open();
    // Through the store itself now and then; every bit in the unit tests of format and record.
    let step = bytes.len() / 24 + 1;
    for at in (0..bytes.len()).step_by(step) {
        let mut flipped = bytes.clone();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= 1 << (at % 8);
        }
        objects.store.put(&path, flipped.into()).await.expect("write the flipped record");
        let got = reader.get(CheckpointId(1)).await;
        assert!(matches!(got, Err(StoreError::Damaged { .. })), "byte {at}: {got:?}");
        let listed = reader.list().await.expect("list");
        let whole: Vec<_> =
            listed.iter().map(|entry| (entry.id.0, entry.content.is_ok())).collect();
        assert_eq!(whole, [(2, true), (1, false)], "byte {at}");
    }
}

/// Many processes take and use one job, over and over: after a take-over, nothing of who had it
/// before is added. Returns how many take-overs and puts there were.
///
/// # Panics
/// Where two holders' snapshots interleave.
pub async fn holders_never_interleave(
    objects: &Objects,
    tasks: u32,
    rounds: u32,
) -> (usize, usize) {
    let mut running = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let objects = objects.clone();
        running.spawn(async move {
            let mut put = 0_usize;
            for round in 0..rounds {
                // Or nobody would get to write anything before the next one comes.
                let pause = objects.lease.mul_f64(rand::random::<f64>() * f64::from(tasks));
                tokio::time::sleep(pause).await;
                let store = objects.open_with(true);
                let Ok(fence) = store.acquire().await else { continue };
                for n in 0..4 {
                    let id = u64::from((task * rounds + round) * 4 + n + 1);
                    // The epoch that wrote it, for the verdict.
                    let mut checkpoint = sample(id);
                    checkpoint.trigger = fence.0.to_string();
                    match store.put(fence, &checkpoint).await {
                        Ok(()) => put += 1,
                        Err(StoreError::Fenced { .. }) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            put
        });
    }
    let acknowledged: usize = running.join_all().await.into_iter().sum();
    let log = Log::new((objects.raw(), objects.prefix.clone()), &objects.url, JOB).expect("a log");
    let reader = crate::object::Reader::new(Arc::new(log));
    let (mut epoch, mut takeovers, mut found) = (0, 0, 0);
    for (fence, checkpoint) in reader.story().await.expect("read the log") {
        if let Some(fence) = fence {
            assert!(fence > epoch, "epochs grow");
            (epoch, takeovers) = (fence, takeovers + 1);
        }
        if let Some(checkpoint) = checkpoint {
            assert_eq!(checkpoint.trigger, epoch.to_string(), "written by its own epoch's holder");
            found += 1;
        }
    }
    assert!(found >= acknowledged, "{acknowledged} were acknowledged, {found} are there");
    (takeovers, found)
}
