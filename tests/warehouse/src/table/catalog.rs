//! The databases and their tables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Table;

/// Where a table is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    pub database: String,
    pub table: String,
}

impl TableName {
    pub fn new(database: impl Into<String>, table: impl Into<String>) -> Self {
        Self { database: database.into(), table: table.into() }
    }
}

/// What is defined at present.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    tables: BTreeMap<TableName, Table>,
}

impl Catalog {
    #[must_use]
    pub fn get(&self, name: &TableName) -> Option<&Table> {
        self.tables.get(name)
    }

    /// Every table of a database, by name.
    pub fn of<'a>(&'a self, database: &'a str) -> impl Iterator<Item = &'a Table> {
        let tables = self.tables.iter().filter(move |(name, _)| name.database == database);
        tables.map(|(_, table)| table)
    }

    /// Puts a definition in, in the place of another of this name.
    pub fn put(&mut self, database: &str, table: Table) {
        self.tables.insert(TableName::new(database, table.name.clone()), table);
    }

    pub fn remove(&mut self, name: &TableName) -> Option<Table> {
        self.tables.remove(name)
    }
}
