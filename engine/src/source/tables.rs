//! The tables that a job follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use binlog::reader::{BinlogError, Tables};
use binlog::{TableMap, TablePlan};
use job::TablePatterns;
use model::checkpoint::{TablePhase, TableState};
use model::{BinlogPosition, TableName, TableSchema};

use super::SourceError;
use super::catalog::CatalogTable;
use super::merge::SnapshotTable;
use super::order::KeyOrder;
use super::pass::PassTable;
use super::snapshot::plan::PlanId;

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
    /// The schema was read from the server, whose binlog then already reached to here: until the
    /// stream is there, another change of the table may be on its way.
    pub unproven_until: Option<BinlogPosition>,
    /// Why rows of this table cannot be read at the stream's position, if so.
    pub unknown: Option<String>,
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
            unproven_until: None,
            unknown: None,
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
            unproven_until: None,
            unknown: None,
        }
    }

    /// For the checkpoint.
    pub fn state(&self) -> TableState {
        match &self.phase {
            Phase::Snapshot(table) => table.state(),
            Phase::Live => TableState { schema: Arc::clone(&self.schema), phase: TablePhase::Live },
            // A pass is all or nothing: until it is complete nothing of it counts.
            Phase::Pass(_) => TableState {
                schema: Arc::clone(&self.schema),
                phase: TablePhase::Snapshot { done: model::RangeSet::default(), rows: 0 },
            },
        }
    }

    /// Takes a new definition: what is open of a snapshot is read again. True where the snapshot
    /// has to be planned anew, for its key is another one.
    pub fn redefine(&mut self, schema: Arc<TableSchema>) -> bool {
        let mut replan = false;
        self.phase = match std::mem::replace(&mut self.phase, Phase::Live) {
            Phase::Live => Phase::Live,
            Phase::Snapshot(mut table) => match KeyOrder::of(&schema) {
                Some(order) if table.schema().key_columns().eq(schema.key_columns()) => {
                    table.spoil(Arc::clone(&schema), order);
                    Phase::Snapshot(table)
                }
                // Another key: the ranges done say nothing about it.
                _ => {
                    replan = true;
                    unread(&schema)
                }
            },
            Phase::Pass(_) => {
                replan = true;
                unread(&schema)
            }
        };
        self.schema = schema;
        replan
    }

    /// Takes another name, and forgets the chunks under way: they bear the old one.
    pub fn rename(&mut self, schema: Arc<TableSchema>) {
        self.redefine(schema);
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

/// All followed tables, and which others would be.
#[derive(Debug)]
pub struct TableSet {
    pub followed: BTreeMap<TableName, Followed>,
    pub patterns: TablePatterns,
    /// `lower_case_table_names` is not 0: names in statements compare without case.
    pub fold_case: bool,
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
}

impl Tables for TableSet {
    fn plan(&mut self, map: &TableMap) -> Result<Option<Arc<TablePlan>>, BinlogError> {
        let name = TableName::new(&*map.db, &*map.table);
        let Some(followed) = self.followed.get(&name) else {
            if self.patterns.matches(&name) {
                let what = "its definition at this point of the binlog is not known".to_owned();
                let error = SourceError::UnknownSchema { table: name, what };
                return Err(BinlogError::Table(Box::new(error)));
            }
            return Ok(None);
        };
        if let Some(what) = &followed.unknown {
            let error = SourceError::UnknownSchema { table: name, what: what.clone() };
            return Err(BinlogError::Table(Box::new(error)));
        }
        match TablePlan::new(map, &followed.schema) {
            Ok(plan) => Ok(Some(Arc::new(plan))),
            Err(error) => Err(BinlogError::Table(Box::new(error))),
        }
    }
}
