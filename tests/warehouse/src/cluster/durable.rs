//! What outlives the process, and how it is taken up again.
//!
//! Ledgers and definitions rest in the same SQLite database as the rows, so that one SQLite transaction holds a
//! whole unit of work: no row is there without the transaction that it belongs to, and none twice.
//! A transaction that still gathers data is not kept: the servers lose it too.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};

use crate::System;
use crate::store::StoreError;
use crate::table::{Table, TableName};
use crate::txn::{State as Standing, Transaction};

use super::{OpenError, Place, Setup, State};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS kept_setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS kept_database (
        name TEXT PRIMARY KEY, id INTEGER NOT NULL, next_version INTEGER NOT NULL DEFAULT 2
    );
    CREATE TABLE IF NOT EXISTS kept_table (
        db TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL, PRIMARY KEY (db, name)
    );
    CREATE TABLE IF NOT EXISTS kept_transaction (
        id INTEGER PRIMARY KEY, db TEXT NOT NULL, transaction_json TEXT NOT NULL
    );";

/// Numbers given out and not kept are skipped after a restart, so that none is given twice.
const NUMBERS_SKIPPED: u64 = 1_000;

impl State {
    /// Opens a SQLite transaction around the unit of work. One that a panic left open is undone.
    pub(super) fn begin_unit(&self) -> Result<(), StoreError> {
        let connection = self.store.connection();
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        Ok(connection.execute_batch("BEGIN")?)
    }

    /// Keeps what has changed, drops the rows of what is gone, and commits.
    pub(super) fn commit_unit(&mut self) -> Result<(), StoreError> {
        for (name, database) in &mut self.databases {
            let ledger = database.book.ledger_mut();
            let touched = ledger.take_touched();
            if touched.is_empty() {
                continue;
            }
            let connection = self.store.connection();
            for id in touched {
                if ledger.state(id) != Some(Standing::Prepare) {
                    self.gathered.remove(&id);
                }
                let number = i64::try_from(id.0).unwrap_or(i64::MAX);
                match ledger.get(id).filter(|txn| txn.state != Standing::Prepare) {
                    None => {
                        let sql = "DELETE FROM kept_transaction WHERE id = ?";
                        connection.prepare_cached(sql)?.execute([number])?;
                    }
                    Some(txn) => {
                        let json = serde_json::to_string(txn)?;
                        let sql = "INSERT OR REPLACE INTO kept_transaction VALUES (?, ?, ?)";
                        connection.prepare_cached(sql)?.execute(params![number, name, json])?;
                    }
                }
                if ledger.get(id).is_none_or(|txn| txn.state == Standing::Aborted) {
                    self.store.discard(id)?;
                    if let Some(counting) = &mut self.counting {
                        counting.discard(id);
                    }
                }
            }
            let sql = "UPDATE kept_database SET next_version = ? WHERE name = ?";
            let next = i64::try_from(ledger.next_version()).unwrap_or(i64::MAX);
            connection.prepare_cached(sql)?.execute(params![next, name])?;
            let sql = "INSERT OR REPLACE INTO kept_setting VALUES ('next_txn', ?)";
            connection.prepare_cached(sql)?.execute([ledger.next_id().to_string()])?;
        }
        if let Some(jobs) = self.jobs.take_changed() {
            let jobs = serde_json::to_string(jobs)?;
            let sql = "INSERT OR REPLACE INTO kept_setting VALUES ('jobs', ?)";
            self.store.connection().execute(sql, [jobs])?;
        }
        Ok(self.store.connection().execute_batch("COMMIT")?)
    }

    /// A clock that was set forward stays so, for nothing kept may be younger than now.
    pub(super) fn keep_clock(&self) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO kept_setting VALUES ('skipped_ms', ?)";
        let skipped = self.clock.skipped().as_millis().to_string();
        self.store.connection().execute(sql, [skipped])?;
        Ok(())
    }

    pub(super) fn keep_database(&self, name: &str, id: u64) -> Result<(), StoreError> {
        let sql = "INSERT INTO kept_database (name, id) VALUES (?, ?)";
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        self.store.connection().execute(sql, params![name, id])?;
        Ok(())
    }

    pub(super) fn lose_database(&self, name: &str) -> Result<(), StoreError> {
        let connection = self.store.connection();
        connection.execute("DELETE FROM kept_database WHERE name = ?", [name])?;
        connection.execute("DELETE FROM kept_transaction WHERE db = ?", [name])?;
        Ok(())
    }

    pub(super) fn keep_table(&self, database: &str, table: &Table) -> Result<(), StoreError> {
        let definition = serde_json::to_string(table)?;
        let sql = "INSERT OR REPLACE INTO kept_table VALUES (?, ?, ?)";
        self.store.connection().execute(sql, params![database, table.name, definition])?;
        Ok(())
    }

    pub(super) fn lose_table(&self, name: &TableName) -> Result<(), StoreError> {
        let sql = "DELETE FROM kept_table WHERE db = ? AND name = ?";
        self.store.connection().execute(sql, params![name.database, name.table])?;
        Ok(())
    }

    /// Takes up what was kept here before.
    pub(super) fn restore(&mut self, setup: &Setup) -> Result<(), OpenError> {
        self.store.connection().execute_batch(SCHEMA).map_err(StoreError::from)?;
        self.check_system(setup)?;
        for (name, id, next_version) in self.kept_databases()? {
            self.open_database(&name, id);
            let kept = self.kept_transactions(&name)?;
            if let Some(database) = self.databases.get_mut(&name) {
                database.book.ledger_mut().restore(kept, next_version);
            }
        }
        for (database, table) in self.kept_tables()? {
            self.catalog.put(&database, table);
        }
        if let Some(jobs) = self.setting("jobs")? {
            self.jobs.restore(serde_json::from_str(&jobs).map_err(StoreError::from)?);
        }
        if let Some(next) = self.setting("next_txn")?.and_then(|text| text.parse::<u64>().ok()) {
            self.next_txn = next + NUMBERS_SKIPPED;
        }
        if let Some(skipped) = self.setting("skipped_ms")?.and_then(|text| text.parse().ok()) {
            self.clock.skip(Duration::from_millis(skipped));
        }
        Ok(())
    }

    fn check_system(&self, setup: &Setup) -> Result<(), OpenError> {
        let name = match self.system {
            System::Doris => "doris",
            System::StarRocks => "starrocks",
        };
        match (self.setting("system")?, &setup.place) {
            (Some(found), Place::Directory(path)) if found != name => {
                Err(OpenError::OtherSystem { path: path.clone(), found })
            }
            _ => {
                let sql = "INSERT OR REPLACE INTO kept_setting VALUES ('system', ?)";
                self.store.connection().execute(sql, [name]).map_err(StoreError::from)?;
                Ok(())
            }
        }
    }

    fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM kept_setting WHERE name = ?";
        Ok(self.store.connection().query_row(sql, [name], |row| row.get(0)).optional()?)
    }

    fn kept_databases(&self) -> Result<Vec<(String, u64, u64)>, StoreError> {
        let sql = "SELECT name, id, next_version FROM kept_database";
        let mut select = self.store.connection().prepare(sql)?;
        let number = |value: i64| u64::try_from(value).unwrap_or(0);
        let rows = select
            .query_map([], |row| Ok((row.get(0)?, number(row.get(1)?), number(row.get(2)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn kept_tables(&self) -> Result<Vec<(String, Table)>, StoreError> {
        let mut select =
            self.store.connection().prepare("SELECT db, definition FROM kept_table")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (database, definition) = row?;
            Ok((database, serde_json::from_str(&definition)?))
        })
        .collect()
    }

    fn kept_transactions(&self, database: &str) -> Result<Vec<Transaction>, StoreError> {
        let sql = "SELECT transaction_json FROM kept_transaction WHERE db = ?";
        let mut select = self.store.connection().prepare(sql)?;
        let rows = select.query_map([database], |row| row.get::<_, String>(0))?;
        rows.map(|row| Ok(serde_json::from_str(&row?)?)).collect()
    }
}
