use binlog::reader::{BinlogError, Down, LinkState};
use model::checkpoint::BarrierKind;
use model::conformance::samples::checkpoint;
use model::{BinlogPosition, Gtids, Position};

use super::*;
use crate::api::{Begin, Version, Wanted};
use crate::commands::run::SystemClock;
use crate::jobs::{EventsQuery, Jobs, Settings};
use crate::serve::seal::{KeySource, Sealer};

const JOB: &str = "shop";

/// Jobs of a daemon, whose one job stands at snapshot 5 and has a source that does not answer.
struct Held {
    jobs: Arc<Jobs>,
    dir: tempfile::TempDir,
}

impl Held {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = state::Registry::open(&dir.path().join("registry")).await.unwrap();
        let sealer = Sealer::open(&KeySource::Own(dir.path().join("key"))).unwrap();
        let settings = Settings {
            state: dir.path().join("state").to_str().unwrap().parse().unwrap(),
            work_dir: dir.path().join("work"),
            threads: 1,
            starts_at_once: 4,
            output_lines: 100,
            lenient: false,
        };
        let (jobs, _) =
            Jobs::open(registry, sealer, settings, Arc::new(SystemClock)).await.unwrap();
        let held = Self { jobs, dir };
        for id in [3, 5] {
            held.store(id).await;
        }
        held
    }

    async fn state(&self) -> state::JobState {
        let work_dir = self.dir.path().join("work");
        let options = state::JobOptions { work_dir, ..state::JobOptions::default() };
        let url = &self.jobs.shared.settings.state;
        state::open_job(url, JOB, &options).await.unwrap()
    }

    async fn store(&self, id: u64) {
        let job = self.state().await;
        let fence = job.checkpoints.acquire().await.unwrap();
        let stored = checkpoint(JOB, id, BarrierKind::Checkpoint);
        job.checkpoints.put(fence, &stored).await.unwrap();
        job.checkpoints.release().await.unwrap();
    }

    /// By the retention of a run.
    async fn prune(&self, id: u64) {
        let job = self.state().await;
        let fence = job.checkpoints.acquire().await.unwrap();
        job.checkpoints.remove(fence, model::CheckpointId(id)).await.unwrap();
        job.checkpoints.release().await.unwrap();
    }

    /// As the daemon finds it when it starts, with this promised.
    fn actor(&self, beginning: Option<Beginning>) -> (Actor, Handle) {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let script = format!(
            "EXECUTE CDCSOURCE shop WITH ('connector' = 'mysql-cdc', 'hostname' = '127.0.0.1', \
             'port' = '{}', 'username' = 'u', 'password' = 'p', 'table-name' = 'shop\\..*', \
             'sink.connector' = 'blackhole');",
            closed.local_addr().unwrap().port()
        );
        let version = Version { number: 1, at_ms: 0, by: None, note: String::new() };
        let text = Text { version, script, file: None, lenient: false };
        let standing = Standing { state: JobState::Streaming, reason: String::new(), since_ms: 0 };
        let record = Record {
            name: JOB.to_owned(),
            wanted: Wanted::Running,
            strategy: Strategy::default(),
            created_at_ms: 0,
            updated_at_ms: 0,
            version: 1,
            beginning,
            standing,
            started_at_ms: None,
        };
        Actor::new(Arc::clone(&self.jobs.shared), record, text)
    }

    /// Events of this kind, the oldest first.
    async fn told(&self, kind: EventKind) -> Vec<String> {
        let query = EventsQuery {
            kinds: vec![kind],
            limit: 1000,
            after: Some(0),
            ..EventsQuery::default()
        };
        let events = self.jobs.shared.log.list(&query).await.unwrap().events;
        events.into_iter().map(|event| event.text).collect()
    }

    async fn kept(&self) -> Option<Beginning> {
        let kept = self.jobs.shared.store.jobs().await.unwrap();
        kept.into_iter().find(|record| record.name == JOB).unwrap().beginning
    }
}

fn custom(id: u64) -> Beginning {
    Beginning::from(Begin::Custom(id.to_string()))
}

#[tokio::test]
async fn a_promise_remembers_which_snapshots_there_were_through_every_start_that_keeps_it() {
    let held = Held::new().await;
    let (mut actor, _handle) = held.actor(None);
    actor.begin(custom(3), "restored").await.unwrap();
    let promised = Beginning { after: Some(5), ..custom(3) };
    assert_eq!(held.kept().await, Some(promised.clone()));
    actor.stop_run().await;
    // The run has stored something, and the daemon died before that was kept.
    held.store(6).await;
    let (mut brought, _handle) = held.actor(held.kept().await);
    brought.bring_back().await;
    assert_eq!(held.kept().await, Some(promised), "what is after 5 is the run's own");
    brought.stop_run().await;
    // Going on takes the promise over as it is; to read a table besides is another wish.
    assert_eq!(brought.after_promised(Beginning::resumed()).after, Some(5));
    let table = Beginning { resnapshot: vec!["shop.items".to_owned()], ..Beginning::resumed() };
    assert_eq!(brought.after_promised(table).after, None);
}

#[tokio::test]
async fn a_start_that_was_begun_needs_no_more_what_it_began_with() {
    let held = Held::new().await;
    held.store(6).await;
    held.prune(3).await;
    let (mut actor, _handle) = held.actor(Some(Beginning { after: Some(5), ..custom(3) }));
    actor.bring_back().await;
    assert_eq!(actor.record.standing.state, JobState::Starting, "{:?}", actor.error);
    actor.stop_run().await;
}

#[tokio::test]
async fn a_start_that_only_goes_on_asks_no_store_what_is_there() {
    let held = Held::new().await;
    let (mut actor, _handle) = held.actor(None);
    actor.begin(Beginning::resumed(), "started").await.unwrap();
    assert_eq!(held.kept().await, Some(Beginning::resumed()));
    actor.stop_run().await;
}

#[tokio::test]
async fn a_restart_that_cannot_be_leaves_what_was_promised_before_it() {
    let held = Held::new().await;
    let (mut actor, _handle) = held.actor(Some(custom(3)));
    let anew = Anew { beginning: custom(99), edit: None, what: "it is restored".to_owned() };
    let (reply, refused) = oneshot::channel();
    actor.halt(After::Again(Box::new(anew)), "u", None, String::new()).await.starts.push(reply);
    actor.ended(Outcome::Never).await;
    let refused = refused.await.unwrap().unwrap_err();
    assert!(matches!(refused, Refused::Snapshot(_)), "{refused}");
    assert_eq!(held.kept().await.map(|kept| kept.from), Some(custom(3).from));
    assert!(actor.record.standing.reason.contains("it goes on where it was"));
    actor.stop_run().await;
}

/// A run that does as it is told.
struct Led {
    controlled: crate::control::Controlled,
    status: watch::Sender<crate::source::status::Status>,
    _behind: watch::Sender<Option<crate::lag::Behind>>,
    _end: oneshot::Sender<Outcome>,
}

impl Led {
    fn new(actor: &mut Actor) -> Self {
        let (control, controlled) = crate::control::channel();
        let (told, status) = watch::channel(Default::default());
        let (_behind, behind) = watch::channel(None);
        let (_end, ended) = oneshot::channel();
        actor.run = Some(Running::new(Run { control, status, behind, ended }, 1, 0));
        Self { controlled, status: told, _behind, _end }
    }
}

#[tokio::test]
async fn a_change_that_a_sink_has_not_followed_is_an_event_once() {
    let held = Held::new().await;
    let (mut actor, _handle) = held.actor(None);
    let run = Led::new(&mut actor);
    let watcher = run.controlled.meters.watcher(Arc::new(SystemClock));
    let change = |number: u64| sinks::Unapplied {
        sink: "sink[0]".to_owned(),
        table: TableName::new("shop", "items"),
        statement: format!("ALTER TABLE items DROP c{number}").into(),
        why: "columns stay".to_owned(),
    };
    watcher.tell(change(1));
    actor.tick().await;
    actor.tick().await;
    let told = "sink[0] has not followed a change of shop.items: columns stay. Statement: ALTER TABLE \
                items DROP c1";
    assert_eq!(held.told(EventKind::Table).await, [told]);
    // More at once than are kept, right before its end.
    (2..=103).for_each(|number| watcher.tell(change(number)));
    actor.ended(Outcome::Never).await;
    let all = held.told(EventKind::Table).await;
    assert_eq!(all.len(), 102);
    assert_eq!(all[1], "changes besides that sinks have not followed: 2");
    assert!(all[101].ends_with("DROP c103"), "{}", all[101]);
}

#[tokio::test]
async fn a_change_that_a_sink_has_followed_is_an_event_once() {
    let held = Held::new().await;
    let (mut actor, _handle) = held.actor(None);
    let run = Led::new(&mut actor);
    let watcher = run.controlled.meters.watcher(Arc::new(SystemClock));
    watcher.tell_applied(sinks::Applied {
        sink: "sink[0]".to_owned(),
        table: TableName::new("shop", "items"),
        target: TableName::new("far", "items"),
        statement: "ALTER TABLE items ADD n INT".into(),
        place: "b.000001:4711".to_owned(),
        applied: "ALTER TABLE `far`.`items` ADD COLUMN `n` INT".to_owned(),
    });
    actor.tick().await;
    actor.tick().await;
    let told = "sink[0] has followed a change of shop.items at b.000001:4711 (ALTER TABLE items ADD n \
                INT), in far.items: ALTER TABLE `far`.`items` ADD COLUMN `n` INT";
    assert_eq!(held.told(EventKind::Table).await, [told]);
}

#[tokio::test]
async fn what_a_sink_waits_for_is_the_reason_until_it_waits_no_more() {
    let held = Held::new().await;
    let (mut actor, _handle) = held.actor(None);
    let run = Led::new(&mut actor);
    actor.stand(JobState::Starting, "started").await;
    actor.tick().await;
    assert_eq!(actor.record.standing.reason, "started", "its turn has not come");
    let mut wait = run.controlled.meters.watcher(Arc::new(SystemClock)).waits.call();
    wait.tell("sink[0] waits".to_owned());
    actor.tick().await;
    assert_eq!(actor.record.standing.reason, "sink[0] waits");
    assert_eq!(actor.record.standing.state, JobState::Starting);
    let (want, _wanted) = mpsc::channel(1);
    run.controlled.phase.send_replace(Phase::Running(want));
    actor.tick().await;
    assert_eq!(actor.record.standing.reason, "its tables are being looked at; sink[0] waits");
    drop(wait);
    actor.tick().await;
    assert_eq!(actor.record.standing.reason, "its tables are being looked at");
}

#[tokio::test]
async fn a_job_that_no_table_matches_says_so() {
    let held = Held::new().await;
    let (mut actor, _handle) = held.actor(None);
    let run = Led::new(&mut actor);
    let (want, _wanted) = mpsc::channel(1);
    run.controlled.phase.send_replace(Phase::Running(want));
    let host = Some(job::Host { name: "db".to_owned(), port: 3306 });
    run.status.send_modify(|status| status.host = host);
    actor.tick().await;
    let reason = &actor.record.standing.reason;
    assert!(reason.starts_with("no table matches the job's patterns yet: "), "{reason}");
    run.status.send_modify(|status| (status.tables, status.tables_live) = (1, 1));
    actor.tick().await;
    assert_eq!(actor.record.standing.reason, "tables that follow the binlog: 1");
}

#[tokio::test]
async fn a_source_that_is_lost_is_the_reason_and_an_event_and_the_state_stays() {
    let held = Held::new().await;
    let (mut actor, _handle) = held.actor(None);
    let run = Led::new(&mut actor);
    let (want, _wanted) = mpsc::channel(1);
    run.controlled.phase.send_replace(Phase::Running(want));
    actor.tick().await;
    let state = actor.record.standing.state;
    let watch = run.controlled.meters.link_watch(Arc::new(SystemClock));
    let at = "b.000001:4".to_owned();
    let error = &BinlogError::Stream { at: at.clone(), what: "gone".to_owned() };
    let binlog = BinlogPosition { file: "b.000001".parse().unwrap(), offset: 4 };
    let position = &Position { gtids: Gtids::None, binlog, in_transaction: None };
    for failures in 1..3 {
        let address = "db:3306".to_owned();
        watch.tell(LinkState::Down(Down { address, error, failures, position }));
        actor.tick().await;
    }
    let standing = actor.record.standing.clone();
    assert_eq!(standing.state, state);
    assert!(standing.reason.contains("; waits for the source at db:3306 since "), "{standing:?}");
    let told = held.told(EventKind::Source).await;
    assert_eq!(told.len(), 1, "not one for each attempt: {told:?}");
    assert!(told[0].starts_with("the connection to the source at db:3306 broke: "), "{told:?}");
    watch.tell(LinkState::Up { address: "db:3306".to_owned() });
    actor.tick().await;
    assert_eq!(actor.record.standing.reason, "its tables are being looked at");
}

#[test]
fn a_promise_that_was_kept_by_an_older_version_is_read() {
    let kept = r#"{"from": "earliest", "allow_fallback": true, "resnapshot": []}"#;
    let read: Beginning = serde_json::from_str(kept).unwrap();
    assert_eq!((read.from, read.after), (Begin::Earliest, None));
}

impl Actor {
    async fn stop_run(&mut self) {
        let Some(running) = self.run.take() else { return };
        running.run.control.stop(crate::control::Stop::Cancel);
        let _ = running.run.ended.await;
    }
}
