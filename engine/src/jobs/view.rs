//! What the API shows of a job.

use std::sync::Arc;

use job::{BacklogInterval, JobSpec, Retention};
use model::checkpoint::Listed;
use model::{BarrierKind, Checkpoint, CheckpointMode};
use state::StateUrl;
use tokio::sync::watch;

use super::record::Record;
use super::samples::Ring;
use super::script;
use crate::alerts::Observation;
use crate::api::{
    CheckpointFailure, CheckpointNow, Configured, JobDetail, JobSummary, Progress, Snapshot,
    SnapshotKind, SnapshotSummary, Spread, TableRow, TableState, Tables,
};
use crate::commands::words;
use crate::control::Control;
use crate::error::chain;
use crate::lag::Behind;
use crate::metrics::{JobMetrics, RunMetrics};
use crate::source::status::{Status, TableStage, TableStatus};

/// How a job stands, as its actor shows it to everybody.
#[derive(Clone)]
pub(super) struct Look {
    pub record: Record,
    pub error: Option<String>,
    pub savepoint_error: Option<String>,
    /// Of the newest version of the script; `None` where that cannot be read any more.
    pub brief: Option<Arc<Brief>>,
    /// The run under way, or the last one of this daemon.
    pub run: Option<Seen>,
    pub last_snapshot_ms: Option<i64>,
}

/// A run, for those who look.
#[derive(Clone)]
pub(super) struct Seen {
    pub control: Control,
    pub status: watch::Receiver<Status>,
    pub behind: watch::Receiver<Option<Behind>>,
    pub is_over: bool,
}

/// What a script says that is shown of its job.
#[derive(Debug, Clone)]
pub(super) struct Brief {
    pub source: Option<String>,
    pub sinks: Vec<String>,
    pub configured: Configured,
    pub state: StateUrl,
    pub notes: Vec<String>,
}

impl Brief {
    pub(super) fn of(spec: &JobSpec, state: StateUrl) -> Self {
        Self {
            source: script::source(spec),
            sinks: script::connectors(spec),
            configured: configured(spec, &state),
            state,
            notes: spec.notes.iter().map(ToString::to_string).collect(),
        }
    }
}

fn configured(spec: &JobSpec, state: &StateUrl) -> Configured {
    let ms = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let settings = &spec.checkpointing;
    let interval_ms = settings.interval.map(ms);
    Configured {
        mode: match settings.mode {
            CheckpointMode::ExactlyOnce => "exactly_once".to_owned(),
            CheckpointMode::AtLeastOnce => "at_least_once".to_owned(),
        },
        interval_ms,
        interval_during_backlog_ms: match settings.interval_during_backlog {
            BacklogInterval::Same => interval_ms,
            BacklogInterval::Off => None,
            BacklogInterval::Every(period) => interval_ms.map(|_| ms(period)),
        },
        timeout_ms: ms(settings.timeout),
        min_pause_ms: ms(settings.min_pause),
        tolerable_failures: settings.tolerable_failures,
        retained: settings.num_retained.get(),
        retention: match settings.retention {
            Retention::Retain => "retain_on_cancellation".to_owned(),
            Retention::DeleteOnCancellation => "delete_on_cancellation".to_owned(),
            Retention::DeleteAlways => "no_externalized_checkpoints".to_owned(),
        },
        state: state.to_string(),
        savepoint_dir: settings.savepoint_dir.clone(),
    }
}

impl Look {
    fn status(&self) -> Status {
        self.run.as_ref().map(|run| run.status.borrow().clone()).unwrap_or_default()
    }

    /// The run that is under way.
    pub(super) fn running(&self) -> Option<&Seen> {
        self.run.as_ref().filter(|run| !run.is_over)
    }

    pub(super) fn summary(&self, samples: &Ring) -> JobSummary {
        let record = &self.record;
        let status = self.status();
        let running = self.running();
        let behind = running.and_then(|run| *run.behind.borrow());
        let lately = running.and_then(|_| samples.lately());
        let host = status.host.as_ref().map(ToString::to_string);
        let brief = self.brief.as_deref();
        let newest = self
            .run
            .as_ref()
            .and_then(|run| run.control.checkpoints().last().map(|took| took.at_ms));
        JobSummary {
            name: record.name.clone(),
            state: record.standing.state,
            reason: record.standing.reason.clone(),
            waits_for: running.and_then(|run| run.control.meters().waits()),
            since_ms: record.standing.since_ms,
            version: record.version,
            source: host.or_else(|| brief.and_then(|brief| brief.source.clone())),
            sinks: brief.map(|brief| brief.sinks.clone()).unwrap_or_default(),
            tables: status.tables as u64 + status.quarantined.len() as u64,
            tables_live: status.tables_live as u64,
            tables_quarantined: status.quarantined.len() as u64,
            rows_per_second: lately.map(|(read, streamed)| read + streamed),
            lag_seconds: behind.map(|behind| behind.seconds as f64),
            last_snapshot_ms: newest.max(self.last_snapshot_ms),
            restarts: self.run.as_ref().map_or(0, |run| run.control.meters().restarts()),
        }
    }

    pub(super) fn detail(&self, samples: &Ring) -> JobDetail {
        let record = &self.record;
        JobDetail {
            summary: self.summary(samples),
            wanted: record.wanted,
            strategy: record.strategy,
            created_at_ms: record.created_at_ms,
            updated_at_ms: record.updated_at_ms,
            started_at_ms: record.started_at_ms,
            error: self.error.clone(),
            savepoint_error: self.savepoint_error.clone(),
            progress: self.progress(samples),
            checkpoints: self.checkpoints(),
            notes: self.brief.as_ref().map(|brief| brief.notes.clone()).unwrap_or_default(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
    fn progress(&self, samples: &Ring) -> Progress {
        let Some(run) = &self.run else { return Progress::default() };
        let status = self.status();
        let rows = run.control.meters().rows.now();
        let behind = self.running().and_then(|run| *run.behind.borrow());
        let pace = self.running().and_then(|_| samples.lately()).map(|(read, _)| read);
        let left = status.rows_left_estimate;
        Progress {
            rows_read: status.rows_read,
            rows_left_estimate: left,
            snapshot_seconds_left: pace
                .filter(|pace| left > 0 && *pace >= 1.0)
                .map(|pace| left as f64 / pace),
            events_streamed: status.events_streamed,
            rows_streamed: rows.streamed(),
            bytes: rows.bytes,
            position: status.position.as_ref().map(ToString::to_string),
            lag_bytes: behind.and_then(|behind| behind.bytes),
            lag_transactions: behind.and_then(|behind| behind.transactions),
            retention_seconds_left: behind.and_then(|behind| behind.retention),
        }
    }

    fn checkpoints(&self) -> CheckpointNow {
        let Some(run) = &self.run else { return CheckpointNow::default() };
        let now = run.control.checkpoints();
        CheckpointNow {
            completed: now.completed,
            failed: now.failed,
            in_progress: now.in_progress.is_some(),
            last_failure: now
                .last_failure
                .map(|failure| CheckpointFailure { at_ms: failure.at_ms, reason: failure.reason }),
            restored: now.restored.map(|restored| restored.id.0),
            restored_kind: now.restored.map(|restored| kind(restored.kind)),
        }
    }

    pub(super) fn metrics(&self) -> JobMetrics {
        JobMetrics {
            name: self.record.name.clone(),
            state: self.record.standing.state,
            run: self.run.as_ref().map(|run| RunMetrics {
                status: run.status.borrow().clone(),
                meters: Arc::clone(run.control.meters()),
                behind: if run.is_over { None } else { *run.behind.borrow() },
            }),
        }
    }

    pub(super) fn observation(&self) -> Observation {
        let standing = &self.record.standing;
        let error = self.error.clone();
        Observation::of(&self.metrics(), &standing.reason, standing.since_ms, error)
    }

    pub(super) fn tables(&self) -> Tables {
        Tables { tables: self.status().list.iter().map(table).collect() }
    }
}

fn table(status: &TableStatus) -> TableRow {
    let now = status.now();
    TableRow {
        name: status.name.to_string(),
        state: match now.stage {
            TableStage::Waiting => TableState::Waiting,
            TableStage::Snapshotting => TableState::Snapshotting,
            TableStage::Live => TableState::Live,
            TableStage::Quarantined => TableState::Quarantined,
        },
        rows_read: now.rows_read,
        rows_left_estimate: now.rows_left_estimate,
        rows_streamed: now.rows.streamed(),
        bytes: now.rows.bytes,
        last_change_ms: now.last_change_ms,
        events_dropped: now.events_dropped,
        reason: status.apart.as_ref().map(|apart| apart.reason.to_string()),
    }
}

fn kind(kind: BarrierKind) -> SnapshotKind {
    match kind {
        BarrierKind::Checkpoint => SnapshotKind::Checkpoint,
        BarrierKind::Savepoint => SnapshotKind::Savepoint,
    }
}

pub(super) fn listed(listed: &Listed) -> Snapshot {
    match &listed.content {
        Ok(checkpoint) => snapshot(checkpoint, listed.size),
        Err(error) => Snapshot {
            id: listed.id.0,
            kind: None,
            trigger: None,
            note: None,
            completed_at_ms: None,
            duration_ms: None,
            size_bytes: listed.size,
            position: None,
            tables: None,
            tables_live: None,
            tables_quarantined: None,
            rows_read: None,
            restorable: false,
            reason: Some(chain(error)),
        },
    }
}

pub(super) fn snapshot(c: &Checkpoint, size: u64) -> Snapshot {
    let progress = words::Progress::of(c);
    Snapshot {
        id: c.id.0,
        kind: Some(kind(c.kind)),
        trigger: Some(c.trigger.clone()),
        note: Some(c.note.clone()),
        completed_at_ms: Some(c.completed_at_ms),
        duration_ms: Some(c.duration_ms),
        size_bytes: size,
        position: Some(words::position(&c.source.position)),
        tables: Some(progress.tables() as u64),
        tables_live: Some(progress.live as u64),
        tables_quarantined: Some(progress.apart as u64),
        rows_read: Some(c.source.counters.rows_read),
        restorable: true,
        reason: None,
    }
}

pub(super) fn summary_of(snapshots: &[Snapshot]) -> SnapshotSummary {
    let of = |kind| snapshots.iter().filter(|s| s.kind == Some(kind)).count() as u64;
    let sizes: Vec<u64> = readable(snapshots).map(|s| s.size_bytes).collect();
    let durations: Vec<u64> = readable(snapshots).filter_map(|s| s.duration_ms).collect();
    SnapshotSummary {
        checkpoints: of(SnapshotKind::Checkpoint),
        savepoints: of(SnapshotKind::Savepoint),
        unreadable: snapshots.iter().filter(|s| !s.restorable).count() as u64,
        duration_ms: spread(&durations),
        size_bytes: spread(&sizes),
    }
}

fn readable(snapshots: &[Snapshot]) -> impl Iterator<Item = &Snapshot> {
    snapshots.iter().filter(|snapshot| snapshot.restorable)
}

fn spread(values: &[u64]) -> Option<Spread> {
    let (min, max) = (*values.iter().min()?, *values.iter().max()?);
    let sum: u128 = values.iter().map(|value| u128::from(*value)).sum();
    let mean = u64::try_from(sum / values.len().max(1) as u128).unwrap_or(u64::MAX);
    Some(Spread { min, mean, max })
}
