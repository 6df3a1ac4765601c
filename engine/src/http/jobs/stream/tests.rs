use std::sync::Mutex;

use super::*;
use crate::api::{EventKind, JobState, Sample};
use crate::serve::access::Caller;

/// Jobs that stand as they are told, and events that were.
struct Stage {
    jobs: Vec<&'static str>,
    events: Mutex<Vec<u64>>,
    ends: watch::Receiver<bool>,
}

struct Stand {
    stage: Arc<Stage>,
    news: broadcast::Sender<News>,
    end: watch::Sender<bool>,
}

const NEWS: usize = 8;

fn stand(jobs: &[&'static str], events: impl IntoIterator<Item = u64>) -> Stand {
    let (end, ends) = watch::channel(false);
    let events = Mutex::new(events.into_iter().collect());
    let stage = Arc::new(Stage { jobs: jobs.to_vec(), events, ends });
    Stand { stage, news: broadcast::Sender::new(NEWS), end }
}

impl Stand {
    fn watch(&self, job: Option<&str>, since: Option<u64>) -> Watcher<Stage> {
        let job = job.map(str::to_owned);
        Watcher::new(Arc::clone(&self.stage), self.news.subscribe(), job, since)
    }

    fn tell(&self, news: News) {
        self.news.send(news).unwrap();
    }
}

impl Told for Stage {
    fn summary(&self, job: &str) -> Option<JobSummary> {
        self.jobs.contains(&job).then(|| summary(job))
    }

    async fn after(&self, id: u64, limit: usize) -> Result<Vec<crate::api::Event>, Refused> {
        let ids = self.events.lock().unwrap().clone();
        Ok(ids.into_iter().filter(|other| *other > id).take(limit).map(event).collect())
    }

    fn ends(&self) -> watch::Receiver<bool> {
        self.ends.clone()
    }
}

fn summary(name: &str) -> JobSummary {
    JobSummary {
        name: name.to_owned(),
        state: JobState::Streaming,
        reason: String::new(),
        waits_for: None,
        since_ms: 0,
        version: 1,
        source: None,
        sinks: Vec::new(),
        tables: 0,
        tables_live: 0,
        tables_quarantined: 0,
        rows_per_second: None,
        lag_seconds: None,
        last_snapshot_ms: None,
        restarts: 0,
    }
}

fn event(id: u64) -> crate::api::Event {
    let text = format!("event {id}");
    crate::api::Event {
        id,
        at_ms: 0,
        job: None,
        kind: EventKind::Audit,
        text,
        state: None,
        by: Some(Caller { name: "ann".to_owned(), role: crate::api::Role::Viewer }.name),
    }
}

fn line(number: u64) -> Line {
    Line { number, text: format!("line {number}") }
}

/// As it goes over the wire.
async fn next(watcher: &mut Watcher<Stage>) -> Option<String> {
    use http_body_util::BodyExt;

    use axum::response::IntoResponse;
    let event = watcher.next().await?;
    let one = stream::iter([Ok::<_, Infallible>(event)]);
    let body = Sse::new(one).into_response().into_body().collect().await.unwrap();
    Some(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

async fn kinds(watcher: &mut Watcher<Stage>, count: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    for _ in 0..count {
        let text = next(watcher).await.unwrap();
        let mut fields = text.lines().filter(|line| !line.starts_with("data: "));
        kinds.push(fields.by_ref().filter(|f| !f.is_empty()).collect::<Vec<_>>().join(" "));
    }
    kinds
}

#[tokio::test]
async fn events_bear_their_ids_and_those_that_were_missed_come_first() {
    let stand = stand(&[], 1..=450);
    let mut watcher = stand.watch(None, Some(3));
    // One that is told twice: it was stored before the question, and is in the news.
    stand.tell(News::Event(event(450)));
    stand.tell(News::Event(event(451)));
    let told = kinds(&mut watcher, 448).await;
    let wanted: Vec<String> = (4..=451).map(|id| format!("event: event id: {id}")).collect();
    assert_eq!(told, wanted);
}

#[tokio::test(start_paused = true)]
async fn jobs_that_changed_are_told_together_and_at_most_once_a_second() {
    let stand = stand(&["a", "b"], []);
    let mut watcher = stand.watch(None, None);
    let begun = Instant::now();
    stand.tell(News::Job("a".to_owned()));
    let told = next(&mut watcher).await.unwrap();
    assert!(told.starts_with("event: jobs\ndata: [{\"name\":\"a\""), "{told}");
    for job in ["b", "a", "b", "gone", "a"] {
        stand.tell(News::Job(job.to_owned()));
    }
    let told = next(&mut watcher).await.unwrap();
    assert!(told.contains(r#""name":"a""#) && told.contains(r#""name":"b""#), "{told}");
    assert_eq!(told.matches("\"name\"").count(), 2, "{told}");
    assert_eq!(begun.elapsed().as_secs(), 1);
    let told = next(&mut watcher).await.unwrap();
    assert_eq!(told, "event: gone\ndata: [\"gone\"]\n\n");
}

#[tokio::test]
async fn lines_and_samples_are_of_the_job_that_is_watched() {
    let stand = stand(&["a", "b"], []);
    let mut watcher = stand.watch(Some("a"), None);
    let mut all = stand.watch(None, None);
    let sample = Sample {
        at_ms: 9,
        read_per_second: 0.0,
        streamed_per_second: 0.0,
        bytes_per_second: 0.0,
        lag_seconds: None,
        lag_bytes: None,
        snapshot_share: None,
    };
    stand.tell(News::Output("a".to_owned(), [line(1)].into()));
    stand.tell(News::Output("b".to_owned(), [line(1)].into()));
    stand.tell(News::Output("a".to_owned(), [line(2)].into()));
    stand.tell(News::Sample("b".to_owned(), sample.clone()));
    stand.tell(News::Sample("a".to_owned(), sample));
    stand.tell(News::Event(event(5)));
    assert_eq!(
        kinds(&mut watcher, 3).await,
        ["event: sample", "event: event id: 5", "event: output"]
    );
    assert_eq!(kinds(&mut all, 1).await, ["event: event id: 5"]);
    stand.tell(News::Output("a".to_owned(), [line(3)].into()));
    let told = next(&mut watcher).await.unwrap();
    assert_eq!(told, "event: output\ndata: [{\"number\":3,\"text\":\"line 3\"}]\n\n");
}

#[tokio::test]
async fn a_slow_reader_is_told_so_and_cut_off() {
    let stand = stand(&[], []);
    let mut watcher = stand.watch(None, None);
    for id in 1..=(NEWS as u64 + 3) {
        stand.tell(News::Event(event(id)));
    }
    let told = next(&mut watcher).await.unwrap();
    assert_eq!(told, "event: lagged\ndata: {\"skipped\":3}\n\n");
    assert_eq!(next(&mut watcher).await, None);
}

#[tokio::test]
async fn streams_end_with_the_daemon_even_where_nothing_happens() {
    let stand = stand(&[], 1..=5);
    let (mut idle, mut behind) = (stand.watch(None, None), stand.watch(None, Some(0)));
    let (told, _) = tokio::join!(next(&mut idle), async { stand.end.send_replace(true) });
    assert_eq!(told, None);
    assert_eq!(next(&mut behind).await, None);
}

#[test]
fn an_id_that_is_none_is_refused() {
    let mut headers = HeaderMap::new();
    assert_eq!(last_id(&headers).unwrap(), None);
    headers.insert(LAST_ID, "17".parse().unwrap());
    assert_eq!(last_id(&headers).unwrap(), Some(17));
    headers.insert(LAST_ID, "last".parse().unwrap());
    assert!(last_id(&headers).is_err());
}
