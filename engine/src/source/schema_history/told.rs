//! What the sinks are told of a statement.

use std::sync::Arc;

use binlog::event::QueryEvent;
use binlog::reader::Delivered;
use model::change::Filled;
use model::{SchemaChange, TableName, TableSchema};

use super::super::definition::Renamed;
use super::super::{MySqlSource, stream};

/// What a statement leaves of a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::source) enum Rows {
    #[default]
    Kept,
    /// No deletes of them are logged.
    Gone,
}

/// What the sinks are told of a table, beside the statement; by default that it is dropped.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub after: Option<Arc<TableSchema>>,
    pub rows: Rows,
    pub renamed: Renamed,
    pub filled: Vec<(Arc<str>, Filled)>,
    pub renamed_from: Option<TableName>,
}

impl Told {
    pub(super) fn of(schema: Arc<TableSchema>) -> Self {
        Self { after: Some(schema), ..Self::default() }
    }
}

impl MySqlSource {
    pub(super) fn announce_dropped(
        &mut self,
        table: &TableName,
        query: &QueryEvent,
        at: &Delivered,
    ) {
        self.announce(table, Told::default(), query, at);
    }

    pub(super) fn announce(
        &mut self,
        table: &TableName,
        Told { after, rows, renamed, filled, renamed_from }: Told,
        query: &QueryEvent,
        delivered: &Delivered,
    ) {
        let change = SchemaChange {
            table: table.clone(),
            sql: query.sql.as_str().into(),
            after,
            starts_over: false,
            truncated: rows == Rows::Gone,
            renamed,
            filled,
            renamed_from,
            origin: stream::origin(delivered),
        };
        self.tell(change);
    }
}
