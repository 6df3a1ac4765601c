//! Tables that stand apart, so that one that cannot be read does not end the job (`on-table-error`).
//!
//! INVARIANT set-apart: *what left of a table before it was set apart is a prefix of its changelog,
//! and nothing leaves after.* A table is set apart at one place of the stream: an event is taken
//! whole or not at all (its rows are decoded before the first one goes anywhere), and a chunk leaves
//! whole. From there on the table is not among the followed ones: its chunks and what was held back
//! of it are gone, its plan is over, its rows are passed over undecoded and counted. That it stands
//! apart is part of the checkpoint, so no later run follows it past the hole.
//!
//! Only an error that is of one table by its kind ([`SourceError::is_of_table`]) sets that table apart.
//! What is about the connection, the position, the server, the state or a sink ends the run.
//!
//! A table comes back by `DROP TABLE` (it is gone, and a later one of the name is a new one), or when
//! the user has it read again. Then every sink is told first that it starts over, so that it can
//! empty its copy; until a checkpoint lies behind that word, the checkpoints say that it is to come.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use binlog::reader::{Delivered, Place};
use job::OnTableError;
use model::checkpoint::{Quarantine, Quarantined};
use model::{BinlogPosition, Clock, Origin, RowError, RowsBlock, SchemaChange, TableName};

use super::merge::MergeError;
use super::snapshot::plan::PlanId;
use super::tables::TableSet;
use super::{MySqlSource, SourceError, snapshot};
use crate::error::chain;

/// The tables that stand apart.
pub struct Apart {
    on_error: OnTableError,
    clock: Arc<dyn Clock>,
    tables: BTreeMap<TableName, Quarantined>,
    start_over: BTreeSet<TableName>,
    /// Of tables just set apart: the planner is to forget them.
    plans_over: Vec<PlanId>,
}

impl Apart {
    pub fn new(on_error: OnTableError, clock: Arc<dyn Clock>) -> Self {
        Self {
            on_error,
            clock,
            tables: BTreeMap::new(),
            start_over: BTreeSet::new(),
            plans_over: Vec::new(),
        }
    }

    /// True where a table that cannot be read is set apart, and does not end the job.
    pub fn is_wanted(&self) -> bool {
        self.on_error == OnTableError::Quarantine
    }

    /// True until the planner has heard of the tables just set apart.
    pub(super) fn has_plans_over(&self) -> bool {
        !self.plans_over.is_empty()
    }

    pub fn has(&self, table: &TableName) -> bool {
        self.tables.contains_key(table)
    }

    pub fn tables(&self) -> impl Iterator<Item = &Quarantined> {
        self.tables.values()
    }

    /// One that a checkpoint tells of.
    pub fn restore(&mut self, known: Quarantined) {
        tracing::warn!(table = %known.table, position = %known.position,
            since_ms = known.since_ms, events_dropped = known.events_dropped,
            "the table is in quarantine, to be read again with `--resnapshot {}`: {}",
            known.table, known.reason);
        self.tables.insert(known.table.clone(), known);
    }

    /// A table that is read from the start again; the sinks are still to be told.
    pub fn starts_over(&mut self, table: TableName) {
        self.start_over.insert(table);
    }

    pub fn is_to_start_over(&self, table: &TableName) -> bool {
        self.start_over.contains(table)
    }

    /// Takes a table out, for it is gone or comes back.
    pub fn leave(&mut self, table: &TableName) -> Option<Quarantined> {
        self.tables.remove(table)
    }

    /// The same table goes on under another name.
    pub fn rename(&mut self, known: Quarantined, to: &TableName) {
        self.tables.insert(to.clone(), Quarantined { table: to.clone(), ..known });
    }

    /// A rows event of a table was passed over.
    pub fn dropped(&mut self, table: &TableName) {
        if let Some(known) = self.tables.get_mut(table) {
            known.events_dropped += 1;
        }
    }

    /// Names of a database's tables that stand apart.
    pub fn of_database(&self, db: &str) -> Vec<TableName> {
        self.tables.keys().filter(|t| &*t.db == db).cloned().collect()
    }

    /// For the checkpoint.
    pub fn state(&self) -> Quarantine {
        Quarantine {
            tables: self.tables.values().cloned().collect(),
            start_over: self.start_over.iter().cloned().collect(),
        }
    }
}

impl fmt::Debug for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apart").field("tables", &self.tables.keys()).finish_non_exhaustive()
    }
}

impl TableSet {
    /// Sets a table apart at `place`.
    pub fn set_apart(&mut self, table: &TableName, place: Place, reason: String) {
        if let Some(followed) = self.followed.remove(table) {
            self.apart.plans_over.push(followed.plan);
        }
        if self.apart.has(table) {
            return;
        }
        let Place { binlog: position, gtid } = place;
        tracing::warn!(%table, %position,
            "the table is set apart (quarantine): nothing more of it is emitted until it is read \
             again with `--resnapshot {table}`, or dropped; the others go on: {reason}");
        let known = Quarantined {
            table: table.clone(),
            reason,
            position,
            gtid: gtid.map(|gtid| gtid.to_string()),
            since_ms: self.apart.clock.now_ms(),
            events_dropped: 0,
        };
        self.apart.tables.insert(table.clone(), known);
    }
}

/// The table of an error, as the error has it.
enum Named<'e> {
    Name(&'e TableName),
    Text(&'e str),
}

impl SourceError {
    /// True where the error is about one table, and says nothing of others.
    pub fn is_of_table(&self) -> bool {
        self.named().is_some()
    }

    fn named(&self) -> Option<Named<'_>> {
        match self {
            Self::UnknownType { table, .. }
            | Self::Value { table, .. }
            | Self::UnknownSchema { table, .. }
            | Self::Statement { table, .. }
            | Self::KeyLost { table } => Some(Named::Name(table)),
            Self::Chunk { table, source } => {
                let of_table = source.server_code().is_some_and(snapshot::is_of_table);
                of_table.then_some(Named::Name(table))
            }
            Self::Merge(
                MergeError::Row(RowError { table, .. }) | MergeError::Order { table, .. },
            ) => Some(Named::Text(table)),
            Self::Binlog(_)
            | Self::PassBroken { .. }
            | Self::RowsOfFunction { .. }
            | Self::ServerChanged
            | Self::Spool(_)
            | Self::Held(_)
            | Self::XaLimit { .. }
            | Self::XaUnseen { .. }
            | Self::XaNewTable { .. }
            | Self::Store(_)
            | Self::NothingMatches { .. }
            | Self::NotFollowed { .. }
            | Self::Stopped => None,
        }
    }
}

impl MySqlSource {
    /// Sets the table of an error apart, where the job asks for it.
    ///
    /// # Errors
    /// The error, where it ends the run.
    pub(super) fn set_apart(&mut self, error: SourceError, at: Place) -> Result<(), SourceError> {
        let mut followed = self.tables.followed.keys();
        let table = match error.named().filter(|_| self.tables.apart.is_wanted()) {
            Some(Named::Name(name)) => Some(name.clone()),
            Some(Named::Text(text)) => followed.find(|t| t.to_string() == text).cloned(),
            None => None,
        };
        let Some(table) = table else { return Err(error) };
        self.tables.set_apart(&table, at, chain(&error));
        // What the reader planned for its rows does not hold any more.
        self.reader.replan();
        Ok(())
    }

    /// Decodes every value of a block before any of it goes anywhere, where an error would set its
    /// table apart: an event is taken whole, or not at all.
    pub(super) fn verify(&self, block: &RowsBlock) -> Result<(), SourceError> {
        if !self.tables.apart.is_wanted() {
            return Ok(());
        }
        block.for_each(|_| Ok::<(), RowError>(())).map_err(|e| MergeError::Row(e).into())
    }

    /// Plans of tables set apart are over.
    pub(super) async fn end_plans(&mut self) {
        if self.tables.apart.plans_over.is_empty() {
            return;
        }
        let mut planner = self.shared.planner.lock().await;
        self.tables.apart.plans_over.drain(..).for_each(|plan| planner.remove(plan));
    }

    /// Tells the sinks which tables start over, before anything else of them.
    pub(super) fn announce_starts(&mut self) {
        for table in std::mem::take(&mut self.tables.apart.start_over) {
            tracing::info!(%table, "the table starts over: its rows are read again");
            let at = &self.reader.position().binlog;
            let sql = format!(
                "DROP TABLE {} /* seachange: it starts over, its rows are read again */",
                table.quoted()
            );
            let origin = Origin {
                ts_ms: self.position_ts_ms,
                server_id: self.server.server_id,
                gtid: None,
                file: Arc::clone(at.file.name()),
                pos: at.offset,
                first_row: 0,
            };
            let change = SchemaChange {
                table,
                sql: sql.into(),
                after: None,
                starts_over: true,
                truncated: false,
                renamed: Vec::new(),
                filled: Vec::new(),
                renamed_from: None,
                origin,
            };
            self.batcher.push_change(change);
        }
    }

    /// Between events.
    pub(super) fn here(&self) -> Place {
        Place { binlog: self.reader.position().binlog.clone(), gtid: None }
    }

    pub(super) fn place(&self, origin: &Origin) -> Place {
        let Ok(file) = origin.file.parse() else { return self.here() };
        let binlog = BinlogPosition { file, offset: origin.pos };
        Place { binlog, gtid: origin.gtid.clone() }
    }

    pub(super) fn place_of(&self, delivered: &Delivered) -> Place {
        self.place(&super::stream::origin(delivered))
    }
}

#[cfg(test)]
mod tests;
