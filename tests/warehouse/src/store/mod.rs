//! Rows at rest, in SQLite: staged by transaction, and seen by queries once they are published.
//!
//! Each table is two things there: `db.table#rows`, with the hidden columns that Doris has too, and over it
//! the view `db.table`, which is what queries see. Staged rows know their columns by name, so that a table may
//! change between a load and its commit.

pub mod alter;
mod apply;
mod cell;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::ingest::{Operation, Row};
use crate::table::{Catalog, Table, TableName};
use crate::txn::TxnId;

pub use alter::AlterError;
pub use apply::Order;

/// The store itself failed: nothing that a warehouse would say.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("SQLite: {0}")]
    Sql(#[from] rusqlite::Error),
    #[error("what is stored cannot be read: {0}")]
    Stored(#[from] serde_json::Error),
}

impl StoreError {
    /// Whether another process has the file.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let code = match self {
            Self::Sql(error) => error.sqlite_error_code(),
            Self::Stored(_) => None,
        };
        code == Some(rusqlite::ErrorCode::DatabaseBusy)
    }
}

#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

const STAGED: &str = "
    CREATE TABLE IF NOT EXISTS staged (
        txn INTEGER NOT NULL,
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        db TEXT NOT NULL,
        tbl TEXT NOT NULL,
        deletes INTEGER NOT NULL,
        sequence TEXT NOT NULL,
        cells TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS staged_by_txn ON staged (txn, place);";

impl Store {
    /// One that is gone with the process.
    ///
    /// # Errors
    /// SQLite's.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::over(Connection::open_in_memory()?)
    }

    /// One in a file, which outlives a process that is killed. It has one owner at a time.
    ///
    /// # Errors
    /// SQLite's; that another process has it among them.
    pub fn in_file(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Self::over(connection)
    }

    fn over(connection: Connection) -> Result<Self, StoreError> {
        connection.execute_batch(STAGED)?;
        Ok(Self { connection })
    }

    /// For queries.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// # Errors
    /// SQLite's; a table of this name among them.
    pub fn create_table(&self, database: &str, table: &Table) -> Result<(), StoreError> {
        create(&self.connection, database, table)
    }

    /// Drops a table, and loses what is staged for it.
    ///
    /// # Errors
    /// SQLite's; no table of this name among them.
    pub fn drop_table(&self, name: &TableName) -> Result<(), StoreError> {
        let (view, rows) = (quoted(&view_name(name)), rows_of(name));
        self.connection.execute_batch(&format!("DROP VIEW {view}; DROP TABLE {rows};"))?;
        self.lose_staged(name)
    }

    /// Takes the rows of `from`, seen and staged, to a table of another name.
    ///
    /// # Errors
    /// SQLite's; a table of that name among them.
    pub fn rename_table(&self, from: &TableName, to: &Table) -> Result<(), StoreError> {
        create(&self.connection, &from.database, to)?;
        let (view, rows) = (quoted(&view_name(from)), rows_of(from));
        let new = rows_of(&TableName::new(from.database.clone(), to.name.clone()));
        self.connection.execute_batch(&format!(
            "INSERT INTO {new} SELECT * FROM {rows}; DROP VIEW {view}; DROP TABLE {rows};"
        ))?;
        let staged = "UPDATE staged SET tbl = ? WHERE db = ? AND tbl = ?";
        self.connection.execute(staged, params![to.name, from.database, from.table])?;
        Ok(())
    }

    /// Empties a table, and loses what is staged for it: the partitions that it was for are gone.
    ///
    /// # Errors
    /// As [`drop_table`](Self::drop_table).
    pub fn truncate(&self, name: &TableName) -> Result<(), StoreError> {
        self.connection.execute_batch(&format!("DELETE FROM {};", rows_of(name)))?;
        self.lose_staged(name)
    }

    fn lose_staged(&self, name: &TableName) -> Result<(), StoreError> {
        let staged = "DELETE FROM staged WHERE db = ? AND tbl = ?";
        self.connection.execute(staged, params![name.database, name.table])?;
        Ok(())
    }

    /// Keeps a load's rows for its transaction; no query sees them.
    ///
    /// # Errors
    /// SQLite's.
    pub fn stage(
        &mut self,
        txn: TxnId,
        name: &TableName,
        table: &Table,
        rows: &[Row],
    ) -> Result<(), StoreError> {
        let unit = self.connection.savepoint()?;
        {
            let mut insert = unit.prepare_cached(
                "INSERT INTO staged (txn, db, tbl, deletes, sequence, cells)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?;
            for row in rows {
                let named = table.columns.iter().zip(&row.values);
                let named = named.map(|(column, value)| (&*column.name, cell::to_json(value)));
                let cells: serde_json::Map<String, serde_json::Value> =
                    named.map(|(name, value)| (name.to_owned(), value)).collect();
                insert.execute(params![
                    number(txn),
                    name.database,
                    name.table,
                    row.operation == Operation::Delete,
                    serde_json::to_string(&row.sequence.as_ref().map(cell::to_json))?,
                    serde_json::to_string(&cells)?,
                ])?;
            }
        }
        Ok(unit.commit()?)
    }

    /// Makes a transaction's rows part of their tables, all at once. Of tables that are gone, they are gone too.
    ///
    /// # Errors
    /// SQLite's; then none of them are.
    pub fn publish(
        &mut self,
        catalog: &Catalog,
        txn: TxnId,
        version: u64,
        order: Order,
    ) -> Result<(), StoreError> {
        let unit = self.connection.savepoint()?;
        apply::publish(&unit, catalog, txn, version, order)?;
        unit.execute("DELETE FROM staged WHERE txn = ?", [number(txn)])?;
        Ok(unit.commit()?)
    }

    /// Drops what is staged for a transaction that was aborted or lost.
    ///
    /// # Errors
    /// SQLite's.
    pub fn discard(&self, txn: TxnId) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM staged WHERE txn = ?", [number(txn)])?;
        Ok(())
    }
}

fn create(connection: &Connection, database: &str, table: &Table) -> Result<(), StoreError> {
    let name = TableName::new(database, table.name.clone());
    let visible: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    let keys = table.columns.iter().filter(|column| column.is_key);
    let keys: Vec<String> = keys.map(|column| quoted(&column.name)).collect();
    let (rows, columns) = (rows_of(&name), visible.join(", "));
    let (view, index) = (quoted(&view_name(&name)), quoted(&format!("{}#key", view_name(&name))));
    let mut script = format!(
        "CREATE TABLE {rows} ({columns}, __DELETE_SIGN__, __SEQUENCE_COL__, __VERSION_COL__);
         CREATE VIEW {view} AS SELECT {columns} FROM {rows} WHERE __DELETE_SIGN__ = 0;"
    );
    if !keys.is_empty() {
        script.push_str(&format!("CREATE INDEX {index} ON {rows} ({});", keys.join(", ")));
    }
    Ok(connection.execute_batch(&script)?)
}

/// What a query calls a table.
#[must_use]
pub fn view_name(name: &TableName) -> String {
    format!("{}.{}", name.database, name.table)
}

fn rows_of(name: &TableName) -> String {
    quoted(&format!("{}#rows", view_name(name)))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn number(txn: TxnId) -> i64 {
    i64::try_from(txn.0).unwrap_or(i64::MAX)
}
