//! The tables that a job follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use binlog::reader::{BinlogError, Place, Settled, Tables};
use binlog::{TableMap, TablePlan};
use job::TablePatterns;
use model::checkpoint::{TablePhase, TableState, Unproven};
use model::{BinlogPosition, TableName, TableSchema};

use super::SourceError;
use super::catalog::CatalogTable;
use super::merge::SnapshotTable;
use super::online_ddl::OnlineDdl;
use super::order::KeyOrder;
use super::pass::PassTable;
use super::quarantine::Apart;
use super::snapshot::plan::PlanId;
use super::status::TableMeter;

#[derive(Debug)]
pub enum Phase {
    /// Every change flows.
    Live,
    /// Chunks are read and merged.
    Snapshot(SnapshotTable),
    /// No key: read in one pass.
    Pass(PassTable),
}

#[derive(Debug)]
pub struct Followed {
    pub schema: Arc<TableSchema>,
    pub engine: Arc<str>,
    pub rows_estimate: u64,
    pub row_bytes: u64,
    pub phase: Phase,
    /// The plan that its chunks are cut by.
    pub plan: PlanId,
    /// The schema was read from the server, and the stream is not that far yet.
    pub unproven: Option<Unproven>,
    /// Its rows are passed over undecoded, until its first chunk opens.
    pub asleep: bool,
    /// Why rows of this table cannot be read at the stream's position, if so.
    pub unknown: Option<String>,
    pub meter: Arc<TableMeter>,
}

impl Followed {
    /// A table all of whose changes flow.
    pub fn live(table: CatalogTable) -> Self {
        Self {
            schema: table.schema,
            engine: table.engine.into(),
            rows_estimate: table.rows_estimate,
            row_bytes: table.row_bytes_estimate,
            phase: Phase::Live,
            plan: PlanId::default(),
            unproven: None,
            asleep: false,
            unknown: None,
            meter: Arc::default(),
        }
    }

    /// A table that is to be read from the start.
    pub fn to_read(table: CatalogTable) -> Self {
        let mut followed = Self::live(table);
        followed.phase = unread(&followed.schema);
        followed
    }

    /// A table as a checkpoint left it; `now`: what the server says of it today.
    pub fn restored(state: &TableState, now: Option<&CatalogTable>) -> Self {
        let schema = Arc::clone(&state.schema);
        let phase = match &state.phase {
            TablePhase::Live => Phase::Live,
            TablePhase::Snapshot { done, rows, .. } => match KeyOrder::of(&schema) {
                Some(order) => Phase::Snapshot(SnapshotTable::new(
                    Arc::clone(&schema),
                    order,
                    done.clone(),
                    *rows,
                )),
                None => unread(&schema),
            },
        };
        Self {
            schema,
            engine: now.map_or("InnoDB", |t| t.engine.as_str()).into(),
            rows_estimate: now.map_or(0, |t| t.rows_estimate),
            row_bytes: now.map_or(0, |t| t.row_bytes_estimate),
            phase,
            plan: PlanId::default(),
            unproven: state.unproven.clone(),
            asleep: false,
            unknown: None,
            meter: Arc::default(),
        }
    }

    /// The definition was read from the server, whose binlog then reached to `until`.
    pub fn read_at(&mut self, until: BinlogPosition) {
        self.unproven = Some(Unproven { until, used: false, anew: false });
    }

    /// True where the definition is the one in force behind `position`.
    pub fn is_proven_at(&self, position: &BinlogPosition) -> bool {
        self.unknown.is_none() && self.unproven.as_ref().is_none_or(|u| *position > u.until)
    }

    /// Rows of it go out, and the stream is at `position`: is its definition proven by now?
    pub fn trust(&mut self, position: &BinlogPosition) {
        if let Some(unproven) = &mut self.unproven {
            unproven.used = true;
            self.unproven.take_if(|u| *position >= u.until);
        }
    }

    /// True where nothing of its snapshot is done or open.
    fn is_untouched(&self) -> bool {
        match &self.phase {
            Phase::Live => false,
            Phase::Snapshot(table) => table.is_untouched(),
            Phase::Pass(pass) => !pass.is_begun(),
        }
    }

    /// For the checkpoint.
    pub fn state(&self) -> TableState {
        let phase = match &self.phase {
            Phase::Snapshot(table) => table.progress(),
            Phase::Live => TablePhase::Live,
            // A pass is all or nothing: until it is complete nothing of it counts.
            Phase::Pass(_) => TablePhase::Snapshot { done: model::RangeSet::default(), rows: 0 },
        };
        let (schema, unproven) = (Arc::clone(&self.schema), self.unproven.clone());
        TableState { schema, phase, unproven }
    }

    /// Takes a new definition: what is open of a snapshot is read again.
    pub fn redefine(&mut self, schema: Arc<TableSchema>) -> Redefined {
        let same_index = self.schema.key_index == schema.key_index;
        let mut redefined = Redefined::AsBefore;
        self.phase = match std::mem::replace(&mut self.phase, Phase::Live) {
            Phase::Live => Phase::Live,
            Phase::Snapshot(mut table) => match KeyOrder::of(&schema) {
                Some(order) if table.order().is_same_as(&order) => {
                    table.spoil(Arc::clone(&schema), order);
                    if !same_index {
                        table.give_up();
                        redefined = Redefined::PlanAnew;
                    }
                    Phase::Snapshot(table)
                }
                // Another key: the ranges done say nothing about it, and their rows are out.
                _ => {
                    redefined =
                        if table.is_blank() { Redefined::PlanAnew } else { Redefined::KeyLost };
                    unread(&schema)
                }
            },
            Phase::Pass(_) => {
                redefined = Redefined::PlanAnew;
                unread(&schema)
            }
        };
        self.schema = schema;
        redefined
    }

    /// Takes another name, and forgets the chunks under way: they bear the old one.
    pub fn rename(&mut self, schema: Arc<TableSchema>) {
        let _ = self.redefine(schema);
        if let Phase::Snapshot(table) = &mut self.phase {
            table.give_up();
        }
    }
}

fn unread(schema: &Arc<TableSchema>) -> Phase {
    match KeyOrder::of(schema) {
        Some(order) => {
            let done = model::RangeSet::default();
            Phase::Snapshot(SnapshotTable::new(Arc::clone(schema), order, done, 0))
        }
        None => Phase::Pass(PassTable::default()),
    }
}

/// What a new definition means to a table's snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Redefined {
    AsBefore,
    /// Its chunks are to be cut anew.
    PlanAnew,
    /// Rows were read by a key that is gone: what is left to read cannot be told any more.
    KeyLost,
}

/// All followed tables, and which others would be.
#[derive(Debug)]
pub struct TableSet {
    pub followed: BTreeMap<TableName, Followed>,
    /// Sequences and their like: in the binlog, and no tables of rows.
    pub others: BTreeSet<TableName>,
    /// Match, and are not followed any more; none of them is among `followed`.
    pub apart: Apart,
    pub patterns: TablePatterns,
    /// `lower_case_table_names` is not 0: names in statements compare without case.
    pub fold_case: bool,
    pub online: OnlineDdl,
}

impl TableSet {
    /// A name as the server stores it.
    pub fn stored(&self, name: &TableName) -> TableName {
        if self.fold_case {
            return TableName::new(name.db.to_lowercase(), name.table.to_lowercase());
        }
        name.clone()
    }

    pub fn states(&self) -> Vec<TableState> {
        self.followed.values().map(Followed::state).collect()
    }

    pub fn is_all_live(&self) -> bool {
        self.followed.values().all(|t| matches!(t.phase, Phase::Live))
    }

    /// True where no row of any table is read: what was committed before now is still to be seen.
    pub fn is_unread(&self) -> bool {
        self.followed.values().all(|t| match &t.phase {
            Phase::Live => false,
            Phase::Snapshot(table) => table.is_blank(),
            Phase::Pass(pass) => !pass.is_emitting(),
        })
    }
}

impl Tables for TableSet {
    fn plan(
        &mut self,
        map: &TableMap,
        settled: Settled,
    ) -> Result<Option<Arc<TablePlan>>, BinlogError> {
        let name = TableName::new(&*map.db, &*map.table);
        let Some(followed) = self.followed.get_mut(&name) else {
            let known = self.others.contains(&name) || self.apart.has(&name);
            let is_ours = self.patterns.matches(&name) && !known;
            if is_ours && !self.passes_over(&name) {
                let what = "its definition at this point of the binlog is not known".to_owned();
                let error = SourceError::UnknownSchema { table: name, what };
                return Err(BinlogError::Table(Box::new(error)));
            }
            return Ok(None);
        };
        if followed.is_untouched() && settled == Settled::Here {
            // Its rows are dropped whatever they hold: the chunk that covers them opens later. Those
            // of an XA transaction are not: its commit may come behind that chunk.
            followed.asleep = true;
            return Ok(None);
        }
        if let Some(what) = &followed.unknown {
            let error = SourceError::UnknownSchema { table: name, what: what.clone() };
            return Err(BinlogError::Table(Box::new(error)));
        }
        match TablePlan::new(map, &followed.schema) {
            Ok(plan) => Ok(Some(Arc::new(plan))),
            Err(error) => Err(BinlogError::Table(Box::new(error))),
        }
    }

    fn refused(
        &mut self,
        table: &TableName,
        place: Place,
        error: BinlogError,
    ) -> Result<(), BinlogError> {
        if !self.apart.is_wanted() {
            return Err(error);
        }
        self.set_apart(table, place, crate::error::chain(&error));
        Ok(())
    }

    fn passed_over(&mut self, table: &TableName) {
        self.apart.dropped(table);
    }
}
