use super::*;
use crate::ddl::change::Weight;
use crate::table::{Details, KeyModel, Table};

const START: Moment = Moment(1_700_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn orders() -> TableName {
    TableName::new("shop", "orders")
}

fn change() -> Change {
    let after = Table {
        name: "orders".to_owned(),
        columns: Vec::new(),
        model: KeyModel::Unique,
        sequence: None,
        details: Details::default(),
    };
    Change { after, origins: Vec::new(), weight: Weight::Heavy }
}

/// Jobs, the clock, and the one transaction that is under way, if any.
struct Fixture {
    jobs: Jobs,
    now: Moment,
    unfinished: Option<TxnId>,
}

impl Fixture {
    fn new() -> Self {
        Self { jobs: Jobs::default(), now: START, unfinished: None }
    }

    fn start(&mut self) -> JobId {
        self.jobs.start(orders(), change(), self.now)
    }

    /// What is due after so much time, where the next transaction is number 100.
    fn pass(&mut self, time: Duration) -> Vec<JobId> {
        self.now = self.now + time;
        let unfinished = self.unfinished;
        self.jobs.advance(self.now, TxnId(100), |database, below| {
            assert_eq!(database, "shop");
            unfinished.is_some_and(|txn| txn < below)
        })
    }

    fn state(&self, id: JobId) -> JobState {
        self.jobs.get(id).expect("a job").state
    }
}

/// Row 35 of Doris' checklist, and of StarRocks'.
#[test]
fn a_job_is_pending_then_waits_for_older_transactions_then_runs_then_is_finished() {
    let mut fixture = Fixture::new();
    fixture.unfinished = Some(TxnId(99));
    let id = fixture.start();
    assert_eq!(fixture.state(id), JobState::Pending);
    assert_eq!(fixture.pass(SECOND), []);
    assert_eq!(fixture.state(id), JobState::WaitingTxn);
    assert_eq!(fixture.pass(3_600 * SECOND), []);
    assert_eq!(fixture.state(id), JobState::WaitingTxn, "as long as one is open");

    fixture.unfinished = None;
    assert_eq!(fixture.pass(SECOND), []);
    assert_eq!(fixture.state(id), JobState::Running);
    assert_eq!(fixture.pass(SECOND), [id]);
    fixture.jobs.finish(id, fixture.now);
    assert_eq!(fixture.state(id), JobState::Finished);
    assert_eq!(fixture.jobs.get(id).unwrap().finished, Some(fixture.now));
    assert_eq!(fixture.pass(SECOND), [], "it is over");
}

#[test]
fn a_younger_transaction_holds_no_job_up() {
    let mut fixture = Fixture::new();
    let id = fixture.start();
    fixture.unfinished = Some(TxnId(100));
    fixture.pass(SECOND);
    assert_eq!(fixture.state(id), JobState::Running);
}

#[test]
fn a_second_change_is_refused_while_a_job_is_under_way() {
    let mut fixture = Fixture::new();
    let id = fixture.start();
    let mut held = |pass| {
        fixture.pass(pass);
        fixture.jobs.under_way(&orders()).map(|job| job.state)
    };
    assert_eq!(held(Duration::ZERO), Some(JobState::Pending));
    assert_eq!(held(SECOND), Some(JobState::Running));
    assert!(fixture.jobs.cancel(id, "user cancelled", START));
    assert_eq!(fixture.jobs.under_way(&orders()), None);
    assert!(!fixture.jobs.cancel(id, "again", START));
    assert_eq!(fixture.jobs.get(id).unwrap().message, "user cancelled");
}

#[test]
fn a_job_that_waits_too_long_is_cancelled() {
    let mut fixture = Fixture::new();
    fixture.unfinished = Some(TxnId(1));
    let id = fixture.start();
    let timeout = fixture.jobs.pace.timeout;
    fixture.pass(timeout);
    assert_eq!(fixture.state(id), JobState::WaitingTxn);
    fixture.pass(SECOND);
    assert_eq!(fixture.state(id), JobState::Cancelled);
    assert_eq!(fixture.jobs.get(id).unwrap().message, "Timeout");
}

#[test]
fn what_is_kept_of_jobs_is_taken_up_again() {
    let mut fixture = Fixture::new();
    let id = fixture.start();
    let kept = fixture.jobs.take_changed().expect("a new job").to_vec();
    assert_eq!(fixture.jobs.take_changed(), None);
    let mut again = Jobs::default();
    again.restore(kept);
    assert_eq!(again.get(id), fixture.jobs.get(id));
    assert!(again.start(orders(), change(), START) > id, "no number is given twice");
}
