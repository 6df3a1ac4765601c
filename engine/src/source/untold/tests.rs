//! The wait before a schema change, with the coordinator and the sinks' task as they run, and a sink
//! that stages.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use model::conformance::samples;
use model::sink::SinkToken;
use model::{
    Barrier, BarrierKind, Batch, CheckpointStore, Item, Origin, Sink, SinkError, TableName,
};
use state::{MemoryStore, RocksStore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::checkpoint::coordinator::Coordinator;
use crate::checkpoint::machine::{Machine, Policy};
use crate::meters::Meters;
use crate::pipeline::batch::Batcher;
use crate::pipeline::{deliver, queue};

const SINK: &str = "sink[0]";

fn change(table: &str) -> SchemaChange {
    SchemaChange {
        table: TableName::new("shop", table),
        sql: "TRUNCATE TABLE t".into(),
        after: Some(samples::schema("shop", table)),
        starts_over: false,
        truncated: true,
        renamed: vec![],
        filled: vec![],
        renamed_from: None,
        origin: Origin {
            ts_ms: 0,
            server_id: 1,
            gtid: None,
            file: "binlog.000001".into(),
            pos: 4,
            first_row: 0,
        },
    }
}

type Seen = Arc<Mutex<Vec<String>>>;

/// Stages rows, and writes down what is asked of it.
struct Staging(Seen);

impl Staging {
    fn saw(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

#[async_trait]
impl Sink for Staging {
    async fn restore(&mut self, _: Option<&SinkToken>) -> Result<(), SinkError> {
        Ok(())
    }

    async fn write(&mut self, batch: Arc<Batch>) -> Result<(), SinkError> {
        for item in &batch.items {
            self.saw(match item {
                Item::Rows(_) => "rows".to_owned(),
                Item::Schema(change) => format!("change of {}", change.table.table),
            });
        }
        Ok(())
    }

    async fn prepare(&mut self, barrier: &Barrier) -> Result<SinkToken, SinkError> {
        self.saw(format!("prepare {}", barrier.id));
        Ok(barrier.id.to_string().into_bytes())
    }

    async fn commit(&mut self, token: &SinkToken) -> Result<(), SinkError> {
        self.saw(format!("commit {}", String::from_utf8_lossy(token)));
        Ok(())
    }

    fn rewinds(&self) -> bool {
        false
    }

    fn stages(&self) -> bool {
        true
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A source's end of everything: what [`MySqlSource`] does with it, without a server.
struct Scene {
    untold: Untold,
    batcher: Batcher,
    changes: mpsc::Sender<()>,
    committed: watch::Receiver<CheckpointId>,
    requests: watch::Receiver<Option<BarrierRequest>>,
    stop: mpsc::Sender<BarrierKind>,
    store: Arc<MemoryStore>,
    seen: Seen,
    tasks: JoinSet<()>,
    _deferred: mpsc::Sender<CheckpointId>,
    _backlog: watch::Sender<bool>,
    _dir: tempfile::TempDir,
}

fn policy() -> Policy {
    Policy {
        interval: None,
        backlog_interval: None,
        timeout: 1000,
        min_pause: 0,
        tolerable_failures: 1,
    }
}

async fn scene() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let held = RocksStore::open(dir.path(), "shop").await.unwrap().held();
    let store = Arc::new(MemoryStore::new("shop"));
    let fence = store.acquire().await.unwrap();
    let (request, requests) = watch::channel(None);
    let (defer, deferred) = mpsc::channel(1);
    let (backlog, has_backlog) = watch::channel(false);
    let (_, wanted) = mpsc::channel(1);
    let (change, changes) = mpsc::channel(1);
    let (commit, committed) = watch::channel(CheckpointId(0));
    let (answer, answers) = mpsc::channel(4);
    let (to_commit, commits) = mpsc::channel(4);
    let (stop, stops) = mpsc::channel(1);
    let coordinator = Coordinator {
        machine: Machine::new(policy(), vec![SINK.to_owned()], 1, 0),
        job: "shop".to_owned(),
        store: Arc::clone(&store) as Arc<dyn CheckpointStore>,
        held,
        fence,
        clock: Arc::new(crate::commands::run::SystemClock),
        retained: 9,
        timeout: Duration::from_secs(1),
        savepoint_dir: None,
        claimed: None,
        requests: request,
        deferred,
        backlog: has_backlog,
        changes,
        committed: commit,
        savepoints: wanted,
        asker: None,
        answers,
        commits: vec![(SINK.to_owned(), to_commit)],
        started: Instant::now(),
        meters: Arc::default(),
    };
    let seen = Seen::default();
    let sink = Box::new(Staging(Arc::clone(&seen)));
    let (sender, receiver) = queue::bounded();
    let meter = Meters::default().sink(SINK, "staging", sender.gauge());
    let held = deliver::Held { sink, store: Arc::clone(&store) as _, fence, meter };
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _ = coordinator.run(stops).await.unwrap();
    });
    tasks.spawn(async move {
        deliver::run(SINK.to_owned(), held, receiver, answer, commits).await.unwrap();
    });
    Scene {
        untold: Untold::new(true, vec![]),
        batcher: Batcher::new(vec![sender]),
        changes: change,
        committed,
        requests,
        stop,
        store,
        seen,
        tasks,
        _deferred: defer,
        _backlog: backlog,
        _dir: dir,
    }
}

impl Scene {
    fn rows(&mut self) {
        let batch = Arc::into_inner(samples::rows([1])).unwrap();
        batch.items.into_iter().for_each(|item| self.batcher.push(item));
    }

    async fn next(&mut self) -> Step {
        let Self { untold, changes, committed, requests, .. } = self;
        let next = untold.next(changes, committed, requests);
        tokio::time::timeout(Duration::from_secs(60), next)
            .await
            .expect("it waits for ever")
            .unwrap()
    }

    /// The barrier that is asked for, unless it is not wanted any more.
    async fn place(&mut self) -> Option<BarrierRequest> {
        let request = (*self.requests.borrow_and_update())?;
        let mut source = samples::source(4);
        source.untold = self.untold.state();
        let barrier = Barrier { id: request.id, kind: request.kind, source: Arc::new(source) };
        self.batcher.barrier(barrier).await.unwrap();
        self.untold.placed(request.id);
        Some(request)
    }

    /// Waits as the source does, until the changes are told.
    async fn wait(&mut self) {
        loop {
            match self.next().await {
                Step::Requested => drop(self.place().await),
                Step::Tell(changes) => {
                    changes.into_iter().for_each(|change| self.batcher.push_change(change));
                    return;
                }
            }
        }
    }

    /// Ends the stream: what the sink saw of it.
    async fn end(mut self) -> Vec<String> {
        self.batcher.flush().await.unwrap();
        drop((self.batcher, self.changes, self.stop));
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stages_has_committed_everything_when_it_hears_of_a_change() {
    let mut scene = scene().await;
    scene.rows();
    // Two tables in one statement.
    scene.untold.keep(change("a"));
    scene.untold.keep(change("b"));
    scene.wait().await;
    assert!(!scene.untold.waits());
    scene.rows();
    scene.untold.keep(change("a"));
    scene.wait().await;
    let stored = scene.store.get(CheckpointId(1)).await.unwrap();
    assert_eq!(stored.trigger, "schema-change");
    assert_eq!(stored.source.untold, [change("a"), change("b")], "a resume tells them first");
    let expected = [
        "rows",
        "prepare 1",
        "commit 1",
        "change of a",
        "change of b",
        "rows",
        "prepare 2",
        "commit 2",
        "change of a",
    ];
    assert_eq!(scene.end().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_barrier_before_the_change_does_not_count_as_one_behind_it() {
    let mut scene = scene().await;
    scene.changes.try_send(()).unwrap();
    scene.requests.changed().await.unwrap();
    scene.rows();
    // Placed before the statement is taken.
    scene.place().await.unwrap();
    scene.untold.keep(change("a"));
    scene.wait().await;
    let expected = ["rows", "prepare 1", "commit 1", "prepare 2", "commit 2", "change of a"];
    assert_eq!(scene.end().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_is_not_stored_is_asked_for_again_and_the_change_waits() {
    let mut scene = scene().await;
    scene.rows();
    scene.untold.keep(change("a"));
    // The first one is never placed, and runs into its timeout.
    assert!(matches!(scene.next().await, Step::Requested));
    scene.requests.borrow_and_update();
    scene.wait().await;
    assert_eq!(scene.end().await, ["rows", "prepare 2", "commit 2", "change of a"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_behind_the_change_leaves_it_to_the_next_run() {
    let mut scene = scene().await;
    scene.stop.send(BarrierKind::Savepoint).await.unwrap();
    scene.requests.changed().await.unwrap();
    scene.untold.keep(change("a"));
    let last = scene.place().await.unwrap();
    assert!(last.last);
    // The coordinator has ended, and says so by closing its channels.
    while scene.requests.changed().await.is_ok() {}
    assert!(scene.untold.waits());
    let savepoint = scene.store.get(last.id).await.unwrap();
    assert_eq!(savepoint.kind, BarrierKind::Savepoint);
    let left = savepoint.source.untold.clone();
    assert_eq!(Untold::new(true, left).take(), [change("a")], "which tells it first");
    assert_eq!(scene.end().await, ["prepare 1", "commit 1"]);
}

#[tokio::test]
async fn a_coordinator_that_is_gone_ends_the_wait() {
    let mut untold = Untold::new(true, vec![]);
    untold.keep(change("a"));
    let (changes, _) = mpsc::channel(1);
    let (_, mut committed) = watch::channel(CheckpointId(0));
    let (_, mut requests) = watch::channel(None);
    let ended = untold.next(&changes, &mut committed, &mut requests).await;
    assert!(matches!(ended, Err(SourceError::Stopped)), "{ended:?}");
}
