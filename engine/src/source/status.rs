//! How a run stands, for people.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};

use job::Host;
use model::{BinlogPosition, Gtids, RowsKind, TableName};
use tokio::time::Instant;

use super::tables::{Followed, Phase, TableSet};
use super::{MySqlSource, STATUS_PERIOD};
use crate::meters::{RowMeter, Rows};

/// A look at the source, renewed twice a second.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The one that is read.
    pub host: Option<Host>,
    pub tables: usize,
    /// Tables whose snapshot is complete.
    pub tables_live: usize,
    /// Tables that stand apart, with the rows events of each that were passed over.
    pub quarantined: Vec<(TableName, u64)>,
    /// Snapshot rows emitted since the job began.
    pub rows_read: u64,
    /// The server's estimate of the rows still to read.
    pub rows_left_estimate: u64,
    /// Rows events of followed tables since the job began.
    pub events_streamed: u64,
    pub position: Option<BinlogPosition>,
    /// Transactions taken; [`Gtids::None`] where the server has no GTIDs.
    pub gtids: Gtids,
    /// Source time of the newest event, in milliseconds since the epoch; 0 before the first.
    pub position_ts_ms: i64,
    /// Every table by name, and behind them those that stand apart. The same list until the tables
    /// are others: the numbers are behind it.
    pub list: Arc<[TableStatus]>,
}

/// A table of a run.
#[derive(Debug, Clone)]
pub struct TableStatus {
    pub name: TableName,
    /// Of a table in quarantine.
    pub apart: Option<SetApart>,
    meter: Arc<TableMeter>,
}

/// Why a table is in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetApart {
    pub reason: Arc<str>,
    /// Milliseconds since the epoch.
    pub since_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableStage {
    /// Its turn to be read has not come.
    Waiting,
    Snapshotting,
    /// Its changes flow.
    Live,
    Quarantined,
}

/// The numbers of a table at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableNow {
    pub stage: TableStage,
    /// Snapshot rows handed on; 0 where the table was complete before the run began.
    pub rows_read: u64,
    /// By the server's estimate.
    pub rows_left_estimate: u64,
    /// Counted since the run began. `read` are those of the run.
    pub rows: Rows,
    /// Source time of its newest change, in milliseconds since the epoch.
    pub last_change_ms: Option<i64>,
    /// Rows events that were passed over while it stood apart.
    pub events_dropped: u64,
}

impl TableStatus {
    /// One that is read through, for tests.
    #[cfg(test)]
    pub(crate) fn live(name: TableName) -> Self {
        let meter = TableMeter { stage: AtomicU8::new(LIVE), ..TableMeter::default() };
        Self { name, apart: None, meter: Arc::new(meter) }
    }

    pub fn now(&self) -> TableNow {
        let meter = &self.meter;
        let last_change = meter.last_change_ms.load(Ordering::Relaxed);
        let stage = match (&self.apart, meter.stage.load(Ordering::Relaxed)) {
            (Some(_), _) => TableStage::Quarantined,
            (None, SNAPSHOTTING) => TableStage::Snapshotting,
            (None, LIVE) => TableStage::Live,
            (None, _) => TableStage::Waiting,
        };
        TableNow {
            stage,
            rows_read: meter.rows_read.load(Ordering::Relaxed),
            rows_left_estimate: meter.rows_left.load(Ordering::Relaxed),
            rows: meter.rows.now(),
            last_change_ms: (last_change > 0).then_some(last_change),
            events_dropped: meter.dropped.load(Ordering::Relaxed),
        }
    }
}

const WAITING: u8 = 0;
const SNAPSHOTTING: u8 = 1;
const LIVE: u8 = 2;

/// What the source counts of a table, without a lock.
#[derive(Debug, Default)]
pub struct TableMeter {
    stage: AtomicU8,
    rows_read: AtomicU64,
    rows_left: AtomicU64,
    rows: RowMeter,
    last_change_ms: AtomicI64,
    dropped: AtomicU64,
}

impl TableMeter {
    pub(super) fn streamed(&self, kind: RowsKind, rows: u64, bytes: usize, ts_ms: i64) {
        self.rows.add(kind, rows, bytes);
        if ts_ms > 0 {
            self.last_change_ms.store(ts_ms, Ordering::Relaxed);
        }
    }

    /// Rows of the snapshot.
    pub(super) fn read(&self, rows: u64, bytes: usize) {
        self.rows.add(RowsKind::Read, rows, bytes);
        self.rows_read.fetch_add(rows, Ordering::Relaxed);
    }
}

impl Followed {
    /// Brings its meter up to date, and tells the rows left to read.
    fn look(&self) -> u64 {
        let (stage, left) = match &self.phase {
            Phase::Live => (LIVE, 0),
            Phase::Snapshot(table) => {
                // Of the job, where that is more than the run has seen.
                self.meter.rows_read.store(table.rows(), Ordering::Relaxed);
                let stage = if table.is_untouched() { WAITING } else { SNAPSHOTTING };
                (stage, self.rows_estimate.saturating_sub(table.rows()))
            }
            Phase::Pass(pass) => {
                (if pass.is_begun() { SNAPSHOTTING } else { WAITING }, self.rows_estimate)
            }
        };
        self.meter.stage.store(stage, Ordering::Relaxed);
        self.meter.rows_left.store(left, Ordering::Relaxed);
        left
    }
}

impl TableSet {
    /// True where `list` is of these tables.
    pub(super) fn is_listed(&self, list: &[TableStatus]) -> bool {
        let Some((followed, apart)) = list.split_at_checked(self.followed.len()) else {
            return false;
        };
        let same = |(status, (name, table)): (&TableStatus, (&TableName, &Followed))| {
            status.apart.is_none()
                && status.name == *name
                && Arc::ptr_eq(&status.meter, &table.meter)
        };
        let known = |status: &TableStatus| status.apart.as_ref().map(|apart| apart.since_ms);
        let apart = apart.iter().map(|status| (&status.name, known(status)));
        followed.iter().zip(&self.followed).all(same)
            && apart.eq(self.apart.tables().map(|q| (&q.table, Some(q.since_ms))))
    }

    pub(super) fn list(&self, before: &[TableStatus]) -> Arc<[TableStatus]> {
        let followed = self.followed.iter().map(|(name, table)| TableStatus {
            name: name.clone(),
            apart: None,
            meter: Arc::clone(&table.meter),
        });
        let apart = self.apart.tables().map(|q| TableStatus {
            name: q.table.clone(),
            apart: Some(SetApart { reason: q.reason.as_str().into(), since_ms: q.since_ms }),
            meter: known(before, &q.table).unwrap_or_default(),
        });
        followed.chain(apart).collect()
    }
}

fn known(list: &[TableStatus], name: &TableName) -> Option<Arc<TableMeter>> {
    list.iter().find(|status| status.name == *name).map(|status| Arc::clone(&status.meter))
}

impl MySqlSource {
    /// A run that starts again counts on.
    pub(super) fn count_on(&mut self) {
        let list = Arc::clone(&self.status.borrow().list);
        for status in list.iter() {
            if let Some(table) = self.tables.followed.get_mut(&status.name) {
                table.meter = Arc::clone(&status.meter);
            }
        }
        self.publish();
    }

    pub(super) fn publish_if_due(&mut self) {
        if self.status_at.elapsed() >= STATUS_PERIOD {
            self.publish();
            self.xa.look();
        }
    }

    pub(super) fn publish(&mut self) {
        self.status_at = Instant::now();
        self.tell_backlog();
        let tables = &self.tables;
        let rows_left_estimate = tables.followed.values().map(Followed::look).sum();
        let is_live = |table: &&Followed| matches!(table.phase, Phase::Live);
        let tables_live = tables.followed.values().filter(is_live).count();
        let mut list = Arc::clone(&self.status.borrow().list);
        if !tables.is_listed(&list) {
            list = tables.list(&list);
        }
        for (status, known) in list.iter().skip(tables.followed.len()).zip(tables.apart.tables()) {
            status.meter.dropped.store(known.events_dropped, Ordering::Relaxed);
        }
        let position = self.reader.position();
        self.status.send_replace(Status {
            host: Some(Host { name: self.options.host.clone(), port: self.options.port }),
            tables: tables.followed.len(),
            tables_live,
            quarantined: tables
                .apart
                .tables()
                .map(|q| (q.table.clone(), q.events_dropped))
                .collect(),
            rows_read: self.counters.rows_read,
            rows_left_estimate,
            events_streamed: self.counters.events_streamed,
            position: Some(position.binlog.clone()),
            gtids: position.gtids.clone(),
            position_ts_ms: self.position_ts_ms,
            list,
        });
    }
}
