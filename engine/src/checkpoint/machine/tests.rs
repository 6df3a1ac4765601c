use model::checkpoint::{
    Counters, OnlineDdlState, Quarantine, ServerIdentity, SourceState, XaState,
};
use model::gtid::Gtids;
use model::{BinlogPosition, Origin, Position, SchemaChange, TableName};

use super::*;

fn machine(policy: Policy) -> Machine {
    Machine::new(policy, vec!["sink[0]".into(), "sink[1]".into()], 7, 0)
}

fn policy() -> Policy {
    Policy {
        interval: Some(1000),
        backlog_interval: Some(1000),
        timeout: 500,
        min_pause: 0,
        tolerable_failures: 1,
    }
}

fn answer(id: u64, sink: &str) -> Event {
    answer_behind(vec![], id, sink)
}

/// To a barrier behind these changes.
fn answer_behind(untold: Vec<SchemaChange>, id: u64, sink: &str) -> Event {
    let binlog = BinlogPosition { file: "b.000001".parse().unwrap(), offset: 4 };
    let source = SourceState {
        server: ServerIdentity::default(),
        position: Position { gtids: Gtids::None, binlog, in_transaction: None },
        position_ts_ms: 0,
        tables: vec![],
        counters: Counters::default(),
        xa: XaState::default(),
        quarantine: Quarantine::default(),
        online_ddl: OnlineDdlState::default(),
        untold,
    };
    let barrier =
        Barrier { id: CheckpointId(id), kind: BarrierKind::Checkpoint, source: Arc::new(source) };
    let prepared = Prepared { sink: sink.into(), token: vec![] };
    Event::Answer { barrier: Arc::new(barrier), prepared }
}

#[test]
fn nothing_is_stored_before_every_sink_has_prepared() {
    let mut m = machine(policy());
    assert!(matches!(m.apply(Event::Tick, 999), Effect::Nothing));
    let effect = m.apply(Event::Tick, 1000);
    assert!(matches!(effect, Effect::Request { id: CheckpointId(7), trigger: Trigger::Period }));
    assert!(matches!(m.apply(answer(7, "sink[1]"), 1001), Effect::Nothing));
    assert!(matches!(m.apply(answer(7, "sink[1]"), 1002), Effect::Nothing));
    assert!(matches!(m.apply(answer(7, "sink[0]"), 1003), Effect::Store { .. }));
}

#[test]
fn one_barrier_is_out_at_a_time() {
    let mut m = machine(Policy { timeout: 100_000, ..policy() });
    let _ = m.apply(Event::Tick, 1000);
    assert!(matches!(m.apply(Event::Tick, 5000), Effect::Nothing));
    assert!(matches!(m.apply(Event::Stop(BarrierKind::Savepoint), 5001), Effect::Nothing));
}

#[test]
fn an_answer_to_a_barrier_that_was_given_up_is_not_counted() {
    let mut m = machine(policy());
    let _ = m.apply(Event::Tick, 1000);
    let _ = m.apply(answer(7, "sink[0]"), 1001);
    assert!(matches!(m.apply(Event::Tick, 1500), Effect::Nothing), "one failure is tolerable");
    let _ = m.apply(Event::Tick, 2500);
    assert!(matches!(m.apply(answer(7, "sink[1]"), 2501), Effect::Nothing));
    assert!(matches!(m.apply(answer(8, "sink[1]"), 2502), Effect::Nothing));
    assert!(matches!(m.apply(answer(8, "sink[0]"), 2503), Effect::Store { .. }));
}

#[test]
fn failures_in_a_row_beyond_the_tolerable_end_the_run() {
    let mut m = machine(policy());
    let _ = m.apply(Event::Tick, 1000);
    assert!(matches!(m.apply(Event::Failed("disk full".into()), 1100), Effect::Nothing));
    let _ = m.apply(Event::Tick, 2000);
    assert!(matches!(m.apply(Event::Failed("disk full".into()), 2100), Effect::GiveUp(_)));
}

#[test]
fn a_success_forgives_the_failures_before_it() {
    let mut m = machine(policy());
    let _ = m.apply(Event::Tick, 1000);
    let _ = m.apply(Event::Failed("slow".into()), 1100);
    let _ = m.apply(Event::Tick, 2000);
    let _ = m.apply(answer(8, "sink[0]"), 2001);
    let _ = m.apply(answer(8, "sink[1]"), 2001);
    let _ = m.apply(Event::Stored, 2002);
    let _ = m.apply(Event::Tick, 3000);
    assert!(matches!(m.apply(Event::Failed("slow".into()), 3100), Effect::Nothing));
}

#[test]
fn a_stop_waits_for_the_checkpoint_that_is_out_and_then_takes_its_own() {
    let mut m = machine(policy());
    let _ = m.apply(Event::Tick, 1000);
    let _ = m.apply(Event::Stop(BarrierKind::Savepoint), 1001);
    let _ = m.apply(answer(7, "sink[0]"), 1002);
    let _ = m.apply(answer(7, "sink[1]"), 1002);
    let effect = m.apply(Event::Stored, 1003);
    let Effect::Request { id: CheckpointId(8), trigger } = effect else { panic!("{effect:?}") };
    assert_eq!(trigger.kind(), BarrierKind::Savepoint);
    let _ = m.apply(answer(8, "sink[0]"), 1004);
    let _ = m.apply(answer(8, "sink[1]"), 1004);
    assert!(matches!(m.apply(Event::Stored, 1005), Effect::Finished));
}

#[test]
fn the_pause_after_a_slow_checkpoint_is_kept() {
    let mut m = machine(Policy { timeout: 10_000, min_pause: 300, ..policy() });
    let _ = m.apply(Event::Tick, 1000);
    let _ = m.apply(answer(7, "sink[0]"), 2900);
    let _ = m.apply(answer(7, "sink[1]"), 2900);
    assert!(matches!(m.apply(Event::Stored, 2950), Effect::Nothing));
    assert_eq!(m.wake_at(), Some(3250));
}

#[test]
fn without_an_interval_there_are_no_periodic_checkpoints() {
    let mut m = machine(Policy { interval: None, backlog_interval: None, ..policy() });
    assert_eq!(m.wake_at(), None);
    assert!(matches!(m.apply(Event::Tick, 1 << 40), Effect::Nothing));
}

#[test]
fn a_barrier_that_cannot_be_placed_now_is_asked_for_again_and_is_no_failure() {
    let mut m = machine(Policy { tolerable_failures: 0, ..policy() });
    let _ = m.apply(Event::Stop(BarrierKind::Savepoint), 10);
    assert!(matches!(m.apply(Event::Deferred(CheckpointId(7)), 11), Effect::Nothing));
    assert_eq!(m.wake_at(), Some(511));
    assert!(matches!(m.apply(Event::Tick, 510), Effect::Nothing));
    let again = m.apply(Event::Tick, 511);
    assert!(matches!(again, Effect::Request { id: CheckpointId(8), trigger: Trigger::Stop(_) }));
}

/// Everything that a barrier needs is there: the effect of the last answer.
fn answered(m: &mut Machine, id: u64, now: Ms) -> Effect {
    let _ = m.apply(answer(id, "sink[0]"), now);
    m.apply(answer(id, "sink[1]"), now)
}

#[test]
fn a_savepoint_on_request_waits_for_the_barrier_that_is_out_and_the_job_goes_on() {
    let mut m = machine(policy());
    let _ = m.apply(Event::Tick, 1000);
    assert!(matches!(m.apply(Event::Request(Then::GoOn), 1001), Effect::Nothing));
    assert!(!m.takes_requests(), "one at a time");
    let _ = answered(&mut m, 7, 1002);
    let effect = m.apply(Event::Stored, 1003);
    let Effect::Request { id: CheckpointId(8), trigger } = effect else { panic!("{effect:?}") };
    assert_eq!((trigger.name(), trigger.kind()), ("request", BarrierKind::Savepoint));
    assert!(!trigger.is_last());
    assert!(!m.takes_requests(), "one at a time");
    assert!(matches!(answered(&mut m, 8, 1004), Effect::Store { .. }));
    assert!(matches!(m.apply(Event::Stored, 1005), Effect::Nothing));
    assert!(m.takes_requests());
    assert_eq!(m.wake_at(), Some(2003), "the period goes on");
}

#[test]
fn a_request_needs_no_interval_and_no_pause() {
    let mut m = machine(Policy { interval: None, min_pause: 1 << 30, ..policy() });
    let effect = m.apply(Event::Request(Then::GoOn), 5);
    assert!(matches!(effect, Effect::Request { id: CheckpointId(7), .. }));
}

#[test]
fn a_request_that_fails_is_refused_and_no_failure_of_the_job() {
    let mut m = machine(Policy { tolerable_failures: 0, ..policy() });
    let _ = m.apply(Event::Request(Then::GoOn), 10);
    let effect = m.apply(Event::Failed("no room".into()), 11);
    assert!(matches!(&effect, Effect::Refused(why) if why == "savepoint 7 failed: no room"));
    let _ = m.apply(Event::Request(Then::GoOn), 20);
    assert!(matches!(m.apply(Event::Tick, 520), Effect::Refused(_)), "neither is a slow one");
    assert!(m.takes_requests());
    let _ = m.apply(Event::Tick, 1600);
    assert!(matches!(answered(&mut m, 9, 1601), Effect::Store { .. }), "checkpoints go on");
}

#[test]
fn a_stop_on_request_ends_the_job_only_when_its_savepoint_is_stored() {
    let mut m = machine(policy());
    let effect = m.apply(Event::Request(Then::End), 10);
    let Effect::Request { id: CheckpointId(7), trigger } = effect else { panic!("{effect:?}") };
    assert_eq!((trigger.name(), trigger.kind()), ("stop", BarrierKind::Savepoint));
    assert!(trigger.is_last());
    assert!(matches!(m.apply(Event::Failed("no room".into()), 11), Effect::Refused(_)));
    let _ = m.apply(Event::Request(Then::End), 12);
    let _ = answered(&mut m, 8, 13);
    assert!(matches!(m.apply(Event::Stored, 14), Effect::Finished));
}

#[test]
fn a_request_whose_barrier_cannot_be_placed_now_is_kept() {
    let mut m = machine(policy());
    let _ = m.apply(Event::Request(Then::End), 10);
    let _ = m.apply(Event::Deferred(CheckpointId(7)), 11);
    assert_eq!(m.wake_at(), Some(511));
    assert!(!m.takes_requests());
    let again = m.apply(Event::Tick, 511);
    let wanted = Trigger::Request(Then::End);
    assert!(matches!(again, Effect::Request { id: CheckpointId(8), trigger } if trigger == wanted));
}

#[test]
fn a_stop_goes_before_a_request_that_waits() {
    let mut m = machine(policy());
    let _ = m.apply(Event::Tick, 1000);
    let _ = m.apply(Event::Request(Then::GoOn), 1001);
    let _ = m.apply(Event::Stop(BarrierKind::Savepoint), 1002);
    let _ = answered(&mut m, 7, 1003);
    let effect = m.apply(Event::Stored, 1004);
    assert!(matches!(effect, Effect::Request { trigger: Trigger::Stop(_), .. }));
    assert!(!m.takes_requests(), "the job ends");
}

#[test]
fn the_period_is_another_while_the_source_has_a_backlog() {
    let mut m = machine(Policy { backlog_interval: Some(5000), ..policy() });
    assert!(matches!(m.apply(Event::Backlog(true), 0), Effect::Nothing));
    assert_eq!(m.wake_at(), Some(5000));
    assert!(matches!(m.apply(Event::Tick, 4999), Effect::Nothing));
    let effect = m.apply(Event::Backlog(false), 4999);
    assert!(
        matches!(effect, Effect::Request { trigger: Trigger::Period, .. }),
        "at once: {effect:?}"
    );
}

#[test]
fn without_a_period_during_backlog_there_are_checkpoints_only_after_it() {
    let mut m = machine(Policy { backlog_interval: None, ..policy() });
    let _ = m.apply(Event::Backlog(true), 0);
    assert_eq!(m.wake_at(), None);
    assert!(matches!(m.apply(Event::Tick, 1 << 30), Effect::Nothing));
    let asked = m.apply(Event::Request(Then::GoOn), 1 << 30);
    assert!(matches!(asked, Effect::Request { .. }), "savepoints are not periodic");
    let _ = answered(&mut m, 7, 1 << 30);
    let _ = m.apply(Event::Stored, 1 << 30);
    assert!(matches!(m.apply(Event::Backlog(false), (1 << 30) + 10), Effect::Nothing));
    assert_eq!(m.wake_at(), Some((1 << 30) + 1000));
}

/// Every sink has answered a barrier that lies behind a schema change.
fn answered_behind_a_change(m: &mut Machine, id: u64, now: Ms) -> Effect {
    let change = SchemaChange {
        table: TableName::new("d", "t"),
        sql: "DROP TABLE t".into(),
        after: None,
        starts_over: false,
        truncated: false,
        renamed: vec![],
        filled: vec![],
        renamed_from: None,
        origin: Origin {
            ts_ms: 0,
            server_id: 1,
            gtid: None,
            file: "b.000001".into(),
            pos: 4,
            first_row: 0,
        },
    };
    let _ = m.apply(answer_behind(vec![change.clone()], id, "sink[0]"), now);
    m.apply(answer_behind(vec![change], id, "sink[1]"), now)
}

fn asks_before_a_change(effect: &Effect, wanted: u64) -> bool {
    matches!(effect, Effect::Request { id, trigger: Trigger::SchemaChange } if id.0 == wanted)
}

#[test]
fn a_schema_change_has_a_checkpoint_at_once_without_a_period_and_without_a_pause() {
    let mut m = machine(Policy { interval: None, min_pause: 1 << 30, ..policy() });
    let asked = m.apply(Event::SchemaChange, 5);
    assert!(asks_before_a_change(&asked, 7), "{asked:?}");
    let trigger = Trigger::SchemaChange;
    assert_eq!((trigger.name(), trigger.kind()), ("schema-change", BarrierKind::Checkpoint));
    assert!(!trigger.is_last());
    assert!(matches!(answered_behind_a_change(&mut m, 7, 6), Effect::Store { .. }));
    assert!(matches!(m.apply(Event::Stored, 7), Effect::Nothing));
    assert_eq!(m.wake_at(), None, "one is enough");
}

#[test]
fn a_barrier_before_the_schema_change_does_not_serve_it() {
    let mut m = machine(policy());
    let _ = m.apply(Event::Tick, 1000);
    assert!(matches!(m.apply(Event::SchemaChange, 1001), Effect::Nothing), "one at a time");
    let _ = answered(&mut m, 7, 1002);
    let asked = m.apply(Event::Stored, 1003);
    assert!(asks_before_a_change(&asked, 8), "{asked:?}");
}

#[test]
fn whichever_barrier_lies_behind_the_schema_change_serves_it() {
    let mut m = machine(policy());
    let _ = m.apply(Event::Tick, 1000);
    let _ = m.apply(Event::SchemaChange, 1001);
    let _ = answered_behind_a_change(&mut m, 7, 1002);
    assert!(matches!(m.apply(Event::Stored, 1003), Effect::Nothing), "of the period");
    let _ = m.apply(Event::Request(Then::GoOn), 1100);
    let _ = m.apply(Event::SchemaChange, 1101);
    let _ = answered_behind_a_change(&mut m, 8, 1102);
    assert!(matches!(m.apply(Event::Stored, 1103), Effect::Nothing), "on request");
    let _ = m.apply(Event::SchemaChange, 1200);
    let _ = m.apply(Event::Stop(BarrierKind::Savepoint), 1201);
    let _ = answered_behind_a_change(&mut m, 9, 1202);
    let last = m.apply(Event::Stored, 1203);
    assert!(matches!(last, Effect::Request { trigger: Trigger::Stop(_), .. }), "{last:?}");
    let _ = answered_behind_a_change(&mut m, 10, 1204);
    assert!(matches!(m.apply(Event::Stored, 1205), Effect::Finished), "the stop itself");
}

#[test]
fn a_failed_checkpoint_before_a_schema_change_counts_and_is_asked_for_again() {
    let mut m = machine(Policy { interval: None, ..policy() });
    let _ = m.apply(Event::SchemaChange, 10);
    assert!(matches!(m.apply(Event::Failed("disk full".into()), 20), Effect::Nothing));
    assert_eq!(m.wake_at(), Some(10_020), "not at once: what failed needs time");
    let again = m.apply(Event::Tick, 10_020);
    assert!(asks_before_a_change(&again, 8), "{again:?}");
    assert!(matches!(m.apply(Event::Failed("disk full".into()), 10_030), Effect::GiveUp(_)));
}

#[test]
fn a_refused_savepoint_behind_a_schema_change_leaves_it_waiting() {
    let mut m = machine(policy());
    let _ = m.apply(Event::Request(Then::End), 10);
    let _ = m.apply(Event::SchemaChange, 11);
    assert!(matches!(m.apply(Event::Failed("no room".into()), 12), Effect::Refused(_)));
    assert_eq!(m.wake_at(), Some(1010), "the period, which serves it as well");
    let asked = m.apply(Event::Tick, 1012);
    assert!(asks_before_a_change(&asked, 8), "{asked:?}");
}
