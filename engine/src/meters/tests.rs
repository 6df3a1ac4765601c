//! What is counted, as whoever looks sees it.

use std::time::Duration;

use model::{BarrierKind, CheckpointId, RowsKind};

use super::*;
use crate::pipeline::queue;

#[test]
fn what_a_sink_did_before_a_restart_still_counts() {
    let meters = Meters::default();
    let (before, _held) = queue::bounded();
    meters.sink("doris", "doris", before.gauge()).wrote(3, 100);
    let (after, _held) = queue::bounded();
    let sink = meters.sink("doris", "doris", after.gauge());
    sink.wrote(4, 50);
    sink.write.took(Duration::from_millis(3));
    sink.failed();
    let [now] = &meters.sinks()[..] else { panic!("one sink") };
    assert_eq!((now.rows, now.bytes, now.errors), (7, 150, 1));
    assert_eq!((now.write.count, now.write.max), (1, Duration::from_millis(3)));
}

#[test]
fn a_duration_is_in_the_first_bucket_that_holds_it_and_a_longer_one_in_the_sum_alone() {
    let timing = Timing::default();
    for ms in [1, 2, 5, 60_000, 60_001] {
        timing.took(Duration::from_millis(ms));
    }
    let now = timing.now();
    assert_eq!(now.buckets[..3], [1, 2, 0]);
    assert_eq!(now.buckets.last(), Some(&1));
    assert_eq!((now.count, now.sum), (5, Duration::from_millis(120_009)));
}

#[test]
fn rows_are_told_apart_by_what_happened_to_them() {
    let meter = RowMeter::default();
    for (kind, rows) in
        [(RowsKind::Read, 1), (RowsKind::Insert, 2), (RowsKind::Update, 3), (RowsKind::Delete, 4)]
    {
        meter.add(kind, rows, 10);
    }
    let now = meter.now();
    assert_eq!(now, Rows { read: 1, inserted: 2, updated: 3, deleted: 4, bytes: 40 });
    assert_eq!(now.streamed(), 9);
}

#[test]
fn a_checkpoint_that_was_under_way_as_the_job_failed_is_a_failed_one() {
    let meter = CheckpointMeter::default();
    meter.under_way(Some(CheckpointId(7)));
    meter.begin(Some(Restored { id: CheckpointId(6), kind: BarrierKind::Savepoint }), 99);
    let now = meter.now();
    assert_eq!((now.failed, now.in_progress), (1, None));
    let failure = now.last_failure.unwrap();
    assert_eq!(failure.at_ms, 99);
    assert!(failure.reason.contains('7'), "{}", failure.reason);
    assert_eq!(now.restored.map(|r| r.id), Some(CheckpointId(6)));
}

#[test]
fn so_many_durations_are_kept_and_the_oldest_go() {
    let meter = CheckpointMeter::default();
    let kept = u64::try_from(DURATIONS_KEPT).unwrap();
    for id in 1..=kept + 3 {
        let (id, kind) = (CheckpointId(id), BarrierKind::Checkpoint);
        let duration = Duration::from_millis(2);
        meter.completed(Took { id, kind, at_ms: 5, duration, size: None });
    }
    meter.weighs(CheckpointId(kept + 3), 321);
    let now = meter.now();
    assert_eq!((now.completed, now.took.len()), (kept + 3, DURATIONS_KEPT));
    assert_eq!(now.took.front().unwrap().id, CheckpointId(4));
    assert_eq!(now.last().unwrap().size, Some(321));
}

#[test]
fn a_change_that_is_told_again_after_a_restart_is_counted_once_and_a_long_statement_is_cut() {
    let meter = UnappliedMeter::default();
    let told = |table: &str, statement: &str| sinks::Unapplied {
        sink: "sink[0]".to_owned(),
        table: model::TableName::new("d", table),
        statement: statement.into(),
        why: "it cannot".to_owned(),
    };
    meter.told(told("a", "ALTER"), 1);
    meter.told(told("a", "ALTER"), 2);
    meter.told(told("b", &"\u{e9}".repeat(10_000)), 3);
    let now = meter.now();
    assert_eq!((now.count, now.kept.len()), (2, 2));
    assert_eq!((now.kept[0].number, now.kept[0].at_ms, now.kept[1].number), (1, 1, 2));
    assert!(now.kept[1].what.statement.len() < 2100);
    for n in 0..200 {
        meter.told(told(&n.to_string(), "DROP"), 4);
    }
    let now = meter.now();
    assert_eq!((now.count, now.kept.len()), (202, UNAPPLIED_KEPT));
    assert_eq!(now.kept.back().unwrap().number, 202);
}
