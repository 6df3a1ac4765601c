//! From staged rows to rows of a table, by its key model.

use std::cmp::Ordering;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use serde_json::{Map, Value as Json};

use crate::ingest::{Operation, Row};
use crate::table::{Catalog, KeyModel, Table, TableName, Value};
use crate::txn::TxnId;

use super::{StoreError, cell, number, quoted, rows_of};

/// In which order the rows of one load are applied. Doris promises none without a sequence column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    AsSent,
    Reversed,
}

pub(super) fn publish(
    unit: &Connection,
    catalog: &Catalog,
    txn: TxnId,
    version: u64,
    order: Order,
) -> Result<(), StoreError> {
    let direction = match order {
        Order::AsSent => "ASC",
        Order::Reversed => "DESC",
    };
    let mut select = unit.prepare(&format!(
        "SELECT db, tbl, deletes, sequence, cells FROM staged
         WHERE txn = ? ORDER BY place {direction}"
    ))?;
    let mut staged = select.query([number(txn)])?;
    while let Some(found) = staged.next()? {
        let name = TableName::new(found.get::<_, String>(0)?, found.get::<_, String>(1)?);
        let Some(table) = catalog.get(&name) else { continue };
        let operation =
            if found.get::<_, bool>(2)? { Operation::Delete } else { Operation::Upsert };
        let sequence: Option<Json> = serde_json::from_str(&found.get::<_, String>(3)?)?;
        let cells: Map<String, Json> = serde_json::from_str(&found.get::<_, String>(4)?)?;
        let cells = table.columns.iter().map(|column| cells.get(&column.name));
        let row = Row {
            values: cells.map(|cell| cell.map_or(Value::Null, cell::from_json)).collect(),
            operation,
            sequence: sequence.as_ref().map(cell::from_json),
        };
        Target { unit, table, rows: rows_of(&name), version }.apply(&row)?;
    }
    Ok(())
}

struct Target<'a> {
    unit: &'a Connection,
    table: &'a Table,
    rows: String,
    version: u64,
}

impl Target<'_> {
    fn apply(&self, row: &Row) -> Result<(), StoreError> {
        if self.table.model == KeyModel::Duplicate {
            return self.insert(row);
        }
        if self.is_superseded(row)? {
            return Ok(());
        }
        self.remove(row)?;
        // INVARIANT newest-sequence: with a sequence a deleted row stays as a tombstone, or an older upsert that
        // comes later would bring it back. Test: `an_older_sequence_changes_nothing_not_even_after_a_delete`.
        if row.operation == Operation::Upsert || row.sequence.is_some() {
            self.insert(row)?;
        }
        Ok(())
    }

    /// Whether what is there has a greater sequence; of two that are equal the later commit wins.
    fn is_superseded(&self, row: &Row) -> Result<bool, StoreError> {
        let Some(sequence) = &row.sequence else { return Ok(false) };
        let (condition, keys) = self.key(row);
        let mut select = self.unit.prepare_cached(&format!(
            "SELECT __SEQUENCE_COL__ FROM {} WHERE {condition}",
            self.rows
        ))?;
        let stored = select.query_row(params_from_iter(keys), |found| {
            Ok(cell::sequence_from_sql(found.get_ref(0)?))
        });
        let stored = stored.optional()?;
        Ok(stored.is_some_and(|stored| cell::compare(&stored, sequence) == Ordering::Greater))
    }

    fn remove(&self, row: &Row) -> Result<(), StoreError> {
        let (condition, keys) = self.key(row);
        let sql = format!("DELETE FROM {} WHERE {condition}", self.rows);
        self.unit.prepare_cached(&sql)?.execute(params_from_iter(keys))?;
        Ok(())
    }

    fn insert(&self, row: &Row) -> Result<(), StoreError> {
        let names = self.table.columns.iter().map(|column| quoted(&column.name));
        let names = names.collect::<Vec<_>>().join(", ");
        let marks = "?, ".repeat(self.table.columns.len());
        let sql = format!(
            "INSERT INTO {} ({names}, __DELETE_SIGN__, __SEQUENCE_COL__, __VERSION_COL__)
             VALUES ({marks}?, ?, ?)",
            self.rows
        );
        let columns = self.table.columns.iter().zip(&row.values);
        let mut cells: Vec<ToSqlOutput<'static>> =
            columns.map(|(column, value)| cell::to_sql(column.ty, value)).collect();
        cells.push(i64::from(row.operation == Operation::Delete).into());
        cells.push(cell::sequence_to_sql(row.sequence.as_ref().unwrap_or(&Value::Null)));
        cells.push(i64::try_from(self.version).unwrap_or(i64::MAX).into());
        self.unit.prepare_cached(&sql)?.execute(params_from_iter(cells))?;
        Ok(())
    }

    /// A condition for the row's key and its values. A key may hold NULL in Doris, which is equal to NULL.
    fn key(&self, row: &Row) -> (String, Vec<ToSqlOutput<'static>>) {
        let keys = self.table.columns.iter().zip(&row.values).filter(|(column, _)| column.is_key);
        let (names, cells): (Vec<String>, Vec<_>) = keys
            .map(|(column, value)| {
                (format!("{} IS ?", quoted(&column.name)), cell::to_sql(column.ty, value))
            })
            .unzip();
        (names.join(" AND "), cells)
    }
}
