use model::checkpoint::{
    Counters, OnlineDdlState, Quarantine, ServerIdentity, SourceState, XaState,
};
use model::gtid::Gtids;
use model::{BinlogPosition, Position};

use super::*;

fn machine(policy: Policy) -> Machine {
    Machine::new(policy, vec!["sink[0]".into(), "sink[1]".into()], 7, 0)
}

fn policy() -> Policy {
    Policy { interval: Some(1000), timeout: 500, min_pause: 0, tolerable_failures: 1 }
}

fn answer(id: u64, sink: &str) -> Event {
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
    m.apply(Event::Tick, 1000);
    assert!(matches!(m.apply(Event::Tick, 5000), Effect::Nothing));
    assert!(matches!(m.apply(Event::Stop(BarrierKind::Savepoint), 5001), Effect::Nothing));
}

#[test]
fn an_answer_to_a_barrier_that_was_given_up_is_not_counted() {
    let mut m = machine(policy());
    m.apply(Event::Tick, 1000);
    m.apply(answer(7, "sink[0]"), 1001);
    assert!(matches!(m.apply(Event::Tick, 1500), Effect::Nothing), "one failure is tolerable");
    m.apply(Event::Tick, 2500);
    assert!(matches!(m.apply(answer(7, "sink[1]"), 2501), Effect::Nothing));
    assert!(matches!(m.apply(answer(8, "sink[1]"), 2502), Effect::Nothing));
    assert!(matches!(m.apply(answer(8, "sink[0]"), 2503), Effect::Store { .. }));
}

#[test]
fn failures_in_a_row_beyond_the_tolerable_end_the_run() {
    let mut m = machine(policy());
    m.apply(Event::Tick, 1000);
    assert!(matches!(m.apply(Event::Failed("disk full".into()), 1100), Effect::Nothing));
    m.apply(Event::Tick, 2000);
    assert!(matches!(m.apply(Event::Failed("disk full".into()), 2100), Effect::GiveUp(_)));
}

#[test]
fn a_success_forgives_the_failures_before_it() {
    let mut m = machine(policy());
    m.apply(Event::Tick, 1000);
    m.apply(Event::Failed("slow".into()), 1100);
    m.apply(Event::Tick, 2000);
    m.apply(answer(8, "sink[0]"), 2001);
    m.apply(answer(8, "sink[1]"), 2001);
    m.apply(Event::Stored, 2002);
    m.apply(Event::Tick, 3000);
    assert!(matches!(m.apply(Event::Failed("slow".into()), 3100), Effect::Nothing));
}

#[test]
fn a_stop_waits_for_the_checkpoint_that_is_out_and_then_takes_its_own() {
    let mut m = machine(policy());
    m.apply(Event::Tick, 1000);
    m.apply(Event::Stop(BarrierKind::Savepoint), 1001);
    m.apply(answer(7, "sink[0]"), 1002);
    m.apply(answer(7, "sink[1]"), 1002);
    let effect = m.apply(Event::Stored, 1003);
    let Effect::Request { id: CheckpointId(8), trigger } = effect else { panic!("{effect:?}") };
    assert_eq!(trigger.kind(), BarrierKind::Savepoint);
    m.apply(answer(8, "sink[0]"), 1004);
    m.apply(answer(8, "sink[1]"), 1004);
    assert!(matches!(m.apply(Event::Stored, 1005), Effect::Finished));
}

#[test]
fn the_pause_after_a_slow_checkpoint_is_kept() {
    let mut m = machine(Policy { timeout: 10_000, min_pause: 300, ..policy() });
    m.apply(Event::Tick, 1000);
    m.apply(answer(7, "sink[0]"), 2900);
    m.apply(answer(7, "sink[1]"), 2900);
    assert!(matches!(m.apply(Event::Stored, 2950), Effect::Nothing));
    assert_eq!(m.wake_at(), Some(3250));
}

#[test]
fn without_an_interval_there_are_no_periodic_checkpoints() {
    let mut m = machine(Policy { interval: None, ..policy() });
    assert_eq!(m.wake_at(), None);
    assert!(matches!(m.apply(Event::Tick, 1 << 40), Effect::Nothing));
}

#[test]
fn a_barrier_that_cannot_be_placed_now_is_asked_for_again_and_is_no_failure() {
    let mut m = machine(Policy { tolerable_failures: 0, ..policy() });
    m.apply(Event::Stop(BarrierKind::Savepoint), 10);
    assert!(matches!(m.apply(Event::Deferred(CheckpointId(7)), 11), Effect::Nothing));
    assert_eq!(m.wake_at(), Some(511));
    assert!(matches!(m.apply(Event::Tick, 510), Effect::Nothing));
    let again = m.apply(Event::Tick, 511);
    assert!(matches!(again, Effect::Request { id: CheckpointId(8), trigger: Trigger::Stop(_) }));
}
