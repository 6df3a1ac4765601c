use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use job::{Mode, Process};
use model::checkpoint::Quarantined;
use model::conformance::samples;
use model::sink::SinkToken;
use model::{Barrier, BarrierKind, Batch, Checkpoint, Sink};
use state::{JobOptions, JobState, StateUrl};
use tokio::sync::watch;

use super::super::begin::{Begin, Choice, Place};
use super::super::{Daemon, From, NamedSink, begin};
use super::*;

/// A sink whose far side has thrown away what was prepared of these tables.
struct Forgetful(Vec<TableName>);

#[async_trait]
impl Sink for Forgetful {
    async fn restore(&mut self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        assert_eq!(token, Some(&b"token 5".to_vec()), "it is restored to what the snapshot says");
        Ok(())
    }

    async fn begin(&mut self, source: &SourceState) -> Result<(), SinkError> {
        let over = &source.quarantine.start_over;
        if self.0.iter().all(|table| over.contains(table)) {
            return Ok(());
        }
        let (tables, what) = (self.0.clone(), "transaction 7 has expired".to_owned());
        Err(SinkError::Lost { sink: "sink[0]".to_owned(), tables, what })
    }

    async fn write(&mut self, _: Arc<Batch>) -> Result<(), SinkError> {
        Ok(())
    }

    async fn prepare(&mut self, _: &Barrier) -> Result<SinkToken, SinkError> {
        Ok(vec![])
    }

    async fn commit(&mut self, _: &SinkToken) -> Result<(), SinkError> {
        Ok(())
    }

    fn rewinds(&self) -> bool {
        false
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn items() -> TableName {
    TableName::new("shop", "items")
}

fn lost(tables: Vec<TableName>) -> EngineError {
    let what = "expired".to_owned();
    EngineError::Sink(SinkError::Lost { sink: "sink[0]".to_owned(), tables, what })
}

/// A job without restarts, of which checkpoint 5 is stored.
async fn daemon(dir: &Path) -> Daemon {
    let script = "SET 'restart-strategy.type' = 'none';\n\
        EXECUTE CDCSOURCE shop WITH ('connector' = 'mysql-cdc', 'hostname' = 'h', 'port' = '3306',\n\
        'username' = 'u', 'password' = 'p', 'table-name' = 'shop\\..*',\n\
        'sink.connector' = 'blackhole');";
    let job = job::parse(script, "shop.sql", Mode::Lenient, &[], &Process).unwrap();
    let url = StateUrl::RocksDb(dir.to_owned());
    let state = state::open_job(&url, &job.name, &JobOptions::default()).await.unwrap();
    let fence = state.checkpoints.acquire().await.unwrap();
    let stored = samples::checkpoint(&job.name, 5, BarrierKind::Checkpoint);
    state.checkpoints.put(fence, &stored).await.unwrap();
    daemon_of(job, state)
}

fn daemon_of(job: job::JobSpec, state: JobState) -> Daemon {
    let (_, control) = crate::control::channel();
    Daemon {
        job,
        state,
        from: From::Latest,
        allow_fallback: false,
        resnapshot: vec![],
        begun_after: None,
        control,
        clock: Arc::new(crate::commands::run::SystemClock),
        status: watch::channel(crate::source::status::Status::default()).0,
        screen: sinks::standard_output(),
    }
}

/// What an attempt does before rows flow, with a source that begins where it is told to. The state
/// that the sink heard, and the snapshot that the run went on from.
async fn attempt(
    daemon: &Daemon,
    sinks: &mut [NamedSink],
    own: u64,
    lost: &mut Lost,
) -> Result<(SourceState, Checkpoint), EngineError> {
    let fence = daemon.state.checkpoints.acquire().await?;
    let choice = Choice { from: From::Latest, first: None, allow_fallback: false, own };
    let resume = daemon.choose(&choice, sinks).await?;
    let snapshot = resume.as_ref().map(|begin: &Begin| &begin.checkpoint);
    let now = Arc::new(lost.unread_in(snapshot.map(|c| &*c.source))?.unwrap());
    let again: Vec<String> = lost.unsaid().collect();
    daemon.anchor(fence, resume.as_ref(), &again, &now, sinks).await?;
    lost.said();
    let holds = || daemon.state.checkpoints.holds(fence);
    begin::restore(sinks, snapshot, holds).await?;
    begin::begin(sinks, &now, holds).await?;
    assert!(resume.as_ref().is_some_and(|begin| begin.place != Place::Elsewhere));
    Ok((SourceState::clone(&now), snapshot.unwrap().clone()))
}

fn forgetful() -> [NamedSink; 1] {
    [("sink[0]".to_owned(), Box::new(Forgetful(vec![items()])))]
}

#[tokio::test]
async fn what_a_sink_has_lost_is_read_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = daemon(dir.path()).await;
    let mut lost = Lost::default();
    let refused = attempt(&daemon, &mut forgetful(), 6, &mut lost).await.unwrap_err();
    lost.mend(refused).expect("no restart strategy is asked");
    let (heard, from) = attempt(&daemon, &mut forgetful(), 6, &mut lost).await.unwrap();
    assert_eq!(from.id.0, 5, "from the snapshot whose rows are lost");
    assert_eq!(heard.quarantine.start_over, [items()]);
    let unread = TablePhase::Snapshot { done: RangeSet::default(), rows: 0 };
    assert_eq!(heard.tables[0].phase, unread);
    let stored = daemon.state.checkpoints.get(model::CheckpointId(6)).await.unwrap();
    assert_eq!((&stored.source.tables[0].phase, &*stored.trigger), (&unread, "restore"));
    assert_eq!(stored.source.position, from.source.position, "the stream goes on where it was");
}

#[tokio::test]
async fn a_crash_before_the_sinks_are_told_begins_with_what_is_to_be_told() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = daemon(dir.path()).await;
    let mut lost = Lost::default();
    let refused = attempt(&daemon, &mut forgetful(), 6, &mut lost).await.unwrap_err();
    lost.mend(refused).unwrap();
    attempt(&daemon, &mut forgetful(), 6, &mut lost).await.unwrap();
    // Another process, which knows nothing of the loss but what is stored.
    let (heard, from) = attempt(&daemon, &mut forgetful(), 7, &mut Lost::default()).await.unwrap();
    assert_eq!(from.id.0, 6);
    assert_eq!(heard.quarantine.start_over, [items()]);
    // And a loss in the same run as one that was stored is not taken for the next.
    let (heard, from) = attempt(&daemon, &mut forgetful(), 6, &mut lost).await.unwrap();
    assert_eq!((from.id.0, heard.quarantine.start_over), (6, vec![items()]));
}

#[tokio::test]
async fn a_run_that_a_process_before_has_begun_goes_on_from_what_that_has_stored() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = daemon(dir.path()).await;
    daemon.resnapshot = vec!["shop.items".to_owned()];
    let fence = daemon.state.checkpoints.acquire().await.unwrap();
    let stored = samples::checkpoint(&daemon.job.name, 6, BarrierKind::Checkpoint);
    daemon.state.checkpoints.put(fence, &stored).await.unwrap();
    for (begun_after, id, place) in [(None, 5, Place::State), (Some(5), 6, Place::Run)] {
        daemon.begun_after = begun_after;
        let from = From::Id(model::CheckpointId(5));
        let own = daemon.first_own().await.unwrap();
        let choice = Choice { from, first: None, allow_fallback: false, own };
        let begin = daemon.choose(&choice, &forgetful()).await.unwrap();
        let found = begin.as_ref().map(|begin| (begin.checkpoint.id.0, begin.place));
        assert_eq!(found, Some((id, place)));
        let reads_again = !daemon.again(begin.as_ref()).is_empty();
        assert_eq!(reads_again, place == Place::State, "once");
    }
}

#[test]
fn a_second_loss_of_one_table_ends_the_run() {
    let mut found = Lost::default();
    let other = TableName::new("shop", "other");
    found.mend(lost(vec![items()])).unwrap();
    found.mend(lost(vec![other.clone()])).unwrap();
    let ends = found.mend(lost(vec![other])).unwrap_err();
    assert!(matches!(ends, EngineError::Sink(SinkError::Definite { .. })), "{ends}");
    assert!(ends.to_string().contains("shop.other"), "{ends}");
    assert!(found.mend(lost(vec![])).is_err(), "a loss of nothing is mended by nothing");
}

#[test]
fn other_errors_are_not_touched() {
    let other = Lost::default().mend(EngineError::Job("no".to_owned())).unwrap_err();
    assert!(matches!(other, EngineError::Job(why) if why == "no"));
}

#[test]
fn a_table_that_no_snapshot_knows_cannot_be_read_again() {
    let mut found = Lost::default();
    found.mend(lost(vec![TableName::new("shop", "gone")])).unwrap();
    let why = found.unread_in(Some(&samples::source(4))).unwrap_err().to_string();
    assert!(why.contains("shop.gone"), "{why}");
    assert!(found.unread_in(None).is_err());
    assert_eq!(Lost::default().unread_in(None).unwrap(), None);
}

#[test]
fn a_table_in_quarantine_starts_over_as_well() {
    let mut state = samples::source(4);
    let table = TableName::new("shop", "apart");
    state.quarantine.tables.push(Quarantined {
        table: table.clone(),
        reason: "rows lack columns".into(),
        position: state.position.binlog.clone(),
        gtid: None,
        since_ms: 0,
        events_dropped: 3,
    });
    let mut found = Lost::default();
    found.mend(lost(vec![table.clone()])).unwrap();
    let unread = found.unread_in(Some(&state)).unwrap().unwrap();
    assert_eq!(unread.quarantine.start_over, [table]);
    assert_eq!(unread.tables, state.tables, "and no other does");
}
