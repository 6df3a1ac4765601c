//! The shell around the machine, on a paused clock.

use model::conformance::samples;
use model::{Barrier, Prepared};
use state::{MemoryStore, RocksStore};
use tokio::task::JoinSet;

use super::*;
use crate::checkpoint::machine::Policy;

const JOB: &str = "shop";
const SINK: &str = "sink.0";
const SECOND: Duration = Duration::from_secs(1);

/// A coordinator, and the other ends of its queues.
struct Scene {
    coordinator: Coordinator,
    requests: watch::Receiver<Option<BarrierRequest>>,
    answers: mpsc::Sender<Answer>,
    stop: mpsc::Sender<BarrierKind>,
    stops: mpsc::Receiver<BarrierKind>,
    store: Arc<MemoryStore>,
    _deferred: mpsc::Sender<CheckpointId>,
    _backlog: watch::Sender<bool>,
    _changes: mpsc::Sender<()>,
    _savepoints: mpsc::Sender<SavepointRequest>,
    _dir: tempfile::TempDir,
}

async fn scene() -> Scene {
    let policy = Policy {
        interval: Some(200),
        backlog_interval: Some(200),
        timeout: 600_000,
        min_pause: 0,
        tolerable_failures: 0,
    };
    let dir = tempfile::tempdir().unwrap();
    let held = RocksStore::open(dir.path(), JOB).await.unwrap().held();
    let store = Arc::new(MemoryStore::new(JOB));
    let fence = store.acquire().await.unwrap();
    let (requests, requested) = watch::channel(None);
    let (defer, deferred) = mpsc::channel(1);
    let (backlog, has_backlog) = watch::channel(false);
    let (want, wanted) = mpsc::channel(1);
    let (change, changes) = mpsc::channel(1);
    let (committed, _) = watch::channel(CheckpointId(0));
    let (answer, answers) = mpsc::channel(1);
    let (stop, stops) = mpsc::channel(1);
    let coordinator = Coordinator {
        machine: Machine::new(policy, vec![SINK.to_owned()], 1, 0),
        job: JOB.to_owned(),
        store: Arc::clone(&store) as Arc<dyn CheckpointStore>,
        held,
        fence,
        clock: Arc::new(crate::commands::run::SystemClock),
        retained: 1,
        timeout: Duration::from_secs(600),
        savepoint_dir: None,
        claimed: None,
        requests,
        deferred,
        backlog: has_backlog,
        changes,
        committed,
        savepoints: wanted,
        asker: None,
        answers,
        commits: Vec::new(),
        started: Instant::now(),
        meters: Arc::default(),
    };
    Scene {
        coordinator,
        requests: requested,
        answers: answer,
        stop,
        stops,
        store,
        _deferred: defer,
        _backlog: backlog,
        _changes: change,
        _savepoints: want,
        _dir: dir,
    }
}

/// Answers the next barrier that is asked for, as the source and its only sink would.
async fn serve(
    requests: &mut watch::Receiver<Option<BarrierRequest>>,
    answers: &mpsc::Sender<Answer>,
) -> BarrierRequest {
    let asked = tokio::time::timeout(10 * SECOND, requests.changed());
    asked.await.expect("no barrier is asked for").unwrap();
    let request = requests.borrow_and_update().unwrap();
    let barrier = Barrier { kind: request.kind, ..samples::barrier(request.id.0) };
    let prepared = Prepared { sink: SINK.to_owned(), token: Vec::new() };
    answers.send(Answer { barrier: Arc::new(barrier), prepared }).await.unwrap();
    request
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_that_is_not_stored_is_not_left_where_it_was_exported_to() {
    let mut scene = scene().await;
    let dir = tempfile::tempdir().unwrap();
    scene.coordinator.savepoint_dir = Some(dir.path().to_str().unwrap().to_owned());
    // Another has taken the job: the state refuses what the directory has taken.
    scene.store.acquire().await.unwrap();
    scene.stop.send(BarrierKind::Savepoint).await.unwrap();
    let mut running = JoinSet::from_iter([scene.coordinator.run(scene.stops)]);
    serve(&mut scene.requests, &scene.answers).await;
    let refused = running.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(matches!(refused, CheckpointError::Store(StoreError::Fenced { .. })), "{refused}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_gets_a_processor_late_asks_for_its_first_barrier_all_the_same() {
    let mut scene = scene().await;
    // More than the interval passes before its task is run for the first time.
    tokio::time::advance(SECOND).await;
    let mut running = JoinSet::from_iter([scene.coordinator.run(scene.stops)]);
    let first = serve(&mut scene.requests, &scene.answers).await;
    assert_eq!((first.id, first.kind), (CheckpointId(1), BarrierKind::Checkpoint));
    scene.stop.send(BarrierKind::Savepoint).await.unwrap();
    let mut last = first;
    while !last.last {
        last = serve(&mut scene.requests, &scene.answers).await;
    }
    assert_eq!(running.join_next().await.unwrap().unwrap().unwrap(), Some(last.id));
    assert_eq!(scene.store.get(last.id).await.unwrap().kind, BarrierKind::Savepoint);
}
