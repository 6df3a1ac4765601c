//! What the page says of jobs, their checkpoints and their sinks.

use std::fmt::Display;

use super::names;
use super::text::{Family, Metric};
use super::{JobMetrics, RunMetrics};
use crate::api::JobState;
use crate::lag::Behind;
use crate::meters::{BOUNDS_MS, Checkpoints, Rows, SinkNow, Timings};
use crate::source::status::{Status, TableStage};

pub(super) fn write(page: &mut String, jobs: &[JobMetrics]) {
    let mut family = Family::of(page, &names::STATE);
    for job in jobs {
        for state in JobState::ALL {
            family.put(&[&job.name, state.name()], u8::from(state == job.state));
        }
    }
    let runs: Vec<(&str, &RunMetrics)> =
        jobs.iter().filter_map(|job| Some((&*job.name, job.run.as_ref()?))).collect();
    each(page, &names::RESTARTS, &runs, |run| Some(run.meters.restarts()));
    rows(page, &runs);
    lag(page, &runs);
    checkpoints(page, &runs);
    sinks(page, &runs);
}

/// A metric with one value for each job, or none.
fn each<T, V: Display>(
    page: &mut String,
    metric: &'static Metric,
    of: &[(&str, T)],
    value: impl Fn(&T) -> Option<V>,
) {
    let mut family = Family::of(page, metric);
    for (job, what) in of {
        family.put_some(&[job], value(what));
    }
}

fn rows(page: &mut String, runs: &[(&str, &RunMetrics)]) {
    let mut family = Family::of(page, &names::JOB_TABLES);
    for (job, run) in runs {
        for (stage, count) in stages(&run.status) {
            family.put(&[job, stage], count);
        }
    }
    let mut family = Family::of(page, &names::JOB_ROWS);
    for (job, run) in runs {
        for (op, rows) in by_op(&run.meters.rows.now()) {
            family.put(&[job, op], rows);
        }
    }
    each(page, &names::JOB_BYTES, runs, |run| Some(run.meters.rows.now().bytes));
    each(page, &names::ROWS_LEFT, runs, |run| Some(run.status.rows_left_estimate));
}

fn stages(status: &Status) -> [(&'static str, usize); 4] {
    let count = |stage| status.list.iter().filter(|table| table.now().stage == stage).count();
    [
        ("waiting", count(TableStage::Waiting)),
        ("snapshotting", count(TableStage::Snapshotting)),
        ("live", count(TableStage::Live)),
        ("quarantined", count(TableStage::Quarantined)),
    ]
}

pub(super) fn by_op(rows: &Rows) -> [(&'static str, u64); 4] {
    [
        ("read", rows.read),
        ("insert", rows.inserted),
        ("update", rows.updated),
        ("delete", rows.deleted),
    ]
}

fn lag(page: &mut String, runs: &[(&str, &RunMetrics)]) {
    let measured: Vec<(&str, Behind)> =
        runs.iter().filter_map(|(job, run)| Some((*job, run.behind?))).collect();
    each(page, &names::LAG_SECONDS, &measured, |behind| Some(behind.seconds));
    each(page, &names::LAG_BYTES, &measured, |behind| behind.bytes);
    each(page, &names::LAG_TRANSACTIONS, &measured, |behind| behind.transactions);
    each(page, &names::RETENTION, &measured, |behind| behind.retention);
}

fn checkpoints(page: &mut String, runs: &[(&str, &RunMetrics)]) {
    let all: Vec<(&str, Checkpoints)> =
        runs.iter().map(|(job, run)| (*job, run.meters.checkpoints.now())).collect();
    let mut family = Family::of(page, &names::CHECKPOINTS);
    for (job, now) in &all {
        family.put(&[job, "completed"], now.completed);
        family.put(&[job, "failed"], now.failed);
    }
    each(page, &names::UNDER_WAY, &all, |now| Some(u8::from(now.in_progress.is_some())));
    let mut family = Family::of(page, &names::TOOK);
    for (job, now) in &all {
        family.part("_sum", &[job], None, now.durations.as_secs_f64());
        family.part("_count", &[job], None, now.completed);
    }
    each(page, &names::LAST_TOOK, &all, |now| Some(now.last()?.duration.as_secs_f64()));
    each(page, &names::LAST_SIZE, &all, |now| now.took.iter().rev().find_map(|took| took.size));
    each(page, &names::LAST_AT, &all, |now| Some(seconds(now.last()?.at_ms)));
}

/// Milliseconds since the epoch as seconds.
#[expect(clippy::cast_precision_loss, reason = "exact for any time that comes")]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn sinks(page: &mut String, runs: &[(&str, &RunMetrics)]) {
    let sinks: Vec<(&str, SinkNow)> = runs
        .iter()
        .flat_map(|(job, run)| run.meters.sinks().into_iter().map(|sink| (*job, sink)))
        .collect();
    let mut numbers = |metric, value: fn(&SinkNow) -> u64| {
        let mut family = Family::of(page, metric);
        for (job, sink) in &sinks {
            family.put(&[job, &sink.name, &sink.connector], value(sink));
        }
    };
    numbers(&names::SINK_ROWS, |sink| sink.rows);
    numbers(&names::SINK_BYTES, |sink| sink.bytes);
    numbers(&names::SINK_ERRORS, |sink| sink.errors);
    numbers(&names::SINK_QUEUE, |sink| sink.queue_bytes);
    let mut times = |metric, value: fn(&SinkNow) -> &Timings| {
        let mut family = Family::of(page, metric);
        for (job, sink) in &sinks {
            histogram(&mut family, &[job, &sink.name, &sink.connector], value(sink));
        }
    };
    times(&names::SINK_WRITE, |sink| &sink.write);
    times(&names::SINK_PREPARE, |sink| &sink.prepare);
    times(&names::SINK_COMMIT, |sink| &sink.commit);
}

#[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
fn histogram(family: &mut Family<'_>, labels: &[&str], times: &Timings) {
    let mut within = 0;
    for (bound, bucket) in BOUNDS_MS.iter().zip(times.buckets) {
        within += bucket;
        let le = (*bound as f64 / 1000.0).to_string();
        family.part("_bucket", labels, Some(&le), within);
    }
    family.part("_bucket", labels, Some("+Inf"), times.count);
    family.part("_sum", labels, None, times.sum.as_secs_f64());
    family.part("_count", labels, None, times.count);
}
