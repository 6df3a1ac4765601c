//! When a sink is asked to flush, on a paused clock.

use std::sync::Mutex;

use async_trait::async_trait;
use model::conformance::samples;
use model::{Batch, SinkError};
use state::MemoryStore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::*;
use crate::meters::Meters;
use crate::pipeline::queue;

const INTERVAL: Duration = Duration::from_secs(1);
/// How long a batch takes to write.
const WRITE: Duration = Duration::from_millis(100);

/// Holds what it is given for an interval, and writes down how long each batch waited.
struct Holding {
    since: Vec<Instant>,
    waited: Arc<Mutex<Vec<Duration>>>,
}

#[async_trait]
impl Sink for Holding {
    async fn restore(&mut self, _: Option<&SinkToken>) -> Result<(), SinkError> {
        Ok(())
    }

    async fn write(&mut self, _: Arc<Batch>) -> Result<(), SinkError> {
        self.since.push(Instant::now());
        sleep(WRITE).await;
        Ok(())
    }

    async fn prepare(&mut self, _: &Barrier) -> Result<SinkToken, SinkError> {
        Ok(Vec::new())
    }

    async fn commit(&mut self, _: &SinkToken) -> Result<(), SinkError> {
        Ok(())
    }

    fn rewinds(&self) -> bool {
        false
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        let mut waited = self.waited.lock().unwrap();
        let due = |since: &Instant| since.elapsed() >= INTERVAL;
        waited.extend(self.since.iter().filter(|since| due(since)).map(Instant::elapsed));
        self.since.retain(|since| !due(since));
        Ok(())
    }

    fn flush_due(&self) -> Option<Duration> {
        self.since.first().map(|since| INTERVAL.saturating_sub(since.elapsed()))
    }
}

/// A sink at work, and the other ends of its queues.
struct Scene {
    batches: queue::Sender,
    waited: Arc<Mutex<Vec<Duration>>>,
    meters: Arc<Meters>,
    _answers: mpsc::Receiver<Answer>,
    _commits: mpsc::Sender<SinkToken>,
    _tasks: JoinSet<()>,
}

async fn scene() -> Scene {
    let store = Arc::new(MemoryStore::new("shop"));
    let fence = store.acquire().await.unwrap();
    let waited = Arc::new(Mutex::new(Vec::new()));
    let sink = Box::new(Holding { since: Vec::new(), waited: Arc::clone(&waited) });
    let (sender, receiver) = queue::bounded();
    let meters = Arc::new(Meters::default());
    let meter = meters.sink("sink.0", "holding", sender.gauge());
    let held = Held { sink, store, fence, meter };
    let (answer, answers) = mpsc::channel(1);
    let (commit, commits) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        run("sink[0]".to_owned(), held, receiver, answer, commits).await.unwrap();
    });
    Scene { batches: sender, waited, meters, _answers: answers, _commits: commit, _tasks: tasks }
}

impl Scene {
    async fn send(&self) {
        self.batches.send(Delivery::Batch(samples::rows([1]), 1)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_just_before_a_pause_waits_no_longer_than_the_sink_says() {
    let scene = scene().await;
    scene.send().await;
    sleep(INTERVAL + WRITE).await;
    assert_eq!(*scene.waited.lock().unwrap(), [INTERVAL]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_flushed_in_time_though_the_queue_is_never_empty() {
    let scene = scene().await;
    for _ in 0..50 {
        scene.send().await;
    }
    sleep(25 * WRITE).await;
    let waited = scene.waited.lock().unwrap();
    assert!(waited.len() >= 14, "{waited:?}");
    assert!(waited.iter().all(|waited| *waited <= INTERVAL + WRITE), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_is_handed_is_counted_and_how_long_it_takes() {
    let scene = scene().await;
    scene.send().await;
    scene.send().await;
    sleep(INTERVAL).await;
    let [sink] = &scene.meters.sinks()[..] else { panic!("one sink") };
    assert_eq!((sink.rows, sink.errors, sink.queue_bytes), (2, 0, 0));
    assert_eq!((sink.write.count, sink.write.sum), (2, 2 * WRITE));
}
